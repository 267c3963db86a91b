#include "supervisor/worker/fetch/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"

#define ERROR_BODY_MAX ((size_t) 64 << 10)
#define BUFFER_SIZE (256L << 10)
#define CONNECT_TIMEOUT_S 30L
/* Fewer bytes than one a second for this long: the transfer stalls. */
#define STALL_S 30L
#define REDIRECTS_MAX 10L

struct hoy_http_transfer {
	struct hoy_http_request rq;
	CURL *curl;
	struct curl_slist *headers;
	uint64_t sent; /* of the file */
	struct hoy_http_answer answer;
	char text[CURL_ERROR_SIZE];
};

/* --- what comes back --- */

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct hoy_http_transfer *t = userdata;
	struct hoy_http_answer *answer = &t->answer;
	size_t len = size * n;
	bool good;

	if (answer->status == 0)
		(void) curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	good = answer->status == 200 || answer->status == 206;
	if (good && t->rq.sink)
		return t->rq.sink(data, len, answer->status, t->rq.userdata, &answer->failed) < 0 ? 0 : len;
	if (good) {
		(void) hoy_buf_add(&answer->body, data, len);
		return hoy_buf_check(&answer->body, "document", &answer->failed) < 0 ? 0 : len;
	}
	/* Of an error page the beginning will do. */
	if (answer->body.len < ERROR_BODY_MAX)
		(void) hoy_buf_add(&answer->body, data, MIN(len, ERROR_BODY_MAX - answer->body.len));
	return len;
}

static void forget_headers(struct hoy_http_answer *answer)
{
	char **const values[] = { &answer->content_type, &answer->www_authenticate, &answer->location, &answer->range,
		&answer->digest, &answer->link, &answer->etag, &answer->last_modified, &answer->disposition };

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		free(*values[i]);
		*values[i] = NULL;
	}
}

static void forget_head(struct hoy_http_answer *answer)
{
	forget_headers(answer);
	answer->retry_after = answer->length = -1;
	answer->status = 0;
	hoy_buf_clear(&answer->body);
}

/* The value of a header line when it has this name. */
static char *header_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && strchr(" \t", *line)) {
		line++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", line[len - 1]))
		len--;
	return strndup(line, len);
}

static void add_challenge(struct hoy_http_answer *answer, char *value)
{
	char *joined;

	if (!answer->www_authenticate) {
		answer->www_authenticate = value;
		return;
	}
	joined = hoy_str_printf("%s, %s", answer->www_authenticate, value);
	free(value);
	if (!joined)
		return;
	free(answer->www_authenticate);
	answer->www_authenticate = joined;
}

static void take_number(char *value, int64_t *ret)
{
	if (hoy_str_to_i64(value, ret) < 0)
		*ret = -1;
	free(value);
}

static void take_text(struct hoy_http_answer *answer, const char *line, size_t len)
{
	const struct {
		const char *name;
		char **value;
	} known[] = {
		{ "Content-Type", &answer->content_type },
		{ "Location", &answer->location },
		{ "Range", &answer->range },
		{ "Docker-Content-Digest", &answer->digest },
		{ "Link", &answer->link },
		{ "ETag", &answer->etag },
		{ "Last-Modified", &answer->last_modified },
		{ "Content-Disposition", &answer->disposition },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		char *value = header_value(line, len, known[i].name);

		if (!value)
			continue;
		if (i == 0)
			value[strcspn(value, "; ")] = '\0';
		free(*known[i].value);
		*known[i].value = value;
		return;
	}
}

static size_t on_header(char *line, size_t size, size_t n, void *userdata)
{
	struct hoy_http_transfer *t = userdata;
	struct hoy_http_answer *answer = &t->answer;
	size_t len = size * n;
	char *value;

	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_head(answer); /* of a redirect */
	} else if ((value = header_value(line, len, "WWW-Authenticate"))) {
		add_challenge(answer, value);
	} else if ((value = header_value(line, len, "Retry-After"))) {
		take_number(value, &answer->retry_after); /* a date: our own patience counts */
	} else if ((value = header_value(line, len, "Content-Length"))) {
		take_number(value, &answer->length);
	} else {
		take_text(answer, line, len);
	}
	return len;
}

/* --- what is asked --- */

static int add_line(struct hoy_http_transfer *t, const char *line, struct hoy_err *err)
{
	struct curl_slist *headers = curl_slist_append(t->headers, line);

	if (!headers)
		return hoy_err_oom(err);
	t->headers = headers;
	return 0;
}

static int add_header(struct hoy_http_transfer *t, const char *name, const char *value, struct hoy_err *err)
{
	auto_free char *line = hoy_str_printf("%s: %s", name, value);

	return line ? add_line(t, line, err) : hoy_err_oom(err);
}

static void set_blob(CURL *curl, CURLoption option, const struct hoy_buf *pem)
{
	struct curl_blob blob = { .flags = CURL_BLOB_COPY };

	if (!pem || pem->len == 0)
		return;
	blob.data = pem->data;
	blob.len = pem->len;
	(void) curl_easy_setopt(curl, option, &blob);
}

static void set_tls(CURL *curl, const struct hoy_http_tls *tls)
{
	if (!tls)
		return;
	if (tls->unverified) {
		(void) curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		(void) curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	set_blob(curl, CURLOPT_CAINFO_BLOB, tls->ca);
	set_blob(curl, CURLOPT_SSLCERT_BLOB, tls->cert);
	set_blob(curl, CURLOPT_SSLKEY_BLOB, tls->key);
}

/* --- what is sent --- */

static size_t on_read(char *data, size_t size, size_t n, void *userdata)
{
	struct hoy_http_transfer *t = userdata;
	const struct hoy_http_file *file = t->rq.file;
	size_t len = (size_t) MIN((uint64_t) (size * n), file->size - t->sent);
	ssize_t got = len ? pread(file->fd, data, len, (off_t) (file->from + t->sent)) : 0;

	if (got < 0 || (got == 0 && len > 0)) {
		(void) hoy_err_set(&t->answer.failed, HOY_ERR_SYSTEM, got < 0 ? errno : EIO, "read what is uploaded");
		return CURL_READFUNC_ABORT;
	}
	t->sent += (uint64_t) got;
	if (file->sent)
		file->sent(file->from + t->sent, t->rq.userdata);
	return (size_t) got;
}

/* A redirected upload begins again. */
static int on_seek(void *userdata, curl_off_t offset, int origin)
{
	struct hoy_http_transfer *t = userdata;

	if (origin != SEEK_SET || offset < 0 || (uint64_t) offset > t->rq.file->size)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t) offset;
	return CURL_SEEKFUNC_OK;
}

static void set_method(struct hoy_http_transfer *t)
{
	CURL *curl = t->curl;

	if (t->rq.file) {
		(void) curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		(void) curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) t->rq.file->size);
		(void) curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
		(void) curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
		(void) curl_easy_setopt(curl, CURLOPT_READDATA, t);
		(void) curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
		(void) curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
	} else if (t->rq.body) {
		(void) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) t->rq.body_len);
		(void) curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, t->rq.body);
	}
	if (t->rq.method && strcmp(t->rq.method, "HEAD") == 0)
		(void) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else if (t->rq.method)
		(void) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, t->rq.method);
}

static bool is_loopback(const char *url)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;

	return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
	       (strncmp(host, "localhost", 9) == 0 && (host[9] == '\0' || strchr(":/", host[9])));
}

/* libcurl would look into its environment, which is hoyd's: that has been read already. Localhost needs no proxy. */
static void set_proxy(struct hoy_http_transfer *t)
{
	const struct hoy_http_proxy *proxy = is_loopback(t->rq.url) ? NULL : t->rq.proxy;
	const char *by = !proxy ? NULL : strncasecmp(t->rq.url, "http:", 5) == 0 ? proxy->http : proxy->https;

	(void) curl_easy_setopt(t->curl, CURLOPT_PROXY, by ? by : "");
	(void) curl_easy_setopt(t->curl, CURLOPT_NOPROXY, by && proxy->none ? proxy->none : "");
}

static void set_options(struct hoy_http_transfer *t)
{
	const char *protocols = t->rq.plain ? "http,https" : "https";
	CURL *curl = t->curl;

	(void) curl_easy_setopt(curl, CURLOPT_URL, t->rq.url);
	(void) curl_easy_setopt(curl, CURLOPT_PRIVATE, t);
	(void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->text);
	(void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void) curl_easy_setopt(curl, CURLOPT_USERAGENT, "hoy/" PACKAGE_VERSION);
	(void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
	(void) curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
	(void) curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	(void) curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	(void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	(void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
	(void) curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	(void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	(void) curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	(void) curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	(void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers);
	set_method(t);
	set_proxy(t);
	set_tls(curl, t->rq.tls);
	if (t->rq.share)
		(void) curl_easy_setopt(curl, CURLOPT_SHARE, t->rq.share);
}

static int add_headers(struct hoy_http_transfer *t, struct hoy_err *err)
{
	const struct hoy_http_request *rq = &t->rq;
	char range[64];
	int r = 0;

	if (rq->accept)
		r = add_header(t, "Accept", rq->accept, err);
	/* A header of our own, which libcurl keeps from other hosts as it does with its own. */
	if (r == 0 && rq->authorization)
		r = add_header(t, "Authorization", rq->authorization, err);
	if (r == 0 && rq->content_type)
		r = add_header(t, "Content-Type", rq->content_type, err);
	if (r == 0 && rq->content_range)
		r = add_header(t, "Content-Range", rq->content_range, err);
	/* Not libcurl's own resuming, which takes a server that sends all of it again for an error. */
	(void) snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long) rq->from);
	if (r == 0 && rq->from > 0)
		r = add_header(t, "Range", range, err);
	for (char *const *line = rq->headers; r == 0 && line && *line; line++)
		r = add_line(t, *line, err);
	return r;
}

int hoy_http_transfer_new(const struct hoy_http_request *rq, struct hoy_http_transfer **ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *t = calloc(1, sizeof *t);
	int r;

	if (!t)
		return hoy_err_oom(err);
	t->rq = *rq;
	t->answer.retry_after = t->answer.length = -1;
	hoy_buf_init(&t->answer.body, HOY_HTTP_DOCUMENT_MAX);
	t->curl = curl_easy_init();
	if (!t->curl)
		return hoy_err_oom(err);
	r = add_headers(t, err);
	if (r < 0)
		return r;
	set_options(t);
	*ret = TAKE_PTR(t);
	return 0;
}

CURL *hoy_http_transfer_handle(struct hoy_http_transfer *transfer)
{
	return transfer->curl;
}

struct hoy_http_transfer *hoy_http_transfer_of(CURL *handle)
{
	char *private = NULL;

	(void) curl_easy_getinfo(handle, CURLINFO_PRIVATE, &private);
	return (struct hoy_http_transfer *) (void *) private;
}

struct hoy_http_answer *hoy_http_transfer_answer(struct hoy_http_transfer *transfer)
{
	return &transfer->answer;
}

const char *hoy_http_transfer_url(const struct hoy_http_transfer *transfer)
{
	return transfer->rq.url;
}

void *hoy_http_transfer_userdata(struct hoy_http_transfer *transfer)
{
	return transfer->rq.userdata;
}

static bool may_go_away(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

/* As Go's client, and so docker, begins its errors: "Get", "Put". */
static const char *method_word(const struct hoy_http_request *rq)
{
	static const char *const words[][2] = { { "HEAD", "Head" }, { "PUT", "Put" }, { "PATCH", "Patch" } };

	for (size_t i = 0; rq->method && i < ARRAY_LEN(words); i++)
		if (strcmp(rq->method, words[i][0]) == 0)
			return words[i][1];
	return rq->body || (rq->method && strcmp(rq->method, "POST") == 0) ? "Post" : "Get";
}

int hoy_http_transfer_result(struct hoy_http_transfer *transfer, CURLcode code, struct hoy_err *err)
{
	struct hoy_http_answer *answer = &transfer->answer;
	const char *text = transfer->text[0] ? transfer->text : curl_easy_strerror(code);

	if (answer->failed.errnum) {
		if (err)
			*err = answer->failed;
		return -answer->failed.errnum;
	}
	if (code != CURLE_OK)
		return hoy_err_set(err, HOY_ERR_SYSTEM, may_go_away(code) ? EAGAIN : EIO, "%s \"%s\": %s",
			method_word(&transfer->rq), transfer->rq.url, text);
	(void) curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	return 0;
}

void hoy_http_transfer_free(struct hoy_http_transfer *transfer)
{
	if (!transfer)
		return;
	curl_easy_cleanup(transfer->curl);
	curl_slist_free_all(transfer->headers);
	forget_headers(&transfer->answer);
	hoy_buf_done(&transfer->answer.body);
	free(transfer);
}

char *hoy_http_resolve(const char *base, const char *location)
{
	CURLU *url = curl_url();
	char *whole = NULL, *copy = NULL;

	/* The second one is seen from the first. */
	if (url && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
		curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK)
		copy = strdup(whole);
	curl_free(whole);
	curl_url_cleanup(url);
	return copy;
}

bool hoy_http_same_host(const char *a, const char *b)
{
	size_t len = strcspn(a, ":");

	/* scheme://host:port */
	if (strncmp(a + len, "://", 3) != 0)
		return false;
	len += 3 + strcspn(a + len + 3, "/?#");
	return strncasecmp(a, b, len) == 0 && (b[len] == '\0' || strchr("/?#", b[len]));
}

CURLSH *hoy_http_share_new(void)
{
	static const curl_lock_data what[] = { CURL_LOCK_DATA_CONNECT, CURL_LOCK_DATA_SSL_SESSION, CURL_LOCK_DATA_DNS };
	CURLSH *share = curl_share_init();

	for (size_t i = 0; share && i < ARRAY_LEN(what); i++)
		(void) curl_share_setopt(share, CURLSHOPT_SHARE, what[i]);
	return share;
}

int hoy_http_ask(const struct hoy_http_request *rq, struct hoy_http_transfer **ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *t = NULL;
	int r = hoy_http_transfer_new(rq, &t, err);

	if (r == 0)
		r = hoy_http_transfer_result(t, curl_easy_perform(t->curl), err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}
