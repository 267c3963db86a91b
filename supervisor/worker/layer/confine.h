/*
 * What a hoy-layer process gives up before it looks at a byte of input: the mounts of the host (its target becomes its
 * root), all capabilities but the six that unpacking needs, every system call that unpacking does not need (sockets,
 * processes, mounts among them), memory and core files.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_CONFINE_H
#define HOY_SUPERVISOR_WORKER_LAYER_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The directory as a detached mount of its own. Comes first: later it belongs to a mount namespace that we left. */
int hoy_layer_detach(int target, bool read_only, struct hoy_err *err);

/*
 * The merged, read-only view of lower layers: `names` (top first) in the directory `dir`. A detached mount: it is
 * reached by the returned descriptor alone, and ".." ends at its top. Before hoy_layer_confine().
 */
int hoy_layer_mount_lowers(int dir, char *const *names, size_t n, struct hoy_err *err);

/* The steps of hoy_layer_confine(), for workers that do something between them: a mount namespace of our own; `tree` as
 * our root directory, with the host's mounts gone; all that is given up for good. */
int hoy_layer_private_mounts(struct hoy_err *err);
int hoy_layer_become_root(int tree, int *ret_root, struct hoy_err *err);
int hoy_layer_restrict(struct hoy_err *err);

/* The parts of the last one, for a worker that keeps other capabilities. */
int hoy_layer_limit_resources(struct hoy_err *err);
/* `sockets`: it speaks with strangers over those that it has. */
int hoy_layer_filter_calls(bool sockets, struct hoy_err *err);

/* Makes `tree` the root directory and gives up the rest. *ret_root is a descriptor of the new root. */
int hoy_layer_confine(int tree, int *ret_root, struct hoy_err *err);

#endif
