/* One more process in a container that exists. */
#ifndef HOY_RUNTIME_APPLY_EXEC_H
#define HOY_RUNTIME_APPLY_EXEC_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_container;
struct hoy_oci_spec;
struct hoy_state;

struct hoy_exec_options {
	const char *console_socket, *pidfd_socket, *pid_file; /* NULL: none */
	const char *const *cgroups; /* see hoy_cgroup_open_entry(); empty: the container's own */
	unsigned int preserve_fds;
	bool detach;
	int init; /* hoy_state_pidfd() of the container; taken */
};

/* Starts `spec->process` in the container `state`. On return its program has been executed; *ret is what
 * hoy_foreground_serve() takes (state.pid is the new process). The spec stays the caller's. */
int hoy_container_exec(const struct hoy_state *state, struct hoy_oci_spec *spec, const struct hoy_exec_options *options,
	struct hoy_container *ret, struct hoy_err *err);

#endif
