/*
 * The child side of clone(): from a fresh process in new namespaces to the container's program. A table of named
 * steps; a step that fails sends its error to the parent, with its name, and the process ends. The child never prints.
 *
 * It works on the plan only and on descriptors; paths below the root file system are resolved once, in that root, and
 * used by descriptor from then on.
 */
#ifndef HOY_RUNTIME_CHILD_H
#define HOY_RUNTIME_CHILD_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/cgroup/cgroup.h"
#include "base/err.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/seccomp.h"

/* What a child is made for. */
enum hoy_child_work {
	HOY_CHILD_INIT,          /* the container's first process */
	HOY_CHILD_EXEC,          /* another process of a container that exists */
	HOY_CHILD_ADD_MOUNTS,    /* plan->mounts for a container that exists; runs no program */
	HOY_CHILD_REMOVE_MOUNTS, /* what is mounted on their targets goes */
};

struct hoy_child {
	/* filled in by the parent before clone; all borrowed */
	const struct hoy_plan *plan;
	const struct hoy_seccomp_program *seccomp;
	const struct hoy_cgroup_host *cgroup_host;
	const struct hoy_cgroup *cgroup;
	struct hoy_cgroup_entry entry;
	int sync;           /* our end of the pair */
	int start_listener; /* where `start` connects; -EBADF: no waiting (`run`) */
	int console_socket; /* connected; gets the terminal's master; -EBADF: none */
	int *join_fds;      /* of plan->joins; -EBADF for those that are done */
	int *trees;         /* of plan->mounts: detached clones made by the parent, or -EBADF */
	int *idmaps;        /* >= 0: a mount that we clone, and the parent maps with this user namespace */
	bool wait_for_go;   /* the parent maps our ids or has us moved first */
	bool undumpable;    /* the parent was when it made us, so we are until our ids change */
	enum hoy_child_work work;
	int foreign[5]; /* descriptors of the parent's that we must not hold when we wait: its end of the pair, its lock
			 */

	/* the child's own */
	int root;           /* the container's "/" */
	int procfs, sysfs;  /* what the config mounts on /proc and /sys, opened when first wanted; -EBADF */
	int dev;            /* the tmpfs that we mounted on /dev, nobody else can reach it yet; -EBADF: another one */
	bool in_dev;        /* it is the working directory */
	int proc;           /* the host's /proc, for what must be written there before it is gone */
	int *late_readonly; /* mount fds, -EBADF for none */
	int cwd_error;
	struct stat stdio[3];        /* as far as somebody looked already: st_mode */
	unsigned int denied_rlimits; /* bit per plan->rlimits that the parent must set, who may raise them */
	struct hoy_oci_state *state; /* for hooks; pid filled in */
	char *program;               /* found in the rootfs */
};

/* Part of an initializer: no descriptor is open. */
#define HOY_CHILD_CLOSED                                                                                               \
	.entry = HOY_CGROUP_ENTRY_INIT, .sync = -EBADF, .start_listener = -EBADF, .console_socket = -EBADF,            \
	.foreign = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF }, .root = -EBADF, .procfs = -EBADF, .sysfs = -EBADF,      \
	.dev = -EBADF, .proc = -EBADF

_Noreturn void hoy_child_run(struct hoy_child *child);

/*
 * A descriptor that a step opens for itself and does not close: hoy_child_sweep() closes all of them together, after a
 * number of mounts and paths, and hoy_child_close_fds() what is left before the child waits for anything.
 */
typedef int swept_fd;
#define HOY_CHILD_SWEEP_EVERY 16
int hoy_child_sweep(struct hoy_child *child, struct hoy_err *err);

/* The parent starts it in the rootfs directory: with a user namespace it might not be allowed to walk there itself. */
bool hoy_child_starts_in_rootfs(const struct hoy_plan *plan);

struct hoy_step {
	const char *name; /* NULL: its errors stand for themselves */
	int (*run)(struct hoy_child *child, struct hoy_err *err);
};

/* The steps, by file. */
int hoy_child_wait_for_go(struct hoy_child *c, struct hoy_err *err); /* namespaces.c */
int hoy_child_join_namespaces(struct hoy_child *c, struct hoy_err *err);
int hoy_child_enter_cgroup(struct hoy_child *c, struct hoy_err *err);
int hoy_child_open_proc(struct hoy_child *c, struct hoy_err *err); /* rootfs.c */
int hoy_child_open_root(struct hoy_child *c, struct hoy_err *err);
int hoy_child_make_time_ns(struct hoy_child *c, struct hoy_err *err);
int hoy_child_new_session(struct hoy_child *c, struct hoy_err *err);
int hoy_child_names_and_net(struct hoy_child *c, struct hoy_err *err);
int hoy_net_bring_lo_up(struct hoy_err *err);                           /* in the caller's network namespace */
int hoy_child_prepare_rootfs(struct hoy_child *c, struct hoy_err *err); /* rootfs.c */
int hoy_child_make_working_dir(struct hoy_child *c, struct hoy_err *err);
int hoy_child_pivot(struct hoy_child *c, struct hoy_err *err);
int hoy_child_finish_rootfs(struct hoy_child *c, struct hoy_err *err);
int hoy_child_mounts(struct hoy_child *c, struct hoy_err *err); /* mounts.c */
int hoy_child_mount(struct hoy_child *c, size_t i, struct hoy_err *err);
int hoy_child_add_mounts(struct hoy_child *c, struct hoy_err *err); /* live_mounts.c */
int hoy_child_remove_mounts(struct hoy_child *c, struct hoy_err *err);
int hoy_child_devices(struct hoy_child *c, struct hoy_err *err); /* devices.c */
int hoy_child_dev_links(struct hoy_child *c, struct hoy_err *err);
int hoy_child_readonly_paths(struct hoy_child *c, struct hoy_err *err); /* paths.c */
int hoy_child_masked_paths(struct hoy_child *c, struct hoy_err *err);
int hoy_child_sysctl(struct hoy_child *c, struct hoy_err *err);
int hoy_child_terminal(struct hoy_child *c, struct hoy_err *err); /* tty.c */
int hoy_child_labels(struct hoy_child *c, struct hoy_err *err);   /* security.c */
int hoy_child_check_mount_label(struct hoy_child *c, struct hoy_err *err);
int hoy_child_label_mount(struct hoy_child *c, int mount, struct hoy_err *err);
int hoy_child_user(struct hoy_child *c, struct hoy_err *err);
int hoy_child_initial_affinity(struct hoy_child *c, struct hoy_err *err);
int hoy_child_final_affinity(struct hoy_child *c, struct hoy_err *err);
int hoy_child_load_seccomp(struct hoy_child *c, struct hoy_err *err);
int hoy_child_working_dir(struct hoy_child *c, struct hoy_err *err); /* exec.c */
int hoy_child_environment(struct hoy_child *c, struct hoy_err *err);
int hoy_child_find_program(struct hoy_child *c, struct hoy_err *err);
int hoy_child_close_fds(struct hoy_child *c, struct hoy_err *err);
int hoy_child_exec(struct hoy_child *c, struct hoy_err *err);

#endif
