/*
 * Runs the hooks of a config: in order, each with the container's state as JSON on stdin, its own environment, and its
 * timeout; what a failed one wrote is part of the error. Used by hoyrun itself and, for createContainer and
 * startContainer, by the child inside the container.
 */
#ifndef HOY_RUNTIME_HOOKS_H
#define HOY_RUNTIME_HOOKS_H

#include <stddef.h>

#include "base/err.h"

struct hoy_oci_hook;
struct hoy_oci_state;

struct hoy_hook_list {
	const char *kind; /* for error texts: "prestart" */
	const struct hoy_oci_hook *hooks;
	size_t n;
	char *const *default_env; /* for hooks without one; NULL: ours */
};

/* Stops at the first that fails: "error running createRuntime hook #0: '/bin/x': exit status 1, output: ...". 0 or
 * -errno. */
int hoy_hooks_run(const struct hoy_hook_list *list, const struct hoy_oci_state *state, struct hoy_err *err);

/* Runs all of them whatever happens and logs failures as warnings. */
void hoy_hooks_run_all(const struct hoy_hook_list *list, const struct hoy_oci_state *state);

#endif
