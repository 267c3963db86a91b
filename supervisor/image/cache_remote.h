/*
 * Build caches in registries: an image manifest whose layers are those that steps made, and whose config says which
 * step made which. What that says is the build room's business; here it comes and goes, and single layers come when
 * they are needed.
 */
#ifndef HOY_SUPERVISOR_IMAGE_CACHE_REMOTE_H
#define HOY_SUPERVISOR_IMAGE_CACHE_REMOTE_H

#include "base/buf.h"
#include "supervisor/image/building.h"

/* The documents of a cache, or of an image: lent. Their digests are right, nothing else is known of them. */
struct hoy_cache_documents {
	struct hoy_buf manifest, config;
	char digest[HOY_IMAGE_DIGEST_MAX]; /* of the manifest */
};

struct hoy_cache_reading {
	const char *reference; /* without a tag: latest */
	struct hoy_registry_credentials credentials;
	/* Called once, from the loop; `documents` is NULL when it failed. */
	void (*done)(const struct hoy_err *err, const struct hoy_cache_documents *documents, void *userdata);
	void *userdata;
};
/* Brings the documents from the registry, of an index those for the host; none of the layers. */
int hoy_images_read_cache(struct hoy_images *images, const struct hoy_cache_reading *reading,
	struct hoy_image_job **ret, struct hoy_err *err);

/* The same of an image that is here. HOY_ERR_NOT_FOUND: it is not. `ret` is the caller's (hoy_buf_done()). */
int hoy_images_local_cache(
	struct hoy_images *images, const char *reference, struct hoy_cache_documents *ret, struct hoy_err *err);

struct hoy_layer_fetching {
	const char *reference; /* where the cache is: a name; NULL: the blob is in the store */
	const char *manifest;  /* digest of the manifest that lists the blob */
	struct hoy_registry_credentials credentials;
	struct hoy_built_layer layer;   /* what is wanted: all but ->chain_id is filled in, by a stranger */
	struct hoy_layer_making making; /* ->chain_id, ->done, ->userdata */
};
/* Brings one layer and unpacks it. It must be what its digest and its diff id say. */
int hoy_images_fetch_layer(struct hoy_images *images, const struct hoy_layer_fetching *fetching,
	struct hoy_image_job **ret, struct hoy_err *err);

struct hoy_cache_pushing {
	const char *reference; /* without a tag: latest */
	struct hoy_registry_credentials credentials;
	const struct hoy_buf *manifest, *config; /* borrowed for the start */
	const struct hoy_built_layer *layers;    /* those of the manifest, which are in the store; the same */
	size_t n_layers;
};
/* Brings a cache to its registry: what that has already is not sent. */
int hoy_images_push_cache(struct hoy_images *images, const struct hoy_cache_pushing *pushing,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err);

#endif
