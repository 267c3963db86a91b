/* Compression with gzip, fast: ISA-L where there is one, else zlib. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_ENCODER_H
#define HOY_SUPERVISOR_WORKER_LAYER_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_layer_encoder;

int hoy_layer_encoder_new(struct hoy_layer_encoder **ret, struct hoy_err *err);
void hoy_layer_encoder_free(struct hoy_layer_encoder *encoder);

/*
 * Takes input from *data and gives at most *size bytes into `out`; *size becomes what it gave. *ret_more: call again
 * with what is left of the input, there was no room for all. `last` ends the stream behind this input.
 */
int hoy_layer_encoder_run(struct hoy_layer_encoder *encoder, const void **data, size_t *len, bool last, void *out,
	size_t *size, bool *ret_more, struct hoy_err *err);

#endif
