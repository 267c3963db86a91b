#include "supervisor/api/pipe_out.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/api/server.h"

#define AHEAD ((size_t) 1 << 20) /* read and not taken by the client */

struct hoy_pipe_out {
	struct hoy_http_exchange *x;
	struct hoy_source *source;
	int fd;
	struct hoy_pipe_out_handler handler;
};

static void free_out(struct hoy_pipe_out *out)
{
	hoy_source_free(out->source);
	hoy_fd_close(&out->fd);
	free(out);
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct hoy_pipe_out *out = userdata;
	struct hoy_pipe_out_handler handler = out->handler;

	(void) x;
	free_out(out);
	handler.gone(handler.userdata);
}

static void finish(struct hoy_pipe_out *out)
{
	out->source = hoy_source_free(out->source);
	out->handler.over(out->handler.userdata);
}

static void on_readable(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_pipe_out *out = userdata;
	char block[65536];

	(void) events;
	for (int i = 0; i < 8; i++) {
		ssize_t n = read(out->fd, block, sizeof block);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || hoy_http_stream_write(out->x, block, (size_t) n) < 0) {
			finish(out);
			return;
		}
		if (hoy_http_stream_pending(out->x) >= AHEAD) {
			(void) hoy_source_set_events(source, 0, NULL);
			return;
		}
	}
}

static void on_drained(struct hoy_http_exchange *x, void *userdata)
{
	struct hoy_pipe_out *out = userdata;

	(void) x;
	if (out->source)
		(void) hoy_source_set_events(out->source, EPOLLIN, NULL);
}

int hoy_pipe_out_new(struct hoy_pipe_out **ret, struct hoy_loop *loop, struct hoy_http_exchange *x, const char *type,
	int fd, const struct hoy_pipe_out_handler *handler, struct hoy_err *err)
{
	struct hoy_pipe_out *out = calloc(1, sizeof *out);
	int r;

	if (!out) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	*out = (struct hoy_pipe_out){ .x = x, .fd = fd, .handler = *handler };
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		(void) hoy_err_code(err, r, "set up a pipe");
	if (r >= 0)
		r = hoy_loop_io(loop, &out->source, fd, EPOLLIN, on_readable, out, err);
	if (r >= 0)
		r = hoy_http_stream_begin(x, 200, type, on_gone, out, err);
	if (r < 0) {
		free_out(out);
		return r;
	}
	hoy_http_stream_on_drained(x, on_drained);
	*ret = out;
	return 0;
}

void hoy_pipe_out_end(struct hoy_pipe_out *out)
{
	struct hoy_http_exchange *x = out->x;

	free_out(out);
	hoy_http_stream_end(x);
}
