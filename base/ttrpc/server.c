/* The ttrpc server: connections of our own user, requests that may be answered at any later time. */
#include "base/ttrpc/ttrpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/ttrpc/conn_internal.h"
#include "base/ttrpc/ttrpc.pb-c.h"

#define MAX_CONNECTIONS 1024
#define MAX_UNANSWERED 4096                    /* per connection */
#define ACCEPT_PAUSE_NS ((uint64_t) 100000000) /* after accept failed for want of descriptors */

struct peer {
	struct peer *next;
	struct hoy_ttrpc_server *server;
	struct hoy_ttrpc_conn conn;
	struct hoy_ttrpc_request *requests;
	size_t n_requests;
};

struct hoy_ttrpc_request {
	struct hoy_ttrpc_request *next, **link;
	struct peer *peer; /* NULL: the connection is gone, or it never had one */
	uint32_t stream;
	bool wants_stream;
	const struct hoy_ttrpc_stream_ops *ops; /* it is an open stream */
	hoy_ttrpc_done done;                    /* asked by this program itself */
	void *userdata;
};

struct hoy_ttrpc_server {
	struct hoy_loop *loop;
	int fd;
	struct hoy_source *source, *resume;
	struct peer *peers;
	size_t n_peers;
	hoy_ttrpc_handler handler;
	void *userdata;
};

static void link_request(struct hoy_ttrpc_request *req, struct hoy_ttrpc_request **list)
{
	req->next = *list;
	req->link = list;
	if (req->next)
		req->next->link = &req->next;
	*list = req;
}

static void unlink_request(struct hoy_ttrpc_request *req)
{
	if (!req->link)
		return;
	*req->link = req->next;
	if (req->next)
		req->next->link = req->link;
	req->link = NULL;
	req->next = NULL;
}

static void request_free(struct hoy_ttrpc_request *req)
{
	unlink_request(req);
	if (req->peer)
		req->peer->n_requests--;
	free(req);
}

/* Ends with the connection, other than what is answered later into nothing. */
static void lose_streams(struct hoy_ttrpc_request **streams)
{
	while (*streams) {
		const struct hoy_ttrpc_stream_ops *ops = (*streams)->ops;
		void *userdata = (*streams)->userdata;

		request_free(*streams);
		ops->gone(userdata);
	}
}

static void peer_free(struct peer *peer)
{
	struct hoy_ttrpc_server *server = peer->server;
	struct hoy_ttrpc_request *streams = NULL;

	for (struct peer **at = &server->peers; *at; at = &(*at)->next)
		if (*at == peer) {
			*at = peer->next;
			server->n_peers--;
			break;
		}
	while (peer->requests) {
		struct hoy_ttrpc_request *req = peer->requests;

		unlink_request(req);
		req->peer = NULL;
		if (req->ops)
			link_request(req, &streams);
	}
	hoy_ttrpc_conn_close(&peer->conn);
	free(peer);
	lose_streams(&streams);
}

static void on_peer_end(void *userdata)
{
	peer_free(userdata);
}

static struct hoy_ttrpc_request *request_new(struct peer *peer, uint32_t stream)
{
	struct hoy_ttrpc_request *req = calloc(1, sizeof *req);

	if (!req)
		return NULL;
	req->peer = peer;
	req->stream = stream;
	link_request(req, &peer->requests);
	peer->n_requests++;
	return req;
}

static void dispatch(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_frame *frame)
{
	struct hoy_ttrpc_server *server = req->peer->server;
	struct hoy_ttrpc_incoming in = { 0 };
	Hoy__Pb__RpcRequest *request = hoy__pb__rpc_request__unpack(NULL, frame->len, frame->data);

	if (!request) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INVALID_ARGUMENT, "malformed request");
		return;
	}
	req->wants_stream = frame->flags & HOY_TTRPC_OPEN;
	in.service = request->service;
	in.method = request->method;
	in.payload = request->payload.data;
	in.len = request->payload.len;
	server->handler(req, &in, server->userdata);
	hoy__pb__rpc_request__free_unpacked(request, NULL);
}

static struct hoy_ttrpc_request *find_stream(const struct peer *peer, uint32_t stream)
{
	struct hoy_ttrpc_request *req = peer->requests;

	while (req && (!req->ops || req->stream != stream))
		req = req->next;
	return req;
}

static void on_stream_frame(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_frame *frame)
{
	const struct hoy_ttrpc_stream_ops *ops = req->ops;
	const struct peer *peer = req->peer;
	void *userdata = req->userdata;

	if (frame->oversize) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED,
			"message length %zu exceeds the maximum of %u bytes", frame->len, HOY_TTRPC_MAX_DATA);
		ops->gone(userdata);
		return;
	}
	if (!(frame->flags & HOY_TTRPC_NO_DATA))
		ops->message(userdata, frame->data, frame->len);
	if ((frame->flags & HOY_TTRPC_CLOSED) && find_stream(peer, frame->stream) == req)
		ops->closed(userdata);
}

static void on_peer_clear(void *userdata)
{
	const struct peer *peer = userdata;
	struct hoy_ttrpc_request *next;

	for (struct hoy_ttrpc_request *req = peer->requests; req; req = next) {
		next = req->next;
		if (req->ops)
			req->ops->clear(req->userdata);
	}
}

static void on_peer_frame(const struct hoy_ttrpc_frame *frame, void *userdata)
{
	struct peer *peer = userdata;
	struct hoy_ttrpc_request *req;

	if (frame->type == HOY_TTRPC_RESPONSE)
		return; /* we ask clients nothing */
	req = frame->type == HOY_TTRPC_DATA ? find_stream(peer, frame->stream) : NULL;
	if (req) {
		on_stream_frame(req, frame);
		return;
	}
	req = request_new(peer, frame->stream);
	if (!req)
		peer_free(peer);
	else if (frame->oversize)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED,
			"message length %zu exceeds the maximum of %u bytes", frame->len, HOY_TTRPC_MAX_DATA);
	else if (frame->type == HOY_TTRPC_DATA)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INVALID_ARGUMENT, "stream %u is not open", frame->stream);
	else if (frame->type != HOY_TTRPC_REQUEST)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_UNIMPLEMENTED, "frames of type %u are unknown", frame->type);
	else if (frame->stream % 2 == 0)
		hoy_ttrpc_answer_code(
			req, HOY_TTRPC_INVALID_ARGUMENT, "stream id %u of a client is even", frame->stream);
	else if (peer->n_requests > MAX_UNANSWERED)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "too many requests in flight");
	else
		dispatch(req, frame);
}

static bool peer_is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static void peer_new(struct hoy_ttrpc_server *server, int fd)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer) {
		hoy_fd_close(&fd);
		return;
	}
	peer->server = server;
	peer->conn.on_frame = on_peer_frame;
	peer->conn.on_end = on_peer_end;
	peer->conn.on_clear = on_peer_clear;
	peer->conn.userdata = peer;
	if (hoy_ttrpc_conn_open(&peer->conn, server->loop, fd, /* err= */ NULL) < 0) {
		free(peer);
		return;
	}
	peer->next = server->peers;
	server->peers = peer;
	server->n_peers++;
}

static void on_resume(struct hoy_source *source, void *userdata)
{
	struct hoy_ttrpc_server *server = userdata;

	(void) source;
	(void) hoy_source_set_events(server->source, EPOLLIN, NULL);
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_ttrpc_server *server = userdata;
	auto_fd int fd = -EBADF;

	(void) events;
	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
			return;
		(void) hoy_source_set_events(source, 0, NULL);
		hoy_source_set_timer(server->resume, ACCEPT_PAUSE_NS);
		return;
	}
	if (server->n_peers < MAX_CONNECTIONS && peer_is_ours(fd))
		peer_new(server, TAKE_FD(fd));
}

int hoy_ttrpc_server_new(struct hoy_loop *loop, int fd, hoy_ttrpc_handler handler, void *userdata,
	struct hoy_ttrpc_server **ret, struct hoy_err *err)
{
	auto_ptr(hoy_ttrpc_server_free) struct hoy_ttrpc_server *server = calloc(1, sizeof *server);
	int r;

	if (!server) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	server->loop = loop;
	server->fd = fd;
	server->handler = handler;
	server->userdata = userdata;
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		return hoy_err_code(err, r, "listening socket");
	r = hoy_loop_timer(loop, &server->resume, UINT64_MAX, on_resume, server, err);
	if (r < 0)
		return r;
	r = hoy_loop_io(loop, &server->source, fd, EPOLLIN, on_connect, server, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void hoy_ttrpc_server_free(struct hoy_ttrpc_server *server)
{
	if (!server)
		return;
	while (server->peers)
		peer_free(server->peers);
	hoy_source_free(server->source);
	hoy_source_free(server->resume);
	hoy_fd_close(&server->fd);
	free(server);
}

void hoy_ttrpc_server_stop_listening(struct hoy_ttrpc_server *server)
{
	server->source = hoy_source_free(server->source);
	server->resume = hoy_source_free(server->resume);
	hoy_fd_close(&server->fd);
}

size_t hoy_ttrpc_server_unsent(const struct hoy_ttrpc_server *server)
{
	size_t n = 0;

	for (const struct peer *peer = server->peers; peer; peer = peer->next)
		n += peer->conn.out.len;
	return n;
}

size_t hoy_ttrpc_server_connections(const struct hoy_ttrpc_server *server)
{
	return server->n_peers;
}

struct hoy_ttrpc_request *hoy_ttrpc_request_local(hoy_ttrpc_done done, void *userdata)
{
	struct hoy_ttrpc_request *req = calloc(1, sizeof *req);

	if (req) {
		req->done = done;
		req->userdata = userdata;
	}
	return req;
}

static void respond_here(struct hoy_ttrpc_request *req, const Hoy__Pb__RpcResponse *response)
{
	const struct hoy_ttrpc_reply reply = {
		.code = response->status ? (enum hoy_ttrpc_code) response->status->code : HOY_TTRPC_OK,
		.message = response->status ? response->status->message : "",
		.payload = response->payload.data,
		.len = response->payload.len,
	};
	hoy_ttrpc_done done = req->done;
	void *userdata = req->userdata;

	request_free(req);
	done(userdata, &reply);
}

/* A peer that can't be answered is found dead by its own source: shutdown() wakes it, nothing is freed in here. */
static void respond(struct hoy_ttrpc_request *req, const Hoy__Pb__RpcResponse *response)
{
	struct peer *peer = req->peer;

	if (req->done) {
		respond_here(req, response);
		return;
	}
	if (peer && hoy_ttrpc_conn_send(&peer->conn, req->stream, HOY_TTRPC_RESPONSE, &response->base) < 0)
		(void) shutdown(peer->conn.fd, SHUT_RDWR);
	request_free(req);
}

bool hoy_ttrpc_is_abandoned(const struct hoy_ttrpc_request *req)
{
	return !req->peer && !req->done;
}

void hoy_ttrpc_answer_code(struct hoy_ttrpc_request *req, enum hoy_ttrpc_code code, const char *fmt, ...)
{
	Hoy__Pb__RpcResponse response = HOY__PB__RPC_RESPONSE__INIT;
	Hoy__Pb__RpcStatus status = HOY__PB__RPC_STATUS__INIT;
	char text[HOY_ERR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	status.code = code;
	status.message = text;
	response.status = &status;
	respond(req, &response);
}

void hoy_ttrpc_answer(struct hoy_ttrpc_request *req, const ProtobufCMessage *message)
{
	Hoy__Pb__RpcResponse response = HOY__PB__RPC_RESPONSE__INIT;
	size_t len = protobuf_c_message_get_packed_size(message);
	auto_free uint8_t *payload = NULL;

	if (len > HOY_TTRPC_MAX_DATA - 64) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "answer is larger than 4 MiB");
		return;
	}
	payload = malloc(len + 1);
	if (!payload) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	protobuf_c_message_pack(message, payload);
	response.payload.data = payload;
	response.payload.len = len;
	respond(req, &response);
}

void hoy_ttrpc_answer_empty(struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__RpcResponse response = HOY__PB__RPC_RESPONSE__INIT;

	respond(req, &response);
}

void hoy_ttrpc_answer_err(struct hoy_ttrpc_request *req, const struct hoy_err *err)
{
	static const enum hoy_ttrpc_code codes[] = {
		[HOY_ERR_SYSTEM] = HOY_TTRPC_UNKNOWN,
		[HOY_ERR_INVALID] = HOY_TTRPC_INVALID_ARGUMENT,
		[HOY_ERR_NOT_FOUND] = HOY_TTRPC_NOT_FOUND,
		[HOY_ERR_CONFLICT] = HOY_TTRPC_FAILED_PRECONDITION,
		[HOY_ERR_UNSUPPORTED] = HOY_TTRPC_UNIMPLEMENTED,
	};
	enum hoy_ttrpc_code code = codes[err->kind];

	if (err->errnum == EEXIST)
		code = HOY_TTRPC_ALREADY_EXISTS;
	hoy_ttrpc_answer_code(req, code, "%s", hoy_err_str(err));
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

int hoy_ttrpc_stream_open(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_stream_ops *ops, void *userdata)
{
	if (!req->peer || !req->wants_stream)
		return -EPROTOTYPE;
	req->ops = ops;
	req->userdata = userdata;
	return 0;
}

void hoy_ttrpc_stream_send(struct hoy_ttrpc_request *req, const ProtobufCMessage *message)
{
	if (hoy_ttrpc_conn_send(&req->peer->conn, req->stream, HOY_TTRPC_DATA, message) < 0)
		(void) shutdown(req->peer->conn.fd, SHUT_RDWR);
}

bool hoy_ttrpc_stream_is_clear(const struct hoy_ttrpc_request *req)
{
	return !req->peer->conn.out.len;
}

bool hoy_ttrpc_stream_has_input(const struct hoy_ttrpc_request *req)
{
	return hoy_ttrpc_conn_has_input(&req->peer->conn);
}

void hoy_ttrpc_stream_end(struct hoy_ttrpc_request *req)
{
	if (hoy_ttrpc_conn_send_end(&req->peer->conn, req->stream) < 0)
		(void) shutdown(req->peer->conn.fd, SHUT_RDWR);
	request_free(req);
}
