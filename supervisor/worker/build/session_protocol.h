/*
 * What hoyd and a hoy-build process that serves a client's session say to each other, over the SEQPACKET socket that is
 * the worker's descriptor 3. The session is a connection on which the client is a gRPC server: its files, secrets,
 * keys.
 *
 * hoyd begins with {"role": "session", "fds": ["connection", "target"], "extra": BASE64}: what was read of it already.
 * "target" is an empty directory, which becomes the worker's root. Then come requests, {"id": N, "op": OP, ...}, some
 * with a descriptor; a worker answers each once, in any order, with a struct hoy_session_reply: DONE or ERROR. The end
 * of the session is the process's.
 *
 * - dockerfile (dir, file; a descriptor): the Dockerfile `file` of the client is written into the descriptor, and behind
 *   it, after a newline, its own ignore file, FILE.dockerignore. DONE's text is {"bytes", "ignore_at"}: the length of the
 *   first, and where the second begins, 0: there is none. `dir` is a name for a new directory of the root.
 * - context (dir, file; the same descriptor, ignore_at): the client's context becomes the new directory `dir` of the root,
 *   without what the Dockerfile's own ignore file says, or else .dockerignore.
 * - tree (dir, file): the client's directory that it calls `file` becomes the new directory `dir`, without what its ignore
 *   file says.
 * - export (kind; a descriptor): the tar from the descriptor goes to the client, as it is ("tar") or as files
 * ("local").
 * - credentials (host): DONE's text is {"username", "secret"}; empty ones: none.
 * - secret (name; a descriptor): is written into the descriptor. ENOENT: the client has none.
 * - ssh (name; a listening socket): connections to the socket go to the client's agent, until `ssh-end`. ENOENT: the
 *   client has none.
 * - upload (path; a pipe): a context that the client has on its stdin is written into the pipe, whose end is its end.
 * - ssh-end (of): the end of the request with that id.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_SESSION_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_BUILD_SESSION_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_SESSION_SECRET_MAX ((size_t) 500 << 10)

enum hoy_session_reply_type { HOY_SESSION_DONE = 1, HOY_SESSION_ERROR };

struct hoy_session_reply {
	uint32_t type, id;
	union {
		struct hoy_err err;
		char text[64 << 10]; /* DONE: with its NUL; the packet ends there */
	};
};

/* Checks a packet of `len` bytes: type, size, text terminated. 0 or -EPROTO. */
int hoy_session_reply_check(const struct hoy_session_reply *reply, size_t len, struct hoy_err *err);

#endif
