/* The sockets hoyd serves: unix://PATH, and fd:// for those a service manager passed; READY for that manager. */
#ifndef HOY_DAEMON_SOCKETS_H
#define HOY_DAEMON_SOCKETS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The path of "unix://PATH", NULL for another kind. Points into `host`. */
const char *hoy_host_unix_path(const char *host);

/* Checks an address of -H. HOY_ERR_INVALID for nonsense. */
int hoy_host_check(const char *host, struct hoy_err *err);

/* Listens on a unix socket of that mode, group `group` (NULL: "hoy" if there is such a group; "": ours). A stale socket is replaced, one
 * that is served is HOY_ERR_CONFLICT. The descriptor or -errno. */
int hoy_host_listen_unix(const char *path, const char *group, mode_t mode, struct hoy_err *err);
#define HOY_HOST_MODE 0660

/* Descriptors passed to us (LISTEN_PID, LISTEN_FDS): first is 3; returns how many, close-on-exec. */
int hoy_passed_sockets(struct hoy_err *err);

/* Tells the service manager ("READY=1", sd_notify(3)); without NOTIFY_SOCKET nothing happens. */
void hoy_notify(const char *state);

/* How often the service manager wants to hear WATCHDOG=1, in nanoseconds: half of WATCHDOG_USEC. 0: never, or the
 * variables are meant for another process. */
uint64_t hoy_watchdog_ns(void);

#endif
