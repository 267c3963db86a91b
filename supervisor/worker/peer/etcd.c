#include "supervisor/worker/peer/etcd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/worker/fetch/http.h"

#define ASK_TIMEOUT_MS 3000L
#define MESSAGE_MAX ((size_t) 16 << 20)

struct call {
	struct call *next;
	struct hoy_etcd *etcd;
	struct hoy_http_transfer *transfer;
	char *url, *body;
	bool is_watch;
	bool dropped;         /* nobody waits for it any more */
	struct hoy_buf lines; /* of a watch: what is not handled yet */
	hoy_etcd_done done;
	void *userdata;
};

/* A socket of libcurl's in our loop. */
struct wire {
	struct wire *next;
	struct hoy_etcd *etcd;
	curl_socket_t fd;
	struct hoy_source *source;
};

struct hoy_etcd {
	struct hoy_loop *loop;
	char **stores;
	size_t n_stores, current;
	CURLM *multi;
	struct hoy_source *timer;
	struct call *calls;
	struct wire *wires;
};

/* --- calls ------------------------------------------------------------------- */

static void call_free(struct call *call)
{
	if (call->transfer) {
		(void) curl_multi_remove_handle(call->etcd->multi, hoy_http_transfer_handle(call->transfer));
		hoy_http_transfer_free(call->transfer);
	}
	hoy_buf_done(&call->lines);
	free(call->url);
	free(call->body);
	free(call);
}

static void unlink_call(struct call *call)
{
	struct call **link = &call->etcd->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
}

static int on_part(const void *data, size_t len, long status, void *userdata, struct hoy_err *err)
{
	struct call *call = userdata;

	(void) status;
	(void) hoy_buf_add(&call->lines, data, len);
	return hoy_buf_check(&call->lines, "message of etcd", err);
}

/* --- what has come ---------------------------------------------------------------- */

static void answer(struct call *call, const char *text, size_t len)
{
	auto_(hoy_etcd_answer_done) struct hoy_etcd_answer result = {};
	struct hoy_err err = {};

	if (hoy_etcd_answer_parse(text, len, &result, &err) < 0)
		call->done(call->userdata, NULL, &err);
	else
		call->done(call->userdata, &result, NULL);
}

/* Whole lines of the watch; a handler may end it. */
static void read_lines(struct call *call)
{
	char *end;

	while (!call->dropped && call->lines.len > 0 && (end = memchr(call->lines.data, '\n', call->lines.len))) {
		size_t len = (size_t) (end - call->lines.data);
		auto_free char *line = strndup(call->lines.data, len);

		hoy_buf_consume(&call->lines, len + 1);
		if (line && len > 0)
			answer(call, line, len);
	}
}

static void end_call(struct call *call, CURLcode code)
{
	struct hoy_http_answer *http = hoy_http_transfer_answer(call->transfer);
	struct hoy_err err = {};
	int r = hoy_http_transfer_result(call->transfer, code, &err);

	unlink_call(call);
	if (call->dropped) {
		call_free(call);
		return;
	}
	if (r >= 0 && call->is_watch)
		(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECONNRESET, "etcd ended the watch");
	else if (r >= 0 && http->body.len == 0)
		(void) hoy_err_set(
			&err, HOY_ERR_SYSTEM, EPROTO, "%s: HTTP status %ld without a text", call->url, http->status);
	if (err.errnum)
		call->done(call->userdata, NULL, &err);
	else
		answer(call, http->body.data, http->body.len);
	call_free(call);
}

static void handle(struct hoy_etcd *etcd)
{
	CURLMsg *message;
	int left;

	for (struct call *call = etcd->calls, *next; call; call = next) {
		next = call->next;
		if (call->is_watch)
			read_lines(call);
	}
	while ((message = curl_multi_info_read(etcd->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			end_call(hoy_http_transfer_userdata(hoy_http_transfer_of(message->easy_handle)),
				message->data.result);
	for (struct call *call = etcd->calls, *next; call; call = next) { /* outside of libcurl's callbacks */
		next = call->next;
		if (call->dropped) {
			unlink_call(call);
			call_free(call);
		}
	}
}

/* --- libcurl in the loop ------------------------------------------------------------ */

static void on_wire(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct wire *wire = userdata;
	struct hoy_etcd *etcd = wire->etcd;
	int mask = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	int running;

	(void) source;
	(void) curl_multi_socket_action(etcd->multi, wire->fd, mask, &running);
	handle(etcd);
}

static void drop_wire(struct hoy_etcd *etcd, struct wire *wire)
{
	struct wire **link = &etcd->wires;

	while (*link != wire)
		link = &(*link)->next;
	*link = wire->next;
	wire->source = hoy_source_free(wire->source);
	free(wire);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct hoy_etcd *etcd = userdata;
	struct wire *wire = socket_data;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t) EPOLLIN : 0U) |
			  (what & CURL_POLL_OUT ? (uint32_t) EPOLLOUT : 0U);

	(void) easy;
	if (what == CURL_POLL_REMOVE) {
		if (wire)
			drop_wire(etcd, wire);
		return 0;
	}
	if (wire)
		return hoy_source_set_events(wire->source, events, NULL) < 0 ? -1 : 0;
	wire = calloc(1, sizeof *wire);
	if (!wire)
		return -1;
	wire->etcd = etcd;
	wire->fd = fd;
	if (hoy_loop_io(etcd->loop, &wire->source, fd, events, on_wire, wire, NULL) < 0) {
		free(wire);
		return -1;
	}
	wire->next = etcd->wires;
	etcd->wires = wire;
	(void) curl_multi_assign(etcd->multi, fd, wire);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *userdata)
{
	struct hoy_etcd *etcd = userdata;

	(void) multi;
	hoy_source_set_timer(etcd->timer, ms < 0 ? UINT64_MAX : (uint64_t) ms * UINT64_C(1000000));
	return 0;
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct hoy_etcd *etcd = userdata;
	int running;

	(void) source;
	(void) curl_multi_socket_action(etcd->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	handle(etcd);
}

/* --- for the rest ------------------------------------------------------------------- */

int hoy_etcd_new(struct hoy_loop *loop, const char *stores, struct hoy_etcd **ret, struct hoy_err *err)
{
	struct hoy_etcd *etcd = calloc(1, sizeof *etcd);
	int r;

	if (!etcd)
		return hoy_err_oom(err);
	etcd->loop = loop;
	etcd->stores = hoy_str_split(stores, ',');
	etcd->n_stores = hoy_strv_len(etcd->stores);
	etcd->multi = curl_multi_init();
	r = etcd->stores && etcd->multi ? hoy_loop_timer(loop, &etcd->timer, UINT64_MAX, on_timer, etcd, err)
					: hoy_err_oom(err);
	if (r < 0) {
		hoy_etcd_free(etcd);
		return r;
	}
	(void) curl_multi_setopt(etcd->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void) curl_multi_setopt(etcd->multi, CURLMOPT_SOCKETDATA, etcd);
	(void) curl_multi_setopt(etcd->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void) curl_multi_setopt(etcd->multi, CURLMOPT_TIMERDATA, etcd);
	*ret = etcd;
	return 0;
}

void hoy_etcd_free(struct hoy_etcd *etcd)
{
	if (!etcd)
		return;
	while (etcd->calls) {
		struct call *call = etcd->calls;

		etcd->calls = call->next;
		call_free(call);
	}
	(void) curl_multi_cleanup(etcd->multi);
	while (etcd->wires)
		drop_wire(etcd, etcd->wires);
	etcd->timer = hoy_source_free(etcd->timer);
	hoy_strv_free(etcd->stores);
	free(etcd);
}

static int start(struct call *call, struct hoy_err *err)
{
	const struct hoy_http_request request = {
		.url = call->url,
		.body = call->body,
		.body_len = strlen(call->body),
		.content_type = "application/json",
		.plain = true,
		.sink = call->is_watch ? on_part : NULL,
		.userdata = call,
	};
	int r = hoy_http_transfer_new(&request, &call->transfer, err);
	CURL *curl;

	if (r < 0)
		return r;
	curl = hoy_http_transfer_handle(call->transfer);
	(void) curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	(void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, ASK_TIMEOUT_MS);
	if (call->is_watch) /* silent until something changes: keep-alives of the lease show whether etcd is there */
		(void) curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 0L);
	else
		(void) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_TIMEOUT_MS);
	if (curl_multi_add_handle(call->etcd->multi, curl) != CURLM_OK)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "%s: start the request", call->url);
	return 0;
}

static int ask(struct hoy_etcd *etcd, const char *path, const char *body, bool is_watch, hoy_etcd_done done,
	void *userdata, struct hoy_err *err)
{
	struct call *call = calloc(1, sizeof *call);
	int r;

	if (!call)
		return hoy_err_oom(err);
	call->etcd = etcd;
	call->is_watch = is_watch;
	call->done = done;
	call->userdata = userdata;
	call->url = hoy_str_printf("http://%s/v3/%s", etcd->stores[etcd->current], path);
	call->body = strdup(body);
	hoy_buf_init(&call->lines, MESSAGE_MAX);
	r = call->url && call->body ? start(call, err) : hoy_err_oom(err);
	if (r < 0) {
		call_free(call);
		return r;
	}
	call->next = etcd->calls;
	etcd->calls = call;
	return 0;
}

int hoy_etcd_ask(struct hoy_etcd *etcd, const char *path, const char *body, hoy_etcd_done done, void *userdata,
	struct hoy_err *err)
{
	return ask(etcd, path, body, /* is_watch= */ false, done, userdata, err);
}

int hoy_etcd_watch(struct hoy_etcd *etcd, const char *body, hoy_etcd_done done, void *userdata, struct hoy_err *err)
{
	hoy_etcd_unwatch(etcd);
	return ask(etcd, "watch", body, /* is_watch= */ true, done, userdata, err);
}

void hoy_etcd_unwatch(struct hoy_etcd *etcd)
{
	for (struct call *call = etcd->calls; call; call = call->next)
		if (call->is_watch) /* freed with what comes next: it may be the one that is being handled */
			call->dropped = true;
}

void hoy_etcd_next(struct hoy_etcd *etcd)
{
	etcd->current = (etcd->current + 1) % etcd->n_stores;
}
