/* Queries by TCP. A client that does not read its answers, or says nothing for a while, is closed. */
#include "supervisor/worker/dns/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/worker/dns/packet.h"

#define MAX_STREAMS 32 /* per container; the oldest goes for a new one */
#define MAX_UNREAD ((size_t) 256 << 10)
#define IDLE_NS (10 * UINT64_C(1000000000))

struct hoy_dns_stream {
	struct hoy_dns_stream *next; /* newest first */
	struct hoy_dns_listener *listener;
	int fd;
	struct hoy_source *source;
	struct hoy_source *idle;
	struct hoy_source *later; /* closes it outside of everything */
	size_t got;
	uint8_t in[2 + HOY_DNS_QUERY_MAX];
	struct hoy_buf out;
};

struct hoy_dns_listener {
	struct hoy_loop *loop;
	int fd;
	struct hoy_dns_stream_owner owner;
	struct hoy_source *source;
	struct hoy_dns_stream *streams;
	size_t n_streams;
};

static void stream_free(struct hoy_dns_stream *stream)
{
	stream->source = hoy_source_free(stream->source);
	stream->idle = hoy_source_free(stream->idle);
	stream->later = hoy_source_free(stream->later);
	hoy_fd_close(&stream->fd);
	hoy_buf_done(&stream->out);
	free(stream);
}

static void stream_close(struct hoy_dns_stream *stream)
{
	struct hoy_dns_listener *listener = stream->listener;
	struct hoy_dns_stream **link = &listener->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	listener->n_streams--;
	listener->owner.closed(listener->owner.userdata, stream);
	stream_free(stream);
}

static void on_later(struct hoy_source *source, void *userdata)
{
	(void) source;
	stream_close(userdata);
}

static void on_idle(struct hoy_source *source, void *userdata)
{
	(void) source;
	stream_close(userdata);
}

/* Reads no more queries while answers are not taken. */
static void flush(struct hoy_dns_stream *stream)
{
	ssize_t n = 0;

	if (stream->out.len > 0)
		n = send(stream->fd, stream->out.data, stream->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		hoy_buf_consume(&stream->out, (size_t) n);
		hoy_source_set_timer(stream->idle, IDLE_NS);
	}
	if (n < 0 && errno != EAGAIN) {
		struct hoy_err ignored;

		stream->out.len = 0;
		(void) hoy_source_set_events(stream->source, 0, NULL);
		if (!stream->later)
			(void) hoy_loop_defer(stream->listener->loop, &stream->later, on_later, stream, &ignored);
		return;
	}
	(void) hoy_source_set_events(stream->source, stream->out.len > 0 ? EPOLLOUT : EPOLLIN, NULL);
}

void hoy_dns_stream_send(struct hoy_dns_stream *stream, const uint8_t *packet, size_t len)
{
	const uint8_t head[2] = { (uint8_t) (len >> 8), (uint8_t) len };

	if (stream->later || stream->out.len > MAX_UNREAD)
		return;
	(void) hoy_buf_add(&stream->out, head, sizeof head);
	(void) hoy_buf_add(&stream->out, packet, len);
	flush(stream);
}

/* False: it is no query. */
static bool take_queries(struct hoy_dns_stream *stream)
{
	struct hoy_dns_listener *listener = stream->listener;

	while (stream->got >= 2) {
		size_t len = (size_t) stream->in[0] << 8 | stream->in[1];

		if (len < HOY_DNS_HEADER || len > HOY_DNS_QUERY_MAX)
			return false;
		if (stream->got < 2 + len)
			return true;
		hoy_source_set_timer(stream->idle, IDLE_NS);
		listener->owner.query(listener->owner.userdata, stream, stream->in + 2, len);
		stream->got -= 2 + len;
		memmove(stream->in, stream->in + 2 + len, stream->got);
	}
	return true;
}

static void on_stream(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_stream *stream = userdata;
	ssize_t n;

	(void) source;
	if (events & EPOLLOUT) {
		flush(stream);
		return;
	}
	n = recv(stream->fd, stream->in + stream->got, sizeof stream->in - stream->got, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	stream->got += n > 0 ? (size_t) n : 0;
	if (n <= 0 || !take_queries(stream))
		stream_close(stream);
}

static int stream_new(struct hoy_dns_listener *listener, int fd, struct hoy_err *err)
{
	struct hoy_dns_stream *stream = calloc(1, sizeof *stream);
	int r;

	if (!stream)
		return hoy_err_oom(err);
	stream->listener = listener;
	stream->fd = -EBADF;
	r = hoy_loop_io(listener->loop, &stream->source, fd, EPOLLIN, on_stream, stream, err);
	if (r >= 0)
		r = hoy_loop_timer(listener->loop, &stream->idle, IDLE_NS, on_idle, stream, err);
	if (r < 0) {
		stream_free(stream);
		return r;
	}
	stream->fd = fd;
	stream->next = listener->streams;
	listener->streams = stream;
	listener->n_streams++;
	return 0;
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_listener *listener = userdata;
	auto_fd int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct hoy_dns_stream *oldest = listener->streams;
	struct hoy_err ignored;

	(void) source;
	(void) events;
	if (fd < 0)
		return;
	while (listener->n_streams >= MAX_STREAMS && oldest->next)
		oldest = oldest->next;
	if (listener->n_streams >= MAX_STREAMS)
		stream_close(oldest);
	if (stream_new(listener, fd, &ignored) >= 0)
		(void) TAKE_FD(fd);
}

int hoy_dns_listener_new(struct hoy_loop *loop, int fd, const struct hoy_dns_stream_owner *owner,
	struct hoy_dns_listener **ret, struct hoy_err *err)
{
	struct hoy_dns_listener *listener = calloc(1, sizeof *listener);
	int r;

	if (!listener)
		return hoy_err_oom(err);
	listener->loop = loop;
	listener->fd = fd;
	listener->owner = *owner;
	r = hoy_loop_io(loop, &listener->source, fd, EPOLLIN, on_connect, listener, err);
	if (r < 0) {
		free(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

void hoy_dns_listener_free(struct hoy_dns_listener *listener)
{
	if (!listener)
		return;
	while (listener->streams)
		stream_close(listener->streams);
	listener->source = hoy_source_free(listener->source);
	free(listener);
}
