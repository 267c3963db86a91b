/* Takes an image archive apart: its files become numbered files, told by name, size and digest. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_SPLIT_H
#define HOY_SUPERVISOR_WORKER_LAYER_SPLIT_H

#include "base/err.h"
#include "supervisor/worker/layer/stream.h"

struct hoy_layer_split {
	int root;
	uint64_t max_entries; /* 0: 100,000 */
	/* Told of every file and link when it is complete. */
	int (*on_entry)(const struct hoy_layer_reply *entry, size_t len, void *userdata, struct hoy_err *err);
	void *userdata;
};

int hoy_layer_split(const struct hoy_layer_split *split, struct hoy_layer_stream *stream, struct hoy_layer_reply *done,
	struct hoy_err *err);

#endif
