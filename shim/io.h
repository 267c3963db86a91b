/*
 * stdin, stdout and stderr of one process: parses what the caller asked for (shim/protocol.h), makes the pipes the
 * runtime gets, then connects them with fifos, log files and attached clients.
 *
 *	hoy_io_new() -> run the runtime with hoy_io_child_fds() -> hoy_io_start() -> hoy_io_process_exited() -> drained
 */
#ifndef HOY_SHIM_IO_H
#define HOY_SHIM_IO_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_audience_client;
struct hoy_io;
struct hoy_loop;
struct hoy_reaper;
struct hoy_streams;

struct hoy_io_options {
	struct hoy_loop *loop;
	bool terminal;
	const char *stdin_, *stdout_, *stderr_; /* never NULL; "" is none */
	const char *socket_dir;                 /* for the console socket */
	uid_t uid;                              /* owner of the pipes: root inside the container's user namespace */
	gid_t gid;
	size_t *lingering; /* see shim/audience.h and shim/logger.h */
	struct hoy_reaper *reaper;
	struct hoy_streams *streams;
	const char *id, *namespace_; /* told to a log driver */
};

/* A log driver is ready for output; runs once, if hoy_io_is_ready() said no. */
typedef void (*hoy_io_ready)(void *userdata);

/* All output is where it belongs; runs once, only after hoy_io_process_exited(). */
typedef void (*hoy_io_drained)(void *userdata);

int hoy_io_new(const struct hoy_io_options *options, hoy_io_ready ready, hoy_io_drained drained, void *userdata,
	struct hoy_io **ret, struct hoy_err *err);
void hoy_io_free(struct hoy_io *io); /* stops copying; NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_io, hoy_io_free);

/* The process may be made: its log driver, if it has one, is ready. */
bool hoy_io_is_ready(const struct hoy_io *io);
/* When it is ready: the error of a log driver that is not. */
int hoy_io_check(const struct hoy_io *io, struct hoy_err *err);

/* What the runtime gets as 0, 1 and 2: with a terminal -1 (/dev/null) and a console socket instead. */
const int *hoy_io_child_fds(const struct hoy_io *io);
const char *hoy_io_console_socket(const struct hoy_io *io); /* NULL without a terminal */

/* The runtime has succeeded: closes the child's ends, receives the terminal, begins to copy. */
int hoy_io_start(struct hoy_io *io, struct hoy_err *err);

/* Opens containerd's stdin fifo, if there is one. To be called when the process is started, not before: a client may
 * see the fifo opened, send all its input and want to close it before it has even heard that the process exists. */
int hoy_io_open_stdin(struct hoy_io *io, struct hoy_err *err);

/* CloseIO. */
void hoy_io_close_stdin(struct hoy_io *io);

/* Before the start the size is kept for it. -ENOTTY without a terminal. 0x0 is left to the kernel. */
int hoy_io_resize(struct hoy_io *io, unsigned int width, unsigned int height, struct hoy_err *err);

bool hoy_io_can_attach(const struct hoy_io *io);
/* Takes `fd`, also on failure. */
int hoy_io_attach(struct hoy_io *io, int fd, const struct hoy_audience_client *how, const char *input, size_t input_len,
	struct hoy_err *err);

void hoy_io_process_exited(struct hoy_io *io);
bool hoy_io_is_drained(const struct hoy_io *io);
/* True when output ends in a log of ours, so that a waiter wants it there before it hears of the exit. */
bool hoy_io_has_log(const struct hoy_io *io);

#endif
