/*
 * POST /build: the classic builder's endpoint. The body is the context's tar; the answer is what a client prints, one
 * JSON message a line. A build whose client leaves is canceled. Our own command line asks for BuildKit's progress
 * instead (trace=1, build_session.c), and for named contexts (buildcontext=NAME=VALUE) and stages to be made again
 * (nocachefilter=STAGE), and may bring the cache elsewhere (cacheto).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/build_request.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/platform.h"
#include "supervisor/api/progress.h"
#include "supervisor/build/build.h"
#include "supervisor/build/origin.h"
#include "supervisor/image/image.h"
#include "libocispec/reference.h"

#define UNREAD_MAX ((size_t) 1 << 20)
#define REGISTRY_CONFIG_MAX ((size_t) 256 << 10)

struct exchange {
	struct hoy_api_request *rq;  /* as long as `x` */
	struct hoy_http_exchange *x; /* NULL: the client is gone */
	struct hoy_build *build;
	bool begun;
	bool quiet;
	struct hoy_buf kept;              /* quiet: what is told only when it fails */
	struct hoy_json *registry_config; /* credentials by registry */
};

static void exchange_free(struct exchange *e)
{
	hoy_buf_done(&e->kept);
	hoy_json_free(e->registry_config);
	free(e);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct exchange *e = userdata;

	(void) x;
	e->x = NULL;
	hoy_build_cancel(e->build);
}

static void on_drained(struct hoy_http_exchange *x, void *userdata)
{
	struct exchange *e = userdata;

	(void) x;
	hoy_build_go_on(e->build);
}

static bool begin(struct exchange *e)
{
	struct hoy_err err = { 0 };

	if (!e->x || e->begun)
		return e->x != NULL;
	if (hoy_http_stream_begin(e->x, 200, "application/json", on_gone, e, &err) < 0) {
		hoy_log_ignored(&err, "answer a build");
		e->x = NULL;
		hoy_build_cancel(e->build);
		return false;
	}
	hoy_http_stream_on_drained(e->x, on_drained);
	e->begun = true;
	return true;
}

static void on_text(const char *text, size_t len, void *userdata)
{
	struct exchange *e = userdata;

	if (e->quiet)
		(void) hoy_buf_add(&e->kept, text, len);
	else if (begin(e))
		hoy_progress_stream(e->x, "%.*s", (int) len, text);
}

static void on_progress(const struct hoy_image_progress *progress, void *userdata)
{
	struct exchange *e = userdata;

	if (e->quiet || !begin(e))
		return;
	if (progress->is_message)
		hoy_progress_message(e->x, progress->id, progress->status);
	else
		hoy_progress_status(e->x, progress->id, progress->status, progress->current, progress->total);
}

static bool is_behind(void *userdata)
{
	struct exchange *e = userdata;

	return e->x && e->begun && hoy_http_stream_pending(e->x) > UNREAD_MAX;
}

static void tell_failure(struct exchange *e, const struct hoy_err *err, int exit_code)
{
	if (!e->begun && e->kept.len == 0) {
		hoy_api_reply_error(e->rq, err);
		return;
	}
	if (!begin(e))
		return;
	if (e->kept.len > 0)
		hoy_progress_stream(e->x, "%s", e->kept.data);
	hoy_progress_failure(e->x, err, exit_code);
	hoy_http_stream_end(e->x);
}

static void on_made(const char *id, void *userdata)
{
	struct exchange *e = userdata;
	auto_free char *aux = hoy_str_printf("{\"ID\":\"%s\"}", id);

	if (aux && !e->quiet && begin(e))
		hoy_progress_plain_aux(e->x, aux);
}

static void on_done(const struct hoy_err *err, int exit_code, const char *id, void *userdata)
{
	struct exchange *e = userdata;

	if (e->x && err) {
		tell_failure(e, err, exit_code);
	} else if (begin(e)) {
		if (e->quiet)
			hoy_progress_stream(e->x, "%s\n", id);
		hoy_http_stream_end(e->x);
	}
	exchange_free(e);
}

/* --- credentials ------------------------------------------------------------------------------ */

int hoy_build_registry_config(const struct hoy_api_request *rq, struct hoy_json **ret, struct hoy_err *err)
{
	const char *header = hoy_http_header(rq->x, "X-Registry-Config");
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = REGISTRY_CONFIG_MAX };
	bool ok;

	if (!header || !*header)
		return 0;
	ok = hoy_base64_decode(&text, header) == 0 && text.len > 0 &&
	     hoy_json_parse(text.data, text.len, /* limits= */ NULL, ret, /* err= */ NULL) == 0;
	if (text.data)
		explicit_bzero(text.data, text.len);
	return ok ? 0 : hoy_err_invalid(err, "invalid X-Registry-Config header: not a JSON object in base64");
}

static const char *value_of(const struct hoy_json *auth, const char *key)
{
	const char *value = hoy_json_string(hoy_json_get_ci(auth, key));

	return value && *value ? value : NULL;
}

bool hoy_build_registry_credentials(
	const struct hoy_json *config, const char *reference, struct hoy_registry_credentials *ret)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	const struct hoy_json *auth;

	if (!config || hoy_reference_parse(reference, &ref, NULL) < 0)
		return false;
	auth = hoy_json_get(config, strcmp(ref.domain, "docker.io") == 0 ? "https://index.docker.io/v1/" : ref.domain);
	if (!auth)
		return false;
	*ret = (struct hoy_registry_credentials){ .username = value_of(auth, "username"),
		.password = value_of(auth, "password"),
		.identity_token = value_of(auth, "identitytoken"),
		.registry_token = value_of(auth, "registrytoken") };
	return true;
}

static bool on_credentials(const char *reference, struct hoy_registry_credentials *ret, void *userdata)
{
	const struct exchange *e = userdata;

	return hoy_build_registry_credentials(e->registry_config, reference, ret);
}

/* --- the request ------------------------------------------------------------------------------ */

void hoy_build_parameters_done(struct hoy_build_parameters *p)
{
	hoy_strv_free(p->build_args);
	hoy_strv_free(p->labels);
	free(p->platform);
	hoy_buf_done(&p->host);
	free(p->tags);
	free(p->no_cache_filter);
	free(p->contexts);
	hoy_json_free(p->cache_from);
	hoy_json_free(p->cache_to);
}

/* A list of caches: references, or {"Type", "Attrs"}. */
static int take_caches(const struct hoy_uri *uri, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const char *text = hoy_uri_query(uri, name);
	int r = text && *text ? hoy_json_parse(text, strlen(text), /* limits= */ NULL, ret, err) : 0;

	if (r == 0 && *ret && hoy_json_type(*ret) != HOY_JSON_ARRAY && hoy_json_type(*ret) != HOY_JSON_NULL)
		r = hoy_err_invalid(err, "it is no list");
	return r < 0 ? hoy_err_wrap(err, "%s", name) : 0;
}

/* A JSON object of strings as "K=V"; a null is "K" alone. */
static int take_map(const struct hoy_uri *uri, const char *name, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *text = hoy_uri_query(uri, name);
	int r = text && *text ? hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, err) : 0;

	if (r < 0)
		return hoy_err_wrap(err, "%s", name);
	hoy_json_each(member, doc)
	{
		const char *value = hoy_json_string(member);

		if (!value && hoy_json_type(member) != HOY_JSON_NULL)
			return hoy_err_invalid(err, "%s: '%s' is not a string", name, hoy_json_key(member));
		if (hoy_strv_addf(ret, "%s%s%s", hoy_json_key(member), value ? "=" : "", value ? value : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int add_numbers(const struct hoy_uri *uri, struct hoy_json_writer *w, struct hoy_err *err)
{
	static const struct {
		const char *query, *field;
	} numbers[] = { { "memory", "Memory" }, { "memswap", "MemorySwap" }, { "cpushares", "CpuShares" },
		{ "cpuperiod", "CpuPeriod" }, { "cpuquota", "CpuQuota" }, { "shmsize", "ShmSize" } };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		long long value = 0;
		int r = hoy_uri_query_i64(uri, numbers[i].query, 0, &value, err);

		if (r < 0)
			return r;
		if (value != 0)
			hoy_json_add_i64(w, numbers[i].field, value);
	}
	return 0;
}

static int add_list(
	const struct hoy_uri *uri, const char *query, const char *field, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_free const char **values = hoy_uri_query_all(uri, query);

	if (!values)
		return hoy_err_oom(err);
	if (*values)
		hoy_json_add_strv(w, field, (char *const *) (uintptr_t) values);
	return 0;
}

/* What containers of RUN get beside their command. */
static int take_host(const struct hoy_uri *uri, struct hoy_buf *buf, struct hoy_err *err)
{
	static const struct {
		const char *query, *field;
	} texts[] = { { "cpusetcpus", "CpusetCpus" }, { "cpusetmems", "CpusetMems" },
		{ "cgroupparent", "CgroupParent" } };
	auto_ptr(hoy_json_free) struct hoy_json *ulimits = NULL;
	const char *text = hoy_uri_query(uri, "ulimits");
	struct hoy_json_writer w = { .buf = buf };
	int r = text && *text ? hoy_json_parse(text, strlen(text), NULL, &ulimits, err) : 0;

	if (r < 0)
		return hoy_err_wrap(err, "ulimits");
	hoy_json_object(&w, NULL);
	r = add_numbers(uri, &w, err);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *value = hoy_uri_query(uri, texts[i].query);

		if (value && *value)
			hoy_json_add_string(&w, texts[i].field, value);
	}
	if (r == 0)
		r = add_list(uri, "extrahosts", "ExtraHosts", &w, err);
	if (r == 0)
		r = add_list(uri, "securityopt", "SecurityOpt", &w, err);
	if (ulimits)
		hoy_json_add_value(&w, "Ulimits", ulimits);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(buf, "options of the build", err);
}

static bool is_of_client(const char *remote)
{
	return strcmp(remote, "client-session") == 0 || strcmp(remote, "upload-request") == 0;
}

static int refuse(const struct hoy_uri *uri, struct hoy_err *err)
{
	const char *version = hoy_uri_query(uri, "version"), *remote = hoy_uri_query(uri, "remote");
	const char *outputs = hoy_uri_query(uri, "outputs");

	if (version && *version && strcmp(version, "1") != 0 && strcmp(version, "2") != 0)
		return hoy_err_invalid(err, "invalid version of the builder: '%s'", version);
	if (remote && *remote && !is_of_client(remote) && !hoy_build_is_url(remote))
		return hoy_err_invalid(
			err, "'%s' is no remote build context: it is neither a URL nor a repository", remote);
	if (hoy_uri_query_bool(uri, "squash", false))
		return hoy_err_unsupported(err, "squash is not supported: use stages and COPY --from instead");
	if (!hoy_str_eq(version, "2") && !hoy_uri_query_bool(uri, "trace", false) && outputs && *outputs &&
		strcmp(outputs, "[]") != 0 && strcmp(outputs, "null") != 0)
		return hoy_err_unsupported(err, "outputs are not supported by this version of Hoy");
	return 0;
}

int hoy_build_parameters_take(const struct hoy_uri *uri, struct hoy_build_parameters *p, struct hoy_err *err)
{
	int r = refuse(uri, err);

	if (r == 0)
		r = take_map(uri, "buildargs", &p->build_args, err);
	if (r == 0)
		r = take_map(uri, "labels", &p->labels, err);
	if (r == 0)
		r = take_host(uri, &p->host, err);
	if (r == 0)
		r = hoy_api_platform(hoy_uri_query(uri, "platform"), &p->platform, err);
	p->tags = hoy_uri_query_all(uri, "t");
	p->no_cache_filter = hoy_uri_query_all(uri, "nocachefilter");
	p->contexts = hoy_uri_query_all(uri, "buildcontext");
	if (r == 0 && (!p->tags || !p->no_cache_filter || !p->contexts))
		return hoy_err_oom(err);
	if (r == 0)
		r = take_caches(uri, "cachefrom", &p->cache_from, err);
	if (r == 0)
		r = take_caches(uri, "cacheto", &p->cache_to, err);
	for (const char **tag = p->tags; r == 0 && *tag; tag++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };

		r = hoy_reference_parse(*tag, &ref, err);
	}
	return r;
}

int hoy_build_body_pipe(struct hoy_api_request *rq, struct hoy_err *err)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "make a pipe");
	r = hoy_http_body_to_fd(rq->x, fds[1], err);
	if (r >= 0)
		return fds[0];
	hoy_fd_close(&fds[0]);
	return r;
}

void hoy_build_parameters_fill(
	const struct hoy_uri *uri, const struct hoy_build_parameters *p, struct hoy_build_request *ret)
{
	const char *remote = hoy_uri_query(uri, "remote");

	*ret = (struct hoy_build_request){
		.context = -EBADF,
		.remote = remote && !is_of_client(remote) ? remote : NULL,
		.dockerfile = hoy_uri_query(uri, "dockerfile"),
		.target = hoy_uri_query(uri, "target"),
		.platform = p->platform,
		.tags = (char *const *) (uintptr_t) p->tags,
		.build_args = p->build_args,
		.labels = p->labels,
		.no_cache_filter = (char *const *) (uintptr_t) p->no_cache_filter,
		.contexts = (char *const *) (uintptr_t) p->contexts,
		.cache_from = p->cache_from,
		.cache_to = p->cache_to,
		.network = hoy_uri_query(uri, "networkmode"),
		.host_config = p->host.data,
		.no_cache = hoy_uri_query_bool(uri, "nocache", false),
		.pull = hoy_uri_query_bool(uri, "pull", false),
		.keep_containers = !hoy_uri_query_bool(uri, "rm", true),
		.keep_failed_containers = !hoy_uri_query_bool(uri, "rm", true) &&
					  !hoy_uri_query_bool(uri, "forcerm", false),
	};
}

static int start(struct exchange *e, const struct hoy_build_parameters *p, struct hoy_err *err)
{
	const struct hoy_uri *uri = &e->rq->uri;
	const struct hoy_build_handler handler = { .text = on_text,
		.progress = on_progress,
		.credentials = on_credentials,
		.is_behind = is_behind,
		.made = on_made,
		.done = on_done,
		.userdata = e };
	struct hoy_build_request request = { .context = -EBADF };

	hoy_build_parameters_fill(uri, p, &request);
	request.cache_local = true;
	request.colour_stderr = !hoy_uri_query_bool(uri, "plain", false);
	if (request.remote && *request.remote)
		return hoy_build_start(e->rq->api->o.builds, &request, &handler, &e->build, err);
	request.context = hoy_build_body_pipe(e->rq, err);
	return request.context < 0 ? request.context
				   : hoy_build_start(e->rq->api->o.builds, &request, &handler, &e->build, err);
}

static int build(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_build_parameters_done) struct hoy_build_parameters p = { 0 };
	struct exchange *e;
	int r;

	if (hoy_str_eq(hoy_uri_query(&rq->uri, "version"), "2") || hoy_uri_query_bool(&rq->uri, "trace", false))
		return hoy_api_build_by_session(rq, err);
	e = calloc(1, sizeof *e);
	if (!e)
		return hoy_err_oom(err);
	e->rq = rq;
	e->x = rq->x;
	e->quiet = hoy_uri_query_bool(&rq->uri, "q", false);
	r = hoy_build_registry_config(rq, &e->registry_config, err);
	if (r == 0)
		r = hoy_build_parameters_take(&rq->uri, &p, err);
	if (r == 0)
		r = start(e, &p, err);
	if (r < 0)
		exchange_free(e);
	return r < 0 ? r : 0;
}

const struct hoy_api_route hoy_api_build_routes[] = {
	{ "POST", "/build", build, HOY_ROUTE_BODY_STREAM, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
