#include "supervisor/worker/fetch/manifests.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"

#define MAX_ENTRIES 200

/* --- getting ---------------------------------------------------------------------------------------------------- */

int hoy_fetch_config(struct hoy_registry *registry, const struct hoy_oci_manifest *manifest,
	struct hoy_oci_image_config **ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = NULL;
	struct hoy_http_request request = { 0 };
	char digest[HOY_SHA256_DIGEST_MAX];
	struct hoy_http_answer *answer;
	int r;

	*ret = NULL;
	if (hoy_oci_media_kind(manifest->config.media_type) != HOY_OCI_MEDIA_KIND_CONFIG)
		return 0;
	url = hoy_registry_blob_url(registry, manifest->config.digest);
	request.url = url;
	r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);
	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status != 200 || answer->body.len == 0)
		return hoy_registry_refusal(registry, url, answer, err);
	hoy_sha256_digest(answer->body.data, answer->body.len, digest);
	if (strcmp(digest, manifest->config.digest) != 0)
		return hoy_err_invalid(
			err, "config %s: the registry sent another content, %s", manifest->config.digest, digest);
	return hoy_oci_image_config_parse(answer->body.data, answer->body.len, ret, err);
}

/* As it came; `media_type` is what the document calls itself, or what its form says. */
struct manifest {
	struct hoy_buf text;
	char *media_type;
	enum hoy_oci_media kind;
	char digest[HOY_SHA256_DIGEST_MAX];
};

static void manifest_done(struct manifest *m)
{
	hoy_buf_done(&m->text);
	free(m->media_type);
}

static int name_type(struct manifest *m, const char *sent_as, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *type;
	int r;

	if (hoy_oci_media_kind(sent_as) == HOY_OCI_MEDIA_KIND_LEGACY_SCHEMA1)
		return hoy_err_unsupported(
			err, "manifests of docker's first format (%s) are no longer supported", sent_as);
	r = hoy_oci_document_kind(m->text.data, m->text.len, &m->kind, err);
	if (r == 0)
		r = hoy_json_parse(m->text.data, m->text.len, /* limits= */ NULL, &doc, err);
	if (r < 0)
		return r;
	type = hoy_json_string(hoy_json_get(doc, "mediaType"));
	if (!type)
		type = m->kind == HOY_OCI_MEDIA_KIND_INDEX ? HOY_OCI_MEDIA_INDEX : HOY_OCI_MEDIA_MANIFEST;
	m->media_type = strdup(type);
	return m->media_type ? 0 : hoy_err_oom(err);
}

static int get(struct hoy_registry *registry, const char *reference, struct manifest *m, struct hoy_err *err)
{
	auto_free char *sent_as = NULL;
	int r = hoy_registry_manifest(registry, reference, &m->text, &sent_as, err);

	if (r < 0)
		return r;
	if (m->text.len == 0)
		return hoy_err_invalid(err, "manifest %s: the registry sent nothing", reference);
	hoy_sha256_digest(m->text.data, m->text.len, m->digest);
	if (strchr(reference, ':') && strcmp(reference, m->digest) != 0)
		return hoy_err_invalid(err, "manifest %s: the registry sent another content, %s", reference, m->digest);
	r = name_type(m, sent_as, err);
	return r < 0 ? hoy_err_wrap(err, "manifest %s", m->digest) : 0;
}

static void add_platform(struct hoy_json_writer *w, const struct hoy_oci_platform *p)
{
	hoy_json_object(w, "platform");
	hoy_json_add_string(w, "architecture", p->architecture ? p->architecture : "");
	hoy_json_add_string(w, "os", p->os ? p->os : "");
	if (p->os_version && *p->os_version)
		hoy_json_add_string(w, "os.version", p->os_version);
	if (p->os_features && *p->os_features)
		hoy_json_add_strv(w, "os.features", p->os_features);
	if (p->variant && *p->variant)
		hoy_json_add_string(w, "variant", p->variant);
	hoy_json_end(w);
}

static void add_described(struct hoy_json_writer *w, const struct manifest *m, const struct hoy_oci_platform *platform)
{
	hoy_json_object(w, "Descriptor");
	hoy_json_add_string(w, "mediaType", m->media_type);
	hoy_json_add_string(w, "digest", m->digest);
	hoy_json_add_u64(w, "size", m->text.len);
	if (platform)
		add_platform(w, platform);
	hoy_json_end(w);
	hoy_json_add_stringn(w, "Raw", m->text.data, m->text.len);
}

/* An image's platform stands in its config; what is none has no platform. */
static int add_image(
	struct hoy_registry *registry, const struct manifest *m, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	struct hoy_oci_platform platform = { 0 };
	int r = hoy_oci_manifest_parse(m->text.data, m->text.len, &manifest, err);

	if (r == 0)
		r = hoy_fetch_config(registry, manifest, &config, err);
	if (r < 0)
		return r;
	if (config)
		platform = (struct hoy_oci_platform){ .architecture = config->architecture,
			.os = config->os,
			.os_version = config->os_version,
			.os_features = config->os_features,
			.variant = config->variant };
	add_described(w, m, config ? &platform : NULL);
	return 0;
}

static int add_entry(struct hoy_registry *registry, const struct hoy_oci_descriptor *entry, struct hoy_json_writer *w,
	struct hoy_err *err)
{
	auto_(manifest_done) struct manifest m = { 0 };
	int r = get(registry, entry->digest, &m, err);

	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	add_described(w, &m, entry->platform);
	hoy_json_end(w);
	return 0;
}

static int add_entries(
	struct hoy_registry *registry, const struct manifest *m, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	int r = hoy_oci_index_parse(m->text.data, m->text.len, &index, err);

	if (r < 0)
		return r;
	if (index->n_manifests > MAX_ENTRIES)
		return hoy_err_unsupported(err, "the index has %zu manifests, more than %d are not looked at",
			index->n_manifests, MAX_ENTRIES);
	hoy_json_array(w, "Manifests");
	for (size_t i = 0; r == 0 && i < index->n_manifests; i++)
		r = add_entry(registry, &index->manifests[i], w, err);
	hoy_json_end(w);
	return r;
}

int hoy_fetch_manifest(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	auto_(manifest_done) struct manifest m = { 0 };
	struct hoy_json_writer w = { .buf = out };
	int r = hoy_registry_connect(registry, err);

	if (r == 0)
		r = get(registry, rq->reference, &m, err);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	if (m.kind != HOY_OCI_MEDIA_KIND_INDEX) {
		r = add_image(registry, &m, &w, err);
	} else {
		add_described(&w, &m, /* platform= */ NULL);
		r = rq->all ? add_entries(registry, &m, &w, err) : 0;
	}
	if (r == 0)
		hoy_json_end(&w);
	return r;
}

/* --- bringing --------------------------------------------------------------------------------------------------- */

int hoy_fetch_send_manifest(struct hoy_registry *registry, const char *reference, const char *media_type,
	const struct hoy_buf *text, const char *digest, struct hoy_err *err)
{
	auto_free char *url = hoy_str_printf("%s%s/manifests/%s", registry->base, registry->rq->repository, reference);
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	struct hoy_http_request request = {
		.method = "PUT",
		.url = url,
		.content_type = media_type,
		.body = text->data,
		.body_len = text->len,
	};
	struct hoy_http_answer *answer;
	int r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status / 100 != 2)
		return hoy_registry_refusal(registry, url, answer, err);
	if (answer->digest && strcmp(answer->digest, digest) != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO,
			"the registry has stored another manifest than %s was sent: %.100s", digest, answer->digest);
	return 0;
}

/* Is the blob there already? */
static int look(struct hoy_registry *registry, const char *digest, bool *ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = hoy_registry_blob_url(registry, digest);
	struct hoy_http_request request = { .method = "HEAD", .url = url };
	int r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);

	*ret = r == 0 && hoy_http_transfer_answer(transfer)->status == 200;
	return r;
}

static int mount(struct hoy_registry *registry, const char *digest, const char *from, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = hoy_str_printf(
		"%s%s/blobs/uploads/?mount=%s&from=%s", registry->base, registry->rq->repository, digest, from);
	struct hoy_http_request request = {
		.url = url, .method = "POST", .body = "", .content_type = "application/octet-stream"
	};
	struct hoy_http_answer *answer;
	bool is_there = false;
	int r = look(registry, digest, &is_there, err);

	if (r < 0 || is_there)
		return r;
	r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);
	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status / 100 != 2)
		return hoy_registry_refusal(registry, url, answer, err);
	if (answer->status != 201)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "error mounting %s@%s to %s: the registry has not done it",
			from, digest, registry->rq->repository);
	return 0;
}

static int add_sources(struct hoy_registry *registry, const struct hoy_json *mounts, struct hoy_err *err)
{
	hoy_json_each(entry, mounts)
	{
		const char *from = hoy_json_string(hoy_json_get(entry, "from"));

		if (!from || !hoy_json_string(hoy_json_get(entry, "digest")))
			return hoy_err_invalid(err, "the request has a mount without digest or repository");
		if (!hoy_strv_has(registry->sources, from) && hoy_strv_add(&registry->sources, from) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int send_entry(
	struct hoy_registry *registry, const struct hoy_json *entry, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	const char *reference = hoy_json_string(hoy_json_get(entry, "reference"));
	const char *media_type = hoy_json_string(hoy_json_get(entry, "mediaType"));
	const char *text = hoy_json_string(hoy_json_get(entry, "text"));
	struct hoy_buf body;

	if (!reference || !media_type || !text)
		return hoy_err_invalid(err, "the request has a manifest without reference, type or text");
	body = (struct hoy_buf){ .data = (char *) (uintptr_t) text, .len = strlen(text) };
	done->blob.size = body.len;
	hoy_sha256_digest(text, body.len, done->blob.digest);
	return hoy_fetch_send_manifest(registry, reference, media_type, &body, done->blob.digest, err);
}

int hoy_fetch_put(struct hoy_registry *registry, int input, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_FETCH_ANSWER_MAX };
	auto_ptr(hoy_json_free) struct hoy_json *what = NULL;
	int r = hoy_file_read_fd(input, "what is to be pushed", &text, err);

	*done = (struct hoy_fetch_packet){ .type = HOY_FETCH_DONE };
	if (r == 0)
		r = hoy_json_parse(text.data ? text.data : "", text.len, /* limits= */ NULL, &what, err);
	if (r == 0)
		r = add_sources(registry, hoy_json_get(what, "mounts"), err);
	if (r == 0)
		r = hoy_registry_connect(registry, err);
	hoy_json_each(entry, hoy_json_get(what, "mounts"))
	{
		if (r == 0)
			r = mount(registry, hoy_json_string(hoy_json_get(entry, "digest")),
				hoy_json_string(hoy_json_get(entry, "from")), err);
	}
	hoy_json_each(entry, hoy_json_get(what, "manifests"))
	{
		if (r == 0)
			r = send_entry(registry, entry, done, err);
	}
	return r;
}
