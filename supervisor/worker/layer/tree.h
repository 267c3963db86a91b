/*
 * A layer's tree on its way to disk: names become files below one root descriptor. Every parent is reached with
 * openat2(RESOLVE_IN_ROOT) and kept open while entries of the same directory follow; nothing is ever reached by a path
 * that a symlink of the layer could bend out of the root.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_TREE_H
#define HOY_SUPERVISOR_WORKER_LAYER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "supervisor/worker/layer/name.h"

struct hoy_layer_tree {
	int root;   /* borrowed */
	int lower;  /* the merged lower layers, read-only; -1: there are none. Borrowed */
	bool alone; /* there are some, but not at hand: what needs them fails with -HOY_LAYER_NEEDS_LOWERS */
	int parent; /* cached: the directory `parent_path` */
	char *parent_path;
	struct hoy_layer_dir *dirs; /* times to set when everything is written */
	size_t n_dirs, dirs_size;
	uint64_t written, checked; /* bytes of content; how many of them when space was last looked at */
};

void hoy_layer_tree_init(struct hoy_layer_tree *tree, int root, int lower);
void hoy_layer_tree_done(struct hoy_layer_tree *tree);

/* The directory that `name` goes into, as a borrowed O_PATH descriptor; missing ones are made. */
int hoy_layer_tree_parent(struct hoy_layer_tree *tree, const struct hoy_layer_name *name, struct hoy_err *err);

/* Makes room for an entry: what stands at `base` in `parent` goes, a whole directory too. Tells whether it was a
 * whiteout of this layer. */
int hoy_layer_tree_clear(
	struct hoy_layer_tree *tree, int parent, const char *base, bool *ret_whiteout, struct hoy_err *err);

/* Makes or opens a directory, opaque when it stands in the place of a whiteout. Returns an open descriptor. */
int hoy_layer_tree_mkdir(struct hoy_layer_tree *tree, int parent, const char *base, struct hoy_err *err);

int hoy_layer_tree_whiteout(struct hoy_layer_tree *tree, int parent, const char *base, struct hoy_err *err);
int hoy_layer_tree_set_opaque(int dir, struct hoy_err *err);

/* Links `name` to `target`, an entry of this layer or a file of the lower ones (then it is copied up first). */
int hoy_layer_tree_link(struct hoy_layer_tree *tree, const struct hoy_layer_name *target,
	const struct hoy_layer_name *name, struct hoy_err *err);

/* Directory times are set at the end, when nothing is written into them any more. */
int hoy_layer_tree_remember_time(
	struct hoy_layer_tree *tree, const char *path, const struct timespec *mtime, struct hoy_err *err);
int hoy_layer_tree_set_times(struct hoy_layer_tree *tree, struct hoy_err *err);

/* `len` more bytes of content are written. -ENOSPC before the disk is filled to the last byte. */
int hoy_layer_tree_wrote(struct hoy_layer_tree *tree, uint64_t len, struct hoy_err *err);

#endif
