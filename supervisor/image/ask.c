/* Questions to a registry that change nothing here: one hoy-fetch, whose JSON becomes the job's `aux`. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/helper.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/job.h"
#include "libocispec/reference.h"
#include "supervisor/image/registry.h"

#define ANSWER_MAX ((size_t) 4 << 20)

struct question {
	struct hoy_image_job job; /* first */
	struct hoy_fetch_run *fetch;
	int output; /* memory file */
};

static void question_free(struct hoy_image_job *job)
{
	struct question *q = (struct question *) job;

	q->fetch = hoy_fetch_run_free(q->fetch);
	hoy_fd_close(&q->output);
	free(q);
}

static int read_answer(struct question *q, struct hoy_buf *text, struct hoy_err *err)
{
	if (lseek(q->output, 0, SEEK_SET) < 0)
		return hoy_err_sys(err, "read the registry's answer");
	return hoy_file_read_fd(q->output, "the registry's answer", text, err);
}

static void on_answer(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct question *q = userdata;
	struct hoy_image_job_handler handler = q->job.handler;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = ANSWER_MAX };
	struct hoy_err err = { 0 };

	(void) done;
	q->fetch = hoy_fetch_run_free(q->fetch);
	if (failed) {
		hoy_image_job_fail(&q->job, failed);
		return;
	}
	if (read_answer(q, &text, &err) < 0) {
		hoy_image_job_fail(&q->job, &err);
		return;
	}
	hoy_image_job_aux(&q->job, text.data ? text.data : "");
	handler.done(/* err= */ NULL, &q->job.result, handler.userdata);
	hoy_image_job_discard(&q->job);
}

static enum hoy_fetch_op op_of(enum hoy_registry_question kind)
{
	static const enum hoy_fetch_op ops[] = { [HOY_REGISTRY_LOGIN] = HOY_FETCH_LOGIN,
		[HOY_REGISTRY_TAGS] = HOY_FETCH_TAGS,
		[HOY_REGISTRY_INSPECT] = HOY_FETCH_INSPECT,
		[HOY_REGISTRY_SEARCH] = HOY_FETCH_SEARCH };

	return ops[kind];
}

/* Login names a host alone, a search has a term that is no reference. */
static int make_reference(const struct hoy_registry_ask *ask, struct hoy_reference *ref, struct hoy_err *err)
{
	int r;

	if (ask->kind == HOY_REGISTRY_INSPECT || ask->kind == HOY_REGISTRY_TAGS) {
		r = hoy_reference_parse(ask->text, ref, err);
		return r < 0 ? r : hoy_reference_default_tag(ref) < 0 ? hoy_err_oom(err) : 0;
	}
	ref->domain = strdup(ask->host);
	ref->path = strdup(ask->text ? ask->text : "-");
	ref->tag = strdup(ask->limit ? ask->limit : "25");
	return ref->domain && ref->path && ref->tag ? 0 : hoy_err_oom(err);
}

static int start(struct question *q, const struct hoy_registry_ask *ask, struct hoy_err *err)
{
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *request = NULL;
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *helper = NULL;
	struct hoy_fetch_run_options run = { .loop = q->job.images->options.loop, .on_done = on_answer, .userdata = q };
	int r = make_reference(ask, &ref, err);

	if (r == 0)
		r = hoy_images_fetch_request(q->job.images, op_of(ask->kind), &ref, &ask->credentials, &request, err);
	if (r < 0)
		return r;
	if (ask->kind == HOY_REGISTRY_LOGIN) {
		free(request->repository);
		request->repository = NULL;
	}
	q->output = memfd_create("registry-answer", MFD_CLOEXEC);
	if (q->output < 0)
		return hoy_err_sys(err, "create a memory file");
	r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);
	run.helper = helper;
	run.output = q->output;
	return r < 0 ? r : hoy_fetch_run_start(&run, request, &q->fetch, err);
}

int hoy_images_ask_registry(struct hoy_images *images, const struct hoy_registry_ask *ask,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct question *q = calloc(1, sizeof *q);
	int r;

	if (!q)
		return hoy_err_oom(err);
	q->output = -EBADF;
	q->job.free_detail = question_free;
	r = hoy_image_job_init(&q->job, images, handler, "ask", err);
	if (r < 0) {
		free(q);
		return r;
	}
	r = start(q, ask, err);
	if (r < 0) {
		hoy_image_job_discard(&q->job);
		return r;
	}
	*ret = &q->job;
	return 0;
}
