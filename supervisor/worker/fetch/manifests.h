/* Manifests by themselves: got with what describes them, brought to a repository without an engine's image. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_MANIFESTS_H
#define HOY_SUPERVISOR_WORKER_FETCH_MANIFESTS_H

#include "libocispec/image.h"
#include "supervisor/worker/fetch/registry.h"

/* The image config that a manifest names, its digest checked. *ret NULL: it is no image's. */
int hoy_fetch_config(struct hoy_registry *registry, const struct hoy_oci_manifest *manifest,
	struct hoy_oci_image_config **ret, struct hoy_err *err);

/* What HOY_FETCH_MANIFEST answers. */
int hoy_fetch_manifest(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err);

/* PUTs a document; the registry must have stored it under `digest`. */
int hoy_fetch_send_manifest(struct hoy_registry *registry, const char *reference, const char *media_type,
	const struct hoy_buf *text, const char *digest, struct hoy_err *err);

/* HOY_FETCH_PUT: `input` holds what is to be brought. */
int hoy_fetch_put(struct hoy_registry *registry, int input, struct hoy_fetch_packet *done, struct hoy_err *err);

#endif
