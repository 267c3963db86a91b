/*
 * Requests, by libcurl: one handle each, started alone or several at once. Only http and https are spoken, also
 * after redirects, and credentials stay with the host they are for.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_HTTP_H
#define HOY_SUPERVISOR_WORKER_FETCH_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HOY_HTTP_DOCUMENT_MAX ((size_t) 4 << 20)

/* How to speak with a host; borrowed. */
struct hoy_http_tls {
	bool unverified;
	const struct hoy_buf *ca, *cert, *key; /* PEM; empty: the system's CAs, no client certificate */
};

/* What the environment of hoyd or daemon.json says; all may be NULL. Borrowed. */
struct hoy_http_proxy {
	const char *http, *https; /* URL of the proxy for that scheme */
	const char *none;         /* "localhost,.example.com,10.0.0.0/8": asked without one */
};

/* A part of a file that is sent as a request's body. */
struct hoy_http_file {
	int fd;                                        /* borrowed, read by offset */
	uint64_t from, size;                           /* `size` bytes from `from` on */
	void (*sent)(uint64_t offset, void *userdata); /* told how far it is read; may be NULL */
};

struct hoy_http_request {
	const char *method; /* NULL: GET, or POST when there is a body */
	const char *url;
	const char *accept;        /* NULL: any */
	const char *authorization; /* "Bearer ..."; NULL: none */
	char *const *headers;      /* further ones, "Name: value"; NULL: none */
	const char *content_type;  /* of what is sent; NULL: as a form */
	const char *body;          /* what is sent, `body_len` bytes; NULL: nothing, or `file` */
	size_t body_len;
	const struct hoy_http_file *file;
	const char *content_range; /* "5-9" of an upload; NULL: none */
	uint64_t from;             /* first byte wanted (Range) */
	bool plain;                /* http may be spoken */
	CURLSH *share;             /* connections that requests have in common; NULL: one of its own */
	const struct hoy_http_tls *tls;
	const struct hoy_http_proxy *proxy; /* NULL: none */
	/* Gets the body of a 200 or 206; NULL: it is collected in `body` (up to 4 MiB). < 0 ends the transfer with that
	 * error. */
	int (*sink)(const void *data, size_t len, long status, void *userdata, struct hoy_err *err);
	void *userdata;
};

struct hoy_http_answer {
	long status;            /* 0: there was none */
	char *content_type;     /* without parameters */
	char *www_authenticate; /* all of them, joined by ", " */
	char *location;         /* as sent: may be relative */
	char *range;            /* "0-41": what an upload has */
	char *digest;           /* Docker-Content-Digest */
	char *link;             /* of the next page of a list */
	char *etag, *last_modified, *disposition;
	int64_t length;        /* Content-Length; -1: not said */
	int64_t retry_after;   /* seconds; -1: not said */
	struct hoy_buf body;   /* of an error too (its first 64 KiB) */
	struct hoy_err failed; /* what the sink said; errnum 0: nothing */
};

struct hoy_http_transfer;

/* Prepares; hoy_http_transfer_handle() is for curl_multi_add_handle(). `rq` is copied, what it points to is borrowed
 * until the end. */
int hoy_http_transfer_new(const struct hoy_http_request *rq, struct hoy_http_transfer **ret, struct hoy_err *err);
CURL *hoy_http_transfer_handle(struct hoy_http_transfer *transfer);
struct hoy_http_transfer *hoy_http_transfer_of(CURL *handle);
struct hoy_http_answer *hoy_http_transfer_answer(struct hoy_http_transfer *transfer);
const char *hoy_http_transfer_url(const struct hoy_http_transfer *transfer);
void *hoy_http_transfer_userdata(struct hoy_http_transfer *transfer);
/* 0 when the server answered, whatever it said; else the error: 'Get "https://host/": Connection refused'. Errors that
 * may go away have the code -EAGAIN. */
int hoy_http_transfer_result(struct hoy_http_transfer *transfer, CURLcode code, struct hoy_err *err);
void hoy_http_transfer_free(struct hoy_http_transfer *transfer);
HOY_DEFINE_AUTO_PTR(struct hoy_http_transfer, hoy_http_transfer_free);

/* The URL that "Location: `location`" of an answer from `base` means. Heap; NULL: it is none. */
char *hoy_http_resolve(const char *base, const char *location);

/* Are both at the same scheme, host and port? Only then what one was shown may be shown to the other. */
bool hoy_http_same_host(const char *a, const char *b);

/* Connections, TLS sessions and addresses for the requests of one thread that name it; to be freed with
 * curl_share_cleanup() after the last transfer. NULL when out of memory. */
CURLSH *hoy_http_share_new(void);

/* All at once. The answer belongs to the transfer. */
int hoy_http_ask(const struct hoy_http_request *rq, struct hoy_http_transfer **ret, struct hoy_err *err);

#endif
