/*
 * What a build cache that leaves the engine looks like: BuildKit's documents, with our keys. Either a manifest of its
 * own, whose config lists layers and records, or a member of an image's config. No input or output.
 */
#ifndef HOY_BUILD_CACHE_RECORDS_H
#define HOY_BUILD_CACHE_RECORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/image/building.h"

#define HOY_CACHE_MEDIA_CONFIG "application/vnd.buildkit.cacheconfig.v0"
#define HOY_CACHE_NO_PARENT SIZE_MAX

/* A step that is known. */
struct hoy_cache_record {
	char key[HOY_IMAGE_DIGEST_MAX];
	struct hoy_built_layer layer; /* blob "": it made none */
	size_t parent;                /* printing: index of the record it stands on, an earlier one, or NO_PARENT */
	int64_t created;              /* ns since 1970 */
};

struct hoy_cache_records {
	struct hoy_cache_record *items;
	size_t n;
};
void hoy_cache_records_done(struct hoy_cache_records *records);

/* The config and the manifest around it. */
int hoy_cache_records_print(const struct hoy_cache_record *records, size_t n, struct hoy_buf *ret_manifest,
	struct hoy_buf *ret_config, struct hoy_err *err);
/* The member of an image's config, in base64: records of the layers that the image has above `n_below` others. */
int hoy_cache_records_inline(
	const struct hoy_cache_record *records, size_t n, size_t n_below, struct hoy_buf *ret, struct hoy_err *err);

/* Of either form, written by whomever; ->layer.chain_id stays empty. HOY_ERR_INVALID: there is no cache in it. Records
 * that are of no use here are left out. */
int hoy_cache_records_parse(const struct hoy_buf *manifest, const struct hoy_buf *config, struct hoy_cache_records *ret,
	struct hoy_err *err);

#endif
