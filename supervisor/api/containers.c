/* /containers: the calls that change a container's state. Showing them is in container_json.c, streams in
 * container_streams.c. */
#include "supervisor/container/container.h"

#include <string.h>

#include "base/str.h"
#include "supervisor/api/host.h"
#include "supervisor/api/container_json.h"
#include "supervisor/api/container_streams.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/config.h"

/* --- answers that come later: the request waits, suspended ---------------------------------------------------- */

static void on_done(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;

	if (err)
		hoy_api_reply_error(rq, err);
	else
		hoy_api_reply_empty(rq, 204);
}

static void on_resized(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;

	if (err)
		hoy_api_reply_error(rq, err);
	else
		hoy_api_reply_empty(rq, 200);
}

static void on_created(void *userdata, const struct hoy_err *err, const char *id, char *const *warnings)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (err) {
		hoy_api_reply_error(rq, err);
		return;
	}
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Id", id);
	hoy_api_add_strings(&w, "Warnings", warnings);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 201, &buf);
}

/* --- handlers ------------------------------------------------------------------------------------------------- */

/* NULL and "": what the image is. */
static bool is_own_platform(const char *platform)
{
	size_t os = strlen("linux");

	if (!platform || !*platform || strcmp(platform, "linux") == 0 || strcmp(platform, hoy_host_goarch()) == 0)
		return true;
	return strncmp(platform, "linux/", os + 1) == 0 && strcmp(platform + os + 1, hoy_host_goarch()) == 0;
}

static int container_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = NULL;
	const struct hoy_buf *body = hoy_http_body(rq->x);
	const char *platform = hoy_uri_query(&rq->uri, "platform");
	int r = hoy_api_check_json_type(rq, err);

	if (r < 0)
		return r;
	if (!body->len)
		return hoy_err_invalid(err, "config cannot be empty in order to create a container");
	if (!is_own_platform(platform))
		return hoy_err_unsupported(err, "create: containers of the platform \"%s\" can't run here", platform);
	r = hoy_container_config_parse(body->data, body->len, &config, err);
	if (r >= 0)
		r = hoy_container_create(
			rq->api->o.containers, hoy_uri_query(&rq->uri, "name"), config, on_created, rq, err);
	if (r >= 0)
		config = NULL; /* the room's */
	return r;
}

static int container_start(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_container_checkpoint from = {
		.name = hoy_uri_query(&rq->uri, "checkpoint"),
		.dir = hoy_uri_query(&rq->uri, "checkpoint-dir"),
	};

	if (from.name && *from.name)
		return hoy_container_start_from(rq->api->o.containers, rq->name, &from, on_done, rq, err);
	return hoy_container_start(rq->api->o.containers, rq->name, on_done, rq, err);
}

static int parse_stop(struct hoy_api_request *rq, struct hoy_container_stop *how, struct hoy_err *err)
{
	long long timeout;
	int r = hoy_uri_query_i64(&rq->uri, "t", HOY_STOP_TIMEOUT_DEFAULT, &timeout, err);

	if (r < 0)
		return r;
	if (timeout != HOY_STOP_TIMEOUT_DEFAULT && (timeout < INT32_MIN || timeout > INT32_MAX))
		return hoy_err_invalid(err, "invalid value for query parameter 't': %lld is out of range", timeout);
	*how = (struct hoy_container_stop){
		.timeout = timeout < 0 && timeout != HOY_STOP_TIMEOUT_DEFAULT ? -1 : (int) timeout,
		.signal = hoy_uri_query(&rq->uri, "signal")
	};
	if (how->signal && !*how->signal)
		how->signal = NULL;
	return 0;
}

static int container_stop(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_container_stop how;
	int r = parse_stop(rq, &how, err);

	return r < 0 ? r : hoy_container_stop(rq->api->o.containers, rq->name, &how, on_done, rq, err);
}

static int container_restart(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_container_stop how;
	int r = parse_stop(rq, &how, err);

	return r < 0 ? r : hoy_container_restart(rq->api->o.containers, rq->name, &how, on_done, rq, err);
}

static int container_kill(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *sig = hoy_uri_query(&rq->uri, "signal");

	return hoy_container_kill(rq->api->o.containers, rq->name, sig, on_done, rq, err);
}

static int container_rename(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *name = hoy_uri_query(&rq->uri, "name");

	if (!name || !*name)
		return hoy_err_invalid(err, "neither old nor new names may be empty");
	return hoy_container_rename(rq->api->o.containers, rq->name, name, on_done, rq, err);
}

/* Hoy's own: POST /containers/{id}/promote?instead=ID. */
static int container_promote(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *instead = hoy_uri_query(&rq->uri, "instead");

	if (!instead || !*instead)
		return hoy_err_invalid(err, "query parameter 'instead' is missing: the container whose place is taken");
	return hoy_container_promote(rq->api->o.containers, rq->name, instead, on_done, rq, err);
}

static int container_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_container_remove how = {
		.force = hoy_uri_query_bool(&rq->uri, "force", false),
		.volumes = hoy_uri_query_bool(&rq->uri, "v", false),
	};

	if (hoy_uri_query_bool(&rq->uri, "link", false))
		return hoy_container_link_remove(rq->api->o.containers, rq->name, on_done, rq, err);
	return hoy_container_remove(rq->api->o.containers, rq->name, &how, on_done, rq, err);
}

int hoy_api_query_size(struct hoy_api_request *rq, const char *key, unsigned int *ret, struct hoy_err *err)
{
	const char *text = hoy_uri_query(&rq->uri, key);

	if (!text || hoy_str_to_uint(text, ret) < 0 || *ret > 65535)
		return hoy_err_invalid(
			err, "invalid value for query parameter '%s': '%s' is no terminal size", key, text ? text : "");
	return 0;
}

static int container_resize(struct hoy_api_request *rq, struct hoy_err *err)
{
	unsigned int height, width;
	int r = hoy_api_query_size(rq, "h", &height, err);

	if (r >= 0)
		r = hoy_api_query_size(rq, "w", &width, err);
	return r < 0 ? r : hoy_container_resize(rq->api->o.containers, rq->name, height, width, on_resized, rq, err);
}

static int container_pause(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_container_pause(rq->api->o.containers, rq->name, on_done, rq, err);
}

static int container_unpause(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_container_unpause(rq->api->o.containers, rq->name, on_done, rq, err);
}

static void on_updated(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (err) {
		hoy_api_reply_error(rq, err);
		return;
	}
	hoy_json_object(&w, NULL);
	hoy_api_add_strings(&w, "Warnings", NULL);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
}

static int container_update(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_buf *body = hoy_http_body(rq->x);
	int r = hoy_api_check_json_type(rq, err);

	if (r >= 0 && !body->len)
		r = hoy_err_invalid(err, "the update is empty");
	return r < 0 ? r
		     : hoy_container_update(
			       rq->api->o.containers, rq->name, body->data, body->len, on_updated, rq, err);
}

const struct hoy_api_route hoy_api_container_routes[] = {
	{ "GET", "/containers/json", hoy_api_container_list, 0, 0 },
	{ "POST", "/containers/create", container_create, 0, 0 },
	{ "GET", "/containers/{id}/json", hoy_api_container_inspect, 0, 0 },
	{ "POST", "/containers/{id}/start", container_start, 0, 0 },
	{ "POST", "/containers/{id}/stop", container_stop, 0, 0 },
	{ "POST", "/containers/{id}/restart", container_restart, 0, 0 },
	{ "POST", "/containers/{id}/kill", container_kill, 0, 0 },
	{ "POST", "/containers/{id}/rename", container_rename, 0, 0 },
	{ "POST", "/containers/{id}/promote", container_promote, 0, 0 },
	{ "POST", "/containers/{id}/pause", container_pause, 0, 0 },
	{ "POST", "/containers/{id}/unpause", container_unpause, 0, 0 },
	{ "POST", "/containers/{id}/update", container_update, 0, 0 },
	{ "GET", "/containers/{id}/stats", hoy_api_container_stats, 0, 0 },
	{ "GET", "/containers/{id}/top", hoy_api_container_top, 0, 0 },
	{ "POST", "/containers/{id}/resize", container_resize, 0, 0 },
	{ "POST", "/containers/{id}/wait", hoy_api_container_wait, 0, 0 },
	{ "POST", "/containers/{id}/attach", hoy_api_container_attach, 0, 0 },
	{ "GET", "/containers/{id}/attach/ws", hoy_api_container_attach_ws, 0, 0 },
	{ "GET", "/containers/{id}/logs", hoy_api_container_logs, 0, 0 },
	{ "DELETE", "/containers/{id}", container_remove, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
