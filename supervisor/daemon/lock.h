/* One hoyd per root: a lock file that is held while the process lives, and the PID file. */
#ifndef HOY_DAEMON_LOCK_H
#define HOY_DAEMON_LOCK_H

#include "base/err.h"

/* Takes DIR/hoyd.lock. The descriptor holds the lock; HOY_ERR_CONFLICT names who has it. */
int hoy_lock_root(const char *what, const char *dir, struct hoy_err *err);

/* Writes our PID, unless the file names another living process. */
int hoy_pidfile_write(const char *path, struct hoy_err *err);
void hoy_pidfile_remove(const char *path);

#endif
