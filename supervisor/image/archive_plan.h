/*
 * What an image archive holds, told from the list of its files and its small documents: manifest.json (docker-archive),
 * or oci-layout and index.json (OCI layout); when both are there, the OCI side counts, and the other only for names.
 * Pure: the documents come through a callback, nothing is unpacked.
 */
#ifndef HOY_SUPERVISOR_IMAGE_ARCHIVE_PLAN_H
#define HOY_SUPERVISOR_IMAGE_ARCHIVE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define DIGEST_MAX 72

struct archive_entry_info {
	char *name;
	char *target;         /* of a link, cleaned like a name; NULL: a file */
	uint32_t number;      /* the file's name on disk */
	uint32_t compression; /* enum hoy_layer_compression */
	int64_t size;
	bool stored;   /* the store has it: it is not among the job's files */
	bool missing;  /* it is on its way: neither has it */
	bool coming;   /* it is written into downloads/ by the job's own hoy-fetch */
	bool is_layer; /* pull: else a document */
	char digest[DIGEST_MAX];
};

struct archive_entries {
	struct archive_entry_info *items;
	size_t n, size;
};

/* Copies; a later entry of the same name replaces the earlier one in lookups. 0 or -ENOMEM. */
int hoy_archive_entries_add(struct archive_entries *entries, const struct archive_entry_info *entry);
void hoy_archive_entries_done(struct archive_entries *entries);

/* A file by name, through links; by digest. NULL: there is none. */
const struct archive_entry_info *hoy_archive_entry(const struct archive_entries *entries, const char *name);
const struct archive_entry_info *hoy_archive_entry_by_digest(const struct archive_entries *entries, const char *digest);

struct plan_layer {
	char diff_id[DIGEST_MAX], chain_id[DIGEST_MAX];
	char blob[DIGEST_MAX];
};

struct plan_blob {
	char digest[DIGEST_MAX];
	int64_t size;
};

struct plan_image {
	char id[DIGEST_MAX], manifest[DIGEST_MAX], config[DIGEST_MAX];
	char parent[DIGEST_MAX]; /* what it was made from here; "": nothing */
	char *media_type;
	char *made;   /* text of the manifest when the archive has none of its own */
	char **names; /* normalised references; NULL: none */
	int64_t created;
	struct plan_layer *layers; /* base first */
	size_t n_layers;
	struct plan_blob *blobs; /* all to keep, those of `made` and the layers too */
	size_t n_blobs;
};

struct archive_plan {
	struct plan_image *images;
	size_t n_images;
};

/* Reads the content of a document (at most 4 MiB) into `buf`. */
typedef int (*archive_reader)(
	const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err);

/* `only` NULL: of an index the host's image, with what else the archive has of it; else that one alone, and an image of
 * another platform is an error. */
struct archive_platform {
	const char *architecture, *variant; /* NULL: any variant */
};
int hoy_archive_plan_make(const struct archive_entries *entries, archive_reader read, void *userdata,
	const struct archive_platform *only, struct archive_plan *ret, struct hoy_err *err);

/* The same for one image by its manifest or index, whose blobs are entries called "blobs/sha256/<hex>". It has no names
 * yet. `architecture` and `variant` NULL: the host's. */
struct archive_root {
	const char *media_type, *digest;
	int64_t size;
	const char *architecture, *variant;
};
int hoy_archive_plan_root(const struct archive_entries *entries, archive_reader read, void *userdata,
	const struct archive_root *root, struct archive_plan *ret, struct hoy_err *err);
void hoy_archive_plan_done(struct archive_plan *plan);

/* chain_id of a layer over `parent` ("" for a base layer). */
void hoy_archive_chain_id(const char *parent, const char *diff_id, char ret[DIGEST_MAX]);

#endif
