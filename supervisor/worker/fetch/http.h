/*
 * GET requests, by libcurl: one handle each, started alone or several at once. Only http and https are spoken, also
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

struct hoy_http_get {
	const char *url;
	const char *accept;        /* NULL: any */
	const char *authorization; /* "Bearer ..."; NULL: none */
	const char *form;          /* the body of a POST instead of a GET; NULL: GET */
	uint64_t from;             /* first byte wanted (Range) */
	bool plain;                /* http may be spoken */
	const struct hoy_http_tls *tls;
	/* Gets the body of a 200 or 206; NULL: it is collected in `body` (up to 4 MiB). < 0 ends the transfer with that
	 * error. */
	int (*sink)(const void *data, size_t len, long status, void *userdata, struct hoy_err *err);
	void *userdata;
};

struct hoy_http_answer {
	long status;            /* 0: there was none */
	char *content_type;     /* without parameters */
	char *www_authenticate; /* all of them, joined by ", " */
	int64_t retry_after;    /* seconds; -1: not said */
	struct hoy_buf body;    /* of an error too (its first 64 KiB) */
	struct hoy_err failed;  /* what the sink said; errnum 0: nothing */
};

struct hoy_http_transfer;

/* Prepares; hoy_http_transfer_handle() is for curl_multi_add_handle(). `get` is copied, what it points to is borrowed
 * until the end. */
int hoy_http_transfer_new(const struct hoy_http_get *get, struct hoy_http_transfer **ret, struct hoy_err *err);
CURL *hoy_http_transfer_handle(struct hoy_http_transfer *transfer);
struct hoy_http_transfer *hoy_http_transfer_of(CURL *handle);
struct hoy_http_answer *hoy_http_transfer_answer(struct hoy_http_transfer *transfer);
void *hoy_http_transfer_userdata(struct hoy_http_transfer *transfer);
/* 0 when the server answered, whatever it said; else the error: 'Get "https://host/": Connection refused'. Errors that
 * may go away have the code -EAGAIN. */
int hoy_http_transfer_result(struct hoy_http_transfer *transfer, CURLcode code, struct hoy_err *err);
void hoy_http_transfer_free(struct hoy_http_transfer *transfer);
HOY_DEFINE_AUTO_PTR(struct hoy_http_transfer, hoy_http_transfer_free);

/* All at once. The answer belongs to the transfer. */
int hoy_http_get(const struct hoy_http_get *get, struct hoy_http_transfer **ret, struct hoy_err *err);

#endif
