/* The short-lived modes: `start`, `delete`, `-info`. Each prints its answer on stdout and ends. */
#ifndef HOY_SHIM_START_H
#define HOY_SHIM_START_H

#include "base/err.h"

struct hoy_shim_bootstrap;
struct hoy_shim_flags;
struct hoy_shim_options;

/* In the bundle, options on stdin: finds or starts the shim of this container's group, prints its address. */
int hoy_shim_start(const struct hoy_shim_flags *flags, struct hoy_err *err);

/* Cleans up after a shim that is gone (or went in order: then there is nothing to do), prints a DeleteResponse. */
int hoy_shim_delete(const struct hoy_shim_flags *flags, struct hoy_err *err);

/* What `start` and `-info` are given on stdin; nothing is fine. */
int hoy_shim_read_stdin(struct hoy_shim_options *options, struct hoy_shim_bootstrap *bootstrap, struct hoy_err *err);

/* Prints RuntimeInfo with what the runtime can do: the one that an Any of options on stdin names, else hoyrun. */
int hoy_shim_info(struct hoy_err *err);

#endif
