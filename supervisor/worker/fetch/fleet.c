#include "supervisor/worker/fetch/fleet.h"

#include <errno.h>
#include <time.h>

#define TURN_MS 100

struct fleet {
	struct hoy_registry *registry;
	const struct hoy_fleet_ops *ops;
	CURLM *multi;
	char *ways;
	size_t n, size, at_once;
};

int64_t hoy_fleet_now_ms(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct hoy_fleet_way *way_at(const struct fleet *fleet, size_t i)
{
	return (struct hoy_fleet_way *) (void *) (fleet->ways + i * fleet->size);
}

static void land(struct fleet *fleet, struct hoy_fleet_way *way)
{
	if (way->transfer)
		(void) curl_multi_remove_handle(fleet->multi, hoy_http_transfer_handle(way->transfer));
	hoy_http_transfer_free(way->transfer);
	way->transfer = NULL;
}

static int launch(struct fleet *fleet, struct hoy_fleet_way *way, struct hoy_err *err)
{
	struct hoy_registry *registry = fleet->registry;
	struct hoy_http_request request = { 0 };
	int r;

	hoy_registry_prepare(registry, &request);
	request.userdata = way;
	if (way->attempt == 0)
		way->attempt = 1;
	r = fleet->ops->ask(way, &request, err);
	if (r == 0)
		r = hoy_http_transfer_new(&request, &way->transfer, err);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(fleet->multi, hoy_http_transfer_handle(way->transfer)) != CURLM_OK)
		return hoy_err_oom(err);
	return 0;
}

/* It came to nothing: once more, later, or all fails. */
static int ask_again(
	struct fleet *fleet, struct hoy_fleet_way *way, struct hoy_http_answer *answer, int code, struct hoy_err *err)
{
	unsigned int ms;

	if (fleet->ops->advanced && fleet->ops->advanced(way))
		way->attempt = 1;
	if (!hoy_registry_retry(fleet->registry, answer, code, way->attempt, &ms))
		return code < 0 ? code
				: hoy_registry_refusal(
					  fleet->registry, hoy_http_transfer_url(way->transfer), answer, err);
	land(fleet, way);
	way->attempt++;
	way->broke = true;
	way->again_at = hoy_fleet_now_ms() + ms;
	return 0;
}

static int renew(struct fleet *fleet, struct hoy_fleet_way *way, struct hoy_http_answer *answer, struct hoy_err *err)
{
	int r = hoy_registry_authorize(fleet->registry, answer->www_authenticate, err);

	if (r < 0)
		return r;
	land(fleet, way);
	way->renewed = way->broke = true;
	return 0;
}

static int arrive(struct fleet *fleet, struct hoy_fleet_way *way, CURLcode code, struct hoy_err *err)
{
	struct hoy_http_answer *answer = hoy_http_transfer_answer(way->transfer);
	int r = hoy_http_transfer_result(way->transfer, code, err);

	if (r < 0)
		return ask_again(fleet, way, answer, r, err);
	if (answer->status == 401 && answer->www_authenticate && !way->renewed)
		return renew(fleet, way, answer, err);
	if (hoy_registry_is_busy(answer))
		return ask_again(fleet, way, answer, 0, err);
	r = fleet->ops->answer(way, answer, err);
	if (r < 0)
		return r == -EAGAIN ? ask_again(fleet, way, answer, r, err) : r;
	land(fleet, way);
	way->attempt = 1;
	way->broke = way->renewed = false;
	way->ended = r > 0;
	return 0;
}

/* Starts what may start; *ret_busy is false when all have ended. */
static int fill(struct fleet *fleet, bool *ret_busy, struct hoy_err *err)
{
	int64_t now = hoy_fleet_now_ms();
	size_t under_way = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < fleet->n && under_way < fleet->at_once; i++) {
		struct hoy_fleet_way *way = way_at(fleet, i);

		if (way->ended)
			continue;
		under_way++;
		if (!way->transfer && way->again_at <= now)
			r = launch(fleet, way, err);
	}
	*ret_busy = under_way > 0;
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

int hoy_fleet_run(struct hoy_registry *registry, const struct hoy_fleet_ops *ops, void *ways, size_t n, size_t size,
	size_t at_once, struct hoy_err *err)
{
	struct fleet fleet = {
		.registry = registry, .ops = ops, .multi = curl_multi_init(), .ways = ways, .n = n, .size = size
	};
	int r = fleet.multi ? 0 : hoy_err_oom(err);

	fleet.at_once = at_once;
	while (r == 0) {
		bool busy;
		int running;

		r = fill(&fleet, &busy, err);
		if (r < 0 || !busy)
			break;
		if (curl_multi_perform(fleet.multi, &running) != CURLM_OK ||
			curl_multi_poll(fleet.multi, /* extra_fds= */ NULL, 0, running ? TURN_MS : 10,
				/* numfds= */ NULL) != CURLM_OK)
			r = hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "speak with registry '%s'", registry->rq->host);
		else
			r = reap(&fleet, err);
	}
	for (size_t i = 0; i < n; i++)
		land(&fleet, way_at(&fleet, i));
	(void) curl_multi_cleanup(fleet.multi);
	return r;
}
