/* The streams of one process. */
#include "shim/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/audience.h"
#include "shim/console.h"
#include "shim/inlet.h"
#include "shim/log.h"
#include "shim/logger.h"
#include "shim/outlet.h"
#include "shim/protocol.h"
#include "shim/pump.h"
#include "shim/stream.h"

enum target_kind {
	TARGET_NULL,   /* "" */
	TARGET_FIFO,   /* path, fifo:// */
	TARGET_FILE,   /* file:// */
	TARGET_BINARY, /* binary:// */
	TARGET_LOG,    /* json-file://, local://, journald: */
	TARGET_NONE,   /* none: */
	TARGET_STDIN,  /* hoy-stdin: */
	TARGET_STDIN_ONCE,
	TARGET_STREAM, /* ttrpc+unix:// */
};

struct target {
	enum target_kind kind;
	const char *path;
};

struct hoy_io {
	struct hoy_loop *loop;
	bool terminal;
	struct target targets[3];
	char *uris[3];
	int child_fds[3]; /* the process's ends */
	int own_fds[3];   /* ours */
	int fifo_fds[3];  /* containerd's fifo or file */
	int stdin_keep;   /* write end of containerd's stdin fifo: no end of input before CloseIO */
	uid_t uid;
	gid_t gid;

	struct hoy_console console;
	int master;
	struct winsize size;

	struct hoy_outlog *log;
	struct hoy_logger *logger;
	bool logger_is_ready;
	hoy_io_ready ready;
	struct hoy_audience *audience;
	struct hoy_inlet *inlet;
	bool stdin_closed; /* before there was an inlet */
	struct hoy_outlet *outlets[3];
	struct hoy_pump *pumps[3];
	struct hoy_streams *streams;
	char *stream_names[3]; /* of TARGET_STREAM */
	struct hoy_stream_port *ports[3];

	unsigned int open_outputs;
	bool exited, drained_told;
	hoy_io_drained drained;
	void *userdata;
	struct hoy_source *tell; /* drained is told from the loop, never from inside a call */
};

/* --- what was asked for ------------------------------------------------------------------------------------------- */

static int parse_target(const char *uri, int which, struct target *ret, struct hoy_err *err)
{
	static const struct {
		const char *prefix;
		enum target_kind kind;
		bool input;
	} schemes[] = {
		{ HOY_SHIM_JSON_FILE, TARGET_LOG, false },
		{ HOY_SHIM_LOCAL, TARGET_LOG, false },
		{ HOY_SHIM_JOURNALD, TARGET_LOG, false },
		{ HOY_SHIM_NONE, TARGET_NONE, false },
		{ HOY_SHIM_STDIN_ONCE, TARGET_STDIN_ONCE, true },
		{ HOY_SHIM_STDIN, TARGET_STDIN, true },
		{ "file://", TARGET_FILE, false },
		{ "binary://", TARGET_BINARY, false },
	};
	bool input = which == STDIN_FILENO;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].input == input && hoy_str_starts(uri, schemes[i].prefix)) {
			*ret = (struct target){ schemes[i].kind, uri + strlen(schemes[i].prefix) };
			return 0;
		}
	if (hoy_str_starts(uri, HOY_STREAM_SCHEME)) {
		*ret = (struct target){ TARGET_STREAM, uri };
		return 0;
	}
	if (hoy_str_starts(uri, "fifo://"))
		uri += strlen("fifo://");
	if (*uri && *uri != '/')
		return hoy_err_unsupported(err, "stdio '%s' is not supported", uri);
	*ret = (struct target){ *uri ? TARGET_FIFO : TARGET_NULL, uri };
	return 0;
}

static bool is_outlet(const struct hoy_io *io, int which)
{
	enum target_kind kind = io->targets[which].kind;

	return kind == TARGET_LOG || kind == TARGET_NONE || (kind == TARGET_NULL && io->terminal && which == 1);
}

static bool is_pump(const struct hoy_io *io, int which)
{
	enum target_kind kind = io->targets[which].kind;

	return kind == TARGET_FIFO || ((kind == TARGET_FILE || kind == TARGET_BINARY) && io->terminal);
}

static bool is_stream(const struct hoy_io *io, int which)
{
	return io->targets[which].kind == TARGET_STREAM;
}

static bool is_inlet(const struct hoy_io *io)
{
	return io->targets[0].kind == TARGET_STDIN || io->targets[0].kind == TARGET_STDIN_ONCE;
}

static void on_receiver_ready(void *userdata)
{
	struct hoy_io *io = userdata;

	for (int which = 1; which <= 2; which++)
		if (io->outlets[which])
			hoy_outlet_ready(io->outlets[which]);
}

/* One log for both outputs, and how much its receivers may hold up the process. */
static int open_log(struct hoy_io *io, const struct hoy_io_options *how, struct hoy_err *err)
{
	auto_(hoy_outlog_options_done) struct hoy_outlog_options options = {};
	struct hoy_outlog_setup setup = {
		.loop = io->loop,
		.reaper = how->reaper,
		.ready = on_receiver_ready,
		.userdata = io,
	};
	int which = io->targets[1].kind == TARGET_LOG || io->targets[1].kind == TARGET_NONE ? 1 : 2;
	int r;

	if (io->targets[which].kind != TARGET_LOG && io->targets[which].kind != TARGET_NONE)
		return 0;
	r = hoy_outlog_parse_mode(io->uris[which], &setup.mode, err);
	if (r < 0)
		return r;
	if (setup.mode.lossy)
		hoy_audience_set_lossy(io->audience, setup.mode.max_buffer);
	which = io->targets[1].kind == TARGET_LOG ? 1 : 2;
	if (io->targets[which].kind != TARGET_LOG)
		return 0;
	if (io->targets[3 - which].kind == TARGET_LOG && strcmp(io->uris[1], io->uris[2]) != 0)
		return hoy_err_invalid(err, "stdout and stderr name different logs");
	r = hoy_outlog_parse(io->uris[which], &options, err);
	return r < 0 ? r : hoy_outlog_open(&options, &setup, &io->log, err);
}

static void on_logger_ready(void *userdata)
{
	struct hoy_io *io = userdata;

	io->logger_is_ready = true;
	io->ready(io->userdata);
}

/* One driver for both outputs. Its pipes go to the process itself, or take what the terminal gives. */
static int open_logger(struct hoy_io *io, const struct hoy_io_options *options, struct hoy_err *err)
{
	int which = io->targets[1].kind == TARGET_BINARY ? 1 : 2, fds[2], r;
	const struct hoy_logger_options how = {
		.loop = io->loop,
		.reaper = options->reaper,
		.uri = io->uris[which],
		.id = options->id,
		.namespace_ = options->namespace_,
		.lingering = options->lingering,
	};

	if (io->targets[which].kind != TARGET_BINARY)
		return 0;
	if (io->targets[3 - which].kind == TARGET_BINARY && strcmp(io->uris[1], io->uris[2]) != 0)
		return hoy_err_invalid(err, "stdout and stderr name different log drivers");
	r = hoy_logger_start(&how, on_logger_ready, io, fds, &io->logger, err);
	if (r < 0)
		return r;
	for (int i = 1; i <= 2; i++)
		if (io->targets[i].kind != TARGET_BINARY)
			hoy_fd_close(&fds[i - 1]);
		else if (io->terminal)
			io->fifo_fds[i] = fds[i - 1];
		else
			io->child_fds[i] = fds[i - 1];
	return 0;
}

/* Read-write, so that it neither waits for containerd's client nor breaks when that goes. */
static int open_output_fifo(struct hoy_io *io, int which, struct hoy_err *err)
{
	const char *path = io->targets[which].path;

	io->fifo_fds[which] = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return io->fifo_fds[which] < 0 ? hoy_err_sys(err, "open fifo '%s'", path) : 0;
}

static int open_file(struct hoy_io *io, int which, struct hoy_err *err)
{
	const char *path = io->targets[which].path;
	auto_free char *dir = strndup(path, (size_t) (hoy_path_base(path) - path));
	int r;

	if (!dir)
		return hoy_err_oom(err);
	r = hoy_path_mkdir_all(dir, 0755, err);
	if (r < 0)
		return r;
	io->fifo_fds[which] = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return io->fifo_fds[which] < 0 ? hoy_err_sys(err, "open '%s'", path) : 0;
}

static int make_pipe(struct hoy_io *io, int which, struct hoy_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "make a pipe");
	io->child_fds[which] = which == 0 ? ends[0] : ends[1];
	io->own_fds[which] = which == 0 ? ends[1] : ends[0];
	if ((io->uid || io->gid) && fchown(io->child_fds[which], io->uid, io->gid) < 0)
		return hoy_err_sys(err, "give a pipe to %u:%u", io->uid, io->gid);
	return 0;
}

static int open_stream(struct hoy_io *io, int which, struct hoy_err *err)
{
	int r = 0;

	if (io->targets[which].kind == TARGET_FIFO && which != 0)
		r = open_output_fifo(io, which, err);
	else if (io->targets[which].kind == TARGET_FILE)
		r = open_file(io, which, err);
	if (r < 0 || io->terminal)
		return r;
	if (io->targets[which].kind == TARGET_FILE) { /* needs no copying: the process writes itself */
		io->child_fds[which] = TAKE_FD(io->fifo_fds[which]);
		return 0;
	}
	if (is_pump(io, which) || is_stream(io, which) || (which == 0 ? is_inlet(io) : is_outlet(io, which)))
		return make_pipe(io, which, err);
	return 0;
}

static void on_inlet_ready(void *userdata)
{
	struct hoy_io *io = userdata;

	hoy_audience_inlet_ready(io->audience);
}

static void on_tell(struct hoy_source *source, void *userdata)
{
	struct hoy_io *io = userdata;

	(void) source;
	io->tell = hoy_source_free(io->tell);
	io->drained(io->userdata);
}

static void tell_if_drained(struct hoy_io *io)
{
	if (!io->exited || io->open_outputs || io->drained_told)
		return;
	io->drained_told = true;
	hoy_audience_end(io->audience);
	if (hoy_loop_defer(io->loop, &io->tell, on_tell, io, /* err= */ NULL) < 0)
		io->drained(io->userdata);
}

static void on_output_end(void *userdata)
{
	struct hoy_io *io = userdata;

	io->open_outputs--;
	tell_if_drained(io);
}

static struct hoy_io *allocate(
	const struct hoy_io_options *options, hoy_io_ready ready, hoy_io_drained drained, void *userdata)
{
	const char *uris[3] = { options->stdin_, options->stdout_, options->stderr_ };
	struct hoy_io *io = calloc(1, sizeof *io);

	if (!io)
		return NULL;
	io->loop = options->loop;
	io->terminal = options->terminal;
	io->uid = options->uid;
	io->gid = options->gid;
	io->streams = options->streams;
	io->ready = ready;
	io->drained = drained;
	io->userdata = userdata;
	io->stdin_keep = io->master = -EBADF;
	for (int i = 0; i < 3; i++) {
		io->child_fds[i] = io->own_fds[i] = io->fifo_fds[i] = -EBADF;
		io->uris[i] = strdup(uris[i]);
	}
	if (!io->uris[0] || !io->uris[1] || !io->uris[2]) {
		hoy_io_free(io);
		return NULL;
	}
	return io;
}

int hoy_io_new(const struct hoy_io_options *options, hoy_io_ready ready, hoy_io_drained drained, void *userdata,
	struct hoy_io **ret, struct hoy_err *err)
{
	auto_ptr(hoy_io_free) struct hoy_io *io = allocate(options, ready, drained, userdata);
	int r;

	if (!io)
		return hoy_err_oom(err);
	r = hoy_audience_new(io->loop, on_receiver_ready, io, options->lingering, &io->audience, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++) {
		r = parse_target(io->uris[i], i, &io->targets[i], err);
		if (r >= 0 && is_stream(io, i))
			r = hoy_streams_parse(io->streams, io->uris[i], &io->stream_names[i], err);
		if (r < 0)
			return r;
	}
	if (io->terminal)
		io->targets[2] = (struct target){ TARGET_NULL, "" };
	r = open_log(io, options, err);
	if (r >= 0)
		r = open_logger(io, options, err);
	for (int i = 0; i < 3 && r >= 0; i++)
		r = open_stream(io, i, err);
	if (r >= 0 && io->terminal)
		r = hoy_console_open(options->socket_dir, &io->console, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(io);
	return 0;
}

void hoy_io_free(struct hoy_io *io)
{
	if (!io)
		return;
	hoy_source_free(io->tell);
	for (int i = 0; i < 3; i++) {
		hoy_outlet_free(io->outlets[i]);
		hoy_pump_free(io->pumps[i]);
		if (io->stream_names[i] && !io->ports[i])
			hoy_streams_drop(io->streams, io->stream_names[i]);
		hoy_stream_port_free(io->ports[i]);
		free(io->stream_names[i]);
		hoy_fd_close(&io->child_fds[i]);
		hoy_fd_close(&io->own_fds[i]);
		hoy_fd_close(&io->fifo_fds[i]);
		free(io->uris[i]);
	}
	hoy_audience_free(io->audience);
	hoy_inlet_free(io->inlet);
	hoy_console_done(&io->console);
	hoy_outlog_free(io->log);
	hoy_logger_free(io->logger);
	hoy_fd_close(&io->stdin_keep);
	hoy_fd_close(&io->master);
	free(io);
}

bool hoy_io_is_ready(const struct hoy_io *io)
{
	return !io->logger || io->logger_is_ready;
}

int hoy_io_check(const struct hoy_io *io, struct hoy_err *err)
{
	return io->logger ? hoy_logger_check(io->logger, err) : 0;
}

const int *hoy_io_child_fds(const struct hoy_io *io)
{
	return io->child_fds;
}

const char *hoy_io_console_socket(const struct hoy_io *io)
{
	return io->console.path;
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

static int start_terminal(struct hoy_io *io, struct hoy_err *err)
{
	int master = hoy_console_receive(&io->console, err);

	hoy_console_done(&io->console);
	if (master < 0)
		return master;
	io->master = master;
	if (io->size.ws_row || io->size.ws_col)
		(void) ioctl(master, TIOCSWINSZ, &io->size);
	for (int which = 0; which <= 1; which++) {
		int copy = hoy_fd_dup(master);

		if (copy < 0)
			return hoy_err_code(err, copy, "duplicate the terminal");
		io->own_fds[which] = copy;
	}
	return 0;
}

static int start_input(struct hoy_io *io, struct hoy_err *err)
{
	int r;

	if (is_pump(io, 0))
		return 0; /* hoy_io_open_stdin() */
	if (is_stream(io, 0)) {
		r = hoy_stream_port_input(
			io->streams, io->stream_names[0], TAKE_FD(io->own_fds[0]), &io->ports[0], err);
		if (r >= 0 && io->stdin_closed)
			hoy_stream_port_close_input(io->ports[0]);
		return r;
	}
	if (!is_inlet(io)) {
		hoy_fd_close(&io->own_fds[0]);
		return 0;
	}
	r = hoy_inlet_new(io->loop, TAKE_FD(io->own_fds[0]), on_inlet_ready, io, &io->inlet, err);
	if (r < 0)
		return r;
	/* A terminal has no end of input: who detaches from it may attach again. */
	hoy_audience_set_inlet(io->audience, io->inlet, !io->terminal && io->targets[0].kind == TARGET_STDIN_ONCE);
	if (io->stdin_closed)
		hoy_inlet_close(io->inlet);
	hoy_audience_inlet_ready(io->audience);
	return 0;
}

static int start_output(struct hoy_io *io, int which, struct hoy_err *err)
{
	int r;

	if (is_pump(io, which)) {
		r = hoy_pump_new(io->loop, TAKE_FD(io->own_fds[which]), TAKE_FD(io->fifo_fds[which]), on_output_end, io,
			&io->pumps[which], err);
	} else if (is_stream(io, which)) {
		r = hoy_stream_port_output(io->streams, io->stream_names[which], TAKE_FD(io->own_fds[which]),
			on_output_end, io, &io->ports[which], err);
	} else if (is_outlet(io, which)) {
		r = hoy_outlet_new(io->loop, TAKE_FD(io->own_fds[which]), (enum hoy_output) which,
			io->targets[which].kind == TARGET_LOG ? io->log : NULL, io->audience, on_output_end, io,
			&io->outlets[which], err);
		if (r >= 0)
			r = hoy_outlet_start(io->outlets[which], err);
	} else {
		return 0;
	}
	if (r >= 0)
		io->open_outputs++;
	return r;
}

int hoy_io_start(struct hoy_io *io, struct hoy_err *err)
{
	int r = 0;

	for (int i = 0; i < 3; i++)
		hoy_fd_close(&io->child_fds[i]);
	if (io->terminal)
		r = start_terminal(io, err);
	if (r >= 0)
		r = start_input(io, err);
	for (int which = 1; which <= 2 && r >= 0; which++)
		r = start_output(io, which, err);
	return r;
}

/* The write end beside the read end keeps the input open until CloseIO, whoever comes and goes meanwhile. */
int hoy_io_open_stdin(struct hoy_io *io, struct hoy_err *err)
{
	const char *path = io->targets[0].path;

	if (!is_pump(io, 0) || io->pumps[0] || io->own_fds[0] < 0)
		return 0;
	io->fifo_fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (io->fifo_fds[0] >= 0 && !io->stdin_closed)
		io->stdin_keep = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (io->fifo_fds[0] < 0)
		return hoy_err_sys(err, "open fifo '%s'", path);
	return hoy_pump_new(
		io->loop, TAKE_FD(io->fifo_fds[0]), TAKE_FD(io->own_fds[0]), /* end= */ NULL, NULL, &io->pumps[0], err);
}

void hoy_io_close_stdin(struct hoy_io *io)
{
	hoy_fd_close(&io->stdin_keep);
	io->stdin_closed = true;
	if (io->inlet)
		hoy_inlet_close(io->inlet);
	if (io->ports[0])
		hoy_stream_port_close_input(io->ports[0]);
}

int hoy_io_resize(struct hoy_io *io, unsigned int width, unsigned int height, struct hoy_err *err)
{
	if (!io->terminal)
		return hoy_err_code(err, -ENOTTY, "resize");
	io->size.ws_col = (unsigned short) MIN(width, 65535U);
	io->size.ws_row = (unsigned short) MIN(height, 65535U);
	if (io->master >= 0 && ioctl(io->master, TIOCSWINSZ, &io->size) < 0)
		return hoy_err_sys(err, "resize the terminal");
	return 0;
}

bool hoy_io_can_attach(const struct hoy_io *io)
{
	return is_outlet(io, 1) || is_outlet(io, 2) || is_inlet(io);
}

int hoy_io_attach(struct hoy_io *io, int fd, const struct hoy_audience_client *how, const char *input, size_t input_len,
	struct hoy_err *err)
{
	struct hoy_audience_client client = *how;

	if (io->drained_told) {
		hoy_fd_close(&fd);
		return hoy_err_conflict(err, "the process has exited");
	}
	client.stdin_ = how->stdin_ && is_inlet(io);
	if (!io->terminal)
		client.detach_keys = NULL;
	return hoy_audience_add(io->audience, fd, &client, input, input_len, err);
}

void hoy_io_process_exited(struct hoy_io *io)
{
	if (io->exited)
		return;
	io->exited = true;
	hoy_audience_set_inlet(io->audience, NULL, /* once= */ false);
	hoy_inlet_free(io->inlet);
	io->inlet = NULL;
	hoy_pump_free(io->pumps[0]);
	io->pumps[0] = NULL;
	hoy_stream_port_free(io->ports[0]);
	io->ports[0] = NULL;
	for (int which = 1; which <= 2; which++)
		if (io->outlets[which])
			hoy_outlet_process_exited(io->outlets[which]);
	tell_if_drained(io);
}

bool hoy_io_is_drained(const struct hoy_io *io)
{
	return io->exited && !io->open_outputs;
}

bool hoy_io_has_log(const struct hoy_io *io)
{
	return io->log || io->targets[1].kind == TARGET_NONE;
}
