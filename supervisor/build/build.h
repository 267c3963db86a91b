/*
 * Builds: an image from a context and a Dockerfile. hoy-build reads both and says which steps there are; here they are
 * executed one after the other, each on the tree of the one before: RUN is a container like any other, COPY is done by
 * a hoy-files, and what either wrote becomes a layer. docs/build.md tells the flow.
 */
#ifndef HOY_BUILD_BUILD_H
#define HOY_BUILD_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_build;
struct hoy_builds;
struct hoy_containers;
struct hoy_image_progress; /* supervisor/image/image.h */
struct hoy_images;
struct hoy_json;
struct hoy_loop;
struct hoy_registry_credentials;
struct hoy_store;
struct hoy_volumes;

struct hoy_builds_options {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_images *images;
	struct hoy_containers *containers;
	struct hoy_volumes *volumes; /* tells where hoy-files is */
	const char *root;            /* the data root, absolute */
	const char *exec_root;
};

/* Reads the cache, whose layers are held from now on (so before hoy_images_sweep()), and removes the containers of
 * builds that a former hoyd did not finish. */
int hoy_builds_open(const struct hoy_builds_options *options, struct hoy_builds **ret, struct hoy_err *err);
/* Ends all builds (`done` comes with -ECANCELED), before the other rooms are closed; and frees, after that. */
void hoy_builds_stop(struct hoy_builds *builds);
void hoy_builds_free(struct hoy_builds *builds);
HOY_DEFINE_AUTO_PTR(struct hoy_builds, hoy_builds_free);

/* What becomes of the result; all but the first need a session. */
enum hoy_build_export {
	HOY_BUILD_TO_IMAGE,
	HOY_BUILD_TO_FILES,
	HOY_BUILD_TO_TAR,
	HOY_BUILD_TO_ARCHIVE, /* of the image, which is docker's and an OCI layout in one; it has the tags there alone */
	HOY_BUILD_TO_NOWHERE
};

/* Borrowed for the start; NULL members: not given. */
struct hoy_build_request {
	int context; /* its tar, plain or compressed; taken over, also on failure; -EBADF: none */
	const char
		*context_dir; /* the context itself, a directory of hoy_images_new_dir(); taken over, also on failure */
	const char *remote;   /* or from there: hoy_build_is_url(); NULL or "": not */
	int dockerfile_fd;    /* with context_dir: the Dockerfile's text, borrowed; its ignore file was applied */
	const char *session;  /* the client's, for secrets and keys */
	const char *dockerfile; /* path in the context */
	const char *target;
	const char *platform;    /* "os[/arch[/variant]]" of the result */
	char *const *tags;       /* references */
	char *const *build_args; /* "K=V" */
	char *const *labels;     /* "K=V" */
	const char *network;     /* of RUN: a network mode */
	const char *host_config; /* JSON object: members of HostConfig for the containers of RUN */
	enum hoy_build_export export;
	char *const *no_cache_filter; /* stages whose steps are made again */
	char *const *contexts;        /* "NAME=VALUE": named ones, see plan.h */
	/* Arrays: references, or {"Type", "Attrs": {}} as BuildKit's clients say them. NULL: none. */
	const struct hoy_json *cache_from, *cache_to;
	bool cache_local; /* images of `cache_from` that are here are not asked for elsewhere */
	bool no_cache;
	bool pull;                   /* base images are asked for again */
	bool keep_containers;        /* those of RUN that went well */
	bool keep_failed_containers; /* and the one that did not */
	bool colour_stderr;          /* what RUN writes there is red */
};

/* What becomes of the steps of a plan, for clients that draw them. */
struct hoy_build_event {
	enum hoy_build_event_kind {
		HOY_BUILD_STEP_BEGUN,
		HOY_BUILD_STEP_CACHED, /* begun and done: it was known */
		HOY_BUILD_STEP_DONE,
		HOY_BUILD_STEP_FAILED,
		HOY_BUILD_STEP_OUTPUT,
	} kind;
	size_t step;       /* its number in the plan */
	const char *title; /* "[build 2/4] RUN make" */
	const char *text;  /* OUTPUT, FAILED; not terminated */
	size_t len;
	int stream;                  /* OUTPUT: 1 or 2 */
	unsigned int line, end_line; /* of the Dockerfile; 0: it has none */
};

/* A remark on the Dockerfile that stops nothing. */
struct hoy_build_warning {
	const char *rule, *text, *file; /* rule "": none */
	int64_t line, column;           /* from 1; 0: it is on no line */
};

/* What becomes of a cache that is read from elsewhere, or brought there; one at a time. */
enum hoy_build_cache_event { HOY_BUILD_CACHE_BEGUN, HOY_BUILD_CACHE_DONE, HOY_BUILD_CACHE_FAILED };

/* Called from the loop, never from inside a call. */
struct hoy_build_handler {
	void (*warning)(const struct hoy_build_warning *warning, void *userdata); /* at the end; may be NULL */
	void (*step)(const struct hoy_build_event *event, void *userdata);        /* may be NULL */
	/* `error`: FAILED, of which a build that only reads it goes on. May be NULL. */
	void (*cache)(enum hoy_build_cache_event event, const char *title, const char *error, void *userdata);
	void (*text)(const char *text, size_t len, void *userdata);                  /* what a client prints as it is */
	void (*progress)(const struct hoy_image_progress *progress, void *userdata); /* of a pull */
	/* True: credentials for this reference are on their way, hoy_build_go_on_pulling() tells that they are there.
	 * May be NULL. */
	bool (*ask_credentials)(const char *reference, void *userdata);
	/* Credentials for the registry of a reference; false: none. May be NULL. */
	bool (*credentials)(const char *reference, struct hoy_registry_credentials *ret, void *userdata);
	bool (*is_behind)(void *userdata); /* the client has not read what it was told: wait (hoy_build_go_on()) */
	void (*made)(const char *id, void *userdata); /* the image, before the last words about it; may be NULL */
	/* Once, the build is gone. `exit_code` is that of a RUN that failed, else 0. `id` is the image's. */
	void (*done)(const struct hoy_err *err, int exit_code, const char *id, void *userdata);
	void *userdata;
};

/* Builds since hoyd is up. */
struct hoy_builds_count {
	uint64_t begun, failed, canceled; /* `failed` without the canceled ones */
};
void hoy_builds_count(const struct hoy_builds *builds, struct hoy_builds_count *ret);

int hoy_build_start(struct hoy_builds *builds, const struct hoy_build_request *request,
	const struct hoy_build_handler *handler, struct hoy_build **ret, struct hoy_err *err);
/* Kills what runs; `done` comes with -ECANCELED. */
void hoy_build_cancel(struct hoy_build *build);
void hoy_build_go_on(struct hoy_build *build); /* the client has read */
void hoy_build_go_on_pulling(struct hoy_build *build);

/* --- the cache --- */

struct hoy_build_record {
	const char *id;        /* 64 hex digits */
	const char *what;      /* the instruction */
	int64_t created, used; /* ns */
	int64_t size;          /* bytes */
	bool in_use;           /* by a build that runs */
	bool shared;           /* its layer is an image's */
	int64_t uses;          /* since hoyd is up */
};

/* Oldest first; ->id of those for which `wanted` says true is added to `ret_ids`, and they are forgotten. */
int hoy_builds_prune(struct hoy_builds *builds, bool (*wanted)(const struct hoy_build_record *record, void *userdata),
	void *userdata, char ***ret_ids, int64_t *ret_bytes, struct hoy_err *err);
void hoy_builds_each(
	struct hoy_builds *builds, void (*each)(const struct hoy_build_record *record, void *userdata), void *userdata);

#endif
