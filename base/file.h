/* Whole small files: read with a cap, written by temp file and rename. */
#ifndef HOY_BASE_FILE_H
#define HOY_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/* Reads the file (at: AT_FDCWD or a directory) into `buf`, at most the buffer's cap. 0 or -errno. */
int hoy_file_read(int at, const char *path, struct hoy_buf *buf, struct hoy_err *err);

/* Reads the rest of an open descriptor. 0 or -errno. */
int hoy_file_read_fd(int fd, const char *name, struct hoy_buf *buf, struct hoy_err *err);

/*
 * Replaces `path` as a whole: temp file beside it, then rename. With HOY_FILE_SYNC file and directory are fsynced,
 * for what must survive a power loss (never under a run directory). 0 or -errno; on failure the old file stays.
 */
enum { HOY_FILE_SYNC = 1 };
int hoy_file_write(int at, const char *path, const void *data, size_t len, mode_t mode, int flags, struct hoy_err *err);

/* One write() of a string into an existing file, as /proc, /sys and cgroup files want it. 0 or -errno. */
int hoy_file_set(int at, const char *path, const char *value, struct hoy_err *err);

#endif
