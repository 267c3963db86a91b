/*
 * Shared by the files of this room only.
 *
 * A container is in one phase; what a request does depends on it (ops.c). The files that move it on:
 *	start.c  IDLE -> STARTING -> RUNNING, or back to IDLE when the start fails
 *	exit.c   RUNNING -> ENDING -> IDLE
 *	remove.c IDLE -> REMOVING -> gone
 */
#ifndef HOY_CONTAINER_INTERNAL_H
#define HOY_CONTAINER_INTERNAL_H

#include "supervisor/container/config.h"
#include "supervisor/container/container.h"

struct copying;
struct hoy_creation;
struct hoy_attach_pending;
struct hoy_exec;
struct hoy_container_job;
struct hoy_oci_healthcheck;
struct hoy_oci_image_config;
struct hoy_files_run;
struct hoy_probes;
struct hoy_saving;
struct hoy_secret_placing;
struct hoy_shim;
struct hoy_shim_exit_record;
struct hoy_source;
struct hoy_teardown;

enum hoy_phase { HOY_PHASE_IDLE, HOY_PHASE_STARTING, HOY_PHASE_RUNNING, HOY_PHASE_ENDING, HOY_PHASE_REMOVING };

struct hoy_container {
	struct hoy_container_info info; /* first: an info of ours is its container */
	struct hoy_containers *room;
	struct hoy_container_config *config;
	char *chain_id;
	bool holds_layers;
	struct hoy_creation *creation; /* its request, while the image's content goes into volumes */
	char **new_volumes;            /* made by this creation, until it is durable */
	struct copying *copying;       /* the image's content is on its way into volumes */
	size_t n_mounted;              /* mounts whose volumes were taken for this run */
	int *source_fds;               /* directories inside volumes that a start gives to the runtime */
	size_t n_source_fds;
	void (*mounts_done)(struct hoy_container *c, const struct hoy_err *err);
	struct hoy_container_job *jobs; /* on its files: the first runs while the container does not, the rest wait */
	bool files_busy;                /* files of a container that does not run are being read or written */
	char *dir;                      /* DATA_ROOT/containers/ID */
	char *bundle;                   /* EXEC_ROOT/c/ID */
	char *end_path;                 /* EXEC_ROOT/e/ID.json: the exit record of a removed bundle */
	enum hoy_phase phase;

	struct hoy_shim *shim;                /* from STARTING to the end of ENDING */
	bool shim_created;                    /* its Create was answered: there is something to delete */
	bool network_pending;                 /* hoy_network_attach() was not answered yet */
	bool start_waits;                     /* for the streams to be taken; then Start is sent */
	bool started_again;                   /* recover.c has sent a second Start, which failed */
	enum hoy_container_status was_status; /* before the Start, for when it fails */
	struct hoy_err start_err;
	struct hoy_op *starters; /* requests that wait for the start */
	struct hoy_op *queue;    /* requests that wait for the phase to change */
	struct hoy_op *stoppers; /* requests that wait for the exit */
	struct hoy_source *stop_timer;
	uint64_t stop_due;
	bool stop_asked;      /* tell "stop" after "die" */
	bool stopped_by_user; /* its policy does not start it again, in the row */
	struct hoy_source *restart_timer;
	uint64_t restart_delay; /* ns; the next one is twice as long */
	bool unconfirmed;       /* its row says that it runs; the shim was not heard yet */
	bool brought_up;        /* this hoyd starts it, or has, without being asked */
	bool ordered;           /* its start waits for others: order.c */
	bool in_circle;         /* with others that wait, and the one of them that does not */
	enum { HOY_WALK_NONE, HOY_WALK_ON, HOY_WALK_OVER } walk;
	const struct hoy_container *waits_for; /* nothing else lets it go on; only to be compared */
	struct hoy_probes *probes;
	struct hoy_op *asked;      /* pause, unpause, update: wait for the shim's answer */
	bool ports_busy;           /* others are being published */
	struct hoy_saving *saving; /* a checkpoint is being made: its end waits for that */
	char *restore_from;        /* this start brings the processes of a checkpoint back: its directory */
	struct hoy_op *removers;   /* forced removals that found one under way */
	struct hoy_teardown *teardown;
	struct hoy_secret_placing *placing; /* its secrets are being put in their places */
	struct hoy_files_run *sharing;      /* another's /dev/shm is being mounted in it */

	struct hoy_attach_pending *attaches; /* streams that wait for the shim */
	struct hoy_exec *execs;
	struct hoy_container_wait *waits;
	struct hoy_log_reader *readers;     /* that follow */
	unsigned int tty_height, tty_width; /* asked for before the start; 0: not */

	/* while ENDING */
	int end_status;
	bool end_oom;
	struct timespec end_time;
	bool exit_seen; /* the exit came before the answer to Start, or to Checkpoint */
};

struct hoy_subscription {
	hoy_container_subscriber subscriber;
	void *userdata;
};

struct hoy_containers {
	struct hoy_containers_options options; /* strings are owned */
	char *dir;                             /* DATA_ROOT/containers */
	int dir_fd;
	char *bundles;               /* EXEC_ROOT/c */
	char *ends;                  /* EXEC_ROOT/e */
	char *sockets;               /* EXEC_ROOT/s */
	char *runtime_root;          /* EXEC_ROOT/r */
	struct hoy_container **list; /* oldest first */
	size_t n;
	struct hoy_subscription *subscriptions;
	size_t n_subscriptions;
	uint64_t probes, failed_probes;
	size_t n_ordered;        /* containers whose start waits for others */
	bool in_order;           /* all rows have been looked at: those that wait may go on */
	unsigned int publishing; /* depth of hoy_container_publish() */
};

/* --- containers.c ---------------------------------------------------------------- */

int hoy_containers_lookup(
	struct hoy_containers *room, const char *ref, struct hoy_container **ret, struct hoy_err *err);
struct hoy_container *hoy_containers_by_name(const struct hoy_containers *room, const char *name);
int hoy_containers_add(struct hoy_containers *room, struct hoy_container *c, struct hoy_err *err);
void hoy_containers_drop(struct hoy_containers *room, struct hoy_container *c); /* from the list; not freed */
void hoy_container_free(struct hoy_container *c);
HOY_DEFINE_AUTO_PTR(struct hoy_container, hoy_container_free);
/* Fills paths and the like from room, info.id and config. */
int hoy_container_derive(struct hoy_container *c, struct hoy_err *err);
/* The image's layers, which must not go while the container is there. */
int hoy_container_hold_layers(struct hoy_container *c, struct hoy_err *err);
void hoy_container_release_layers(struct hoy_container *c);
/* Writes the changing part of the row. Trouble is logged: what it tells is also in the shim's exit.json. */
void hoy_container_save(struct hoy_container *c);
int64_t hoy_timespec_to_ns(const struct timespec *ts);
struct timespec hoy_timespec_from_ns(int64_t ns);
struct timespec hoy_now(void);

/* --- events.c -------------------------------------------------------------------- */

/* `attributes` is NULL or "k=v", ended by NULL. */
void hoy_container_publish(struct hoy_container *c, const char *action, char *const *attributes);

/* --- names.c --------------------------------------------------------------------- */

int hoy_container_name_check(const char *name, struct hoy_err *err);
char *hoy_container_name_random(unsigned int attempt); /* from the third attempt on with a digit at the end */

/* --- ops.c ----------------------------------------------------------------------- */

enum hoy_op_kind { HOY_OP_START, HOY_OP_STOP, HOY_OP_RESTART, HOY_OP_KILL, HOY_OP_REMOVE };
/* not run by phase, but kept in lists as these are: asks of the shim (pause.c), questions about execs */
enum { HOY_OP_ASKED = HOY_OP_REMOVE + 1 };

/* One request that changes a container's life. Owned by whoever has it: a list of the container or its function. */
struct hoy_op {
	struct hoy_op *next;
	enum hoy_op_kind kind;
	int signal;  /* STOP, RESTART, KILL */
	int timeout; /* STOP, RESTART: seconds, -1: never */
	bool force;
	bool volumes;                    /* REMOVE: anonymous volumes too */
	bool killed;                     /* REMOVE: the SIGKILL was sent */
	bool by_policy;                  /* START: nobody asked for it */
	struct hoy_container *container; /* ASKED */
	bool restart;                    /* START: it was a RESTART, which is told when it is done */
	hoy_container_done done;
	void *userdata;
};

/* Acts on `op` as the phase demands: runs it, queues it, or refuses it (< 0: `op` is still the caller's). */
int hoy_op_run(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err);
/* Frees `op` and calls its done at the end of the turn, after the commit. */
void hoy_op_finish(struct hoy_container *c, struct hoy_op *op, const struct hoy_err *err);
void hoy_ops_finish(struct hoy_container *c, struct hoy_op **list, const struct hoy_err *err);
/* The phase has changed: takes up what was queued. */
void hoy_ops_retry(struct hoy_container *c);
void hoy_ops_append(struct hoy_op **list, struct hoy_op *op);
void hoy_ops_cancel(struct hoy_op **list, const struct hoy_err *err); /* at once */
/* Calls `done` at the end of the turn, after the commit, with `err` (copied) or the commit's error. */
void hoy_done_later(struct hoy_containers *room, hoy_container_done done, void *userdata, const struct hoy_err *err);

/* --- create.c ------------------------------------------------------------------------ */

/* A creation that waits for its volumes is told that it was canceled. */
void hoy_creation_cancel(struct hoy_container *c, const struct hoy_err *err);

/* --- networks.c ---------------------------------------------------------------------- */

/* Do both name the same network? One may be its name, the other its ID. */
bool hoy_container_same_network(struct hoy_networks *networks, const char *a, const char *b);
/* The endpoints of a create request, as rows, in the store's current turn. */
/* The network namespace of a running container, the caller's; -EBADF: it does not run. */
int hoy_container_open_netns(const struct hoy_container *c, int *ret, struct hoy_err *err);
int hoy_container_allocate_networks(struct hoy_container *c, struct hoy_err *err);
/* Before a start: one that was taken off all its networks comes back to that of its network mode, with its ports. */
int hoy_container_refill_networks(struct hoy_container *c, struct hoy_err *err);

/* --- merge.c ------------------------------------------------------------------------- */

/* Fills in what the request left open, from the image and with Hoy's defaults. */
int hoy_container_config_complete(struct hoy_container_config *config, const struct hoy_oci_image_config *image,
	const char *id, struct hoy_err *err);

/* --- start.c ------------------------------------------------------------------------- */

/* Always takes `op`. */
int hoy_container_start_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err);
void hoy_container_attaches_settled(struct hoy_container *c); /* all streams are taken */
int hoy_container_shim_new(struct hoy_container *c, struct hoy_err *err);
/* The exit code docker gives a container whose start failed with `err`; sets the kind of `err`. */
void hoy_container_start_verdict(struct hoy_err *err, int *ret_exit_code);

/* --- exit.c, teardown.c, remove.c ------------------------------------------------------ */

int hoy_container_signal(struct hoy_container *c, int sig, struct hoy_err *err);
int hoy_container_stop_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err);
int hoy_container_kill_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err);

/* The first process has ended with `status`. */
void hoy_container_exited(struct hoy_container *c, int status, const struct timespec *when, bool oom);
/* The shim of a running container is gone: what happened is read from exit.json, else it is ended with 137. */
void hoy_container_shim_lost(struct hoy_container *c);
/* Parks the Wait at the shim. */
int hoy_container_watch(struct hoy_container *c, struct hoy_err *err);

/* Takes task, shim, network and bundle down, then calls `after` from the loop. */
void hoy_container_teardown(struct hoy_container *c, void (*after)(struct hoy_container *c));
bool hoy_container_teardown_is_on(const struct hoy_container *c);
void hoy_container_teardown_lost(struct hoy_container *c);  /* the connection has ended */
void hoy_container_teardown_go_on(struct hoy_container *c); /* network_pending is over */
void hoy_container_teardown_free(struct hoy_container *c);

int hoy_container_remove_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err);
void hoy_container_remove_now(struct hoy_container *c); /* AutoRemove */

/* --- recover.c ------------------------------------------------------------------------ */

int hoy_containers_recover(struct hoy_containers *room, struct hoy_err *err);

/* --- files.c ----------------------------------------------------------------------- */

/* Makes `dir` with diff/, work/, hostname, hosts and resolv.conf; takes back what it made when it fails. */
int hoy_container_files_make(struct hoy_container *c, struct hoy_err *err);
void hoy_container_files_remove(struct hoy_container *c); /* into the trash */
/* Missing sources of binds that are made, as docker's -v does it. */
int hoy_container_bind_sources_make(const struct hoy_container *c, struct hoy_err *err);
/* (Re)writes hosts in place with the address the container has now. */
/* The network room asks us about containers. */
void hoy_containers_answer_networks(struct hoy_containers *room);
int hoy_container_hosts_write(struct hoy_container *c, struct hoy_err *err);
int hoy_container_resolv_write(struct hoy_container *c, struct hoy_err *err);
/* The container's networks have changed: the file goes with them, unless something else has written to it. */
int hoy_container_resolv_follow(struct hoy_container *c, struct hoy_err *err);
int hoy_container_bundle_make(struct hoy_container *c, struct hoy_err *err); /* with config.json */
/* Its exit record stays until what was written to the store in this turn is durable. */
void hoy_container_bundle_remove(struct hoy_container *c);
/* How the last run ended, as long as the row does not say it. -ENOENT: it did not end, or nobody could tell. */
int hoy_container_exit_read(const struct hoy_container *c, struct hoy_shim_exit_record *ret, struct hoy_err *err);
void hoy_container_exit_saved(struct hoy_container *c); /* the row does, once this turn is durable */
/* Before Start is sent. What comes after is found by the next hoyd, whatever the row says. */
int hoy_container_bundle_mark_started(const struct hoy_container *c, struct hoy_err *err);
/* The restart count of the run whose Start was sent; -ENOENT: it was not. */
int hoy_container_bundle_restarts(const struct hoy_container *c);

/* --- shared.c, log_driver.c -------------------------------------------------------------- */

/* At create: are there containers of those names? */
int hoy_container_shared_check(struct hoy_container *c, struct hoy_err *err);
/* At create: has the host the security modules that are asked for? */
int hoy_container_modules_check(const struct hoy_container *c, struct hoy_err *err);
/* The running container that "container:REF" names; *ret NULL when `mode` names none. */
int hoy_container_shared(
	struct hoy_container *c, const char *mode, const char *what, struct hoy_container **ret, struct hoy_err *err);
/* The same for its IPC namespace, which the other one must want to share. */
int hoy_container_shared_ipc(struct hoy_container *c, struct hoy_container **ret, struct hoy_err *err);
/* Between the runtime's create and start: the other's /dev/shm; `done` gets the container. */
int hoy_container_shm_share(
	struct hoy_container *c, void (*done)(const struct hoy_err *err, void *userdata), struct hoy_err *err);
/* The stdio URI for its output. */
int hoy_container_log_uri(const struct hoy_container *c, char **ret, struct hoy_err *err);
char *hoy_container_log_file(const struct hoy_container *c); /* "": it has none; heap, NULL when out of memory */
bool hoy_container_log_is_readable(const struct hoy_container *c);
bool hoy_container_log_has_frames(const struct hoy_container *c); /* local's */

/* --- restart.c ------------------------------------------------------------------------ */

int hoy_restart_policy_check(const struct hoy_container_host_config *host, struct hoy_err *err);
/* It has ended: true when its policy starts it again; the timer is set then. */
bool hoy_container_restart_by_policy(struct hoy_container *c);
/* hoyd is back: what should run is started. */
void hoy_container_restart_at_boot(struct hoy_container *c);
/* Nobody waits any more: it stays as it is. */
void hoy_container_restart_cancel(struct hoy_container *c);
/* Starts it, as its policy wants, after `delay` ns. False: it can't; that was logged. */
bool hoy_container_restart_after(struct hoy_container *c, uint64_t delay);
/* Somebody ends it: kept in the row where a policy would start it again. */
void hoy_container_set_stopped(struct hoy_container *c, bool stopped);

/* --- order.c -------------------------------------------------------------------------- */

/* It is to come up with hoyd, when what it depends on is there; until then it is "restarting". */
void hoy_container_order_enter(struct hoy_container *c);
void hoy_container_order_leave(struct hoy_container *c);
/* It goes on if it can, after it has entered. */
void hoy_container_order_judge(struct hoy_container *c);
/* All rows were looked at. */
void hoy_containers_order_begin(struct hoy_containers *room);
/* `changed` may be what others wait for. */
void hoy_container_order_changed(const struct hoy_container *changed);

/* --- pause.c -------------------------------------------------------------------------- */

void hoy_container_asks_lost(struct hoy_container *c); /* the shim is gone */
/* A signal that ends it reaches a frozen container only when it is thawed. */
void hoy_container_thaw(struct hoy_container *c);
/* Writes its config into the row. */
int hoy_container_config_save(struct hoy_container *c, struct hoy_err *err);

/* --- publish.c ----------------------------------------------------------------------- */

/* `bindings`: JSON text of PortBindings, for those it has. */
int hoy_container_update_ports(
	struct hoy_container *c, const char *bindings, hoy_container_done done, void *userdata, struct hoy_err *err);

/* --- checkpoint.c -------------------------------------------------------------------- */

void hoy_container_saving_cancel(struct hoy_container *c, const struct hoy_err *err);
void hoy_container_restored(struct hoy_container *c); /* or not: the next start is one of its own */

/* --- health.c ------------------------------------------------------------------------- */

int hoy_healthcheck_check(const struct hoy_oci_healthcheck *check, struct hoy_err *err);
void hoy_container_probes_begin(struct hoy_container *c, bool anew); /* false: it was running before */
bool hoy_container_is_probed(const struct hoy_container *c);         /* by its config */
void hoy_container_probes_end(struct hoy_container *c);
/* The config has another health check now, perhaps. */
void hoy_container_probes_renew(struct hoy_container *c, const struct hoy_oci_healthcheck *former);
void hoy_health_done(struct hoy_health *health);

/* --- exec.c, exec_config.c ----------------------------------------------------------- */

void hoy_container_execs_lost(struct hoy_container *c); /* the shim is gone: none runs any more */
void hoy_container_execs_free(struct hoy_container *c, const struct hoy_err *err);
void hoy_container_execs_take_up(struct hoy_container *c); /* those of a former hoyd */

/* --- volumes.c ------------------------------------------------------------------------ */

/* At creation, inside its bracket: fills info.mounts, makes volumes that are not there, writes the row, holds them.
 * What was made is taken back by _take_back() or told by _created(). */
int hoy_container_volumes_choose(struct hoy_container *c, struct hoy_err *err);
void hoy_container_volumes_take_back(struct hoy_container *c);
void hoy_container_volumes_created(struct hoy_container *c);
int hoy_container_volumes_load(struct hoy_container *c, struct hoy_err *err); /* from the row */
int hoy_container_volumes_hold(struct hoy_container *c, struct hoy_err *err);
void hoy_container_volumes_release(struct hoy_container *c);
/* In the bracket of the container's removal, when they are released. */
void hoy_container_volumes_remove(struct hoy_container *c);
void hoy_container_volumes_free(struct hoy_container *c);

/* The image's content into new volumes; and volumes for a run. `done` is called once, perhaps from inside. */
bool hoy_container_volumes_want_content(const struct hoy_container *c);
void hoy_container_volumes_fill(
	struct hoy_container *c, void (*done)(struct hoy_container *c, const struct hoy_err *err));
void hoy_container_volumes_mount(
	struct hoy_container *c, void (*done)(struct hoy_container *c, const struct hoy_err *err));
void hoy_container_volumes_taken_up(struct hoy_container *c); /* it runs since before this hoyd */
void hoy_container_volumes_unmount(struct hoy_container *c);

/* What the runtime is to mount for `m`: a path of the host, heap. */
int hoy_container_mount_source(
	struct hoy_container *c, const struct hoy_container_mount_info *m, char **ret, struct hoy_err *err);
bool hoy_container_mount_is_read_only(struct hoy_container *c, const struct hoy_container_mount_info *m);

/* --- image_mounts.c ------------------------------------------------------------------- */

/* At creation: which image `m` names. */
int hoy_container_image_mount_resolve(struct hoy_container *c, struct hoy_container_mount_info *m, struct hoy_err *err);
/* The layers of all; holding what is held already, and letting go of what is not, does nothing. They are let go of with the
 * container's own, when its rows are gone. */
int hoy_container_image_mounts_hold(struct hoy_container *c, struct hoy_err *err);
void hoy_container_image_mounts_release(struct hoy_container *c);
/* What is mounted for one: a directory as a list of at least two directories for an overlay, top first; a file as its
 * path in *ret_source. Both heap, the other one NULL. */
int hoy_container_image_mount_parts(struct hoy_container *c, const struct hoy_container_mount_info *m,
	char ***ret_lowers, char **ret_source, struct hoy_err *err);

/* --- secrets.c ------------------------------------------------------------------------ */

int hoy_containers_secrets_sweep(struct hoy_containers *room, struct hoy_err *err); /* when hoyd starts */
int hoy_container_secrets_resolve(struct hoy_container *c, struct hoy_err *err);    /* at create */
void hoy_container_secrets_remove(struct hoy_container *c); /* in the bracket of its removal: those of its own */
bool hoy_container_has_secrets(const struct hoy_container *c);
int hoy_container_secrets_prepare(const struct hoy_container *c, struct hoy_err *err); /* in the new bundle */
char *hoy_container_empty_file(const struct hoy_container *c);
/* Between the runtime's create and start; `done` gets the container. */
int hoy_container_secrets_place(
	struct hoy_container *c, void (*done)(void *userdata, const struct hoy_err *err), struct hoy_err *err);

/* --- archive.c --------------------------------------------------------------------------- */

void hoy_container_jobs_retry(struct hoy_container *c); /* the phase has changed */
void hoy_container_jobs_cancel(struct hoy_container *c, const struct hoy_err *err);

/* --- wait.c, attach.c, logs.c -------------------------------------------------------- */

void hoy_container_waits_tell(struct hoy_container *c, bool removed);
void hoy_container_waits_cancel(struct hoy_container *c, const struct hoy_err *err);
void hoy_container_attaches_pass(struct hoy_container *c); /* to the shim */
void hoy_container_attaches_drop(struct hoy_container *c);
void hoy_container_readers_tell(struct hoy_container *c);   /* no more output will come */
void hoy_container_readers_forget(struct hoy_container *c); /* the container goes away */

#endif
