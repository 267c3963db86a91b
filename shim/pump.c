/* Copying between descriptors, by splice() where both are pipes. */
#include "shim/pump.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"

#define SPLICE_SIZE ((size_t) 64 << 10)
#define COPY_SIZE 4096
#define BATCH 16

enum move { MOVE_SOME, MOVE_BLOCKED, MOVE_END, MOVE_FAILED };

struct hoy_pump {
	int from, to;
	struct hoy_source *from_source;
	struct hoy_source *to_source; /* NULL: always writable */
	bool splice;
	struct hoy_buf pending; /* read, not yet written; never with splice */
	hoy_pump_end end;
	void *userdata;
};

static void finish(struct hoy_pump *pump)
{
	pump->from_source = hoy_source_free(pump->from_source);
	pump->to_source = hoy_source_free(pump->to_source);
	hoy_fd_close(&pump->from);
	hoy_fd_close(&pump->to);
	hoy_buf_done(&pump->pending);
}

static enum move outcome(ssize_t n)
{
	if (n > 0)
		return MOVE_SOME;
	if (n == 0)
		return MOVE_END;
	if (errno == EINTR)
		return MOVE_SOME;
	return errno == EAGAIN ? MOVE_BLOCKED : MOVE_FAILED;
}

/* Reads and drops. EIO is the end of a terminal that nobody holds any more. */
static enum move discard(struct hoy_pump *pump)
{
	char data[COPY_SIZE];
	enum move moved = outcome(read(pump->from, data, sizeof data));

	return moved == MOVE_FAILED ? MOVE_END : moved;
}

static void stop_writing(struct hoy_pump *pump)
{
	pump->to_source = hoy_source_free(pump->to_source);
	hoy_fd_close(&pump->to);
	hoy_buf_done(&pump->pending);
}

static enum move write_pending(struct hoy_pump *pump)
{
	enum move moved = MOVE_SOME;

	while (pump->pending.len && moved == MOVE_SOME) {
		ssize_t n = write(pump->to, pump->pending.data, pump->pending.len);

		moved = outcome(n);
		if (n > 0)
			hoy_buf_consume(&pump->pending, (size_t) n);
	}
	if (!pump->pending.len)
		hoy_buf_done(&pump->pending);
	return moved;
}

static enum move copy(struct hoy_pump *pump)
{
	enum move moved;
	char data[COPY_SIZE];
	ssize_t n;

	if (pump->pending.len) {
		moved = write_pending(pump);
		if (moved != MOVE_SOME)
			return moved;
	}
	n = read(pump->from, data, sizeof data);
	if (n < 0 && errno == EIO)
		return MOVE_END;
	moved = outcome(n);
	if (n <= 0)
		return moved;
	if (hoy_buf_add(&pump->pending, data, (size_t) n) < 0)
		return MOVE_FAILED;
	return write_pending(pump);
}

static enum move move(struct hoy_pump *pump)
{
	if (pump->to < 0)
		return discard(pump);
	if (pump->splice)
		return outcome(
			splice(pump->from, NULL, pump->to, NULL, SPLICE_SIZE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE));
	return copy(pump);
}

static void wait_for(struct hoy_pump *pump, bool receiver)
{
	(void) hoy_source_set_events(pump->from_source, receiver ? 0 : EPOLLIN, NULL);
	if (pump->to_source)
		(void) hoy_source_set_events(pump->to_source, receiver ? EPOLLOUT : 0, NULL);
}

/* With splice() both ends say EAGAIN: what can be read waits for the receiver. */
static bool receiver_blocks(const struct hoy_pump *pump)
{
	struct pollfd from = { .fd = pump->from, .events = POLLIN };

	if (pump->to < 0 || !pump->splice)
		return pump->pending.len > 0;
	return poll(&from, 1, 0) > 0;
}

/* Several moves in one go: a busy stream would else wait for a turn of the loop after each. */
static void step(struct hoy_pump *pump)
{
	enum move moved = MOVE_SOME;

	for (int i = 0; i < BATCH && moved == MOVE_SOME; i++)
		moved = move(pump);
	switch (moved) {
	case MOVE_SOME:
		wait_for(pump, pump->pending.len > 0);
		break;
	case MOVE_BLOCKED:
		wait_for(pump, receiver_blocks(pump));
		break;
	case MOVE_FAILED:
		stop_writing(pump);
		wait_for(pump, /* receiver= */ false);
		break;
	case MOVE_END:
		finish(pump);
		if (pump->end)
			pump->end(pump->userdata);
		break;
	}
}

static void on_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) source;
	(void) events;
	step(userdata);
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int hoy_pump_new(struct hoy_loop *loop, int from, int to, hoy_pump_end end, void *userdata, struct hoy_pump **ret,
	struct hoy_err *err)
{
	struct hoy_pump *pump = calloc(1, sizeof *pump);
	int r;

	if (!pump) {
		hoy_fd_close(&from);
		hoy_fd_close(&to);
		return hoy_err_oom(err);
	}
	*pump = (struct hoy_pump){ .from = from, .to = to, .end = end, .userdata = userdata };
	pump->splice = is_pipe(from) && is_pipe(to);
	r = hoy_fd_set_nonblocking(from, true);
	if (r >= 0)
		r = hoy_fd_set_nonblocking(to, true);
	if (r < 0)
		hoy_err_code(err, r, "stream of the process");
	if (r >= 0)
		r = hoy_loop_io(loop, &pump->from_source, from, EPOLLIN, on_ready, pump, err);
	if (r >= 0 && !is_file(to))
		r = hoy_loop_io(loop, &pump->to_source, to, 0, on_ready, pump, err);
	if (r < 0) {
		hoy_pump_free(pump);
		return r;
	}
	*ret = pump;
	return 0;
}

void hoy_pump_free(struct hoy_pump *pump)
{
	if (!pump)
		return;
	finish(pump);
	free(pump);
}
