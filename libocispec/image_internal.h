/* What the files of the image documents share. */
#ifndef HOY_LIBOCISPEC_IMAGE_INTERNAL_H
#define HOY_LIBOCISPEC_IMAGE_INTERNAL_H

#include "libocispec/image.h"

#define OPTIONAL HOY_FIELD_OMIT_EMPTY
#define REQUIRED HOY_FIELD_REQUIRED

/* Documents come from strangers. */
extern const struct hoy_json_limits hoy_oci_image_limits;

/* Parses and validates. */
int hoy_oci_image_read(const struct hoy_object *object, const char *text, size_t len, void **ret, struct hoy_err *err);
/* Validates and prints. */
int hoy_oci_image_write(const struct hoy_object *object, const void *value, struct hoy_buf *buf, unsigned int indent,
	struct hoy_err *err);

int hoy_oci_check_digest(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *digest);
/* NULL is fine in these. */
int hoy_oci_check_media_type(
	const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *media_type);
int hoy_oci_check_time(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *time);

#endif
