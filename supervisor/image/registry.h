/* What every transfer with a registry is asked with. */
#ifndef HOY_SUPERVISOR_IMAGE_REGISTRY_H
#define HOY_SUPERVISOR_IMAGE_REGISTRY_H

#include "libocispec/reference.h"
#include "supervisor/image/image.h"
#include "supervisor/worker/fetch/protocol.h"

/* The request for hoy-fetch, with all that follows from the settings. `credentials` may be NULL, tag and digest of
 * `ref` too. */
int hoy_images_fetch_request(struct hoy_images *images, enum hoy_fetch_op op, const struct hoy_reference *ref,
	const struct hoy_registry_credentials *credentials, struct hoy_fetch_request **ret, struct hoy_err *err);

/* The same for what is at any URL (HOY_FETCH_FILE), or for another program that has to know the proxies. */
int hoy_images_url_request(
	struct hoy_images *images, const char *url, struct hoy_fetch_request **ret, struct hoy_err *err);

/* Of an index the digest of the manifest for the platform (NULL: the host's), which may be elsewhere; else the image's
 * own. *ret is owned. */
struct image;
int hoy_image_choose_manifest(struct hoy_images *images, const struct image *image, const char *architecture,
	const char *variant, char **ret, struct hoy_err *err);

/* What a hoy-fetch found out about the registry's host, for the next one. */
void hoy_images_note_scheme(struct hoy_images *images, const struct hoy_fetch_request *rq, bool plain);

#endif
