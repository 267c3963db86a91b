/*
 * Makes a tar of a tree: of a container's own layer as a layer of an image (whiteouts in the form layers have), or of
 * a whole root file system. Nothing is reached by a path that a symlink could bend; what is no tar entry (sockets) is
 * left out.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_PACK_H
#define HOY_SUPERVISOR_WORKER_LAYER_PACK_H

#include <stdbool.h>

#include "base/err.h"
#include "supervisor/worker/layer/sink.h"

struct hoy_layer_pack {
	int root;
	int twin; /* an empty directory that becomes the layer (twin.h); -1: none */
	/* Overlay's whiteouts and opaque directories become those of a layer; what a container has for the engine's own
	 * mounts (an empty /etc/hosts ...) is left out. */
	bool layer;
	bool clamp; /* times after `latest` (seconds since 1970) are that */
	int64_t latest;
	bool neutral; /* owner 0, modes 0644 and 0755, times 0: the same bytes for the same content */
};

int hoy_layer_pack(const struct hoy_layer_pack *pack, struct hoy_layer_sink *sink, struct hoy_layer_reply *done,
	struct hoy_err *err);

#endif
