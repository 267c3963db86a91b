/*
 * Archives compressed with what layers are not: xz and bzip2, which `load` and `import` take from people. libarchive's
 * decoders, pulled block by block.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_FOREIGN_H
#define HOY_SUPERVISOR_WORKER_LAYER_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_layer_foreign;

/* Do the first bytes look like it? */
bool hoy_layer_foreign_is(const void *data, size_t len);

/* `read` gives the next piece of input, 0 at its end; < 0 with the error ends the decoding. */
struct hoy_layer_foreign_options {
	ssize_t (*read)(const void **ret, void *userdata, struct hoy_err *err);
	void *userdata;
};
int hoy_layer_foreign_new(
	const struct hoy_layer_foreign_options *options, struct hoy_layer_foreign **ret, struct hoy_err *err);
void hoy_layer_foreign_free(struct hoy_layer_foreign *foreign);
HOY_DEFINE_AUTO_PTR(struct hoy_layer_foreign, hoy_layer_foreign_free);

/* The next decoded block, valid until the next call; 0 at the end. */
ssize_t hoy_layer_foreign_next(struct hoy_layer_foreign *foreign, const void **ret, struct hoy_err *err);

#endif
