#include "supervisor/worker/fetch/signature.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"

#define ANNOTATION "dev.cosignproject.cosign/signature"
#define PAYLOAD_TYPE "application/vnd.dev.cosign.simplesigning.v1+json"
#define PAYLOAD_MAX ((size_t) 64 << 10)
#define SIGNATURE_MAX ((size_t) 8 << 10)
#define SIGNATURES_MAX 50

/* --- the payload --- */

/* An object with these members, and no other. */
static int check_members(
	const struct hoy_json *object, const char *name, const char *const *members, struct hoy_err *err)
{
	if (hoy_json_type(object) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "the payload's '%s' is no object", name);
	for (size_t i = 0; members[i]; i++)
		if (!hoy_json_get(object, members[i]))
			return hoy_err_invalid(err, "the payload's '%s' has no '%s'", name, members[i]);
	hoy_json_each(child, object)
	{
		bool known = false;

		for (size_t i = 0; members[i]; i++)
			known = known || strcmp(members[i], hoy_json_key(child)) == 0;
		if (!known)
			return hoy_err_invalid(
				err, "the payload's '%s' has an unknown member '%.64s'", name, hoy_json_key(child));
	}
	return 0;
}

static int check_text(const struct hoy_json *object, const char *key, const char *want, struct hoy_err *err)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	if (!text || (want && strcmp(text, want) != 0))
		return hoy_err_invalid(err, "the payload's '%s' is '%.100s'", key, text ? text : "no text");
	return 0;
}

int hoy_signature_check_payload(const char *text, size_t len, const char *digest, struct hoy_err *err)
{
	const struct hoy_json_limits limits = { .max_size = PAYLOAD_MAX, .max_depth = 16 };
	auto_ptr(hoy_json_free) struct hoy_json *payload = NULL;
	const struct hoy_json *critical, *optional;
	int r = hoy_json_parse(text, len, &limits, &payload, err);

	if (r < 0)
		return hoy_err_wrap(err, "payload");
	critical = hoy_json_get(payload, "critical");
	optional = hoy_json_get(payload, "optional");
	r = check_members(critical, "critical", (const char *const[]){ "identity", "image", "type", NULL }, err);
	if (r == 0)
		r = check_members(hoy_json_get(critical, "identity"), "identity",
			(const char *const[]){ "docker-reference", NULL }, err);
	if (r == 0)
		r = check_members(hoy_json_get(critical, "image"), "image",
			(const char *const[]){ "docker-manifest-digest", NULL }, err);
	if (r == 0)
		r = check_text(critical, "type", "cosign container image signature", err);
	if (r == 0)
		r = check_text(hoy_json_get(critical, "identity"), "docker-reference", NULL, err);
	if (r == 0)
		r = check_text(hoy_json_get(critical, "image"), "docker-manifest-digest", digest, err);
	if (r == 0 && optional && hoy_json_type(optional) != HOY_JSON_OBJECT &&
		hoy_json_type(optional) != HOY_JSON_NULL)
		r = hoy_err_invalid(err, "the payload's 'optional' is no object");
	hoy_json_each(child, payload)
	{
		if (r == 0 && strcmp(hoy_json_key(child), "critical") != 0 &&
			strcmp(hoy_json_key(child), "optional") != 0)
			r = hoy_err_invalid(err, "the payload has an unknown member '%.64s'", hoy_json_key(child));
	}
	return r;
}

/* --- the signature --- */

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static int read_key(const char *pem, EVP_PKEY **ret, struct hoy_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, (int) strlen(pem));
	int type;

	*ret = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!*ret)
		return hoy_err_set(err, HOY_ERR_UNSUPPORTED, EOPNOTSUPP,
			"the signature policy's key is no public key in PEM form");
	type = EVP_PKEY_base_id(*ret);
	if (type != EVP_PKEY_EC && type != EVP_PKEY_RSA && type != EVP_PKEY_ED25519)
		return hoy_err_unsupported(err, "the signature policy's key is neither ECDSA nor RSA nor Ed25519");
	return 0;
}

int hoy_signature_verify(const char *key, const void *payload, size_t len, const char *signature, struct hoy_err *err)
{
	auto_(free_key) EVP_PKEY *public = NULL;
	auto_(hoy_buf_done) struct hoy_buf raw = { .cap = SIGNATURE_MAX };
	EVP_MD_CTX *ctx;
	int r = read_key(key, &public, err), ok;

	if (r < 0)
		return r;
	if (hoy_base64_decode(&raw, signature) < 0 || raw.len == 0)
		return hoy_err_invalid(err, "the signature is not base64");
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return hoy_err_oom(err);
	ok = EVP_DigestVerifyInit(ctx, NULL, EVP_PKEY_base_id(public) == EVP_PKEY_ED25519 ? NULL : EVP_sha256(), NULL,
		     public) == 1 &&
	     EVP_DigestVerify(ctx, (const unsigned char *) raw.data, raw.len, payload, len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : hoy_err_invalid(err, "the signature is not by the signature policy's key");
}

/* --- what the registry has --- */

static int get_payload(
	struct hoy_registry *registry, const struct hoy_oci_descriptor *layer, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = hoy_registry_blob_url(registry, layer->digest);
	struct hoy_http_request request = { .url = url };
	char digest[HOY_SHA256_DIGEST_MAX];
	struct hoy_http_answer *answer;
	int r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status != 200)
		return hoy_registry_refusal(registry, url, answer, err);
	hoy_sha256_digest(answer->body.data ? answer->body.data : "", answer->body.len, digest);
	if (answer->body.len > PAYLOAD_MAX || strcmp(digest, layer->digest) != 0)
		return hoy_err_invalid(err, "the registry sent another content than %.100s", layer->digest);
	*ret = answer->body;
	answer->body = (struct hoy_buf){ 0 };
	return 0;
}

static int check_layer(
	struct hoy_registry *registry, const struct hoy_oci_descriptor *layer, const char *digest, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf payload = { 0 };
	const char *signature = hoy_oci_kv_get(layer->annotations, layer->n_annotations, ANNOTATION);
	int r;

	if (strcmp(layer->media_type, PAYLOAD_TYPE) != 0 || !signature)
		return hoy_err_invalid(err, "a layer of it is no signature");
	if (layer->size < 0 || (uint64_t) layer->size > PAYLOAD_MAX)
		return hoy_err_invalid(err, "a payload of %lld bytes", (long long) layer->size);
	r = get_payload(registry, layer, &payload, err);
	if (r == 0)
		r = hoy_signature_verify(registry->rq->signature_key, payload.data, payload.len, signature, err);
	return r < 0 ? r : hoy_signature_check_payload(payload.data, payload.len, digest, err);
}

int hoy_fetch_check_signature(struct hoy_registry *registry, const char *digest, struct hoy_err *err)
{
	const char *name = registry->rq->familiar;
	auto_free char *tag = hoy_str_printf("sha256-%s.sig", digest + strlen("sha256:")), *media_type = NULL;
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = tag ? hoy_registry_manifest(registry, tag, &text, &media_type, err) : hoy_err_oom(err);

	if (r == -ENOENT)
		return hoy_err_set(err, HOY_ERR_INVALID, EACCES,
			"%s (%s) has no signature, which the signature policy wants", name, digest);
	if (r == 0)
		r = hoy_oci_manifest_parse(text.data ? text.data : "", text.len, &manifest, err);
	if (r == 0 && manifest->n_layers == 0)
		r = hoy_err_invalid(err, "there is none in it");
	/* One that is right is enough: others may have signed too. */
	for (size_t i = 0; r == 0 && i < MIN(manifest->n_layers, (size_t) SIGNATURES_MAX); i++) {
		if (check_layer(registry, &manifest->layers[i], digest, err) == 0)
			return 0;
	}
	return hoy_err_wrap(err, "no signature of %s (%s) that the signature policy wants", name, digest);
}
