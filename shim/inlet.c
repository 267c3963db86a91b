/* Writing a process's input. */
#include "shim/inlet.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"

struct hoy_inlet {
	int fd;
	struct hoy_source *source;
	struct hoy_buf pending;
	bool closing;
	hoy_inlet_ready ready;
	void *userdata;
};

static void shut(struct hoy_inlet *inlet)
{
	inlet->source = hoy_source_free(inlet->source);
	hoy_fd_close(&inlet->fd);
	hoy_buf_done(&inlet->pending);
}

/* How much of it the process took; everything when it reads no more. */
static size_t push(struct hoy_inlet *inlet, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(inlet->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return done;
		if (n < 0) {
			shut(inlet);
			return len;
		}
		done += (size_t) n;
	}
	return done;
}

static void on_writable(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_inlet *inlet = userdata;
	size_t n;

	(void) source;
	(void) events;
	n = push(inlet, inlet->pending.data, inlet->pending.len);
	if (inlet->fd >= 0) {
		hoy_buf_consume(&inlet->pending, n);
		if (inlet->pending.len)
			return;
		hoy_buf_done(&inlet->pending);
		(void) hoy_source_set_events(inlet->source, 0, NULL);
		if (inlet->closing)
			shut(inlet);
	}
	inlet->ready(inlet->userdata);
}

int hoy_inlet_new(struct hoy_loop *loop, int fd, hoy_inlet_ready ready, void *userdata, struct hoy_inlet **ret,
	struct hoy_err *err)
{
	struct hoy_inlet *inlet = calloc(1, sizeof *inlet);
	int r;

	if (!inlet) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	inlet->fd = fd;
	inlet->ready = ready;
	inlet->userdata = userdata;
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		hoy_err_code(err, r, "stdin of the process");
	else
		r = hoy_loop_io(loop, &inlet->source, fd, 0, on_writable, inlet, err);
	if (r < 0) {
		hoy_inlet_free(inlet);
		return r;
	}
	*ret = inlet;
	return 0;
}

void hoy_inlet_free(struct hoy_inlet *inlet)
{
	if (!inlet)
		return;
	shut(inlet);
	free(inlet);
}

void hoy_inlet_write(struct hoy_inlet *inlet, const char *data, size_t len)
{
	size_t n;

	if (inlet->fd < 0 || inlet->closing)
		return;
	n = inlet->pending.len ? 0 : push(inlet, data, len);
	if (n == len)
		return;
	(void) hoy_buf_add(&inlet->pending, data + n, len - n);
	(void) hoy_source_set_events(inlet->source, EPOLLOUT, NULL);
}

bool hoy_inlet_is_full(const struct hoy_inlet *inlet)
{
	return inlet->pending.len > 0;
}

void hoy_inlet_close(struct hoy_inlet *inlet)
{
	inlet->closing = true;
	if (!inlet->pending.len)
		shut(inlet);
}
