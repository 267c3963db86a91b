/* /containers/{id}/exec and /exec: further processes in a running container. */
#include "supervisor/container/exec.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/internal.h"

static int exec_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_buf *body = hoy_http_body(rq->x);
	auto_free char *id = NULL;
	int r = hoy_api_check_json_type(rq, err);

	if (r >= 0 && !body->len)
		r = hoy_err_invalid(err, "no exec command specified");
	if (r >= 0)
		r = hoy_exec_create(rq->api->o.containers, rq->name, body->data, body->len, &id, err);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Id", id);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 201, &buf);
	return 0;
}

/* --- start ------------------------------------------------------------------------------------------------------ */

static void on_detached(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;

	if (err)
		hoy_api_reply_error(rq, err);
	else
		hoy_api_reply_empty(rq, 200);
}

/* Outlives the exchange: the stream comes when the head was written. */
struct attached {
	struct hoy_containers *containers;
	char *id;
	bool framed;
};

static void on_stream_taken(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct attached *a = userdata;
	const struct hoy_exec_start how = {
		.fd = fd, .framed = a->framed, .leftover = extra, .leftover_len = extra_len
	};
	struct hoy_err err = { 0 };

	if (fd < 0)
		hoy_log_debug("exec '%s': the client left", a->id);
	else if (hoy_exec_start(a->containers, a->id, &how, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "exec '%s'", a->id);
	free(a->id);
	free(a);
}

static int start_attached(struct hoy_api_request *rq, bool framed, struct hoy_err *err)
{
	struct attached *a = calloc(1, sizeof *a);

	if (!a || !(a->id = strdup(rq->name))) {
		free(a);
		return hoy_err_oom(err);
	}
	a->containers = rq->api->o.containers;
	a->framed = framed;
	hoy_http_hijack(rq->x, hoy_api_stream_type(rq, framed), on_stream_taken, a);
	return 0;
}

static bool member(const struct hoy_json *body, const char *key)
{
	const struct hoy_json *value = body ? hoy_json_get_ci(body, key) : NULL;

	return value && hoy_json_type(value) == HOY_JSON_BOOL && hoy_json_bool(value);
}

static int keep_size(struct hoy_api_request *rq, const struct hoy_json *body, struct hoy_err *err)
{
	const struct hoy_json *size = body ? hoy_json_get_ci(body, "ConsoleSize") : NULL;
	int64_t height, width;

	if (!size || hoy_json_type(size) != HOY_JSON_ARRAY || hoy_json_len(size) != 2)
		return 0;
	if (!member(body, "Tty"))
		return hoy_err_invalid(err, "console size is only supported when a TTY is allocated");
	if (hoy_json_to_i64(hoy_json_first(size), &height) < 0 ||
		hoy_json_to_i64(hoy_json_next(hoy_json_first(size)), &width) < 0 || height < 0 || width < 0 ||
		height > 65535 || width > 65535)
		return hoy_err_invalid(err, "ConsoleSize: not two numbers");
	return hoy_exec_resize(rq->api->o.containers, rq->name, (unsigned int) height, (unsigned int) width, err);
}

static int exec_start(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const struct hoy_exec_start detached = { .fd = -EBADF };
	auto_ptr(hoy_json_free) struct hoy_json *body = NULL;
	int r = hoy_api_body_json(rq, &body, err);

	if (r >= 0)
		r = hoy_exec_check(rq->api->o.containers, rq->name, err);
	if (r >= 0)
		r = keep_size(rq, body, err);
	if (r < 0)
		return r;
	if (member(body, "Detach"))
		return hoy_exec_start(rq->api->o.containers, rq->name, &detached, on_detached, rq, err);
	return start_attached(rq, !member(body, "Tty"), err);
}

/* --- resize, inspect -------------------------------------------------------------------------------------------- */

static int exec_resize(struct hoy_api_request *rq, struct hoy_err *err)
{
	unsigned int height, width;
	int r = hoy_api_query_size(rq, "h", &height, err);

	if (r >= 0)
		r = hoy_api_query_size(rq, "w", &width, err);
	if (r >= 0)
		r = hoy_exec_resize(rq->api->o.containers, rq->name, height, width, err);
	if (r >= 0)
		hoy_api_reply_empty(rq, 200);
	return r;
}

static void encode_process(struct hoy_json_writer *w, const struct hoy_exec_config *config)
{
	hoy_json_object(w, "ProcessConfig");
	hoy_json_add_bool(w, "tty", config->tty);
	hoy_json_add_string(w, "entrypoint", config->cmd[0]);
	hoy_api_add_strings(w, "arguments", config->cmd + 1);
	hoy_json_add_bool(w, "privileged", config->privileged);
	if (config->user && *config->user)
		hoy_json_add_string(w, "user", config->user);
	hoy_json_end(w);
}

static void encode(struct hoy_json_writer *w, const struct hoy_exec_info *e)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "ID", e->id);
	hoy_json_add_bool(w, "Running", e->running);
	if (e->has_ended)
		hoy_json_add_i64(w, "ExitCode", e->exit_code);
	else
		hoy_json_add_null(w, "ExitCode");
	encode_process(w, e->config);
	hoy_json_add_bool(w, "OpenStdin", e->config->attach_stdin);
	hoy_json_add_bool(w, "OpenStderr", e->config->attach_stderr);
	hoy_json_add_bool(w, "OpenStdout", e->config->attach_stdout);
	hoy_json_add_bool(w, "CanRemove", e->can_remove);
	hoy_json_add_string(w, "ContainerID", e->container_id);
	hoy_json_add_string(w, "DetachKeys", e->config->detach_keys ? e->config->detach_keys : "");
	hoy_json_add_i64(w, "Pid", e->pid);
	hoy_json_end(w);
}

static void on_refreshed(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_exec_info *e;
	struct hoy_err own = { 0 };

	if (err || hoy_exec_find(rq->api->o.containers, rq->name, &e, &own) < 0) {
		hoy_api_reply_error(rq, err ? err : &own);
		return;
	}
	encode(&w, e);
	hoy_api_reply_json(rq, 200, &buf);
}

static int exec_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_exec_refresh(rq->api->o.containers, rq->name, on_refreshed, rq, err);
}

const struct hoy_api_route hoy_api_exec_routes[] = {
	{ "POST", "/containers/{id}/exec", exec_create, 0, 0 },
	{ "POST", "/exec/{id}/start", exec_start, 0, 0 },
	{ "POST", "/exec/{id}/resize", exec_resize, 0, 0 },
	{ "GET", "/exec/{id}/json", exec_inspect, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
