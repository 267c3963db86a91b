/*
 * Runs the hooks of a config: in order, each with the container's state as JSON on stdin, its own environment, and its
 * timeout; their output goes to our stderr. Used by hoyrun itself and, for createContainer and startContainer, by the
 * child inside the container.
 */
#ifndef HOY_RUNTIME_HOOKS_H
#define HOY_RUNTIME_HOOKS_H

#include <stddef.h>

#include "base/err.h"

struct hoy_oci_hook;
struct hoy_oci_state;

/* Stops at the first that fails: "createRuntime hook #0 '/bin/x': exit status 1". 0 or -errno. */
int hoy_hooks_run(const char *kind, const struct hoy_oci_hook *hooks, size_t n_hooks, const struct hoy_oci_state *state,
	struct hoy_err *err);

/* Runs all of them whatever happens and logs failures as warnings. */
void hoy_hooks_run_all(
	const char *kind, const struct hoy_oci_hook *hooks, size_t n_hooks, const struct hoy_oci_state *state);

#endif
