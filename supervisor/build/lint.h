/*
 * Checks of a Dockerfile that stop nothing: what is allowed, and not advisable. Rules have the names that docker gives
 * them. Pure; what needs values of variables is found by the plan itself.
 */
#ifndef HOY_SUPERVISOR_BUILD_LINT_H
#define HOY_SUPERVISOR_BUILD_LINT_H

#include "supervisor/build/dockerfile.h"

/* `text` for the call's time; < 0 ends the walk with that. */
typedef int (*hoy_lint_found)(
	const char *rule, const struct hoy_dockerfile_place *at, const char *text, void *userdata);
int hoy_lint(const struct hoy_dockerfile *file, hoy_lint_found found, void *userdata);

/* The directive `# check=skip=RULE,RULE;error=true` (NULL: none given). Does it leave the rule out? */
bool hoy_lint_skips(const char *check, const char *rule);
/* Are warnings errors? */
bool hoy_lint_is_strict(const char *check);

#endif
