/*
 * What a build asks of the images: layers made of directories, held by the build until they have users of their own,
 * and images put together of layers and a config. Nothing of it is durable before hoy_images_layers_keep() or the end
 * of hoy_images_compose().
 */
#ifndef HOY_SUPERVISOR_IMAGE_BUILDING_H
#define HOY_SUPERVISOR_IMAGE_BUILDING_H

#include "supervisor/image/image.h"

#define HOY_IMAGE_DIGEST_MAX 72

/* A layer as an image lists it. */
struct hoy_built_layer {
	char chain_id[HOY_IMAGE_DIGEST_MAX]; /* with all below it */
	char diff_id[HOY_IMAGE_DIGEST_MAX];
	char blob[HOY_IMAGE_DIGEST_MAX]; /* "": nothing was in the directory, there is no layer */
	int64_t blob_size;
};

/* A new, empty directory on the data root's file system, for an overlay's upper or work directory: an absolute path,
 * heap. Unless it became a layer: hoy_images_drop_dir(). */
int hoy_images_new_dir(struct hoy_images *images, char **ret, struct hoy_err *err);
void hoy_images_drop_dir(struct hoy_images *images, const char *path);

struct hoy_layer_making {
	const char *chain_id;  /* what it stands on; "": nothing. Held by the caller until `done` */
	const char *upper_dir; /* an overlay's upper directory, no longer mounted; it may be gone afterwards */
	bool clamp;            /* nothing in it is younger than `latest` (seconds since 1970) */
	int64_t latest;
	/* Called once, from the loop; `layer` is NULL when it failed. The layer and its blob are the caller's to hold
	 * from inside the call, else they go. */
	void (*done)(const struct hoy_err *err, const struct hoy_built_layer *layer, void *userdata);
	void *userdata;
};

/* Packs the directory into a blob (compressed once, hashed once) and makes it a layer. */
int hoy_images_make_layer(struct hoy_images *images, const struct hoy_layer_making *making, struct hoy_image_job **ret,
	struct hoy_err *err);

/* Fills in ->chain_id of a layer that lies on this chain ("": on nothing). */
void hoy_built_layer_on(const char *chain_id, struct hoy_built_layer *layer);

/* Both of a layer: directory and blob. HOY_ERR_NOT_FOUND: one of them is not there. */
int hoy_built_layer_hold(struct hoy_images *images, const struct hoy_built_layer *layer, struct hoy_err *err);
void hoy_built_layer_release(struct hoy_images *images, const struct hoy_built_layer *layer);

bool hoy_built_layer_is_here(struct hoy_images *images, const struct hoy_built_layer *layer);

/* Bytes of directory and blob. */
int64_t hoy_built_layer_size(struct hoy_images *images, const struct hoy_built_layer *layer);
/* Is it one of an image's? */
bool hoy_built_layer_is_shared(struct hoy_images *images, const struct hoy_built_layer *layer);

/* Writes the rows of a layer that is on disk (hoy_images_sync()), inside the caller's bracket. */
int hoy_images_layer_keep(struct hoy_images *images, const struct hoy_built_layer *layer, struct hoy_err *err);

/* Brings everything to disk. */
int hoy_images_sync(struct hoy_images *images, const struct hoy_image_job_handler *handler, struct hoy_image_job **ret,
	struct hoy_err *err);

struct hoy_image_composition {
	const char *base; /* ID of the image whose layers come first; NULL: none */
	const struct hoy_built_layer *layers;
	size_t n_layers;
	const struct hoy_oci_image_config *config; /* rootfs is filled in here */
	char *const *names;                        /* references to give; NULL: none */
	bool is_synced;                            /* its layers are on disk */
	bool *ret_existed;                         /* may be NULL: is there an image like it already? */
	const char *inline_cache;                  /* member moby.buildkit.cache.v0 of the config; NULL: none */
	bool as_base;                              /* nothing differs from the base: it gets the names itself */
};

/* Makes an image. `done` comes with its ID, after the commit. */
int hoy_images_compose(struct hoy_images *images, const struct hoy_image_composition *composition,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

#endif
