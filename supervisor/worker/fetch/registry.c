#include "supervisor/worker/fetch/registry.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "supervisor/worker/fetch/hosts_file.h"

#define DOCKER_HUB "docker.io"
#define DOCKER_HUB_HOST "registry-1.docker.io"
#define ATTEMPTS_MAX 5
#define PATIENCE_MAX_MS 60000
#define CODE_MAX 64
#define REFUSAL_MAX 500
#define CERTIFICATE_MAX ((size_t) 1 << 20)
#define ACCEPT                                                                                                         \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "                        \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                                                  \
	"application/vnd.docker.distribution.manifest.v2+json, */*"

/* --- hosts and certificates --- */

/* ca.crt and other *.crt are CAs; client.cert with client.key shows who we are. */
static int read_certificates(struct hoy_registry_host *host, const char *path, struct hoy_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		hoy_fd_close(&fd);
		return errno == ENOENT || errno == ENOTDIR ? 0 : hoy_err_sys(err, "open directory '%s'", path);
	}
	while (r == 0 && (entry = readdir(dir))) {
		struct hoy_buf *into = hoy_str_ends(entry->d_name, ".crt")    ? &host->ca
				       : hoy_str_ends(entry->d_name, ".cert") ? &host->cert
				       : hoy_str_ends(entry->d_name, ".key")  ? &host->key
									      : NULL;

		if (!into)
			continue;
		r = hoy_file_read(fd, entry->d_name, into, err);
		if (r < 0)
			(void) hoy_err_wrap(err, "certificates of '%s'", path);
	}
	(void) closedir(dir);
	return r;
}

static const char *const config_roots[] = { "/etc/hoy/certs.d", "/etc/docker/certs.d" };

/* Of a host by its name, "mirror:5000". */
static int read_host_certificates(struct hoy_registry_host *host, const char *name, struct hoy_err *err)
{
	int r = 0;

	if (strchr(name, '/') || name[0] == '.')
		return hoy_err_invalid(err, "'%s' is no registry host", name);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(config_roots); i++) {
		auto_free char *path = hoy_str_printf("%s/%s", config_roots[i], name);

		r = path ? read_certificates(host, path, err) : hoy_err_oom(err);
	}
	return r;
}

struct hoy_registry_host *hoy_registry_add_host(struct hoy_registry *registry)
{
	void *hosts = reallocarray(registry->hosts, registry->n_hosts + 1, sizeof *registry->hosts);
	struct hoy_registry_host *host;

	if (!hosts)
		return NULL;
	registry->hosts = hosts;
	host = &registry->hosts[registry->n_hosts++];
	*host = (struct hoy_registry_host){ 0 };
	hoy_buf_init(&host->ca, CERTIFICATE_MAX);
	hoy_buf_init(&host->cert, CERTIFICATE_MAX);
	hoy_buf_init(&host->key, CERTIFICATE_MAX);
	return host;
}

static int add_mirrors(struct hoy_registry *registry, struct hoy_err *err)
{
	int r = 0;

	for (char *const *url = registry->rq->mirrors; r == 0 && url && *url; url++) {
		struct hoy_registry_host *host = hoy_registry_add_host(registry);
		const char *scheme = strstr(*url, "://"), *name = scheme ? scheme + 3 : *url;
		auto_free char *copy = strndup(name, strcspn(name, "/"));
		size_t len;

		if (!host || !copy || !(host->url = strdup(*url)))
			return hoy_err_oom(err);
		for (len = strlen(host->url); len > 0 && host->url[len - 1] == '/'; len--)
			host->url[len - 1] = '\0';
		host->is_mirror = true;
		r = read_host_certificates(host, copy, err);
	}
	return r;
}

static void take_host(struct hoy_registry *registry, const struct hoy_registry_host *host)
{
	registry->host = host;
	registry->plain = false;
	registry->tls = (struct hoy_http_tls){ .unverified = host->unverified ||
							     (!host->is_mirror && registry->rq->insecure),
		.ca = &host->ca,
		.cert = &host->cert,
		.key = &host->key };
}

int hoy_registry_init(struct hoy_registry *registry, const struct hoy_fetch_request *rq, struct hoy_err *err)
{
	struct hoy_registry_host upstream = { 0 }, *last;
	int r;

	*registry = (struct hoy_registry){ .rq = rq };
	registry->action = rq->op == HOY_FETCH_PUSH || rq->op == HOY_FETCH_PUT ? "pull,push" : "pull";
	registry->proxy = (struct hoy_http_proxy){ rq->http_proxy, rq->https_proxy, rq->no_proxy };
	if (strchr(rq->host, '/') || rq->host[0] == '.')
		return hoy_err_invalid(err, "'%s' is no registry host", rq->host);
	r = add_mirrors(registry, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(config_roots); i++)
		r = hoy_hosts_file_read(registry, config_roots[i], &upstream, err);
	if (r < 0) {
		hoy_registry_host_done(&upstream);
		return r;
	}
	last = hoy_registry_add_host(registry);
	if (!last) {
		hoy_registry_host_done(&upstream);
		return hoy_err_oom(err);
	}
	last->url = upstream.url;
	r = read_host_certificates(last, rq->host, err);
	take_host(registry, &registry->hosts[0]);
	return r;
}

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void hoy_registry_host_done(struct hoy_registry_host *host)
{
	free(host->url);
	hoy_buf_done(&host->ca);
	hoy_buf_done(&host->cert);
	if (host->key.data)
		explicit_bzero(host->key.data, host->key.len);
	hoy_buf_done(&host->key);
	hoy_strv_free(host->headers);
	*host = (struct hoy_registry_host){ 0 };
}

bool hoy_registry_next_host(struct hoy_registry *registry)
{
	const struct hoy_registry_host *next = registry->host + 1;

	if (next == registry->hosts + registry->n_hosts)
		return false;
	free(registry->base);
	registry->base = NULL;
	hoy_challenge_done(&registry->challenge);
	forget(registry->authorization);
	registry->authorization = NULL;
	take_host(registry, next);
	return true;
}

void hoy_registry_done(struct hoy_registry *registry)
{
	for (size_t i = 0; i < registry->n_hosts; i++)
		hoy_registry_host_done(&registry->hosts[i]);
	free(registry->hosts);
	forget(registry->refresh_token);
	hoy_strv_free(registry->sources);
	free(registry->base);
	hoy_challenge_done(&registry->challenge);
	forget(registry->authorization);
	(void) curl_share_cleanup(registry->share);
}

/* --- refusals --- */

/* {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]} as "manifest unknown: manifest unknown". */
static bool read_refusal(const struct hoy_buf *body, char code[CODE_MAX], char text[REFUSAL_MAX])
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *first;
	const char *name, *message;

	if (body->len == 0 || hoy_json_parse(body->data, body->len, /* limits= */ NULL, &doc, /* err= */ NULL) < 0)
		return false;
	first = hoy_json_first(hoy_json_get(doc, "errors"));
	name = hoy_json_string(hoy_json_get(first, "code"));
	message = hoy_json_string(hoy_json_get(first, "message"));
	if (!name)
		return false;
	(void) snprintf(code, CODE_MAX, "%s", name);
	for (char *c = code; *c; c++)
		*c = *c == '_' ? ' ' : (char) tolower((unsigned char) *c);
	(void) snprintf(text, REFUSAL_MAX, "%s: %s", code, message ? message : "unknown error");
	for (char *c = text; *c; c++)
		if (iscntrl((unsigned char) *c))
			*c = ' ';
	return true;
}

/* 0: nothing more is to be said. */
static int explain_pull(const struct hoy_fetch_request *rq, const char *code, const char *text, struct hoy_err *err)
{
	if (rq->op == HOY_FETCH_MANIFEST &&
		(strcmp(code, "manifest unknown") == 0 || strcmp(code, "name unknown") == 0))
		return hoy_err_not_found(err, "no such manifest: %s", rq->familiar);
	if (strcmp(code, "manifest unknown") == 0)
		return hoy_err_not_found(err, "manifest for %s not found: %s", rq->familiar, text);
	if (strcmp(code, "name unknown") == 0)
		return hoy_err_not_found(err, "repository %s not found: %s", rq->name, text);
	if (strcmp(code, "denied") == 0 || (strcmp(code, "unauthorized") == 0 && !rq->username))
		return hoy_err_not_found(err,
			"pull access denied for %s, repository does not exist or may require 'docker login': %s",
			rq->name, text);
	return 0;
}

int hoy_registry_refusal(
	const struct hoy_registry *registry, const char *url, struct hoy_http_answer *answer, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	char code[CODE_MAX], text[REFUSAL_MAX];

	if (!read_refusal(&answer->body, code, text)) {
		if (answer->status == 401)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EACCES, "Get \"%s\": %s", url,
				rq->username || rq->identity_token || rq->registry_token
					? "unauthorized: incorrect username or password"
					: "no basic auth credentials");
		return hoy_err_set(err, answer->status == 404 ? HOY_ERR_NOT_FOUND : HOY_ERR_SYSTEM,
			answer->status == 404 ? ENOENT : EIO, "Get \"%s\": the registry answered with status %ld", url,
			answer->status);
	}
	if (rq->op != HOY_FETCH_PUSH && rq->op != HOY_FETCH_PUT && rq->familiar) {
		int r = explain_pull(rq, code, text, err);

		if (r < 0)
			return r;
	}
	return hoy_err_set(err, HOY_ERR_SYSTEM, answer->status == 401 ? EACCES : EIO, "%s", text);
}

bool hoy_registry_is_busy(const struct hoy_http_answer *answer)
{
	return answer->status == 429 || answer->status == 408 || answer->status / 100 == 5;
}

bool hoy_registry_retry(const struct hoy_registry *registry, const struct hoy_http_answer *answer, int code,
	unsigned int attempt, unsigned int *ret_ms)
{
	unsigned int most = registry->rq->attempts ? registry->rq->attempts : ATTEMPTS_MAX;
	bool again = code == -EAGAIN || (code == 0 && answer && hoy_registry_is_busy(answer));

	*ret_ms = attempt > 7 ? PATIENCE_MAX_MS : 500U << (attempt - 1);
	if (answer && answer->retry_after >= 0)
		*ret_ms = (unsigned int) MIN(answer->retry_after, (int64_t) PATIENCE_MAX_MS / 1000) * 1000;
	return again && attempt < most;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };

	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		;
}

/* A document, asked for until there is an answer that stands. */
static int get(const struct hoy_registry *registry, struct hoy_http_request *request, struct hoy_http_transfer **ret,
	struct hoy_err *err)
{
	request->plain = registry->plain;
	request->tls = &registry->tls;
	request->proxy = &registry->proxy;
	request->share = registry->share;
	for (unsigned int attempt = 1;; attempt++) {
		struct hoy_http_transfer *transfer = NULL;
		unsigned int ms;
		int r = hoy_http_ask(request, &transfer, err);

		if (!hoy_registry_retry(
			    registry, transfer ? hoy_http_transfer_answer(transfer) : NULL, r, attempt, &ms)) {
			if (r == 0)
				*ret = transfer;
			return r;
		}
		hoy_http_transfer_free(transfer);
		sleep_ms(ms);
	}
}

/* --- who we are --- */

static int basic(const char *username, const char *password, char **ret, struct hoy_err *err)
{
	auto_free char *plain = hoy_str_printf("%s:%s", username, password);
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_FETCH_REQUEST_MAX };

	(void) hoy_buf_adds(&text, "Basic ");
	if (plain)
		(void) hoy_base64_encode(&text, plain, strlen(plain), /* url_safe= */ false);
	if (plain)
		explicit_bzero(plain, strlen(plain));
	if (!plain || hoy_buf_check(&text, "credentials", err) < 0)
		return hoy_err_oom(err);
	*ret = hoy_buf_take(&text);
	return 0;
}

static int add_query(struct hoy_buf *buf, const char *key, const char *value, struct hoy_err *err)
{
	char *escaped = curl_easy_escape(NULL, value, 0);

	if (!escaped)
		return hoy_err_oom(err);
	(void) hoy_buf_addf(buf, "%s%s=%s", buf->len == 0 ? "" : "&", key, escaped);
	curl_free(escaped);
	return 0;
}

/* The credentials are the registry's: a mirror is a stranger. */
static const struct hoy_fetch_request *shown_to(const struct hoy_registry *registry)
{
	static const struct hoy_fetch_request nothing = { .host = (char *) (uintptr_t) "the mirror" };

	return registry->host->is_mirror ? &nothing : registry->rq;
}

static int token_query(struct hoy_registry *registry, struct hoy_buf *query, struct hoy_err *err)
{
	const struct hoy_challenge *challenge = &registry->challenge;
	const char *repository = registry->rq->repository;
	auto_free char *scope = repository ? hoy_str_printf("repository:%s:%s", repository, registry->action) : NULL;
	int r = scope || !repository ? 0 : hoy_err_oom(err);

	if (r == 0 && challenge->service)
		r = add_query(query, "service", challenge->service, err);
	if (r == 0 && scope)
		r = add_query(query, "scope", scope, err);
	for (char *const *source = registry->sources; r == 0 && source && *source; source++) {
		auto_free char *from = hoy_str_printf("repository:%s:pull", *source);

		r = from ? add_query(query, "scope", from, err) : hoy_err_oom(err);
	}
	return r;
}

static int read_token(struct hoy_registry *registry, const struct hoy_http_answer *answer, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *token, *refresh;
	int r = hoy_json_parse(answer->body.data, answer->body.len, /* limits= */ NULL, &doc, err);

	if (r < 0)
		return hoy_err_wrap(err, "token of '%s'", registry->challenge.realm);
	token = hoy_json_string(hoy_json_get(doc, "token"));
	if (!token)
		token = hoy_json_string(hoy_json_get(doc, "access_token"));
	if (!token || strpbrk(token, "\r\n"))
		return hoy_err_invalid(err, "the token server '%s' sent no token", registry->challenge.realm);
	forget(registry->authorization);
	registry->authorization = hoy_str_printf("Bearer %s", token);
	refresh = hoy_json_string(hoy_json_get(doc, "refresh_token"));
	if (refresh && registry->rq->op == HOY_FETCH_LOGIN) {
		forget(registry->refresh_token);
		registry->refresh_token = strdup(refresh);
	}
	return registry->authorization ? 0 : hoy_err_oom(err);
}

/* The token server may be another host than the registry: it is asked by https unless plain HTTP is allowed at all. */
static int ask_token(struct hoy_registry *registry, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = shown_to(registry);
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_(hoy_buf_done) struct hoy_buf query = { .cap = HOY_FETCH_REQUEST_MAX };
	auto_free char *url = NULL, *authorization = NULL;
	struct hoy_http_request request = { 0 };
	struct hoy_http_answer *answer;
	int r = token_query(registry, &query, err);

	/* Whoever logs in is given a token to keep in place of the password, by servers that have such. */
	if (r == 0 && rq->op == HOY_FETCH_LOGIN && rq->username && !rq->identity_token) {
		r = add_query(&query, "account", rq->username, err);
		(void) hoy_buf_adds(&query, "&client_id=hoy&offline_token=true");
	}
	if (r == 0 && rq->identity_token) {
		r = add_query(&query, "refresh_token", rq->identity_token, err);
		(void) hoy_buf_adds(&query, "&grant_type=refresh_token&client_id=hoy");
		url = strdup(registry->challenge.realm);
		request.body = query.data;
		request.body_len = query.len;
	} else if (r == 0) {
		url = hoy_str_printf("%s%s%s", registry->challenge.realm,
			strchr(registry->challenge.realm, '?') ? "&" : "?", query.data ? query.data : "");
		if (rq->username)
			r = basic(rq->username, rq->password ? rq->password : "", &authorization, err);
	}
	if (r < 0 || !url || hoy_buf_check(&query, "request for a token", err) < 0)
		return r < 0 ? r : hoy_err_oom(err);
	request.url = url;
	request.authorization = authorization;
	r = get(registry, &request, &transfer, err);
	if (r < 0)
		return hoy_err_wrap(err, "get a token");
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status != 200)
		return hoy_registry_refusal(registry, registry->challenge.realm, answer, err);
	return read_token(registry, answer, err);
}

int hoy_registry_authorize(struct hoy_registry *registry, const char *www_authenticate, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = shown_to(registry);
	int r;

	if (!www_authenticate)
		return hoy_err_invalid(err, "registry '%s' asks for credentials, but not for which", rq->host);
	hoy_challenge_done(&registry->challenge);
	r = hoy_challenge_parse(www_authenticate, &registry->challenge, err);
	if (r < 0)
		return r;
	if (rq->registry_token && !registry->authorization) {
		registry->authorization = hoy_str_printf("Bearer %s", rq->registry_token);
		return registry->authorization ? 0 : hoy_err_oom(err);
	}
	switch (registry->challenge.scheme) {
	case HOY_CHALLENGE_BEARER:
		return ask_token(registry, err);
	case HOY_CHALLENGE_BASIC:
		if (!rq->username || registry->authorization)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EACCES, "Get \"%s\": %s", registry->base,
				rq->username ? "unauthorized: incorrect username or password"
					     : "no basic auth credentials");
		return basic(rq->username, rq->password ? rq->password : "", &registry->authorization, err);
	case HOY_CHALLENGE_NONE:
		break;
	}
	return hoy_err_unsupported(err, "registry '%s' asks for credentials of a kind that is not supported: %.200s",
		rq->host, www_authenticate);
}

/* --- where it is --- */

/* "https://host/v2/" of a host whose URL is given. */
static char *base_of(const struct hoy_registry_host *host)
{
	return hoy_str_printf("%s%s/", host->url, host->override_path || hoy_str_ends(host->url, "/v2") ? "" : "/v2");
}

/* A server of https that is spoken to by http says so, with this status. */
#define NOT_PLAIN 400

static int ping(struct hoy_registry *registry, const char *scheme, bool patient, struct hoy_err *err)
{
	const char *host = strcmp(registry->rq->host, DOCKER_HUB) == 0 ? DOCKER_HUB_HOST : registry->rq->host;
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	struct hoy_http_request request = { 0 };
	struct hoy_http_answer *answer;
	int r;

	free(registry->base);
	registry->base = registry->host->url ? base_of(registry->host) : hoy_str_printf("%s://%s/v2/", scheme, host);
	if (!registry->base)
		return hoy_err_oom(err);
	registry->plain = strcmp(scheme, "http") == 0;
	if (!registry->share)
		registry->share = hoy_http_share_new(); /* without it, each request has a connection of its own */
	hoy_registry_prepare(registry, &request);
	request.url = registry->base;
	/* Where another way is next, the first answer stands; else it is waited for. */
	r = patient ? get(registry, &request, &transfer, err) : hoy_http_ask(&request, &transfer, err);
	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (registry->plain && registry->rq->plain && answer->status == NOT_PLAIN)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "registry '%s' does not speak http", host);
	return answer->status == 401 ? hoy_registry_authorize(registry, answer->www_authenticate, err) : 0;
}

int hoy_registry_connect(struct hoy_registry *registry, struct hoy_err *err)
{
	const struct hoy_registry_host *host = registry->host;
	int r;

	if (host->url)
		return ping(registry, hoy_str_starts(host->url, "http://") ? "http" : "https", !host->is_mirror, err);
	/* It did the last time; and whoever can make it do so now could have done so at first. */
	if (registry->rq->insecure && registry->rq->plain) {
		r = ping(registry, "http", /* patient= */ false, err);
		if (r == 0 || r == -EACCES || registry->authorization)
			return r;
	}
	r = ping(registry, "https", !registry->rq->insecure, err);
	if (r < 0 && registry->rq->insecure && !registry->authorization && r != -EACCES)
		r = ping(registry, "http", /* patient= */ true, err);
	return r;
}

/* --- what it has --- */

char *hoy_registry_blob_url(const struct hoy_registry *registry, const char *digest)
{
	return hoy_str_printf("%s%s/blobs/%s", registry->base, registry->rq->repository, digest);
}

void hoy_registry_prepare(const struct hoy_registry *registry, struct hoy_http_request *request)
{
	request->authorization = registry->authorization;
	request->plain = registry->plain;
	request->tls = &registry->tls;
	request->proxy = &registry->proxy;
	request->share = registry->share;
	request->headers = registry->host->headers;
}

int hoy_registry_ask_once(struct hoy_registry *registry, struct hoy_http_request *request,
	struct hoy_http_transfer **ret, struct hoy_err *err)
{
	request->authorization = registry->authorization;
	request->headers = registry->host->headers;
	return get(registry, request, ret, err);
}

int hoy_registry_ask(struct hoy_registry *registry, struct hoy_http_request *request, struct hoy_http_transfer **ret,
	struct hoy_err *err)
{
	for (bool asked = false;; asked = true) {
		auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
		struct hoy_http_answer *answer;
		int r;

		r = hoy_registry_ask_once(registry, request, &transfer, err);
		if (r < 0)
			return r;
		answer = hoy_http_transfer_answer(transfer);
		if (answer->status != 401 || asked || !answer->www_authenticate) {
			*ret = TAKE_PTR(transfer);
			return 0;
		}
		r = hoy_registry_authorize(registry, answer->www_authenticate, err);
		if (r < 0)
			return r;
	}
}

int hoy_registry_manifest(struct hoy_registry *registry, const char *reference, struct hoy_buf *ret, char **ret_media,
	struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = hoy_str_printf("%s%s/manifests/%s", registry->base, registry->rq->repository, reference);
	struct hoy_http_request request = { .url = url, .accept = ACCEPT };
	struct hoy_http_answer *answer;
	int r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	if (answer->status != 200)
		return hoy_registry_refusal(registry, url, answer, err);
	hoy_buf_done(ret);
	*ret = answer->body;
	answer->body = (struct hoy_buf){ 0 };
	*ret_media = TAKE_PTR(answer->content_type);
	return 0;
}

int hoy_registry_still_means(
	struct hoy_registry *registry, const char *reference, const char *digest, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *url = hoy_str_printf("%s%s/manifests/%s", registry->base, registry->rq->repository, reference);
	struct hoy_http_request request = { .url = url, .method = "HEAD", .accept = ACCEPT };
	const struct hoy_http_answer *answer;
	int r = url ? hoy_registry_ask(registry, &request, &transfer, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	answer = hoy_http_transfer_answer(transfer);
	return answer->status == 200 && answer->digest && strcmp(answer->digest, digest) == 0;
}
