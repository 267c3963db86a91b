/* Waiting for a container's exit beside something else: the engine answers the head at once, the body at the exit. */
#ifndef HOY_CLI_WAIT_H
#define HOY_CLI_WAIT_H

#include "supervisor/cli/cli.h"

/* `condition`: "not-running", "next-exit" (open it before the start) or "removed". */
int hoy_wait_open(const struct hoy_cli *cli, const char *container, const char *condition, struct hoy_http *ret,
	struct hoy_err *err);

/* Blocks until the exit; the container's status, or the engine's error. */
int hoy_wait_read(struct hoy_http *wait, int *ret_status, struct hoy_err *err);

#endif
