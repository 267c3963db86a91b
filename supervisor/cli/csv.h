/* One line of comma-separated fields as Go's encoding/csv reads it: a field in "..." may hold commas, "" is a quote. */
#ifndef HOY_CLI_CSV_H
#define HOY_CLI_CSV_H

#include "base/err.h"

/* NULL-terminated vector of the caller's. */
int hoy_csv_split(const char *text, char ***ret, struct hoy_err *err);

/* Cuts "key=value" in place at its first '='; NULL when there is none. */
char *hoy_csv_value(char *field);

#endif
