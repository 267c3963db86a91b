/* A client of BuildKit's control API, served for hoyd (control_protocol.h). */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_CONTROL_H
#define HOY_SUPERVISOR_WORKER_BUILD_CONTROL_H

#include <stddef.h>

#include "base/err.h"

struct hoy_json;
struct hoy_loop;

struct hoy_control_options {
	struct hoy_loop *loop;         /* made before the worker was confined */
	int sock;                      /* to hoyd */
	int connection;                /* to the client; taken over */
	const struct hoy_json *engine; /* what hoyd began with */
	const void *extra;             /* what was read of the connection before */
	size_t extra_len;
};

/* Until the client or hoyd leaves. */
int hoy_control_serve(const struct hoy_control_options *options, struct hoy_err *err);

#endif
