/* Image documents: digests, media types, platforms, and the way all of them are read and written. */
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "libocispec/image_internal.h"

const struct hoy_json_limits hoy_oci_image_limits = { .max_size = 4 << 20, .max_depth = 32, .max_nodes = 200000 };

/* --- digests ------------------------------------------------------------------------------------------------- */

/* The encoded part of algorithms we know is lower-case hex of a fixed length; 0: another algorithm. */
static size_t hex_length(const char *digest, size_t algorithm_len)
{
	static const struct {
		const char *name;
		size_t len;
	} known[] = { { "sha256", 64 }, { "sha384", 96 }, { "sha512", 128 } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].name) == algorithm_len && memcmp(digest, known[i].name, algorithm_len) == 0)
			return known[i].len;
	return 0;
}

/* [a-z0-9]+ ([+._-] [a-z0-9]+)* */
static bool is_algorithm(const char *text, size_t len)
{
	bool in_component = false;

	for (size_t i = 0; i < len; i++) {
		bool component = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');

		if (!component && (!in_component || !strchr("+._-", text[i])))
			return false;
		in_component = component;
	}
	return in_component;
}

bool hoy_oci_digest_is_valid(const char *digest)
{
	const char *colon = strchr(digest, ':');
	const char *encoded;
	size_t want;

	if (!colon || !is_algorithm(digest, (size_t) (colon - digest)))
		return false;
	encoded = colon + 1;
	want = hex_length(digest, (size_t) (colon - digest));
	if (want)
		return strlen(encoded) == want && strspn(encoded, "0123456789abcdef") == want;
	return *encoded &&
	       !encoded[strspn(encoded, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-")];
}

bool hoy_oci_digest_is_supported(const char *digest)
{
	return (hoy_str_starts(digest, "sha256:") || hoy_str_starts(digest, "sha512:")) &&
	       hoy_oci_digest_is_valid(digest);
}

int hoy_oci_check_digest(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *digest)
{
	if (hoy_oci_digest_is_valid(digest))
		return 0;
	return hoy_field_invalid(at, err, member, "\"%.150s\" is not a digest", digest);
}

/* --- media types --------------------------------------------------------------------------------------------- */

/* A restricted-name of RFC 6838; returns what is behind it, NULL when there is none. */
static const char *skip_restricted_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+";
	size_t len = strspn(text, letters);

	if (!len || len > 127 || strchr("!#$&-^_.+", text[0]))
		return NULL;
	return text + len;
}

bool hoy_oci_media_type_is_valid(const char *media_type)
{
	const char *slash = skip_restricted_name(media_type);
	const char *end;

	if (!slash || *slash != '/')
		return false;
	end = skip_restricted_name(slash + 1);
	return end && !*end;
}

int hoy_oci_check_media_type(
	const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *media_type)
{
	if (!media_type || hoy_oci_media_type_is_valid(media_type))
		return 0;
	return hoy_field_invalid(at, err, member, "\"%.150s\" is not a media type", media_type);
}

enum hoy_oci_media hoy_oci_media_kind(const char *media_type)
{
	static const struct {
		const char *name;
		enum hoy_oci_media kind;
	} known[] = {
		{ HOY_OCI_MEDIA_INDEX, HOY_OCI_MEDIA_KIND_INDEX },
		{ HOY_DOCKER_MEDIA_LIST, HOY_OCI_MEDIA_KIND_INDEX },
		{ HOY_OCI_MEDIA_MANIFEST, HOY_OCI_MEDIA_KIND_MANIFEST },
		{ HOY_DOCKER_MEDIA_MANIFEST, HOY_OCI_MEDIA_KIND_MANIFEST },
		{ HOY_OCI_MEDIA_CONFIG, HOY_OCI_MEDIA_KIND_CONFIG },
		{ HOY_DOCKER_MEDIA_CONFIG, HOY_OCI_MEDIA_KIND_CONFIG },
		{ HOY_OCI_MEDIA_LAYER, HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_OCI_MEDIA_LAYER_GZIP, HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_OCI_MEDIA_LAYER_ZSTD, HOY_OCI_MEDIA_KIND_LAYER },
		{ "application/vnd.oci.image.layer.nondistributable.v1.tar", HOY_OCI_MEDIA_KIND_LAYER },
		{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", HOY_OCI_MEDIA_KIND_LAYER },
		{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_DOCKER_MEDIA_LAYER, HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_DOCKER_MEDIA_LAYER_GZIP, HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_DOCKER_MEDIA_LAYER_ZSTD, HOY_OCI_MEDIA_KIND_LAYER },
		{ HOY_DOCKER_MEDIA_FOREIGN_GZIP, HOY_OCI_MEDIA_KIND_LAYER },
		{ "application/vnd.docker.distribution.manifest.v1+json", HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1 },
		{ "application/vnd.docker.distribution.manifest.v1+prettyjws", HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1 },
	};

	for (size_t i = 0; media_type && i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, media_type) == 0)
			return known[i].kind;
	return HOY_OCI_MEDIA_KIND_UNKNOWN;
}

int hoy_oci_check_time(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *time)
{
	struct timespec ts;

	if (!time || hoy_time_parse(time, &ts) == 0)
		return 0;
	return hoy_field_invalid(at, err, member, "\"%.60s\" is not an RFC 3339 time", time);
}

/* --- platforms ----------------------------------------------------------------------------------------------- */

const char *hoy_oci_arch_normalize(const char *arch)
{
	static const char *const other_names[][2] = { { "x86_64", "amd64" }, { "x86-64", "amd64" }, { "i386", "386" },
		{ "i686", "386" }, { "x86", "386" }, { "aarch64", "arm64" }, { "armhf", "arm" }, { "armel", "arm" },
		{ "armv7l", "arm" } };

	for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
		if (strcmp(arch, other_names[i][0]) == 0)
			return other_names[i][1];
	return arch;
}

const char *hoy_oci_arch_host(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__)
	return "arm";
#elif defined(__i386__)
	return "386";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return "ppc64le";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__loongarch64)
	return "loong64";
#else
#error "name this architecture as Go does"
#endif
}

const char *hoy_oci_arch_host_variant(void)
{
#if defined(__aarch64__)
	return "v8";
#elif defined(__arm__)
	return "v7";
#else
	return NULL;
#endif
}

static const struct hoy_field platform_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_platform, "architecture", architecture, REQUIRED),
	HOY_FIELD_STRING(struct hoy_oci_platform, "os", os, REQUIRED),
	HOY_FIELD_STRING(struct hoy_oci_platform, "os.version", os_version, OPTIONAL),
	HOY_FIELD_STRV(struct hoy_oci_platform, "os.features", os_features, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_platform, "variant", variant, OPTIONAL),
};
const struct hoy_object hoy_oci_platform_object = HOY_OBJECT(struct hoy_oci_platform, platform_fields, NULL);

/* --- reading and writing -------------------------------------------------------------------------------------- */

int hoy_oci_image_read(const struct hoy_object *object, const char *text, size_t len, void **ret, struct hoy_err *err)
{
	const struct hoy_field_options options = { .limits = &hoy_oci_image_limits };
	void *value;
	int r = hoy_field_parse(object, text, len, &options, &value, err);

	if (r < 0)
		return r;
	r = hoy_field_validate(object, value, err);
	if (r < 0) {
		hoy_field_free(object, value);
		return r;
	}
	*ret = value;
	return 0;
}

int hoy_oci_image_write(const struct hoy_object *object, const void *value, struct hoy_buf *buf, unsigned int indent,
	struct hoy_err *err)
{
	int r = hoy_field_validate(object, value, err);

	return r < 0 ? r : hoy_field_print(object, value, buf, indent, err);
}
