/*
 * One repository of one registry, by the OCI distribution specification: where it is, what to show it, its documents.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_REGISTRY_H
#define HOY_SUPERVISOR_WORKER_FETCH_REGISTRY_H

#include "base/buf.h"
#include "supervisor/worker/fetch/challenge.h"
#include "supervisor/worker/fetch/http.h"
#include "supervisor/worker/fetch/protocol.h"

/* Where the registry is asked: a mirror, or the registry itself. */
struct hoy_registry_host {
	char *url;          /* "https://mirror:5000", without "/v2"; NULL: found out by trying (the registry itself) */
	bool override_path; /* `url` has all of the path */
	bool is_mirror;     /* asked for pulls alone, and without the registry's credentials */
	bool unverified;
	bool unusable;                /* while hosts.toml is read: not for this operation */
	struct hoy_buf ca, cert, key; /* PEM, of certs.d or hosts.toml */
	char **headers;               /* "Name: value" */
};

struct hoy_registry {
	const struct hoy_fetch_request *rq;
	struct hoy_http_tls tls; /* of the host under way */
	struct hoy_http_proxy proxy;
	CURLSH *share;                   /* the connections; made with the first request */
	const char *action;              /* what the token is for: "pull", "pull,push"; a literal */
	char **sources;                  /* repositories of the same host that blobs are mounted from; owned */
	bool plain;                      /* http */
	char *base;                      /* "https://host/v2/"; NULL: not found yet */
	struct hoy_challenge challenge;  /* the last one */
	char *authorization;             /* what answers it; NULL: nothing is asked */
	char *refresh_token;             /* LOGIN: what the token server gave in place of the password; NULL: nothing */
	struct hoy_registry_host *hosts; /* in the order they are asked; the last one is the registry itself */
	size_t n_hosts;
	const struct hoy_registry_host *host; /* the one under way */
};

/* Reads certs.d and hosts.toml: to be called with the rights to. `rq` is borrowed. The first host is under way. */
int hoy_registry_init(struct hoy_registry *registry, const struct hoy_fetch_request *rq, struct hoy_err *err);
void hoy_registry_done(struct hoy_registry *registry);

/* Room for one more, empty; NULL when out of memory. */
struct hoy_registry_host *hoy_registry_add_host(struct hoy_registry *registry);
void hoy_registry_host_done(struct hoy_registry_host *host);

/* Goes on to the next host, if there is one. */
bool hoy_registry_next_host(struct hoy_registry *registry);

/* Finds out how to speak with it (https; for an insecure one http as well) and what it wants to be shown. */
int hoy_registry_connect(struct hoy_registry *registry, struct hoy_err *err);

/* Answers a 401: a (new) token, or the name and password. */
int hoy_registry_authorize(struct hoy_registry *registry, const char *www_authenticate, struct hoy_err *err);

/* What every request to it has: credentials, certificates, proxy. `url` and the rest is the caller's. */
void hoy_registry_prepare(const struct hoy_registry *registry, struct hoy_http_request *request);

/* One request for a document, asked until there is an answer that stands, whatever its status; a 401 is answered once.
 */
int hoy_registry_ask(struct hoy_registry *registry, struct hoy_http_request *request, struct hoy_http_transfer **ret,
	struct hoy_err *err);

/* The same without an answer to a 401. */
int hoy_registry_ask_once(struct hoy_registry *registry, struct hoy_http_request *request,
	struct hoy_http_transfer **ret, struct hoy_err *err);

/* Gets "manifests/<reference>" with its media type (owned). Retries what may go away. */
int hoy_registry_manifest(struct hoy_registry *registry, const char *reference, struct hoy_buf *ret, char **ret_media,
	struct hoy_err *err);

/* Asks by HEAD, which registries do not count as a pull, whether `reference` still means the document `digest`. 1: it
 * does; 0: it does not, or the registry does not say. */
int hoy_registry_still_means(
	struct hoy_registry *registry, const char *reference, const char *digest, struct hoy_err *err);

/* The URL of a blob, NULL when out of memory. */
char *hoy_registry_blob_url(const struct hoy_registry *registry, const char *digest);

/* What an answer that is none of 2xx means: the registry's own words, in docker's form. */
int hoy_registry_refusal(
	const struct hoy_registry *registry, const char *url, struct hoy_http_answer *answer, struct hoy_err *err);

/* It says that it can't answer now. */
bool hoy_registry_is_busy(const struct hoy_http_answer *answer);

/* Should it be asked again, and after how many milliseconds? `attempt` counts from 1; `code` is a transfer's result. */
bool hoy_registry_retry(const struct hoy_registry *registry, const struct hoy_http_answer *answer, int code,
	unsigned int attempt, unsigned int *ret_ms);

#endif
