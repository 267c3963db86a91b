/* What the files of `build` share. */
#ifndef HOY_CLI_BUILD_INTERNAL_H
#define HOY_CLI_BUILD_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "supervisor/cli/build_context.h"
#include "supervisor/cli/cli.h"

struct hoy_build_options {
	const char *file, *iidfile, *network, *platform, *progress, *target, *cgroup_parent, *cpuset_cpus, *cpuset_mems,
		*isolation, *metadata_file, *builder, *provenance, *sbom;
	char **tags, **build_args, **labels, **add_host, **cache_from, **cache_to, **security_opt, **ulimit, **outputs, **secrets,
		**ssh, **contexts, **no_cache_filter, **attest;
	bool no_cache, pull, quiet, keep, rm, force_rm, compress, load, push, untrusted, untrusted_given;
	int64_t memory, memory_swap, shm_size, cpu_period, cpu_quota, cpu_shares;
};

/* --- build_source.c: where files and Dockerfile come from --- */

struct hoy_build_source {
	struct hoy_build_context context;
	const char *remote;          /* the engine gets it itself: a URL or repository; NULL: it is sent */
	char *dockerfile;            /* its path in the context; NULL: the usual one */
	char *path;                  /* of the host, for messages; NULL: not a file of its own */
	struct hoy_buf text, ignore; /* of a Dockerfile from elsewhere */
};
int hoy_build_source_choose(const struct hoy_cli *cli, struct hoy_build_source *source, struct hoy_err *err);
void hoy_build_source_done(struct hoy_build_source *source);

/* --- build_outputs.c: what becomes of the result, and what RUN may use of ours --- */

enum hoy_build_output_kind {
	HOY_BUILD_OUTPUT_IMAGE,
	HOY_BUILD_OUTPUT_FILES,   /* a directory of ours */
	HOY_BUILD_OUTPUT_TAR,     /* its tree as a tar */
	HOY_BUILD_OUTPUT_ARCHIVE, /* the image as a tar, as `save` writes it */
	HOY_BUILD_OUTPUT_NOTHING,
};

struct hoy_build_wants {
	enum hoy_build_output_kind output;
	char *dest; /* FILES, TAR, ARCHIVE; NULL: stdout */
	bool push;
	char **tags;   /* of -t and of the output's name */
	char *secrets; /* JSON arrays for hoy-session: [{"id", "src" | "env"}] */
	char *ssh;     /* [{"id", "socket"}] */
	char **contexts, **no_cache_filter;
};
int hoy_build_wants_parse(const struct hoy_build_options *o, struct hoy_build_wants *ret, struct hoy_err *err);
void hoy_build_wants_done(struct hoy_build_wants *wants);

/* --- build_session.c: the connection on which the engine gets that --- */

struct hoy_build_session {
	char id[33]; /* "": there is none */
	pid_t pid;
	int sock;
};
int hoy_build_session_begin(struct hoy_cli *cli, const struct hoy_build_wants *wants, struct hoy_build_session *session,
	struct hoy_err *err);
void hoy_build_session_end(struct hoy_build_session *session);

/* --- build_request.c --- */

/* Path and query of POST /build, for `session` ("": none). */
int hoy_build_request_path(const struct hoy_cli *cli, const struct hoy_build_source *source,
	const struct hoy_build_wants *wants, const char *session, struct hoy_buf *path, struct hoy_err *err);
/* The header with the credentials that config.json has, whole and with its line's end; empty: there are none. */
int hoy_build_request_credentials(const struct hoy_config *config, struct hoy_buf *header, struct hoy_err *err);

/* --- build_caches.c --- */

/* The values of a flag as a JSON array of references and {"Type", "Attrs"}; empty: there are none. */
int hoy_build_caches_print(const char *flag, char *const *values, struct hoy_buf *ret, struct hoy_err *err);

/* --- build_result.c: after the build --- */

struct hoy_build_display;
int hoy_build_result_deliver(struct hoy_cli *cli, const struct hoy_build_wants *wants, const char *id,
	struct hoy_build_display *display, struct hoy_err *err);
/* Writes the --metadata-file `path`; `id` NULL: no image was made. */
int hoy_build_result_metadata(struct hoy_cli *cli, const struct hoy_build_wants *wants, const char *id,
	const char *path, struct hoy_err *err);

#endif
