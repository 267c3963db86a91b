/* Times and sizes in words. */
#include "supervisor/cli/human.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

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

static char *size_in(double value, double base, int digits, const char *const *units, size_t n)
{
	size_t i = 0;

	while (value >= base && i + 1 < n) {
		value /= base;
		i++;
	}
	return hoy_str_printf("%.*g%s", digits, value, units[i]);
}

static const char *const decimal_units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

char *hoy_human_size(double bytes)
{
	return size_in(bytes, 1000, 3, decimal_units, ARRAY_LEN(decimal_units));
}

char *hoy_human_size_long(double bytes)
{
	return size_in(bytes, 1000, 4, decimal_units, ARRAY_LEN(decimal_units));
}

char *hoy_human_size_binary(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	return size_in(bytes, 1024, 4, units, ARRAY_LEN(units));
}
