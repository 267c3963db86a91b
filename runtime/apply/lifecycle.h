/* What is done to a container that exists: start, signals, removal. */
#ifndef HOY_RUNTIME_LIFECYCLE_H
#define HOY_RUNTIME_LIFECYCLE_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/state/state.h"

struct hoy_oci_hooks;
struct hoy_oci_spec;

/* Executes the program of a created container and runs its poststart hooks. If one of those fails the container is
 * killed. Errors of the program ("exec ...: permission denied") come back from here. */
int hoy_container_start(struct hoy_state *state, struct hoy_err *err);

/* After execve(): poststart hooks, with the container killed when one fails. */
int hoy_container_started(
	const struct hoy_state *state, const struct hoy_oci_hooks *hooks, int pidfd, struct hoy_err *err);

/* A signal to the first process, or to all of the container's. */
int hoy_container_kill(const struct hoy_state *state, int sig, bool all, struct hoy_err *err);

/* Removes a stopped container: what is left of its processes, cgroup, state; then the poststop hooks. `force` kills it
 * first. */
int hoy_container_delete(const char *root, struct hoy_state *state, bool force, struct hoy_err *err);

/* The config as it was at create. */
int hoy_container_config(const struct hoy_state *state, struct hoy_oci_spec **ret, struct hoy_err *err);

#endif
