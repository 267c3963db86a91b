#include "supervisor/image/registry.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/image_internal.h"
#include "supervisor/worker/fetch/insecure.h"

#define DOCKER_HUB "docker.io"
#define FILE_ATTEMPTS 3 /* a mistake in a Dockerfile is sooner told than a registry given up */

#define PLAIN_HOSTS_MAX 64

/* --- the request --- */

/* False when out of memory; a NULL stays one. */
static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool copy_reference(struct hoy_fetch_request *rq, const struct hoy_reference *ref)
{
	rq->familiar = hoy_reference_familiar(ref);
	rq->name = hoy_reference_familiar_name(ref);
	return copy(&rq->host, ref->domain) && copy(&rq->repository, ref->path) &&
	       copy(&rq->reference, ref->digest ? ref->digest
				    : ref->tag  ? ref->tag
						: "") &&
	       rq->familiar && rq->name;
}

static bool copy_credentials(struct hoy_fetch_request *rq, const struct hoy_registry_credentials *c)
{
	return copy(&rq->username, c->username) && copy(&rq->password, c->password) &&
	       copy(&rq->identity_token, c->identity_token) && copy(&rq->registry_token, c->registry_token);
}

static bool copy_settings(struct hoy_fetch_request *rq, const struct hoy_registry_settings *s, const char *host)
{
	rq->insecure = hoy_registry_is_insecure(host, s->insecure);
	rq->at_once = (uint32_t) MIN(rq->op == HOY_FETCH_PUSH ? s->uploads : s->downloads, 64);
	rq->attempts = (uint32_t) MIN(s->attempts, 1000);
	if (rq->op == HOY_FETCH_PULL && s->mirrors && strcmp(host, DOCKER_HUB) == 0 &&
		!(rq->mirrors = hoy_strv_copy(s->mirrors)))
		return false;
	return copy(&rq->http_proxy, s->http_proxy) && copy(&rq->https_proxy, s->https_proxy) &&
	       copy(&rq->no_proxy, s->no_proxy);
}

int hoy_images_fetch_request(struct hoy_images *images, enum hoy_fetch_op op, const struct hoy_reference *ref,
	const struct hoy_registry_credentials *credentials, struct hoy_fetch_request **ret, struct hoy_err *err)
{
	static const struct hoy_registry_settings defaults;
	const struct hoy_registry_settings *settings = images->options.registries ? images->options.registries
										  : &defaults;
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = calloc(1, sizeof *rq);

	if (!rq)
		return hoy_err_oom(err);
	rq->op = op;
	rq->plain = hoy_strv_has(images->plain_hosts, ref->domain);
	if (!copy_reference(rq, ref) || !copy_settings(rq, settings, ref->domain) ||
		(credentials && !copy_credentials(rq, credentials)))
		return hoy_err_oom(err);
	*ret = TAKE_PTR(rq);
	return 0;
}

/* "https://me@host:8080/x" is "host:8080". */
static char *host_of(const char *url)
{
	const char *begin = strstr(url, "://"), *at;
	size_t len;

	begin = begin ? begin + 3 : url;
	len = strcspn(begin, "/?#");
	at = memrchr(begin, '@', len);
	return at ? strndup(at + 1, len - (size_t) (at + 1 - begin)) : strndup(begin, len);
}

int hoy_images_url_request(
	struct hoy_images *images, const char *url, struct hoy_fetch_request **ret, struct hoy_err *err)
{
	static const struct hoy_registry_settings defaults;
	const struct hoy_registry_settings *settings = images->options.registries ? images->options.registries
										  : &defaults;
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = calloc(1, sizeof *rq);

	if (!rq)
		return hoy_err_oom(err);
	rq->op = HOY_FETCH_FILE;
	rq->url = strdup(url);
	rq->host = host_of(url);
	if (!rq->url || !rq->host || !copy_settings(rq, settings, rq->host))
		return hoy_err_oom(err);
	rq->attempts = rq->attempts ? rq->attempts : FILE_ATTEMPTS;
	*ret = TAKE_PTR(rq);
	return 0;
}

int hoy_image_choose_manifest(struct hoy_images *images, const struct image *image, const char *architecture,
	const char *variant, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	const struct hoy_oci_descriptor *chosen = NULL;
	const char *digest = image->pub.id;
	int r = 0;

	if (hoy_oci_media_kind(image->pub.media_type) == HOY_OCI_MEDIA_KIND_INDEX) {
		r = hoy_images_read_blob(images, digest, &text, err);
		if (r == 0)
			r = hoy_oci_index_parse(text.data ? text.data : "", text.len, &index, err);
		if (r == 0)
			r = hoy_oci_index_select(index, "linux", architecture, variant, &chosen, err);
		if (r < 0)
			return r;
		digest = chosen->digest;
	}
	*ret = strdup(digest);
	return *ret ? 0 : hoy_err_oom(err);
}

static void remove_string(char **v, const char *text)
{
	while (v && *v && strcmp(*v, text) != 0)
		v++;
	if (!v || !*v)
		return;
	free(*v);
	for (; *v; v++)
		v[0] = v[1];
}

void hoy_images_note_scheme(struct hoy_images *images, const struct hoy_fetch_request *rq, bool plain)
{
	if (!rq->insecure || plain == hoy_strv_has(images->plain_hosts, rq->host))
		return;
	if (!plain) {
		remove_string(images->plain_hosts, rq->host);
		return;
	}
	/* Without the note it is asked by https first, as at the beginning. */
	if (hoy_strv_len(images->plain_hosts) < PLAIN_HOSTS_MAX)
		(void) hoy_strv_add(&images->plain_hosts, rq->host);
}
