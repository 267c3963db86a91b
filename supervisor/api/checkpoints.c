/* /containers/{id}/checkpoints, as dockerd has them with experimental features. */
#include "base/str.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/container.h"

static void on_created(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;

	if (err)
		hoy_api_reply_error(rq, err);
	else
		hoy_api_reply_empty(rq, 201);
}

static const char *text(const struct hoy_json *doc, const char *key)
{
	const struct hoy_json *member = hoy_json_get(doc, key);
	const char *value = member ? hoy_json_string(member) : NULL;

	return value ? value : "";
}

static int checkpoint_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *ends;
	int r = hoy_api_body_json(rq, &doc, err);

	if (r < 0)
		return r;
	ends = hoy_json_get(doc, "Exit");
	const struct hoy_container_checkpoint how = {
		.name = text(doc, "CheckpointID"),
		.dir = text(doc, "CheckpointDir"),
		.exit = ends && hoy_json_type(ends) == HOY_JSON_BOOL && hoy_json_bool(ends),
	};
	return hoy_container_checkpoint_create(rq->api->o.containers, rq->name, &how, on_created, rq, err);
}

static int checkpoint_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	int r = hoy_container_checkpoint_list(
		rq->api->o.containers, rq->name, hoy_uri_query(&rq->uri, "dir"), &names, err);

	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	for (char **name = names; *name; name++) {
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", *name);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static int checkpoint_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	int r = hoy_container_checkpoint_remove(
		rq->api->o.containers, rq->name, hoy_uri_query(&rq->uri, "dir"), hoy_api_last_part(rq), err);

	if (r >= 0)
		hoy_api_reply_empty(rq, 204);
	return r;
}

const struct hoy_api_route hoy_api_checkpoint_routes[] = {
	{ "GET", "/containers/{id}/checkpoints", checkpoint_list, 0, 0 },
	{ "POST", "/containers/{id}/checkpoints", checkpoint_create, 0, 0 },
	{ "DELETE", "/containers/{id}/checkpoints/{checkpoint}", checkpoint_remove, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
