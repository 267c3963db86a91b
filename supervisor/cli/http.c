/* The blocking HTTP client. What an engine sends is not trusted: heads and lines are capped. */
#include "supervisor/cli/http.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/cli/ssh.h"
#include "supervisor/cli/tls.h"

#define HEAD_MAX ((size_t) 64 << 10)
#define PIECE ((size_t) 32 << 10)

/* "tcp://HOST[:PORT]", IPv6 in brackets. */
static int parse_tcp(const char *url, struct hoy_http_host *host, struct hoy_err *err)
{
	const char *name = url + strlen("tcp://");
	const char *colon = strrchr(name, ':');

	if (!colon || colon == name || !colon[1])
		return hoy_err_invalid(err, "invalid host \"%s\": expected tcp://HOST:PORT", url);
	if (name[0] == '[' && colon[-1] == ']')
		host->name = strndup(name + 1, (size_t) (colon - name) - 2);
	else
		host->name = strndup(name, (size_t) (colon - name));
	host->port = strndup(colon + 1, strcspn(colon + 1, "/"));
	return host->name && host->port ? 0 : hoy_err_oom(err);
}

int hoy_http_host_parse(const char *url, struct hoy_http_host *ret, struct hoy_err *err)
{
	struct hoy_http_host host = { .url = strdup(url) };
	int r = host.url ? 0 : hoy_err_oom(err);

	if (r == 0 && hoy_str_starts(url, "unix://")) {
		host.path = strdup(url + strlen("unix://"));
		if (!host.path)
			r = hoy_err_oom(err);
		else if (host.path[0] != '/')
			r = hoy_err_invalid(err, "invalid host \"%s\": a unix socket needs an absolute path", url);
	} else if (r == 0 && hoy_str_starts(url, "tcp://")) {
		r = parse_tcp(url, &host, err);
	} else if (r == 0 && hoy_str_starts(url, "ssh://")) {
		host.ssh = true;
		r = hoy_ssh_check(url, err);
	} else if (r == 0) {
		r = hoy_err_unsupported(
			err, "host \"%s\" is not supported: use unix://PATH, tcp://HOST:PORT or ssh://HOST", url);
	}
	if (r < 0)
		hoy_http_host_done(&host);
	else
		*ret = host;
	return r;
}

void hoy_http_host_done(struct hoy_http_host *host)
{
	free(host->url);
	free(host->path);
	free(host->headers);
	free(host->name);
	free(host->port);
	free(host->tls_ca);
	free(host->tls_cert);
	free(host->tls_key);
	*host = (struct hoy_http_host){ 0 };
}

static int connect_tcp(const struct hoy_http_host *host, struct hoy_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int r = getaddrinfo(host->name, host->port, &hints, &list);
	int fd = -EBADF, saved = 0;

	if (r != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EHOSTUNREACH, "resolve '%s': %s", host->name, gai_strerror(r));
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			saved = errno;
			(void) close(fd);
			fd = -EBADF;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return hoy_err_code(err, saved ? -saved : -EHOSTUNREACH, "connect to %s", host->url);
	return fd;
}

static int open_connection(const struct hoy_http_host *host, bool probe, struct hoy_err *err)
{
	int r;

	if (host->ssh)
		return hoy_ssh_connect(host->url, err);
	if (host->tls && host->name)
		return hoy_tls_connect(host, err);
	r = host->path ? hoy_fd_unix_connect(host->path, SOCK_STREAM, err) : connect_tcp(host, err);

	if (r >= 0 || probe)
		return r;
	if (r == -EACCES)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EACCES,
			"permission denied while trying to connect to the engine's socket at %s: run as root, or join the group "
			"that owns the socket",
			host->url);
	return hoy_err_set(err, HOY_ERR_SYSTEM, ECONNREFUSED,
		"Cannot connect to the Hoy daemon at %s. Is the hoyd daemon running? (%s)", host->url, strerror(-r));
}

int hoy_http_connect(const struct hoy_http_host *host, struct hoy_err *err)
{
	return open_connection(host, /* probe= */ false, err);
}

void hoy_http_escape(struct hoy_buf *buf, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char) *text;

		if (isalnum(c) || strchr("-_.~", c))
			(void) hoy_buf_addc(buf, (char) c);
		else
			(void) hoy_buf_addf(buf, "%%%02X", c);
	}
}

static int send_body_stream(int sock, int from, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);

	if (!piece)
		return hoy_err_oom(err);
	for (;;) {
		ssize_t n = TEMP_FAILURE_RETRY(read(from, piece, PIECE));
		char head[16];
		int len, r;

		if (n < 0)
			return hoy_err_sys(err, "read the input to send");
		len = snprintf(head, sizeof head, "%zx\r\n", (size_t) n);
		r = hoy_fd_write_all(sock, head, (size_t) len);
		if (r == 0 && n > 0)
			r = hoy_fd_write_all(sock, piece, (size_t) n);
		if (r == 0)
			r = hoy_fd_write_all(sock, "\r\n", 2);
		/* The engine may answer with an error before it took everything: its answer says more than EPIPE. */
		if (r == -EPIPE || r == -ECONNRESET)
			return 0;
		if (r < 0)
			return hoy_err_code(err, r, "send to the engine");
		if (n == 0)
			return 0;
	}
}

static int send_request(
	int sock, const struct hoy_http_host *host, const struct hoy_http_request *q, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf head = {};
	bool stream = !q->body && q->body_fd >= 0;
	int r;

	(void) hoy_buf_addf(
		&head, "%s %s HTTP/1.1\r\nHost: hoy\r\nUser-Agent: hoy/" PACKAGE_VERSION "\r\n", q->method, q->path);
	if (host->headers)
		(void) hoy_buf_adds(&head, host->headers);
	if (q->headers)
		(void) hoy_buf_adds(&head, q->headers);
	if (q->content_type)
		(void) hoy_buf_addf(&head, "Content-Type: %s\r\n", q->content_type);
	if (q->registry_auth)
		(void) hoy_buf_addf(&head, "X-Registry-Auth: %s\r\n", q->registry_auth);
	if (stream)
		(void) hoy_buf_adds(&head, "Transfer-Encoding: chunked\r\n");
	else if (q->body || strcmp(q->method, "POST") == 0)
		(void) hoy_buf_addf(&head, "Content-Length: %zu\r\n", q->body ? q->body_len : (size_t) 0);
	if (q->upgrade)
		(void) hoy_buf_addf(
			&head, "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n", q->protocol ? q->protocol : "tcp");
	else
		(void) hoy_buf_adds(&head, "Connection: close\r\n\r\n");
	if (q->body)
		(void) hoy_buf_add(&head, q->body, q->body_len);
	r = hoy_buf_check(&head, "the request", err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(sock, head.data, head.len);
	if (r < 0 && r != -EPIPE)
		return hoy_err_code(err, r, "send to the engine");
	return stream ? send_body_stream(sock, q->body_fd, err) : 0;
}

/* More bytes into http->in. 0 at the end of the connection. */
static ssize_t fill(struct hoy_http *http, struct hoy_err *err)
{
	void *to = hoy_buf_reserve(&http->in, PIECE);
	ssize_t n;

	if (!to)
		return hoy_buf_check(&http->in, "the engine's answer", err);
	n = TEMP_FAILURE_RETRY(read(http->fd, to, PIECE));
	if (n < 0)
		return hoy_err_sys(err, "read from the engine");
	hoy_buf_commit(&http->in, (size_t) n);
	return n;
}

/* One line without its CRLF into `line`. */
static int read_line(struct hoy_http *http, struct hoy_buf *line, struct hoy_err *err)
{
	char *end;

	hoy_buf_clear(line);
	while (!(end = http->in.len ? memchr(http->in.data, '\n', http->in.len) : NULL)) {
		ssize_t n;

		if (http->in.len > HEAD_MAX)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer has an endless header");
		n = fill(http, err);
		if (n < 0)
			return (int) n;
		if (n == 0)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO,
				"the engine closed the connection before its answer ended");
	}
	(void) hoy_buf_add(line, http->in.data, (size_t) (end - http->in.data));
	hoy_buf_consume(&http->in, (size_t) (end - http->in.data) + 1);
	if (line->len && line->data[line->len - 1] == '\r')
		line->data[--line->len] = '\0';
	return hoy_buf_check(line, "a header", err);
}

/* The value when `line` is that header, else NULL. */
static const char *header(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static int take_header(struct hoy_http *http, const char *line, struct hoy_err *err)
{
	const char *value;

	if ((value = header(line, "Content-Length"))) {
		int64_t length;

		if (hoy_str_to_i64(value, &length) < 0 || length < 0)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO,
				"the engine's answer has a bad Content-Length '%s'", value);
		if (!http->chunked)
			http->left = length;
	} else if ((value = header(line, "Transfer-Encoding"))) {
		http->chunked = strcasecmp(value, "chunked") == 0;
		http->left = 0;
	} else if ((value = header(line, "Content-Type"))) {
		free(http->content_type);
		http->content_type = strdup(value);
	} else if ((value = header(line, "Api-Version"))) {
		free(http->api_version);
		http->api_version = strdup(value);
	} else if ((value = header(line, "X-Docker-Container-Path-Stat"))) {
		free(http->path_stat);
		http->path_stat = strdup(value);
	}
	return 0;
}

static int read_head(struct hoy_http *http, const char *method, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = { .cap = HEAD_MAX };
	int r;

	do {
		http->left = -1;
		r = read_line(http, &line, err);
		if (r < 0)
			return r;
		if (sscanf(line.data ? line.data : "", "HTTP/1.%*1[01] %3d", &http->status) != 1)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "what answers there does not speak HTTP");
		while ((r = read_line(http, &line, err)) == 0 && line.len)
			if ((r = take_header(http, line.data, err)) < 0)
				break;
		if (r < 0)
			return r;
	} while (http->status == 100);
	http->no_body = strcmp(method, "HEAD") == 0 || http->status == 204 || http->status == 304;
	return 0;
}

int hoy_http_ask(const struct hoy_http_host *host, const struct hoy_http_request *request, struct hoy_http *ret,
	struct hoy_err *err)
{
	struct hoy_http http = { .fd = -EBADF };
	int r;

	hoy_buf_init(&http.in, (size_t) 256 << 10);
	r = http.fd = open_connection(host, request->probe, err);
	if (r >= 0)
		r = send_request(http.fd, host, request, err);
	if (r < 0) {
		hoy_http_done(&http);
		return r;
	}
	*ret = http;
	return 0;
}

int hoy_http_answer(struct hoy_http *http, const struct hoy_http_request *request, struct hoy_err *err)
{
	int r = read_head(http, request->method, err);

	if (r < 0) {
		hoy_http_done(http);
		return r;
	}
	hoy_log_debug("%s %s: %d", request->method, request->path, http->status);
	return 0;
}

int hoy_http_send(const struct hoy_http_host *host, const struct hoy_http_request *request, struct hoy_http *ret,
	struct hoy_err *err)
{
	struct hoy_http http;
	int r = hoy_http_ask(host, request, &http, err);

	if (r >= 0)
		r = hoy_http_answer(&http, request, err);
	if (r >= 0)
		*ret = http;
	return r;
}

static ssize_t take(struct hoy_http *http, void *data, size_t len, struct hoy_err *err)
{
	if (!http->in.len) {
		ssize_t n = fill(http, err);

		if (n <= 0)
			return n;
	}
	len = MIN(len, http->in.len);
	memcpy(data, http->in.data, len);
	hoy_buf_consume(&http->in, len);
	return (ssize_t) len;
}

/* Reads the next chunk's size line; the CRLF of the one before is gone already. 0: the last chunk was read. */
static int next_chunk(struct hoy_http *http, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = { .cap = HEAD_MAX };
	unsigned long long size;
	char *end;
	int r = read_line(http, &line, err);

	if (r < 0)
		return r;
	if (!line.len || !isxdigit((unsigned char) line.data[0]))
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer has a broken chunk");
	size = strtoull(line.data, &end, 16);
	if (size > INT64_MAX / 2 || (*end && *end != ';' && *end != ' '))
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer has a broken chunk");
	http->left = (long long) size;
	if (size)
		return 1;
	while ((r = read_line(http, &line, err)) == 0 && line.len) /* trailers */
		;
	http->no_body = true;
	return r;
}

ssize_t hoy_http_read(struct hoy_http *http, void *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = { .cap = 16 };
	ssize_t n;

	if (http->no_body)
		return 0;
	if (http->chunked && http->left == 0) {
		int r = next_chunk(http, err);

		if (r <= 0)
			return r;
	} else if (http->left == 0) {
		return 0;
	}
	n = take(http, data, http->left < 0 ? len : MIN(len, (size_t) http->left), err);
	if (n == 0 && http->left > 0)
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EPROTO, "the engine closed the connection before its answer ended");
	if (n > 0 && http->left > 0) {
		http->left -= n;
		if (http->chunked && http->left == 0) {
			int r = read_line(http, &line, err);

			if (r < 0)
				return r;
		}
	}
	return n;
}

int hoy_http_read_all(struct hoy_http *http, struct hoy_buf *body, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);
	ssize_t n;

	if (!piece)
		return hoy_err_oom(err);
	while ((n = hoy_http_read(http, piece, PIECE, err)) > 0)
		(void) hoy_buf_add(body, piece, (size_t) n);
	if (n < 0)
		return (int) n;
	(void) hoy_buf_adds(body, "");
	return hoy_buf_check(body, "the engine's answer", err);
}

int hoy_http_detach(struct hoy_http *http)
{
	return TAKE_FD(http->fd);
}

void hoy_http_done(struct hoy_http *http)
{
	hoy_fd_close(&http->fd);
	free(http->content_type);
	free(http->api_version);
	free(http->path_stat);
	hoy_buf_done(&http->in);
	*http = (struct hoy_http){ .fd = -EBADF };
}
