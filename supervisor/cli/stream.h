/*
 * The attached stream of a container: our stdin to it, its output to our stdout and stderr, until it ends or the
 * detach keys took us off. With a terminal: raw mode, window size, restored on every way out.
 */
#ifndef HOY_CLI_STREAM_H
#define HOY_CLI_STREAM_H

#include <stdbool.h>

#include "base/detach_keys.h"
#include "supervisor/cli/cli.h"

struct hoy_stream {
	const struct hoy_cli *cli;
	const char *container; /* for resize and signals */
	const char *exec;      /* the exec in it that the stream belongs to; NULL: its first process */
	bool tty;              /* the container has a terminal: raw bytes, no frames */
	bool stdin_open;       /* send our stdin */
	bool stdout_open, stderr_open;
	bool sig_proxy; /* forward signals we get */
	bool detached;  /* set by the run: the detach keys were typed, the container goes on */
	struct hoy_detach_keys keys;
	int fd;               /* the raw connection; owned */
	struct hoy_buf early; /* bytes that came with the answer's head; owned */
};

/* POST /containers/ID/attach with the wanted streams, upgraded. `detach_keys` NULL: ctrl-p,ctrl-q. */
int hoy_stream_attach(struct hoy_stream *stream, const char *detach_keys, struct hoy_err *err);

/* POST /exec/ID/start, upgraded. `detach_keys` are those the exec was made with. */
int hoy_stream_exec(struct hoy_stream *stream, const char *detach_keys, struct hoy_err *err);

/* Copies until the engine closes the stream. 0 or -errno. */
int hoy_stream_run(struct hoy_stream *stream, struct hoy_err *err);

void hoy_stream_done(struct hoy_stream *stream);

/* Copies a framed (or, with a terminal, raw) body of an HTTP answer to stdout and stderr: logs. */
int hoy_stream_copy_body(struct hoy_http *http, bool tty, struct hoy_err *err);

/* Tells the engine the size of our terminal, if we have one. Errors don't matter: the container may be gone. */
void hoy_stream_send_size(const struct hoy_stream *stream);

/* Is stdin a terminal? docker's text when -t is asked for without one. */
int hoy_stream_check_tty(bool tty, bool attach_stdin, struct hoy_err *err);

#endif
