#include "supervisor/volume/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/image/worker_run.h"
#include "supervisor/volume/internal.h"

struct hoy_files_run {
	struct hoy_files_run_options options;
	struct hoy_worker_run *worker;
	struct hoy_files_reply packet; /* large: not on the stack */
};

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_files_run *run = userdata;
	int r = hoy_files_reply_check(&run->packet, len, err);

	if (r < 0)
		return r;
	switch ((enum hoy_files_reply_type) run->packet.type) {
	case HOY_FILES_STAT:
		if (run->options.on_stat)
			run->options.on_stat(&run->packet.stat, run->options.userdata);
		return 0;
	case HOY_FILES_SIZE:
		if (run->options.on_size)
			run->options.on_size(run->packet.size, run->options.userdata);
		return 0;
	case HOY_FILES_DONE:
		return 1;
	case HOY_FILES_ERROR:
		return hoy_err_import(err, &run->packet.err);
	}
	return 0;
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	struct hoy_files_run *run = userdata;

	run->options.done(err, run->options.userdata);
}

int hoy_files_run_start(const struct hoy_files_run_options *options, struct hoy_files_run **ret, struct hoy_err *err)
{
	struct hoy_files_run *run = calloc(1, sizeof *run);
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->options = *options;
	r = options->request->len > HOY_FILES_REQUEST_MAX ? hoy_err_invalid(err, "too many layers or mounts") : 0;
	if (r == 0)
		r = hoy_worker_run_start(&(struct hoy_worker_run_options){ .loop = options->volumes->options.loop,
						 .name = "hoy-files",
						 .path = options->volumes->helper,
						 .packet = &run->packet,
						 .packet_size = sizeof run->packet,
						 .on_packet = on_packet,
						 .on_end = on_end,
						 .userdata = run },
			&run->worker, err);
	if (r == 0)
		r = hoy_worker_run_send(
			run->worker, options->request->data, options->request->len, options->fds, options->n_fds, err);
	if (r < 0) {
		(void) hoy_files_run_free(run);
		return r;
	}
	*ret = run;
	return 0;
}

void hoy_files_run_cancel(struct hoy_files_run *run)
{
	hoy_worker_run_cancel(run->worker);
}

struct hoy_files_run *hoy_files_run_free(struct hoy_files_run *run)
{
	if (!run)
		return NULL;
	run->worker = hoy_worker_run_free(run->worker);
	free(run);
	return NULL;
}

/* --- sizes ------------------------------------------------------------------------------------------------------ */

#define SIZES_AT_ONCE 200 /* directories of one request, which has its limit */

struct sizes {
	struct hoy_files_run *run;
	struct hoy_volumes *volumes;
	hoy_files_sizes_done done;
	void *userdata;
	char **dirs;
	uint64_t *values;
	size_t n, asked, total; /* known, asked for by the runs so far, of all */
};

static void sizes_free(struct sizes *s)
{
	hoy_files_run_free(s->run);
	hoy_strv_free(s->dirs);
	free(s->values);
	free(s);
}

static void on_size(uint64_t bytes, void *userdata)
{
	struct sizes *s = userdata;

	if (s->n < s->asked)
		s->values[s->n++] = bytes;
}

static int ask_next(struct sizes *s, struct hoy_err *err);

static void on_sizes_done(const struct hoy_err *failed, void *userdata)
{
	struct sizes *s = userdata;
	struct hoy_err err = { 0 };
	int r = 0;

	if (failed)
		r = hoy_err_import(&err, failed);
	else if (s->n != s->asked)
		r = hoy_err_set(&err, HOY_ERR_SYSTEM, EPROTO, "hoy-files left sizes out");
	s->run = hoy_files_run_free(s->run);
	if (r == 0 && s->asked < s->total) {
		r = ask_next(s, &err);
		if (r == 0)
			return;
	}
	s->done(s->userdata, r < 0 ? &err : NULL, s->values, s->n);
	sizes_free(s);
}

static int ask_next(struct sizes *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	struct hoy_json_writer w = { .buf = &request };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "usage");
	hoy_json_array(&w, "fds");
	hoy_json_end(&w);
	hoy_json_array(&w, "dirs");
	for (size_t i = 0; i < SIZES_AT_ONCE && s->asked < s->total; i++)
		hoy_json_add_string(&w, NULL, s->dirs[s->asked++]);
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&request, "request", err);
	if (r >= 0)
		r = hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = s->volumes,
						.request = &request,
						.on_size = on_size,
						.done = on_sizes_done,
						.userdata = s },
			&s->run, err);
	return r < 0 ? r : 0;
}

int hoy_files_sizes(
	struct hoy_volumes *volumes, char *const *dirs, hoy_files_sizes_done done, void *userdata, struct hoy_err *err)
{
	struct sizes *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return hoy_err_oom(err);
	*s = (struct sizes){ .volumes = volumes, .done = done, .userdata = userdata, .total = hoy_strv_len(dirs) };
	s->dirs = s->total ? hoy_strv_copy(dirs) : NULL;
	s->values = calloc(s->total + 1, sizeof *s->values);
	r = s->values && (s->dirs || !s->total) ? ask_next(s, err) : hoy_err_oom(err);
	if (r < 0)
		sizes_free(s);
	return r;
}
