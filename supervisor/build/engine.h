/* The build room's own view of a build. */
#ifndef HOY_BUILD_ENGINE_H
#define HOY_BUILD_ENGINE_H

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "supervisor/build/build.h"
#include "supervisor/build/control.h"
#include "supervisor/build/origin.h"
#include "supervisor/build/session.h"
#include "supervisor/image/building.h"
#include "supervisor/worker/build/protocol.h"

struct hoy_container_wait;
struct hoy_files_run;
struct hoy_oci_image_run;
struct hoy_source;
struct hoy_worker_run;

/* What a step made, by its key. */
struct hoy_build_entry {
	char key[HOY_IMAGE_DIGEST_MAX];
	struct hoy_built_layer layer; /* held, unless there is none: blob "" */
	char *what;
	uint64_t maker; /* serial of the build that made it; 0: one before this hoyd */
	int64_t created, used;
	int64_t uses;
	uint64_t turn; /* when it was made: see struct hoy_builds */
	bool stored;   /* has a row */
};

struct hoy_builds {
	struct hoy_builds_options options;
	char *helper;  /* path of hoy-build */
	char *secrets; /* directory of secrets and agents' sockets */
	struct hoy_build *list;
	struct hoy_builds_count count;
	struct hoy_build_entry **entries;
	size_t n_entries;
	uint64_t serial;                    /* of the last build */
	struct hoy_build_session *sessions; /* session.c */
	struct hoy_session_wait *session_waits;
	struct hoy_control *controls; /* control.c */
	uint64_t turn; /* grows whenever something begins to be brought to disk: what was made before is there then */
};

/* A base image, resolved. */
struct hoy_build_base {
	char *reference, *platform; /* as hoy-build asks for it */
	char *id;                   /* of the image */
	char *chain_id;             /* held */
	bool pulled;
	bool asked; /* for credentials */
};

/* A named context that is a directory. */
struct hoy_build_tree {
	char *name, *dir; /* of hoy_images_new_dir() */
};

enum hoy_build_kind { STEP_SCRATCH, STEP_IMAGE, STEP_CONTEXT, STEP_RUN, STEP_COPY, STEP_WORKDIR, STEP_META };

struct hoy_build_step {
	const struct hoy_json *json;
	enum hoy_build_kind kind;
	size_t parent;                  /* index, or NO_STEP */
	size_t from;                    /* what COPY takes from, or NO_STEP */
	char key[HOY_IMAGE_DIGEST_MAX]; /* when it is done; "": it has none */
	size_t number;                  /* as clients see it, from 1; 0: they don't */
	enum { STEP_TO_DO, STEP_RUNNING, STEP_DONE } state;
	const struct hoy_build_base *base; /* where its tree begins; NULL: with nothing */
	struct hoy_built_layer layer;      /* its own, held; blob "": none */
	char chain_id[HOY_IMAGE_DIGEST_MAX];
	bool cached;
	int64_t created;     /* when it was done first, ns; 0: it makes nothing */
	struct hoy_buf text; /* for clients, when those before it are done */
};
#define NO_STEP ((size_t) -1)

/* What RUN mounts: where it is on the host. */
struct hoy_build_mounted {
	char *path; /* NULL: not known yet */
	bool is_copy;
	char *dir; /* it was made in this directory, which goes with the step; NULL: it stays */

	/* of the client */
	bool asked;
	struct hoy_session_request *request;
	char *secret;       /* file or socket, which goes with the step */
	char *variable;     /* a copy of it, for a variable */
	unsigned int agent; /* number of the request for it; 0: none */
};

/* A step that is being done, or waits in the middle. It lives as long as its build. */
struct hoy_build_task {
	struct hoy_build *build;
	struct hoy_build_task *next;
	struct hoy_build_step *step;
	char key[HOY_IMAGE_DIGEST_MAX];
	bool waits;     /* for what another one does or uses: is tried again when that ends */
	bool is_leader; /* it makes what `key` names: others that need it wait */
	struct hoy_source *retry;
	struct hoy_image_job *job; /* its tree becomes a layer */
	struct hoy_files_run *files;
	char *upper, *work; /* directories of COPY */

	/* ADD of what is in the network, by the number of the source */
	struct hoy_build_origin *origins;
	size_t n_origins, origin; /* `origin`: which of them is being brought */
	struct hoy_build_bringing *bringing;
	bool origins_content; /* that they are known is not enough */
	char *remotes;        /* directory with those that were brought */

	/* RUN */
	char *scripts; /* directory of heredocs that it executes */
	char **caches; /* directories that --mount=type=cache uses */
	struct hoy_build_mounted *mounted;
	size_t n_mounted, copying; /* `copying`: which of them is being made */
	char *container_name;      /* its row in the store is there */
	char *container;           /* ID */
	struct hoy_container_wait *wait;
	int output; /* our end of its stream */
	struct hoy_source *output_source;
	struct hoy_buf frame;
	bool exited;
	int status;
};

struct hoy_build {
	struct hoy_builds *builds;
	struct hoy_build *next;
	uint64_t serial;
	struct hoy_build_handler handler;
	unsigned int pending; /* callbacks that will come: it is freed when there are none */
	bool ended;
	struct hoy_source *ending;
	struct hoy_err failed;
	int exit_code;
	char *image_id; /* of what was made */

	/* the request */
	char **tags;
	char *network, *host_config;
	char *session; /* ID, or "" */
	enum hoy_build_export export;
	bool no_cache, pull, keep_containers, keep_failed_containers, colour_stderr;
	bool has_epoch; /* SOURCE_DATE_EPOCH: */
	int64_t epoch;  /* the image was created then, ns */

	/* hoy-build */
	struct hoy_worker_run *worker;
	struct hoy_build_reply *packet;
	int plan_fd;
	char *context;                       /* directory */
	struct hoy_buf begin;                /* the request to it */
	struct hoy_build_bringing *bringing; /* a context that comes from elsewhere */
	struct hoy_session_sync *syncing;    /* or from the client */
	struct hoy_build_tree *trees;
	size_t n_trees;
	struct hoy_json *wanted;
	const struct hoy_json *wanted_next;
	struct hoy_source *serving;
	struct hoy_build_base **bases;
	size_t n_bases;

	/* the plan */
	struct hoy_json *plan;
	struct hoy_build_step *steps;
	size_t n_steps;
	size_t front;  /* the first that is not done: its text is told at once */
	size_t n_told; /* steps that clients see */
	struct hoy_build_task *tasks;
	struct hoy_build_task *old_tasks;   /* done; kept for callbacks that may still come */
	struct hoy_build_task *failed_task; /* whose RUN failed */
	bool scheduling, again;
	uint64_t turn;             /* of the room, when what it made began to be brought to disk */
	bool made_something;       /* there are new entries of the cache */
	bool is_behind;            /* the client has not read yet */
	struct hoy_image_job *job; /* of the whole: a pull, the image */

	struct hoy_build_caching *caching; /* cache_transfer.c */

	/* export.c */
	struct hoy_session_request *exporting;
	char *export_dir; /* empty, above the result */
	bool is_packed, is_received;
	bool image_existed; /* else the one that was made for an archive goes */
};

/* --- build.c --- */

void hoy_build_say(struct hoy_build *build, const char *fmt, ...) HOY_PRINTF(2, 3);
/* What a step has to say, in the order of steps. */
void hoy_build_print(struct hoy_build_task *task, const char *text, size_t len);
void hoy_build_say_of(struct hoy_build *build, struct hoy_build_step *step, const char *fmt, ...) HOY_PRINTF(3, 4);
/* A step failed: the build does. */
void hoy_build_task_fail(struct hoy_build_task *task, const struct hoy_err *err);
/* All is made: what else is wanted is done, then it ends well. */
void hoy_build_succeed(struct hoy_build *build);
/* The end. The caller must not touch the build any more but for returning. */
void hoy_build_fail(struct hoy_build *build, const struct hoy_err *err);
/* A callback that was pending has come: false when the build has ended meanwhile (and may be gone). */
bool hoy_build_came_back(struct hoy_build *build);

/* --- plan_read.c: the first half, with hoy-build --- */

int hoy_build_worker_start(
	struct hoy_build *build, const struct hoy_build_request *request, int context, struct hoy_err *err);
void hoy_build_bases_free(struct hoy_build *build);
/* The next thing that is wanted, unless it must be waited for. */
void hoy_build_serve_wanted(struct hoy_build *build);

/* --- contexts.c: those that neither came with the request nor are images --- */

/* The context of the request is at `url`: `build->begin` is sent to a hoy-build when it's there. */
int hoy_build_bring_context(struct hoy_build *build, const char *url, struct hoy_err *err);
/* 1: `wanted` was given to hoy-build. 0: it comes, hoy_build_serve_wanted() is called then. */
int hoy_build_give_tree(struct hoy_build *build, const struct hoy_json *wanted, struct hoy_err *err);
/* Starts hoy-build on build->context; `input` (borrowed) is what it needs beside it, -EBADF: nothing. */
int hoy_build_worker_begin(struct hoy_build *build, int input, struct hoy_err *err);
/* Of the context that a step is: a directory. */
const char *hoy_build_context_dir(const struct hoy_build *build, size_t step);
void hoy_build_contexts_end(struct hoy_build *build);

/* --- steps.c: the second half --- */

int hoy_build_steps_begin(struct hoy_build *build, struct hoy_err *err);
/* Begins all steps that can begin; the last one's end makes the image. */
void hoy_build_schedule(struct hoy_build *build);
/* The task's tree is in `upper_dir`: it becomes a layer, then the step is done. */
void hoy_build_step_wrote(struct hoy_build_task *task, const char *upper_dir);
/* Tasks of any build that wait may have what they wait for. */
void hoy_builds_wake(struct hoy_builds *builds);
/* The chain that a step's tree is; "" is an empty one. */
const char *hoy_build_chain(const struct hoy_build *build, size_t step);
/* Index of the step that `key` of `json` names, one before `at`, or NO_STEP. -EINVAL: it is none. */
int hoy_build_index_of(const struct hoy_json *json, const char *key, size_t at, size_t *ret);
size_t hoy_build_index(const struct hoy_build *build, const struct hoy_build_step *step);
/* Its result was known elsewhere, and is here now: the step is done. `layer` is held from here on; blob "": none. */
int hoy_build_task_known(
	struct hoy_build_task *task, const struct hoy_built_layer *layer, int64_t created, struct hoy_err *err);
/* Nobody knows its result: it is made. */
void hoy_build_make(struct hoy_build_task *task);
/* The step's inputs are known: looks for its result, or makes it. */
void hoy_build_work(struct hoy_build_task *task);
void hoy_build_task_release(struct hoy_build_task *task); /* all that belongs to other rooms */
void hoy_build_tasks_free(struct hoy_build *build);
void hoy_build_steps_free(struct hoy_build *build);
const char *hoy_build_text(const struct hoy_json *object, const char *key); /* never NULL */
/* Tells a client that draws steps, unless it is one that clients don't see. */
void hoy_build_tell(struct hoy_build *build, enum hoy_build_event_kind kind, const struct hoy_build_step *step,
	const char *text, size_t len, int stream);

/* --- run.c, copy.c, compose.c: kinds of steps. What can't be begun is told by hoy_build_task_fail() --- */

void hoy_build_run(struct hoy_build_task *task);
void hoy_build_run_end(struct hoy_build_task *task, bool keep); /* its container goes, its directory may be gone */
void hoy_build_run_let_go(struct hoy_build_task *task);         /* hoyd ends: the next one removes its container */
void hoy_build_copy(struct hoy_build_task *task);
void hoy_build_copy_end(struct hoy_build_task *task);
bool hoy_build_is_context(const struct hoy_build *build, size_t step);
/* "NAME": the directories of the chain, top first. */
int hoy_build_add_layers(struct hoy_build *build, const char *name, const char *chain_id, struct hoy_json_writer *w,
	struct hoy_err *err);
/* Starts a hoy-files that takes from the step `from`, which may be a context, and from the directory `remotes` (borrowed;
 * -EBADF: none). */
int hoy_build_files_start(struct hoy_build_task *task, const struct hoy_buf *request, size_t from, int remotes,
	void (*done)(const struct hoy_err *err, void *userdata), struct hoy_err *err);
void hoy_build_compose(struct hoy_build *build);
void hoy_build_export(struct hoy_build *build);     /* instead of an image, or what was made as one */
void hoy_build_export_end(struct hoy_build *build); /* no answer any more */

/* --- origins.c --- */

bool hoy_build_has_origins(const struct hoy_build_step *step);
/* Finds out what they are; hoy_build_work() is called then. */
void hoy_build_origins_look(struct hoy_build_task *task);
/* True: not all is here, hoy_build_copy() is called again when it is. */
bool hoy_build_origins_bring(struct hoy_build_task *task);
void hoy_build_origins_add_key(const struct hoy_build_task *task, struct hoy_buf *key);
/* The directory in which they are, for hoy-files: a descriptor. */
int hoy_build_origins_open(struct hoy_build_task *task, struct hoy_err *err);
void hoy_build_origins_add_source(const struct hoy_build_task *task, size_t index, struct hoy_json_writer *w);
void hoy_build_origins_end(struct hoy_build_task *task);

/* --- run_mounts.c --- */

/* Makes what RUN mounts. 0: all is there. 1: a cache is locked, the task waits. 2: copying, hoy_build_run() is called
 * again. */
int hoy_build_mounts_prepare(struct hoy_build_task *task, struct hoy_err *err);
/* The mounts and scripts as HostConfig.Mounts. */
int hoy_build_mounts_add(struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err);
/* The caches of RUN that `wanted` says: their ids are added, they go. */
int hoy_build_mounts_prune(struct hoy_builds *builds,
	bool (*wanted)(const struct hoy_build_record *record, void *userdata), void *userdata, char ***ret_ids,
	struct hoy_err *err);
void hoy_build_mounts_end(struct hoy_build_task *task); /* lets go of caches and scripts; others may go on */
const struct hoy_json *hoy_build_mount_at(const struct hoy_build_task *task, size_t index);

/* --- run_secrets.c --- */

/* Makes the directory, empties it. */
int hoy_builds_secrets_sweep(struct hoy_builds *builds, struct hoy_err *err);
bool hoy_build_is_secret(const struct hoy_json *mount); /* or an agent */
/* 1: asked the client, hoy_build_run() is called again. 0: there is none, and need be none. */
int hoy_build_secret_ask(struct hoy_build_task *task, size_t index, struct hoy_err *err);
void hoy_build_secret_end(struct hoy_build_task *task, struct hoy_build_mounted *mounted);
char *hoy_build_secret_target(const struct hoy_build_task *task, size_t index); /* heap */
/* One member of HostConfig.Mounts, which the caller ends. */
void hoy_build_mount_begin(
	struct hoy_json_writer *w, const char *type, const char *source, const char *target, bool read_only);
/* Secrets that become variables: what stands in front of the step's arguments, and the mounts that needs. */
void hoy_build_secrets_add_args(const struct hoy_build_task *task, struct hoy_json_writer *w);
int hoy_build_secrets_add_mounts(const struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err);
/* SSH_AUTH_SOCK, where there is an agent. */
int hoy_build_secrets_add_env(const struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err);

/* --- cache_transfer.c: caches of other machines --- */

int hoy_build_caching_take(struct hoy_build *build, const struct hoy_build_request *request, struct hoy_err *err);
void hoy_build_caching_free(struct hoy_build_caching *caching);
/* True: their records are being read, hoy_build_schedule() is called then. */
bool hoy_build_cache_import(struct hoy_build *build);
/* Credentials are there. False: they were not for a cache. */
bool hoy_build_cache_go_on(struct hoy_build *build);
/* True: one of them knows the task's step; it will be done, or made. */
bool hoy_build_cache_find(struct hoy_build_task *task);
/* What the image is to say of its own layers, above `n_below` others; empty: nothing. */
int hoy_build_cache_inline(const struct hoy_build *build, size_t n_below, struct hoy_buf *ret, struct hoy_err *err);

/* --- cache.c --- */

int hoy_builds_cache_open(struct hoy_builds *builds, struct hoy_err *err);
void hoy_builds_cache_free(struct hoy_builds *builds);
int64_t hoy_builds_now(void); /* ns since 1970 */
struct hoy_build_entry *hoy_builds_cache_find(struct hoy_builds *builds, const char *key);
/* Remembers it, in memory. Trouble is logged: a result that is forgotten is made again. */
void hoy_builds_cache_add(
	struct hoy_builds *builds, const char *key, const struct hoy_build_step *step, uint64_t maker);
/* Everything made before `turn` is on disk: rows. */
void hoy_builds_cache_store(struct hoy_builds *builds, uint64_t turn);

#endif
