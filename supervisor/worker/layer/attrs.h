/* Owners, modes, xattrs and times of files, set through descriptors. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_ATTRS_H
#define HOY_SUPERVISOR_WORKER_LAYER_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

/* Is this xattr one that a layer may set? The marks of overlay itself, labels of the host's security modules and
 * trusted.* are not: they are left out without a word, as docker does. */
bool hoy_layer_attrs_keeps_xattr(const char *name);

/* Sets it on a file descriptor, or with fd < 0 on `base` of the current directory, not following a symlink. A file
 * system that has none of this kind is no failure. */
int hoy_layer_attrs_set_xattr(
	int fd, const char *base, const char *name, const void *value, size_t size, struct hoy_err *err);

/* Owner, mode and xattrs of `from`; *ret_st is what `from` has. */
int hoy_layer_attrs_copy(int from, int to, struct stat *ret_st, struct hoy_err *err);

/* Its xattrs alone. */
int hoy_layer_attrs_copy_xattrs(int from, int to, struct hoy_err *err);

/* All of that, the content and the times. */
int hoy_layer_attrs_copy_file(int from, int to, struct hoy_err *err);

#endif
