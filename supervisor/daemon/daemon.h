/* hoyd as an object: all rooms, in the order in which they are opened and closed. */
#ifndef HOY_DAEMON_DAEMON_H
#define HOY_DAEMON_DAEMON_H

#include "base/err.h"

struct hoy_daemon;
struct hoy_daemon_options;

/* Locks the roots, opens store and rooms, recovers, listens. `options` are finished and outlive the daemon. */
int hoy_daemon_open(struct hoy_daemon **ret, struct hoy_daemon_options *options, struct hoy_err *err);
/* Serves until SIGTERM or SIGINT. Returns 0 or -errno. */
int hoy_daemon_run(struct hoy_daemon *daemon, struct hoy_err *err);
/* Closes everything; containers run on under their shims. NULL is fine. */
void hoy_daemon_close(struct hoy_daemon *daemon);
HOY_DEFINE_AUTO_PTR(struct hoy_daemon, hoy_daemon_close);

#endif
