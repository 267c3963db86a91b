/*
 * Files of a container or an image whose layers are not mounted: a path is resolved as overlayfs would, over the
 * directories top first, with whiteouts, opaque directories and symlinks that stay inside. Every step is by
 * descriptor and follows no link of its own accord, so that nothing in a layer leads outside.
 */
#ifndef HOY_CONTAINER_LAYERED_H
#define HOY_CONTAINER_LAYERED_H

#include <sys/stat.h>

#include "base/err.h"

/* Opens a regular file for reading. -ENOENT when it is not there; other kinds of files are an error. `dirs` is
 * NULL-terminated, the writable layer first. */
int hoy_layered_open(char *const *dirs, const char *path, struct hoy_err *err);

/* What the path names, links followed. 0 or -errno. */
int hoy_layered_stat(char *const *dirs, const char *path, struct stat *ret);

/* Where it lies: for a directory the paths of its parts, top first, of which an overlay shows it; for any other file one.
 * A path names no link below its layer. The list is the caller's. 0 or -errno. */
int hoy_layered_parts(char *const *dirs, const char *path, char ***ret, struct stat *ret_st);

#endif
