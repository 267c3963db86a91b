/* Tables and human words. */
#include "supervisor/cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

int hoy_table_add(struct hoy_table *table, const char *cell)
{
	return hoy_strv_add(&table->cells, cell ? cell : "");
}

/* Columns of a terminal: continuation bytes of UTF-8 take none. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char) *text & 0xc0) != 0x80;
	return n;
}

void hoy_table_print(const struct hoy_table *table)
{
	size_t n = hoy_strv_len(table->cells);
	auto_free size_t *widths = calloc(table->columns + 1, sizeof *widths);

	if (!widths)
		return;
	for (size_t i = 0; i < n; i++)
		widths[i % table->columns] = MAX(widths[i % table->columns], width_of(table->cells[i]));
	for (size_t i = 0; i < n; i++) {
		bool last = i % table->columns == table->columns - 1;
		int pad = last ? 0 : (int) (widths[i % table->columns] - width_of(table->cells[i]) + 3);

		(void) printf("%s%*s%s", table->cells[i], pad, "", last ? "\n" : "");
	}
}

void hoy_table_done(struct hoy_table *table)
{
	hoy_strv_free(table->cells);
	table->cells = NULL;
}

char *hoy_human_duration(int64_t s)
{
	int64_t hours = (s + 1800) / 3600;

	if (s < 1)
		return strdup("Less than a second");
	if (s == 1)
		return strdup("1 second");
	if (s < 60)
		return hoy_str_printf("%lld seconds", (long long) s);
	if (s < 120)
		return strdup("About a minute");
	if (s < 3600)
		return hoy_str_printf("%lld minutes", (long long) (s / 60));
	if (hours == 1)
		return strdup("About an hour");
	if (hours < 48)
		return hoy_str_printf("%lld hours", (long long) hours);
	if (hours < 24 * 7 * 2)
		return hoy_str_printf("%lld days", (long long) (hours / 24));
	if (hours < 24 * 30 * 2)
		return hoy_str_printf("%lld weeks", (long long) (hours / 24 / 7));
	if (hours < 24 * 365 * 2)
		return hoy_str_printf("%lld months", (long long) (hours / 24 / 30));
	return hoy_str_printf("%lld years", (long long) (s / 3600 / 24 / 365));
}

char *hoy_human_ago(time_t when)
{
	auto_free char *duration = hoy_human_duration((int64_t) (time(NULL) - when));

	return duration ? hoy_str_printf("%s ago", duration) : NULL;
}

static char *size_in(double value, double base, const char *const *units, size_t n)
{
	size_t i = 0;

	while (value >= base && i + 1 < n) {
		value /= base;
		i++;
	}
	return hoy_str_printf("%.*g%s", base > 1000 ? 4 : 3, value, units[i]);
}

char *hoy_human_size(double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

	return size_in(bytes, 1000, units, ARRAY_LEN(units));
}

char *hoy_human_size_binary(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	return size_in(bytes, 1024, units, ARRAY_LEN(units));
}
