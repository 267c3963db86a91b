/*
 * The HTTP server on hoyd's loop: accepts on listening sockets, reads requests, writes answers. Knows nothing of the
 * Engine API; server.c alone knows libmicrohttpd.
 *
 * An exchange is one request and its answer. It is the handler's from the `head` hook until the handler has answered:
 * by hoy_http_reply(), by hoy_http_stream_end(), by hoy_http_hijack(), or by being told that the client is gone
 * (`gone` of hoy_http_stream_begin()). Afterwards the handler must not touch it.
 *
 * An answer leaves only after the request's body was read to its end, so that clients that write first and read
 * later see it; what an early answer makes superfluous is read and dropped.
 */
#ifndef HOY_API_SERVER_H
#define HOY_API_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_loop;
struct hoy_http_server;
struct hoy_http_exchange;

enum hoy_http_body {
	HOY_HTTP_BODY_BUFFER, /* collected up to the limit (hoy_http_body()), `run` comes when it is complete */
	HOY_HTTP_BODY_STREAM, /* `run` comes right after `head`; it calls hoy_http_body_to_fd() */
};

struct hoy_http_hooks {
	/* The head is complete. Says how the body is to be read; may answer already (a reply is kept until the body
	 * is over, and `run` is not called then). */
	enum hoy_http_body (*head)(void *userdata, struct hoy_http_exchange *x, size_t *ret_body_limit);
	/* Time to act: answer now or later. */
	void (*run)(void *userdata, struct hoy_http_exchange *x);
	/* The buffered body is larger than the limit: answer it (`run` is not called). */
	void (*too_large)(void *userdata, struct hoy_http_exchange *x, size_t limit);
	/* Called for every answer before it is sent, to add the headers all answers carry. `status`: 101 for a hijacked
	 * connection. */
	void (*decorate)(void *userdata, struct hoy_http_exchange *x, int status);
	/* The exchange is over; `status` 0: it was never answered. `ns`: since its request line. */
	void (*over)(void *userdata, struct hoy_http_exchange *x, int status, uint64_t ns);
};

int hoy_http_server_new(struct hoy_http_server **ret, struct hoy_loop *loop, const struct hoy_http_hooks *hooks,
	void *userdata, struct hoy_err *err);
/* Aborts what is still open; exchanges are invalid afterwards, `gone` is called for open streams. NULL is fine. */
void hoy_http_server_free(struct hoy_http_server *server);
HOY_DEFINE_AUTO_PTR(struct hoy_http_server, hoy_http_server_free);

/* Accepts on a listening stream socket; the server owns (and closes) `fd` from now on, also on failure. `door`: what
 * hoy_http_door() says of each request that comes by it; it outlives the server. */
int hoy_http_server_listen(struct hoy_http_server *server, int fd, const void *door, struct hoy_err *err);
/* Accepts there no more; connections stay. */
void hoy_http_server_unlisten(struct hoy_http_server *server, const void *door);
void hoy_http_server_stop_listening(struct hoy_http_server *server);
/* Ends all streams as if their clients had left; other exchanges stay. */
void hoy_http_server_abort_streams(struct hoy_http_server *server);
/* How long clients may be silent (connections.h), where the defaults do not fit; for connections from now on. */
void hoy_http_server_set_patience(struct hoy_http_server *server, uint64_t idle_ms, uint64_t request_ms);
/* Exchanges that were begun and not finished. */
size_t hoy_http_server_active(const struct hoy_http_server *server);

/* --- the request --------------------------------------------------------------------------------------------- */
const char *hoy_http_method(const struct hoy_http_exchange *x);
const char *hoy_http_target(const struct hoy_http_exchange *x);                   /* as sent: path?query */
const char *hoy_http_header(const struct hoy_http_exchange *x, const char *name); /* NULL: absent */
const struct hoy_buf *hoy_http_body(const struct hoy_http_exchange *x);
/* Another one, which is taken over and emptied, in the place of the buffered one. */
void hoy_http_set_body(struct hoy_http_exchange *x, struct hoy_buf *body);
const void *hoy_http_door(const struct hoy_http_exchange *x); /* of hoy_http_server_listen() */
/* Who connected (SO_PEERCRED); zeros and -1 for who did not come by a unix socket. Before the stream is hijacked. */
struct ucred;
void hoy_http_peer(const struct hoy_http_exchange *x, struct ucred *ret);
/* A free slot for the layer above, freed by `free_fn` with the exchange. */
void hoy_http_set_context(struct hoy_http_exchange *x, void *context, void (*free_fn)(void *context));
void *hoy_http_context(const struct hoy_http_exchange *x);

/*
 * Body streaming: from now on the body is written into `fd` (the write end of a pipe or a socket; made non-blocking,
 * the server owns it, also on failure), with back-pressure; it is closed at the end of the body. When the reader goes
 * away the rest is dropped.
 */
int hoy_http_body_to_fd(struct hoy_http_exchange *x, int fd, struct hoy_err *err);
/* True when the body was read to its end (always in `run` of a buffered one). */
bool hoy_http_body_complete(const struct hoy_http_exchange *x);

/* --- the answer ---------------------------------------------------------------------------------------------- */

/* One more header of the answer, before it is given. */
void hoy_http_add_header(struct hoy_http_exchange *x, const char *name, const char *value);

/* Within `decorate`: the answer does not leave, the connection is cut. */
void hoy_http_abort(struct hoy_http_exchange *x);

/* The whole answer. `body` is taken over and emptied (NULL: no body); `type` NULL: no Content-Type. */
void hoy_http_reply(struct hoy_http_exchange *x, int status, const char *type, struct hoy_buf *body);

/* An answer of unknown length; the head leaves at once (when the request's body is over). `gone` is called when the
 * client leaves before hoy_http_stream_end(); the exchange is no longer the handler's then. */
typedef void (*hoy_http_gone_handler)(struct hoy_http_exchange *x, void *userdata);
int hoy_http_stream_begin(struct hoy_http_exchange *x, int status, const char *type, hoy_http_gone_handler gone,
	void *userdata, struct hoy_err *err);
/* Queues; never blocks. -errno when memory or the cap (HOY_HTTP_STREAM_MAX bytes unsent) is reached: the data is
 * dropped, the handler should end the stream. */
#define HOY_HTTP_STREAM_MAX ((size_t) 8 << 20)
int hoy_http_stream_write(struct hoy_http_exchange *x, const void *data, size_t len);
/* Bytes queued and not sent. `drained` (may be NULL) is called once each time the queue becomes empty. */
size_t hoy_http_stream_pending(const struct hoy_http_exchange *x);
void hoy_http_stream_on_drained(
	struct hoy_http_exchange *x, void (*drained)(struct hoy_http_exchange *x, void *userdata));
void hoy_http_stream_end(struct hoy_http_exchange *x);

/*
 * Leaves HTTP: the head is written (101 when the client asked for an upgrade, else 200), then `taken` gets the raw
 * connection: `fd` is the receiver's (or -errno when the client left meanwhile), non-blocking; `extra` are bytes that
 * were read behind the request and are valid during the call.
 */
typedef void (*hoy_http_taken_handler)(void *userdata, int fd, const void *extra, size_t extra_len);
void hoy_http_hijack(struct hoy_http_exchange *x, const char *type, hoy_http_taken_handler taken, void *userdata);

#endif
