/* A client's session, served for hoyd (session_protocol.h). */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_SESSION_H
#define HOY_SUPERVISOR_WORKER_BUILD_SESSION_H

#include <stddef.h>

#include "base/err.h"

struct hoy_loop;

struct hoy_session_options {
	struct hoy_loop *loop; /* made before the worker was confined */
	int sock;              /* to hoyd */
	int connection;        /* to the client; taken over */
	int root;              /* directory for what comes */
	const void *extra;     /* what was read of the connection before */
	size_t extra_len;
};

/* Until the client or hoyd leaves. */
int hoy_session_serve(const struct hoy_session_options *options, struct hoy_err *err);

#endif
