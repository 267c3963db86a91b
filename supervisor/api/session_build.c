#include "supervisor/api/session_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/reference.h"
#include "supervisor/api/build_trace.h"
#include "supervisor/build/session.h"
#include "supervisor/image/image.h"

#define NO_VERTEX SIZE_MAX

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
	e->soon = hoy_source_free(e->soon);
	hoy_json_free(e->registry_config);
	hoy_session_sync_cancel(e->sync);
	hoy_fd_close(&e->context);
	hoy_session_request_cancel(e->asking);
	hoy_build_trace_free(e->trace);
	forget_credentials(e);
	free(e->id);
	free(e->session);
	free(e->steps);
	free(e);
}

static void on_trace(const struct hoy_buf *message, void *userdata)
{
	struct hoy_session_build *e = userdata;

	if (e->client)
		e->sink->trace(message, e->client);
}

/* `err` NULL: the image `id` was made. */
static void finish_with(struct hoy_session_build *e, const struct hoy_err *err, int exit_code, const char *id)
{
	const struct hoy_session_end end = {
		.id = id, .exit_code = exit_code, .line = e->failed_line, .end_line = e->failed_end
	};
	const struct hoy_session_sink *sink = e->sink;
	void *client = e->client;

	hoy_build_trace_end_all(e->trace, !err                       ? NULL
					  : err->errnum == ECANCELED ? "context canceled"
								     : hoy_err_str(err));
	exchange_free(e);
	if (client)
		sink->ended(err, &end, client);
}

static void finish(struct hoy_session_build *e, const struct hoy_err *err, const char *id)
{
	finish_with(e, err, 0, id);
}

void hoy_session_build_client_gone(struct hoy_session_build *e)
{
	e->client = NULL;
	if (e->build)
		hoy_build_cancel(e->build);
	else
		exchange_free(e);
}

/* The build's own end tells that it has ended. */
void hoy_session_build_cancel(struct hoy_session_build *e)
{
	struct hoy_err err = { 0 };

	if (e->build) {
		hoy_build_cancel(e->build);
		return;
	}
	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "the build was canceled");
	finish(e, &err, NULL);
}

void hoy_session_build_go_on(struct hoy_session_build *e)
{
	if (e->build)
		hoy_build_go_on(e->build);
}

static bool is_behind(void *userdata)
{
	const struct hoy_session_build *e = userdata;

	return e->client && e->sink->is_behind(e->client);
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

/* The context that comes with the request is there when something is done with it. */
static void end_loading(struct hoy_session_build *e)
{
	hoy_build_trace_end(e->trace, e->loading, /* cached= */ false, NULL);
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
	end_loading(e);
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

		e->failed_line = event->line;
		e->failed_end = event->end_line;
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

	end_loading(e);
	if (e->pulling == NO_VERTEX)
		e->pulling = hoy_build_trace_begin(e->trace, "[internal] pull base images");
	if (id && !progress->is_message)
		hoy_build_trace_status(e->trace, e->pulling, id, progress->current, progress->total,
			progress->total > 0 && progress->current >= progress->total);
}

static void on_cache(enum hoy_build_cache_event event, const char *title, const char *error, void *userdata)
{
	struct hoy_session_build *e = userdata;

	end_loading(e);
	end_pulling(e);
	if (event == HOY_BUILD_CACHE_BEGUN)
		e->caching = hoy_build_trace_begin(e->trace, title);
	else
		hoy_build_trace_end(e->trace, e->caching, /* cached= */ false, error);
}

static void on_warning(const struct hoy_build_warning *warning, void *userdata)
{
	struct hoy_session_build *e = userdata;
	auto_free char *text = warning->line > 0 ? hoy_str_printf("%s: %s (line %lld)", warning->rule, warning->text,
							   (long long) warning->line)
						 : strdup(warning->text);

	if (text)
		hoy_build_trace_warn(e->trace, e->loading, text, warning->file, warning->line);
}

static void tell_image(struct hoy_session_build *e, const char *id)
{
	size_t vertex = hoy_build_trace_begin(e->trace, "exporting to image");
	auto_free char *text = hoy_str_printf("writing image %s", id);

	if (text)
		hoy_build_trace_status(e->trace, vertex, text, 0, 0, /* done= */ true);
	for (char *const *tag = e->client ? e->request.tags : NULL; tag && *tag; tag++) {
		auto_free char *naming = hoy_str_printf("naming to %s", *tag);

		if (naming)
			hoy_build_trace_status(e->trace, vertex, naming, 0, 0, /* done= */ true);
	}
}

static void on_done(const struct hoy_err *err, int exit_code, const char *id, void *userdata)
{
	struct hoy_session_build *e = userdata;

	e->build = NULL;
	if (!err && id && e->request.export == HOY_BUILD_TO_IMAGE)
		tell_image(e, id);
	finish_with(e, err, exit_code, id);
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
	if (e->registry_config || !*e->session || e->asking || hoy_reference_parse(reference, &ref, NULL) < 0)
		return false;
	question.value = strcmp(ref.domain, "docker.io") == 0 ? "registry-1.docker.io" : ref.domain;
	return hoy_build_session_ask(e->builds, e->session, &question, &e->asking, NULL) == 0;
}

/* What clients give without a name is an identity token. */
static bool on_credentials(const char *reference, struct hoy_registry_credentials *ret, void *userdata)
{
	const struct hoy_session_build *e = userdata;

	if (e->registry_config)
		return hoy_build_registry_credentials(e->registry_config, reference, ret);
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
	const struct hoy_build_handler handler = { .step = on_step,
		.warning = on_warning,
		.cache = on_cache,
		.text = on_text,
		.progress = on_progress,
		.ask_credentials = ask_credentials,
		.credentials = on_credentials,
		.is_behind = is_behind,
		.done = on_done,
		.userdata = e };
	struct hoy_build_request request = e->request;

	request.context = TAKE_FD(e->context);
	request.context_dir = context_dir;
	request.dockerfile_fd = dockerfile;
	request.session = *e->session ? e->session : NULL;
	if (e->sink->upload) /* BuildKit's clients have no --rm */
		request.keep_containers = request.keep_failed_containers = false;
	return hoy_build_start(e->builds, &request, &handler, &e->build, err);
}

static void on_synced(const struct hoy_err *failed, char *context_dir, int dockerfile, void *userdata)
{
	struct hoy_session_build *e = userdata;
	auto_free char *dir = context_dir;
	auto_fd int fd = dockerfile;
	struct hoy_err err = { 0 };

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

void hoy_session_build_uploaded(struct hoy_session_build *e, const struct hoy_err *failed)
{
	struct hoy_err err = { 0 };

	if (failed) {
		err = *failed;
		finish(e, &err, NULL);
		return;
	}
	hoy_build_trace_end(e->trace, e->loading, /* cached= */ false, NULL);
	if (start(e, /* context_dir= */ NULL, -EBADF, &err) < 0)
		finish(e, &err, NULL);
}

static int load(struct hoy_session_build *e, struct hoy_err *err)
{
	const char *file = e->request.dockerfile;
	int r = e->sink->upload ? e->sink->upload(e, err) : 0;

	if (r != 0)
		return r;
	if (e->context >= 0 || (e->request.remote && *e->request.remote)) {
		if (e->sink->upload)
			end_loading(e);
		return start(e, /* context_dir= */ NULL, -EBADF, err);
	}
	return hoy_build_session_sync(e->builds,
		&(struct hoy_session_sources){ .dockerfile = e->dockerfile_session ? e->dockerfile_session : e->session,
			.context = e->context_session ? e->context_session : e->session,
			.file = file && *file ? file : "Dockerfile" },
		on_synced, e, &e->sync, err);
}

static void on_session(struct hoy_build_session *session, void *userdata)
{
	struct hoy_session_build *e = userdata;
	struct hoy_err err = { 0 };

	e->wait = NULL;
	e->loading = hoy_build_trace_begin(e->trace, "[internal] load build definition and context");
	/* Not before: clients whose builds are refused while their sessions are being opened wait forever, unless these
	 * end. */
	if (e->sink->prepare(e, &e->request, &err) < 0)
		hoy_build_session_close(e->builds, e->session);
	else if (!session && *e->session)
		(void) hoy_err_invalid(&err, "no active session for %s: the client has opened none", e->session);
	else
		(void) load(e, &err);
	if (err.errnum)
		finish(e, &err, NULL);
}

static void on_soon(struct hoy_source *source, void *userdata)
{
	struct hoy_session_build *e = userdata;

	(void) source;
	e->soon = hoy_source_free(e->soon);
	on_session(/* session= */ NULL, e);
}

static int wait_for_session(struct hoy_session_build *e, struct hoy_err *err)
{
	return *e->session ? hoy_build_session_wait(e->builds, e->session, on_session, e, &e->wait, err)
			   : hoy_loop_defer(e->api->o.loop, &e->soon, on_soon, e, err);
}

int hoy_session_build_start(struct hoy_api *api, const char *id, const char *session,
	const struct hoy_session_sink *sink, void *client, struct hoy_session_build **ret, struct hoy_err *err)
{
	struct hoy_session_build *e = calloc(1, sizeof *e);
	int r;

	if (!e)
		return hoy_err_oom(err);
	*e = (struct hoy_session_build){ .next = api->session_builds,
		.api = api,
		.builds = api->o.builds,
		.sink = sink,
		.client = client,
		.id = strdup(id),
		.session = strdup(session),
		.context = -EBADF,
		.loading = NO_VERTEX,
		.pulling = NO_VERTEX,
		.caching = NO_VERTEX };
	api->session_builds = e;
	e->trace = hoy_build_trace_new(id, on_trace, e);
	r = e->id && e->session && e->trace ? wait_for_session(e, err) : hoy_err_oom(err);
	if (r < 0) {
		exchange_free(e);
		return r;
	}
	*ret = e;
	return 0;
}
