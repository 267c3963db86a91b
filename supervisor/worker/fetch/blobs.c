#include "supervisor/worker/fetch/blobs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/fetch/fleet.h"
#include "supervisor/worker/layer/hash.h"

#define AT_ONCE 3
#define PROGRESS_MS 100
#define PIECE ((size_t) 256 << 10)

/* One blob on its way. */
struct way {
	struct hoy_fleet_way fleet; /* first */
	struct hoy_registry *registry;
	struct hoy_fetch_blob *blob;
	struct hoy_layer_hash hash;
	char *url;
	uint64_t got, most; /* now; the most there was when it broke off */
	int64_t told_at;
	bool begun;   /* bytes of this attempt have come */
	bool resumed; /* it began with what an earlier worker had left */
};

/* --- what hoyd hears --- */

int hoy_fetch_tell(const struct hoy_fetch_packet *packet, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(HOY_FETCH_SOCKET_FD, packet, sizeof *packet, /* fds= */ NULL, 0);

	return n < 0 ? hoy_err_code(err, (int) n, "tell hoyd") : 0;
}

static struct hoy_fetch_packet about(
	enum hoy_fetch_packet_type type, const struct hoy_fetch_blob *blob, uint64_t current)
{
	struct hoy_fetch_packet packet = {
		.type = type, .kind = blob->kind, .blob = { .current = current, .size = blob->size }
	};

	(void) snprintf(packet.blob.digest, sizeof packet.blob.digest, "%s", blob->digest);
	if (blob->media_type)
		(void) snprintf(packet.blob.media_type, sizeof packet.blob.media_type, "%s", blob->media_type);
	return packet;
}

int hoy_fetch_tell_blob(
	enum hoy_fetch_packet_type type, const struct hoy_fetch_blob *blob, uint64_t current, struct hoy_err *err)
{
	const struct hoy_fetch_packet packet = about(type, blob, current);

	return hoy_fetch_tell(&packet, err);
}

int hoy_fetch_tell_got(const struct hoy_fetch_blob *blob, enum hoy_fetch_how how, struct hoy_err *err)
{
	struct hoy_fetch_packet packet = about(HOY_FETCH_GOT, blob, blob->size);

	packet.how = how;
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
		memcpy(blob->from, answer.from, sizeof blob->from);
		blob->from[sizeof blob->from - 1] = '\0';
		return HOY_FETCH_GIVE;
	}
	if (n_fds == 1)
		hoy_fd_close(&fd);
	if (n != sizeof answer || (answer.type != HOY_FETCH_HAVE && answer.type != HOY_FETCH_NONE))
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "ask hoyd for a file");
	return (int) answer.type;
}

/* --- one blob --- */

static int start_over(struct way *way, struct hoy_err *err)
{
	if (ftruncate(way->blob->fd, 0) < 0 || lseek(way->blob->fd, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "begin blob %s again", way->blob->digest);
	way->got = 0;
	way->resumed = false;
	hoy_layer_hash_done(&way->hash);
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
	now = hoy_fleet_now_ms();
	if (way->blob->kind != HOY_FETCH_LAYER || now - way->told_at < PROGRESS_MS)
		return 0;
	way->told_at = now;
	return hoy_fetch_tell_blob(HOY_FETCH_PROGRESS, way->blob, way->got, err);
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
	if (strcmp(digest, way->blob->digest) == 0) {
		hoy_fd_close(&way->blob->fd); /* hoyd looks whether anybody could still write it */
		return hoy_fetch_tell_got(way->blob, HOY_FETCH_MOVED, err);
	}
	(void) hoy_err_invalid(err, "blob %s: the registry sent another content, %s", way->blob->digest, digest);
	if (!way->resumed)
		return -EINVAL;
	/* What was left from earlier may be what is wrong. */
	r = start_over(way, err);
	return r < 0 ? r : -EAGAIN;
}

/* The file may hold the beginning already, of a pull that was ended: that is hashed, and only the rest is fetched. */
static int take_up(struct way *way, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);
	ssize_t n;
	int r = piece ? 0 : hoy_err_oom(err);

	while (r == 0 && (n = read(way->blob->fd, piece, PIECE)) != 0) {
		if (n < 0)
			return hoy_err_sys(err, "read what is there of blob %s", way->blob->digest);
		r = hoy_layer_hash_add(&way->hash, piece, (size_t) n, err);
		way->got += (uint64_t) n;
		way->resumed = true;
	}
	if (r < 0 || way->got < way->blob->size)
		return r;
	if (way->got > way->blob->size)
		return start_over(way, err);
	r = check(way, err);
	way->fleet.ended = r == 0;
	return r == -EAGAIN ? 0 : r;
}

static int set_out(struct way *way, struct hoy_err *err)
{
	int r = hoy_layer_hash_init(&way->hash, err);

	way->url = hoy_registry_blob_url(way->registry, way->blob->digest);
	if (r == 0)
		r = way->url ? take_up(way, err) : hoy_err_oom(err);
	return r;
}

static int ask(struct hoy_fleet_way *fleet, struct hoy_http_request *request, struct hoy_err *err)
{
	struct way *way = (struct way *) fleet;

	(void) err;
	way->begun = false;
	request->url = way->url;
	request->from = way->got;
	request->sink = on_data;
	return 0;
}

static int answer(struct hoy_fleet_way *fleet, struct hoy_http_answer *got, struct hoy_err *err)
{
	struct way *way = (struct way *) fleet;
	int r;

	if (got->status != 200 && got->status != 206 && got->status != 416)
		return hoy_registry_refusal(way->registry, way->url, got, err);
	if (got->status == 416) { /* Range beyond what the server has */
		r = start_over(way, err);
		(void) hoy_err_set(
			err, HOY_ERR_SYSTEM, EAGAIN, "blob %s: the registry has less of it than we", way->blob->digest);
		return r < 0 ? r : -EAGAIN;
	}
	r = check(way, err);
	return r < 0 ? r : 1;
}

static bool advanced(struct hoy_fleet_way *fleet)
{
	struct way *way = (struct way *) fleet;
	bool yes = way->got > way->most;

	if (yes)
		way->most = way->got;
	return yes;
}

/* --- all of them --- */

int hoy_fetch_blobs(struct hoy_registry *registry, struct hoy_fetch_blob *blobs, size_t n, struct hoy_err *err)
{
	static const struct hoy_fleet_ops ops = { .ask = ask, .answer = answer, .advanced = advanced };
	size_t at_once = registry->rq->at_once ? registry->rq->at_once : AT_ONCE, n_ways = 0;
	auto_free struct way *ways = calloc(n + 1, sizeof *ways);
	int r = 0;

	if (!ways)
		return hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (blobs[i].fd >= 0) {
			ways[n_ways] = (struct way){ .registry = registry, .blob = &blobs[i] };
			r = set_out(&ways[n_ways++], err);
		}
	if (r == 0)
		r = hoy_fleet_run(registry, &ops, ways, n_ways, sizeof *ways, at_once, err);
	for (size_t i = 0; i < n_ways; i++) {
		hoy_layer_hash_done(&ways[i].hash);
		free(ways[i].url);
	}
	return r;
}
