/*
 * BuildKit's road: POST /session becomes a connection on which the client serves its files, and POST /build?version=2
 * builds from there. The answer is BuildKit's progress: protobuf messages in base64, one a line. A client that ends the
 * build says so by POST /build/cancel, and goes on reading.
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
#include "supervisor/api/build_request.h"
#include "supervisor/api/build_trace.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/progress.h"
#include "supervisor/build/build.h"
#include "supervisor/build/session.h"
#include "supervisor/image/image.h"
#include "libocispec/reference.h"

#define UNREAD_MAX ((size_t) 1 << 20)
#define NO_VERTEX SIZE_MAX
#define UPLOAD "upload-request:" /* before the build's id, in that of the request which brings its context */
#define UPLOAD_NS (10 * 1000000000ULL)

struct hoy_session_build {
	struct hoy_session_build *next;
	struct hoy_api *api;
	struct hoy_api_request *rq;
	struct hoy_http_exchange *x; /* NULL: the client is gone */
	struct hoy_builds *builds;
	char *id; /* the client's name for it */
	char *session;
	struct hoy_session_wait *wait;
	struct hoy_session_sync *sync;
	int context; /* the pipe that brings an uploaded one; -EBADF: none */
	struct hoy_source *patience;
	enum hoy_build_export export;
	struct hoy_session_request *asking; /* for credentials */
	struct hoy_build *build;
	struct hoy_build_trace *trace;
	size_t loading, pulling; /* vertices */
	size_t *steps;           /* vertices by number of the step, plus one */
	size_t n_steps;
	char *username, *secret; /* of the registry that is being pulled from */
};

static void forget_credentials(struct hoy_session_build *e)
{
	if (e->secret)
		explicit_bzero(e->secret, strlen(e->secret));
	free(e->secret);
	free(e->username);
	e->secret = e->username = NULL;
}

static void exchange_free(struct hoy_session_build *e)
{
	struct hoy_session_build **at = &e->api->session_builds;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	hoy_build_session_wait_cancel(e->wait);
	hoy_session_sync_cancel(e->sync);
	hoy_source_free(e->patience);
	hoy_fd_close(&e->context);
	hoy_session_request_cancel(e->asking);
	hoy_build_trace_free(e->trace);
	forget_credentials(e);
	free(e->id);
	free(e->session);
	free(e->steps);
	free(e);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void send_line(struct hoy_session_build *e, const char *id, const char *raw)
{
	auto_(hoy_buf_done) struct hoy_buf line = { 0 };

	(void) hoy_buf_addf(&line, "{\"id\":\"%s\",\"aux\":%s}\r\n", id, raw);
	if (e->x && hoy_buf_check(&line, "progress", NULL) == 0)
		(void) hoy_http_stream_write(e->x, line.data, line.len);
}

static void on_trace(const struct hoy_buf *message, void *userdata)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_addc(&text, '"');
	(void) hoy_base64_encode(&text, message->data, message->len, /* url_safe= */ false);
	(void) hoy_buf_addc(&text, '"');
	if (hoy_buf_check(&text, "progress", NULL) == 0)
		send_line(userdata, "moby.buildkit.trace", text.data);
}

/* The answer's end; `err` NULL: the image `id` was made. */
static void finish(struct hoy_session_build *e, const struct hoy_err *err, const char *id)
{
	auto_free char *aux = id ? hoy_str_printf("{\"ID\":\"%s\"}", id) : NULL;

	if (e->x && err) {
		hoy_build_trace_end_all(e->trace, err->errnum == ECANCELED ? "context canceled" : hoy_err_str(err));
		hoy_progress_failure(e->x, err, /* exit_code= */ 0);
	} else if (e->x) {
		hoy_build_trace_end_all(e->trace, NULL);
		if (aux)
			send_line(e, "moby.image.id", aux);
		if (id && hoy_uri_query_bool(&e->rq->uri, "q", false))
			hoy_progress_stream(e->x, "%s\n", id);
	}
	if (e->x)
		hoy_http_stream_end(e->x);
	exchange_free(e);
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct hoy_session_build *e = userdata;

	(void) x;
	e->x = NULL;
	e->rq = NULL;
	if (e->build)
		hoy_build_cancel(e->build);
	else
		exchange_free(e);
}

static void on_drained(struct hoy_http_exchange *x, void *userdata)
{
	struct hoy_session_build *e = userdata;

	(void) x;
	if (e->build)
		hoy_build_go_on(e->build);
}

static bool is_behind(void *userdata)
{
	const struct hoy_session_build *e = userdata;

	return e->x && hoy_http_stream_pending(e->x) > UNREAD_MAX;
}

/* --- what the engine tells ---------------------------------------------------------------------------------------- */

static void on_text(const char *text, size_t len, void *userdata)
{
	(void) text;
	(void) len;
	(void) userdata; /* the classic builder's words */
}

static size_t *vertex_of(struct hoy_session_build *e, size_t step)
{
	if (step >= e->n_steps) {
		size_t n = step + 16, *steps = reallocarray(e->steps, n, sizeof *steps);

		if (!steps)
			return NULL;
		memset(steps + e->n_steps, 0, (n - e->n_steps) * sizeof *steps);
		e->steps = steps;
		e->n_steps = n;
	}
	return &e->steps[step];
}

static void end_pulling(struct hoy_session_build *e)
{
	hoy_build_trace_end(e->trace, e->pulling, /* cached= */ false, NULL);
	e->pulling = NO_VERTEX;
}

static void on_step(const struct hoy_build_event *event, void *userdata)
{
	struct hoy_session_build *e = userdata;
	size_t *vertex = vertex_of(e, event->step);

	if (!vertex)
		return;
	end_pulling(e);
	if (*vertex == 0)
		*vertex = hoy_build_trace_begin(e->trace, event->title) + 1;
	switch (event->kind) {
	case HOY_BUILD_STEP_BEGUN:
		break;
	case HOY_BUILD_STEP_CACHED:
		hoy_build_trace_end(e->trace, *vertex - 1, /* cached= */ true, NULL);
		break;
	case HOY_BUILD_STEP_DONE:
		hoy_build_trace_end(e->trace, *vertex - 1, /* cached= */ false, NULL);
		break;
	case HOY_BUILD_STEP_FAILED: {
		auto_free char *text = strndup(event->text, event->len);

		hoy_build_trace_end(e->trace, *vertex - 1, /* cached= */ false, text ? text : "failed");
		break;
	}
	case HOY_BUILD_STEP_OUTPUT:
		hoy_build_trace_log(e->trace, *vertex - 1, event->stream, event->text, event->len);
		break;
	}
}

/* A pull comes before there are steps: it has a vertex of its own. */
static void on_progress(const struct hoy_image_progress *progress, void *userdata)
{
	struct hoy_session_build *e = userdata;
	auto_free char *id = progress->id ? hoy_str_printf("%s %s", progress->id, progress->status) : NULL;

	if (e->pulling == NO_VERTEX)
		e->pulling = hoy_build_trace_begin(e->trace, "[internal] pull base images");
	if (id && !progress->is_message)
		hoy_build_trace_status(e->trace, e->pulling, id, progress->current, progress->total,
			progress->total > 0 && progress->current >= progress->total);
}

static void tell_image(struct hoy_session_build *e, const char *id)
{
	size_t vertex = hoy_build_trace_begin(e->trace, "exporting to image");
	auto_free char *text = hoy_str_printf("writing image %s", id);
	auto_free const char **tags = e->rq ? hoy_uri_query_all(&e->rq->uri, "t") : NULL;

	if (text)
		hoy_build_trace_status(e->trace, vertex, text, 0, 0, /* done= */ true);
	for (const char **tag = tags; tag && *tag; tag++) {
		auto_free char *naming = hoy_str_printf("naming to %s", *tag);

		if (naming)
			hoy_build_trace_status(e->trace, vertex, naming, 0, 0, /* done= */ true);
	}
}

static void on_done(const struct hoy_err *err, int exit_code, const char *id, void *userdata)
{
	struct hoy_session_build *e = userdata;

	(void) exit_code;
	e->build = NULL;
	if (!err && id)
		tell_image(e, id);
	finish(e, err, id);
}

/* --- credentials, which the client has ---------------------------------------------------------------------------- */

static void on_credentials_told(const struct hoy_err *err, const char *text, void *userdata)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_session_build *e = userdata;
	const char *username, *secret;

	e->asking = NULL;
	forget_credentials(e);
	if (!err && hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, NULL) == 0) {
		username = hoy_json_string(hoy_json_get(doc, "username"));
		secret = hoy_json_string(hoy_json_get(doc, "secret"));
		if (secret && *secret) {
			e->username = strdup(username ? username : "");
			e->secret = strdup(secret);
		}
	}
	if (e->build)
		hoy_build_go_on_pulling(e->build);
}

static bool ask_credentials(const char *reference, void *userdata)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	struct hoy_session_build *e = userdata;
	struct hoy_session_question question = {
		.op = "credentials", .member = "host", .fd = -EBADF, .answer = on_credentials_told, .userdata = e
	};

	forget_credentials(e);
	if (e->asking || hoy_reference_parse(reference, &ref, NULL) < 0)
		return false;
	question.value = strcmp(ref.domain, "docker.io") == 0 ? "registry-1.docker.io" : ref.domain;
	return hoy_build_session_ask(e->builds, e->session, &question, &e->asking, NULL) == 0;
}

/* What clients give without a name is an identity token. */
static bool on_credentials(const char *reference, struct hoy_registry_credentials *ret, void *userdata)
{
	const struct hoy_session_build *e = userdata;

	(void) reference;
	if (!e->username || !e->secret)
		return false;
	*ret = *e->username ? (struct hoy_registry_credentials){ .username = e->username, .password = e->secret }
			    : (struct hoy_registry_credentials){ .identity_token = e->secret };
	return true;
}

/* --- the build ---------------------------------------------------------------------------------------------------- */

/* Of a directory that is there already, or of what the client uploads. */
static int start(struct hoy_session_build *e, const char *context_dir, int dockerfile, struct hoy_err *err)
{
	auto_(hoy_build_parameters_done) struct hoy_build_parameters p = { 0 };
	const struct hoy_build_handler handler = { .step = on_step,
		.text = on_text,
		.progress = on_progress,
		.ask_credentials = ask_credentials,
		.credentials = on_credentials,
		.is_behind = is_behind,
		.done = on_done,
		.userdata = e };
	struct hoy_build_request request;
	int r = hoy_build_parameters_take(&e->rq->uri, &p, err);

	if (r < 0)
		return r;
	hoy_build_parameters_fill(&e->rq->uri, &p, &request);
	request.context = TAKE_FD(e->context);
	request.context_dir = context_dir;
	request.dockerfile_fd = dockerfile;
	request.session = e->session;
	request.export = e->export;
	request.keep_containers = request.keep_failed_containers = false;
	return hoy_build_start(e->builds, &request, &handler, &e->build, err);
}

static void on_synced(const struct hoy_err *failed, char *context_dir, int dockerfile, const char *text, void *userdata)
{
	struct hoy_session_build *e = userdata;
	auto_free char *dir = context_dir;
	auto_fd int fd = dockerfile;
	struct hoy_err err = { 0 };

	(void) text;
	e->sync = NULL;
	if (failed) {
		err = *failed;
		finish(e, &err, NULL);
		return;
	}
	hoy_build_trace_end(e->trace, e->loading, /* cached= */ false, NULL);
	if (start(e, dir, fd, &err) < 0)
		finish(e, &err, NULL);
}

/* --- contexts that are uploaded, by a request of their own -------------------------------------------------------- */

static bool wants_upload(const struct hoy_session_build *e)
{
	return e->rq && hoy_str_eq(hoy_uri_query(&e->rq->uri, "remote"), "upload-request");
}

static void on_no_upload(struct hoy_source *source, void *userdata)
{
	struct hoy_err err = { 0 };

	(void) source;
	(void) hoy_err_invalid(&err, "the client has not uploaded its build context");
	finish(userdata, &err, NULL);
}

static void begin_uploaded(struct hoy_session_build *e)
{
	struct hoy_err err = { 0 };

	e->patience = hoy_source_free(e->patience);
	hoy_build_trace_end(e->trace, e->loading, /* cached= */ false, NULL);
	if (start(e, /* context_dir= */ NULL, -EBADF, &err) < 0)
		finish(e, &err, NULL);
}

/* The other half of a build that waits for it, or will. */
static int take_upload(struct hoy_api_request *rq, const char *id, struct hoy_err *err)
{
	struct hoy_session_build *e = rq->api->session_builds;

	while (e && (strcmp(e->id, id) != 0 || !wants_upload(e) || e->build || e->context >= 0))
		e = e->next;
	if (!e)
		return hoy_api_upload_keep(rq, id, err);
	e->context = hoy_build_body_pipe(rq, err);
	if (e->context < 0)
		return e->context;
	hoy_api_reply_empty(rq, 200);
	if (e->patience)
		begin_uploaded(e);
	return 0;
}

/* "outputs": none is the engine's images. */
static int take_output(struct hoy_session_build *e, struct hoy_err *err)
{
	static const struct {
		const char *type;
		enum hoy_build_export export;
	} types[] = { { "", HOY_BUILD_TO_IMAGE }, { "moby", HOY_BUILD_TO_IMAGE }, { "local", HOY_BUILD_TO_FILES },
		{ "tar", HOY_BUILD_TO_TAR }, { "cacheonly", HOY_BUILD_TO_NOWHERE } };
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
		"the output '%s' is not supported by this version of Hoy: local, tar and images are", type ? type : "");
}

static int check(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_build_parameters_done) struct hoy_build_parameters p = { 0 };

	return hoy_build_parameters_take(&rq->uri, &p, err);
}

static void on_session(struct hoy_build_session *session, void *userdata)
{
	struct hoy_session_build *e = userdata;
	const char *file = hoy_uri_query(&e->rq->uri, "dockerfile");
	struct hoy_err err = { 0 };

	e->wait = NULL;
	e->loading = hoy_build_trace_begin(e->trace, "[internal] load build definition and context");
	/* Not before: clients whose builds are refused while their sessions are being opened wait forever, unless these
	 * end. */
	if (check(e->rq, &err) < 0 || take_output(e, &err) < 0)
		hoy_build_session_close(e->builds, e->session);
	else if (!session)
		(void) hoy_err_invalid(&err, "no active session for %s: the client has opened none", e->session);
	else if (wants_upload(e) && e->context >= 0)
		begin_uploaded(e);
	else if (wants_upload(e))
		(void) hoy_loop_timer(e->api->o.loop, &e->patience, UPLOAD_NS, on_no_upload, e, &err);
	else
		(void) hoy_build_session_sync(
			e->builds, e->session, file && *file ? file : "Dockerfile", on_synced, e, &e->sync, &err);
	if (err.errnum)
		finish(e, &err, NULL);
}

int hoy_api_build_by_session(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *id = hoy_uri_query(&rq->uri, "buildid"), *session = hoy_uri_query(&rq->uri, "session");
	struct hoy_session_build *e;
	int r;

	if (id && hoy_str_starts(id, UPLOAD))
		return take_upload(rq, id + strlen(UPLOAD), err);
	if (!session || !*session)
		return hoy_err_invalid(err, "a build with BuildKit needs a session");
	e = calloc(1, sizeof *e);
	if (!e)
		return hoy_err_oom(err);
	*e = (struct hoy_session_build){ .next = rq->api->session_builds,
		.api = rq->api,
		.rq = rq,
		.x = rq->x,
		.builds = rq->api->o.builds,
		.id = strdup(id ? id : ""),
		.session = strdup(session),
		.context = -EBADF,
		.loading = NO_VERTEX,
		.pulling = NO_VERTEX };
	rq->api->session_builds = e;
	if (wants_upload(e))
		e->context = hoy_api_upload_find(rq->api, e->id ? e->id : "");
	e->trace = hoy_build_trace_new(id ? id : "", on_trace, e);
	r = e->id && e->session && e->trace
		    ? hoy_build_session_wait(e->builds, e->session, on_session, e, &e->wait, err)
		    : hoy_err_oom(err);
	if (r == 0)
		r = hoy_http_stream_begin(e->x, 200, "application/json", on_gone, e, err);
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

/* The build's own answer tells that it has ended. */
static void cancel_build(struct hoy_session_build *e)
{
	struct hoy_err err = { 0 };

	if (e->build) {
		hoy_build_cancel(e->build);
		return;
	}
	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "the build was canceled");
	finish(e, &err, NULL);
}

static int cancel(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *id = hoy_uri_query(&rq->uri, "id");

	if (!id || !*id)
		return hoy_err_invalid(err, "build ID not provided");
	for (struct hoy_session_build *e = rq->api->session_builds, *next; e; e = next) {
		next = e->next;
		if (strcmp(e->id, id) == 0)
			cancel_build(e);
	}
	hoy_api_reply_empty(rq, 200);
	return 0;
}

const struct hoy_api_route hoy_api_build_session_routes[] = {
	{ "POST", "/session", open_session, 0, 31 },
	{ "POST", "/build/cancel", cancel, 0, 39 },
	{ NULL, NULL, NULL, 0, 0 },
};
