/*
 * Makes a container from a bundle: parse, validate, plan, then a table of steps each with its undo. When it fails
 * nothing is left: no state, no cgroup, no process.
 */
#ifndef HOY_RUNTIME_CREATE_H
#define HOY_RUNTIME_CREATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "libocispec/runtime.h"
#include "runtime/state/state.h"

struct hoy_create_options {
	const char *root; /* --root */
	const char *id;
	const char *bundle;         /* absolute */
	const char *config;         /* its file, relative to the bundle; NULL: config.json */
	const char *console_socket; /* path, NULL: none */
	const char *pidfd_socket;
	const char *pid_file;
	bool rootless;
	bool systemd_cgroup;
	bool no_cgroup; /* it stays in ours */
	bool no_pivot;
	bool no_new_keyring;
	unsigned int preserve_fds;
	bool run;    /* execute the program at once; hoy_container_start() is not to be called */
	bool detach; /* nobody stays to serve a terminal */
};

/* What is left in the caller's hands after create. */
struct hoy_container {
	struct hoy_oci_spec *spec;
	struct hoy_state state;
	int pidfd;
	int sync;   /* run: ends (end of file) when the program was executed */
	int master; /* run with a terminal and without a console socket: its master; else -EBADF */
};
/* Frees it. Called when the command ends, and its descriptors with it. */
void hoy_container_done(struct hoy_container *container);

int hoy_container_create(const struct hoy_create_options *options, struct hoy_container *ret, struct hoy_err *err);

/* The state document of a container. `pid` and status as given; for hooks the extra members stay out. */
void hoy_container_state(const struct hoy_state *state, enum hoy_oci_status status, pid_t pid, bool for_hooks,
	struct hoy_oci_state *ret);

#endif
