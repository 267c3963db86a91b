/*
 * The documents of the OCI image specification 1.1 as C structs: descriptor, index, manifest, image config, oci-layout.
 * The media types of docker's schema 2 are accepted in the same places. Conventions are those of runtime.h.
 */
#ifndef HOY_LIBOCISPEC_IMAGE_H
#define HOY_LIBOCISPEC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "libocispec/field.h"

#define HOY_OCI_MEDIA_INDEX "application/vnd.oci.image.index.v1+json"
#define HOY_OCI_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define HOY_OCI_MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define HOY_OCI_MEDIA_LAYER "application/vnd.oci.image.layer.v1.tar"
#define HOY_OCI_MEDIA_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define HOY_OCI_MEDIA_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define HOY_OCI_MEDIA_EMPTY "application/vnd.oci.empty.v1+json"
#define HOY_DOCKER_MEDIA_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define HOY_DOCKER_MEDIA_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define HOY_DOCKER_MEDIA_CONFIG "application/vnd.docker.container.image.v1+json"
#define HOY_DOCKER_MEDIA_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define HOY_DOCKER_MEDIA_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define HOY_DOCKER_MEDIA_LAYER_ZSTD "application/vnd.docker.image.rootfs.diff.tar.zstd"
#define HOY_DOCKER_MEDIA_FOREIGN_GZIP "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

/* What a media type says about the content. */
enum hoy_oci_media {
	HOY_OCI_MEDIA_KIND_UNKNOWN,
	HOY_OCI_MEDIA_KIND_INDEX,
	HOY_OCI_MEDIA_KIND_MANIFEST,
	HOY_OCI_MEDIA_KIND_CONFIG,
	HOY_OCI_MEDIA_KIND_LAYER,         /* a tar, however compressed; not distributable ones too */
	HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1 /* docker's first manifest format: recognised, to be refused by name */
};
enum hoy_oci_media hoy_oci_media_kind(const char *media_type); /* NULL: UNKNOWN */

/* "algorithm:encoded" by the grammar; for sha256 and sha512 also the length and lower-case hex. */
bool hoy_oci_digest_is_valid(const char *digest);
/* Of algorithms we compute (sha256, sha512). */
bool hoy_oci_digest_is_supported(const char *digest);
/* By RFC 6838, "type/subtype". */
bool hoy_oci_media_type_is_valid(const char *media_type);

struct hoy_oci_platform {
	char *architecture; /* Go's names: "amd64" */
	char *os;
	char *os_version;
	char **os_features;
	char *variant;
};

/* The normal form of a platform name: "x86_64" is "amd64", "aarch64" is "arm64", ... Never NULL; unknown ones come
 * back as they are. */
const char *hoy_oci_arch_normalize(const char *arch);
/* The architecture this program was built for, and its default variant ("v8", "v7") or NULL. */
const char *hoy_oci_arch_host(void);
const char *hoy_oci_arch_host_variant(void);

struct hoy_oci_descriptor {
	char *media_type;
	char *digest;
	int64_t size;
	char **urls;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
	char *data; /* base64 */
	struct hoy_oci_platform *platform;
	char *artifact_type;
};

struct hoy_oci_index {
	int64_t schema_version; /* 2 */
	char *media_type;
	char *artifact_type;
	struct hoy_oci_descriptor *manifests;
	size_t n_manifests;
	struct hoy_oci_descriptor *subject;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
};

struct hoy_oci_manifest {
	int64_t schema_version; /* 2 */
	char *media_type;
	char *artifact_type;
	struct hoy_oci_descriptor config;
	struct hoy_oci_descriptor *layers; /* bottom first */
	size_t n_layers;
	struct hoy_oci_descriptor *subject;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
};

struct hoy_oci_healthcheck { /* docker's; times in nanoseconds */
	char **test;
	int64_t interval;
	int64_t timeout;
	int64_t start_period;
	int64_t start_interval;
	int64_t retries;
};

struct hoy_oci_image_run { /* "config" of the image config */
	char *user;
	char **exposed_ports; /* "80/tcp" */
	char **env;
	char **entrypoint;
	char **cmd;
	char **volumes; /* paths */
	char *working_dir;
	struct hoy_oci_kv *labels;
	size_t n_labels;
	char *stop_signal;
	bool args_escaped;
	struct hoy_oci_healthcheck *healthcheck; /* this and the rest: docker's additions */
	char **shell;
	char **on_build;
};

struct hoy_oci_rootfs {
	char *type;      /* "layers" */
	char **diff_ids; /* bottom first */
};

struct hoy_oci_history {
	char *created; /* RFC 3339 */
	char *created_by;
	char *author;
	char *comment;
	bool empty_layer;
};

struct hoy_oci_image_config {
	char *created; /* RFC 3339 */
	char *author;
	char *architecture;
	char *variant;
	char *os;
	char *os_version;
	char **os_features;
	struct hoy_oci_image_run *config;
	struct hoy_oci_rootfs rootfs;
	struct hoy_oci_history *history;
	size_t n_history;
	char *build_cache; /* BuildKit's: which step made which layer, JSON in base64 */
};

/* Parse also validates (digests, media types, schemaVersion, times). Documents come
 * from strangers: at most 4 MiB of text. Unknown members are ignored, so a document is kept by its bytes, not by what
 * print makes of it. */
int hoy_oci_index_parse(const char *text, size_t len, struct hoy_oci_index **ret, struct hoy_err *err);
int hoy_oci_manifest_parse(const char *text, size_t len, struct hoy_oci_manifest **ret, struct hoy_err *err);
int hoy_oci_image_config_parse(const char *text, size_t len, struct hoy_oci_image_config **ret, struct hoy_err *err);
int hoy_oci_descriptor_parse(const char *text, size_t len, struct hoy_oci_descriptor **ret, struct hoy_err *err);

/* Validates, then appends. */
int hoy_oci_index_print(
	const struct hoy_oci_index *index, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
int hoy_oci_manifest_print(
	const struct hoy_oci_manifest *manifest, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
int hoy_oci_image_config_print(
	const struct hoy_oci_image_config *config, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
int hoy_oci_descriptor_print(
	const struct hoy_oci_descriptor *descriptor, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);

void hoy_oci_index_free(struct hoy_oci_index *index);
void hoy_oci_manifest_free(struct hoy_oci_manifest *manifest);
void hoy_oci_image_config_free(struct hoy_oci_image_config *config);
void hoy_oci_descriptor_free(struct hoy_oci_descriptor *descriptor);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_index, hoy_oci_index_free);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_manifest, hoy_oci_manifest_free);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_image_config, hoy_oci_image_config_free);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_descriptor, hoy_oci_descriptor_free);

/* The file "oci-layout": checks imageLayoutVersion (1.x). */
int hoy_oci_layout_check(const char *text, size_t len, struct hoy_err *err);

/* The document is an index or a manifest? By mediaType, else by its members, as clients do for documents without one.
 * UNKNOWN with an error when it is neither. */
int hoy_oci_document_kind(const char *text, size_t len, enum hoy_oci_media *ret, struct hoy_err *err);

/* The entry of an index for this host: exact variant first, then any of the architecture; -ENOENT when none fits.
 * `os` and `arch` NULL: "linux" and the host's. */
int hoy_oci_index_select(const struct hoy_oci_index *index, const char *os, const char *arch, const char *variant,
	const struct hoy_oci_descriptor **ret, struct hoy_err *err);

/* Tables, for documents of ours that embed these. */
extern const struct hoy_object hoy_oci_descriptor_object;
extern const struct hoy_object hoy_oci_platform_object;
extern const struct hoy_object hoy_oci_image_run_object;

#endif
