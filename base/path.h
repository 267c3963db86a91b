/* Paths: joining and checking strings, and reaching names inside a directory that somebody else controls. */
#ifndef HOY_BASE_PATH_H
#define HOY_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* "a/b" from "a" and "b", one slash between; an absolute `b` wins. Heap, NULL when out of memory. */
char *hoy_path_join(const char *a, const char *b);

/* Lexical clean-up as Go's path.Clean: no "." or "//", ".." folded (never above "/"). Heap, NULL when out of memory. */
char *hoy_path_clean(const char *path);

/* Last part of a path; never empty, points into `path`. */
const char *hoy_path_base(const char *path);

/* True for a name that is one path component: not empty, no '/', not "." or "..". */
bool hoy_path_is_component(const char *name);

/*
 * Opens `path` inside the directory `root` with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): symlinks and ".."
 * stay below `root`, whatever a hostile container does meanwhile. O_CLOEXEC is added. The fd or -errno.
 */
int hoy_path_open_in_root(int root, const char *path, uint64_t flags, mode_t mode, struct hoy_err *err);
/* The same for what exists, and in no other mount than that of `root`: -EXDEV. */
int hoy_path_open_on_mount(int root, const char *path, uint64_t flags, struct hoy_err *err);

/* As above, but creates missing directories with `mode` on the way (existing ones stay as they are). O_PATH fd. */
int hoy_path_mkdir_in_root(int root, const char *path, mode_t mode, struct hoy_err *err);

/* mkdir -p of an ordinary host path. 0 or -errno. */
int hoy_path_mkdir_all(const char *path, mode_t mode, struct hoy_err *err);

/* rm -rf by descriptors: never follows a symlink and never leaves the file system `at`/`path` starts on. A missing
 * path is fine. 0 or -errno. */
int hoy_path_remove_all(int at, const char *path, struct hoy_err *err);

/* Where this user's sockets and locks live: XDG_RUNTIME_DIR, or /run/user/UID if that is theirs. Heap; NULL: no such
 * directory (or out of memory). */
char *hoy_path_user_runtime(void);

/* "/proc/self/fd/N" for an O_PATH descriptor. */
#define HOY_PROC_FD_MAX sizeof("/proc/self/fd/2147483647")
const char *hoy_path_proc_fd(int fd, char buf[HOY_PROC_FD_MAX]);

#endif
