/* "--filter key=value" options as the API's JSON query. */
#ifndef HOY_CLI_FILTER_H
#define HOY_CLI_FILTER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct hoy_cli;

/* Appends "&filters={...}" (escaped) for the entries; nothing for none. */
int hoy_filter_add_query(struct hoy_buf *path, char *const *entries, struct hoy_err *err);

/* hoy_cli_call() without a body, for `path` with these filters. */
int hoy_filter_call(const struct hoy_cli *cli, const char *method, struct hoy_buf *path, char *const *entries,
	struct hoy_json **ret, struct hoy_err *err);

#endif
