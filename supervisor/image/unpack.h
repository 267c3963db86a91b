/*
 * The second half of every way in: what load and pull have brought to tmp/<job>/ becomes layers, blobs and images. The
 * job fills `entries` and `plan`, then calls hoy_image_job_queue_unpack().
 */
#ifndef HOY_SUPERVISOR_IMAGE_UNPACK_H
#define HOY_SUPERVISOR_IMAGE_UNPACK_H

#include "supervisor/image/archive_plan.h"
#include "supervisor/image/job.h"

struct hoy_unpacking {
	struct hoy_image_job job; /* first */
	struct archive_entries entries;
	struct archive_plan plan;
	const char *status; /* what progress of a layer is called: "Loading layer"; a literal */
	bool by_blob;       /* progress names layers by their blobs' digests */
	bool incomplete;    /* more will come: the plan's last layer is not the end */
	bool unverified;    /* the entries' digests are hoy-fetch's word: hoy-layer has to find the same */
	void (*on_layer)(struct hoy_unpacking *u, const struct plan_layer *layer); /* it is there now; may be NULL */
	size_t image, layer; /* which layer of which image is next */
	struct layer *there; /* it is there already, and is unpacked for its blob's digest alone; NULL: it is new */
	struct layer *below; /* the layer that it goes on; NULL: it is a base layer */
	char *layer_temp;    /* directory in l/ that is being filled */
	char *made_temp; /* the same for the layer `made_blob`, which is in it already (but for its root's attributes)
			  */
	char made_blob[DIGEST_MAX];
	uint64_t made_size; /* bytes of content in it */
	int64_t blob_size;  /* of the blob that is being unpacked */
};

/* As hoy_image_job_init(); hoy_unpacking_done() is for the job's free_detail, and frees what is inside. */
int hoy_unpacking_init(struct hoy_unpacking *u, struct hoy_images *images, const struct hoy_image_job_handler *handler,
	const char *event, struct hoy_err *err);
void hoy_unpacking_done(struct hoy_unpacking *u);

/* Could it go on now? When not, its unpack gives up its turn. */
bool hoy_unpacking_is_ready(const struct hoy_unpacking *u);
/* Forgets the plan and begins anew; a worker that runs is ended. */
void hoy_unpacking_reset(struct hoy_unpacking *u);

/* The file of a layer that comes has `bytes` now; one more than it is to have: nobody can write it any more. */
void hoy_unpacking_grown(struct hoy_unpacking *u, const char *digest, uint64_t bytes);

/* Is it in `made_temp`? */
bool hoy_unpacking_is_made(const struct hoy_unpacking *u, const struct plan_layer *layer);

/* How far the unpacking of a layer is, in bytes of its blob. */
void hoy_unpacking_tell(struct hoy_unpacking *u, const struct plan_layer *layer, int64_t current, int64_t total);

/* For reading, whether it is the job's or the store's. */
int hoy_unpacking_open(const struct hoy_unpacking *u, const struct archive_entry_info *entry);

/* An archive_reader over the job's files; `userdata` is the hoy_unpacking. */
int hoy_unpacking_read(
	const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err);

#endif
