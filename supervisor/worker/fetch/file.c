#include "supervisor/worker/fetch/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/fetch/blobs.h"
#include "supervisor/worker/layer/hash.h"

#define NAME_MAX_ (HOY_FETCH_NAME_MAX - 1)

struct bringing {
	int output;
	struct hoy_layer_hash hash;
	uint64_t size;
};

static int begin_again(struct bringing *b, struct hoy_err *err)
{
	if (ftruncate(b->output, 0) < 0 || lseek(b->output, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "begin the file again");
	b->size = 0;
	return hoy_layer_hash_init(&b->hash, err);
}

static int on_data(const void *data, size_t len, long status, void *userdata, struct hoy_err *err)
{
	struct bringing *b = userdata;
	int r = hoy_layer_hash_add(&b->hash, data, len, err);

	(void) status;
	if (r == 0 && (r = hoy_fd_write_all(b->output, data, len)) < 0)
		r = hoy_err_code(err, r, "write the file");
	b->size += len;
	return r;
}

/* --- its name --------------------------------------------------------------------------------- */

static bool take_name(const char *text, size_t len, char ret[HOY_FETCH_NAME_MAX])
{
	if (len == 0 || len > NAME_MAX_)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	if (hoy_path_is_component(ret))
		return true;
	ret[0] = '\0';
	return false;
}

/* "attachment; filename=\"x.tar\"": without encodings. */
static void name_of_disposition(const char *text, char ret[HOY_FETCH_NAME_MAX])
{
	const char *at = strcasestr(text, "filename=");

	if (!at)
		return;
	at += strlen("filename=");
	if (*at == '"')
		(void) take_name(at + 1, strcspn(at + 1, "\""), ret);
	else
		(void) take_name(at, strcspn(at, "; \t"), ret);
}

/* The last part of its path, decoded. */
static bool name_of_url(const char *url, char ret[HOY_FETCH_NAME_MAX])
{
	CURLU *parts = curl_url();
	char *path = NULL;
	bool found = false;

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK) {
		const char *base = hoy_path_base(path);

		found = take_name(base, strlen(base), ret);
	}
	curl_free(path);
	curl_url_cleanup(parts);
	return found;
}

static int tell_head(const char *url, const struct hoy_http_answer *answer, struct hoy_err *err)
{
	struct hoy_fetch_packet packet = { .type = HOY_FETCH_HEAD };
	time_t modified = answer->last_modified ? curl_getdate(answer->last_modified, NULL) : -1;

	if (!name_of_url(url, packet.head.name) && answer->disposition)
		name_of_disposition(answer->disposition, packet.head.name);
	if (answer->etag && strlen(answer->etag) <= NAME_MAX_)
		memcpy(packet.head.etag, answer->etag, strlen(answer->etag) + 1);
	packet.head.modified = modified > 0 ? modified : 0;
	return hoy_fetch_tell(&packet, err);
}

/* --- the file --------------------------------------------------------------------------------- */

static void pause_ms(unsigned int ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };

	(void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static int ask(struct hoy_registry *registry, const char *if_none_match, struct bringing *b,
	struct hoy_http_transfer **ret, struct hoy_err *err)
{
	char *const headers[] = { (char *) (uintptr_t) if_none_match, NULL };
	const struct hoy_http_request request = { .url = registry->rq->url,
		.headers = if_none_match ? headers : NULL,
		.plain = strncasecmp(registry->rq->url, "http://", 7) == 0,
		.tls = &registry->tls,
		.proxy = &registry->proxy,
		.sink = on_data,
		.userdata = b };

	for (unsigned int attempt = 1;; attempt++) {
		struct hoy_http_transfer *transfer = NULL;
		unsigned int ms;
		int r = begin_again(b, err);

		if (r == 0)
			r = hoy_http_ask(&request, &transfer, err);
		if (!hoy_registry_retry(
			    registry, transfer ? hoy_http_transfer_answer(transfer) : NULL, r, attempt, &ms)) {
			*ret = transfer;
			return r;
		}
		hoy_http_transfer_free(transfer);
		pause_ms(ms);
	}
}

int hoy_fetch_file(struct hoy_registry *registry, int output, struct hoy_fetch_packet *done, struct hoy_err *err)
{
	const struct hoy_fetch_request *rq = registry->rq;
	auto_ptr(hoy_http_transfer_free) struct hoy_http_transfer *transfer = NULL;
	auto_free char *header = rq->etag ? hoy_str_printf("If-None-Match: %s", rq->etag) : NULL;
	struct bringing b = { .output = output };
	const struct hoy_http_answer *answer;
	int r;

	if (output < 0)
		return hoy_err_code(err, -EPROTO, "request without its file");
	if (rq->etag && !header)
		return hoy_err_oom(err);
	r = ask(registry, header, &b, &transfer, err);
	if (r == 0) {
		answer = hoy_http_transfer_answer(transfer);
		*done = (struct hoy_fetch_packet){ .type = HOY_FETCH_DONE, .blob = { .size = b.size } };
		if (answer->status == 304 && rq->known) {
			done->how = HOY_FETCH_EXISTED;
			(void) snprintf(done->blob.digest, sizeof done->blob.digest, "%s", rq->known);
		} else if (answer->status != 200) {
			r = hoy_err_set(err, answer->status == 404 ? HOY_ERR_NOT_FOUND : HOY_ERR_INVALID,
				answer->status == 404 ? ENOENT : EIO, "Get \"%s\": the server answered with status %ld",
				rq->url, answer->status);
		} else {
			r = hoy_layer_hash_finish(&b.hash, done->blob.digest, err);
			if (r == 0)
				r = tell_head(rq->url, answer, err);
		}
	}
	hoy_layer_hash_done(&b.hash);
	return r;
}
