/* The mount calls by descriptor, with errors that say what was mounted. */
#ifndef HOY_RUNTIME_MOUNT_API_H
#define HOY_RUNTIME_MOUNT_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* A detached clone of the tree at `path` (relative to `at`; "" is the descriptor itself). Mount fd or -errno. */
int hoy_mount_clone(int at, const char *path, bool recursive, struct hoy_err *err);
/* The same with other attributes, MOUNT_ATTR_* (all of it when recursive): one call where the kernel can (6.15). */
int hoy_mount_clone_set(int at, const char *path, bool recursive, uint64_t set, uint64_t clear, struct hoy_err *err);

/* Puts the detached tree on the file or directory `target` (a descriptor). */
int hoy_mount_attach(int tree, int target, struct hoy_err *err);
/* On `name` in the directory `at`, a symlink is not followed; "": on `at` itself. */
int hoy_mount_attach_at(int tree, int at, const char *name, struct hoy_err *err);

int hoy_mount_set(int mount, uint64_t set, uint64_t clear, bool recursive, struct hoy_err *err);
/* Maps the ids of the detached tree by the user namespace `user_ns`; `source` is for the error text. */
int hoy_mount_idmap(int tree, int user_ns, bool recursive, const char *source, struct hoy_err *err);
int hoy_mount_propagation(int at, const char *path, unsigned int ms_flags, struct hoy_err *err);

/*
 * A new file system of `type` with options "key=value" or "flag" (`data` may be NULL), as a detached mount with the
 * attributes `attrs`. For the child (a descriptor is left to its sweep). Errors carry what the kernel says about the
 * options. Mount fd or -errno.
 */
int hoy_mount_new(const char *type, const char *source, char *const *data, uint64_t attrs, struct hoy_err *err);

/* The same by mount(2), in one call, on `name` in the directory `at` (< 0: the working directory, else it becomes
 * that). False: it can't be done so, or was refused; nothing has happened but that. */
bool hoy_mount_at_once(
	const char *type, const char *source, char *const *data, uint64_t attrs, int at, const char *name);

/* By mount(2), for what hoy_mount_new() can't carry: a value longer than 255 bytes. Mounts on `target` directly; the
 * caller opens the new mount by its path and sets the attributes. */
int hoy_mount_new_by_string(const char *type, const char *source, char *const *data, int target, struct hoy_err *err);
bool hoy_mount_needs_string(char *const *data);

#endif
