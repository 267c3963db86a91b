#include "supervisor/image/fetch_run.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "supervisor/image/worker_run.h"

struct hoy_fetch_run {
	struct hoy_fetch_run_options options;
	struct hoy_worker_run *worker;
	struct hoy_fetch_packet packet, done;
};

static int answer_want(struct hoy_fetch_run *run, struct hoy_err *err)
{
	struct hoy_fetch_answer answer = { .type = HOY_FETCH_HAVE };
	auto_fd int fd = -EBADF;
	int r;

	if (!run->options.on_want)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-fetch wants what it is not to have");
	r = run->options.on_want(&run->packet, &answer, &fd, run->options.userdata, err);
	if (r < 0)
		return r;
	return hoy_worker_run_send(
		run->worker, &answer, sizeof answer, &fd, answer.type == HOY_FETCH_GIVE ? 1 : 0, err);
}

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_fetch_run *run = userdata;
	int r = hoy_fetch_packet_check(&run->packet, len, err);

	if (r < 0)
		return r;
	switch ((enum hoy_fetch_packet_type) run->packet.type) {
	case HOY_FETCH_WANT:
		return answer_want(run, err);
	case HOY_FETCH_PROGRESS:
	case HOY_FETCH_HEAD:
	case HOY_FETCH_GOT:
		return !run->options.on_packet ? 0 : run->options.on_packet(&run->packet, run->options.userdata, err);
	case HOY_FETCH_DONE:
		run->done = run->packet;
		return 1;
	case HOY_FETCH_ERROR:
		return hoy_err_import(err, &run->packet.err);
	}
	return 0;
}

/* The callback frees the run. */
static void on_end(const struct hoy_err *err, void *userdata)
{
	struct hoy_fetch_run *run = userdata;
	struct hoy_fetch_packet done = run->done;

	run->options.on_done(err, err ? NULL : &done, run->options.userdata);
}

int hoy_fetch_run_start(const struct hoy_fetch_run_options *options, const struct hoy_fetch_request *request,
	struct hoy_fetch_run **ret, struct hoy_err *err)
{
	struct hoy_fetch_run *run = calloc(1, sizeof *run);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->options = *options;
	r = hoy_fetch_request_print(request, &text, err);
	if (r >= 0)
		r = hoy_worker_run_start(&(struct hoy_worker_run_options){ .loop = options->loop,
						 .name = "hoy-fetch",
						 .path = options->helper,
						 .packet = &run->packet,
						 .packet_size = sizeof run->packet,
						 .on_packet = on_packet,
						 .on_end = on_end,
						 .userdata = run },
			&run->worker, err);
	if (r >= 0)
		r = hoy_worker_run_send(
			run->worker, text.data, text.len, &options->output, options->output > 0 ? 1 : 0, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (r < 0) {
		(void) hoy_fetch_run_free(run);
		return r;
	}
	*ret = run;
	return 0;
}

struct hoy_fetch_run *hoy_fetch_run_free(struct hoy_fetch_run *run)
{
	if (!run)
		return NULL;
	run->worker = hoy_worker_run_free(run->worker);
	free(run);
	return NULL;
}
