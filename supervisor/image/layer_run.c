#include "supervisor/image/layer_run.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "supervisor/image/worker_run.h"

struct hoy_layer_run {
	struct hoy_layer_run_options options;
	struct hoy_worker_run *worker;
	struct hoy_layer_reply done;
	struct hoy_layer_reply packet; /* large: not on the stack */
};

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_layer_run *run = userdata;
	struct hoy_layer_reply *reply = &run->packet;
	int r = hoy_layer_reply_check(reply, len, err);

	if (r < 0)
		return r;
	switch ((enum hoy_layer_reply_type) reply->type) {
	case HOY_LAYER_PROGRESS:
		if (run->options.on_progress)
			run->options.on_progress(reply->progress.read, run->options.userdata);
		return 0;
	case HOY_LAYER_ENTRY:
		return run->options.on_entry ? run->options.on_entry(reply, run->options.userdata, err) : 0;
	case HOY_LAYER_DONE:
		run->done = *reply;
		return 1;
	case HOY_LAYER_ERROR:
		return hoy_err_import(err, &reply->err);
	}
	return 0;
}

/* The callback frees the run. */
static void on_end(const struct hoy_err *err, void *userdata)
{
	struct hoy_layer_run *run = userdata;
	struct hoy_layer_reply done = run->done;

	run->options.on_done(err, err ? NULL : &done, run->options.userdata);
}

static int send_request(struct hoy_layer_run *run, struct hoy_err *err)
{
	const struct hoy_layer_run_options *o = &run->options;
	auto_(hoy_buf_done) struct hoy_buf names = { 0 };
	int r = hoy_worker_run_send(run->worker, &o->request, sizeof o->request, o->fds, o->n_fds, err);

	if (r < 0 || !(o->request.flags & HOY_LAYER_LOWERS))
		return r;
	for (char *const *name = o->lowers; *name; name++)
		(void) hoy_buf_add(&names, *name, strlen(*name) + 1);
	if (hoy_buf_check(&names, "names of layers", err) < 0)
		return -ENOMEM;
	return hoy_worker_run_send(run->worker, names.data, names.len, /* fds= */ NULL, 0, err);
}

int hoy_layer_run_start(const struct hoy_layer_run_options *options, struct hoy_layer_run **ret, struct hoy_err *err)
{
	struct hoy_layer_run *run = calloc(1, sizeof *run);
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->options = *options;
	r = hoy_worker_run_start(&(struct hoy_worker_run_options){ .loop = options->loop,
					 .name = "hoy-layer",
					 .path = options->helper,
					 .packet = &run->packet,
					 .packet_size = sizeof run->packet,
					 .on_packet = on_packet,
					 .on_end = on_end,
					 .userdata = run },
		&run->worker, err);
	if (r == 0)
		r = send_request(run, err);
	if (r < 0) {
		(void) hoy_layer_run_free(run);
		return r;
	}
	run->options.lowers = NULL; /* borrowed for the start only */
	*ret = run;
	return 0;
}

void hoy_layer_run_cancel(struct hoy_layer_run *run)
{
	hoy_worker_run_cancel(run->worker);
}

struct hoy_layer_run *hoy_layer_run_free(struct hoy_layer_run *run)
{
	if (!run)
		return NULL;
	run->worker = hoy_worker_run_free(run->worker);
	free(run);
	return NULL;
}
