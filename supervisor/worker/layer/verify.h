/* Hashes the files of one directory: what the content store holds against what its names say. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_VERIFY_H
#define HOY_SUPERVISOR_WORKER_LAYER_VERIFY_H

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

/* `on_entry` is told of every regular file: name, size, digest. */
int hoy_layer_verify(int root,
	int (*on_entry)(const struct hoy_layer_reply *entry, size_t len, void *userdata, struct hoy_err *err),
	void *userdata, struct hoy_err *err);

#endif
