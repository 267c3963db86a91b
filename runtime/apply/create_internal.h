/* What create.c, its steps and restore.c share. */
#ifndef HOY_RUNTIME_CREATE_INTERNAL_H
#define HOY_RUNTIME_CREATE_INTERNAL_H

#include "base/buf.h"
#include "base/cgroup/cgroup.h"
#include "base/helper.h"
#include "runtime/apply/create.h"
#include "runtime/apply/net_devices.h"
#include "runtime/child/child.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/seccomp.h"

struct creation {
	const struct hoy_create_options *o;
	struct hoy_buf config;
	struct hoy_oci_spec *spec;
	struct hoy_plan plan;
	struct hoy_seccomp_program seccomp;
	struct hoy_state state;
	int state_file;  /* its state.json, open for appending */
	int config_file; /* closed together with that */
	struct hoy_cgroup_host *cgroup_host;
	struct hoy_cgroup *cgroup;
	struct hoy_helper unit; /* keeps the systemd unit until the process is there */
	bool attach;            /* the process can't be born in its cgroup: systemd moves it */
	struct hoy_child child;
	int net_ns; /* that the container joins, when devices are to be moved there */
	struct hoy_moved_devices moved;
	int sync, child_sync;
	int listener;
	int console, console_peer; /* ours of a pair made here, and the child's end */
	int master;                /* of the terminal, when we serve it */
	pid_t pid;
	int pidfd;
};

/* A creation that has nothing yet, and the end of one: what it still owns is closed and freed. */
#define CREATION_INIT(options)                                                                                         \
	{                                                                                                              \
		.o = (options), .sync = -EBADF, .child_sync = -EBADF, .listener = -EBADF, .console = -EBADF,           \
		.console_peer = -EBADF, .master = -EBADF, .pidfd = -EBADF, .net_ns = -EBADF, .state_file = -EBADF,     \
		.config_file = -EBADF, .moved = HOY_MOVED_DEVICES_INIT, .state = { .dir = -EBADF },                    \
		.unit = { .sock = -EBADF }, .child = { HOY_CHILD_CLOSED },                                             \
	}
void hoy_creation_done(struct creation *c);

/* Steps, in this order; what has an undo is undone backwards when a later one fails. */
int hoy_create_read_config(struct creation *c, struct hoy_err *err);
int hoy_create_plan(struct creation *c, struct hoy_err *err);
int hoy_create_state(struct creation *c, struct hoy_err *err);
void hoy_create_undo_state(struct creation *c);
int hoy_create_cgroup(struct creation *c, struct hoy_err *err);
void hoy_create_undo_cgroup(struct creation *c);
int hoy_create_save(struct creation *c, struct hoy_err *err);
int hoy_create_release_unit(struct creation *c, struct hoy_err *err); /* when the process exists */
int hoy_create_converse(struct creation *c, struct hoy_err *err);

/* Parts of the conversation: c->pid is there, in its namespaces. */
int hoy_create_move_devices(struct creation *c, struct hoy_err *err);
int hoy_create_run_hooks(struct creation *c, struct hoy_err *err); /* prestart, createRuntime */

#endif
