/* Progress of an image job as a stream of JSON messages, and its end. */
#include "supervisor/api/image_job.h"

#include "supervisor/api/progress.h"

static void on_client_gone(struct hoy_http_exchange *x, void *userdata)
{
	struct hoy_api_job *job = userdata;

	job->x = NULL;
	if (!job->outlives_client || !hoy_http_body_complete(x))
		hoy_image_job_cancel(job->job);
}

int hoy_api_job_begin(struct hoy_api_job *job, struct hoy_err *err)
{
	int r = hoy_http_stream_begin(job->x, 200, "application/json", on_client_gone, job, err);

	if (r >= 0) {
		job->begun = true;
		return r;
	}
	job->x = NULL; /* `done` frees it */
	hoy_image_job_cancel(job->job);
	return r;
}

void hoy_api_job_free(struct hoy_api_job *job)
{
	if (job->free_userdata)
		job->free_userdata(job->userdata);
	free(job);
}

static void on_progress(const struct hoy_image_progress *progress, void *userdata)
{
	struct hoy_api_job *job = userdata;

	if (job->x && !job->begun)
		(void) hoy_api_job_begin(job, /* err= */ NULL);
	if (!job->x || job->quiet)
		return;
	if (progress->aux)
		hoy_progress_aux(job->x, progress->aux);
	else if (progress->is_message)
		hoy_progress_message(job->x, progress->id, progress->status);
	else
		hoy_progress_status(job->x, progress->id, progress->status, progress->current, progress->total);
}

static void end(struct hoy_api_job *job, const struct hoy_err *err, const struct hoy_image_result *result)
{
	if (job->x && err && !job->begun) {
		hoy_api_reply_error(job->rq, err);
		return;
	}
	if (job->x && !job->begun)
		(void) hoy_api_job_begin(job, /* err= */ NULL);
	if (job->x && err)
		hoy_progress_error(job->x, err);
	else if (job->x && job->tell_result && result)
		job->tell_result(job->x, result);
	if (job->x)
		hoy_http_stream_end(job->x);
}

static void on_done(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_api_job *job = userdata;
	struct hoy_err failed = { 0 };
	int r = 0;

	if (!err && job->x && job->next) {
		if (job->tell_result)
			job->tell_result(job->x, result);
		r = job->next(job, &failed);
		if (r > 0)
			return;
		result = NULL; /* told */
		err = r < 0 ? &failed : NULL;
	}
	end(job, err, result);
	hoy_api_job_free(job);
}

struct hoy_image_job_handler hoy_api_job_handler(struct hoy_api_job *job)
{
	return (struct hoy_image_job_handler){ on_progress, on_done, job };
}

struct hoy_api_job *hoy_api_job_new(struct hoy_api_request *rq, struct hoy_image_job_handler *handler)
{
	struct hoy_api_job *job = calloc(1, sizeof *job);

	*handler = hoy_api_job_handler(job);
	if (job) {
		job->x = rq->x;
		job->rq = rq;
	}
	return job;
}
