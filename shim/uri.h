/* The little of URIs that stdio targets need. */
#ifndef HOY_SHIM_URI_H
#define HOY_SHIM_URI_H

#include <stddef.h>

/* `len` bytes with %XX decoded; heap, NULL when out of memory. */
char *hoy_uri_decode(const char *from, size_t len);

/* What stands behind '?': key, value, key, value ..., decoded; empty without one. 0 or -ENOMEM. */
int hoy_uri_query(const char *uri, char ***ret);

#endif
