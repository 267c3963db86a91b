/* The request target: path and query, percent-decoded and checked. Pure. */
#ifndef HOY_API_URI_H
#define HOY_API_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_query_item {
	char *name, *value;
};

struct hoy_uri {
	char *path; /* decoded; starts with '/' */
	struct hoy_query_item *query;
	size_t n_query;
};
#define HOY_URI_QUERY_MAX 1024

/* Parses "path?query" (also an absolute "http://host/path"). Refused: bad percent escapes in the path, NUL bytes, text
 * that is not UTF-8 in the path. Query items that cannot be decoded are refused too. 0 or -errno. */
int hoy_uri_parse(struct hoy_uri *uri, const char *target, struct hoy_err *err);
void hoy_uri_done(struct hoy_uri *uri);

/* First value of that name; NULL when absent. */
const char *hoy_uri_query(const struct hoy_uri *uri, const char *name);
/* All values of that name, NULL-terminated and borrowed; free() the vector. NULL when out of memory. */
const char **hoy_uri_query_all(const struct hoy_uri *uri, const char *name);
/* As the API reads booleans: anything but "", 0, no, false, none is true. Absent: `otherwise`. */
bool hoy_uri_query_bool(const struct hoy_uri *uri, const char *name, bool otherwise);
/* The only value of that name from now on. */
int hoy_uri_query_set(struct hoy_uri *uri, const char *name, const char *value, struct hoy_err *err);
/* A decimal number; absent or empty: `otherwise`. -EINVAL with the text of a 400. */
int hoy_uri_query_i64(
	const struct hoy_uri *uri, const char *name, long long otherwise, long long *ret, struct hoy_err *err);

#endif
