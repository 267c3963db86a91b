/*
 * Who is attached to a process: client streams that get its output (framed or raw) and may give it input. Each has a
 * bounded buffer; while one is full the output is not read further, so nothing is lost and nothing grows (unless it was
 * told to lose something rather). A client that takes nothing for a minute is dropped.
 */
#ifndef HOY_SHIM_AUDIENCE_H
#define HOY_SHIM_AUDIENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_inlet;
struct hoy_audience;

enum hoy_output { HOY_OUTPUT_STDOUT = 1, HOY_OUTPUT_STDERR = 2 }; /* as in the frame header */

struct hoy_audience_client {
	bool stdin_, stdout_, stderr_;
	bool framed;
	const char *detach_keys; /* NULL: not looked for */
};

/* Output may go on after hoy_audience_is_full() was true. */
typedef void (*hoy_audience_ready)(void *userdata);

/* `lingering` counts audiences that outlive their process because a client has not read all yet. */
int hoy_audience_new(struct hoy_loop *loop, hoy_audience_ready ready, void *userdata, size_t *lingering,
	struct hoy_audience **ret, struct hoy_err *err);

/* The process is forgotten: clients get what is buffered for them, then all goes away by itself. NULL is fine. */
void hoy_audience_free(struct hoy_audience *audience);

/* Where input goes; NULL: nowhere (any more). `once`: the first client whose input ends closes it. */
void hoy_audience_set_inlet(struct hoy_audience *audience, struct hoy_inlet *inlet, bool once);
void hoy_audience_inlet_ready(struct hoy_audience *audience);

/* Takes `fd`, a stream socket, also on failure. `input` is what was read from it already. */
int hoy_audience_add(struct hoy_audience *audience, int fd, const struct hoy_audience_client *how, const char *input,
	size_t input_len, struct hoy_err *err);

/* From now on a client that is `max_buffer` behind loses output instead of holding it up; 0: as at first. */
void hoy_audience_set_lossy(struct hoy_audience *audience, size_t max_buffer);

void hoy_audience_send(struct hoy_audience *audience, enum hoy_output output, const char *data, size_t len);
bool hoy_audience_is_full(const struct hoy_audience *audience);

/* No more output will come: each client's stream ends when it has everything. */
void hoy_audience_end(struct hoy_audience *audience);

#endif
