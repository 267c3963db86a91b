/* hoyd gives what it has of the image; here it is found out what that is, as the documents say. */
#include "supervisor/worker/fetch/push.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/worker/fetch/manifests.h"
#include "supervisor/worker/fetch/upload.h"

#define MAX_INDEX_DEPTH 4
#define MAX_PARTS 4000

struct document {
	struct hoy_buf text;
	char *media_type;
	char digest[HOY_FETCH_DIGEST_MAX];
};

/* All that goes to the registry: documents are sent in this order, the last one by the tag. */
struct load {
	struct document *documents;
	size_t n_documents;
	struct hoy_fetch_blob *blobs;
	size_t n_blobs;
	char **sources; /* repositories that blobs may be mounted from */
	bool whole;     /* hoyd has all of it */
};

static void load_done(struct load *load)
{
	for (size_t i = 0; i < load->n_documents; i++) {
		hoy_buf_done(&load->documents[i].text);
		free(load->documents[i].media_type);
	}
	for (size_t i = 0; i < load->n_blobs; i++)
		hoy_fd_close(&load->blobs[i].fd);
	free(load->documents);
	free(load->blobs);
	hoy_strv_free(load->sources);
	*load = (struct load){ 0 };
}

/* --- collecting --- */

static int read_media_type(struct document *doc, enum hoy_oci_media *ret_kind, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;
	const char *type;
	int r = hoy_oci_document_kind(doc->text.data, doc->text.len, ret_kind, err);

	if (r == 0)
		r = hoy_json_parse(doc->text.data, doc->text.len, /* limits= */ NULL, &json, err);
	if (r < 0)
		return hoy_err_wrap(err, "manifest %s", doc->digest);
	type = hoy_json_string(hoy_json_get(json, "mediaType"));
	if (!type)
		type = *ret_kind == HOY_OCI_MEDIA_KIND_INDEX ? HOY_OCI_MEDIA_INDEX : HOY_OCI_MEDIA_MANIFEST;
	doc->media_type = strdup(type);
	return doc->media_type ? 0 : hoy_err_oom(err);
}

/* 0 with an empty text: hoyd has not got it. */
static int read_document(const char *digest, struct document *ret, enum hoy_oci_media *ret_kind, struct hoy_err *err)
{
	struct hoy_fetch_blob blob = { .fd = -EBADF };
	char found[HOY_SHA256_DIGEST_MAX];
	int r;

	(void) snprintf(blob.digest, sizeof blob.digest, "%s", digest);
	(void) snprintf(ret->digest, sizeof ret->digest, "%s", digest);
	hoy_buf_init(&ret->text, HOY_HTTP_DOCUMENT_MAX);
	r = hoy_fetch_want(&blob, err);
	if (r < 0 || r == HOY_FETCH_NONE)
		return MIN(r, 0);
	r = hoy_file_read_fd(blob.fd, digest, &ret->text, err);
	hoy_fd_close(&blob.fd);
	if (r < 0)
		return r;
	hoy_sha256_digest(ret->text.data, ret->text.len, found);
	if (strcmp(found, digest) != 0)
		return hoy_err_invalid(err, "the stored manifest %s is damaged: it is %s", digest, found);
	return read_media_type(ret, ret_kind, err);
}

static int add_blob(
	struct load *load, const struct hoy_oci_descriptor *descriptor, enum hoy_fetch_kind kind, struct hoy_err *err)
{
	struct hoy_fetch_blob blob = { .fd = -EBADF, .size = (uint64_t) descriptor->size, .kind = kind };
	void *blobs;
	int r;

	for (size_t i = 0; i < load->n_blobs; i++)
		if (strcmp(load->blobs[i].digest, descriptor->digest) == 0)
			return 0;
	/* What may not be given on stays where its URLs say. */
	if (strstr(descriptor->media_type, "foreign") || strstr(descriptor->media_type, "nondistributable"))
		return 0;
	if (load->n_blobs == MAX_PARTS)
		return hoy_err_unsupported(err, "the image has more than %d parts", MAX_PARTS);
	(void) snprintf(blob.digest, sizeof blob.digest, "%s", descriptor->digest);
	r = hoy_fetch_want(&blob, err);
	if (r == HOY_FETCH_NONE)
		load->whole = false;
	if (r != HOY_FETCH_GIVE)
		return MIN(r, 0);
	blobs = reallocarray(load->blobs, load->n_blobs + 1, sizeof *load->blobs);
	if (!blobs) {
		hoy_fd_close(&blob.fd);
		return hoy_err_oom(err);
	}
	load->blobs = blobs;
	load->blobs[load->n_blobs++] = blob;
	if (*blob.from && !hoy_strv_has(load->sources, blob.from) && hoy_strv_add(&load->sources, blob.from) < 0)
		return hoy_err_oom(err);
	return 0;
}

static int add_contents(struct load *load, const struct document *doc, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	int r = hoy_oci_manifest_parse(doc->text.data, doc->text.len, &manifest, err);

	if (r < 0)
		return hoy_err_wrap(err, "manifest %s", doc->digest);
	/* Docker shows the topmost layer last, as it is sent. */
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = add_blob(load, &manifest->layers[i], HOY_FETCH_LAYER, err);
	return r < 0 ? r : add_blob(load, &manifest->config, HOY_FETCH_DOCUMENT, err);
}

static int collect(struct load *load, const char *digest, int depth, struct hoy_err *err);

static int add_entries(struct load *load, const struct document *doc, int depth, struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	int r;

	if (depth == MAX_INDEX_DEPTH)
		return hoy_err_invalid(err, "indexes within indexes, more than %d deep", MAX_INDEX_DEPTH);
	r = hoy_oci_index_parse(doc->text.data, doc->text.len, &index, err);
	if (r < 0)
		return hoy_err_wrap(err, "index %s", doc->digest);
	for (size_t i = 0; r == 0 && load->whole && i < index->n_manifests; i++)
		r = collect(load, index->manifests[i].digest, depth + 1, err);
	return r;
}

static bool has_document(const struct load *load, const char *digest)
{
	for (size_t i = 0; i < load->n_documents; i++)
		if (strcmp(load->documents[i].digest, digest) == 0)
			return true;
	return false;
}

/* A document with all that it names before it. */
static int collect(struct load *load, const char *digest, int depth, struct hoy_err *err)
{
	enum hoy_oci_media kind = HOY_OCI_MEDIA_KIND_UNKNOWN;
	struct document doc = { 0 };
	void *documents = NULL;
	int r;

	if (has_document(load, digest))
		return 0;
	r = read_document(digest, &doc, &kind, err);
	if (r == 0 && doc.text.len == 0)
		load->whole = false;
	else if (r == 0 && kind == HOY_OCI_MEDIA_KIND_INDEX)
		r = add_entries(load, &doc, depth, err);
	else if (r == 0)
		r = add_contents(load, &doc, err);
	if (r == 0 && doc.text.len > 0) {
		documents = reallocarray(load->documents, load->n_documents + 1, sizeof *load->documents);
		if (!documents)
			r = hoy_err_oom(err);
	}
	if (!documents) {
		hoy_buf_done(&doc.text);
		free(doc.media_type);
		return r;
	}
	load->documents = documents;
	load->documents[load->n_documents++] = doc;
	return 0;
}

/* The image as it is; of an index that is not whole, the platform's manifest alone. */
static int collect_image(const struct hoy_fetch_request *rq, struct load *load, struct hoy_err *err)
{
	int r;

	load->whole = true;
	r = collect(load, rq->root, 0, err);
	if (r < 0 || load->whole)
		return r;
	if (!rq->manifest || strcmp(rq->manifest, rq->root) == 0)
		return hoy_err_not_found(err, "%s: parts of the image are not in the store", rq->familiar);
	load_done(load);
	load->whole = true;
	r = collect(load, rq->manifest, 0, err);
	if (r == 0 && !load->whole)
		return hoy_err_not_found(err, "%s: parts of the image are not in the store", rq->familiar);
	return r;
}

/* --- sending --- */

static int send_document(
	struct hoy_registry *registry, const struct document *doc, const char *reference, struct hoy_err *err)
{
	return hoy_fetch_send_manifest(registry, reference, doc->media_type, &doc->text, doc->digest, err);
}

static int send_documents(struct hoy_registry *registry, const struct load *load, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i + 1 < load->n_documents; i++)
		r = send_document(registry, &load->documents[i], load->documents[i].digest, err);
	return r < 0 ? r
		     : send_document(registry, &load->documents[load->n_documents - 1], registry->rq->reference, err);
}

int hoy_fetch_push(struct hoy_registry *registry, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_(load_done) struct load load = { 0 };
	const struct document *last;
	int r = collect_image(registry->rq, &load, err);

	if (r < 0)
		return r;
	registry->sources = hoy_strv_copy(load.sources);
	r = hoy_registry_connect(registry, err);
	if (r == 0)
		r = hoy_fetch_upload(registry, load.blobs, load.n_blobs, err);
	if (r == 0)
		r = send_documents(registry, &load, err);
	if (r < 0)
		return r;
	last = &load.documents[load.n_documents - 1];
	*done = (struct hoy_fetch_packet){
		.type = HOY_FETCH_DONE, .plain = registry->plain, .blob.size = last->text.len
	};
	(void) snprintf(done->blob.digest, sizeof done->blob.digest, "%s", last->digest);
	(void) snprintf(done->blob.media_type, sizeof done->blob.media_type, "%s", last->media_type);
	return 0;
}
