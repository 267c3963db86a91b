#include "supervisor/api/earlier.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/container/container.h"

#define CHUNK ((size_t) 64 << 10)

/* Clients that read the head with a buffered reader (Python's) lose what comes right behind it. */
#define HEAD_START_NS ((uint64_t) 20000000)

struct hoy_api_earlier {
	struct hoy_loop *loop;
	struct hoy_source *start;
	struct hoy_log_reader *reader;
	struct hoy_source *source;
	struct hoy_buf pending, extra;
	size_t sent;
	int fd;
	hoy_api_earlier_done done;
	void *userdata;
};

void hoy_api_earlier_free(struct hoy_api_earlier *e)
{
	if (!e)
		return;
	hoy_source_free(e->source);
	hoy_source_free(e->start);
	hoy_log_reader_free(e->reader);
	hoy_buf_done(&e->pending);
	hoy_buf_done(&e->extra);
	hoy_fd_close(&e->fd);
	free(e);
}

static void finish(struct hoy_api_earlier *e, bool written)
{
	int fd = written ? TAKE_FD(e->fd) : -ECANCELED;

	e->source = hoy_source_free(e->source);
	e->done(e->userdata, fd, e->extra.data, e->extra.len);
	hoy_api_earlier_free(e);
}

/* 1: sent, 0: the client has to take some first, -1: it left. */
static int flush(struct hoy_api_earlier *e)
{
	while (e->sent < e->pending.len) {
		ssize_t n = send(
			e->fd, e->pending.data + e->sent, e->pending.len - e->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		e->sent += (size_t) n;
	}
	return 1;
}

static void go_on(struct hoy_api_earlier *e);

static void on_writable(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) source;
	(void) events;
	go_on(userdata);
}

static void go_on(struct hoy_api_earlier *e)
{
	struct hoy_err err = { 0 };
	int r;

	while ((r = flush(e)) > 0) {
		hoy_buf_clear(&e->pending);
		e->sent = 0;
		r = hoy_log_reader_read(e->reader, &e->pending, CHUNK, &err);
		if (r < 0)
			hoy_log_err(&err, "attach: read the log");
		if (r == HOY_LOG_WAIT && !e->pending.len)
			return; /* on_ready() goes on */
		if (r != HOY_LOG_DATA && !e->pending.len) {
			finish(e, true);
			return;
		}
	}
	if (r == 0 && !e->source)
		r = hoy_loop_io(e->loop, &e->source, e->fd, EPOLLOUT, on_writable, e, NULL);
	if (r < 0)
		finish(e, false);
}

static void on_start(struct hoy_source *source, void *userdata)
{
	(void) source;
	go_on(userdata);
}

/* It does not follow, but a long or compressed log takes more than one turn. */
static void on_ready(struct hoy_log_reader *reader, void *userdata)
{
	(void) reader;
	go_on(userdata);
}

int hoy_api_earlier_new(struct hoy_loop *loop, struct hoy_containers *containers, const char *ref,
	const struct hoy_container_attach *attach, struct hoy_api_earlier **ret, struct hoy_err *err)
{
	const struct hoy_container_logs how = {
		.stdout_ = attach->stdout_,
		.stderr_ = attach->stderr_,
		.raw = attach->raw,
		.tail = -1,
	};
	struct hoy_api_earlier *e = calloc(1, sizeof *e);
	bool framed;
	int r;

	if (!e)
		return hoy_err_oom(err);
	e->loop = loop;
	e->fd = -EBADF;
	r = hoy_container_logs(containers, ref, &how, on_ready, e, &e->reader, &framed, err);
	if (r < 0) {
		hoy_api_earlier_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void hoy_api_earlier_write(struct hoy_api_earlier *e, int fd, const void *extra, size_t extra_len,
	hoy_api_earlier_done done, void *userdata)
{
	e->fd = fd;
	e->done = done;
	e->userdata = userdata;
	if ((extra_len && hoy_buf_add(&e->extra, extra, extra_len) < 0) ||
		hoy_loop_timer(e->loop, &e->start, HEAD_START_NS, on_start, e, NULL) < 0)
		finish(e, false);
}
