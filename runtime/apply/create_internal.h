/* What create.c and its steps share. */
#ifndef HOY_RUNTIME_CREATE_INTERNAL_H
#define HOY_RUNTIME_CREATE_INTERNAL_H

#include "base/buf.h"
#include "base/cgroup/cgroup.h"
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
	struct hoy_cgroup_host *cgroup_host;
	struct hoy_cgroup *cgroup;
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

int hoy_create_cgroup(struct creation *c, struct hoy_err *err);
void hoy_create_undo_cgroup(struct creation *c);
int hoy_create_converse(struct creation *c, struct hoy_err *err);

#endif
