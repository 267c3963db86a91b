/*
 * What hoyd and a hoy-git process say to each other, over the SEQPACKET socket that is the worker's descriptor 3. One
 * worker serves one request and exits.
 *
 *	hoyd -> worker   the request as a JSON object, with an empty directory for what it brings, if it is to
 *	worker -> hoyd   DONE with the commit, or ERROR
 *
 * Members of a request: url, ref (a branch, tag, whole name or commit; "": what HEAD means), subdir, checksum (of the
 * commit, or its beginning), keep_git_dir, http_proxy, https_proxy, no_proxy.
 *
 * What was asked for is "tree" in the directory. Nothing in it is to be trusted, "tree" included: it may be anything.
 */
#ifndef HOY_SUPERVISOR_WORKER_GIT_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_GIT_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_GIT_SOCKET_FD 3
#define HOY_GIT_REQUEST_MAX ((size_t) 64 << 10)
#define HOY_GIT_COMMIT_MAX 65 /* hex digits of SHA-256, with the NUL */
#define HOY_GIT_TREE "tree"

enum hoy_git_reply_type { HOY_GIT_DONE = 1, HOY_GIT_ERROR };

struct hoy_git_reply {
	uint32_t type;
	union {
		char commit[HOY_GIT_COMMIT_MAX];
		struct hoy_err err;
	};
};

/* Checks a packet of `len` bytes: type, size, form. 0 or -EPROTO. */
int hoy_git_reply_check(const struct hoy_git_reply *reply, size_t len, struct hoy_err *err);

#endif
