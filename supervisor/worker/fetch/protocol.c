/* The request's JSON, and the check of packets before anybody looks into them. */
#include "supervisor/worker/fetch/protocol.h"

#include <errno.h>
#include <string.h>

#include "libocispec/field.h"

#define STRING(key, member, flags) HOY_FIELD_STRING(struct hoy_fetch_request, key, member, flags)
static const struct hoy_field request_fields[] = {
	HOY_FIELD_U32(struct hoy_fetch_request, "op", op, 0),
	STRING("host", host, HOY_FIELD_REQUIRED),
	STRING("repository", repository, 0),
	STRING("reference", reference, 0),
	STRING("familiar", familiar, 0),
	STRING("name", name, 0),
	STRING("architecture", architecture, 0),
	STRING("variant", variant, 0),
	STRING("username", username, 0),
	STRING("password", password, 0),
	STRING("identityToken", identity_token, 0),
	STRING("registryToken", registry_token, 0),
	HOY_FIELD_BOOL(struct hoy_fetch_request, "all", all, 0),
	HOY_FIELD_BOOL(struct hoy_fetch_request, "insecure", insecure, 0),
	HOY_FIELD_BOOL(struct hoy_fetch_request, "plain", plain, 0),
	STRING("root", root, 0),
	STRING("known", known, 0),
	STRING("url", url, 0),
	STRING("etag", etag, 0),
	STRING("manifest", manifest, 0),
	STRING("signatureKey", signature_key, 0),
	HOY_FIELD_STRV(struct hoy_fetch_request, "mirrors", mirrors, 0),
	STRING("httpProxy", http_proxy, 0),
	STRING("httpsProxy", https_proxy, 0),
	STRING("noProxy", no_proxy, 0),
	HOY_FIELD_U32(struct hoy_fetch_request, "atOnce", at_once, 0),
	HOY_FIELD_U32(struct hoy_fetch_request, "attempts", attempts, 0),
};
static const struct hoy_object request_object = HOY_OBJECT(struct hoy_fetch_request, request_fields, NULL);

int hoy_fetch_request_print(const struct hoy_fetch_request *rq, struct hoy_buf *buf, struct hoy_err *err)
{
	hoy_buf_init(buf, HOY_FETCH_REQUEST_MAX);
	return hoy_field_print(&request_object, rq, buf, /* indent= */ 0, err);
}

/* What each operation can't do without. */
static int check_request(const struct hoy_fetch_request *rq, struct hoy_err *err)
{
	bool named = rq->repository && rq->reference && rq->familiar && rq->name;

	switch ((enum hoy_fetch_op) rq->op) {
	case HOY_FETCH_PULL:
	case HOY_FETCH_INSPECT:
	case HOY_FETCH_TAGS:
	case HOY_FETCH_MANIFEST:
	case HOY_FETCH_PUT:
		return named ? 0 : hoy_err_invalid(err, "the request names no image");
	case HOY_FETCH_PUSH:
		return named && rq->root ? 0 : hoy_err_invalid(err, "the request names no image");
	case HOY_FETCH_SEARCH:
		return rq->repository ? 0 : hoy_err_invalid(err, "the request has no term");
	case HOY_FETCH_FILE:
		return rq->url && !rq->etag == !rq->known ? 0 : hoy_err_invalid(err, "the request names no file");
	case HOY_FETCH_LOGIN:
		return 0;
	}
	return hoy_err_invalid(err, "unknown operation %u", rq->op);
}

int hoy_fetch_request_parse(const char *text, size_t len, struct hoy_fetch_request **ret, struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = NULL;
	int r = hoy_field_parse(&request_object, text, len, /* limits= */ NULL, (void **) &rq, err);

	if (r == 0)
		r = check_request(rq, err);
	if (r == 0)
		*ret = TAKE_PTR(rq);
	return r;
}

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
}

void hoy_fetch_request_free(struct hoy_fetch_request *rq)
{
	if (!rq)
		return;
	forget(rq->password);
	forget(rq->identity_token);
	forget(rq->registry_token);
	hoy_field_free(&request_object, rq);
}

static bool is_digest(const char digest[HOY_FETCH_DIGEST_MAX])
{
	if (strnlen(digest, HOY_FETCH_DIGEST_MAX) != 71 || strncmp(digest, "sha256:", 7) != 0)
		return false;
	return strspn(digest + 7, "0123456789abcdef") == 64;
}

static bool is_blob(const struct hoy_fetch_packet *packet)
{
	return is_digest(packet->blob.digest) && packet->blob.size <= INT64_MAX &&
	       packet->blob.current <= packet->blob.size &&
	       strnlen(packet->blob.media_type, HOY_FETCH_MEDIA_MAX) < HOY_FETCH_MEDIA_MAX &&
	       packet->kind <= HOY_FETCH_LAYER && packet->how <= HOY_FETCH_MOUNTED;
}

static bool is_text(const char text[HOY_FETCH_NAME_MAX])
{
	return strnlen(text, HOY_FETCH_NAME_MAX) < HOY_FETCH_NAME_MAX;
}

int hoy_fetch_packet_check(struct hoy_fetch_packet *packet, size_t len, struct hoy_err *err)
{
	bool ok = false;

	if (len == sizeof *packet) {
		switch ((enum hoy_fetch_packet_type) packet->type) {
		case HOY_FETCH_WANT:
		case HOY_FETCH_PROGRESS:
		case HOY_FETCH_GOT:
		case HOY_FETCH_DONE:
			ok = is_blob(packet);
			break;
		case HOY_FETCH_HEAD:
			ok = is_text(packet->head.name) && is_text(packet->head.etag);
			break;
		case HOY_FETCH_ERROR:
			ok = true; /* hoy_err_import() checks it */
			break;
		}
	}
	return ok ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-fetch sent a packet that makes no sense");
}
