/*
 * Copies one descriptor into another until end of file: a process's pipe or terminal and a fifo of containerd's.
 * Between pipes the bytes never enter our memory. When the receiver fails, the rest is read and dropped, so that the
 * process is never blocked by it.
 */
#ifndef HOY_SHIM_PUMP_H
#define HOY_SHIM_PUMP_H

#include "base/err.h"

struct hoy_loop;
struct hoy_pump;

/* End of file was seen and everything is written (or dropped); `to` is closed. */
typedef void (*hoy_pump_end)(void *userdata);

/* Takes both descriptors, also on failure, and makes them non-blocking. `to` may be a regular file. `end` may be NULL.
 */
int hoy_pump_new(struct hoy_loop *loop, int from, int to, hoy_pump_end end, void *userdata, struct hoy_pump **ret,
	struct hoy_err *err);
void hoy_pump_free(struct hoy_pump *pump);

#endif
