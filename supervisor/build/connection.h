/* A hoy-build that is given a client's connection: of a session, or of BuildKit's control API. */
#ifndef HOY_BUILD_CONNECTION_H
#define HOY_BUILD_CONNECTION_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct hoy_builds;
struct hoy_worker_run;
struct hoy_worker_run_options;

/* Opens the first request's object and writes what both have: role, descriptors, and what was read of the connection
 * already. The caller adds its own members and ends the object. */
int hoy_build_connection_print(
	struct hoy_json_writer *w, const char *role, const void *extra, size_t extra_len, struct hoy_err *err);

/* Starts it with `fd` (borrowed) and a new directory, `*ret_dir` (the caller's to drop, also after an error). Of `options` loop, name
 * and path are filled in. */
int hoy_build_connection_start(struct hoy_builds *builds, const struct hoy_buf *begin, int fd,
	const struct hoy_worker_run_options *options, char **ret_dir, struct hoy_worker_run **ret, struct hoy_err *err);

#endif
