/* The build room's own view of a build. */
#ifndef HOY_BUILD_ENGINE_H
#define HOY_BUILD_ENGINE_H

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "supervisor/build/build.h"
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
	int64_t created, used;
	int64_t uses;
	uint64_t turn; /* when it was made: see struct hoy_builds */
	bool stored;   /* has a row */
};

struct hoy_builds {
	struct hoy_builds_options options;
	char *helper; /* path of hoy-build */
	struct hoy_build *list;
	struct hoy_build_entry **entries;
	size_t n_entries;
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

enum hoy_build_kind { STEP_SCRATCH, STEP_IMAGE, STEP_CONTEXT, STEP_RUN, STEP_COPY, STEP_WORKDIR, STEP_META };

struct hoy_build_step {
	const struct hoy_json *json;
	enum hoy_build_kind kind;
	size_t parent; /* index, or NO_STEP */
	bool done, cached;
	const struct hoy_build_base *base; /* where its tree begins; NULL: with nothing */
	struct hoy_built_layer layer;      /* its own, held; blob "": none */
	char chain_id[HOY_IMAGE_DIGEST_MAX];
	int64_t created; /* when it was done first, ns; 0: it makes nothing */
};
#define NO_STEP ((size_t) -1)

struct hoy_build {
	struct hoy_builds *builds;
	struct hoy_build *next;
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
	bool no_cache, pull, keep_containers, keep_failed_containers;

	/* hoy-build */
	struct hoy_worker_run *worker;
	struct hoy_build_reply *packet;
	int plan_fd;
	char *context; /* directory */
	struct hoy_json *wanted;
	const struct hoy_json *wanted_next;
	struct hoy_source *serving;
	struct hoy_build_base **bases;
	size_t n_bases;

	/* the plan */
	struct hoy_json *plan;
	struct hoy_build_step *steps;
	size_t n_steps, step;
	size_t n_told, told;            /* steps that clients see */
	char key[HOY_IMAGE_DIGEST_MAX]; /* of the current step */
	uint64_t turn;                  /* of the room, when what it made began to be brought to disk */
	bool made_something;            /* there are new entries of the cache */

	/* the current step */
	struct hoy_image_job *job;
	struct hoy_files_run *files;
	char *upper, *work;   /* directories of COPY */
	char *scripts;        /* directory of heredocs that RUN executes */
	char **caches;        /* directories that RUN --mount=type=cache uses now */
	bool waits_for_cache; /* another build has one locked */
	struct hoy_source *retry;
	char *container_name; /* of RUN; its row in the store is there */
	char *container;      /* ID */
	struct hoy_container_wait *wait;
	int output; /* our end of its stream */
	struct hoy_source *output_source;
	struct hoy_buf frame;
	bool exited, is_behind;
	int status;
};

/* --- build.c --- */

void hoy_build_say(struct hoy_build *build, const char *fmt, ...) HOY_PRINTF(2, 3);
/* The end. The caller must not touch the build any more but for returning. */
void hoy_build_fail(struct hoy_build *build, const struct hoy_err *err);
/* A callback that was pending has come: false when the build has ended meanwhile (and may be gone). */
bool hoy_build_came_back(struct hoy_build *build);

/* --- plan_read.c: the first half, with hoy-build --- */

int hoy_build_worker_start(
	struct hoy_build *build, const struct hoy_build_request *request, int context, struct hoy_err *err);
void hoy_build_bases_free(struct hoy_build *build);

/* --- steps.c: the second half --- */

int hoy_build_steps_begin(struct hoy_build *build, struct hoy_err *err);
void hoy_build_next_step(struct hoy_build *build);
/* The current step's tree is in `upper_dir`: it becomes a layer, then the next step begins. */
void hoy_build_step_wrote(struct hoy_build *build, const char *upper_dir);
/* The chain that a step's tree is; "" is an empty one. */
const char *hoy_build_chain(const struct hoy_build *build, size_t step);
void hoy_build_steps_free(struct hoy_build *build);
const char *hoy_build_text(const struct hoy_json *object, const char *key); /* never NULL */
/* Tells the client of a step, unless it is one that clients don't see. */
void hoy_build_tell(
	struct hoy_build *build, enum hoy_build_event_kind kind, size_t step, const char *text, size_t len, int stream);

/* --- run.c, copy.c, compose.c: kinds of steps. What can't be begun is told by hoy_build_fail() --- */

void hoy_build_run(struct hoy_build *build, const struct hoy_build_step *step);
void hoy_build_run_end(struct hoy_build *build, bool keep); /* its container goes, its directory may be gone */
void hoy_build_run_let_go(struct hoy_build *build);         /* hoyd ends: the next one removes its container */
void hoy_build_copy(struct hoy_build *build, const struct hoy_build_step *step);
void hoy_build_copy_end(struct hoy_build *build);
void hoy_build_compose(struct hoy_build *build);

/* --- run_mounts.c --- */

/* The step's mounts and scripts as HostConfig.Mounts. 1: a cache is locked by another build: the step is run again
 * when that one has ended. */
int hoy_build_mounts_add(
	struct hoy_build *build, const struct hoy_build_step *step, struct hoy_json_writer *w, struct hoy_err *err);
/* The caches of RUN that `wanted` says: their ids are added, they go. */
int hoy_build_mounts_prune(struct hoy_builds *builds,
	bool (*wanted)(const struct hoy_build_record *record, void *userdata), void *userdata, char ***ret_ids,
	struct hoy_err *err);
void hoy_build_mounts_end(struct hoy_build *build); /* lets go of caches and scripts; others may go on */

/* --- cache.c --- */

int hoy_builds_cache_open(struct hoy_builds *builds, struct hoy_err *err);
void hoy_builds_cache_free(struct hoy_builds *builds);
int64_t hoy_builds_now(void); /* ns since 1970 */
struct hoy_build_entry *hoy_builds_cache_find(struct hoy_builds *builds, const char *key);
/* Remembers it, in memory. Trouble is logged: a result that is forgotten is made again. */
void hoy_builds_cache_add(struct hoy_builds *builds, const char *key, const struct hoy_build_step *step);
/* Everything made before `turn` is on disk: rows. */
void hoy_builds_cache_store(struct hoy_builds *builds, uint64_t turn);

#endif
