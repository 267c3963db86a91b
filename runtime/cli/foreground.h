/* `run` and `restore` without --detach: we stay, forward signals, serve the terminal and return the program's status.
 */
#ifndef HOY_RUNTIME_FOREGROUND_H
#define HOY_RUNTIME_FOREGROUND_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_container;

/* Before the container is made: blocks the signals that will be forwarded (none is lost between start and serve) and
 * becomes the reaper of orphans. */
int hoy_foreground_prepare(bool subreaper, struct hoy_err *err);

/* Until the container's process ends. *ret_status: its exit code, or 128 + signal. */
int hoy_foreground_serve(struct hoy_container *container, int *ret_status, struct hoy_err *err);

/* Lets others see the container, whose program runs now. Unless `detach`, stays until its process ends and (unless
 * `keep`) deletes it. Returns the exit status: the program's exit code, or 128 + signal. */
int hoy_foreground_stay(const char *root, struct hoy_container *container, bool detach, bool keep, struct hoy_err *err);

#endif
