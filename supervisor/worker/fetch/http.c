#include "supervisor/worker/fetch/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define ERROR_BODY_MAX ((size_t) 64 << 10)
#define BUFFER_SIZE (256L << 10)
#define CONNECT_TIMEOUT_S 30L
/* Fewer bytes than one a second for this long: the transfer stalls. */
#define STALL_S 30L
#define REDIRECTS_MAX 10L

struct hoy_http_transfer {
	struct hoy_http_get get;
	CURL *curl;
	struct curl_slist *headers;
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
	if (good && t->get.sink)
		return t->get.sink(data, len, answer->status, t->get.userdata, &answer->failed) < 0 ? 0 : len;
	if (good) {
		(void) hoy_buf_add(&answer->body, data, len);
		return hoy_buf_check(&answer->body, "document", &answer->failed) < 0 ? 0 : len;
	}
	/* Of an error page the beginning will do. */
	if (answer->body.len < ERROR_BODY_MAX)
		(void) hoy_buf_add(&answer->body, data, MIN(len, ERROR_BODY_MAX - answer->body.len));
	return len;
}

static void forget_head(struct hoy_http_answer *answer)
{
	free(answer->content_type);
	free(answer->www_authenticate);
	answer->content_type = answer->www_authenticate = NULL;
	answer->retry_after = -1;
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

static size_t on_header(char *line, size_t size, size_t n, void *userdata)
{
	struct hoy_http_transfer *t = userdata;
	struct hoy_http_answer *answer = &t->answer;
	size_t len = size * n;
	char *value;

	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_head(answer); /* of a redirect */
	} else if ((value = header_value(line, len, "Content-Type"))) {
		value[strcspn(value, "; ")] = '\0';
		free(answer->content_type);
		answer->content_type = value;
	} else if ((value = header_value(line, len, "WWW-Authenticate"))) {
		add_challenge(answer, value);
	} else if ((value = header_value(line, len, "Retry-After"))) {
		if (hoy_str_to_i64(value, &answer->retry_after) < 0)
			answer->retry_after = -1; /* a date: our own patience counts */
		free(value);
	}
	return len;
}

/* --- what is asked --- */

static int add_header(struct hoy_http_transfer *t, const char *name, const char *value, struct hoy_err *err)
{
	auto_free char *line = hoy_str_printf("%s: %s", name, value);
	struct curl_slist *headers = line ? curl_slist_append(t->headers, line) : NULL;

	if (!headers)
		return hoy_err_oom(err);
	t->headers = headers;
	return 0;
}

static int add_range(struct hoy_http_transfer *t, struct hoy_err *err)
{
	char text[40];

	(void) snprintf(text, sizeof text, "bytes=%llu-", (unsigned long long) t->get.from);
	return add_header(t, "Range", text, err);
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

static void set_options(struct hoy_http_transfer *t)
{
	const char *protocols = t->get.plain ? "http,https" : "https";
	CURL *curl = t->curl;

	(void) curl_easy_setopt(curl, CURLOPT_URL, t->get.url);
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
	if (t->get.form)
		(void) curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, t->get.form);
	set_tls(curl, t->get.tls);
}

int hoy_http_transfer_new(const struct hoy_http_get *get, struct hoy_http_transfer **ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *t = calloc(1, sizeof *t);
	int r = 0;

	if (!t)
		return hoy_err_oom(err);
	t->get = *get;
	t->answer.retry_after = -1;
	hoy_buf_init(&t->answer.body, HOY_HTTP_DOCUMENT_MAX);
	t->curl = curl_easy_init();
	if (!t->curl)
		return hoy_err_oom(err);
	if (get->accept)
		r = add_header(t, "Accept", get->accept, err);
	/* A header of our own, which libcurl keeps from other hosts as it does with its own. */
	if (r == 0 && get->authorization)
		r = add_header(t, "Authorization", get->authorization, err);
	/* Not libcurl's own resuming, which takes a server that sends all of it again for an error. */
	if (r == 0 && get->from > 0)
		r = add_range(t, err);
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

void *hoy_http_transfer_userdata(struct hoy_http_transfer *transfer)
{
	return transfer->get.userdata;
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
			transfer->get.form ? "Post" : "Get", transfer->get.url, text);
	(void) curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	return 0;
}

void hoy_http_transfer_free(struct hoy_http_transfer *transfer)
{
	if (!transfer)
		return;
	curl_easy_cleanup(transfer->curl);
	curl_slist_free_all(transfer->headers);
	free(transfer->answer.content_type);
	free(transfer->answer.www_authenticate);
	hoy_buf_done(&transfer->answer.body);
	free(transfer);
}

int hoy_http_get(const struct hoy_http_get *get, struct hoy_http_transfer **ret, struct hoy_err *err)
{
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *t = NULL;
	int r = hoy_http_transfer_new(get, &t, err);

	if (r == 0)
		r = hoy_http_transfer_result(t, curl_easy_perform(t->curl), err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}
