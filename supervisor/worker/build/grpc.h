/*
 * gRPC over one HTTP/2 connection, on the loop: calls with their messages, in either role. The other side is not
 * trusted: what breaks the protocol ends the connection.
 *
 * A call lives until its `ended` was called, once, whatever happened; the connection's end ends all calls.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_GRPC_H
#define HOY_SUPERVISOR_WORKER_BUILD_GRPC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_grpc;
struct hoy_grpc_call;
struct hoy_loop;

/* Of gRPC's status codes, those used here. */
enum hoy_grpc_code {
	HOY_GRPC_OK = 0,
	HOY_GRPC_CANCELED = 1,
	HOY_GRPC_UNKNOWN = 2,
	HOY_GRPC_INVALID_ARGUMENT = 3,
	HOY_GRPC_NOT_FOUND = 5,
	HOY_GRPC_UNIMPLEMENTED = 12,
	HOY_GRPC_INTERNAL = 13,
	HOY_GRPC_UNAVAILABLE = 14,
};

#define HOY_GRPC_MESSAGE_MAX ((size_t) 16 << 20)
#define HOY_GRPC_WINDOW ((size_t) 4 << 20) /* what the other side may send of a call before it must wait */

struct hoy_grpc_handler {
	/* A whole message of the other side. */
	void (*message)(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata);
	/* What was sent has left, more may come. May be NULL. */
	void (*drained)(struct hoy_grpc_call *call, void *userdata);
	/* The other side sends no more (in the server's role; the call goes on). May be NULL. */
	void (*half_closed)(struct hoy_grpc_call *call, void *userdata);
	/* The call is gone after this. `code` is an enum hoy_grpc_code or another of gRPC's. */
	void (*ended)(struct hoy_grpc_call *call, int code, const char *message, void *userdata);
	void *userdata;
};

struct hoy_grpc_options {
	struct hoy_loop *loop;
	int fd; /* a stream socket; taken over, also on failure */
	bool is_server;
	/* Server: a call has come; gives its handler by hoy_grpc_accept(), or ends it. */
	void (*on_call)(struct hoy_grpc_call *call, const char *path, void *userdata);
	/* The connection has ended, by whomever. Not called by hoy_grpc_free(). */
	void (*on_end)(const struct hoy_err *err, void *userdata);
	void *userdata;
};

int hoy_grpc_new(const struct hoy_grpc_options *options, struct hoy_grpc **ret, struct hoy_err *err);
void hoy_grpc_free(struct hoy_grpc *grpc); /* `ended` is called for calls that are open; NULL is fine */
/* Bytes that were read from the socket before. */
int hoy_grpc_feed(struct hoy_grpc *grpc, const void *data, size_t len);

/* Client: begins a call. `metadata` is names and values in turn, ended by NULL. */
int hoy_grpc_call(struct hoy_grpc *grpc, const char *path, const char *const *metadata,
	const struct hoy_grpc_handler *handler, struct hoy_grpc_call **ret, struct hoy_err *err);
/* Server. */
void hoy_grpc_accept(struct hoy_grpc_call *call, const struct hoy_grpc_handler *handler);
const char *hoy_grpc_metadata(const struct hoy_grpc_call *call, const char *name); /* the first; NULL: none */

/* Queues a message. 0, or -EMSGSIZE / -ENOMEM. */
int hoy_grpc_send(struct hoy_grpc_call *call, const void *data, size_t len);
size_t hoy_grpc_pending(const struct hoy_grpc_call *call); /* bytes queued and not sent */
/* Whether the other side may send beyond what it has sent already and its window: it may, unless held. */
void hoy_grpc_hold(struct hoy_grpc_call *call, bool is_held);
void hoy_grpc_close_send(struct hoy_grpc_call *call);                         /* client: no more messages */
void hoy_grpc_end(struct hoy_grpc_call *call, int code, const char *message); /* server: the answer is complete */
void hoy_grpc_cancel(struct hoy_grpc_call *call);                             /* `ended` comes later */

#endif
