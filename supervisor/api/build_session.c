/*
 * BuildKit's road of docker 20.10: POST /session becomes a connection on which the client serves its files, and POST
 * /build?version=2 builds from there. The answer is BuildKit's progress: protobuf messages in base64, one a line. A
 * client that ends the build says so by POST /build/cancel, and goes on reading.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/api/progress.h"
#include "supervisor/api/session_build.h"
#include "supervisor/build/session.h"

#define UNREAD_MAX ((size_t) 1 << 20)
#define UPLOAD "upload-request:" /* before the build's id, in that of the request which brings its context */
#define UPLOAD_NS (10 * 1000000000ULL)

/* The request of a build, as long as its client is there. */
struct exchange {
	struct hoy_api_request *rq;
	struct hoy_http_exchange *x;
	struct hoy_session_build *build;
	struct hoy_build_parameters parameters;
	struct hoy_source *patience; /* for an upload */
	enum hoy_build_export export;
};

static void exchange_free(struct exchange *e)
{
	e->patience = hoy_source_free(e->patience);
	hoy_build_parameters_done(&e->parameters);
	free(e);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void send_line(struct exchange *e, const char *id, const char *raw)
{
	auto_(hoy_buf_done) struct hoy_buf line = { 0 };

	(void) hoy_buf_addf(&line, "{\"id\":\"%s\",\"aux\":%s}\r\n", id, raw);
	if (hoy_buf_check(&line, "progress", NULL) == 0)
		(void) hoy_http_stream_write(e->x, line.data, line.len);
}

static void on_trace(const struct hoy_buf *message, void *client)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_addc(&text, '"');
	(void) hoy_base64_encode(&text, message->data, message->len, /* url_safe= */ false);
	(void) hoy_buf_addc(&text, '"');
	if (hoy_buf_check(&text, "progress", NULL) == 0)
		send_line(client, "moby.buildkit.trace", text.data);
}

static bool is_behind(void *client)
{
	const struct exchange *e = client;

	return hoy_http_stream_pending(e->x) > UNREAD_MAX;
}

static void on_ended(const struct hoy_err *err, const struct hoy_session_end *end, void *client)
{
	struct exchange *e = client;
	const char *id = end->id;
	auto_free char *aux = id ? hoy_str_printf("{\"ID\":\"%s\"}", id) : NULL;

	if (err)
		hoy_progress_failed_at(e->x, err, end->exit_code, end->line, end->end_line);
	else if (aux)
		send_line(e, "moby.image.id", aux);
	if (!err && id && hoy_uri_query_bool(&e->rq->uri, "q", false))
		hoy_progress_stream(e->x, "%s\n", id);
	hoy_http_stream_end(e->x);
	exchange_free(e);
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct exchange *e = userdata;

	(void) x;
	hoy_session_build_client_gone(e->build);
	exchange_free(e);
}

static void on_drained(struct hoy_http_exchange *x, void *userdata)
{
	struct exchange *e = userdata;

	(void) x;
	hoy_session_build_go_on(e->build);
}

/* --- contexts that are uploaded, by a request of their own -------------------------------------------------------- */

static bool wants_upload(const struct exchange *e)
{
	return hoy_str_eq(hoy_uri_query(&e->rq->uri, "remote"), "upload-request");
}

static void on_no_upload(struct hoy_source *source, void *userdata)
{
	struct exchange *e = userdata;
	struct hoy_err err = { 0 };

	(void) source;
	(void) hoy_err_invalid(&err, "the client has not uploaded its build context");
	hoy_session_build_uploaded(e->build, &err);
}

static const struct hoy_session_sink sink;

/* The other half of a build that waits for it, or will. */
static int take_upload(struct hoy_api_request *rq, const char *id, struct hoy_err *err)
{
	struct hoy_session_build *build = rq->api->session_builds;
	struct exchange *e = NULL;

	for (; build && !e; build = build->next)
		if (build->sink == &sink && build->client && strcmp(build->id, id) == 0 &&
			wants_upload(build->client) && !build->build && build->context < 0)
			e = build->client;
	if (!e)
		return hoy_api_upload_keep(rq, id, err);
	e->build->context = hoy_build_body_pipe(rq, err);
	if (e->build->context < 0)
		return e->build->context;
	hoy_api_reply_empty(rq, 200);
	if (e->patience) {
		e->patience = hoy_source_free(e->patience);
		hoy_session_build_uploaded(e->build, NULL);
	}
	return 0;
}

static int on_upload(struct hoy_session_build *build, struct hoy_err *err)
{
	struct exchange *e = build->client;
	int r;

	if (!wants_upload(e) || build->context >= 0)
		return 0;
	r = hoy_loop_timer(build->api->o.loop, &e->patience, UPLOAD_NS, on_no_upload, e, err);
	return r < 0 ? r : 1;
}

/* "outputs": none is the engine's images. */
static int take_output(struct exchange *e, struct hoy_err *err)
{
	static const struct {
		const char *type;
		enum hoy_build_export export;
	} types[] = { { "", HOY_BUILD_TO_IMAGE }, { "moby", HOY_BUILD_TO_IMAGE }, { "local", HOY_BUILD_TO_FILES },
		{ "tar", HOY_BUILD_TO_TAR }, { "oci", HOY_BUILD_TO_ARCHIVE }, { "docker", HOY_BUILD_TO_ARCHIVE },
		{ "cacheonly", HOY_BUILD_TO_NOWHERE } };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *text = hoy_uri_query(&e->rq->uri, "outputs"), *type;
	int r = text && *text ? hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, err) : 0;

	if (r < 0)
		return hoy_err_wrap(err, "outputs");
	if (hoy_json_len(doc) == 0)
		return 0;
	if (hoy_json_len(doc) > 1)
		return hoy_err_unsupported(err, "multiple outputs are not supported by this version of Hoy");
	type = hoy_json_string(hoy_json_get(hoy_json_first(doc), "Type"));
	for (size_t i = 0; type && i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i].type) == 0) {
			e->export = types[i].export;
			return 0;
		}
	return hoy_err_unsupported(err,
		"the output '%s' is not supported by this version of Hoy: local, tar, oci, docker and images are",
		type ? type : "");
}

static int prepare(struct hoy_session_build *build, struct hoy_build_request *ret, struct hoy_err *err)
{
	struct exchange *e = build->client;
	int r;

	if (!e)
		return hoy_err_code(err, -ECONNRESET, "the client has left");
	r = hoy_build_parameters_take(&e->rq->uri, &e->parameters, err);
	if (r == 0)
		r = take_output(e, err);
	if (r < 0)
		return r;
	if (e->export != HOY_BUILD_TO_IMAGE && e->export != HOY_BUILD_TO_NOWHERE && !*build->session)
		return hoy_err_invalid(err, "the output needs a session, on which the client takes it");
	hoy_build_parameters_fill(&e->rq->uri, &e->parameters, ret);
	ret->export = e->export;
	return 0;
}

/* The context is the request's own body: nothing else has to come. */
static const struct hoy_session_sink body_sink = {
	.prepare = prepare, .trace = on_trace, .is_behind = is_behind, .ended = on_ended
};

static const struct hoy_session_sink sink = {
	.prepare = prepare, .upload = on_upload, .trace = on_trace, .is_behind = is_behind, .ended = on_ended
};

static int take_body(struct exchange *e, struct hoy_err *err)
{
	const char *remote = hoy_uri_query(&e->rq->uri, "remote");
	int r = hoy_build_registry_config(e->rq, &e->build->registry_config, err);

	if (r == 0 && !(remote && *remote))
		r = e->build->context = hoy_build_body_pipe(e->rq, err);
	return r < 0 ? r : 0;
}

int hoy_api_build_by_session(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *id = hoy_uri_query(&rq->uri, "buildid"), *session = hoy_uri_query(&rq->uri, "session");
	bool has_body = !hoy_str_eq(hoy_uri_query(&rq->uri, "version"), "2");
	struct exchange *e;
	int r;

	if (id && hoy_str_starts(id, UPLOAD))
		return take_upload(rq, id + strlen(UPLOAD), err);
	if (!has_body && (!session || !*session))
		return hoy_err_invalid(err, "a build with BuildKit needs a session");
	e = calloc(1, sizeof *e);
	if (!e)
		return hoy_err_oom(err);
	*e = (struct exchange){ .rq = rq, .x = rq->x };
	r = hoy_session_build_start(
		rq->api, id ? id : "", session ? session : "", has_body ? &body_sink : &sink, e, &e->build, err);
	if (r == 0 && has_body)
		r = take_body(e, err);
	if (r < 0 && e->build)
		hoy_session_build_client_gone(e->build);
	if (r == 0) {
		if (!has_body && wants_upload(e))
			e->build->context = hoy_api_upload_find(rq->api, e->build->id);
		r = hoy_http_stream_begin(e->x, 200, "application/json", on_gone, e, err);
		if (r < 0)
			hoy_session_build_client_gone(e->build);
	}
	if (r < 0) {
		exchange_free(e);
		return r;
	}
	hoy_http_stream_on_drained(e->x, on_drained);
	return 0;
}

/* --- POST /session ------------------------------------------------------------------------------------------------ */

struct opening {
	struct hoy_builds *builds;
	char *id;
};

static void on_taken(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct opening *opening = userdata;
	struct hoy_err err = { 0 };

	if (fd >= 0 && hoy_build_session_start(opening->builds, opening->id, fd, extra, extra_len, &err) < 0)
		hoy_log_ignored(&err, "serve the session of a build");
	free(opening->id);
	free(opening);
}

static int open_session(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *id = hoy_http_header(rq->x, "X-Docker-Expose-Session-Uuid");
	const char *protocol = hoy_http_header(rq->x, "Upgrade");
	struct opening *opening;

	if (!protocol || strcasecmp(protocol, "h2c") != 0)
		return hoy_err_invalid(err, "a session is an upgrade to h2c");
	if (!id || !*id || strlen(id) > 128)
		return hoy_err_invalid(err, "a session needs its id in X-Docker-Expose-Session-Uuid");
	opening = calloc(1, sizeof *opening);
	if (!opening)
		return hoy_err_oom(err);
	opening->builds = rq->api->o.builds;
	opening->id = strdup(id);
	if (!opening->id) {
		free(opening);
		return hoy_err_oom(err);
	}
	hoy_http_hijack(rq->x, "application/vnd.docker.raw-stream", on_taken, opening);
	return 0;
}

static int cancel(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *id = hoy_uri_query(&rq->uri, "id");

	if (!id || !*id)
		return hoy_err_invalid(err, "build ID not provided");
	for (struct hoy_session_build *e = rq->api->session_builds, *next; e; e = next) {
		next = e->next;
		if (e->sink == &sink && strcmp(e->id, id) == 0)
			hoy_session_build_cancel(e);
	}
	hoy_api_reply_empty(rq, 200);
	return 0;
}

const struct hoy_api_route hoy_api_build_session_routes[] = {
	{ "POST", "/session", open_session, 0, 31 },
	{ "POST", "/build/cancel", cancel, 0, 39 },
	{ NULL, NULL, NULL, 0, 0 },
};
