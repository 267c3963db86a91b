/*
 * Layers unpacked before their turn, several at a time, each into a directory of its own: while it still comes from the
 * registry, and while those below it are unpacked. A layer can be, as long as it needs nothing of the ones below; one
 * that does (a directory that it only implies, a hard link to a lower file) is unpacked again when its turn comes.
 *
 * They belong to the job that began them, but any job may take one that it wants.
 */
#ifndef HOY_SUPERVISOR_IMAGE_UNPACK_AHEAD_H
#define HOY_SUPERVISOR_IMAGE_UNPACK_AHEAD_H

#include "supervisor/image/unpack.h"

struct hoy_ahead;

/* Begins what may be begun, from the plan's next layer on. What fails here is left to the layer's turn. */
void hoy_unpacking_run_ahead(struct hoy_unpacking *u);

/* Is somebody at it? */
bool hoy_ahead_runs(const struct hoy_images *images, const struct plan_layer *layer);

struct hoy_ahead_layer {
	char *temp; /* directory in l/; owned */
	char digest[DIGEST_MAX];
	bool root_implied; /* the root is to be as the one below */
	uint64_t unpacked;
};

/* Hands it over. 1: it is there; 0: nobody has it, or it has to be unpacked in its turn; < 0: why it can't be. */
int hoy_ahead_take(
	struct hoy_unpacking *u, const struct plan_layer *layer, struct hoy_ahead_layer *ret, struct hoy_err *err);

/* Ends all that the job has begun and that nobody took. */
void hoy_unpacking_end_ahead(struct hoy_unpacking *u);

#endif
