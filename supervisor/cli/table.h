/* Aligned tables on stdout, and the words docker uses for times and sizes. */
#ifndef HOY_CLI_TABLE_H
#define HOY_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

/* Cells row by row, the header first; columns are padded to the widest cell plus three spaces. */
struct hoy_table {
	size_t columns;
	char **cells; /* NULL-terminated vector, columns * rows */
};
int hoy_table_add(struct hoy_table *table, const char *cell); /* "" for NULL */
void hoy_table_print(const struct hoy_table *table);
void hoy_table_done(struct hoy_table *table);

/* "5 minutes", "About an hour", "3 weeks": as docker's humanised durations. Heap. */
char *hoy_human_duration(int64_t seconds);
/* "5 minutes ago" for a point in time. Heap. */
char *hoy_human_ago(time_t when);
/* "4.26MB": powers of 1000, three significant digits; binary: "64MiB". Heap. */
char *hoy_human_size(double bytes);
char *hoy_human_size_binary(double bytes);

#endif
