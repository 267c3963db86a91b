/*
 * What a build has to do: from a parsed Dockerfile, arguments, a target and a platform to a graph of steps with all
 * variables expanded, only what the target needs. Pure: base images are asked for by name and handed in by the caller.
 *
 * One call plans one platform. While configs of base images are missing (their environment, user, directory, shell and
 * ONBUILD triggers go into the plan), hoy_build_plan_make() returns a plan that lists them in `wanted` and has no
 * steps; the caller fetches all of them at once, adds them to the input and calls again, until `n_wanted` is 0:
 *
 *	while (true) {
 *		r = hoy_build_plan_make(&input, &plan, err);
 *		if (r < 0 || plan->n_wanted == 0)
 *			break;
 *		... resolve each plan->wanted[i], append to input.images ...
 *		hoy_build_plan_free(plan);
 *	}
 *
 * Steps stand in an order in which each one comes behind all it needs (`parent`, `copy.from`, `mounts[i].from`);
 * everything else is free to run in parallel. All a plan points to lives in it, except for the input's Dockerfile,
 * which must outlive it.
 */
#ifndef HOY_SUPERVISOR_BUILD_PLAN_H
#define HOY_SUPERVISOR_BUILD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/build/dockerfile.h"

struct hoy_oci_image_config;
struct hoy_oci_image_run;

/* --- what goes in --- */

struct hoy_build_platform {
	const char *os, *arch, *variant; /* "linux", "arm", "v7"; variant NULL: none */
};
/* "linux/arm/v7", "arm64", "linux": normalised; what is left out comes from the host. The strings are static or
 * belong to `arena`. */
struct hoy_arena;
int hoy_build_platform_parse(
	struct hoy_arena *arena, const char *text, struct hoy_build_platform *ret, struct hoy_err *err);

/* A base image, resolved. The key is what `wanted` said. */
struct hoy_build_image {
	const char *reference; /* "docker.io/library/debian:12" */
	const char *platform;  /* "linux/amd64" */
	const char *digest;    /* of the manifest; goes into cache keys; NULL: none */
	const struct hoy_oci_image_config *config;
};

/* --build-context name=value: "docker-image://REF" and "target:STAGE" are understood here; anything else is a
 * directory, a URL or an OCI layout, which becomes a step of its own kind for the engine. */
struct hoy_build_named_context {
	const char *name;
	const char *value;
};

struct hoy_build_input {
	const struct hoy_dockerfile *file;
	const char *target;                       /* a stage's name or index; NULL or "": the last one */
	char *const *build_args;                  /* "K=V"; an entry without '=' counts as not given. NULL: none */
	char *const *labels;                      /* "K=V", set on the result; NULL: none */
	struct hoy_build_platform platform;       /* of the result */
	struct hoy_build_platform build_platform; /* of the machine that builds */
	const struct hoy_build_named_context *contexts;
	size_t n_contexts;
	const struct hoy_build_image *images;
	size_t n_images;
	const char *default_network;  /* for RUN without --network: "none", "host", or NULL */
	bool allow_insecure;          /* RUN --security=insecure is granted */
	bool allow_host_network;      /* RUN --network=host is granted */
	char *const *no_cache_filter; /* stages whose steps are marked `no_cache`; NULL: none */
	bool no_cache;                /* all steps are */
};

/* --- what comes out --- */

#define HOY_BUILD_NO_STEP ((size_t) -1)

enum hoy_build_step_kind {
	HOY_BUILD_SCRATCH, /* an empty root: FROM scratch, or the base of a mount without `from` */
	HOY_BUILD_IMAGE,   /* the root of a base image */
	HOY_BUILD_CONTEXT, /* files from outside: the build context, or a named one */
	HOY_BUILD_RUN,
	HOY_BUILD_COPY,    /* COPY and ADD */
	HOY_BUILD_WORKDIR, /* makes a directory */
	HOY_BUILD_META,    /* changes nothing but config and history */
};

enum hoy_build_mount_type {
	HOY_BUILD_MOUNT_BIND,
	HOY_BUILD_MOUNT_CACHE,
	HOY_BUILD_MOUNT_TMPFS,
	HOY_BUILD_MOUNT_SECRET,
	HOY_BUILD_MOUNT_SSH,
};

enum hoy_build_sharing { HOY_BUILD_SHARED, HOY_BUILD_PRIVATE, HOY_BUILD_LOCKED };

struct hoy_build_mount {
	enum hoy_build_mount_type type;
	size_t from;        /* bind, cache: the step whose tree it is; HOY_BUILD_NO_STEP: an empty one */
	const char *source; /* bind, cache: path below `from` ("/": all of it) */
	const char *target; /* absolute; NULL: none (a secret that is only in `env`) */
	const char *id;     /* cache, secret, ssh */
	const char *env;    /* secret: the variable it is put into; NULL: none */
	bool read_only;
	bool required; /* secret, ssh: it's an error when the client has none */
	enum hoy_build_sharing sharing;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	bool has_mode;
	int64_t size; /* tmpfs; 0: no limit */
};

/* A file that comes with the Dockerfile: a heredoc. */
struct hoy_build_file {
	const char *name;
	const char *content; /* expanded */
	size_t len;
};

enum hoy_build_source_kind { HOY_BUILD_SOURCE_PATH, HOY_BUILD_SOURCE_HTTP, HOY_BUILD_SOURCE_GIT };

struct hoy_build_source {
	enum hoy_build_source_kind kind;
	const char
		*text; /* path or pattern below `from`, clean and without a leading '/' ("": all of it); or the URL */
	const char *written; /* as in the Dockerfile, variables put in: for messages */
	bool is_pattern;     /* has '*', '?' or '[' */
	bool slash;          /* was written with a '/' at its end: must be a directory */
	const char *pivot;   /* --parents: the part in front of "/./", which is not kept; NULL: none */
};

struct hoy_build_run {
	char *const *args; /* NULL-terminated, the shell included */
	char *const *env;  /* NULL-terminated "K=V": the image's and the build's arguments, proxies included */
	const char *cwd;
	const char *user;    /* "" is root */
	const char *network; /* "default", "none", "host" */
	bool insecure;
	const struct hoy_build_mount *mounts;
	size_t n_mounts;
	/* A heredoc that begins with "#!": to be put there, executable, for the time of the step; NULL: none. */
	const struct hoy_build_file *script; /* its `name` is the absolute path, which is also the last argument */
};

struct hoy_build_copy {
	bool is_add;
	size_t from; /* a step; HOY_BUILD_NO_STEP when there are only files and URLs */
	const struct hoy_build_source *sources;
	size_t n_sources;
	const struct hoy_build_file *files;
	size_t n_files;
	const char *dest;      /* absolute and clean */
	bool dest_is_dir;      /* written with a '/' at its end, "." or "..", or there are several sources */
	const char *chown;     /* "user[:group]"; NULL: 0:0 */
	const char *chmod;     /* octal or symbolic; NULL: as they are */
	const char *checksum;  /* ADD: "sha256:..."; NULL: none */
	char *const *excludes; /* NULL-terminated patterns for hoy_ignore_from_list(); never NULL */
	bool link, parents, keep_git_dir;
	bool unpack; /* local archives (ADD's way), or with `unpack_urls` downloaded ones too */
	bool unpack_urls;
};

struct hoy_build_step {
	enum hoy_build_step_kind kind;
	const struct hoy_dockerfile_instruction
		*instruction; /* NULL: contexts, images of COPY --from, config of a base */
	struct hoy_dockerfile_place at;
	size_t parent;     /* the step whose root this one goes on from; HOY_BUILD_NO_STEP: none */
	const char *stage; /* name, or "stage-N"; NULL for contexts and images of --from */
	size_t stage_index;
	const char *title;    /* as progress shows it: "[build 2/4] RUN make" */
	const char *platform; /* "linux/amd64" */
	bool no_cache;
	/* What the step does, without the content of parent and inputs: equal keys on equal inputs give equal results.
	 * Heredocs and arguments are in it; proxies, and the values of secrets, are not. */
	const char *key;
	const struct hoy_oci_image_run *config; /* after the step; NULL for contexts. Shared: read only */
	/* For the image's history. `created_by` NULL: no entry. */
	const char *created_by;
	bool empty_layer;
	union {
		struct {
			const char *reference;
			const struct hoy_build_image *resolved; /* the input's entry */
		} image;
		struct {
			const char *name;  /* "context" for the build context, else the named one */
			const char *value; /* of a named one; NULL: the build context */
			/* What steps take from it, for a transfer of only that: patterns and paths, NULL-terminated;
			 * one "" means everything. */
			char *const *paths;
		} context;
		struct hoy_build_run run;
		struct hoy_build_copy copy;
		struct {
			const char *path; /* absolute and clean */
			const char *user; /* who owns what is made; "" is root */
		} workdir;
	};
};

struct hoy_build_wanted {
	const char *reference; /* normalised: "docker.io/library/debian:12" */
	const char *platform;
	struct hoy_dockerfile_place at; /* who asks for it, for messages */
};

struct hoy_build_plan {
	const struct hoy_build_wanted *wanted; /* not empty: there are no steps yet */
	size_t n_wanted;
	const struct hoy_build_step *steps;
	size_t n_steps;
	size_t result;                                 /* the step whose root and config are the image */
	const char *target_name;                       /* of the stage; "stage-N" without a name */
	const char *platform;                          /* of the result */
	const char *author;                            /* MAINTAINER; NULL: none */
	const struct hoy_oci_image_run *config;        /* of the result, with the input's labels */
	const struct hoy_dockerfile_warning *warnings; /* unused arguments, unknown variables */
	size_t n_warnings;
};

/* Errors are HOY_ERR_INVALID with place, line and mark, as those of the parser. */
int hoy_build_plan_make(const struct hoy_build_input *input, struct hoy_build_plan **ret, struct hoy_err *err);
void hoy_build_plan_free(struct hoy_build_plan *plan); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_build_plan, hoy_build_plan_free);

/*
 * The image config of the result, ready to be hashed but for what only the engine knows: diff_ids (bottom first, base
 * image's and steps'), and creation time. History holds the base image's entries and one per step. Heap; free with
 * hoy_oci_image_config_free(). `created` is RFC 3339; it is also that of the new history entries.
 */
int hoy_build_plan_image_config(const struct hoy_build_plan *plan, char *const *diff_ids, const char *created,
	struct hoy_oci_image_config **ret, struct hoy_err *err);

#endif
