/* Server mode: the process that stays. Listens on descriptor 3, logs to 2. */
#ifndef HOY_SHIM_SERVER_H
#define HOY_SHIM_SERVER_H

#include "base/err.h"

struct hoy_shim_flags;

#define HOY_SHIM_SERVER_ACTION "serve"
#define HOY_SHIM_LISTEN_FD 3

/* Returns when the shim is done; the exit code or -errno. */
int hoy_shim_serve(const struct hoy_shim_flags *flags, struct hoy_err *err);

#endif
