/*
 * ttrpc: small RPC over a unix stream socket, as containerd and its shims speak it. Asynchronous client and server on
 * the event loop; the server serves streams too. Frames are capped at 4 MiB before anything is allocated; an idle connection holds
 * no buffers.
 *
 * Messages are the generated types of task.pb-c.h, events.pb-c.h, options.pb-c.h, hoy_shim.pb-c.h (package hoy.pb:
 * Hoy__Pb__CreateTaskRequest ...).
 */
#ifndef HOY_BASE_TTRPC_TTRPC_H
#define HOY_BASE_TTRPC_TTRPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;

#define HOY_TTRPC_TASK_SERVICE "containerd.task.v2.Task"
#define HOY_TTRPC_TASK_SERVICE_V3 "containerd.task.v3.Task"
#define HOY_TTRPC_SHIM_SERVICE "hoy.shim.v1"
#define HOY_TTRPC_SANDBOX_SERVICE "containerd.runtime.sandbox.v1.Sandbox"
#define HOY_TTRPC_STREAMING_SERVICE "containerd.services.streaming.v1.Streaming"
#define HOY_TTRPC_EVENTS_SERVICE "containerd.services.events.ttrpc.v1.Events"

enum hoy_ttrpc_code {
	HOY_TTRPC_OK = 0,
	HOY_TTRPC_CANCELED = 1,
	HOY_TTRPC_UNKNOWN = 2,
	HOY_TTRPC_INVALID_ARGUMENT = 3,
	HOY_TTRPC_DEADLINE_EXCEEDED = 4,
	HOY_TTRPC_NOT_FOUND = 5,
	HOY_TTRPC_ALREADY_EXISTS = 6,
	HOY_TTRPC_RESOURCE_EXHAUSTED = 8,
	HOY_TTRPC_FAILED_PRECONDITION = 9,
	HOY_TTRPC_UNIMPLEMENTED = 12,
	HOY_TTRPC_INTERNAL = 13,
	HOY_TTRPC_UNAVAILABLE = 14,
};

/* --- client ---------------------------------------------------------------------------------------------------- */

struct hoy_ttrpc_client;

struct hoy_ttrpc_reply {
	enum hoy_ttrpc_code code;
	const char *message;    /* never NULL; "" when OK */
	const uint8_t *payload; /* packed answer; valid during the callback */
	size_t len;
};

/* The answer of one call: runs exactly once, unless the call is forgotten or the client freed first. It may make new
 * calls and may free the client. */
typedef void (*hoy_ttrpc_done)(void *userdata, const struct hoy_ttrpc_reply *reply);

/* The peer closed the connection or broke the protocol. Runs once, after every pending call got UNAVAILABLE; later
 * calls fail at once. May free the client. */
typedef void (*hoy_ttrpc_lost)(struct hoy_ttrpc_client *client, void *userdata);

/* Connects to the unix socket `path` (with or without "unix://"); connecting to a unix socket doesn't block. `lost` may
 * be NULL. -ENOENT or -ECONNREFUSED: nobody listens there. */
int hoy_ttrpc_client_connect(struct hoy_loop *loop, const char *path, hoy_ttrpc_lost lost, void *userdata,
	struct hoy_ttrpc_client **ret, struct hoy_err *err);

/* The same over a connected stream socket, which it takes over (also on failure). */
int hoy_ttrpc_client_new(struct hoy_loop *loop, int fd, hoy_ttrpc_lost lost, void *userdata,
	struct hoy_ttrpc_client **ret, struct hoy_err *err);

/* Closes; callbacks of pending calls don't run. NULL is fine. */
void hoy_ttrpc_client_free(struct hoy_ttrpc_client *client);
HOY_DEFINE_AUTO_PTR(struct hoy_ttrpc_client, hoy_ttrpc_client_free);

/*
 * Sends a request; any number may be in flight, answers come in any order. `timeout_ns` 0: none; when it passes, `done`
 * gets DEADLINE_EXCEEDED and a late answer is dropped (the peer may still have done the work). Returns the call's id
 * (> 0) for hoy_ttrpc_forget(), or -errno with `done` not called (-ENOTCONN after the connection was lost, -EMSGSIZE).
 *
 *	Hoy__Pb__KillRequest req = HOY__PB__KILL_REQUEST__INIT;
 *	req.id = id; req.signal = 15;
 *	r = hoy_ttrpc_call(client, HOY_TTRPC_TASK_SERVICE, "Kill", &req.base, 10 * NS_PER_S, on_killed, c, err);
 */
int64_t hoy_ttrpc_call(struct hoy_ttrpc_client *client, const char *service, const char *method,
	const ProtobufCMessage *request, uint64_t timeout_ns, hoy_ttrpc_done done, void *userdata, struct hoy_err *err);

/* The callback of call `id` will not run. An id that is answered already is fine. */
void hoy_ttrpc_forget(struct hoy_ttrpc_client *client, int64_t id);

/* One pair of metadata that goes with every later call ("containerd-namespace-ttrpc"). 0 or -ENOMEM. */
int hoy_ttrpc_client_set_metadata(struct hoy_ttrpc_client *client, const char *key, const char *value);

/* 0 for OK; else -errno with `err` set to the peer's text as it is and a kind that fits the code. */
int hoy_ttrpc_reply_err(const struct hoy_ttrpc_reply *reply, struct hoy_err *err);

/* Unpacks the answer of an OK reply, or NULL (with *err) when the reply is an error or its payload is malformed. The
 * caller frees it with protobuf_c_message_free_unpacked(). */
ProtobufCMessage *hoy_ttrpc_reply_unpack(
	const struct hoy_ttrpc_reply *reply, const ProtobufCMessageDescriptor *type, struct hoy_err *err);

/* --- server ---------------------------------------------------------------------------------------------------- */

struct hoy_ttrpc_server;
struct hoy_ttrpc_request; /* one unanswered request; outlives its connection */

/* A request came in. The handler answers now or keeps `req` and answers later, exactly once with one of the
 * hoy_ttrpc_answer*() functions below, which frees `req`. Names and payload are valid during the handler only. */
struct hoy_ttrpc_incoming {
	const char *service, *method;
	const uint8_t *payload;
	size_t len;
};
typedef void (*hoy_ttrpc_handler)(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_incoming *in, void *userdata);

/* Serves the listening socket `fd`, which it takes over (also on failure). Peers of another user than ours are closed
 * at once. */
int hoy_ttrpc_server_new(struct hoy_loop *loop, int fd, hoy_ttrpc_handler handler, void *userdata,
	struct hoy_ttrpc_server **ret, struct hoy_err *err);

/* Closes listener and connections; requests still unanswered may be answered later, into nothing. NULL is fine. */
void hoy_ttrpc_server_free(struct hoy_ttrpc_server *server);
HOY_DEFINE_AUTO_PTR(struct hoy_ttrpc_server, hoy_ttrpc_server_free);

/* No new connections from now on: who connects is refused. Those that are open stay. */
void hoy_ttrpc_server_stop_listening(struct hoy_ttrpc_server *server);

/* A request of the program's own, for code that answers requests: the answer goes to `done`, from inside the
 * hoy_ttrpc_answer*() call. NULL when out of memory. */
struct hoy_ttrpc_request *hoy_ttrpc_request_local(hoy_ttrpc_done done, void *userdata);

/* Answers that the kernel did not take yet, over all connections (0: everything is on its way). */
size_t hoy_ttrpc_server_unsent(const struct hoy_ttrpc_server *server);

/* How many connections are open. */
size_t hoy_ttrpc_server_connections(const struct hoy_ttrpc_server *server);

/* Has nobody any longer who would hear the answer: the asker's connection is gone. It has to be answered all the same.
 */
bool hoy_ttrpc_is_abandoned(const struct hoy_ttrpc_request *req);

void hoy_ttrpc_answer(struct hoy_ttrpc_request *req, const ProtobufCMessage *message);
void hoy_ttrpc_answer_empty(struct hoy_ttrpc_request *req);
void hoy_ttrpc_answer_code(struct hoy_ttrpc_request *req, enum hoy_ttrpc_code code, const char *fmt, ...)
	HOY_PRINTF(3, 4);
/* The text of `err` with the code its kind stands for. */
void hoy_ttrpc_answer_err(struct hoy_ttrpc_request *req, const struct hoy_err *err);

/* --- streams of a server ---------------------------------------------------------------------------------------- */

/* What a stream hears. From inside any of them its own stream may be ended, other requests answered. */
struct hoy_ttrpc_stream_ops {
	void (*message)(void *userdata, const uint8_t *data, size_t len); /* packed, valid during the call */
	void (*closed)(void *userdata);                                   /* the asker sends no more, but still reads */
	void (*clear)(void *userdata);                                    /* hoy_ttrpc_stream_is_clear() again */
	void (*gone)(void *userdata); /* connection lost or protocol broken: the request is freed, the last call */
};

/* Keeps the request as a stream, until hoy_ttrpc_stream_end() or one of hoy_ttrpc_answer_code(), _err() ends it, which
 * free it, or until `gone`. -EPROTOTYPE: the asker has not asked for a stream; the request is still to be answered. */
int hoy_ttrpc_stream_open(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_stream_ops *ops, void *userdata);

/* Sends a message, which is queued without limit but the connection's: wait for `clear` before more of it. */
void hoy_ttrpc_stream_send(struct hoy_ttrpc_request *req, const ProtobufCMessage *message);
bool hoy_ttrpc_stream_is_clear(const struct hoy_ttrpc_request *req);

/* What the asker had sent by now is not all handled yet. Not to be asked from inside `message`. */
bool hoy_ttrpc_stream_has_input(const struct hoy_ttrpc_request *req);

/* No more comes from us. */
void hoy_ttrpc_stream_end(struct hoy_ttrpc_request *req);

#endif
