/* "--filter key=value" options as the API's JSON query. */
#ifndef HOY_CLI_FILTER_H
#define HOY_CLI_FILTER_H

#include "base/buf.h"
#include "base/err.h"

/* Appends "&filters={...}" (escaped) for the entries; nothing for none. */
int hoy_filter_add_query(struct hoy_buf *path, char *const *entries, struct hoy_err *err);

#endif
