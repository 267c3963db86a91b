/*
 * POST /system/fsck?digests=1&repair=1: Hoy's own. Is the store whole? Answers
 * {"Blobs":N,"Layers":N,"Bytes":N,"Problems":[{"What":"...","Name":"...","Repaired":true}]}.
 */
#include "supervisor/api/internal.h"
#include "supervisor/image/image.h"

struct fsck {
	struct hoy_api_request *rq;
	struct hoy_image_job *job;
	struct hoy_buf answer;
};

static void on_checked(const struct hoy_image_check_result *result, void *userdata)
{
	struct fsck *fsck = userdata;
	struct hoy_json_writer w = { .buf = &fsck->answer };

	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "Blobs", result->blobs);
	hoy_json_add_i64(&w, "Bytes", result->bytes);
	hoy_json_add_u64(&w, "Layers", result->layers);
	hoy_json_array(&w, "Problems");
	for (size_t i = 0; i < result->n_problems; i++) {
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", result->problems[i].name);
		hoy_json_add_bool(&w, "Repaired", result->problems[i].repaired);
		hoy_json_add_string(&w, "What", result->problems[i].what);
		hoy_json_end(&w);
	}
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
	r = hoy_images_check(rq->api->o.images, &options, &handler, &fsck->job, err);
	if (r < 0)
		free(fsck);
	return r;
}

const struct hoy_api_route hoy_api_fsck_routes[] = {
	{ "POST", "/system/fsck", check_store, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
