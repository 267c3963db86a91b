/*
 * What hoyd and a hoy-build process that serves a client of BuildKit's control API say to each other, over the
 * SEQPACKET socket that is the worker's descriptor 3. The client calls, on a connection of its own, by gRPC.
 *
 * hoyd begins with {"role": "control", "fds": ["connection", "target"], "extra": BASE64, "version", "worker",
 * "gateway", "platforms": [...]}: "extra" was read of the connection already, "target" is an empty directory, which
 * becomes the worker's root, the others are what the client may know of the engine.
 *
 * Then the worker asks, by struct hoy_control_request, and hoyd tells, by struct hoy_control_event, as much of each
 * request as there is to be told and its end. One event is on its way at a time: the worker sends an ACK when it wants
 * the next one. The end of the connection is the process's.
 *
 * - BUILD: a JSON object, see hoy_solve_print(). What is told are moby.buildkit.v1.StatusResponse messages; DONE's text
 *   is a JSON object, the answer's names and values.
 * - USAGE, PRUNE: a JSON object {"all", "keep", "max", "since", "ids"}; told is moby.buildkit.v1.DiskUsageResponse.
 * - SESSION: {"session": ID}: the client opens a session by a call of this connection (Control.Session). CONNECTION is the
 *   end of the request, with the socket that the call's bytes go through.
 * - CANCEL: of the request with that number.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_CONTROL_PROTOCOL_H
#define HOY_SUPERVISOR_WORKER_BUILD_CONTROL_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_CONTROL_BEGIN_MAX ((size_t) 160 << 10)

enum hoy_control_request_type {
	HOY_CONTROL_BUILD = 1,
	HOY_CONTROL_USAGE,
	HOY_CONTROL_PRUNE,
	HOY_CONTROL_SESSION,
	HOY_CONTROL_CANCEL,
	HOY_CONTROL_ACK,
};

struct hoy_control_request {
	uint32_t type, id;
	char text[128 << 10]; /* BUILD, USAGE, PRUNE, SESSION: with its NUL; the packet ends there */
};

enum hoy_control_event_type {
	HOY_CONTROL_PART = 1, /* of a message */
	HOY_CONTROL_DATA,     /* the last part of one */
	HOY_CONTROL_DONE,     /* a text, with its NUL */
	HOY_CONTROL_ERROR,
	HOY_CONTROL_CONNECTION, /* with a descriptor */
};

struct hoy_control_event {
	uint32_t type, id;
	union {
		struct hoy_err err;
		char data[32 << 10]; /* the packet ends with it */
	};
};

/* Checks a packet of `len` bytes: type, size, text terminated. 0 or -EPROTO. */
int hoy_control_request_check(const struct hoy_control_request *request, size_t len, struct hoy_err *err);
int hoy_control_event_check(const struct hoy_control_event *event, size_t len, struct hoy_err *err);

#endif
