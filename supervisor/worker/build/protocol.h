/*
 * What hoyd and a hoy-build process say to each other, over the SEQPACKET socket that is the worker's descriptor 3.
 * Both are of one build. One worker serves one build: it unpacks the context, reads the Dockerfile and says what is to
 * be done.
 *
 *	hoyd: the request as a JSON object, with the descriptors "input" (the context's tar, a pipe; may be missing) or
 *	      "dockerfile" (its text: "target" is the context already, and nothing of it is ignored), "target" (the
 *	      directory that becomes the context), "output" (a file for the plan)
 *	worker: READY: the context is complete
 *	(without both the context is in "target" already, with the Dockerfile; "remote": "input" may be a Dockerfile)
 *	worker: WANTED: a JSON array of {"reference", "platform"}: base images whose configs are needed
 *	hoyd: a packet for each of them, in their order: {"reference", "platform", "digest", "config"}
 *	worker: WANTED of {"context", "value"}: named contexts that are no images
 *	hoyd: a packet for each, with the directory's descriptor
 *	worker: ... WANTED again, for ONBUILD ... ; then PLAN: it is in "output"; or ERROR
 *
 * The plan is a JSON object: "result", "platform", "config", "author", "warnings" and "steps", whose members are those
 * of struct hoy_build_step (supervisor/build/plan.h), and for COPY of the context "digest": of what is copied. "refused"
 * is why this version can't do a step.
 *
 * Members of the request: fds, dockerfile, target, build_args, labels, platform, no_cache, no_cache_filter,
 * contexts, network, remote.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_BUILD_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_BUILD_SOCKET_FD 3
#define HOY_BUILD_PACKET_MAX ((size_t) 160 << 10)
#define HOY_BUILD_PLAN_MAX ((size_t) 32 << 20)

enum hoy_build_reply_type { HOY_BUILD_READY = 1, HOY_BUILD_WANTED, HOY_BUILD_PLAN, HOY_BUILD_ERROR };

struct hoy_build_reply {
	uint32_t type;
	union {
		struct hoy_err err;
		char text[64 << 10]; /* WANTED: with its NUL; the packet ends there */
	};
};

/* Checks a packet of `len` bytes: type, size, text terminated. 0 or -EPROTO. */
int hoy_build_reply_check(const struct hoy_build_reply *reply, size_t len, struct hoy_err *err);

#endif
