/*
 * Names that a container may send to, as hoyd tells hoy-dns and hoy-net: one a line, "NAME PORT\n", lower case, port 0
 * for all of them. "*.NAME" is whatever ends in ".NAME", and not NAME itself.
 */
#ifndef HOY_SUPERVISOR_WORKER_ALLOWED_NAMES_H
#define HOY_SUPERVISOR_WORKER_ALLOWED_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define HOY_ALLOWED_NAME_MAX 253

struct hoy_allowed_name {
	char pattern[HOY_ALLOWED_NAME_MAX + 3]; /* with "*." in front */
	uint16_t port;
};

/* The next line of the text; *at moves behind it. False: none is left, or it is not one. */
bool hoy_allowed_names_next(const char **at, struct hoy_allowed_name *ret);
/* Does the pattern stand for `name` (lower case, no dot at its end)? */
bool hoy_allowed_name_matches(const char *pattern, const char *name);

#endif
