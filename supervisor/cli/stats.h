/* The flags of `hoy stats`, which `hoy compose stats` takes too. */
#ifndef HOY_CLI_STATS_H
#define HOY_CLI_STATS_H

#include <stdbool.h>

#include "supervisor/cli/options.h"

struct hoy_stats_options {
	bool all, no_stream, no_trunc;
	const char *format; /* NULL: the table */
};

extern const struct hoy_option hoy_stats_options[];

#endif
