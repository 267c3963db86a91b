/*
 * From a request's head to its handler: target, version, route. The only place that turns an error of a handler into an
 * answer. A wrong method on a known path is "page not found" as any unknown path.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/version.h"

#define BODY_LIMIT ((size_t) 4 << 20)

static const struct hoy_api_route *const families[] = {
	hoy_api_system_routes,
	hoy_api_archive_routes,
	hoy_api_volume_transfer_routes,
	hoy_api_volume_routes,
	hoy_api_secret_routes,
	hoy_api_checkpoint_routes,
	hoy_api_container_routes,
	hoy_api_exec_routes,
	hoy_api_image_archive_routes,
	hoy_api_build_cache_routes,
	hoy_api_build_routes,
	hoy_api_build_session_routes,
	hoy_api_build_control_routes,
	hoy_api_commit_routes,
	hoy_api_disk_usage_routes,
	hoy_api_fsck_routes,
	hoy_api_image_routes,
	hoy_api_registry_routes,
	hoy_api_network_routes,
	hoy_api_prune_routes,
	hoy_api_refused_routes,
};

bool hoy_api_route_matches(const struct hoy_api_route *route, const char *path, char **ret_name)
{
	const char *open = strchr(route->pattern, '{'), *tail, *last = strrchr(path, '/');
	size_t head_len, tail_len, len;

	*ret_name = NULL;
	if (!open)
		return !strcmp(route->pattern, path);
	tail = strchr(open, '}') + 1;
	head_len = (size_t) (open - route->pattern);
	tail_len = strlen(tail);
	if (tail_len && tail[tail_len - 1] == '}') { /* the last part is another name: compare what is between them */
		size_t between = strcspn(tail, "{");

		if (!last || !last[1] || (size_t) (last + 1 - path) <= head_len + between ||
			strncmp(path, route->pattern, head_len) != 0 || strncmp(last + 1 - between, tail, between) != 0)
			return false;
		*ret_name = strndup(path + head_len, (size_t) (last + 1 - path) - between - head_len);
		return *ret_name != NULL;
	}
	len = strlen(path);
	if (len <= head_len + tail_len || strncmp(path, route->pattern, head_len) != 0 ||
		strcmp(path + len - tail_len, tail) != 0)
		return false;
	*ret_name = strndup(path + head_len, len - head_len - tail_len);
	return *ret_name != NULL;
}

const char *hoy_api_last_part(const struct hoy_api_request *rq)
{
	return strrchr(rq->uri.path, '/') + 1;
}

const struct hoy_api_route *hoy_api_route_find(const char *method, const char *path, char **ret_name)
{
	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		for (const struct hoy_api_route *r = families[f]; r->method; r++)
			if (!strcmp(r->method, method) && hoy_api_route_matches(r, path, ret_name))
				return r;
	return NULL;
}

static void request_free(void *context)
{
	struct hoy_api_request *rq = context;

	hoy_api_answer_forget(rq);
	hoy_scope_visit_done(&rq->visit);
	hoy_uri_done(&rq->uri);
	free(rq->name);
	free(rq);
}

static int check_name(const char *name, struct hoy_err *err)
{
	for (const char *c = name; c && *c; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			return hoy_err_invalid(err, "invalid character in the name of the request path");
	return 0;
}

/* Where metrics are read there is nothing else. */
static const struct hoy_api_route *metrics_route(const struct hoy_api_request *rq, const char *path)
{
	const struct hoy_api_route *route = hoy_api_metrics_routes;

	return !strcmp(hoy_http_method(rq->x), route->method) && !strcmp(path, route->pattern) ? route : NULL;
}

static int find_route(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_api_door *door = hoy_http_door(rq->x);
	const char *path;
	int r = hoy_uri_parse(&rq->uri, hoy_http_target(rq->x), err);

	if (r >= 0)
		r = hoy_api_version_split(rq->uri.path, &path, &rq->version, err);
	if (r < 0)
		return r;
	if (door && door->kind == HOY_DOOR_METRICS)
		rq->route = metrics_route(rq, path);
	else
		rq->route = hoy_api_route_find(hoy_http_method(rq->x), path, &rq->name);
	if (!rq->route || rq->version < rq->route->min_version)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "page not found");
	return check_name(rq->name, err);
}

static enum hoy_http_body on_head(void *userdata, struct hoy_http_exchange *x, size_t *ret_body_limit)
{
	struct hoy_api_request *rq = calloc(1, sizeof *rq);
	struct hoy_err err = { 0 };

	*ret_body_limit = BODY_LIMIT;
	if (!rq) {
		hoy_http_reply(x, 500, NULL, NULL);
		return HOY_HTTP_BODY_BUFFER;
	}
	rq->api = userdata;
	rq->x = x;
	hoy_http_set_context(x, rq, request_free);
	if (find_route(rq, &err) < 0) {
		hoy_api_reply_error(rq, &err);
		return HOY_HTTP_BODY_BUFFER;
	}
	return rq->route->flags & HOY_ROUTE_BODY_STREAM ? HOY_HTTP_BODY_STREAM : HOY_HTTP_BODY_BUFFER;
}

/* The scoped socket it came by; NULL: by another one. */
static struct hoy_scope *scope_of(const struct hoy_http_exchange *x)
{
	const struct hoy_api_door *door = hoy_http_door(x);

	return door && door->kind == HOY_DOOR_SCOPE ? door->scope : NULL;
}

static void on_run(void *userdata, struct hoy_http_exchange *x)
{
	struct hoy_api_request *rq = hoy_http_context(x);
	struct hoy_scope *scope = scope_of(x);
	struct hoy_err err = { 0 };
	int r = scope ? hoy_scope_enter(scope, rq, &err) : 0;

	(void) userdata;
	if (r < 0 && err.errnum == EPERM)
		hoy_api_reply_error_status(rq, 403, hoy_err_str(&err));
	else if (r < 0 || rq->route->handler(rq, &err) < 0)
		hoy_api_reply_error(rq, &err);
}

static void on_too_large(void *userdata, struct hoy_http_exchange *x, size_t limit)
{
	char text[80];

	(void) userdata;
	(void) snprintf(text, sizeof text, "request body is larger than %zu bytes", limit);
	hoy_api_reply_error_status(hoy_http_context(x), 413, text);
}

static void on_decorate(void *userdata, struct hoy_http_exchange *x, int status)
{
	const struct hoy_api *api = userdata;
	struct hoy_scope *scope = scope_of(x);

	hoy_http_add_header(x, "Api-Version", HOY_API_MAX);
	hoy_http_add_header(x, "Docker-Experimental", api->o.experimental ? "true" : "false");
	hoy_http_add_header(x, "Ostype", "linux");
	hoy_http_add_header(x, "Server", "Hoy/" PACKAGE_VERSION " (linux)");
	if (scope && hoy_http_context(x))
		hoy_scope_answer(scope, hoy_http_context(x), status);
}

static void on_over(void *userdata, struct hoy_http_exchange *x, int status, uint64_t ns)
{
	struct hoy_api_request *rq = hoy_http_context(x);
	struct hoy_scope *scope = rq ? scope_of(x) : NULL;

	if (scope)
		hoy_scope_over(scope, rq);
	if (rq && rq->route && status >= 200 && status < 300)
		hoy_api_metrics_observe(userdata, rq, ns);
}

const struct hoy_http_hooks hoy_api_hooks = {
	.head = on_head,
	.run = on_run,
	.too_large = on_too_large,
	.decorate = on_decorate,
	.over = on_over,
};
