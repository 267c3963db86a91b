/* Reading a process's output. */
#include "shim/outlet.h"

#include <stdlib.h>
#include <time.h>

#include "base/fd.h"
#include "base/loop.h"
#include "shim/log.h"

#define READ_SIZE ((size_t) 64 << 10) /* what a pipe holds */
#define EXIT_GRACE ((size_t) 1 << 20) /* read past what is full after the exit: more than any pipe holds */

struct hoy_outlet {
	struct hoy_loop *loop;
	int fd;
	struct hoy_source *source;
	enum hoy_output output;
	struct hoy_outlog *log;
	struct hoy_outlog_line line;
	struct hoy_audience *audience;
	size_t grace;
	hoy_outlet_end end;
	void *userdata;
};

/* One for all: the shim has one thread, and nothing stays in it between two calls. */
static char read_buffer[READ_SIZE];

static const char *stream_name(const struct hoy_outlet *outlet)
{
	return outlet->output == HOY_OUTPUT_STDERR ? "stderr" : "stdout";
}

static void finish(struct hoy_outlet *outlet)
{
	outlet->source = hoy_source_free(outlet->source);
	hoy_fd_close(&outlet->fd);
	if (outlet->log)
		hoy_outlog_finish(outlet->log, &outlet->line, stream_name(outlet));
}

static bool is_full(const struct hoy_outlet *outlet)
{
	return hoy_audience_is_full(outlet->audience) || (outlet->log && hoy_outlog_is_full(outlet->log));
}

static void deliver(struct hoy_outlet *outlet, const char *data, size_t len)
{
	struct timespec now;

	if (is_full(outlet))
		outlet->grace -= MIN(outlet->grace, len);
	if (outlet->log) {
		clock_gettime(CLOCK_REALTIME, &now);
		hoy_outlog_write(outlet->log, &outlet->line, stream_name(outlet), data, len, &now);
	}
	hoy_audience_send(outlet->audience, outlet->output, data, len);
	if (is_full(outlet) && !outlet->grace)
		(void) hoy_source_set_events(outlet->source, 0, NULL);
}

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_outlet *outlet = userdata;
	ssize_t n = read(outlet->fd, read_buffer, READ_SIZE);

	(void) source;
	(void) events;
	if (n > 0) {
		deliver(outlet, read_buffer, (size_t) n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(outlet); /* a terminal that nobody holds any more reads as EIO */
	outlet->end(outlet->userdata);
}

int hoy_outlet_new(struct hoy_loop *loop, int fd, enum hoy_output output, struct hoy_outlog *log,
	struct hoy_audience *audience, hoy_outlet_end end, void *userdata, struct hoy_outlet **ret, struct hoy_err *err)
{
	struct hoy_outlet *outlet = calloc(1, sizeof *outlet);
	int r;

	if (!outlet) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	*outlet = (struct hoy_outlet){
		.loop = loop,
		.fd = fd,
		.output = output,
		.log = log,
		.audience = audience,
		.end = end,
		.userdata = userdata,
	};
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0) {
		hoy_outlet_free(outlet);
		return hoy_err_code(err, r, "output of the process");
	}
	*ret = outlet;
	return 0;
}

void hoy_outlet_free(struct hoy_outlet *outlet)
{
	if (!outlet)
		return;
	finish(outlet);
	hoy_outlog_line_done(&outlet->line);
	free(outlet);
}

int hoy_outlet_start(struct hoy_outlet *outlet, struct hoy_err *err)
{
	return hoy_loop_io(outlet->loop, &outlet->source, outlet->fd, EPOLLIN, on_output, outlet, err);
}

void hoy_outlet_ready(struct hoy_outlet *outlet)
{
	if (outlet->source && (!is_full(outlet) || outlet->grace))
		(void) hoy_source_set_events(outlet->source, EPOLLIN, NULL);
}

void hoy_outlet_process_exited(struct hoy_outlet *outlet)
{
	outlet->grace = EXIT_GRACE;
	hoy_outlet_ready(outlet);
}
