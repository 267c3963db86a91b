/*
 * The distribution specification's "push": HEAD tells whether the blob is there, POST mounts it or begins an upload,
 * one PATCH sends it, PUT ends it. An upload that breaks off is asked how much it has (GET) and goes on from there; a
 * registry that has forgotten it gets it from the beginning.
 */
#include "supervisor/worker/fetch/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/fetch/fleet.h"

#define AT_ONCE 5
#define PROGRESS_MS 100
/* How often an upload begins from nothing. */
#define BEGINNINGS_MAX 5

enum step { STEP_LOOK, STEP_BEGIN, STEP_STATUS, STEP_SEND, STEP_FINISH };

struct way {
	struct hoy_fleet_way fleet; /* first */
	struct hoy_registry *registry;
	struct hoy_fetch_blob *blob;
	enum step step;
	char *url;      /* of the next request */
	char *location; /* of the upload */
	struct hoy_http_file file;
	char range[64];
	uint64_t most; /* sent before it broke off last time */
	uint64_t sent;
	int64_t told_at;
	unsigned int beginnings;
};

static void on_sent(uint64_t offset, void *userdata)
{
	struct way *way = userdata;
	int64_t now = hoy_fleet_now_ms();

	way->sent = offset;
	if (way->blob->kind != HOY_FETCH_LAYER || now - way->told_at < PROGRESS_MS)
		return;
	way->told_at = now;
	(void) hoy_fetch_tell_blob(HOY_FETCH_PROGRESS, way->blob, offset, /* err= */ NULL);
}

/* --- requests --- */

static char *begin_url(const struct way *way)
{
	const struct hoy_registry *registry = way->registry;
	const char *from = way->blob->from;

	if (!*from || way->beginnings > 1)
		return hoy_str_printf("%s%s/blobs/uploads/", registry->base, registry->rq->repository);
	return hoy_str_printf("%s%s/blobs/uploads/?mount=%s&from=%s", registry->base, registry->rq->repository,
		way->blob->digest, from);
}

/* What broke off is looked at before it goes on. */
static void step_back(struct way *way)
{
	if (way->step == STEP_SEND)
		way->step = STEP_STATUS;
	else if (way->step == STEP_FINISH)
		way->step = STEP_LOOK; /* it may have been finished */
}

static char *next_url(struct way *way)
{
	switch (way->step) {
	case STEP_LOOK:
		return hoy_registry_blob_url(way->registry, way->blob->digest);
	case STEP_BEGIN:
		way->beginnings++;
		return begin_url(way);
	case STEP_STATUS:
	case STEP_SEND:
		return strdup(way->location);
	case STEP_FINISH:
		return hoy_str_printf(
			"%s%sdigest=%s", way->location, strchr(way->location, '?') ? "&" : "?", way->blob->digest);
	}
	return NULL;
}

static void fill_send(struct way *way, struct hoy_http_request *request)
{
	way->file.fd = way->blob->fd;
	way->file.size = way->blob->size - way->file.from;
	way->file.sent = on_sent;
	request->file = &way->file;
	request->method = "PATCH";
	request->content_type = "application/octet-stream";
	if (way->file.from == 0)
		return;
	(void) snprintf(way->range, sizeof way->range, "%llu-%llu", (unsigned long long) way->file.from,
		(unsigned long long) way->blob->size - 1);
	request->content_range = way->range;
}

static int ask(struct hoy_fleet_way *fleet, struct hoy_http_request *request, struct hoy_err *err)
{
	struct way *way = (struct way *) fleet;

	if (fleet->broke)
		step_back(way);
	free(way->url);
	way->url = next_url(way);
	if (!way->url)
		return hoy_err_oom(err);
	request->url = way->url;
	/* An upload may lie at another host, which is not to learn who we are. */
	if (!hoy_http_same_host(way->url, way->registry->base))
		request->authorization = NULL;
	switch (way->step) {
	case STEP_LOOK:
		request->method = "HEAD";
		break;
	case STEP_BEGIN:
		request->body = "";
		request->content_type = "application/octet-stream";
		break;
	case STEP_STATUS:
		break;
	case STEP_SEND:
		fill_send(way, request);
		break;
	case STEP_FINISH:
		request->method = "PUT";
		request->body = "";
		request->content_type = "application/octet-stream";
		break;
	}
	return 0;
}

/* --- answers --- */

static int refused(struct way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	return hoy_registry_refusal(way->registry, way->url, answer, err);
}

static int take_location(struct way *way, const struct hoy_http_answer *answer, struct hoy_err *err)
{
	char *location = answer->location ? hoy_http_resolve(way->url, answer->location) : NULL;

	if (!location && answer->location)
		return hoy_err_invalid(err, "the registry's upload has no URL: '%.200s'", answer->location);
	if (!location && !way->location)
		return hoy_err_invalid(err, "the registry does not say where blob %s goes", way->blob->digest);
	if (location) {
		free(way->location);
		way->location = location;
	}
	return 0;
}

static int from_the_beginning(struct way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	if (way->beginnings >= BEGINNINGS_MAX)
		return refused(way, answer, err);
	way->step = STEP_BEGIN;
	way->file.from = 0;
	return 0;
}

static int on_begun(struct way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	int r;

	if (answer->status == 201 && *way->blob->from)
		return hoy_fetch_tell_got(way->blob, HOY_FETCH_MOUNTED, err) < 0 ? -EPIPE : 1;
	if (answer->status != 202)
		return refused(way, answer, err);
	free(way->location);
	way->location = NULL;
	r = take_location(way, answer, err);
	way->file.from = 0;
	way->step = STEP_SEND;
	return r;
}

/* "Range: 0-41" means 42 bytes; "0-0" of an upload without any can't be told from one byte. */
static int on_status(struct way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	const char *dash = answer->range ? strchr(answer->range, '-') : NULL;
	uint64_t last = 0;

	if (answer->status / 100 != 2 || !dash || hoy_str_to_u64(dash + 1, &last) < 0 || last == 0 ||
		last >= way->blob->size)
		return from_the_beginning(way, answer, err);
	way->file.from = last + 1;
	way->step = way->file.from == way->blob->size ? STEP_FINISH : STEP_SEND;
	return take_location(way, answer, err);
}

static int on_finished(struct way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	if (answer->status / 100 != 2)
		return answer->status == 404 ? from_the_beginning(way, answer, err) : refused(way, answer, err);
	return hoy_fetch_tell_got(way->blob, HOY_FETCH_MOVED, err) < 0 ? -EPIPE : 1;
}

static int answer(struct hoy_fleet_way *fleet, struct hoy_http_answer *got, struct hoy_err *err)
{
	struct way *way = (struct way *) fleet;

	switch (way->step) {
	case STEP_LOOK:
		if (got->status == 200)
			return hoy_fetch_tell_got(way->blob, HOY_FETCH_EXISTED, err) < 0 ? -EPIPE : 1;
		if (got->status != 404)
			return refused(way, got, err);
		way->step = STEP_BEGIN;
		return 0;
	case STEP_BEGIN:
		return on_begun(way, got, err);
	case STEP_STATUS:
		return on_status(way, got, err);
	case STEP_SEND:
		if (got->status / 100 != 2)
			/* Of a part that is not the one it waits for, or of an upload it does not know. */
			return got->status == 416 || got->status == 404 || way->file.from > 0
				       ? from_the_beginning(way, got, err)
				       : refused(way, got, err);
		way->step = STEP_FINISH;
		return take_location(way, got, err);
	case STEP_FINISH:
		return on_finished(way, got, err);
	}
	return -EINVAL;
}

static bool advanced(struct hoy_fleet_way *fleet)
{
	struct way *way = (struct way *) fleet;
	bool yes = way->file.from > way->most;

	if (yes)
		way->most = way->file.from;
	return yes;
}

int hoy_fetch_upload(struct hoy_registry *registry, struct hoy_fetch_blob *blobs, size_t n, struct hoy_err *err)
{
	static const struct hoy_fleet_ops ops = { .ask = ask, .answer = answer, .advanced = advanced };
	size_t at_once = registry->rq->at_once ? registry->rq->at_once : AT_ONCE;
	auto_free struct way *ways = calloc(n + 1, sizeof *ways);
	int r;

	if (!ways)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		ways[i] = (struct way){ .registry = registry, .blob = &blobs[i] };
	r = hoy_fleet_run(registry, &ops, ways, n, sizeof *ways, at_once, err);
	for (size_t i = 0; i < n; i++) {
		free(ways[i].url);
		free(ways[i].location);
	}
	return r;
}
