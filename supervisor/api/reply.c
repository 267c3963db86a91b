/* Answers that all families give: errors, JSON, nothing; and the request's JSON body. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/internal.h"
#include "supervisor/store/store.h"

int hoy_api_status_of(const struct hoy_err *err)
{
	if (err->errnum == EALREADY)
		return 304;
	switch (err->kind) {
	case HOY_ERR_INVALID:
		return 400;
	case HOY_ERR_NOT_FOUND:
		return 404;
	case HOY_ERR_CONFLICT:
		return 409;
	case HOY_ERR_UNSUPPORTED:
		return 501;
	default:
		return 500;
	}
}

/* An answer that waits for the commit of what it speaks of. */
struct hoy_held_answer {
	struct hoy_api_request *rq; /* NULL: the client has left meanwhile */
	int status;
	const char *type; /* static */
	struct hoy_buf body;
};

static void on_durable(void *userdata, const struct hoy_err *failed)
{
	auto_free struct hoy_held_answer *held = userdata;

	if (held->rq) {
		held->rq->held = NULL;
		if (failed)
			hoy_api_reply_error(held->rq, failed);
		else
			hoy_http_reply(held->rq->x, held->status, held->type, held->type ? &held->body : NULL);
	}
	hoy_buf_done(&held->body);
}

void hoy_api_answer_forget(struct hoy_api_request *rq)
{
	if (rq->held)
		rq->held->rq = NULL;
}

static int answer_when_durable(struct hoy_api_request *rq, int status, const char *type, struct hoy_buf *body)
{
	auto_free struct hoy_held_answer *held = malloc(sizeof *held);
	struct hoy_err err = { 0 };
	int r;

	if (!held)
		return -ENOMEM;
	*held = (struct hoy_held_answer){ rq, status, type, .body = body ? *body : (struct hoy_buf){ 0 } };
	r = hoy_store_after_commit(rq->api->o.store, on_durable, held, &err);
	if (r < 0)
		return r;
	rq->held = TAKE_PTR(held);
	if (body)
		*body = (struct hoy_buf){ 0 };
	return 0;
}

static bool only_reads(const struct hoy_api_request *rq)
{
	const char *method = hoy_http_method(rq->x);

	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

/* The good news of a request that may have written leaves when its writes are on disk. */
static void answer(struct hoy_api_request *rq, int status, const char *type, struct hoy_buf *body)
{
	if (status >= 400 || only_reads(rq) || answer_when_durable(rq, status, type, body) < 0)
		hoy_http_reply(rq->x, status, type, body);
}

void hoy_api_reply_empty(struct hoy_api_request *rq, int status)
{
	answer(rq, status, /* type= */ NULL, /* body= */ NULL);
}

void hoy_api_reply_error_status(struct hoy_api_request *rq, int status, const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_buf_init(&buf, 0);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "message", text);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, status, &buf);
}

void hoy_api_reply_error(struct hoy_api_request *rq, const struct hoy_err *err)
{
	int status = hoy_api_status_of(err);

	if (status == 304) {
		hoy_api_reply_empty(rq, status);
		return;
	}
	if (status == 500)
		hoy_log_err(err, "%s %s", hoy_http_method(rq->x), hoy_http_target(rq->x));
	hoy_api_reply_error_status(rq, status, hoy_err_str(err));
}

void hoy_api_reply_json(struct hoy_api_request *rq, int status, struct hoy_buf *buf)
{
	struct hoy_err err = { 0 };

	(void) hoy_buf_addc(buf, '\n');
	if (hoy_buf_check(buf, "answer", &err) < 0) {
		hoy_log_err(&err, "%s %s", hoy_http_method(rq->x), hoy_http_target(rq->x));
		hoy_buf_done(buf);
		hoy_api_reply_empty(rq, 500);
		return;
	}
	answer(rq, status, "application/json", buf);
}

int hoy_api_check_json_type(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *type = hoy_http_header(rq->x, "Content-Type");
	size_t len = type ? strcspn(type, "; \t") : 0;

	if (!hoy_http_body(rq->x)->len || (len == 16 && !strncasecmp(type, "application/json", len)))
		return 0;
	return hoy_err_invalid(
		err, "unsupported Content-Type header (%s): must be 'application/json'", type ? type : "");
}

int hoy_api_body_json(struct hoy_api_request *rq, struct hoy_json **ret, struct hoy_err *err)
{
	const struct hoy_buf *body = hoy_http_body(rq->x);
	int r = hoy_api_check_json_type(rq, err);

	*ret = NULL;
	if (r < 0 || !body->len)
		return r;
	return hoy_json_parse(body->data, body->len, /* limits= */ NULL, ret, err);
}
