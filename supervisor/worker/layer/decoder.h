/* Decompression of one stream: gzip (all members of it) by ISA-L or zlib, zstd (all frames), or nothing at all. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_DECODER_H
#define HOY_SUPERVISOR_WORKER_LAYER_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_layer_decoder;

int hoy_layer_decoder_new(enum hoy_layer_compression compression, struct hoy_layer_decoder **ret, struct hoy_err *err);
void hoy_layer_decoder_free(struct hoy_layer_decoder *decoder);
HOY_DEFINE_AUTO_PTR(struct hoy_layer_decoder, hoy_layer_decoder_free);

/* Decodes from *data (advanced, with *len) into `out`. Returns the bytes written; 0 means it wants more input. */
ssize_t hoy_layer_decoder_run(
	struct hoy_layer_decoder *decoder, const void **data, size_t *len, void *out, size_t size, struct hoy_err *err);

/* May the input end here? False in the middle of a member or frame. */
bool hoy_layer_decoder_may_end(const struct hoy_layer_decoder *decoder);

#endif
