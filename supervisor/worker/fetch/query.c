#include "supervisor/worker/fetch/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/worker/fetch/manifests.h"

#define MAX_PAGES 100
#define HUB_SEARCH "https://index.docker.io"

/* --- login --- */

static int login(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	struct hoy_http_request request = { 0 };
	struct hoy_json_writer w = { .buf = out };
	const struct hoy_http_answer *answer;
	int r = hoy_registry_connect(registry, err);

	if (r < 0)
		return r;
	request.url = registry->base;
	r = hoy_registry_ask_once(registry, &request, &transfer, err);
	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status != 200)
		return hoy_err_set(err, HOY_ERR_SYSTEM, answer->status == 401 ? EACCES : EIO,
			"login attempt to %s failed with status: %ld%s", registry->base, answer->status,
			answer->status == 401   ? " Unauthorized"
			: answer->status == 403 ? " Forbidden"
						: "");
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "IdentityToken", registry->refresh_token ? registry->refresh_token : "");
	hoy_json_end(&w);
	return 0;
}

/* --- tags --- */

static int add_tags(const struct hoy_buf *body, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = hoy_json_parse(body->data ? body->data : "", body->len, /* limits= */ NULL, &doc, err);

	if (r < 0)
		return hoy_err_wrap(err, "list of tags");
	hoy_json_each(tag, hoy_json_get(doc, "tags"))
	{
		if (hoy_json_string(tag))
			hoy_json_add_string(w, NULL, hoy_json_string(tag));
	}
	return 0;
}

/* Link: </v2/x/tags/list?last=b&n=2>; rel="next". Only pages of the same registry are turned to. */
static int next_page(const struct hoy_registry *registry, const char *link, char **url, struct hoy_err *err)
{
	const char *begin = link ? strchr(link, '<') : NULL, *end = begin ? strchr(begin, '>') : NULL;
	auto_free char *target = end && strstr(end, "next") ? strndup(begin + 1, (size_t) (end - begin - 1)) : NULL;
	char *next = target ? hoy_http_resolve(*url, target) : NULL;

	free(*url);
	*url = next;
	if (next && !hoy_http_same_host(next, registry->base))
		return hoy_err_invalid(err, "the registry's list of tags goes on at another host");
	return 0;
}

static int tags(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err)
{
	auto_free char *url = NULL;
	struct hoy_json_writer w = { .buf = out };
	int r = hoy_registry_connect(registry, err);

	if (r < 0)
		return r;
	url = hoy_str_printf("%s%s/tags/list?n=1000", registry->base, registry->rq->repository);
	if (!url)
		return hoy_err_oom(err);
	hoy_json_array(&w, NULL);
	for (int page = 0; r == 0 && url && page < MAX_PAGES; page++) {
		auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
		struct hoy_http_request request = { .url = url };
		struct hoy_http_answer *answer;

		r = hoy_registry_ask(registry, &request, &transfer, err);
		if (r < 0)
			return r;
		answer = hoy_http_transfer_answer(transfer);
		if (answer->status != 200)
			return hoy_registry_refusal(registry, url, answer, err);
		r = add_tags(&answer->body, &w, err);
		if (r == 0)
			r = next_page(registry, answer->link, &url, err);
	}
	hoy_json_end(&w);
	return r;
}

/* --- inspect --- */

static void add_platform(struct hoy_json_writer *w, const char *architecture, const char *os, const char *variant)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "architecture", architecture ? architecture : "");
	hoy_json_add_string(w, "os", os ? os : "");
	if (variant && *variant)
		hoy_json_add_string(w, "variant", variant);
	hoy_json_end(w);
}

static int add_index(const struct hoy_buf *text, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	int r = hoy_oci_index_parse(text->data, text->len, &index, err);

	for (size_t i = 0; r == 0 && i < index->n_manifests; i++) {
		const struct hoy_oci_platform *p = index->manifests[i].platform;

		if (p)
			add_platform(w, p->architecture, p->os, p->variant);
	}
	return r;
}

/* A manifest's platform stands in its config. */
static int add_manifest(
	struct hoy_registry *registry, const struct hoy_buf *text, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	int r = hoy_oci_manifest_parse(text->data, text->len, &manifest, err);

	if (r == 0)
		r = hoy_fetch_config(registry, manifest, &config, err);
	if (r == 0 && config)
		add_platform(w, config->architecture, config->os, config->variant);
	return r;
}

static int inspect(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err)
{
	const char *reference = registry->rq->reference;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_free char *media_type = NULL;
	struct hoy_json_writer w = { .buf = out };
	enum hoy_oci_media kind;
	char digest[HOY_SHA256_DIGEST_MAX];
	int r = hoy_registry_connect(registry, err);

	if (r == 0)
		r = hoy_registry_manifest(registry, reference, &text, &media_type, err);
	if (r == 0)
		r = hoy_oci_document_kind(text.data ? text.data : "", text.len, &kind, err);
	if (r < 0)
		return r;
	hoy_sha256_digest(text.data, text.len, digest);
	if (strncmp(reference, "sha256:", 7) == 0 && strcmp(reference, digest) != 0)
		return hoy_err_invalid(err, "manifest %s: the registry sent another content, %s", reference, digest);
	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "Descriptor");
	hoy_json_add_string(&w, "mediaType", media_type ? media_type : "");
	hoy_json_add_string(&w, "digest", digest);
	hoy_json_add_u64(&w, "size", text.len);
	hoy_json_end(&w);
	hoy_json_array(&w, "Platforms");
	r = kind == HOY_OCI_MEDIA_KIND_INDEX ? add_index(&text, &w, err) : add_manifest(registry, &text, &w, err);
	hoy_json_end(&w);
	hoy_json_end(&w);
	return r;
}

/* --- search --- */

static int search(struct hoy_registry *registry, struct hoy_buf *out, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	bool hub = strcmp(rq->host, "docker.io") == 0;
	const char *const schemes[] = { "https", "http" };
	char *term = curl_easy_escape(NULL, rq->repository, 0);
	int r = term ? -EIO : hoy_err_oom(err);

	for (size_t i = 0; term && r < 0 && i < (rq->insecure && !hub ? 2 : 1); i++) {
		auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
		auto_free char *base = hub ? strdup(HUB_SEARCH) : hoy_str_printf("%s://%s", schemes[i], rq->host);
		auto_free char *url = hoy_str_printf("%s/v1/search?q=%s&n=%s", base ? base : "", term,
			rq->reference && *rq->reference ? rq->reference : "25");
		struct hoy_http_request request = { .url = url };
		struct hoy_http_answer *answer;

		registry->plain = i == 1;
		r = base && url ? hoy_registry_ask_once(registry, &request, &transfer, err) : hoy_err_oom(err);
		if (r < 0)
			continue;
		answer = hoy_http_transfer_answer(transfer);
		if (answer->status != 200)
			r = hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "Unexpected status code %ld", answer->status);
		else
			r = hoy_buf_add(out, answer->body.data ? answer->body.data : "", answer->body.len);
		break;
	}
	curl_free(term);
	return r;
}

int hoy_fetch_query(struct hoy_registry *registry, int output, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = { .cap = HOY_FETCH_ANSWER_MAX };
	int r = -EINVAL;

	switch ((enum hoy_fetch_op) registry->rq->op) {
	case HOY_FETCH_LOGIN:
		r = login(registry, &out, err);
		break;
	case HOY_FETCH_TAGS:
		r = tags(registry, &out, err);
		break;
	case HOY_FETCH_INSPECT:
		r = inspect(registry, &out, err);
		break;
	case HOY_FETCH_SEARCH:
		r = search(registry, &out, err);
		break;
	case HOY_FETCH_MANIFEST:
		r = hoy_fetch_manifest(registry, &out, err);
		break;
	case HOY_FETCH_PULL:
	case HOY_FETCH_PUSH:
	case HOY_FETCH_PUT:
	case HOY_FETCH_FILE:
		break;
	}
	if (r == 0)
		r = hoy_buf_check(&out, "the registry's answer", err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(output, out.data, out.len);
	if (r < 0)
		return hoy_err_code(err, r, "write the answer");
	*done = (struct hoy_fetch_packet){ .type = HOY_FETCH_DONE, .blob.size = out.len };
	hoy_sha256_digest(out.data, out.len, done->blob.digest);
	return 0;
}
