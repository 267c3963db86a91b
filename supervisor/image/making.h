/* A layer that is being made for a build: of a directory (building.c), or of a blob of a cache (cache_remote.c). */
#ifndef HOY_SUPERVISOR_IMAGE_MAKING_H
#define HOY_SUPERVISOR_IMAGE_MAKING_H

#include "supervisor/image/building.h"
#include "supervisor/image/job.h"

struct hoy_fetch_request;
struct hoy_fetch_run;

#define MAKING_BLOB "0" /* the blob's name in the job's directory, as long as the store has not got it */

struct making {
	struct hoy_image_job job; /* first */
	struct hoy_layer_making options;
	struct hoy_layer_making *told; /* the handler's own copy */
	char *upper;
	struct layer *below; /* NULL: a base layer */
	struct hoy_built_layer made;
	char *temp; /* directory in l/ that is being filled */
	int64_t size;

	struct hoy_fetch_run *fetch; /* brings the blob; NULL: it is here */
	struct hoy_fetch_request *request;
};

/* The job, entered into the room's list; ->below is there, and kept. */
int hoy_making_new(
	struct hoy_images *images, const struct hoy_layer_making *making, struct making **ret, struct hoy_err *err);
/* Takes that back, before anything runs: nobody is told. */
void hoy_making_discard(struct making *m);

/* Unpacks the blob that ->made names, which must have its digest and diff id, over ->below; then all is told. */
int hoy_making_apply(struct making *m, struct hoy_err *err);
/* ->made is there: ends the job. */
void hoy_making_tell(struct making *m);

#endif
