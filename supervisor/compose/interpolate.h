/*
 * Variables in strings: $NAME, ${NAME}, ${NAME:-word} ${NAME-word} ${NAME:?word} ${NAME?word} ${NAME:+word}
 * ${NAME+word}, words may hold variables themselves, $$ is a dollar sign.
 */
#ifndef HOY_COMPOSE_INTERPOLATE_H
#define HOY_COMPOSE_INTERPOLATE_H

#include "supervisor/compose/node.h"

struct hoy_interpolation {
	/* The value of a variable; NULL: unset. */
	const char *(*get)(const char *name, void *userdata);
	/* A variable without a value was replaced by nothing; may be NULL. */
	void (*missing)(const char *name, void *userdata);
	/* A variable was met: `op` is '-', '+', '?' or 0, `word` what follows it. May be NULL. */
	void (*seen)(const char *name, char op, const char *word, void *userdata);
	void *userdata;
};

/* Replaces the variables of `text`. Caller frees *ret. -EINVAL: "invalid interpolation format ...", or "required
 * variable X is missing a value: word". */
int hoy_interpolate(const char *text, const struct hoy_interpolation *how, char **ret, struct hoy_err *err);

/* The same in every string of a tree, keys excepted. Errors name the place and the path of keys. */
int hoy_interpolate_tree(
	struct hoy_arena *arena, struct hoy_node *node, const struct hoy_interpolation *how, struct hoy_err *err);

/* Adds to *warnings, once, that a variable was replaced by nothing. -ENOMEM. */
int hoy_interpolate_warn(char ***warnings, const char *name);

#endif
