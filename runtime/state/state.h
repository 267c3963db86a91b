/*
 * What hoyrun remembers of a container: the directory ROOT/ID with
 *
 *	state.json    who and where it is: a line of JSON for each change, the last whole one counts (an append is
 *	              atomic as it is, and cheaper than a new file); versioned: a newer hoyrun reads older ones, never
 *	              the other way round
 *	config.json   the configuration as it was at create; read again only for hooks and exec
 *	start.sock    where a created container waits for `start`; gone (or refusing) once it has started
 *
 * The directory itself is locked (flock) by commands that change the container. Nothing here is fsynced: a power loss
 * ends the container anyway.
 */
#ifndef HOY_RUNTIME_STATE_H
#define HOY_RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "libocispec/field.h"

#define HOY_STATE_VERSION 1
#define HOY_STATE_FILE "state.json"
#define HOY_STATE_SOCKET "start.sock"
#define HOY_STATE_CONFIG "config.json"

enum hoy_status {
	HOY_STATUS_CREATING,
	HOY_STATUS_CREATED,
	HOY_STATUS_RUNNING,
	HOY_STATUS_PAUSED,
	HOY_STATUS_STOPPED,
};

struct hoy_state {
	int dir;           /* O_DIRECTORY fd of ROOT/ID, -EBADF when closed; not in the file, nor are the next three */
	char *path;        /* ROOT/ID */
	bool read;         /* state.json was there */
	bool runs_at_once; /* `run` made it: there is no start.sock */
	uint32_t version;
	char *id;
	char *oci_version;
	char *bundle;
	char *rootfs;
	char *created;        /* RFC 3339 */
	char *cgroup;         /* hoy_cgroup_to_string(); NULL: none of its own */
	bool cgroup_pending;  /* about to be made: what is there may be another's */
	char *unit;           /* of systemd, that the cgroup is of; NULL: none */
	char *resctrl;        /* its class of service; NULL: none was asked for */
	bool resctrl_made;    /* to be removed with it */
	bool resctrl_monitor; /* has a monitoring group there */
	uint32_t owner;
	int32_t pid;         /* 0: not there yet */
	uint64_t start_time; /* of pid, in clock ticks after boot */
	uint64_t pid_handle; /* of pid, see hoy_pidfd_handle(); 0: the kernel has none */
	char *init_name;     /* of pid before its execve(), as the kernel shows it; NULL: not known */
	bool started;        /* it does not wait for `start`; false: look */
	uint64_t host_mount; /* 0, or what held the rootfs before we mounted it in the host's mount namespace */
	bool own_pid_ns;     /* its end ends all of the container's processes */
	bool has_hooks;      /* config.json has poststart or poststop hooks */
	bool rootless;       /* made without the rights to limit it */
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
};

void hoy_state_done(struct hoy_state *state);

/* -EINVAL with runc's wording unless `id` is letters, digits, '_', '+', '-', '.' and not "." or "..". */
int hoy_state_check_id(const char *id, struct hoy_err *err);

/* Makes ROOT/ID (and ROOT) and locks it. -EEXIST: TEXT_EXISTS. On failure nothing is left. */
int hoy_state_create(const char *root, const char *id, struct hoy_state *ret, struct hoy_err *err);

/* Reads ROOT/ID. `lock`: waits for other commands that change it. -ENOENT: TEXT_NOT_FOUND. A directory without a
 * readable state.json (its creator was killed) gives a state in which only `id` and `dir` are set: status creating or
 * stopped. */
int hoy_state_load(const char *root, const char *id, bool lock, struct hoy_state *ret, struct hoy_err *err);

/* Lets others change it for a while; false: they have removed it (what has its name now is another's). */
void hoy_state_unlock(const struct hoy_state *state);
bool hoy_state_lock_again(const struct hoy_state *state);

/* From an open state.json. -ENOENT: there is no whole line in it. */
int hoy_state_read(int fd, struct hoy_state *ret, struct hoy_err *err);

/* As hoy_state_load() without a lock, for who only looks: `dir` stays closed. */
int hoy_state_look(const char *root, const char *id, struct hoy_state *ret, struct hoy_err *err);

/* Opens state.json for appending, made when missing; for who saves more than once. The fd or -errno. */
int hoy_state_open_file(const struct hoy_state *state, struct hoy_err *err);
int hoy_state_append(const struct hoy_state *state, int file, struct hoy_err *err);
int hoy_state_save(const struct hoy_state *state, struct hoy_err *err); /* both */
/* config.json, once and before the first hoy_state_save(). Its descriptor, which nobody needs any more, or -errno. */
int hoy_state_save_config(const struct hoy_state *state, const void *data, size_t len, struct hoy_err *err);

/* The state as text, for save and for tests. */
int hoy_state_print(const struct hoy_state *state, struct hoy_buf *buf, struct hoy_err *err);
int hoy_state_parse(const char *text, size_t len, struct hoy_state *ret, struct hoy_err *err);

/* Removes ROOT/ID. Missing is fine. */
int hoy_state_remove(const char *root, struct hoy_state *state, struct hoy_err *err);

/* Names of all containers below `root`, sorted; a missing root is an empty list. */
int hoy_state_list(const char *root, char ***ret, struct hoy_err *err);

/* Status by looking at the process, the start socket and the freezer. */
enum hoy_status hoy_state_status(const struct hoy_state *state);
/* The same, and as hoy_state_pidfd(), for one look at the process. */
enum hoy_status hoy_state_status_pidfd(const struct hoy_state *state, int *ret_pidfd);
bool hoy_state_is_frozen(const struct hoy_state *state);
bool hoy_state_waits_for_start(const struct hoy_state *state); /* by its socket; `path` is set */
const char *hoy_status_to_string(enum hoy_status status);

/* Is the first process there, and no zombie? By its start time, as below. */
bool hoy_state_is_alive(const struct hoy_state *state);

/* A pidfd of the first process, proven to be that process by its start time. -ESRCH: gone (or a zombie). */
int hoy_state_pidfd(const struct hoy_state *state);

/* From /proc/PID/stat, by pid or from the open file. -ESRCH: no such process. */
struct hoy_process_stat {
	char name[65]; /* the kernel's: of a user's process 15 bytes */
	bool zombie;   /* it only waits to be reaped */
	uint64_t start_time;
};
int hoy_process_stat(pid_t pid, struct hoy_process_stat *ret);
int hoy_process_read_stat(int fd, struct hoy_process_stat *ret);
/* Of what was found out about `pid`: it is the container's and no zombie; it was started, or has another name than
 * before its execve(), so that nobody need look whether it waits for `start`. */
bool hoy_state_is_process(const struct hoy_state *state, const struct hoy_process_stat *stat);
bool hoy_state_has_executed(const struct hoy_state *state, const struct hoy_process_stat *stat);

/*
 * Looks at many containers of one root, each with as few system calls as can be: files are named from directories that
 * stay open, their descriptors closed many at a time, those and all others above, and where the kernel has handles of
 * processes one poll() tells which of them live. Status and state are those of hoy_state_look() and
 * hoy_state_status(); what can't be read has a state without an id.
 *
 *	struct hoy_seen seen[HOY_LOOK_MAX];
 *	struct hoy_look look;
 *	hoy_look_init(&look, root);
 *	hoy_look_at(&look, ids, n, seen);
 *	hoy_seen_done(seen, n);
 *	hoy_look_done(&look);
 */
#define HOY_LOOK_MAX 64
struct hoy_seen {
	struct hoy_state state;
	enum hoy_status status;
};
struct hoy_look {
	const char *root_path; /* borrowed */
	int root, proc;        /* directories, -EBADF: not to be had, then everything goes by its whole path */
	int group_dir;         /* where the last container's cgroup stands, and its path */
	char *group_path;
	int any_pidfd;   /* our own */
	int64_t boot_ms; /* when this machine started, by today's clock */
	int first;       /* descriptors from here on are to be closed */
};
void hoy_look_init(struct hoy_look *look, const char *root);
void hoy_look_done(struct hoy_look *look);
void hoy_look_at(struct hoy_look *look, char *const *ids, size_t n, struct hoy_seen *ret);
void hoy_seen_done(struct hoy_seen *seen, size_t n);

#endif
