/* Image documents: descriptor, manifest, index, and the choice of an index entry. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/image_internal.h"

/* --- descriptor ---------------------------------------------------------------------------------------------- */

static int keys_check(const struct hoy_oci_kv *pairs, size_t n, const struct hoy_field_path *at, struct hoy_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!*pairs[i].key)
			return hoy_field_invalid(at, err, "annotations", "a key is empty");
	return 0;
}

static int descriptor_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_descriptor *descriptor = object;
	int r = hoy_oci_check_media_type(at, err, "mediaType", descriptor->media_type);

	if (r >= 0)
		r = hoy_oci_check_digest(at, err, "digest", descriptor->digest);
	if (r >= 0 && descriptor->size < 0)
		r = hoy_field_invalid(at, err, "size", "negative");
	if (r >= 0)
		r = hoy_oci_check_media_type(at, err, "artifactType", descriptor->artifact_type);
	if (r >= 0)
		r = keys_check(descriptor->annotations, descriptor->n_annotations, at, err);
	return r;
}

#define DESCRIPTOR struct hoy_oci_descriptor
static const struct hoy_field descriptor_fields[] = {
	HOY_FIELD_STRING(DESCRIPTOR, "mediaType", media_type, REQUIRED),
	HOY_FIELD_STRING(DESCRIPTOR, "digest", digest, REQUIRED),
	HOY_FIELD_I64(DESCRIPTOR, "size", size, REQUIRED),
	HOY_FIELD_STRV(DESCRIPTOR, "urls", urls, OPTIONAL),
	HOY_FIELD_KV(DESCRIPTOR, "annotations", annotations, OPTIONAL),
	HOY_FIELD_STRING(DESCRIPTOR, "data", data, OPTIONAL),
	HOY_FIELD_OBJECT_PTR(DESCRIPTOR, "platform", platform, struct hoy_oci_platform, &hoy_oci_platform_object, 0),
	HOY_FIELD_STRING(DESCRIPTOR, "artifactType", artifact_type, OPTIONAL),
};
const struct hoy_object hoy_oci_descriptor_object = {
	.what = "descriptor",
	.size = sizeof(DESCRIPTOR),
	.fields = descriptor_fields,
	.n_fields = ARRAY_LEN(descriptor_fields),
	.check = descriptor_check,
};

/* --- manifest ------------------------------------------------------------------------------------------------ */

static int version_check(int64_t version, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (version == 2)
		return 0;
	return hoy_field_invalid(at, err, "schemaVersion", "%lld is not supported (2 is)", (long long) version);
}

static int kind_check(
	const char *media_type, enum hoy_oci_media want, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (!media_type || hoy_oci_media_kind(media_type) == want)
		return 0;
	return hoy_field_invalid(at, err, "mediaType", "\"%.150s\" is not that of %s", media_type,
		want == HOY_OCI_MEDIA_KIND_INDEX ? "an index" : "a manifest");
}

static int manifest_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_manifest *manifest = object;
	int r = version_check(manifest->schema_version, at, err);

	if (r >= 0)
		r = kind_check(manifest->media_type, HOY_OCI_MEDIA_KIND_MANIFEST, at, err);
	if (r >= 0)
		r = hoy_oci_check_media_type(at, err, "artifactType", manifest->artifact_type);
	if (r >= 0)
		r = keys_check(manifest->annotations, manifest->n_annotations, at, err);
	return r;
}

#define MANIFEST struct hoy_oci_manifest
static const struct hoy_field manifest_fields[] = {
	HOY_FIELD_I64(MANIFEST, "schemaVersion", schema_version, REQUIRED),
	HOY_FIELD_STRING(MANIFEST, "mediaType", media_type, OPTIONAL),
	HOY_FIELD_STRING(MANIFEST, "artifactType", artifact_type, OPTIONAL),
	HOY_FIELD_OBJECT(MANIFEST, "config", config, DESCRIPTOR, &hoy_oci_descriptor_object, REQUIRED),
	HOY_FIELD_OBJECTS(
		MANIFEST, "layers", layers, DESCRIPTOR, &hoy_oci_descriptor_object, REQUIRED | HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECT_PTR(MANIFEST, "subject", subject, DESCRIPTOR, &hoy_oci_descriptor_object, 0),
	HOY_FIELD_KV(MANIFEST, "annotations", annotations, OPTIONAL),
};
static const struct hoy_object manifest_object = {
	.what = "manifest",
	.size = sizeof(MANIFEST),
	.fields = manifest_fields,
	.n_fields = ARRAY_LEN(manifest_fields),
	.check = manifest_check,
};

/* --- index --------------------------------------------------------------------------------------------------- */

static int index_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_index *index = object;
	int r = version_check(index->schema_version, at, err);

	if (r >= 0)
		r = kind_check(index->media_type, HOY_OCI_MEDIA_KIND_INDEX, at, err);
	if (r >= 0)
		r = hoy_oci_check_media_type(at, err, "artifactType", index->artifact_type);
	if (r >= 0)
		r = keys_check(index->annotations, index->n_annotations, at, err);
	return r;
}

#define INDEX struct hoy_oci_index
static const struct hoy_field index_fields[] = {
	HOY_FIELD_I64(INDEX, "schemaVersion", schema_version, REQUIRED),
	HOY_FIELD_STRING(INDEX, "mediaType", media_type, OPTIONAL),
	HOY_FIELD_STRING(INDEX, "artifactType", artifact_type, OPTIONAL),
	HOY_FIELD_OBJECTS(
		INDEX, "manifests", manifests, DESCRIPTOR, &hoy_oci_descriptor_object, REQUIRED | HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECT_PTR(INDEX, "subject", subject, DESCRIPTOR, &hoy_oci_descriptor_object, 0),
	HOY_FIELD_KV(INDEX, "annotations", annotations, OPTIONAL),
};
static const struct hoy_object index_object = {
	.what = "index",
	.size = sizeof(INDEX),
	.fields = index_fields,
	.n_fields = ARRAY_LEN(index_fields),
	.check = index_check,
};

/* --- choosing ------------------------------------------------------------------------------------------------ */

/* "v7" is 7. Without a variant it is the one that is meant by the bare name. */
static long variant_number(const char *arch, const char *variant)
{
	if (variant && variant[0] == 'v')
		return strtol(variant + 1, NULL, 10);
	if (strcmp(arch, "arm64") == 0)
		return 8;
	if (strcmp(arch, "arm") == 0)
		return 7;
	return 1;
}

/* Above 0: runs on such a host, the highest fits best. */
static long fit(const struct hoy_oci_descriptor *entry, const char *os, const char *arch, long variant)
{
	const struct hoy_oci_platform *platform = entry->platform;
	long number;

	if (!platform || strcmp(platform->os, os) != 0 ||
		strcmp(hoy_oci_arch_normalize(platform->architecture), arch) != 0)
		return 0;
	number = variant_number(arch, platform->variant);
	return number <= variant ? number : 0;
}

static const struct hoy_oci_descriptor *best_fit(
	const struct hoy_oci_index *index, const char *os, const char *arch, long variant)
{
	const struct hoy_oci_descriptor *best = NULL;
	long best_number = 0;

	for (size_t i = 0; i < index->n_manifests; i++) {
		long number = fit(&index->manifests[i], os, arch, variant);

		if (number > best_number) {
			best = &index->manifests[i];
			best_number = number;
		}
	}
	return best;
}

/* Entries without a platform are for anybody; the index of a layout that holds one image has nothing else. */
static const struct hoy_oci_descriptor *first_without_platform(const struct hoy_oci_index *index)
{
	for (size_t i = 0; i < index->n_manifests; i++)
		if (!index->manifests[i].platform)
			return &index->manifests[i];
	return NULL;
}

int hoy_oci_index_select(const struct hoy_oci_index *index, const char *os, const char *arch, const char *variant,
	const struct hoy_oci_descriptor **ret, struct hoy_err *err)
{
	const char *want_os = os ? os : "linux";
	const char *want = hoy_oci_arch_normalize(arch ? arch : hoy_oci_arch_host());
	const char *want_variant = variant || arch ? variant : hoy_oci_arch_host_variant();
	const struct hoy_oci_descriptor *best;

	best = best_fit(index, want_os, want, variant_number(want, want_variant));
	/* These processors run programs for their 32-bit forebears too. */
	if (!best && !arch && strcmp(want, "amd64") == 0)
		best = best_fit(index, want_os, "386", 1);
	if (!best && !arch && strcmp(want, "arm64") == 0)
		best = best_fit(index, want_os, "arm", 8);
	if (!best)
		best = first_without_platform(index);
	if (!best)
		return hoy_err_not_found(err, "no manifest for platform %s/%s%s%s", want_os, want,
			want_variant ? "/" : "", want_variant ? want_variant : "");
	*ret = best;
	return 0;
}

/* --- which document is it? ------------------------------------------------------------------------------------ */

/* A document that can be read both ways is refused: two readers would see two images under one digest. */
static int kind_of(const struct hoy_json *doc, enum hoy_oci_media *ret, struct hoy_err *err)
{
	const struct hoy_json *type = hoy_json_get(doc, "mediaType");
	bool index = hoy_json_get(doc, "manifests");
	bool manifest = hoy_json_get(doc, "layers") || hoy_json_get(doc, "config");
	enum hoy_oci_media kind = type && hoy_json_string(type) ? hoy_oci_media_kind(hoy_json_string(type)) : 0;

	if (kind == HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1 || hoy_json_get(doc, "fsLayers")) {
		*ret = HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1;
		return 0;
	}
	if (index && manifest)
		return hoy_err_invalid(err, "document is both an index and a manifest");
	if (!index && !manifest)
		return hoy_err_invalid(err, "document is neither an index nor a manifest");
	if ((kind == HOY_OCI_MEDIA_KIND_INDEX && manifest) || (kind == HOY_OCI_MEDIA_KIND_MANIFEST && index))
		return hoy_err_invalid(err, "mediaType does not match the content");
	*ret = index ? HOY_OCI_MEDIA_KIND_INDEX : HOY_OCI_MEDIA_KIND_MANIFEST;
	return 0;
}

int hoy_oci_document_kind(const char *text, size_t len, enum hoy_oci_media *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = hoy_json_parse(text, len, &hoy_oci_image_limits, &doc, err);

	return r < 0 ? r : kind_of(doc, ret, err);
}

/* --- entry points --------------------------------------------------------------------------------------------- */

#define DEFINE_DOCUMENT(name, type, object)                                                                            \
	int name##_parse(const char *text, size_t len, type **ret, struct hoy_err *err)                                \
	{                                                                                                              \
		return hoy_oci_image_read(&(object), text, len, (void **) ret, err);                                   \
	}                                                                                                              \
	int name##_print(const type *value, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)             \
	{                                                                                                              \
		return hoy_oci_image_write(&(object), value, buf, indent, err);                                        \
	}                                                                                                              \
	void name##_free(type *value)                                                                                  \
	{                                                                                                              \
		hoy_field_free(&(object), value);                                                                      \
	}

DEFINE_DOCUMENT(hoy_oci_descriptor, struct hoy_oci_descriptor, hoy_oci_descriptor_object)
DEFINE_DOCUMENT(hoy_oci_manifest, struct hoy_oci_manifest, manifest_object)
DEFINE_DOCUMENT(hoy_oci_index, struct hoy_oci_index, index_object)
