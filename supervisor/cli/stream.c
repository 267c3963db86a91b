/* Attached streams, docker's 8-byte frames, the terminal. One poll loop, bounded buffers. */
#include "supervisor/cli/stream.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define PIECE ((size_t) 64 << 10)

/* Takes docker's frames apart: {stream, 0, 0, 0, length (big endian)} and that many bytes. */
struct demux {
	unsigned char head[8];
	size_t head_len;
	size_t left; /* of the current frame */
};

static int output_of(const struct demux *d)
{
	return d->head[0] >= 2 ? STDERR_FILENO : STDOUT_FILENO;
}

static int write_run(int fd, const char *data, size_t *len, struct hoy_err *err)
{
	int r = *len > 0 ? hoy_fd_write_all(fd, data, *len) : 0;

	*len = 0;
	return r < 0 ? hoy_err_code(err, r, "write output") : 0;
}

/* A frame is often a line: what follows one another to the same output is moved together in `data`, and written at once. */
static int demux(struct demux *d, char *data, size_t len, struct hoy_err *err)
{
	char *run = data;
	size_t run_len = 0, n;
	int fd = STDOUT_FILENO, r = 0;

	for (; r == 0 && len > 0; data += n, len -= n) {
		n = MIN(d->left > 0 ? d->left : sizeof d->head - d->head_len, len);
		if (d->left > 0) {
			if (fd != output_of(d))
				r = write_run(fd, run, &run_len, err);
			fd = output_of(d);
			memmove(run + run_len, data, n);
			run_len += n;
			d->left -= n;
			continue;
		}
		memcpy(d->head + d->head_len, data, n);
		d->head_len = (d->head_len + n) % sizeof d->head;
		if (d->head_len > 0)
			continue;
		d->left = (size_t) d->head[4] << 24 | (size_t) d->head[5] << 16 | (size_t) d->head[6] << 8 | d->head[7];
		if (d->head[0] > 3) {
			(void) write_run(fd, run, &run_len, NULL);
			r = hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "Unrecognized input header: %u", d->head[0]);
		}
	}
	return r < 0 ? r : write_run(fd, run, &run_len, err);
}

int hoy_stream_copy_body(struct hoy_http *http, bool tty, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);
	struct demux d = {};
	ssize_t n;
	int r = 0;

	if (!piece)
		return hoy_err_oom(err);
	while (r == 0 && (n = hoy_http_read(http, piece, PIECE, err)) != 0) {
		if (n < 0)
			return (int) n;
		if (tty) {
			r = hoy_fd_write_all(STDOUT_FILENO, piece, (size_t) n);
			if (r < 0)
				return hoy_err_code(err, r, "write output");
		} else {
			r = demux(&d, piece, (size_t) n, err);
		}
	}
	return r;
}

int hoy_stream_check_tty(bool tty, bool attach_stdin, struct hoy_err *err)
{
	if (tty && attach_stdin && !isatty(STDIN_FILENO))
		return hoy_err_invalid(err, "the input device is not a TTY");
	return 0;
}

void hoy_stream_send_size(const struct hoy_stream *stream)
{
	struct winsize size;
	auto_free char *path = NULL;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || (!size.ws_row && !size.ws_col))
		return;
	path = hoy_str_printf("/%s/%s/resize?h=%u&w=%u", stream->exec ? "exec" : "containers",
		stream->exec ? stream->exec : stream->container, size.ws_row, size.ws_col);
	if (path)
		(void) hoy_cli_call(stream->cli, "POST", path, NULL, NULL, NULL);
}

/* The request is sent, what follows the answer's head is the stream's. */
static int upgrade(struct hoy_stream *stream, const struct hoy_http_request *request, struct hoy_err *err)
{
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	int r = hoy_cli_open(stream->cli, request, &http, err);

	if (r < 0)
		return r;
	stream->early = http.in;
	http.in = (struct hoy_buf){ 0 };
	stream->fd = hoy_http_detach(&http);
	return 0;
}

/* Those asked for, else the user's own of config.json, else docker's. */
static const char *keys_of(const struct hoy_stream *stream, const char *given)
{
	const char *own = given ? given : hoy_config_text(&stream->cli->config, "detachKeys");

	return own ? own : "ctrl-p,ctrl-q";
}

int hoy_stream_exec(struct hoy_stream *stream, const char *detach_keys, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/exec/%s/start", stream->exec);
	const char *body = stream->tty ? "{\"Tty\":true}" : "{}";
	const struct hoy_http_request request = {
		.method = "POST",
		.path = path,
		.upgrade = true,
		.body_fd = -1,
		.content_type = "application/json",
		.body = body,
		.body_len = strlen(body),
	};

	if (!path)
		return hoy_err_oom(err);
	(void) hoy_detach_keys_parse(keys_of(stream, detach_keys), &stream->keys, NULL);
	return upgrade(stream, &request, err);
}

int hoy_stream_attach(struct hoy_stream *stream, const char *detach_keys, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_http_request request = {
		.method = "POST", .upgrade = true, .body_fd = -1, .content_type = "text/plain"
	};
	int r = hoy_detach_keys_parse(keys_of(stream, detach_keys), &stream->keys, err);

	if (r < 0)
		return hoy_err_wrap(err, "--detach-keys %s", keys_of(stream, detach_keys));
	(void) hoy_buf_addf(&path, "/containers/%s/attach?stream=1&stdin=%d&stdout=%d&stderr=%d", stream->container,
		stream->stdin_open, stream->stdout_open, stream->stderr_open);
	if (detach_keys) {
		(void) hoy_buf_adds(&path, "&detachKeys=");
		hoy_http_escape(&path, detach_keys);
	}
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	return upgrade(stream, &request, err);
}

void hoy_stream_done(struct hoy_stream *stream)
{
	hoy_fd_close(&stream->fd);
	hoy_buf_done(&stream->early);
}

/* What is restored on every way out. */
struct terminal {
	bool raw;
	struct termios saved;
};

static void set_raw(struct terminal *terminal)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
		return;
	raw = terminal->saved;
	cfmakeraw(&raw);
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct terminal *terminal)
{
	if (terminal->raw)
		(void) tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
	terminal->raw = false;
}

static void forward_signal(const struct hoy_stream *stream, int sig)
{
	auto_free char *path = hoy_str_printf("/containers/%s/kill?signal=%d", stream->container, sig);

	if (path)
		(void) hoy_cli_call(stream->cli, "POST", path, NULL, NULL, NULL);
}

static void on_signal(const struct hoy_stream *stream, int signals)
{
	struct signalfd_siginfo si;

	if (read(signals, &si, sizeof si) != (ssize_t) sizeof si)
		return;
	if (si.ssi_signo == SIGWINCH)
		hoy_stream_send_size(stream);
	else if (stream->sig_proxy)
		forward_signal(stream, (int) si.ssi_signo);
}

/* Which signals come to the loop: the window's, and what is forwarded. */
static int open_signals(const struct hoy_stream *stream, bool raw, sigset_t *ret_old)
{
	static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	if (raw)
		sigaddset(&set, SIGWINCH);
	if (stream->sig_proxy)
		for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
			sigaddset(&set, forwarded[i]);
	(void) sigprocmask(SIG_BLOCK, &set, ret_old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The loop's state. Input that the engine does not take yet waits in `pending`, and stdin is not read meanwhile: both
 * directions stay bounded and neither blocks the other. */
struct pump {
	struct hoy_stream *stream;
	struct demux demux;
	bool input_open;
	char *output, *pending; /* PIECE bytes each */
	size_t pending_len, pending_sent;
};

static int write_output(struct pump *p, char *data, size_t len, struct hoy_err *err)
{
	int r;

	if (!p->stream->tty)
		return demux(&p->demux, data, len, err);
	r = hoy_fd_write_all(STDOUT_FILENO, data, len);
	return r < 0 ? hoy_err_code(err, r, "write output") : 0;
}

/* A piece of output. 0: go on; 1: the engine closed the stream. */
static int read_output(struct pump *p, struct hoy_err *err)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(p->stream->fd, p->output, PIECE));

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 1;
	if (n < 0)
		return hoy_err_sys(err, "read from the engine");
	return write_output(p, p->output, (size_t) n, err);
}

static void close_input(struct pump *p)
{
	(void) shutdown(p->stream->fd, SHUT_WR);
	p->input_open = false;
	p->pending_len = 0;
}

/* The keys go to the engine too, which then lets go of us; we only have to know that it was no exit. */
static void look_for_keys(struct pump *p, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf rest = {};

	if (hoy_detach_keys_filter(&p->stream->keys, p->pending, len, &rest)) {
		p->stream->detached = true;
		p->input_open = false;
	}
}

static void read_input(struct pump *p)
{
	ssize_t n = TEMP_FAILURE_RETRY(read(STDIN_FILENO, p->pending, PIECE));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_input(p);
		return;
	}
	p->pending_len = (size_t) n;
	p->pending_sent = 0;
	if (p->stream->tty)
		look_for_keys(p, (size_t) n);
}

static void send_input(struct pump *p)
{
	ssize_t n = send(p->stream->fd, p->pending + p->pending_sent, p->pending_len - p->pending_sent,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_input(p);
		return;
	}
	p->pending_sent += n > 0 ? (size_t) n : 0;
	if (p->pending_sent == p->pending_len)
		p->pending_len = 0;
}

static int turn(struct pump *p, int signals, struct hoy_err *err)
{
	struct pollfd fds[] = {
		{ .fd = p->stream->fd, .events = (short) (POLLIN | (p->pending_len ? POLLOUT : 0)) },
		{ .fd = signals, .events = POLLIN },
		{ .fd = p->input_open && !p->pending_len ? STDIN_FILENO : -1, .events = POLLIN },
	};
	/* An engine that does not know the keys would keep us for ever. */
	int r = poll(fds, ARRAY_LEN(fds), p->stream->detached && !p->pending_len ? 2000 : -1);

	if (r == 0)
		return 1;
	if (r < 0)
		return errno == EINTR ? 0 : hoy_err_sys(err, "wait for the stream");
	r = 0;
	if (fds[1].revents)
		on_signal(p->stream, signals);
	if (fds[0].revents & ~POLLOUT)
		r = read_output(p, err);
	if (fds[2].revents)
		read_input(p);
	if (p->pending_len)
		send_input(p);
	return r;
}

static int pump(struct hoy_stream *stream, int signals, struct hoy_err *err)
{
	auto_free char *output = malloc(PIECE), *pending = malloc(PIECE);
	struct pump p = { .stream = stream, .input_open = stream->stdin_open, .output = output, .pending = pending };
	int r = 0;

	if (!output || !pending)
		return hoy_err_oom(err);
	if (stream->early.len)
		r = write_output(&p, stream->early.data, stream->early.len, err);
	while (r == 0)
		r = turn(&p, signals, err);
	return MIN(r, 0);
}

int hoy_stream_run(struct hoy_stream *stream, struct hoy_err *err)
{
	bool raw = stream->tty && stream->stdin_open && isatty(STDIN_FILENO);
	struct terminal terminal = {};
	auto_fd int signals = -EBADF;
	sigset_t old;
	int r;

	signals = open_signals(stream, raw || stream->tty, &old);
	if (signals < 0)
		return hoy_err_sys(err, "create signalfd");
	if (raw)
		set_raw(&terminal);
	r = pump(stream, signals, err);
	restore(&terminal);
	(void) sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
