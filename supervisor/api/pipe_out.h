/* What a worker writes into a pipe as the body of an answer, with back-pressure. */
#ifndef HOY_API_PIPE_OUT_H
#define HOY_API_PIPE_OUT_H

#include "base/err.h"

struct hoy_http_exchange;
struct hoy_loop;
struct hoy_pipe_out;

struct hoy_pipe_out_handler {
	void (*gone)(void *userdata); /* the client has left; the object is freed by itself */
	void (*over)(void *userdata); /* end of the pipe: all was passed on. hoy_pipe_out_end() is next */
	void *userdata;
};

/* Begins the answer (200, `type`) and reads `fd`, which it owns, also on failure. */
int hoy_pipe_out_new(struct hoy_pipe_out **ret, struct hoy_loop *loop, struct hoy_http_exchange *x, const char *type,
	int fd, const struct hoy_pipe_out_handler *handler, struct hoy_err *err);
/* Ends the answer, and frees. */
void hoy_pipe_out_end(struct hoy_pipe_out *out);

#endif
