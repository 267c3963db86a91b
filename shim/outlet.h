/*
 * One output of a process (a pipe or its terminal), read by us: to the log, to whoever is attached. Reading stops while
 * the log or the audience is full, until the process has exited; then what the pipe holds is read whatever happens.
 */
#ifndef HOY_SHIM_OUTLET_H
#define HOY_SHIM_OUTLET_H

#include "base/err.h"
#include "shim/audience.h"

struct hoy_outlog;
struct hoy_loop;
struct hoy_outlet;

typedef void (*hoy_outlet_end)(void *userdata);

/* `log` may be NULL; log and audience are borrowed. Does not read before hoy_outlet_start(). Takes `fd`, also on
 * failure. `end` runs once, at end of file. */
int hoy_outlet_new(struct hoy_loop *loop, int fd, enum hoy_output output, struct hoy_outlog *log,
	struct hoy_audience *audience, hoy_outlet_end end, void *userdata, struct hoy_outlet **ret,
	struct hoy_err *err);
void hoy_outlet_free(struct hoy_outlet *outlet); /* an unfinished line is written */

int hoy_outlet_start(struct hoy_outlet *outlet, struct hoy_err *err);
/* The log or the audience takes more. */
void hoy_outlet_ready(struct hoy_outlet *outlet);
void hoy_outlet_process_exited(struct hoy_outlet *outlet);

#endif
