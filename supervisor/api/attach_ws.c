/* The relay of a websocket: bounded both ways, whoever does not read holds the other up. */
#include "supervisor/api/attach_ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/websocket.h"

#define WAITING_MAX ((size_t) 64 << 10) /* of each direction; then its source is not read */
#define PIECE ((size_t) 16 << 10)
#define CLOSE_NS ((uint64_t) 5000000000) /* so long the client has to answer our close frame */

struct half {
	int fd;
	struct hoy_source *source;
	struct hoy_buf out; /* waits to be written to it */
};

struct hoy_ws_relay {
	struct hoy_api *api;
	struct hoy_ws_relay *next, **link;
	struct half client, container;
	struct hoy_source *timer;
	struct hoy_ws ws;
	enum hoy_ws_opcode opcode;
	bool wants_stdin;
	bool closing;    /* a close frame was queued: nothing goes to the client behind it */
	bool heard_last; /* nothing the client says matters any more: it ends when all was sent */
};

int hoy_ws_handshake(struct hoy_http_exchange *x, struct hoy_err *err)
{
	const char *upgrade = hoy_http_header(x, "Upgrade"), *connection = hoy_http_header(x, "Connection");
	const char *key = hoy_http_header(x, "Sec-WebSocket-Key"),
		   *version = hoy_http_header(x, "Sec-WebSocket-Version");
	char accept[HOY_WS_ACCEPT_SIZE];

	if (!upgrade || strcasecmp(upgrade, "websocket") != 0 || !connection || !strcasestr(connection, "upgrade"))
		return hoy_err_invalid(err, "not websocket protocol: the request does not ask to upgrade to it");
	if (!hoy_str_eq(version, "13")) {
		hoy_http_add_header(x, "Sec-WebSocket-Version", "13");
		return hoy_err_invalid(err, "missing or bad WebSocket Version: it is 13");
	}
	if (!key || !hoy_ws_accept(key, accept))
		return hoy_err_invalid(err, "mismatch challenge/response: Sec-WebSocket-Key has no 16 bytes");
	hoy_http_add_header(x, "Sec-WebSocket-Accept", accept);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static void half_done(struct half *half)
{
	half->source = hoy_source_free(half->source);
	hoy_fd_close(&half->fd);
	hoy_buf_done(&half->out);
}

static void relay_free(struct hoy_ws_relay *relay)
{
	*relay->link = relay->next;
	if (relay->next)
		relay->next->link = relay->link;
	hoy_source_free(relay->timer);
	half_done(&relay->client);
	half_done(&relay->container);
	free(relay);
}

void hoy_ws_relays_free(struct hoy_api *api)
{
	while (api->relays)
		relay_free(api->relays);
}

/* --- frames for the client --------------------------------------------------------------------------------------- */

static void add_frame(struct hoy_ws_relay *relay, enum hoy_ws_opcode opcode, const void *data, size_t len)
{
	unsigned char head[HOY_WS_HEAD_MAX];

	(void) hoy_buf_add(&relay->client.out, head, hoy_ws_head(head, opcode, len));
	(void) hoy_buf_add(&relay->client.out, data, len);
}

/* The last frame; the container's stream ends with it. */
static void add_close(struct hoy_ws_relay *relay, int code)
{
	const unsigned char payload[2] = { (unsigned char) (code >> 8), (unsigned char) code };

	if (relay->closing)
		return;
	relay->closing = true;
	add_frame(relay, HOY_WS_CLOSE, payload, code == HOY_WS_NO_STATUS ? 0 : sizeof payload);
	half_done(&relay->container);
	hoy_source_set_timer(relay->timer, CLOSE_NS);
}

/* --- moving bytes ------------------------------------------------------------------------------------------------- */

/* False: the other end is gone. */
static bool flush(struct half *half)
{
	while (half->fd >= 0 && half->out.len) {
		ssize_t n = send(half->fd, half->out.data, half->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		hoy_buf_consume(&half->out, (size_t) n);
	}
	return true;
}

static void take_frames(struct hoy_ws_relay *relay, unsigned char *bytes, size_t len)
{
	struct hoy_ws_event event;

	while (len > 0 && !relay->heard_last) {
		size_t used = hoy_ws_next(&relay->ws, bytes, len, &event);

		if (event.what == HOY_WS_HAS_DATA && relay->wants_stdin && !relay->closing)
			(void) hoy_buf_add(&relay->container.out, event.data, event.len);
		else if (event.what == HOY_WS_HAS_PING && !relay->closing)
			add_frame(relay, HOY_WS_PONG, event.data, event.len);
		else if (event.what == HOY_WS_HAS_CLOSE || event.what == HOY_WS_IS_WRONG) {
			add_close(relay, event.code);
			relay->heard_last = true;
		}
		bytes += used;
		len -= used;
	}
}

/* 0: the end, or it is broken. */
static ssize_t receive(const struct half *half, unsigned char piece[PIECE])
{
	ssize_t n = recv(half->fd, piece, PIECE, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return n < 0 ? 0 : n;
}

/* What is read depends on what waits. */
static bool may_read_client(const struct hoy_ws_relay *relay)
{
	return !relay->heard_last && relay->container.out.len < WAITING_MAX && relay->client.out.len < 2 * WAITING_MAX;
}

static bool may_read_container(const struct hoy_ws_relay *relay)
{
	return !relay->closing && relay->client.out.len < WAITING_MAX;
}

static void set_events(struct half *half, bool reads)
{
	if (half->source)
		(void) hoy_source_set_events(
			half->source, (reads ? EPOLLIN : 0U) | (half->out.len ? EPOLLOUT : 0U), NULL);
}

/* Writes what waits, ends what is over. Behind it the relay may be gone. */
static void settle(struct hoy_ws_relay *relay)
{
	bool container_takes = flush(&relay->container), client_takes = flush(&relay->client);

	if (!container_takes)
		hoy_buf_clear(&relay->container.out); /* it reads no input any more; its output may go on */
	if (!client_takes || relay->client.out.failed || relay->container.out.failed ||
		(relay->heard_last && !relay->client.out.len)) {
		relay_free(relay);
		return;
	}
	set_events(&relay->client, may_read_client(relay));
	set_events(&relay->container, may_read_container(relay));
}

static void on_client(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_ws_relay *relay = userdata;
	unsigned char piece[PIECE];
	ssize_t n = -EAGAIN;

	(void) source;
	if (may_read_client(relay))
		n = receive(&relay->client, piece);
	if (n == 0 || (events & (EPOLLHUP | EPOLLERR))) {
		relay_free(relay);
		return;
	}
	if (n > 0)
		take_frames(relay, piece, (size_t) n);
	settle(relay);
}

static void on_container(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_ws_relay *relay = userdata;
	unsigned char piece[PIECE];
	ssize_t n = -EAGAIN;

	(void) source;
	(void) events;
	if (may_read_container(relay))
		n = receive(&relay->container, piece);
	if (n > 0)
		add_frame(relay, relay->opcode, piece, (size_t) n);
	else if (n == 0)
		add_close(relay, HOY_WS_NORMAL);
	settle(relay);
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	(void) source;
	relay_free(userdata);
}

static int relay_open(struct hoy_ws_relay *relay, int *ret_shim, struct hoy_err *err)
{
	struct hoy_loop *loop = relay->api->o.loop;
	int pair[2];
	int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);

	if (r < 0)
		return hoy_err_sys(err, "attach by a websocket");
	relay->container.fd = pair[0];
	*ret_shim = pair[1];
	r = hoy_loop_io(loop, &relay->client.source, relay->client.fd, EPOLLIN, on_client, relay, err);
	if (r >= 0)
		r = hoy_loop_io(loop, &relay->container.source, relay->container.fd, EPOLLIN, on_container, relay, err);
	return r < 0 ? r : hoy_loop_timer(loop, &relay->timer, UINT64_MAX, on_timer, relay, err);
}

int hoy_ws_relay_new(struct hoy_api *api, int client, const void *extra, size_t extra_len, bool wants_stdin, bool text)
{
	struct hoy_ws_relay *relay = calloc(1, sizeof *relay);
	auto_fd int shim = -EBADF;
	auto_free unsigned char *bytes = extra_len ? malloc(extra_len) : NULL;
	struct hoy_err err = { 0 };
	int r;

	if (!relay || (extra_len && !bytes)) {
		free(relay);
		hoy_fd_close(&client);
		return -ENOMEM;
	}
	relay->api = api;
	relay->client.fd = client;
	relay->container.fd = -EBADF;
	relay->opcode = text ? HOY_WS_TEXT : HOY_WS_BINARY;
	relay->wants_stdin = wants_stdin;
	hoy_buf_init(&relay->client.out, 4 * WAITING_MAX);
	hoy_buf_init(&relay->container.out, 4 * WAITING_MAX);
	relay->next = api->relays;
	relay->link = &api->relays;
	if (relay->next)
		relay->next->link = &relay->next;
	api->relays = relay;
	r = relay_open(relay, &shim, &err);
	if (r < 0) {
		hoy_log_err(&err, "websocket");
		relay_free(relay);
		return r;
	}
	if (extra_len) {
		memcpy(bytes, extra, extra_len);
		take_frames(relay, bytes, extra_len);
	}
	settle(relay);
	return TAKE_FD(shim);
}
