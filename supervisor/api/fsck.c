/*
 * POST /system/fsck?digests=1&repair=1: Hoy's own. Is the store whole? Answers
 * {"Blobs":N,"Layers":N,"Bytes":N,"Problems":[{"What":"...","Name":"...","Repaired":true}]}.
 */
#include "supervisor/api/internal.h"
#include "supervisor/container/check.h"
#include "supervisor/image/image.h"

struct fsck {
	struct hoy_api_request *rq;
	struct hoy_image_job *job;
	struct hoy_buf answer;
	bool repair;
};

static void add_problem(const char *what, const char *name, bool repaired, void *userdata)
{
	struct hoy_json_writer *w = userdata;

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_bool(w, "Repaired", repaired);
	hoy_json_add_string(w, "What", what);
	hoy_json_end(w);
}

static void on_checked(const struct hoy_image_check_result *result, void *userdata)
{
	struct fsck *fsck = userdata;
	struct hoy_json_writer w = { .buf = &fsck->answer };
	struct hoy_containers *containers = fsck->rq->api->o.containers;
	struct hoy_err err = { 0 };

	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "Blobs", result->blobs);
	hoy_json_add_i64(&w, "Bytes", result->bytes);
	hoy_json_add_u64(&w, "Layers", result->layers);
	hoy_json_array(&w, "Problems");
	for (size_t i = 0; i < result->n_problems; i++)
		add_problem(result->problems[i].what, result->problems[i].name, result->problems[i].repaired, &w);
	if (hoy_containers_check(containers, fsck->repair, add_problem, &w, &err) < 0)
		add_problem(hoy_err_str(&err), "containers", /* repaired= */ false, &w);
	hoy_json_end(&w);
	hoy_json_end(&w);
}

static void on_done(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct fsck *fsck = userdata;

	(void) result;
	if (err)
		hoy_api_reply_error(fsck->rq, err);
	else
		hoy_api_reply_json(fsck->rq, 200, &fsck->answer);
	hoy_buf_done(&fsck->answer);
	free(fsck);
}

static int check_store(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct fsck *fsck = calloc(1, sizeof *fsck);
	const struct hoy_image_job_handler handler = { .done = on_done, .userdata = fsck };
	const struct hoy_image_check options = {
		.digests = hoy_uri_query_bool(&rq->uri, "digests", false),
		.repair = hoy_uri_query_bool(&rq->uri, "repair", false),
		.done = on_checked,
	};
	int r;

	if (!fsck)
		return hoy_err_oom(err);
	fsck->rq = rq;
	fsck->repair = options.repair;
	r = hoy_images_check(rq->api->o.images, &options, &handler, &fsck->job, err);
	if (r < 0)
		free(fsck);
	return r;
}

const struct hoy_api_route hoy_api_fsck_routes[] = {
	{ "POST", "/system/fsck", check_store, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
