/* SHA-256 of what passes by, told in the form digests are written. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_HASH_H
#define HOY_SUPERVISOR_WORKER_LAYER_HASH_H

#include <stddef.h>

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_layer_hash {
	struct evp_md_ctx_st *ctx;
};

int hoy_layer_hash_init(struct hoy_layer_hash *hash, struct hoy_err *err); /* also starts anew */
void hoy_layer_hash_done(struct hoy_layer_hash *hash);
int hoy_layer_hash_add(struct hoy_layer_hash *hash, const void *data, size_t len, struct hoy_err *err);
int hoy_layer_hash_finish(struct hoy_layer_hash *hash, char ret[HOY_LAYER_DIGEST_MAX], struct hoy_err *err);

#endif
