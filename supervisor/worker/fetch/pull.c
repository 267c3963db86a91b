/* Documents are read here, where nothing but a failed pull can come of it; hoyd reads them again when all is there. */
#include "supervisor/worker/fetch/pull.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/worker/fetch/blobs.h"
#include "supervisor/worker/fetch/signature.h"

#define MAX_INDEX_DEPTH 4
#define MAX_LAYERS 500

struct document {
	struct hoy_buf text;
	char *media_type;
	struct hoy_fetch_blob blob;
};

static void document_done(struct document *doc)
{
	hoy_buf_done(&doc->text);
	free(doc->media_type);
}

/* What the server calls it counts only when it is a name for such a document. */
static int choose_media_type(struct document *doc, struct hoy_err *err)
{
	enum hoy_oci_media kind = hoy_oci_media_kind(doc->media_type);

	if (kind == HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1)
		return hoy_err_unsupported(err,
			"the registry has this image in docker's first manifest format only (%s), which is no longer "
			"supported: push it again with a docker of today",
			doc->media_type);
	if (kind == HOY_OCI_MEDIA_KIND_INDEX || kind == HOY_OCI_MEDIA_KIND_MANIFEST)
		return 0;
	if (hoy_oci_document_kind(doc->text.data, doc->text.len, &kind, err) < 0)
		return hoy_err_wrap(err, "manifest");
	free(doc->media_type);
	doc->media_type = strdup(kind == HOY_OCI_MEDIA_KIND_INDEX ? HOY_OCI_MEDIA_INDEX : HOY_OCI_MEDIA_MANIFEST);
	return doc->media_type ? 0 : hoy_err_oom(err);
}

static int keep_document(struct document *doc, struct hoy_err *err)
{
	int r = hoy_fetch_want(&doc->blob, err);

	if (r < 0 || doc->blob.fd < 0)
		return MIN(r, 0);
	r = hoy_fd_write_all(doc->blob.fd, doc->text.data, doc->text.len);
	hoy_fd_close(&doc->blob.fd);
	if (r < 0)
		return hoy_err_code(err, r, "write %s", doc->blob.digest);
	return hoy_fetch_tell_got(&doc->blob, HOY_FETCH_MOVED, err);
}

static int fetch_document(
	struct hoy_registry *registry, const char *reference, bool is_root, struct document *ret, struct hoy_err *err)
{
	int r = hoy_registry_manifest(registry, reference, &ret->text, &ret->media_type, err);

	if (r < 0)
		return r;
	ret->blob.size = ret->text.len;
	ret->blob.kind = HOY_FETCH_DOCUMENT;
	hoy_sha256_digest(ret->text.data, ret->text.len, ret->blob.digest);
	if (strncmp(reference, "sha256:", 7) == 0 && strcmp(reference, ret->blob.digest) != 0)
		return hoy_err_invalid(
			err, "manifest %s: the registry sent another content, %s", reference, ret->blob.digest);
	if (strchr(reference, ':') && strncmp(reference, "sha256:", 7) != 0)
		return hoy_err_unsupported(err, "digest %s: only sha256 is supported", reference);
	r = choose_media_type(ret, err);
	ret->blob.media_type = ret->media_type;
	/* Before hoyd hears of it: only what is signed is the image. */
	if (r == 0 && is_root && registry->rq->signature_key)
		r = hoy_fetch_check_signature(registry, ret->blob.digest, err);
	return r < 0 ? r : keep_document(ret, err);
}

static int add_blob(struct hoy_fetch_blob *blobs, size_t *n, const struct hoy_oci_descriptor *descriptor,
	enum hoy_fetch_kind kind, struct hoy_err *err)
{
	struct hoy_fetch_blob *blob = &blobs[*n];
	int r;

	for (size_t i = 0; i < *n; i++)
		if (strcmp(blobs[i].digest, descriptor->digest) == 0)
			return 0; /* the same layer twice */
	if (strncmp(descriptor->digest, "sha256:", 7) != 0)
		return hoy_err_unsupported(err, "digest %.100s: only sha256 is supported", descriptor->digest);
	(void) snprintf(blob->digest, sizeof blob->digest, "%s", descriptor->digest);
	blob->size = (uint64_t) descriptor->size;
	blob->kind = kind;
	(*n)++;
	r = hoy_fetch_want(blob, err);
	return r < 0 ? r : 0;
}

static int fetch_contents(struct hoy_registry *registry, const struct document *doc, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	auto_free struct hoy_fetch_blob *blobs = NULL;
	size_t n = 0;
	int r = hoy_oci_manifest_parse(doc->text.data, doc->text.len, &manifest, err);

	if (r < 0)
		return hoy_err_wrap(err, "manifest %s", doc->blob.digest);
	if (manifest->n_layers > MAX_LAYERS)
		return hoy_err_unsupported(err, "the image has %zu layers, more than %d are not supported",
			manifest->n_layers, MAX_LAYERS);
	blobs = calloc(manifest->n_layers + 1, sizeof *blobs);
	if (!blobs)
		return hoy_err_oom(err);
	r = add_blob(blobs, &n, &manifest->config, HOY_FETCH_DOCUMENT, err);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = add_blob(blobs, &n, &manifest->layers[i], HOY_FETCH_LAYER, err);
	if (r == 0)
		r = hoy_fetch_blobs(registry, blobs, n, err);
	for (size_t i = 0; i < n; i++)
		hoy_fd_close(&blobs[i].fd);
	return r;
}

/* Of an index the entry for the platform, until there is a manifest. */
static int fetch_image(
	struct hoy_registry *registry, const char *reference, int depth, struct document *doc, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	auto_(document_done) struct document inner = { .blob.fd = -EBADF };
	const struct hoy_oci_descriptor *chosen = NULL;
	int r = fetch_document(registry, reference, depth == 0, doc, err);

	if (r < 0)
		return r;
	if (hoy_oci_media_kind(doc->media_type) == HOY_OCI_MEDIA_KIND_MANIFEST)
		return fetch_contents(registry, doc, err);
	if (depth == MAX_INDEX_DEPTH)
		return hoy_err_invalid(err, "indexes within indexes, more than %d deep", MAX_INDEX_DEPTH);
	r = hoy_oci_index_parse(doc->text.data, doc->text.len, &index, err);
	if (r < 0)
		return hoy_err_wrap(err, "index %s", doc->blob.digest);
	r = hoy_oci_index_select(index, "linux", rq->architecture, rq->variant, &chosen, err);
	if (r < 0)
		return r;
	return fetch_image(registry, chosen->digest, depth + 1, &inner, err);
}

/* Nothing is to be asked for when the tag means what hoyd has. 1: so it is. */
static int find_unchanged(struct hoy_registry *registry, struct document *doc, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	int r = rq->known ? hoy_registry_still_means(registry, rq->reference, rq->known, err) : 0;

	if (r <= 0)
		return r;
	(void) snprintf(doc->blob.digest, sizeof doc->blob.digest, "%s", rq->known);
	r = rq->signature_key ? hoy_fetch_check_signature(registry, doc->blob.digest, err) : 0;
	return r < 0 ? r : 1;
}

/* From the first mirror that can, else from the registry itself. */
static int fetch_from_any(struct hoy_registry *registry, struct document *doc, bool *ret_unchanged, struct hoy_err *err)
{
	for (;;) {
		int r = hoy_registry_connect(registry, err);

		if (r == 0)
			r = find_unchanged(registry, doc, err);
		*ret_unchanged = r > 0;
		if (r == 0)
			r = fetch_image(registry, registry->rq->reference, 0, doc, err);
		if (r >= 0 || !registry->host->is_mirror || !hoy_registry_next_host(registry))
			return r;
		document_done(doc);
		*doc = (struct document){ .blob.fd = -EBADF };
	}
}

int hoy_fetch_pull(struct hoy_registry *registry, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_(document_done) struct document doc = { .blob.fd = -EBADF };
	bool unchanged = false;
	int r = fetch_from_any(registry, &doc, &unchanged, err);

	if (r < 0)
		return r;
	*done = (struct hoy_fetch_packet){ .type = HOY_FETCH_DONE,
		.how = unchanged ? HOY_FETCH_EXISTED : HOY_FETCH_MOVED,
		.plain = registry->plain,
		.blob.size = doc.blob.size };
	(void) snprintf(done->blob.digest, sizeof done->blob.digest, "%s", doc.blob.digest);
	(void) snprintf(
		done->blob.media_type, sizeof done->blob.media_type, "%s", doc.media_type ? doc.media_type : "");
	return 0;
}
