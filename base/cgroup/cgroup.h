/*
 * Control groups: find the host's hierarchies, make a group in them, limit it, enter it, freeze, kill, measure, remove.
 *
 * Works on pure cgroup v2, on pure v1, and on hybrid hosts, where a group is one directory of the same path in the v2
 * tree and in every v1 hierarchy; each limit goes where its controller is. Knows nothing of OCI: the caller fills in
 * typed limits and device rules. Nothing here ever writes a pid into a cgroup.procs file: that write waits for an RCU
 * grace period (about 10 ms); a process is born in its v2 group (CLONE_INTO_CGROUP) and moves itself, while it is
 * still single threaded, into the v1 groups.
 *
 *	hoy_cgroup_host_detect(&host, err);
 *	hoy_cgroup_new(host, "/hoyrun/web", &cg, err);
 *	hoy_cgroup_create(cg, err);
 *	hoy_cgroup_set_devices(cg, rules, n_rules, err);
 *	hoy_cgroup_set_limits(cg, &limits, err);
 *	hoy_cgroup_open_entry(cg, NULL, &entry, err);
 *	clone3({ .flags = entry.v2_fd >= 0 ? CLONE_INTO_CGROUP : 0, .cgroup = entry.v2_fd });
 *		child: hoy_cgroup_enter_v1(&entry, err);
 */
#ifndef HOY_BASE_CGROUP_H
#define HOY_BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Most hierarchies a host may have (the kernel has 14 controllers; named ones come on top). */
#define HOY_CGROUP_HIERARCHIES_MAX 32

enum hoy_cgroup_controller {
	HOY_CGROUP_CPU,
	HOY_CGROUP_CPUACCT, /* v1 only: part of cpu on v2 */
	HOY_CGROUP_CPUSET,
	HOY_CGROUP_MEMORY,
	HOY_CGROUP_IO, /* "blkio" on v1 */
	HOY_CGROUP_PIDS,
	HOY_CGROUP_HUGETLB,
	HOY_CGROUP_RDMA,
	HOY_CGROUP_MISC,
	HOY_CGROUP_PERF_EVENT,
	HOY_CGROUP_DEVICES,  /* v1 only: a BPF program on v2 */
	HOY_CGROUP_FREEZER,  /* v1 only: every group has it on v2 */
	HOY_CGROUP_NET_CLS,  /* v1 only */
	HOY_CGROUP_NET_PRIO, /* v1 only */
	_HOY_CGROUP_CONTROLLER_MAX,
};
const char *hoy_cgroup_controller_to_string(enum hoy_cgroup_controller controller); /* "io" for HOY_CGROUP_IO */

/* --- the host ------------------------------------------------------------------------------------------------- */

enum hoy_cgroup_mode {
	HOY_CGROUP_NONE,    /* no cgroup file system is mounted */
	HOY_CGROUP_UNIFIED, /* v2 only */
	HOY_CGROUP_HYBRID,  /* v2 mounted, some controllers on v1 */
	HOY_CGROUP_LEGACY,  /* v1 only */
};
const char *hoy_cgroup_mode_to_string(enum hoy_cgroup_mode mode); /* "unified" */

struct hoy_cgroup_host;

/* Finds what is mounted. 4 system calls on a unified host with the usual mount point; else reads mountinfo. A host
 * without cgroups is no error (mode HOY_CGROUP_NONE; hoy_cgroup_new() then refuses). 0 or -errno. */
int hoy_cgroup_host_detect(struct hoy_cgroup_host **ret, struct hoy_err *err);
void hoy_cgroup_host_free(struct hoy_cgroup_host *host); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_cgroup_host, hoy_cgroup_host_free);

enum hoy_cgroup_mode hoy_cgroup_host_mode(const struct hoy_cgroup_host *host);
bool hoy_cgroup_host_has(const struct hoy_cgroup_host *host, enum hoy_cgroup_controller controller);
/* Where the v2 tree is mounted, or NULL. */
const char *hoy_cgroup_host_v2_mount(const struct hoy_cgroup_host *host);
/* The i-th hierarchy, v2 first when there is one: its mount point, NULL behind the last; *ret_name (may be NULL) is ""
 * for v2, else what /proc/PID/cgroup calls it ("cpu,cpuacct", "name=systemd"). For cgroup mounts of a container. */
const char *hoy_cgroup_host_hierarchy(const struct hoy_cgroup_host *host, size_t i, const char **ret_name);

/* Path of a process (0: ourselves) in the v2 tree, from /proc/PID/cgroup; heap. -ENOENT when it has none. */
int hoy_cgroup_path_of(pid_t pid, char **ret, struct hoy_err *err);
/* The same in the v1 hierarchy of that name, as hoy_cgroup_host_hierarchy() tells it; "" is v2. */
int hoy_cgroup_path_in(pid_t pid, const char *name, char **ret, struct hoy_err *err);

/* --- one group ------------------------------------------------------------------------------------------------ */

struct hoy_cgroup;

/* A group by its path, absolute and below the root ("/hoyrun/ID"); no system call yet. The host may be freed after.
 * -EINVAL for "/", "..", empty or relative paths; -EOPNOTSUPP when the host has no cgroups. */
int hoy_cgroup_new(const struct hoy_cgroup_host *host, const char *path, struct hoy_cgroup **ret, struct hoy_err *err);
void hoy_cgroup_free(struct hoy_cgroup *cg); /* closes descriptors; the group stays */
HOY_DEFINE_AUTO_PTR(struct hoy_cgroup, hoy_cgroup_free);

/* Descriptors that making the group has used and nobody needs any more, for who closes many with one call; -EBADF:
 * there is none. The caller's from then on; without this hoy_cgroup_free() closes them. */
#define HOY_CGROUP_SPENT 2
void hoy_cgroup_take_spent(struct hoy_cgroup *cg, int ret[HOY_CGROUP_SPENT]);

/* One line of text that holds path and hierarchies, for the container's state: who reads it back needs no detection.
 * Heap, NULL when out of memory. Parsing refuses what it does not know with -EINVAL. */
char *hoy_cgroup_to_string(const struct hoy_cgroup *cg);
int hoy_cgroup_from_string(const char *text, struct hoy_cgroup **ret, struct hoy_err *err);

const char *hoy_cgroup_path(const struct hoy_cgroup *cg);
bool hoy_cgroup_is_unified(const struct hoy_cgroup *cg); /* v2 only: stats are of v2 kind */
/* Directory in the i-th hierarchy (v2 first), heap; NULL behind the last or when out of memory. */
char *hoy_cgroup_dir(const struct hoy_cgroup *cg, size_t i);

/*
 * Makes the directories (parents too), enables all controllers on the way down on v2, copies cpus and mems on v1.
 * A group that exists is taken when it is empty and thawed: else -EBUSY, or -EDEADLK for a frozen one (conflict). On
 * failure what this call made is gone again. Errors name directory and controller; -EACCES, -EPERM and -EROFS come
 * through as they are, so that a rootless caller may decide to go on without a group.
 */
int hoy_cgroup_create(struct hoy_cgroup *cg, struct hoy_err *err);

/*
 * The same for a group that somebody else (systemd) has made for us and may have put a process into: what it left out
 * is made, and what can be enabled is.
 */
int hoy_cgroup_adopt(struct hoy_cgroup *cg, struct hoy_err *err);

/* Removes the group and all groups below it. Waits up to `timeout_ms` for dying processes to leave; does not kill.
 * A missing group is fine. 0, -EBUSY (conflict) when processes remain, or another -errno. */
int hoy_cgroup_remove(struct hoy_cgroup *cg, int timeout_ms, struct hoy_err *err);

/* True when any of its directories exists. */
bool hoy_cgroup_exists(const struct hoy_cgroup *cg);

/* Gives the v2 directory, and the files in it that the kernel names delegatable, to `uid` (the group id stays). Does
 * nothing on v1. 0 or -errno. */
int hoy_cgroup_chown(struct hoy_cgroup *cg, uid_t uid, struct hoy_err *err);

/* --- entering ------------------------------------------------------------------------------------------------- */

/* Open descriptors with which a child enters: flat, so that it survives clone without heap. All are close-on-exec. */
struct hoy_cgroup_entry {
	int v2_fd; /* directory for CLONE_INTO_CGROUP; -1: no v2 hierarchy */
	size_t n_tasks;
	int tasks[HOY_CGROUP_HIERARCHIES_MAX]; /* v1 `tasks` files */
};
#define HOY_CGROUP_ENTRY_INIT                                                                                          \
	{                                                                                                              \
		.v2_fd = -1                                                                                            \
	}

/* `subs` (NULL-terminated, may be NULL) names groups below it that exist: one "PATH" for all hierarchies, or any number
 * of "CONTROLLER[,CONTROLLER...]:PATH" for the v1 hierarchies of those controllers. Permission is checked here, with
 * the caller's credentials. */
int hoy_cgroup_open_entry(
	const struct hoy_cgroup *cg, const char *const *subs, struct hoy_cgroup_entry *ret, struct hoy_err *err);
void hoy_cgroup_entry_close(struct hoy_cgroup_entry *entry); /* works on a HOY_CGROUP_ENTRY_INIT one, and twice */

/* False when the kernel would not let us, nor a child of ours at its birth, into the v2 group: moving takes the right
 * to write cgroup.procs of the group above both, and a user's session stands outside of what is delegated to the user.
 */
bool hoy_cgroup_may_enter(const struct hoy_cgroup *cg);

/* The calling, single-threaded process moves itself into the v1 groups. To be called by the child before it execs;
 * no allocation. 0 or -errno. */
int hoy_cgroup_enter_v1(const struct hoy_cgroup_entry *entry, struct hoy_err *err);

/* --- limits --------------------------------------------------------------------------------------------------- */

struct hoy_cgroup_weight_device {
	int64_t major, minor;
	const uint16_t *weight, *leaf_weight; /* NULL: not given */
};
struct hoy_cgroup_throttle {
	int64_t major, minor;
	uint64_t rate; /* 0: no limit */
};
struct hoy_cgroup_hugepage {
	const char *page_size; /* "2MB", as in the kernel's file names */
	uint64_t limit;
};
struct hoy_cgroup_net_priority {
	const char *name;
	uint32_t priority;
};
struct hoy_cgroup_rdma {
	const char *device;
	const uint32_t *handles, *objects; /* NULL: not given */
};
struct hoy_cgroup_unified {
	const char *key, *value; /* file name and what is written, line by line */
};

/*
 * All pointers are borrowed; NULL (or an empty array or string) leaves that limit as it is. Units are those of the
 * OCI resources object: bytes, microseconds, v1 shares and weights, -1 for "no limit". 0 means "not given" for
 * everything but pids, swappiness, burst and idle, as other runtimes have it. On v2 they are converted: shares to
 * cpu.weight, memory+swap to swap alone, blkio weights to io.weight.
 */
struct hoy_cgroup_limits {
	const int64_t *memory_limit, *memory_reservation, *memory_swap; /* swap: memory and swap together */
	const int64_t *memory_kernel, *memory_kernel_tcp;
	const uint64_t *memory_swappiness;
	const bool *memory_disable_oom_killer, *memory_use_hierarchy;
	bool memory_check_before_update; /* refuse a limit below the present use instead of an OOM kill */

	const uint64_t *cpu_shares, *cpu_period, *cpu_burst, *cpu_rt_period;
	const int64_t *cpu_quota, *cpu_rt_runtime, *cpu_idle;
	const char *cpuset_cpus, *cpuset_mems;

	const int64_t *pids_limit;

	const uint16_t *blkio_weight, *blkio_leaf_weight;
	const struct hoy_cgroup_weight_device *blkio_weight_devices;
	size_t n_blkio_weight_devices;
	const struct hoy_cgroup_throttle *read_bps, *write_bps, *read_iops, *write_iops;
	size_t n_read_bps, n_write_bps, n_read_iops, n_write_iops;

	const struct hoy_cgroup_hugepage *hugepages;
	size_t n_hugepages;

	const uint32_t *net_class_id;
	const struct hoy_cgroup_net_priority *net_priorities;
	size_t n_net_priorities;

	const struct hoy_cgroup_rdma *rdma;
	size_t n_rdma;

	const struct hoy_cgroup_unified *unified;
	size_t n_unified;
};

/* Checks and writes them; for a new group and for an update alike. -EINVAL: a value is wrong or the kernel refused it,
 * -EOPNOTSUPP: this host has no such controller or limit; both name the limit. Limits written before the failing one
 * stay. */
int hoy_cgroup_set_limits(struct hoy_cgroup *cg, const struct hoy_cgroup_limits *limits, struct hoy_err *err);

/* v1 cpu.shares (2..262144) to v2 cpu.weight (1..10000): 1024 is 100, both ends and the defaults meet. */
uint64_t hoy_cgroup_shares_to_weight(uint64_t shares);

/* --- devices -------------------------------------------------------------------------------------------------- */

enum { HOY_CGROUP_DEV_READ = 1, HOY_CGROUP_DEV_WRITE = 2, HOY_CGROUP_DEV_MKNOD = 4, HOY_CGROUP_DEV_ALL = 7 };

struct hoy_cgroup_device {
	bool allow;
	char type;            /* 'a' (both), 'b', 'c' */
	int64_t major, minor; /* -1: any */
	unsigned int access;  /* HOY_CGROUP_DEV_* */
};

/*
 * Sets the whole list, replacing the former one; at no moment is more open than before or after. For each requested
 * access bit the last rule that matches decides; what no rule matches is denied. Written into the v1 devices
 * controller where that is mounted and can express the list, otherwise a BPF program on the v2 group.
 */
int hoy_cgroup_set_devices(
	struct hoy_cgroup *cg, const struct hoy_cgroup_device *rules, size_t n_rules, struct hoy_err *err);

/* --- processes ------------------------------------------------------------------------------------------------ */

/* Pids of the group and of all groups below it; heap (NULL when there are none). A missing group has none. */
int hoy_cgroup_pids(const struct hoy_cgroup *cg, pid_t **ret, size_t *ret_n, struct hoy_err *err);
bool hoy_cgroup_is_populated(const struct hoy_cgroup *cg);

/* Stops or resumes all processes and waits until they are (v2 cgroup.freeze where there is a v2 tree, else the v1
 * freezer). -ETIMEDOUT leaves it thawed. */
int hoy_cgroup_freeze(struct hoy_cgroup *cg, int timeout_ms, struct hoy_err *err);
int hoy_cgroup_thaw(struct hoy_cgroup *cg, struct hoy_err *err);
/* 1 frozen, 0 not, or -errno. */
int hoy_cgroup_is_frozen(const struct hoy_cgroup *cg, struct hoy_err *err);
/* The same for a group that was saved by hoy_cgroup_to_string(). */
int hoy_cgroup_saved_is_frozen(const char *text, struct hoy_err *err);
/* For who asks for many: the path of the v2 file that tells (heap; NULL: there is none, or no memory), and what the
 * open file says: 1, 0 or -errno. */
char *hoy_cgroup_saved_events(const char *text);
int hoy_cgroup_events_frozen(int fd);

/* `sig` to every process of the group and below; none escapes SIGKILL by forking. Does not wait. A missing or empty
 * group is fine. Frozen processes die of SIGKILL too (thawed where that needs it). */
int hoy_cgroup_kill(struct hoy_cgroup *cg, int sig, struct hoy_err *err);

/* --- OOM ------------------------------------------------------------------------------------------------------ */

/* An fd that polls readable when the group had an out-of-memory event (v2: inotify on memory.events, v1: eventfd);
 * drain it with hoy_cgroup_oom_drain(), then compare hoy_cgroup_oom_kills(). The fd or -errno. */
int hoy_cgroup_oom_open(const struct hoy_cgroup *cg, struct hoy_err *err);
void hoy_cgroup_oom_drain(int fd);
/* Processes killed by the OOM killer so far, in the group and below. */
int hoy_cgroup_oom_kills(const struct hoy_cgroup *cg, uint64_t *ret, struct hoy_err *err);

/* --- stats ---------------------------------------------------------------------------------------------------- */

#define HOY_CGROUP_UNLIMITED UINT64_MAX

struct hoy_cgroup_memory_counter { /* v1 kind; on v2 `failcnt` is 0 and `max` the peak where the kernel has it */
	uint64_t usage, limit, max, failcnt;
};
struct hoy_cgroup_stat { /* one "name value" line of memory.stat and memory.events */
	char name[40];
	uint64_t value;
};
struct hoy_cgroup_io {
	uint32_t major, minor;
	uint64_t read_bytes, write_bytes, read_ios, write_ios;
};
struct hoy_cgroup_hugetlb {
	char page_size[16]; /* "2MB" */
	uint64_t usage, limit, max, failcnt;
};
struct hoy_cgroup_psi { /* totals in us; averages in 1/100 percent */
	bool present;
	uint64_t some_avg10, some_avg60, some_avg300, some_total;
	uint64_t full_avg10, full_avg60, full_avg300, full_total;
};
struct hoy_cgroup_rdma_stat {
	char device[64];
	uint64_t handles, objects;             /* in use */
	uint64_t handles_limit, objects_limit; /* HOY_CGROUP_UNLIMITED: max */
};

struct hoy_cgroup_stats {
	bool unified; /* which of containerd's two Metrics messages fits */
	struct {
		uint64_t total_ns, user_ns, system_ns;
		uint64_t periods, throttled_periods, throttled_ns;
		uint64_t *percpu_ns; /* v1 only, owned */
		size_t n_percpu;
		struct hoy_cgroup_psi psi;
	} cpu;
	struct {
		struct hoy_cgroup_memory_counter usage;
		struct hoy_cgroup_memory_counter swap;               /* v1: memory and swap together; v2: swap alone */
		struct hoy_cgroup_memory_counter kernel, kernel_tcp; /* v1 only */
		struct hoy_cgroup_stat *stat;                        /* memory.stat, owned; see hoy_cgroup_stat_get() */
		size_t n_stat;
		uint64_t events_low, events_high, events_max, events_oom, oom_kill, oom_group_kill;
		bool oom_kill_disabled, under_oom; /* v1 only */
		struct hoy_cgroup_psi psi;
	} memory;
	struct {
		uint64_t current, limit; /* HOY_CGROUP_UNLIMITED: max */
	} pids;
	struct {
		struct hoy_cgroup_io *devices; /* owned */
		size_t n_devices;
		struct hoy_cgroup_psi psi;
	} io;
	struct hoy_cgroup_hugetlb *hugetlb; /* owned */
	size_t n_hugetlb;
	struct hoy_cgroup_rdma_stat *rdma; /* owned */
	size_t n_rdma;
};

/* Reads what the host's controllers offer; the rest stays 0. 0, or -ENOENT when the group is gone. */
int hoy_cgroup_read_stats(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *ret, struct hoy_err *err);
void hoy_cgroup_stats_done(struct hoy_cgroup_stats *stats);
/* A value of memory.stat by name ("inactive_file"); 0 when the kernel does not tell it. */
uint64_t hoy_cgroup_stat_get(const struct hoy_cgroup_stats *stats, const char *name);

#endif
