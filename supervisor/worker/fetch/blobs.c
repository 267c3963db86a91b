#include "supervisor/worker/fetch/blobs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/hash.h"

#define AT_ONCE 3
#define PROGRESS_MS 100

/* One blob on its way. */
struct way {
	struct hoy_registry *registry;
	struct hoy_fetch_blob *blob;
	struct hoy_http_transfer *transfer; /* NULL: none, or it waits for `again_at` */
	struct hoy_layer_hash hash;
	char *url;
	uint64_t got;
	int64_t again_at, told_at; /* milliseconds */
	unsigned int attempt;
	bool begun; /* bytes of this attempt have come */
};

struct fleet {
	struct hoy_registry *registry;
	CURLM *multi;
	struct way ways[AT_ONCE];
	struct hoy_fetch_blob *next, *end;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what hoyd hears --- */

int hoy_fetch_tell(const struct hoy_fetch_packet *packet, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(HOY_FETCH_SOCKET_FD, packet, sizeof *packet, /* fds= */ NULL, 0);

	return n < 0 ? hoy_err_code(err, (int) n, "tell hoyd") : 0;
}

int hoy_fetch_tell_blob(
	enum hoy_fetch_packet_type type, const struct hoy_fetch_blob *blob, uint64_t current, struct hoy_err *err)
{
	struct hoy_fetch_packet packet = {
		.type = type, .kind = blob->kind, .blob = { .current = current, .size = blob->size }
	};

	(void) snprintf(packet.blob.digest, sizeof packet.blob.digest, "%s", blob->digest);
	return hoy_fetch_tell(&packet, err);
}

int hoy_fetch_want(struct hoy_fetch_blob *blob, struct hoy_err *err)
{
	struct hoy_fetch_answer answer = { 0 };
	size_t n_fds = 1;
	ssize_t n;
	int fd = -EBADF, r = hoy_fetch_tell_blob(HOY_FETCH_WANT, blob, 0, err);

	blob->fd = -EBADF;
	if (r < 0)
		return r;
	n = hoy_fd_recv(HOY_FETCH_SOCKET_FD, &answer, sizeof answer, &fd, &n_fds);
	if (n == sizeof answer && answer.type == HOY_FETCH_GIVE && n_fds == 1) {
		blob->fd = fd;
		return 0;
	}
	if (n_fds == 1)
		hoy_fd_close(&fd);
	if (n != sizeof answer || answer.type != HOY_FETCH_HAVE)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "ask hoyd for a file");
	return 0;
}

/* --- one blob --- */

static int start_over(struct way *way, struct hoy_err *err)
{
	if (ftruncate(way->blob->fd, 0) < 0 || lseek(way->blob->fd, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "begin blob %s again", way->blob->digest);
	way->got = 0;
	return hoy_layer_hash_init(&way->hash, err);
}

static int on_data(const void *data, size_t len, long status, void *userdata, struct hoy_err *err)
{
	struct way *way = userdata;
	int64_t now;
	int r = 0;

	/* A server that does not know Range sends all of it again. */
	if (!way->begun && status == 200 && way->got > 0)
		r = start_over(way, err);
	way->begun = true;
	if (r == 0 && len > way->blob->size - way->got)
		return hoy_err_invalid(err, "blob %s has more than the %llu bytes that the manifest says",
			way->blob->digest, (unsigned long long) way->blob->size);
	if (r == 0)
		r = hoy_layer_hash_add(&way->hash, data, len, err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(way->blob->fd, data, len);
	if (r < 0)
		return hoy_err_code(err, r, "write blob %s", way->blob->digest);
	way->got += len;
	now = now_ms();
	if (way->blob->kind != HOY_FETCH_LAYER || now - way->told_at < PROGRESS_MS)
		return 0;
	way->told_at = now;
	return hoy_fetch_tell_blob(HOY_FETCH_PROGRESS, way->blob, way->got, err);
}

static int launch(struct fleet *fleet, struct way *way, struct hoy_err *err)
{
	struct hoy_registry *registry = fleet->registry;
	struct hoy_http_get get = {
		.url = way->url,
		.authorization = registry->authorization,
		.from = way->got,
		.plain = registry->plain,
		.tls = &registry->tls,
		.sink = on_data,
		.userdata = way,
	};
	int r = hoy_http_transfer_new(&get, &way->transfer, err);

	if (r < 0)
		return r;
	way->begun = false;
	if (curl_multi_add_handle(fleet->multi, hoy_http_transfer_handle(way->transfer)) != CURLM_OK)
		return hoy_err_oom(err);
	return 0;
}

static void land(struct fleet *fleet, struct way *way)
{
	if (way->transfer)
		(void) curl_multi_remove_handle(fleet->multi, hoy_http_transfer_handle(way->transfer));
	hoy_http_transfer_free(way->transfer);
	way->transfer = NULL;
}

static void leave(struct fleet *fleet, struct way *way)
{
	land(fleet, way);
	hoy_layer_hash_done(&way->hash);
	free(way->url);
	if (way->blob)
		hoy_fd_close(&way->blob->fd);
	*way = (struct way){ 0 };
}

static int set_out(struct fleet *fleet, struct way *way, struct hoy_fetch_blob *blob, struct hoy_err *err)
{
	int r;

	*way = (struct way){ .registry = fleet->registry, .blob = blob, .attempt = 1 };
	way->url = hoy_registry_blob_url(fleet->registry, blob->digest);
	r = way->url ? hoy_layer_hash_init(&way->hash, err) : hoy_err_oom(err);
	return r < 0 ? r : launch(fleet, way, err);
}

static int check(struct way *way, struct hoy_err *err)
{
	char digest[HOY_LAYER_DIGEST_MAX];
	int r;

	if (way->got != way->blob->size)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EAGAIN, "blob %s ended after %llu of %llu bytes",
			way->blob->digest, (unsigned long long) way->got, (unsigned long long) way->blob->size);
	r = hoy_layer_hash_finish(&way->hash, digest, err);
	if (r < 0)
		return r;
	if (strcmp(digest, way->blob->digest) != 0)
		return hoy_err_invalid(
			err, "blob %s: the registry sent another content, %s", way->blob->digest, digest);
	return hoy_fetch_tell_blob(HOY_FETCH_GOT, way->blob, way->got, err);
}

/* A transfer has ended: the blob is there, or it is tried again from where it stopped, or all fails. */
static int arrive(struct fleet *fleet, struct way *way, CURLcode code, struct hoy_err *err)
{
	struct hoy_http_answer *answer = hoy_http_transfer_answer(way->transfer);
	unsigned int ms;
	int r = hoy_http_transfer_result(way->transfer, code, err);

	if (r == 0 && (answer->status == 200 || answer->status == 206)) {
		r = check(way, err);
		if (r == 0) {
			leave(fleet, way);
			return 0;
		}
	} else if (r == 0 && answer->status == 401 && answer->www_authenticate && way->attempt == 1) {
		r = hoy_registry_authorize(fleet->registry, answer->www_authenticate, err);
		if (r < 0)
			return r;
		land(fleet, way);
		way->attempt++;
		return launch(fleet, way, err);
	}
	if (!hoy_registry_retry(answer, r, way->attempt, &ms))
		return r < 0 ? r : hoy_registry_refusal(fleet->registry, way->url, answer, err);
	land(fleet, way);
	way->attempt++;
	way->again_at = now_ms() + ms;
	return 0;
}

/* --- all of them --- */

static int fill(struct fleet *fleet, bool *ret_busy, struct hoy_err *err)
{
	int64_t now = now_ms();
	int r = 0;

	*ret_busy = false;
	for (size_t i = 0; r == 0 && i < AT_ONCE; i++) {
		struct way *way = &fleet->ways[i];

		while (fleet->next < fleet->end && fleet->next->fd < 0)
			fleet->next++;
		if (!way->blob && fleet->next < fleet->end)
			r = set_out(fleet, way, fleet->next++, err);
		else if (way->blob && !way->transfer && way->again_at <= now)
			r = launch(fleet, way, err);
		*ret_busy = *ret_busy || way->blob;
	}
	return r;
}

static int reap(struct fleet *fleet, struct hoy_err *err)
{
	CURLMsg *message;
	int left, r = 0;

	while (r == 0 && (message = curl_multi_info_read(fleet->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			r = arrive(fleet, hoy_http_transfer_userdata(hoy_http_transfer_of(message->easy_handle)),
				message->data.result, err);
	return r;
}

int hoy_fetch_blobs(struct hoy_registry *registry, struct hoy_fetch_blob *blobs, size_t n, struct hoy_err *err)
{
	struct fleet fleet = { .registry = registry, .multi = curl_multi_init(), .next = blobs, .end = blobs + n };
	bool busy = true;
	int r = fleet.multi ? 0 : hoy_err_oom(err);

	while (r == 0) {
		int running;

		r = fill(&fleet, &busy, err);
		if (r < 0 || !busy)
			break;
		if (curl_multi_perform(fleet.multi, &running) != CURLM_OK ||
			curl_multi_poll(fleet.multi, /* extra_fds= */ NULL, 0, PROGRESS_MS, /* numfds= */ NULL) !=
				CURLM_OK)
			r = hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "speak with registry '%s'", registry->rq->host);
		else
			r = reap(&fleet, err);
	}
	for (size_t i = 0; i < AT_ONCE; i++)
		leave(&fleet, &fleet.ways[i]);
	(void) curl_multi_cleanup(fleet.multi);
	return r;
}
