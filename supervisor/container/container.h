/*
 * Containers: from a create request to the removal, above the shims. Everything is asynchronous on the loop.
 *
 * Errors. A function that returns < 0 has started nothing and never calls `done`; else `done` is called exactly once,
 * never from inside the call. `ref` is a container's ID, its name (with or without '/') or a unique prefix of its ID.
 *	HOY_ERR_NOT_FOUND            "No such container: x"
 *	-EALREADY (HOY_ERR_CONFLICT) start of a running, stop of a stopped container: HTTP 304
 *	HOY_ERR_CONFLICT             name taken, wrong state: 409
 *	HOY_ERR_INVALID              also a start that failed for the command's or the configuration's sake: 400
 *
 * What the API tells a client is durable: `done` waits for the commit.
 *
 * States: created -> running -> exited (-> running ...), removing on the way out; see docs/container.md.
 */
#ifndef HOY_CONTAINER_CONTAINER_H
#define HOY_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

struct hoy_buf;
struct hoy_container_config; /* supervisor/container/config.h */
struct hoy_containers;
struct hoy_images;
struct hoy_loop;
struct hoy_networks;
struct hoy_store;
struct hoy_volumes;

/* --- the room --------------------------------------------------------------- */

struct hoy_containers_options {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_images *images;
	struct hoy_networks *networks;
	struct hoy_volumes *volumes;
	struct hoy_secrets *secrets;
	const char *data_root; /* absolute: containers/ID/ below it */
	const char *exec_root; /* absolute: c/ID/ (bundles), s/ (shim sockets), r/ (the runtime's root) below it */
	const char *address;   /* path of hoyd's socket, told to the shims */
	const char *shim;      /* path of containerd-shim-hoy-v2; NULL: found beside hoyd */
	const char *runtime;   /* path of the OCI runtime; NULL: hoyrun, found beside hoyd */
	bool debug;            /* shims log more */
	int cgroup_fd;         /* shims are born in this v2 group; 0: in ours */
	uint64_t max_files;    /* soft RLIMIT_NOFILE of shims and containers; 0: ours */
};

/*
 * Reads the rows, takes up the shims that still run and settles what happened meanwhile: containers whose shim is gone
 * become exited (from their exit.json, else 137), directories without a row are removed, AutoRemove is made up for.
 */
int hoy_containers_open(const struct hoy_containers_options *options, struct hoy_containers **ret, struct hoy_err *err);

/* Lets go of everything; the containers run on. Pending `done` callbacks are called with -ECANCELED. */
void hoy_containers_free(struct hoy_containers *containers);
HOY_DEFINE_AUTO_PTR(struct hoy_containers, hoy_containers_free);

/* --- looking ------------------------------------------------------------------ */

/* The name of a container that has the secret or config of this ID; NULL: none. */
const char *hoy_containers_secret_user(const struct hoy_containers *containers, const char *id);

enum hoy_container_status {
	HOY_CONTAINER_CREATED,
	HOY_CONTAINER_RUNNING,
	HOY_CONTAINER_EXITED,
	HOY_CONTAINER_REMOVING,
};
const char *hoy_container_status_to_string(enum hoy_container_status status); /* "created" ... */

enum hoy_health_status { HOY_HEALTH_NONE, HOY_HEALTH_STARTING, HOY_HEALTH_HEALTHY, HOY_HEALTH_UNHEALTHY };
const char *hoy_health_status_to_string(enum hoy_health_status status); /* "none" ... */

struct hoy_health_result {
	struct timespec start, end;
	int exit_code; /* -1: it took too long */
	char *output;
};
#define HOY_HEALTH_RESULTS 5
struct hoy_health {
	enum hoy_health_status status; /* NONE: not probed */
	int failing_streak;
	struct hoy_health_result log[HOY_HEALTH_RESULTS]; /* oldest first */
	size_t n_log;
};

struct hoy_container_mount_info {
	char *type;   /* "bind", "volume", "image", "tmpfs" */
	char *name;   /* of a volume; of an image as the request had it; else NULL */
	char *source; /* directory of the host; ID of an image; "" for a tmpfs */
	char *destination;
	char *driver; /* of a volume; else NULL */
	char *mode;   /* as written behind the second colon of a bind */
	char *propagation;
	bool rw;

	/* how it is mounted */
	char *subpath;       /* of a volume or image: a directory in it, or a file of an image; else NULL */
	char *chain_id;      /* of an image: its layers; else NULL */
	bool holds_layers;   /* of them; not in the row */
	bool named;          /* a volume that the request named: rm -v leaves it */
	bool copy;           /* a volume that takes the image's content when it is empty */
	bool make_source;    /* a bind whose missing source is made */
	bool flat;           /* not what is mounted below the source */
	bool read_only_flat; /* read-only at its top alone */
	int64_t tmpfs_size;  /* bytes; 0: the kernel's default */
	uint32_t tmpfs_mode; /* 0: 1777 */
};

/* What is known of one container. Belongs to the room; valid until the loop turns: keep the ID, not the pointer. */
struct hoy_container_info {
	char id[65];
	char *name; /* without '/' */
	const struct hoy_container_config
		*config; /* merged with the image's: Env, Cmd, Labels ... as inspect shows it */
	char *image_id;  /* "sha256:..." */
	char **args;     /* of the process: Path is args[0], Args the rest */
	struct timespec created;

	enum hoy_container_status status;
	bool paused;     /* while running */
	bool restarting; /* exited, and its policy starts it again soon */
	int restart_count;
	struct hoy_health health;
	pid_t pid; /* 0 unless running */
	int exit_code;
	bool oom_killed;
	char *error;              /* why the last start failed; "" when it did not */
	struct timespec started;  /* 0: never */
	struct timespec finished; /* 0: never */

	char *log_path; /* "" when the log driver keeps no file */
	char *hostname_path;
	char *hosts_path;
	char *resolv_conf_path;
	char *upper_dir; /* the container's own layer */
	char *work_dir;
	struct hoy_container_mount_info *mounts;
	size_t n_mounts;
};

int hoy_containers_find(
	struct hoy_containers *containers, const char *ref, const struct hoy_container_info **ret, struct hoy_err *err);

/* The chain of image layers it stands on (supervisor/image/image.h); "" without any. Lives as long as the info. */
const char *hoy_container_chain_id(const struct hoy_container_info *info);

/* Was it made from this image, or has it one of its mounts from it? */
bool hoy_container_uses_image(const struct hoy_container_info *info, const char *image_id);

/* Filters; a NULL vector does not filter. Several values of one filter: any of them, for labels all of them. */
struct hoy_container_filter {
	bool all;         /* else only running ones (unless `statuses` is given) */
	size_t limit;     /* the newest so many, whatever their state; 0: no limit */
	char **statuses;  /* "created", "running", "exited", "removing" ...; HOY_ERR_INVALID for an unknown one */
	char **names;     /* part of the name, '/' or a '^' in front and '$' at the end anchor */
	char **ids;       /* ID or prefix */
	char **labels;    /* "key" or "key=value" */
	char **ancestors; /* image name, ID or short ID */
	char **exited;    /* exit codes */
	char **healths;   /* "none", "starting", "healthy", "unhealthy" */
	char **before;    /* containers made before this one */
	char **since;
	char **volumes;   /* names, sources or destinations of mounts */
	char **networks;  /* names, or the beginning of an ID */
	char **published; /* of the host: "8080", "8080/udp", "8000-8080/tcp"; with `exposed`: any of both */
	char **exposed;   /* of the container */
};
void hoy_container_filter_done(struct hoy_container_filter *filter);

/* Newest first. *ret is a heap array of borrowed infos: free() it. */
int hoy_containers_list(struct hoy_containers *containers, const struct hoy_container_filter *filter,
	const struct hoy_container_info ***ret, size_t *ret_n, struct hoy_err *err);

/* The state as clients know it: also "paused" and "restarting". */
const char *hoy_container_state(const struct hoy_container_info *info);
/* As docker counts it: also while paused and while it waits to be restarted. */
bool hoy_container_is_running(const struct hoy_container_info *info);

/* How many there are in each state, for `info`. */
struct hoy_containers_count {
	size_t running, paused, stopped;
	uint64_t probes, failed_probes; /* health checks since hoyd is up */
};
void hoy_containers_count(const struct hoy_containers *containers, struct hoy_containers_count *ret);

/* Can this host limit swap? v2 always can, v1 when its kernel accounts swap. For `info`, and for the default of create.
 */
bool hoy_containers_can_limit_swap(void);

/* --- life --------------------------------------------------------------------- */

typedef void (*hoy_container_done)(void *userdata, const struct hoy_err *err);

/* `warnings` is NULL-terminated, never NULL; both strings belong to the caller of the callback. */
typedef void (*hoy_container_created)(void *userdata, const struct hoy_err *err, const char *id, char *const *warnings);

/* What a container of a build stands on instead of an image: a chain of layers, and nothing of an image's config. */
struct hoy_container_base {
	const char *chain_id; /* held by the caller until `done` */
	const char *image_id; /* told to clients */
};
int hoy_container_create_on(struct hoy_containers *containers, const struct hoy_container_base *base, const char *name,
	struct hoy_container_config *config, hoy_container_created done, void *userdata, struct hoy_err *err);

/* "user[:group]" by the passwd and group files of a chain of layers; "" is 0:0. A user without a group: its own. */
int hoy_containers_find_owner(struct hoy_containers *containers, const char *chain_id, const char *spec,
	uint32_t *ret_uid, uint32_t *ret_gid, struct hoy_err *err);

/* `name` NULL or "": one is made up. Takes `config` over when it returns >= 0. */
int hoy_container_create(struct hoy_containers *containers, const char *name, struct hoy_container_config *config,
	hoy_container_created done, void *userdata, struct hoy_err *err);

int hoy_container_start(struct hoy_containers *containers, const char *ref, hoy_container_done done, void *userdata,
	struct hoy_err *err);

#define HOY_STOP_TIMEOUT_DEFAULT INT32_MIN
struct hoy_container_stop {
	const char *signal; /* name or number; NULL: the container's StopSignal */
	int timeout;        /* seconds until SIGKILL; -1: never; HOY_STOP_TIMEOUT_DEFAULT: the container's, else 10 */
};
int hoy_container_stop(struct hoy_containers *containers, const char *ref, const struct hoy_container_stop *how,
	hoy_container_done done, void *userdata, struct hoy_err *err);
int hoy_container_restart(struct hoy_containers *containers, const char *ref, const struct hoy_container_stop *how,
	hoy_container_done done, void *userdata, struct hoy_err *err);

/* `signal` NULL or "": SIGKILL. SIGKILL is done when the container has exited, others when they are sent. */
int hoy_container_kill(struct hoy_containers *containers, const char *ref, const char *signal, hoy_container_done done,
	void *userdata, struct hoy_err *err);

struct hoy_container_remove {
	bool force;   /* kill it first */
	bool volumes; /* its anonymous volumes too */
};
int hoy_container_remove(struct hoy_containers *containers, const char *ref, const struct hoy_container_remove *how,
	hoy_container_done done, void *userdata, struct hoy_err *err);

int hoy_container_pause(struct hoy_containers *containers, const char *ref, hoy_container_done done, void *userdata,
	struct hoy_err *err);
int hoy_container_unpause(struct hoy_containers *containers, const char *ref, hoy_container_done done, void *userdata,
	struct hoy_err *err);
/* New limits, restart policy, labels and health check, at once when it runs; a new environment for execs and the next
 * start. `text` is the JSON of the request: what it does not name stays. */
int hoy_container_update(struct hoy_containers *containers, const char *ref, const char *text, size_t len,
	hoy_container_done done, void *userdata, struct hoy_err *err);

/* The container, which stands by (HostConfig.Standby), takes `former`'s place: it publishes its ports and is found by
 * its names on networks, `former` stands by, and their names are exchanged. All as one change. */
int hoy_container_promote(struct hoy_containers *containers, const char *ref, const char *former,
	hoy_container_done done, void *userdata, struct hoy_err *err);
int hoy_container_rename(struct hoy_containers *containers, const char *ref, const char *name, hoy_container_done done,
	void *userdata, struct hoy_err *err);

enum hoy_container_condition { HOY_WAIT_NOT_RUNNING, HOY_WAIT_NEXT_EXIT, HOY_WAIT_REMOVED };
struct hoy_container_wait;
/* `error` is "" unless the start failed. The wait object is gone when `done` is called. */
typedef void (*hoy_container_waited)(void *userdata, const struct hoy_err *err, int exit_code, const char *error);
int hoy_container_wait(struct hoy_containers *containers, const char *ref, enum hoy_container_condition condition,
	hoy_container_waited done, void *userdata, struct hoy_container_wait **ret, struct hoy_err *err);
void hoy_container_wait_cancel(struct hoy_container_wait *wait); /* `done` is not called any more */

/* --- checkpoints ----------------------------------------------------------------- */

struct hoy_container_checkpoint {
	const char *name;
	const char *dir; /* absolute; NULL or "": with the container, in DATA_ROOT/containers/ID/checkpoints */
	bool exit;       /* the container ends with it */
};
/* Not of containers with a terminal, secrets or a shared IPC namespace. CRIU's reason is in the error. */
int hoy_container_checkpoint_create(struct hoy_containers *containers, const char *ref,
	const struct hoy_container_checkpoint *how, hoy_container_done done, void *userdata, struct hoy_err *err);
/* Their names, sorted; heap. */
int hoy_container_checkpoint_list(
	struct hoy_containers *containers, const char *ref, const char *dir, char ***ret, struct hoy_err *err);
int hoy_container_checkpoint_remove(
	struct hoy_containers *containers, const char *ref, const char *dir, const char *name, struct hoy_err *err);
/* As hoy_container_start(), with the processes that the checkpoint has; the network comes when they are there. */
int hoy_container_start_from(struct hoy_containers *containers, const char *ref,
	const struct hoy_container_checkpoint *from, hoy_container_done done, void *userdata, struct hoy_err *err);

/* --- networks ------------------------------------------------------------------ */

/* Another network for a container, or one less, also while it runs. 403 where errnum is EPERM. */
struct hoy_container_endpoint;
int hoy_container_connect(struct hoy_containers *containers, const char *ref,
	const struct hoy_container_endpoint *endpoint, hoy_container_done done, void *userdata, struct hoy_err *err);
int hoy_container_disconnect(struct hoy_containers *containers, const char *ref, const char *network,
	hoy_container_done done, void *userdata, struct hoy_err *err);

/* --- links --------------------------------------------------------------------- */

/* HostConfig.Links as inspect shows them: "/web:/app/db". */
int hoy_container_links_shown(struct hoy_containers *containers, const struct hoy_container_info *container,
	char ***ret, struct hoy_err *err);
/* The names that others have for it by their links: "/app/db". */
int hoy_container_link_names(struct hoy_containers *containers, const struct hoy_container_info *container, char ***ret,
	struct hoy_err *err);
/* `ref`: "app/db". */
int hoy_container_link_remove(struct hoy_containers *containers, const char *ref, hoy_container_done done,
	void *userdata, struct hoy_err *err);

/* --- streams ------------------------------------------------------------------- */

/*
 * Attach. The API checks with hoy_container_attach_check() before it answers 101, writes its head, then gives the
 * client's stream away: from then on it is the shim's. A container that does not run yet keeps the stream until its
 * next start. Output is framed unless the container has a terminal. `leftover` is what was read behind the request's
 * head.
 */
struct hoy_container_attach {
	bool stdin_;
	bool stdout_;
	bool stderr_;
	bool raw;                /* no frames, whether there is a terminal or not */
	const char *detach_keys; /* NULL: ctrl-p,ctrl-q */
};
int hoy_container_attach_check(struct hoy_containers *containers, const char *ref,
	const struct hoy_container_attach *how, bool *ret_framed, struct hoy_err *err);
/* Takes `fd` over, also on failure. */
int hoy_container_attach(struct hoy_containers *containers, const char *ref, const struct hoy_container_attach *how,
	int fd, const void *leftover, size_t leftover_len, struct hoy_err *err);

/* Before the start the size is kept for it. HOY_ERR_CONFLICT for an exited container. */
int hoy_container_resize(struct hoy_containers *containers, const char *ref, unsigned int height, unsigned int width,
	hoy_container_done done, void *userdata, struct hoy_err *err);

/*
 * Logs. Pulled: the reader fills a buffer with the bytes of the HTTP body (framed unless the container has a terminal)
 * and calls `ready` when there is more after it had said that there is nothing now.
 */
struct hoy_container_logs {
	bool follow;
	bool stdout_;
	bool stderr_;
	bool timestamps;
	bool details;
	bool raw;              /* no frames, whether there is a terminal or not */
	struct timespec since; /* 0: from the start */
	struct timespec until; /* 0: no end */
	int64_t tail;          /* the last so many lines; -1: all */
};
struct hoy_log_reader;
typedef void (*hoy_log_ready)(struct hoy_log_reader *reader, void *userdata);
/* HOY_ERR_UNSUPPORTED: the log driver of the container can't be read. */
int hoy_container_logs(struct hoy_containers *containers, const char *ref, const struct hoy_container_logs *how,
	hoy_log_ready ready, void *userdata, struct hoy_log_reader **ret, bool *ret_framed, struct hoy_err *err);

enum hoy_log_read { HOY_LOG_END, HOY_LOG_DATA, HOY_LOG_WAIT };
/* Appends whole messages until at least `enough` bytes were added or there are no more. HOY_LOG_WAIT: nothing was
 * added, `ready` will be called. HOY_LOG_END: that was all. < 0: failed. */
int hoy_log_reader_read(struct hoy_log_reader *reader, struct hoy_buf *buf, size_t enough, struct hoy_err *err);
void hoy_log_reader_free(struct hoy_log_reader *reader);
HOY_DEFINE_AUTO_PTR(struct hoy_log_reader, hoy_log_reader_free);

/* --- events -------------------------------------------------------------------- */

/* Told as it happens, after the commit. The API adds image, name and labels from `container`. */
struct hoy_container_event {
	const char
		*action; /* "create" "start" "attach" "die" "kill" "stop" "restart" "oom" "destroy" "rename" "resize" */
	const struct hoy_container_info *container;
	char *const *attributes; /* "exitCode=137", "signal=15" ...; NULL-terminated, never NULL */
	struct timespec time;
};
typedef void (*hoy_container_subscriber)(const struct hoy_container_event *event, void *userdata);
int hoy_containers_subscribe(
	struct hoy_containers *containers, hoy_container_subscriber subscriber, void *userdata, struct hoy_err *err);
void hoy_containers_unsubscribe(struct hoy_containers *containers, hoy_container_subscriber subscriber, void *userdata);

#endif
