/*
 * Clients of BuildKit's control API (POST /grpc): each connection is served by a hoy-build of its own, which says what
 * is wanted in typed requests (worker/build/control_protocol.h).
 */
#ifndef HOY_BUILD_CONTROL_H
#define HOY_BUILD_CONTROL_H

#include <stddef.h>

#include "base/err.h"

struct hoy_builds;
struct hoy_control_call;
struct hoy_json;

enum hoy_control_kind { HOY_CONTROL_CALL_BUILD, HOY_CONTROL_CALL_USAGE, HOY_CONTROL_CALL_PRUNE };

struct hoy_control_handler {
	/* A request; `doc` for the call's time. It is answered once, by hoy_control_done() or hoy_control_failed(). */
	void (*called)(
		struct hoy_control_call *call, enum hoy_control_kind kind, const struct hoy_json *doc, void *userdata);
	/* The client does not want it any more, or is gone: end it soon. With what hoy_control_set() gave. */
	void (*canceled)(void *userdata_of_call);
	void (*drained)(void *userdata_of_call); /* what was told has left */
	void *userdata;
};

/* What the client may know of the engine. */
struct hoy_control_engine {
	const char *version, *worker;
	const char *gateway;  /* an address; NULL: none */
	const char *platform; /* "linux/amd64" */
};

/* `fd` is taken over, also on failure; `extra` was read of it already. */
int hoy_build_control_start(struct hoy_builds *builds, int fd, const void *extra, size_t extra_len,
	const struct hoy_control_engine *engine, const struct hoy_control_handler *handler, struct hoy_err *err);

void hoy_control_set(struct hoy_control_call *call, void *userdata_of_call);
/* Messages with nothing but repeated fields: what is told before the client has read the last one is one with it. */
void hoy_control_tell(struct hoy_control_call *call, const void *data, size_t len);
size_t hoy_control_pending(const struct hoy_control_call *call); /* bytes that have not left */
/* The end: the call is not the caller's any more. `text` is a JSON object of strings. */
void hoy_control_done(struct hoy_control_call *call, const char *text);
void hoy_control_failed(struct hoy_control_call *call, const struct hoy_err *err);

/* For hoy_builds_stop(). */
void hoy_build_controls_stop(struct hoy_builds *builds);

#endif
