/* A build context on disk, below one directory. */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_CONTEXT_H
#define HOY_SUPERVISOR_WORKER_BUILD_CONTEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/build/ignore.h"
#include "supervisor/build/plan.h"
#include "supervisor/worker/layer/protocol.h"

/* A file of it, links followed inside it. -ENOENT: there is none. */
int hoy_context_read(int root, const char *path, size_t cap, struct hoy_buf *buf, struct hoy_err *err);

/* Removes what an ignore file says. */
int hoy_context_remove_ignored(int root, const struct hoy_ignore *ignore, struct hoy_err *err);

/* One digest for all that a COPY takes from it: names, kinds, modes, bytes, link targets; no owners and times. -ENOENT:
 * one of the sources is not there, *ret_missing (heap) names it. */
int hoy_context_digest(int root, const struct hoy_build_copy *copy, char ret[HOY_LAYER_DIGEST_MAX], char **ret_missing,
	struct hoy_err *err);

#endif
