/* The `filters` query parameter: {"label":["a=b"]} and the old {"label":{"a=b":true}}. Pure. */
#ifndef HOY_API_FILTERS_H
#define HOY_API_FILTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_filters {
	struct hoy_filter_item {
		char *key, *value;
	} * items;
	size_t n_items;
};

/* Parses `text` (NULL or empty: no filters). Keys must be in the NULL-terminated `known`; an unknown one is
 * HOY_ERR_INVALID "invalid filter 'x'". */
int hoy_filters_parse(struct hoy_filters *filters, const char *text, const char *const *known, struct hoy_err *err);
void hoy_filters_done(struct hoy_filters *filters);

bool hoy_filters_has(const struct hoy_filters *filters, const char *key);
/* All values of `key` as a vector of owned strings; NULL in *ret when there are none. */
int hoy_filters_values(const struct hoy_filters *filters, const char *key, char ***ret, struct hoy_err *err);
/* True without that key, or when one of its values equals / is a prefix of `text`. */
bool hoy_filters_match(const struct hoy_filters *filters, const char *key, const char *text);
bool hoy_filters_match_prefix(const struct hoy_filters *filters, const char *key, const char *text);
/* A value that must be a boolean: *ret is -1 when absent, else 0 or 1. */
int hoy_filters_bool(const struct hoy_filters *filters, const char *key, int *ret, struct hoy_err *err);

#endif
