/* Rows of images, their names, blobs and layers. One function per query; what they mean is supervisor/image's. */
#ifndef HOY_STORE_IMAGES_H
#define HOY_STORE_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_store;

struct hoy_store_image {
	const char *id;
	const char *media_type;
	const char *manifest;
	const char *config;
	const char *chain_id; /* "" without layers */
	const char *parent;   /* "" or an image ID */
	int64_t created;      /* ns */
};

struct hoy_store_layer {
	int64_t number; /* its directory's name, base 36 */
	const char *chain_id;
	const char *diff_id;
	const char *parent; /* chain ID; "" for a base layer */
	int64_t size;
};

struct hoy_store_name {
	const char *reference; /* normalised, with tag or digest */
	const char *image;     /* ID */
	int64_t tagged;        /* ns */
};

int hoy_store_images_migrate(struct hoy_store *store, struct hoy_err *err);

int hoy_store_image_add(struct hoy_store *store, const struct hoy_store_image *image, struct hoy_err *err);
int hoy_store_image_delete(struct hoy_store *store, const char *id, struct hoy_err *err); /* with names and links */
int hoy_store_blob_add(struct hoy_store *store, const char *digest, int64_t size, struct hoy_err *err);
int hoy_store_blob_delete(struct hoy_store *store, const char *digest, struct hoy_err *err);
int hoy_store_image_blob_add(struct hoy_store *store, const char *image, const char *digest, struct hoy_err *err);
int hoy_store_layer_add(struct hoy_store *store, const struct hoy_store_layer *layer, struct hoy_err *err);
int hoy_store_layer_delete(struct hoy_store *store, int64_t number, struct hoy_err *err);
int hoy_store_name_set(struct hoy_store *store, const struct hoy_store_name *name, struct hoy_err *err); /* or moves */
int hoy_store_name_delete(struct hoy_store *store, const char *reference, struct hoy_err *err);

/* Each row in turn; strings live during the call. `row` returning < 0 ends the walk with that error. Layers come after
 * their parents. */
int hoy_store_images_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_image *image, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);
int hoy_store_blobs_each(struct hoy_store *store,
	int (*row)(const char *digest, int64_t size, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);
int hoy_store_image_blobs_each(struct hoy_store *store,
	int (*row)(const char *image, const char *digest, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);
int hoy_store_layers_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_layer *layer, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);
int hoy_store_names_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_name *name, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

#endif
