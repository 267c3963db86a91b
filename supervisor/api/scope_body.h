/*
 * The bodies of requests that come by a scoped socket. Each is built anew from the members that are on a list, so that
 * what the handler parses is what was looked at: a member that is on no list is dropped when it says nothing (null,
 * false, 0, "", [], {}), and refuses the request when it does. Names of containers become IDs; what is made gets the
 * labels of the scope. Pure but for the look-ups.
 */
#ifndef HOY_API_SCOPE_BODY_H
#define HOY_API_SCOPE_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/api/scope_policy.h"

enum hoy_scope_shape {
	HOY_SCOPE_SHAPE_NONE,
	HOY_SCOPE_SHAPE_CONTAINER, /* POST /containers/create */
	HOY_SCOPE_SHAPE_UPDATE,
	HOY_SCOPE_SHAPE_EXEC,
	HOY_SCOPE_SHAPE_VOLUME,
	HOY_SCOPE_SHAPE_NETWORK,
	HOY_SCOPE_SHAPE_CONNECT, /* and disconnect */
};

/* Errors are HOY_ERR_NOT_FOUND for what is not there, and for what is not in the scope: nobody can tell which. */
struct hoy_scope_lookups {
	int (*container)(void *userdata, const char *ref, char ret_id[65], struct hoy_err *err);
	int (*volume)(void *userdata, const char *name, bool *ret_exists, struct hoy_err *err);
	int (*network)(void *userdata, const char *ref, struct hoy_err *err); /* may a container join it? */
	void *userdata;
};

/* Appends the new text to `ret`. Refused: errnum is EPERM, and the text names socket and member. */
int hoy_scope_body(const struct hoy_scope_policy *policy, enum hoy_scope_shape shape,
	const struct hoy_scope_lookups *lookups, const char *text, size_t len, struct hoy_buf *ret,
	struct hoy_err *err);

/* A `filters` parameter (NULL: none) with the labels of the scope among its own. Containers that "before" and "since"
 * name must be in the scope. */
int hoy_scope_filters(const struct hoy_scope_policy *policy, const struct hoy_scope_lookups *lookups, const char *text,
	struct hoy_buf *ret, struct hoy_err *err);

/* The error of a refusal: "scoped socket PATH: " and what is not allowed. -EPERM. */
int hoy_scope_refuse(const struct hoy_scope_policy *policy, struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(3, 4);

#endif
