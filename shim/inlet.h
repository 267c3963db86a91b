/*
 * The input side of a process whose stdin is ours: bytes from attached clients, written to a pipe or the terminal
 * without blocking. What the process does not take yet is kept, bounded: while something is kept, callers stop reading.
 */
#ifndef HOY_SHIM_INLET_H
#define HOY_SHIM_INLET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_inlet;

/* There is room again after hoy_inlet_is_full() was true. */
typedef void (*hoy_inlet_ready)(void *userdata);

/* Takes `fd` (non-blocking is set), also on failure. */
int hoy_inlet_new(struct hoy_loop *loop, int fd, hoy_inlet_ready ready, void *userdata, struct hoy_inlet **ret,
	struct hoy_err *err);
void hoy_inlet_free(struct hoy_inlet *inlet);

/* Whatever the process no longer reads is dropped. */
void hoy_inlet_write(struct hoy_inlet *inlet, const char *data, size_t len);
bool hoy_inlet_is_full(const struct hoy_inlet *inlet);

/* End of input: closes when all is written. Later writes are dropped. */
void hoy_inlet_close(struct hoy_inlet *inlet);

#endif
