/* The IPv4 routes the host has, to keep off them. */
#ifndef HOY_NETWORK_ROUTES_H
#define HOY_NETWORK_ROUTES_H

#include "base/err.h"
#include "supervisor/network/pool.h"

/* Destinations of all tables, the default route and those over interface `except` left out. *ret is freed by the
 * caller. */
int hoy_routes_read(const char *except, struct hoy_prefix **ret, size_t *ret_n, struct hoy_err *err);

#endif
