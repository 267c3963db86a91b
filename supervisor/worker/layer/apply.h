/* Unpacks one layer, or a plain archive, below a directory. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_APPLY_H
#define HOY_SUPERVISOR_WORKER_LAYER_APPLY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/worker/layer/stream.h"

struct hoy_layer_apply {
	int root;   /* empty directory that becomes the layer */
	int lower;  /* the merged lower layers, read-only; -1: none */
	bool alone; /* there are lower layers, but not at hand: HOY_LAYER_ALONE */
	struct hoy_layer_limits limits;
	const char *diff_id; /* what the raw bytes must hash to; "": anything */

	/* For archives that are no layers (hoy-files): names that mean whiteouts in a layer are names, and an entry for
	 * the root does not change it unless `with_root`. */
	bool plain;
	bool with_root;
	bool no_overwrite; /* a directory takes no file's place, nor a file a directory's */
	bool chown;        /* all is given to uid:gid */
	uid_t uid;
	gid_t gid;
};

/* Reads the stream to its end. On success `done` is filled; on failure the directory holds a part. */
int hoy_layer_apply(const struct hoy_layer_apply *apply, struct hoy_layer_stream *stream, struct hoy_layer_reply *done,
	struct hoy_err *err);

#endif
