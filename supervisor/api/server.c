/*
 * The HTTP server: libmicrohttpd without threads, driven by the loop.
 *
 * libmicrohttpd keeps its own epoll instance, which the loop watches; after every MHD_run() its timer is armed anew,
 * because edge-triggered input it did not finish is told by that timer alone. An exchange that waits for its answer is
 * suspended, so libmicrohttpd does not look at its connection: a stream therefore watches a duplicate of the
 * descriptor for the client's leaving.
 *
 * Hijack with an Upgrade header is libmicrohttpd's own. Without one (a plain 200) there is no call for it: the head is
 * written here, and the descriptor that libmicrohttpd holds is replaced (dup2) by a dead socket while the connection
 * is suspended; so its closing touches nobody's stream.
 */
#include "supervisor/api/server.h"

#include <assert.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/api/connections.h"

#define CONNECTION_MEMORY ((size_t) 32 << 10) /* head and read buffer of one connection */
#define CONNECTIONS_MAX 8192U
#define CONNECTIONS_MIN 64U
#define PAUSE_NS 100000000 /* without a free descriptor nothing is accepted for so long */
#define LISTENERS_MAX 16
#define ACCEPTS_PER_ROUND 64
#define HEADERS_MAX 16
#define LAST_RUNS 3
#define DROP_MAX ((uint64_t) 4 << 30) /* a body nobody wants: after so much the connection is closed */

enum answer { ANSWER_NONE, ANSWER_WHOLE, ANSWER_STREAM, ANSWER_HIJACK };

struct header {
	char *name, *value;
};

struct hoy_http_exchange {
	struct hoy_http_server *server;
	struct hoy_http_exchange *next, **link;
	struct MHD_Connection *conn;
	char *method, *target;
	void *context;
	void (*free_context)(void *context);
	uint64_t began;

	bool started, body_over, owned; /* owned: the handler has not answered yet */
	bool suspended, aborted, queued, head_only;
	enum hoy_http_body body_mode;
	size_t body_limit;
	uint64_t dropped;
	struct hoy_buf body;
	int sink; /* of a streamed body */
	struct hoy_source *sink_source;

	enum answer answer;
	int status;
	char *type;
	struct header headers[HEADERS_MAX];
	size_t n_headers;
	struct hoy_buf out; /* whole body, or what a stream has not sent */
	bool ended;
	hoy_http_gone_handler gone;
	void (*drained)(struct hoy_http_exchange *x, void *userdata);
	void *userdata;
	int watch_fd; /* a duplicate of the connection's, watched for the client's leaving */
	struct hoy_source *watch;
	hoy_http_taken_handler taken;
};

struct listener {
	struct hoy_http_server *server;
	const void *door;
	int fd;
	struct hoy_source *source;
};

struct hoy_http_server {
	struct hoy_loop *loop;
	struct MHD_Daemon *mhd;
	const struct hoy_http_hooks *hooks;
	void *userdata;
	struct hoy_source *epoll_source, *timer;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct hoy_source *pause;
	struct hoy_connections connections;
	size_t connection_limit;
	const void *door; /* by which the connection that is being accepted has come */
	struct hoy_http_exchange *exchanges;
	size_t n_exchanges;
	bool stopping, run_again; /* run_again: something was resumed since the last MHD_run() began */
};

/* --- libmicrohttpd and the loop ------------------------------------------------------------------------------- */

static void run_soon(struct hoy_http_server *server)
{
	server->run_again = true;
	hoy_source_set_timer(server->timer, 0);
}

static void run(struct hoy_http_server *server)
{
	MHD_UNSIGNED_LONG_LONG ms;

	server->run_again = false;
	(void) MHD_run(server->mhd);
	if (server->run_again)
		hoy_source_set_timer(server->timer, 0);
	else if (MHD_get_timeout(server->mhd, &ms) == MHD_YES)
		hoy_source_set_timer(server->timer, (uint64_t) ms * 1000000);
	else
		hoy_source_set_timer(server->timer, UINT64_MAX);
}

static void on_mhd_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) source;
	(void) events;
	run(userdata);
}

static void on_mhd_timer(struct hoy_source *source, void *userdata)
{
	(void) source;
	run(userdata);
}

static void on_mhd_log(void *cls, const char *fmt, va_list args) HOY_PRINTF(2, 0);
static void on_mhd_log(void *cls, const char *fmt, va_list args)
{
	static const char *const noise[] = { "TCP_NODELAY", "TCP_CORK",
		"Failed to push the data" }; /* said of every unix socket */
	char line[256];

	(void) cls;
	if (!hoy_log_enabled(HOY_LOG_DEBUG))
		return;
	(void) vsnprintf(line, sizeof line, fmt, args);
	line[strcspn(line, "\r\n")] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(noise); i++)
		if (strstr(line, noise[i]))
			return;
	hoy_log_debug("http: %s", line);
}

static void suspend(struct hoy_http_exchange *x)
{
	if (x->suspended)
		return;
	x->suspended = true;
	MHD_suspend_connection(x->conn);
}

static void resume(struct hoy_http_exchange *x)
{
	if (!x->suspended)
		return;
	x->suspended = false;
	MHD_resume_connection(x->conn);
	run_soon(x->server);
}

/* --- exchanges ------------------------------------------------------------------------------------------------ */

static void unwatch(struct hoy_http_exchange *x)
{
	x->watch = hoy_source_free(x->watch);
	hoy_fd_close(&x->watch_fd);
}

static void close_sink(struct hoy_http_exchange *x)
{
	x->sink_source = hoy_source_free(x->sink_source);
	hoy_fd_close(&x->sink);
}

static void exchange_free(struct hoy_http_exchange *x)
{
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->server->n_exchanges--;
	unwatch(x);
	close_sink(x);
	if (x->free_context)
		x->free_context(x->context);
	for (size_t i = 0; i < x->n_headers; i++) {
		free(x->headers[i].name);
		free(x->headers[i].value);
	}
	hoy_buf_done(&x->body);
	hoy_buf_done(&x->out);
	free(x->type);
	free(x->method);
	free(x->target);
	free(x);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static struct hoy_connection *connection_of(struct MHD_Connection *conn)
{
	return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void on_connection_changed(
	void *cls, struct MHD_Connection *conn, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	struct hoy_http_server *server = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = hoy_connection_new(&server->connections,
			MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, server->door);
	} else {
		hoy_connection_free(*socket_context);
		*socket_context = NULL;
	}
}

/* The request line was read. The return value becomes the exchange of the request. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct hoy_http_server *server = cls;
	struct hoy_http_exchange *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	x->target = strdup(uri);
	if (!x->target) {
		free(x);
		return NULL;
	}
	x->server = server;
	x->conn = conn;
	x->sink = x->watch_fd = -EBADF;
	x->began = now_ns();
	x->next = server->exchanges;
	x->link = &server->exchanges;
	if (x->next)
		x->next->link = &x->next;
	server->exchanges = x;
	server->n_exchanges++;
	hoy_connection_request(connection_of(conn));
	return x;
}

/* The handler loses the exchange because the client went away. */
static void disown(struct hoy_http_exchange *x)
{
	if (!x->owned)
		return;
	x->owned = false;
	unwatch(x);
	if (x->answer == ANSWER_STREAM && x->gone)
		x->gone(x, x->userdata);
	else if (x->answer == ANSWER_HIJACK && x->taken)
		x->taken(x->userdata, -ECONNRESET, NULL, 0);
}

static void on_request_completed(
	void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode code)
{
	struct hoy_http_exchange *x = *con_cls;

	(void) cls;
	if (!x)
		return;
	*con_cls = NULL;
	if (x->answer == ANSWER_HIJACK)
		hoy_connection_busy(connection_of(conn)); /* the stream has another owner */
	else
		hoy_connection_idle(connection_of(conn));
	disown(x);
	hoy_log_debug("%s %s: %d, %.1f ms%s", x->method ? x->method : "?", x->target, x->status,
		(double) (now_ns() - x->began) / 1e6, code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", cut off");
	if (x->started)
		x->server->hooks->over(x->server->userdata, x, x->status, now_ns() - x->began);
	exchange_free(x);
}

const char *hoy_http_method(const struct hoy_http_exchange *x)
{
	return x->method;
}

const char *hoy_http_target(const struct hoy_http_exchange *x)
{
	return x->target;
}

const char *hoy_http_header(const struct hoy_http_exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->conn, MHD_HEADER_KIND, name);
}

const void *hoy_http_door(const struct hoy_http_exchange *x)
{
	return hoy_connection_door(connection_of(x->conn));
}

void hoy_http_peer(const struct hoy_http_exchange *x, struct ucred *ret)
{
	int fd = MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	socklen_t len = sizeof *ret;

	*ret = (struct ucred){ .pid = 0, .uid = (uid_t) -1, .gid = (gid_t) -1 };
	(void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len);
}

const struct hoy_buf *hoy_http_body(const struct hoy_http_exchange *x)
{
	return &x->body;
}

void hoy_http_set_body(struct hoy_http_exchange *x, struct hoy_buf *body)
{
	hoy_buf_done(&x->body);
	x->body = *body;
	*body = (struct hoy_buf){ 0 };
}

bool hoy_http_body_complete(const struct hoy_http_exchange *x)
{
	return x->body_over;
}

void hoy_http_set_context(struct hoy_http_exchange *x, void *context, void (*free_fn)(void *context))
{
	assert(!x->context);
	x->context = context;
	x->free_context = free_fn;
}

void *hoy_http_context(const struct hoy_http_exchange *x)
{
	return x->context;
}

/* --- the request's body --------------------------------------------------------------------------------------- */

static void on_sink_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_http_exchange *x = userdata;

	(void) events;
	(void) hoy_source_set_events(source, 0, NULL);
	resume(x);
}

int hoy_http_body_to_fd(struct hoy_http_exchange *x, int fd, struct hoy_err *err)
{
	int r;

	assert(x->sink < 0);
	x->sink = fd;
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		r = hoy_err_code(err, r, "set up request body pipe");
	else
		r = hoy_loop_io(x->server->loop, &x->sink_source, fd, 0, on_sink_ready, x, err);
	if (r < 0)
		close_sink(x);
	else if (x->body_over)
		close_sink(x);
	return r;
}

/* Returns how many bytes were taken; fewer means that the connection must wait. */
static size_t feed_sink(struct hoy_http_exchange *x, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(x->sink, data + done, len - done);

		if (n >= 0) {
			done += (size_t) n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN && hoy_source_set_events(x->sink_source, EPOLLOUT, NULL) >= 0)
			return done;
		close_sink(x); /* the reader is gone: it knows why */
		return len;
	}
	return done;
}

static void drop(struct hoy_http_exchange *x, size_t len)
{
	x->dropped += len;
	if (x->dropped > DROP_MAX)
		x->aborted = true;
}

static void take_body(struct hoy_http_exchange *x, const char *data, size_t *len)
{
	if (x->body_mode == HOY_HTTP_BODY_STREAM && x->sink >= 0) {
		*len -= feed_sink(x, data, *len);
		if (*len)
			suspend(x);
		return;
	}
	if (x->body_mode == HOY_HTTP_BODY_STREAM || x->answer != ANSWER_NONE) {
		drop(x, *len);
	} else if (x->body.len + *len > x->body_limit || hoy_buf_add(&x->body, data, *len) < 0) {
		hoy_buf_done(&x->body);
		drop(x, *len);
		x->server->hooks->too_large(x->server->userdata, x, x->body_limit);
	}
	*len = 0;
}

/* --- the answer ----------------------------------------------------------------------------------------------- */

void hoy_http_abort(struct hoy_http_exchange *x)
{
	x->aborted = true;
}

void hoy_http_add_header(struct hoy_http_exchange *x, const char *name, const char *value)
{
	struct header *h = &x->headers[x->n_headers];

	assert(x->n_headers < HEADERS_MAX);
	h->name = strdup(name);
	h->value = strdup(value);
	x->n_headers++;
}

static void set_answer(struct hoy_http_exchange *x, enum answer answer, int status, const char *type)
{
	assert(x->owned && x->answer == ANSWER_NONE);
	x->answer = answer;
	x->status = status;
	x->type = type ? strdup(type) : NULL;
	x->server->hooks->decorate(
		x->server->userdata, x, answer == ANSWER_HIJACK ? MHD_HTTP_SWITCHING_PROTOCOLS : status);
	if (x->body_over)
		resume(x);
}

void hoy_http_reply(struct hoy_http_exchange *x, int status, const char *type, struct hoy_buf *body)
{
	if (body) {
		x->out = *body;
		*body = (struct hoy_buf){ 0 };
	}
	set_answer(x, ANSWER_WHOLE, status, type);
	x->owned = false;
}

static void on_client_left(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_http_exchange *x = userdata;

	(void) source;
	(void) events;
	unwatch(x);
	x->aborted = true;
	disown(x);
	resume(x);
}

/* A dup'ed descriptor: libmicrohttpd may close its own at any time. */
static int watch_client(struct hoy_http_exchange *x, struct hoy_err *err)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CONNECTION_FD);

	x->watch_fd = hoy_fd_dup(info->connect_fd);
	if (x->watch_fd < 0)
		return hoy_err_code(err, x->watch_fd, "watch the client's connection");
	return hoy_loop_io(x->server->loop, &x->watch, x->watch_fd, EPOLLRDHUP, on_client_left, x, err);
}

int hoy_http_stream_begin(struct hoy_http_exchange *x, int status, const char *type, hoy_http_gone_handler gone,
	void *userdata, struct hoy_err *err)
{
	int r = watch_client(x, err);

	if (r < 0) {
		unwatch(x);
		return r;
	}
	hoy_buf_init(&x->out, HOY_HTTP_STREAM_MAX);
	x->gone = gone;
	x->userdata = userdata;
	set_answer(x, ANSWER_STREAM, status, type);
	return 0;
}

int hoy_http_stream_write(struct hoy_http_exchange *x, const void *data, size_t len)
{
	int r;

	assert(x->owned && x->answer == ANSWER_STREAM);
	if (x->out.len + len > HOY_HTTP_STREAM_MAX)
		return -ENOBUFS;
	r = hoy_buf_add(&x->out, data, len);
	if (r >= 0 && x->body_over)
		resume(x);
	return r;
}

size_t hoy_http_stream_pending(const struct hoy_http_exchange *x)
{
	return x->out.len;
}

void hoy_http_stream_on_drained(
	struct hoy_http_exchange *x, void (*drained)(struct hoy_http_exchange *x, void *userdata))
{
	x->drained = drained;
}

void hoy_http_stream_end(struct hoy_http_exchange *x)
{
	assert(x->owned && x->answer == ANSWER_STREAM);
	x->ended = true;
	x->owned = false;
	unwatch(x);
	if (x->body_over)
		resume(x);
}

/* Fills a part of a stream's body; nothing there: the connection sleeps until somebody writes. */
static ssize_t on_stream_wanted(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct hoy_http_exchange *x = cls;
	size_t n = MIN(max, x->out.len);

	(void) pos;
	if (x->aborted)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n) {
		memcpy(buf, x->out.data, n);
		hoy_buf_consume(&x->out, n);
		return (ssize_t) n;
	}
	if (x->owned && x->drained)
		x->drained(x, x->userdata);
	if (x->out.len)
		return 0;
	if (x->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	suspend(x);
	return 0;
}

void hoy_http_hijack(struct hoy_http_exchange *x, const char *type, hoy_http_taken_handler taken, void *userdata)
{
	x->taken = taken;
	x->userdata = userdata;
	set_answer(x, ANSWER_HIJACK, 0, type);
}

static bool wants_upgrade(const struct hoy_http_exchange *x)
{
	const char *connection = hoy_http_header(x, MHD_HTTP_HEADER_CONNECTION);

	return hoy_http_header(x, MHD_HTTP_HEADER_UPGRADE) && connection && strcasestr(connection, "upgrade");
}

static void give_stream(struct hoy_http_exchange *x, int fd, const void *extra, size_t extra_len)
{
	if (!x->owned) {
		hoy_fd_close(&fd);
		return;
	}
	x->owned = false;
	x->taken(x->userdata, fd, extra, extra_len);
}

static void on_upgraded(void *cls, struct MHD_Connection *conn, void *con_cls, const char *extra_in,
	size_t extra_in_size, MHD_socket sock, struct MHD_UpgradeResponseHandle *urh)
{
	struct hoy_http_exchange *x = cls;

	(void) conn;
	(void) con_cls;
	give_stream(x, hoy_fd_dup(sock), extra_in, extra_in_size);
	(void) MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
	run_soon(x->server);
}

/* Puts a socket whose peer is closed in place of the connection's descriptor. */
static int replace_by_dead_socket(int fd)
{
	auto_fd int dead = -EBADF, peer = -EBADF;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	dead = pair[0];
	peer = pair[1];
	return dup3(dead, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static int write_legacy_head(const struct hoy_http_exchange *x, int fd)
{
	auto_(hoy_buf_done) struct hoy_buf head = { 0 };
	ssize_t n;

	hoy_buf_init(&head, 4096);
	(void) hoy_buf_addf(&head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", x->type);
	for (size_t i = 0; i < x->n_headers; i++)
		(void) hoy_buf_addf(&head, "%s: %s\r\n", x->headers[i].name, x->headers[i].value);
	(void) hoy_buf_adds(&head, "\r\n");
	if (hoy_buf_check(&head, "head", NULL) < 0)
		return -EMSGSIZE;
	n = send(fd, head.data, head.len, MSG_NOSIGNAL);
	return n < 0 ? -errno : (size_t) n == head.len ? 0 : -EAGAIN;
}

static void hijack_without_upgrade(struct hoy_http_exchange *x)
{
	int sock = MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	auto_fd int fd = hoy_fd_dup(sock);
	int r;

	x->status = MHD_HTTP_OK;
	x->aborted = true;
	suspend(x); /* takes the descriptor out of libmicrohttpd's epoll set */
	r = fd < 0 ? fd : write_legacy_head(x, fd);
	if (r >= 0)
		r = replace_by_dead_socket(sock);
	give_stream(x, r < 0 ? r : TAKE_FD(fd), NULL, 0);
	resume(x);
}

static void free_buffer(void *data)
{
	free(data);
}

static struct MHD_Response *make_response(struct hoy_http_exchange *x)
{
	struct MHD_Response *response;
	size_t len = x->out.len;

	switch (x->answer) {
	case ANSWER_STREAM:
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_stream_wanted, x, NULL);
	case ANSWER_HIJACK:
		x->status = MHD_HTTP_SWITCHING_PROTOCOLS;
		return MHD_create_response_for_upgrade(on_upgraded, x);
	default:
		response = MHD_create_response_from_buffer_with_free_callback(len, x->out.data, free_buffer);
		if (response)
			x->out = (struct hoy_buf){ 0 };
		return response;
	}
}

static enum MHD_Result send_answer(struct hoy_http_exchange *x)
{
	struct MHD_Response *response;
	enum MHD_Result ok;

	if (x->aborted)
		return MHD_NO;
	if (x->answer == ANSWER_HIJACK && !wants_upgrade(x)) {
		hijack_without_upgrade(x);
		return MHD_YES;
	}
	response = make_response(x);
	if (!response)
		return MHD_NO;
	if (x->type)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, x->type);
	for (size_t i = 0; i < x->n_headers; i++)
		if (x->headers[i].name && x->headers[i].value)
			(void) MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
	if (x->answer == ANSWER_HIJACK)
		(void) MHD_add_response_header(
			response, MHD_HTTP_HEADER_UPGRADE, hoy_http_header(x, MHD_HTTP_HEADER_UPGRADE));
	ok = MHD_queue_response(x->conn, (unsigned int) x->status, response);
	MHD_destroy_response(response);
	x->queued = true;
	return ok;
}

/* --- the request's way ---------------------------------------------------------------------------------------- */

static enum MHD_Result begin(struct hoy_http_exchange *x, const char *method)
{
	struct hoy_http_server *server = x->server;

	x->started = true;
	x->owned = true;
	x->method = strdup(method);
	if (!x->method || server->stopping || !connection_of(x->conn)) /* without it nobody knows by which door */
		return MHD_NO;
	x->body_mode = server->hooks->head(server->userdata, x, &x->body_limit);
	hoy_buf_init(&x->body, x->body_limit);
	if (x->body_mode == HOY_HTTP_BODY_STREAM)
		hoy_connection_busy(connection_of(x->conn));
	if (x->answer == ANSWER_NONE && x->body_mode == HOY_HTTP_BODY_STREAM)
		server->hooks->run(server->userdata, x);
	return MHD_YES;
}

/* A client that waits for "100 Continue" is told at once that its body is too large or not wanted. */
static bool may_answer_early(const struct hoy_http_exchange *x)
{
	return x->answer == ANSWER_WHOLE && hoy_http_header(x, MHD_HTTP_HEADER_EXPECT);
}

static void end_of_body(struct hoy_http_exchange *x)
{
	x->body_over = true;
	hoy_connection_busy(connection_of(x->conn));
	close_sink(x);
	if (x->answer == ANSWER_NONE && x->body_mode == HOY_HTTP_BODY_BUFFER)
		x->server->hooks->run(x->server->userdata, x);
}

static bool declared_too_large(struct hoy_http_exchange *x)
{
	const char *length = hoy_http_header(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n;

	return x->answer == ANSWER_NONE && x->body_mode == HOY_HTTP_BODY_BUFFER && length &&
	       hoy_str_to_u64(length, &n) >= 0 && n > x->body_limit;
}

/* libmicrohttpd's access handler: first for the head, then for pieces of the body, then (size 0) for its end, and
 * again after every resume until an answer was queued. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
	const char *version, const char *data, size_t *len, void **con_cls)
{
	struct hoy_http_exchange *x = *con_cls;

	(void) cls;
	(void) conn;
	(void) url;
	(void) version;
	if (!x || x->aborted)
		return MHD_NO;
	if (!x->started) {
		if (begin(x, method) != MHD_YES)
			return MHD_NO;
		if (declared_too_large(x))
			x->server->hooks->too_large(x->server->userdata, x, x->body_limit);
		return may_answer_early(x) ? send_answer(x) : MHD_YES;
	}
	if (*len) {
		take_body(x, data, len);
		return MHD_YES;
	}
	if (!x->body_over)
		end_of_body(x);
	if (x->answer != ANSWER_NONE)
		return x->queued ? MHD_YES : send_answer(x);
	suspend(x);
	return MHD_YES;
}

/* --- listening ------------------------------------------------------------------------------------------------ */

static void log_peer(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (hoy_log_enabled(HOY_LOG_DEBUG) && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		hoy_log_debug("http: connection from pid %d, uid %u, gid %u", (int) cred.pid, cred.uid, cred.gid);
}

static void set_listening(struct hoy_http_server *server, bool on)
{
	for (size_t i = 0; i < server->n_listeners; i++)
		if (server->listeners[i].source)
			(void) hoy_source_set_events(server->listeners[i].source, on ? EPOLLIN : 0, NULL);
}

static void on_pause_over(struct hoy_source *source, void *userdata)
{
	(void) source;
	set_listening(userdata, true);
}

/* No descriptor is left: idle clients make room, and the next look is a little later. */
static void pause_listening(struct hoy_http_server *server)
{
	hoy_log_warn("http: %zu connections and no descriptor left: %s", server->connections.n, strerror(errno));
	for (int i = 0; i < ACCEPTS_PER_ROUND && hoy_connections_drop_idle(&server->connections); i++)
		;
	set_listening(server, false);
	hoy_source_set_timer(server->pause, PAUSE_NS);
}

static void add_connection(struct hoy_http_server *server, int fd, const struct sockaddr_storage *addr, socklen_t len)
{
	log_peer(fd);
	if (server->connections.n >= server->connection_limit && !hoy_connections_drop_idle(&server->connections)) {
		hoy_log_warn("http: %zu connections, and none is idle: another one is refused", server->connections.n);
		hoy_fd_close(&fd);
		return;
	}
	(void) MHD_add_connection(server->mhd, fd, (const struct sockaddr *) addr, len); /* closes fd on failure */
}

static void on_connection(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct listener *l = userdata;
	struct hoy_http_server *server = l->server;
	struct sockaddr_storage addr;

	(void) events;
	server->door = l->door;
	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		socklen_t len = sizeof addr;
		int fd = accept4(hoy_source_fd(source), (struct sockaddr *) &addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			pause_listening(server);
		if (fd < 0)
			break;
		add_connection(server, fd, &addr, len);
	}
	run(server);
}

int hoy_http_server_listen(struct hoy_http_server *server, int fd, const void *door, struct hoy_err *err)
{
	auto_fd int own = fd;
	struct listener *l = server->listeners;
	int r;

	while (l < server->listeners + server->n_listeners && l->source) /* the first that is closed, or a new one */
		l++;
	if (l == server->listeners + LISTENERS_MAX)
		return hoy_err_invalid(err, "more than %d listening sockets", LISTENERS_MAX);
	*l = (struct listener){ .server = server, .door = door };
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		return hoy_err_code(err, r, "set up listening socket");
	r = hoy_loop_io(server->loop, &l->source, fd, EPOLLIN, on_connection, l, err);
	if (r < 0)
		return r;
	l->fd = TAKE_FD(own);
	server->n_listeners = MAX(server->n_listeners, (size_t) (l - server->listeners) + 1);
	return 0;
}

void hoy_http_server_unlisten(struct hoy_http_server *server, const void *door)
{
	for (size_t i = 0; i < server->n_listeners; i++) {
		if (server->listeners[i].door != door)
			continue;
		server->listeners[i].source = hoy_source_free(server->listeners[i].source);
		server->listeners[i].door = NULL;
		hoy_fd_close(&server->listeners[i].fd);
	}
}

void hoy_http_server_stop_listening(struct hoy_http_server *server)
{
	for (size_t i = 0; i < server->n_listeners; i++) {
		hoy_source_free(server->listeners[i].source);
		hoy_fd_close(&server->listeners[i].fd);
	}
	server->n_listeners = 0;
}

size_t hoy_http_server_active(const struct hoy_http_server *server)
{
	return server->n_exchanges;
}

/* --- life ----------------------------------------------------------------------------------------------------- */

/* Half of the descriptors are for what clients ask for. */
static size_t connection_limit(void)
{
	struct rlimit files = { .rlim_cur = CONNECTIONS_MAX };

	(void) getrlimit(RLIMIT_NOFILE, &files);
	return MAX(MIN(files.rlim_cur / 2, CONNECTIONS_MAX), CONNECTIONS_MIN);
}

int hoy_http_server_new(struct hoy_http_server **ret, struct hoy_loop *loop, const struct hoy_http_hooks *hooks,
	void *userdata, struct hoy_err *err)
{
	const unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME |
				   MHD_USE_NO_LISTEN_SOCKET;
	auto_ptr(hoy_http_server_free) struct hoy_http_server *server = calloc(1, sizeof *server);
	const union MHD_DaemonInfo *info;
	int r;

	if (!server)
		return hoy_err_oom(err);
	server->loop = loop;
	server->hooks = hooks;
	server->userdata = userdata;
	server->connection_limit = connection_limit();
	r = hoy_connections_init(&server->connections, loop, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &server->pause, UINT64_MAX, on_pause_over, server, err);
	if (r < 0)
		return r;
	server->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log,
		NULL, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server, MHD_OPTION_NOTIFY_COMPLETED,
		on_request_completed, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
		/* those that were shut down to make room are counted until it has seen it */
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int) server->connection_limit + 2 * ACCEPTS_PER_ROUND,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection_changed, server, MHD_OPTION_END);
	if (!server->mhd)
		return hoy_err_code(err, -EIO, "start http server");
	info = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	r = hoy_loop_timer(loop, &server->timer, UINT64_MAX, on_mhd_timer, server, err);
	if (r >= 0)
		r = hoy_loop_io(loop, &server->epoll_source, info->epoll_fd, EPOLLIN, on_mhd_ready, server, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void hoy_http_server_set_patience(struct hoy_http_server *server, uint64_t idle_ms, uint64_t request_ms)
{
	hoy_connections_set_times(&server->connections, idle_ms, request_ms);
}

static void abort_exchange(struct hoy_http_exchange *x)
{
	x->aborted = true;
	disown(x);
	resume(x);
}

void hoy_http_server_abort_streams(struct hoy_http_server *server)
{
	for (struct hoy_http_exchange *x = server->exchanges; x; x = x->next)
		if (x->answer == ANSWER_STREAM && x->owned)
			abort_exchange(x);
}

static void abort_exchanges(struct hoy_http_server *server)
{
	for (struct hoy_http_exchange *x = server->exchanges; x; x = x->next)
		abort_exchange(x);
	(void) MHD_run(server->mhd);
}

void hoy_http_server_free(struct hoy_http_server *server)
{
	if (!server)
		return;
	server->stopping = true;
	hoy_http_server_stop_listening(server);
	if (server->mhd) {
		for (int i = 0; i < LAST_RUNS; i++) /* answers that were given just now still leave */
			(void) MHD_run(server->mhd);
		abort_exchanges(server);
		hoy_source_free(server->epoll_source);
		MHD_stop_daemon(server->mhd);
	}
	hoy_source_free(server->timer);
	hoy_source_free(server->pause);
	hoy_connections_done(&server->connections);
	free(server);
}
