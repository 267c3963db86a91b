/* Unpacks one layer below a directory. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_APPLY_H
#define HOY_SUPERVISOR_WORKER_LAYER_APPLY_H

#include "base/err.h"
#include "supervisor/worker/layer/stream.h"

struct hoy_layer_apply {
	int root;  /* empty directory that becomes the layer */
	int lower; /* the merged lower layers, read-only; -1: none */
	struct hoy_layer_limits limits;
	const char *diff_id; /* what the raw bytes must hash to; "": anything */
};

/* Reads the stream to its end. On success `done` is filled; on failure the directory holds a part. */
int hoy_layer_apply(const struct hoy_layer_apply *apply, struct hoy_layer_stream *stream, struct hoy_layer_reply *done,
	struct hoy_err *err);

#endif
