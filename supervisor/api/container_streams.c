/*
 * Streams of a container. wait and logs are answers of unknown length whose head leaves at once; attach leaves HTTP and
 * gives the raw connection away, so hoyd is off the data path.
 */
#include "supervisor/api/container_streams.h"

#include <string.h>

#include "base/detach_keys.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/attach_ws.h"
#include "supervisor/api/earlier.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/container.h"

enum { VERSION_WITH_BINARY_FRAMES = 28, VERSION_WITH_MULTIPLEXED_TYPE = 42 };

const char *hoy_api_stream_type(const struct hoy_api_request *rq, bool framed)
{
	return framed && rq->version >= VERSION_WITH_MULTIPLEXED_TYPE ? "application/vnd.docker.multiplexed-stream"
								      : "application/vnd.docker.raw-stream";
}

/* --- wait ----------------------------------------------------------------------------------------------------- */

struct wait {
	struct hoy_http_exchange *x;
	struct hoy_container_wait *wait;
};

static void on_waiter_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct wait *wait = userdata;

	(void) x;
	hoy_container_wait_cancel(wait->wait);
	free(wait);
}

static void encode_wait(struct hoy_buf *buf, int exit_code, const char *error)
{
	struct hoy_json_writer w = { .buf = buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_i64(&w, "StatusCode", exit_code);
	if (error && *error) {
		hoy_json_object(&w, "Error");
		hoy_json_add_string(&w, "Message", error);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	(void) hoy_buf_addc(buf, '\n');
}

static void on_waited(void *userdata, const struct hoy_err *err, int exit_code, const char *error)
{
	struct wait *wait = userdata;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	if (err)
		encode_wait(&buf, 125, hoy_err_str(err));
	else
		encode_wait(&buf, exit_code, error);
	if (hoy_buf_check(&buf, "answer", NULL) >= 0)
		(void) hoy_http_stream_write(wait->x, buf.data, buf.len);
	hoy_http_stream_end(wait->x);
	free(wait);
}

static int parse_condition(const char *text, enum hoy_container_condition *ret, struct hoy_err *err)
{
	static const struct {
		const char *name;
		enum hoy_container_condition value;
	} conditions[] = {
		{ "", HOY_WAIT_NOT_RUNNING },
		{ "not-running", HOY_WAIT_NOT_RUNNING },
		{ "next-exit", HOY_WAIT_NEXT_EXIT },
		{ "removed", HOY_WAIT_REMOVED },
	};

	for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
		if (hoy_str_eq(text ? text : "", conditions[i].name)) {
			*ret = conditions[i].value;
			return 0;
		}
	return hoy_err_invalid(err, "invalid condition: \"%s\"", text);
}

int hoy_api_container_wait(struct hoy_api_request *rq, struct hoy_err *err)
{
	enum hoy_container_condition condition = HOY_WAIT_NOT_RUNNING;
	struct wait *wait;
	int r = parse_condition(hoy_uri_query(&rq->uri, "condition"), &condition, err);

	if (r < 0)
		return r;
	wait = calloc(1, sizeof *wait);
	if (!wait)
		return hoy_err_oom(err);
	wait->x = rq->x;
	r = hoy_container_wait(rq->api->o.containers, rq->name, condition, on_waited, wait, &wait->wait, err);
	if (r < 0) {
		free(wait);
		return r;
	}
	r = hoy_http_stream_begin(rq->x, 200, "application/json", on_waiter_gone, wait, err);
	if (r < 0) {
		hoy_container_wait_cancel(wait->wait);
		free(wait);
	}
	return r;
}

/* --- attach --------------------------------------------------------------------------------------------------- */

/* Outlives the exchange: the stream comes when the head was written. */
struct attach {
	struct hoy_api *api;
	struct hoy_containers *containers;
	char *ref, *detach_keys;
	struct hoy_container_attach how;
	bool stream;                     /* else the client gets what there was, and the end */
	bool websocket, text;            /* text: of clients before 1.28 */
	struct hoy_api_earlier *earlier; /* NULL: nothing of it was asked for */
};

static void attach_free(struct attach *a)
{
	hoy_api_earlier_free(a->earlier);
	free(a->ref);
	free(a->detach_keys);
	free(a);
}

static void join(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct attach *a = userdata;
	struct hoy_err err = { 0 };

	if (fd < 0)
		hoy_log_debug("attach '%s': the client left", a->ref);
	else if (!a->stream)
		hoy_fd_close(&fd);
	else if (hoy_container_attach(a->containers, a->ref, &a->how, fd, extra, extra_len, &err) < 0)
		hoy_log_err(&err, "attach '%s'", a->ref);
	attach_free(a);
}

static void on_stream_taken(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct attach *a = userdata;

	if (fd >= 0 && a->websocket) {
		fd = hoy_ws_relay_new(a->api, fd, extra, extra_len, a->how.stdin_, a->text);
		extra_len = 0;
	}
	if (fd < 0 || !a->earlier)
		join(a, fd, extra, extra_len);
	else
		hoy_api_earlier_write(TAKE_PTR(a->earlier), fd, extra, extra_len, join, a);
}

static int parse_attach(struct hoy_api_request *rq, struct attach *a, struct hoy_err *err)
{
	const char *keys = hoy_uri_query(&rq->uri, "detachKeys");
	struct hoy_detach_keys parsed;

	if (keys && *keys && hoy_detach_keys_parse(keys, &parsed, /* err= */ NULL) < 0)
		return hoy_err_invalid(err, "invalid detach keys (%s) provided", keys);
	a->api = rq->api;
	a->containers = rq->api->o.containers;
	a->ref = strdup(rq->name);
	a->detach_keys = keys && *keys ? strdup(keys) : NULL;
	if (!a->ref || (keys && *keys && !a->detach_keys))
		return hoy_err_oom(err);
	a->how = (struct hoy_container_attach){
		.raw = a->websocket,
		.stdin_ = hoy_uri_query_bool(&rq->uri, "stdin", false),
		.stdout_ = hoy_uri_query_bool(&rq->uri, "stdout", false),
		.stderr_ = hoy_uri_query_bool(&rq->uri, "stderr", false),
		.detach_keys = a->detach_keys,
	};
	a->stream = hoy_uri_query_bool(&rq->uri, "stream", false);
	if (!hoy_uri_query_bool(&rq->uri, "logs", false) || !(a->how.stdout_ || a->how.stderr_))
		return 0;
	return hoy_api_earlier_new(rq->api->o.loop, a->containers, a->ref, &a->how, &a->earlier, err);
}

static int attach(struct hoy_api_request *rq, bool websocket, struct hoy_err *err)
{
	struct attach *a = calloc(1, sizeof *a);
	bool framed;
	int r;

	if (!a)
		return hoy_err_oom(err);
	a->websocket = websocket;
	a->text = rq->version < VERSION_WITH_BINARY_FRAMES;
	r = parse_attach(rq, a, err);
	if (r >= 0)
		r = hoy_container_attach_check(a->containers, a->ref, &a->how, &framed, err);
	if (r >= 0 && websocket)
		r = hoy_ws_handshake(rq->x, err);
	if (r < 0) {
		attach_free(a);
		return r;
	}
	hoy_http_hijack(rq->x, websocket ? NULL : hoy_api_stream_type(rq, framed), on_stream_taken, a);
	return 0;
}

int hoy_api_container_attach(struct hoy_api_request *rq, struct hoy_err *err)
{
	return attach(rq, /* websocket= */ false, err);
}

int hoy_api_container_attach_ws(struct hoy_api_request *rq, struct hoy_err *err)
{
	return attach(rq, /* websocket= */ true, err);
}

/* --- logs ----------------------------------------------------------------------------------------------------- */

#define LOG_CHUNK ((size_t) 64 << 10) /* read ahead of what the client has taken */

struct logs {
	struct hoy_http_exchange *x;
	struct hoy_log_reader *reader;
};

static void logs_free(struct logs *logs)
{
	hoy_log_reader_free(logs->reader);
	free(logs);
}

static void on_log_client_gone(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	logs_free(userdata);
}

static void end_logs(struct logs *logs)
{
	hoy_http_stream_end(logs->x);
	logs_free(logs);
}

/* Moves log messages until the client has enough to take, or until there are no more. */
static void pump(struct logs *logs)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_err err = { 0 };
	int r = HOY_LOG_DATA;

	while (r == HOY_LOG_DATA && hoy_http_stream_pending(logs->x) < LOG_CHUNK) {
		hoy_buf_clear(&buf);
		r = hoy_log_reader_read(logs->reader, &buf, LOG_CHUNK, &err);
		if (buf.len && hoy_http_stream_write(logs->x, buf.data, buf.len) < 0)
			r = hoy_err_oom(&err);
	}
	if (r < 0)
		hoy_log_err(&err, "read logs");
	if (r < 0 || r == HOY_LOG_END)
		end_logs(logs);
}

static void on_log_ready(struct hoy_log_reader *reader, void *userdata)
{
	(void) reader;
	pump(userdata);
}

static void on_logs_drained(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	pump(userdata);
}

static int parse_tail(const char *text, int64_t *ret)
{
	int64_t n;

	*ret = -1;
	if (!text || !*text || !strcmp(text, "all"))
		return 0;
	if (hoy_str_to_i64(text, &n) >= 0 && n >= 0) /* what is no number means all, as it does for dockerd */
		*ret = n;
	return 0;
}

static int parse_logs(struct hoy_api_request *rq, struct hoy_container_logs *how, struct hoy_err *err)
{
	int r;

	*how = (struct hoy_container_logs){
		.follow = hoy_uri_query_bool(&rq->uri, "follow", false),
		.stdout_ = hoy_uri_query_bool(&rq->uri, "stdout", false),
		.stderr_ = hoy_uri_query_bool(&rq->uri, "stderr", false),
		.timestamps = hoy_uri_query_bool(&rq->uri, "timestamps", false),
		.details = hoy_uri_query_bool(&rq->uri, "details", false),
	};
	if (!how->stdout_ && !how->stderr_)
		return hoy_err_invalid(err, "Bad parameters: you must choose at least one stream");
	r = parse_tail(hoy_uri_query(&rq->uri, "tail"), &how->tail);
	if (r >= 0)
		r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "since"), "since", &how->since, err);
	if (r >= 0)
		r = hoy_api_parse_time(hoy_uri_query(&rq->uri, "until"), "until", &how->until, err);
	return r;
}

int hoy_api_container_logs(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_container_logs how;
	struct logs *logs;
	bool framed;
	int r = parse_logs(rq, &how, err);

	if (r < 0)
		return r;
	logs = calloc(1, sizeof *logs);
	if (!logs)
		return hoy_err_oom(err);
	logs->x = rq->x;
	r = hoy_container_logs(rq->api->o.containers, rq->name, &how, on_log_ready, logs, &logs->reader, &framed, err);
	if (r >= 0)
		r = hoy_http_stream_begin(rq->x, 200, hoy_api_stream_type(rq, framed), on_log_client_gone, logs, err);
	if (r < 0) {
		logs_free(logs);
		return r;
	}
	hoy_http_stream_on_drained(rq->x, on_logs_drained);
	return 0;
}
