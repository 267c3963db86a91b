/* Names inside the container's root file system: opened, or made, without ever leaving it. */
#ifndef HOY_RUNTIME_TARGET_H
#define HOY_RUNTIME_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Where something is mounted: the descriptor itself (name ""), or `name` in that directory where nobody can exchange it
 * meanwhile: it was just made in a file system that only we reach, or the kernel makes the names there.
 */
struct hoy_spot {
	int at;
	const char *name;
};

/* O_PATH fd of `path` below `root`, symlinks followed inside of it. -ENOENT when missing. */
int hoy_target_open(int root, const char *path, struct hoy_err *err);

/* The same; what is missing is made: directories (0755) on the way, and an empty file or a directory at the end. A
 * dangling symlink is followed: what it names is made. */
int hoy_target_make(int root, const char *path, bool directory, struct hoy_err *err);
/* *ret_made: its last part was not there. */
int hoy_target_make_new(int root, const char *path, bool directory, bool *ret_made, struct hoy_err *err);

/* Directory that holds the last part of `path`, made when missing; *ret_name points into `path`. */
int hoy_target_parent(int root, const char *path, const char **ret_name, struct hoy_err *err);

/* True when the descriptor is on a file system with that magic number. */
bool hoy_fd_is_on(int fd, long magic);

#endif
