/*
 * POST /grpc: the connection becomes one of BuildKit's control API, which buildx speaks. A hoy-build serves it
 * (build/control.c); what it asks for is done here: builds, what the cache holds, and its pruning.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "libocispec/image.h"
#include "libocispec/reference.h"
#include "supervisor/api/host.h"
#include "supervisor/api/session_build.h"
#include "supervisor/build/control.h"
#include "supervisor/build/session.h"
#include "supervisor/network/network.h"

#define UNREAD_MAX ((size_t) 1 << 20)

/* A build that a client of the control API asks for. */
struct exchange {
	struct hoy_control_call *call;
	struct hoy_session_build *build;
	struct hoy_json *doc; /* the request, to which `request` points */
	struct hoy_build_request request;
	struct hoy_build_parameters parameters;
	char **no_cache_filter, **contexts;
	struct hoy_session_request *uploading;
};

static void exchange_free(struct exchange *e)
{
	hoy_session_request_cancel(e->uploading);
	hoy_build_parameters_done(&e->parameters);
	hoy_strv_free(e->no_cache_filter);
	hoy_strv_free(e->contexts);
	hoy_json_free(e->doc);
	free(e);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct hoy_json *doc, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(doc, key));

	return text ? text : "";
}

static int take_list(const struct hoy_json *doc, const char *key, char ***ret, struct hoy_err *err)
{
	hoy_json_each(item, hoy_json_get(doc, key))
	{
		if (hoy_strv_add(ret, hoy_json_string(item) ? hoy_json_string(item) : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* Members of HostConfig, and no others than these: whoever wrote the request has read what a stranger sent. */
static int take_host(const struct hoy_json *doc, struct hoy_buf *buf, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **hosts = NULL;
	struct hoy_json_writer w = { .buf = buf };
	int64_t shm_size = 0, soft = 0, hard = 0;
	int r = take_list(doc, "hosts", &hosts, err);

	(void) hoy_json_to_i64(hoy_json_get(doc, "shm_size"), &shm_size);
	hoy_json_object(&w, NULL);
	if (hosts)
		hoy_json_add_strv(&w, "ExtraHosts", hosts);
	if (shm_size > 0)
		hoy_json_add_i64(&w, "ShmSize", shm_size);
	if (*text_of(doc, "cgroup_parent"))
		hoy_json_add_string(&w, "CgroupParent", text_of(doc, "cgroup_parent"));
	hoy_json_array(&w, "Ulimits");
	hoy_json_each(limit, hoy_json_get(doc, "ulimits"))
	{
		(void) hoy_json_to_i64(hoy_json_get(limit, "Soft"), &soft);
		(void) hoy_json_to_i64(hoy_json_get(limit, "Hard"), &hard);
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", text_of(limit, "Name"));
		hoy_json_add_i64(&w, "Soft", soft);
		hoy_json_add_i64(&w, "Hard", hard);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(buf, "options of the build", err);
}

static int take_tags(struct exchange *e, struct hoy_err *err)
{
	const struct hoy_json *tags = hoy_json_get(e->doc, "tags");
	size_t n = 0;

	e->parameters.tags = calloc(hoy_json_len(tags) + 1, sizeof *e->parameters.tags);
	if (!e->parameters.tags)
		return hoy_err_oom(err);
	hoy_json_each(tag, tags)
	{
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		const char *text = hoy_json_string(tag);
		int r = hoy_reference_parse(text ? text : "", &ref, err);

		if (r < 0)
			return r;
		e->parameters.tags[n++] = text;
	}
	return 0;
}

static int take_export(const struct hoy_json *doc, enum hoy_build_export *ret, struct hoy_err *err)
{
	static const char *const names[] = { [HOY_BUILD_TO_IMAGE] = "image",
		[HOY_BUILD_TO_FILES] = "local",
		[HOY_BUILD_TO_TAR] = "tar",
		[HOY_BUILD_TO_ARCHIVE] = "archive",
		[HOY_BUILD_TO_NOWHERE] = "none" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(text_of(doc, "export"), names[i]) == 0) {
			*ret = (enum hoy_build_export) i;
			return 0;
		}
	return hoy_err_code(err, -EPROTO, "request of hoy-build");
}

static int prepare(struct hoy_session_build *build, struct hoy_build_request *ret, struct hoy_err *err)
{
	struct exchange *e = build->client;
	const struct hoy_json *doc = e->doc;
	struct hoy_build_parameters *p = &e->parameters;
	const char *network = text_of(doc, "network");
	int r = take_list(doc, "build_args", &p->build_args, err);

	if (r == 0)
		r = take_list(doc, "labels", &p->labels, err);
	if (r == 0)
		r = take_list(doc, "no_cache_filter", &e->no_cache_filter, err);
	if (r == 0)
		r = take_list(doc, "contexts", &e->contexts, err);
	if (r == 0)
		r = take_host(doc, &p->host, err);
	if (r == 0)
		r = take_tags(e, err);
	build->dockerfile_session = *text_of(doc, "dockerfile_session") ? text_of(doc, "dockerfile_session") : NULL;
	build->context_session = *text_of(doc, "context_session") ? text_of(doc, "context_session") : NULL;
	*ret = (struct hoy_build_request){ .context = -EBADF,
		.remote = text_of(doc, "remote"),
		.dockerfile = text_of(doc, "dockerfile"),
		.target = text_of(doc, "target"),
		.platform = *text_of(doc, "platform") ? text_of(doc, "platform") : NULL,
		.tags = (char *const *) (uintptr_t) p->tags,
		.build_args = p->build_args,
		.labels = p->labels,
		.network = *network ? network : NULL,
		.host_config = p->host.data,
		.no_cache_filter = e->no_cache_filter,
		.contexts = e->contexts,
		.cache_from = hoy_json_get(doc, "cache_from"),
		.cache_to = hoy_json_get(doc, "cache_to"),
		.no_cache = hoy_json_bool(hoy_json_get(doc, "no_cache")),
		.pull = hoy_json_bool(hoy_json_get(doc, "pull")) };
	if (r == 0 && strcmp(network, "") != 0 && strcmp(network, "host") != 0 && strcmp(network, "none") != 0)
		r = hoy_err_invalid(err, "invalid network mode '%s' of a build: host, none and default are", network);
	return r < 0 ? r : take_export(doc, &ret->export, err);
}

/* --- contexts that the client uploads ----------------------------------------------------------------------------- */

/* Its end is the pipe's; trouble is the build's, which finds no whole tar in it. */
static void on_uploaded(const struct hoy_err *err, const char *text, void *userdata)
{
	struct exchange *e = userdata;

	(void) text;
	e->uploading = NULL;
	if (err)
		hoy_log_ignored(err, "receive the build context");
}

static int upload(struct hoy_session_build *build, struct hoy_err *err)
{
	struct exchange *e = build->client;
	const char *path = text_of(e->doc, "upload");
	struct hoy_session_question question = {
		.op = "upload", .member = "path", .value = path, .answer = on_uploaded, .userdata = e
	};
	auto_fd int to = -EBADF;
	int fds[2], r;

	if (!*path)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "make a pipe");
	build->context = fds[0];
	to = fds[1];
	question.fd = to;
	r = hoy_build_session_ask(build->builds, build->session, &question, &e->uploading, err);
	return r < 0 ? r : 0;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void on_trace(const struct hoy_buf *message, void *client)
{
	struct exchange *e = client;

	hoy_control_tell(e->call, message->data, message->len);
}

static bool is_behind(void *client)
{
	const struct exchange *e = client;

	return hoy_control_pending(e->call) > UNREAD_MAX;
}

static void on_ended(const struct hoy_err *err, const struct hoy_session_end *end, void *client)
{
	struct exchange *e = client;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 }, names = { 0 };
	struct hoy_json_writer w = { .buf = &text };

	for (const char **tag = e->parameters.tags; tag && *tag; tag++)
		(void) hoy_buf_addf(&names, "%s%s", names.len ? "," : "", *tag);
	hoy_json_object(&w, NULL);
	if (end->id) {
		hoy_json_add_string(&w, "containerimage.digest", end->id);
		if (names.len > 0)
			hoy_json_add_string(&w, "image.name", names.data);
	}
	hoy_json_end(&w);
	if (err)
		hoy_control_failed(e->call, err);
	else
		hoy_control_done(e->call, hoy_buf_check(&text, "answer", NULL) == 0 ? text.data : "{}");
	exchange_free(e);
}

static const struct hoy_session_sink sink = {
	.prepare = prepare, .upload = upload, .trace = on_trace, .is_behind = is_behind, .ended = on_ended
};

static void on_canceled(void *userdata_of_call)
{
	struct exchange *e = userdata_of_call;

	hoy_session_build_cancel(e->build);
}

static void on_drained(void *userdata_of_call)
{
	struct exchange *e = userdata_of_call;

	hoy_session_build_go_on(e->build);
}

static int start_build(
	struct hoy_api *api, struct hoy_control_call *call, const struct hoy_json *doc, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	struct exchange *e = calloc(1, sizeof *e);
	int r;

	if (!e)
		return hoy_err_oom(err);
	e->call = call;
	hoy_json_add_value(&w, NULL, doc);
	r = hoy_buf_check(&text, "request", err);
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, /* limits= */ NULL, &e->doc, err);
	if (r == 0)
		r = hoy_session_build_start(
			api, text_of(e->doc, "ref"), text_of(e->doc, "session"), &sink, e, &e->build, err);
	if (r < 0) {
		exchange_free(e);
		return r;
	}
	hoy_control_set(call, e);
	return 0;
}

static void on_called(
	struct hoy_control_call *call, enum hoy_control_kind kind, const struct hoy_json *doc, void *userdata)
{
	struct hoy_api *api = userdata;
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	struct hoy_err err = { 0 };
	int r;

	if (kind == HOY_CONTROL_CALL_BUILD) {
		r = start_build(api, call, doc, &err);
		if (r < 0)
			hoy_control_failed(call, &err);
		return;
	}
	r = kind == HOY_CONTROL_CALL_PRUNE ? hoy_api_prune_records(api, doc, &message, &err)
					   : hoy_api_usage_records(api, doc, &message, &err);
	if (r == 0)
		r = hoy_buf_check(&message, "records of the build cache", &err);
	if (r < 0) {
		hoy_control_failed(call, &err);
		return;
	}
	hoy_control_tell(call, message.data, message.len);
	hoy_control_done(call, "{}");
}

/* --- POST /grpc --------------------------------------------------------------------------------------------------- */

static void on_taken(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct hoy_api *api = userdata;
	auto_(hoy_network_info_done) struct hoy_network_info bridge = { 0 };
	auto_free char *platform = hoy_str_printf("linux/%s", hoy_host_goarch());
	/* buildx writes the gateway's address into --add-host NAME:host-gateway itself. */
	bool has_gateway = hoy_network_get(api->o.networks, "bridge", &bridge, NULL) >= 0 && *bridge.gateway;
	const struct hoy_control_engine engine = { .version = PACKAGE_VERSION,
		.worker = api->o.host_id,
		.gateway = has_gateway ? bridge.gateway : NULL,
		.platform = platform };
	const struct hoy_control_handler handler = {
		.called = on_called, .canceled = on_canceled, .drained = on_drained, .userdata = api
	};
	struct hoy_err err = { 0 };

	if (fd >= 0 && platform &&
		hoy_build_control_start(api->o.builds, fd, extra, extra_len, &engine, &handler, &err) < 0)
		hoy_log_ignored(&err, "serve a client of the build API");
}

static int open_control(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *protocol = hoy_http_header(rq->x, "Upgrade");

	if (!protocol || strcasecmp(protocol, "h2c") != 0)
		return hoy_err_invalid(err, "/grpc is an upgrade to h2c");
	hoy_http_hijack(rq->x, "application/vnd.docker.raw-stream", on_taken, rq->api);
	return 0;
}

const struct hoy_api_route hoy_api_build_control_routes[] = {
	{ "POST", "/grpc", open_control, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
