/* The short-lived modes: `start`, `delete`, `-info`. Each prints its answer on stdout and ends. */
#ifndef HOY_SHIM_START_H
#define HOY_SHIM_START_H

#include "base/err.h"

struct hoy_shim_flags;

/* In the bundle, options on stdin: finds or starts the shim of this container's group, prints its address. */
int hoy_shim_start(const struct hoy_shim_flags *flags, struct hoy_err *err);

/* Cleans up after a shim that is gone (or went in order: then there is nothing to do), prints a DeleteResponse. */
int hoy_shim_delete(const struct hoy_shim_flags *flags, struct hoy_err *err);

/* Prints RuntimeInfo with what the runtime can do. */
int hoy_shim_info(struct hoy_err *err);

/* Path of the ttrpc socket of a group; heap, NULL when out of memory. */
char *hoy_shim_socket_path(const char *dir, const char *address, const char *namespace_, const char *group);

#endif
