/* The words docker uses for times and sizes. */
#ifndef HOY_CLI_HUMAN_H
#define HOY_CLI_HUMAN_H

#include <stdint.h>
#include <time.h>

/* "5 minutes", "About an hour", "3 weeks": as docker's humanised durations. Heap. */
char *hoy_human_duration(int64_t seconds);
/* "5 minutes ago" for a point in time. Heap. */
char *hoy_human_ago(time_t when);
/* "4.26MB": powers of 1000, three significant digits; binary: "64MiB". Heap. */
char *hoy_human_size(double bytes);
char *hoy_human_size_long(double bytes); /* with four digits: system df, -s */
char *hoy_human_size_binary(double bytes);

#endif
