/*
 * The plan: everything hoyrun decided about a container before it touched anything. Made from a checked config by pure
 * functions (no file is opened, no id looked up), so that it is tested without root, printed by --debug, and simply
 * there in the child after clone. A field of the config that hoyrun can't do is refused here by its JSON path.
 *
 *	r = hoy_plan_make(spec, &params, &plan, err);
 */
#ifndef HOY_RUNTIME_PLAN_H
#define HOY_RUNTIME_PLAN_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "libocispec/runtime.h"

/* What comes from the command line and from the process itself. */
struct hoy_plan_params {
	const char *id;
	const char *bundle; /* absolute */
	bool rootless;      /* our user namespace is not the host's, or we are not root */
	bool may_mount;     /* CAP_SYS_ADMIN is ours: bind sources are opened before the child's user namespace */
	uint64_t host_caps; /* what we may hand on; bit per capability */
	bool systemd;       /* the cgroup is a unit's */
	bool no_cgroup;     /* it gets none of its own */
	bool no_pivot;
	bool no_new_keyring;
	unsigned int preserve_fds; /* fds 3 .. 3+n-1 stay open in the container; LISTEN_FDS included */
	unsigned int listen_fds;   /* how many of them came by socket activation */
	const char *listen_fdnames;
	bool live;   /* the mounts are for a container that runs */
	bool remove; /* only their targets count */
};

struct hoy_plan_join {
	int type; /* one CLONE_NEW* */
	const char *path;
};

enum hoy_mount_kind {
	HOY_MOUNT_NEW,     /* a new file system by fsopen() */
	HOY_MOUNT_BIND,    /* a clone of an existing tree */
	HOY_MOUNT_ROOTFS,  /* first mount on "/": an overlay that becomes the root file system */
	HOY_MOUNT_CGROUP,  /* the container's view of its cgroups */
	HOY_MOUNT_REMOUNT, /* new attributes for what is mounted there */
};

/* The flags of a mount that a user namespace can't clear, and those of a bind mount. */
#define HOY_LOCKABLE_FLAGS ((uint64_t) (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC))
#define HOY_BIND_FLAGS (HOY_LOCKABLE_FLAGS | MOUNT_ATTR_NOSYMFOLLOW)

/* How a mount point looks when it must be made, and what is refused there. */
struct hoy_plan_mount {
	enum hoy_mount_kind kind;
	size_t index; /* in config.mounts, for error texts */
	const char *source;
	const char *type;
	const char *target;
	uint64_t attr_set, attr_clr; /* MOUNT_ATTR_* of the mount itself */
	uint64_t attr_implied_clr;   /* what a bind mount also loses, because no option asked for it */
	bool atime_given;            /* an option chose one of the access time settings */
	uint64_t rec_set, rec_clr;   /* of the whole tree */
	bool recursive;              /* rbind */
	bool late_readonly;          /* a tmpfs that becomes read-only when everything in it is made */
	bool copy_up;                /* tmpcopyup */
	bool idmap, idmap_recursive;
	unsigned int *propagation; /* MS_SHARED ... with or without MS_REC, in order */
	size_t n_propagation;
	char **data; /* options of the file system: "size=64m", "newinstance" */
	const struct hoy_oci_mount *spec;
};

struct hoy_plan_device {
	const char *path; /* in the container */
	mode_t mode;      /* type and permissions */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
};

struct hoy_plan_caps {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct hoy_plan_rlimit {
	int resource;
	const char *name;
	uint64_t soft, hard;
};

struct hoy_plan_sched {
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct hoy_plan {
	const struct hoy_oci_spec *spec; /* borrowed: outlives the plan */
	struct hoy_plan_params params;   /* strings borrowed */

	/* namespaces */
	uint64_t new_ns; /* CLONE_NEW* that the container gets of its own */
	struct hoy_plan_join *joins;
	size_t n_joins;
	bool loopback;    /* bring lo up */
	bool host_mounts; /* no mount namespace: mounts are made in the host's, the root is a chroot */

	/* root file system */
	const char *rootfs; /* absolute */
	char *rootfs_owned;
	unsigned int root_propagation;   /* MS_* for "/" of the new mount namespace */
	unsigned int rootfs_propagation; /* MS_* for the container's "/" at the end; 0: as it comes */
	bool readonly_rootfs;
	struct hoy_plan_mount *mounts;
	size_t n_mounts;
	bool own_dev; /* /dev is the container's: nodes and symlinks are made */
	struct hoy_plan_device *devices;
	size_t n_devices;
	bool bind_devices; /* mknod is not ours to do: host nodes are bound */

	/* process */
	struct hoy_plan_caps caps;
	bool has_caps;
	struct hoy_plan_rlimit *rlimits;
	size_t n_rlimits;
	struct hoy_plan_sched *sched;
	int ioprio; /* -1: unchanged */
	char **env;
	mode_t umask;
	unsigned long personality; /* ~0UL: unchanged */
	char *keyring;             /* NULL: keep the caller's */
	struct hoy_plan_mpol *mpol;
	cpu_set_t *affinity_initial, *affinity_final; /* NULL: unchanged; exec only */

	char *cgroup;    /* path below the cgroup roots; NULL: systemd's to say, or none */
	char *unit;      /* of systemd: "hoyrun-web.scope"; NULL: none */
	char *slice;     /* that the unit stands in */
	char **warnings; /* tolerated: the caller logs them */
};

struct hoy_plan_mpol {
	int mode; /* with MPOL_F_* */
	unsigned long *nodes;
	unsigned long max_node; /* bits */
};

int hoy_plan_make(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params, struct hoy_plan *ret,
	struct hoy_err *err);
/* user, pid, and mount (apart from the others only behind a user namespace, which may not own all of those), the rest
 */
#define HOY_PLAN_JOIN_ALL_MAX 4
/* For one more process in a container with this config (whose `process` is the new one): joins[] are the namespaces
 * that the container has, without paths: user, pid, and all others in one. */
int hoy_plan_make_exec(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params, struct hoy_plan *ret,
	struct hoy_err *err);
/* For mounts that such a container gets or loses: the joins as for exec, and the mounts. */
int hoy_plan_make_live_mounts(const struct hoy_oci_spec *spec, const struct hoy_plan_params *params,
	struct hoy_plan *ret, struct hoy_err *err);
void hoy_plan_done(struct hoy_plan *plan);

/* One line per decision, for --debug and tests. */
int hoy_plan_print(const struct hoy_plan *plan, struct hoy_buf *buf, struct hoy_err *err);

/* The parts; each file plans one thing. */
int hoy_plan_namespaces(struct hoy_plan *plan, struct hoy_err *err);
int hoy_plan_join_all(struct hoy_plan *plan, struct hoy_err *err);
int hoy_plan_mounts(struct hoy_plan *plan, struct hoy_err *err);
int hoy_plan_devices(struct hoy_plan *plan, struct hoy_err *err);
int hoy_plan_cgroup(struct hoy_plan *plan, struct hoy_err *err);
int hoy_plan_process(struct hoy_plan *plan, const struct hoy_oci_process *process, struct hoy_err *err);
int hoy_plan_caps(struct hoy_plan *plan, const struct hoy_oci_capabilities *caps, struct hoy_err *err);

bool hoy_plan_has_ns(const struct hoy_plan *plan, int type); /* new or joined by path */
int hoy_plan_warn(struct hoy_plan *plan, const char *fmt, ...) HOY_PRINTF(2, 3);

/* Mount options by name, for `features` too; see mount_options.c. */
int hoy_mount_option_apply(struct hoy_plan_mount *mount, const char *option, struct hoy_err *err);
const char *hoy_mount_option_name(size_t i); /* NULL behind the last */

/* Capability names. -1: unknown. */
int hoy_cap_from_string(const char *name);
const char *hoy_cap_to_string(int cap); /* NULL behind the last */
#define HOY_CAP_COUNT 41

/* "0-3,7". */
int hoy_cpu_list_parse(const char *list, cpu_set_t *ret);

int hoy_rlimit_from_string(const char *name); /* -1: unknown */

#endif
