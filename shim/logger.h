/*
 * binary://PATH?key=value: a log driver as a program of its own. It reads the container's stdout on descriptor 3 and
 * its stderr on 4, and says that it is ready by a byte on 5 or by closing it. It gets the key and value pairs as
 * arguments and CONTAINER_ID and CONTAINER_NAMESPACE in its environment.
 */
#ifndef HOY_SHIM_LOGGER_H
#define HOY_SHIM_LOGGER_H

#include <stddef.h>

#include "base/err.h"

struct hoy_logger;
struct hoy_loop;
struct hoy_reaper;

struct hoy_logger_options {
	struct hoy_loop *loop;
	struct hoy_reaper *reaper;
	const char *uri, *id, *namespace_;
	size_t *lingering; /* counts drivers that still work after hoy_logger_free() */
};

/* The driver is ready, or 10 s have passed (then it is taken as it is), or it has failed: hoy_logger_check() says so.
 * Runs once, from the loop. */
typedef void (*hoy_logger_ready)(void *userdata);

/* Starts the driver. ret_fds: the ends to write stdout and stderr to, which are the caller's. */
int hoy_logger_start(const struct hoy_logger_options *options, hoy_logger_ready ready, void *userdata, int ret_fds[2],
	struct hoy_logger **ret, struct hoy_err *err);

/* The error when the driver ended with an exit status other than 0 before it was ready. */
int hoy_logger_check(const struct hoy_logger *logger, struct hoy_err *err);

/* Lets it end by itself: SIGTERM after 5 s, SIGKILL after 10. NULL is fine. */
void hoy_logger_free(struct hoy_logger *logger);

/* Path and arguments of a URI: path first, then key and value in turn. Pure. */
int hoy_logger_parse(const char *uri, char ***ret_argv, struct hoy_err *err);

#endif
