/* Which calls scoped sockets know: a row for each route, its group, and what is looked at. A route without a row is
 * refused. */
#ifndef HOY_API_SCOPE_RULES_H
#define HOY_API_SCOPE_RULES_H

#include <stddef.h>

#include "supervisor/api/scope_body.h"

/* Whose name the path has. */
enum hoy_scope_object {
	HOY_SCOPE_NOTHING,
	HOY_SCOPE_CONTAINER,
	HOY_SCOPE_EXEC,
	HOY_SCOPE_VOLUME,
	HOY_SCOPE_NETWORK,
	HOY_SCOPE_HOST_WIDE, /* an image: it belongs to no scope */
};

enum {
	HOY_SCOPE_FILTERED = 1,     /* lists: those with the labels alone */
	HOY_SCOPE_UNLABELLED = 2,   /* shows, or does, what no label restricts: not where there are labels */
	HOY_SCOPE_BOTH_WAYS = 4,    /* a GET that becomes a stream into a process */
	HOY_SCOPE_BODY_AS_IT_IS = 8 /* nothing in it names anything; else a body without a shape is not passed on */
};

struct hoy_scope_rule {
	const char *method, *pattern; /* of the route */
	const char *group;            /* NULL: always allowed */
	enum hoy_scope_object object;
	enum hoy_scope_shape shape;
	unsigned int flags;
	const char *const *refused; /* query parameters */
};
extern const struct hoy_scope_rule hoy_scope_rules[];
extern const size_t hoy_scope_rules_n;

/* NULL: there is none. */
const struct hoy_scope_rule *hoy_scope_rule_find(const char *method, const char *pattern);

#endif
