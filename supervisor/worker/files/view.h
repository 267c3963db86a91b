/*
 * What a container sees, as the worker's own root directory: the mount namespace of a running one, or an overlay with
 * the container's mounts on it in a namespace that ends with the worker. Nothing is mounted on the host.
 */
#ifndef HOY_SUPERVISOR_WORKER_FILES_VIEW_H
#define HOY_SUPERVISOR_WORKER_FILES_VIEW_H

#include "base/err.h"
#include "base/json.h"

struct hoy_view {
	int root;  /* the view's root directory */
	int lower; /* changes: the merged layers below; else -EBADF */
	int other; /* the merged layers of "other_layers"; else -EBADF */
	int proc;  /* /proc/self/fd of the host, to open again what an O_PATH descriptor names; -EBADF: not needed */
};

/* Enters what the request describes; `namespace` is the descriptor of a mount namespace or < 0. From here on every path
 * is one inside the view. */
int hoy_view_enter(const struct hoy_json *request, int namespace, struct hoy_view *ret, struct hoy_err *err);

/* Opens for reading what the O_PATH descriptor `fd` names, if it is a regular file or a directory: nothing else is ever
 * opened, as opening a device or a pipe does something. */
int hoy_view_reopen(const struct hoy_view *view, int fd, struct hoy_err *err);

#endif
