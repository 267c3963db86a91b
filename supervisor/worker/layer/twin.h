/*
 * The layer as a directory, made in the same walk as its tar and of the same bytes: what a commit would otherwise
 * unpack from the blob that it has just packed. Names mean what they mean in a layer, so that both are the same to
 * whoever unpacks the blob elsewhere.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_TWIN_H
#define HOY_SUPERVISOR_WORKER_LAYER_TWIN_H

#include "supervisor/worker/layer/tree.h"

/* `root`: an empty directory; borrowed. hoy_layer_tree_done() is its end. */
void hoy_layer_twin_init(struct hoy_layer_tree *twin, int root);

/* `from` is the original, for its xattrs; `st` what the tar has. */
int hoy_layer_twin_dir(
	struct hoy_layer_tree *twin, const char *path, int from, const struct stat *st, struct hoy_err *err);

/* The file to write to, at its beginning (owned); -ENOENT without an error when a layer can't have this name. */
int hoy_layer_twin_file(struct hoy_layer_tree *twin, const char *path, struct hoy_err *err);
/* Its content is written: the rest. */
int hoy_layer_twin_file_end(struct hoy_layer_tree *twin, int fd, int from, const struct stat *st, struct hoy_err *err);

/* A symlink to `link`, or a node. */
int hoy_layer_twin_node(
	struct hoy_layer_tree *twin, const char *path, const struct stat *st, const char *link, struct hoy_err *err);
int hoy_layer_twin_link(struct hoy_layer_tree *twin, const char *path, const char *first, struct hoy_err *err);
/* `path` ends with a mark: ".wh.name" or the opaque one. */
int hoy_layer_twin_mark(struct hoy_layer_tree *twin, const char *path, struct hoy_err *err);

#endif
