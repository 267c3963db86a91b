/*
 * The signature policy: which images may be pulled. A file of lines, '#' begins a comment:
 *
 *	SCOPE accept
 *	SCOPE reject
 *	SCOPE cosign /path/of/public-key.pem
 *
 * SCOPE is "*", a registry ("docker.io", "registry.test:5000"), or a repository or what is above it
 * ("docker.io/library", "registry.test/team/app"). The longest that fits counts; an image that none fits is refused.
 */
#ifndef HOY_SUPERVISOR_IMAGE_POLICY_H
#define HOY_SUPERVISOR_IMAGE_POLICY_H

#include "libocispec/reference.h"
#include "supervisor/image/image.h"
#include "supervisor/worker/fetch/protocol.h"

enum hoy_signature_rule { HOY_SIGNATURE_ACCEPT, HOY_SIGNATURE_REJECT, HOY_SIGNATURE_COSIGN };

/* What the policy says of a repository ("docker.io/library/busybox"). All of the text must be right, whatever line
 * counts. *ret_key (owned): the key's file, for COSIGN. */
int hoy_signature_policy_find(
	const char *text, const char *repository, enum hoy_signature_rule *ret, char **ret_key, struct hoy_err *err);

/* Reads the file, as it is now. The request gets the key that must have signed, or the error is that the image may not
 * be pulled. */
int hoy_signature_policy_apply(struct hoy_images *images, const struct hoy_reference *ref,
	struct hoy_fetch_request *request, struct hoy_err *err);

#endif
