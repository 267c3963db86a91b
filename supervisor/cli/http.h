/*
 * The command line's HTTP/1.1 client: one connection per request to the engine's socket, blocking. Bodies are read in
 * pieces (length, chunked, or to the end of the connection), so streams of any length pass through.
 */
#ifndef HOY_CLI_HTTP_H
#define HOY_CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Where the engine listens: "unix:///path", "tcp://host:port" or "ssh://host". Texts are owned. */
struct hoy_http_host {
	char *url;  /* as given */
	char *path; /* unix */
	char *name; /* tcp: host name or address */
	char *port;
	bool ssh; /* through a command on the other machine */
	bool tls; /* tcp: through hoy-tls; the files may be NULL */
	bool tls_verify;
	char *tls_ca, *tls_cert, *tls_key;
	char *headers; /* "Name: value\r\n" of the user's, sent with every request; NULL: none */
};
int hoy_http_host_parse(const char *url, struct hoy_http_host *ret, struct hoy_err *err);
void hoy_http_host_done(struct hoy_http_host *host);

/* A response whose head was read. */
struct hoy_http {
	int fd;     /* owned until hoy_http_detach() */
	int status; /* 200, 404, ... */
	char *content_type;
	char *api_version;
	char *path_stat; /* of the archive endpoints, in base64 */
	bool chunked, no_body;
	long long left;    /* bytes left of the body or the current chunk; -1: to the end of the connection */
	struct hoy_buf in; /* received, not yet consumed */
};

struct hoy_http_request {
	const char *method;
	const char *path; /* with query, beginning with '/' */
	const char *content_type;
	const char *registry_auth; /* X-Registry-Auth; NULL: none */
	const char *body;          /* NULL: none */
	size_t body_len;
	int body_fd;  /* a stream sent chunked; -1: none. Used when body is NULL */
	bool upgrade; /* ask for a raw connection: "Upgrade: tcp" */
	const char *protocol; /* another one than tcp, with `upgrade`; NULL: not */
	const char *headers;  /* more of them, whole lines; NULL: none */
	bool probe;   /* a connection refused is an expected answer: no advice in the error */
};

/* Sends the request and reads the response's head. A status of 400 and above is not an error here. */
int hoy_http_send(const struct hoy_http_host *host, const struct hoy_http_request *request, struct hoy_http *ret,
	struct hoy_err *err);

/* The same in two halves, for who has many requests under way: the answer's head is read when poll() says that it is
 * there. A half that fails leaves nothing open. */
int hoy_http_ask(const struct hoy_http_host *host, const struct hoy_http_request *request, struct hoy_http *ret,
	struct hoy_err *err);
int hoy_http_answer(struct hoy_http *http, const struct hoy_http_request *request, struct hoy_err *err);

/* The bare connection to the engine: a socket or -errno. */
int hoy_http_connect(const struct hoy_http_host *host, struct hoy_err *err);

/* Up to `len` bytes of the body; 0 at its end. */
ssize_t hoy_http_read(struct hoy_http *http, void *data, size_t len, struct hoy_err *err);

/* The rest of the body, at most the buffer's cap. */
int hoy_http_read_all(struct hoy_http *http, struct hoy_buf *body, struct hoy_err *err);

/* For an upgraded (101) or hijacked (200, raw stream) answer: the connection itself; bytes that came behind the head
 * stay in http->in for the caller. */
int hoy_http_detach(struct hoy_http *http);

void hoy_http_done(struct hoy_http *http);

/* Percent-encodes `text` behind `buf` as a query value or path part. */
void hoy_http_escape(struct hoy_buf *buf, const char *text);

#endif
