/* Loading an archive: hoy-layer splits it into tmp/<job>/, its documents make a plan; unpack.c does the rest. */
#include <errno.h>
#include <string.h>

#include "supervisor/image/layer_run.h"
#include "supervisor/image/unpack.h"

struct load {
	struct hoy_unpacking u; /* first */
	char *architecture, *variant;
};

static void load_free(struct hoy_image_job *job)
{
	struct load *load = (struct load *) job;

	hoy_unpacking_done(&load->u);
	free(load->architecture);
	free(load->variant);
	free(load);
}

static int on_entry(const struct hoy_layer_reply *reply, void *userdata, struct hoy_err *err)
{
	struct hoy_unpacking *u = userdata;
	struct archive_entry_info entry = {
		.name = (char *) (uintptr_t) reply->entry.names,
		.number = reply->entry.number,
		.compression = reply->entry.compression,
		.size = (int64_t) reply->entry.size,
	};

	if (reply->entry.type == HOY_LAYER_ENTRY_LINK)
		entry.target = (char *) (uintptr_t) hoy_layer_reply_target(reply);
	else
		memcpy(entry.digest, reply->entry.digest, sizeof entry.digest);
	return hoy_archive_entries_add(&u->entries, &entry) < 0 ? hoy_err_oom(err) : 0;
}

static void on_split_progress(uint64_t read, void *userdata)
{
	struct hoy_unpacking *u = userdata;

	hoy_image_job_progress(&u->job, /* id= */ NULL, "Reading archive", (int64_t) read, /* total= */ 0);
}

static void on_split(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_unpacking *u = userdata;
	const struct load *load = userdata;
	const struct archive_platform only = { load->architecture, load->variant };
	struct hoy_err err = { 0 };
	int r;

	(void) reply;
	u->job.run = hoy_layer_run_free(u->job.run);
	if (failed) {
		hoy_image_job_fail(&u->job, failed);
		return;
	}
	r = hoy_archive_plan_make(
		&u->entries, hoy_unpacking_read, u, load->architecture ? &only : NULL, &u->plan, &err);
	if (r < 0)
		hoy_image_job_fail(&u->job, &err);
	else
		hoy_image_job_queue_unpack(&u->job);
}

int hoy_images_load(struct hoy_images *images, int fd, const char *platform,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	auto_fd int input = fd;
	struct load *load = calloc(1, sizeof *load);
	struct hoy_unpacking *u = (struct hoy_unpacking *) load;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_SPLIT },
		.on_entry = on_entry,
		.on_progress = on_split_progress,
		.on_done = on_split,
	};
	int r;

	if (!load)
		return hoy_err_oom(err);
	u->status = "Loading layer";
	u->job.free_detail = load_free;
	r = hoy_unpacking_init(u, images, handler, "load", err);
	if (r < 0) {
		free(load);
		return r;
	}
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = u->job.temp_fd;
	r = platform ? hoy_images_parse_platform(platform, &load->architecture, &load->variant, err) : 0;
	if (r == 0)
		r = hoy_image_job_run(&u->job, &options, err);
	if (r < 0) {
		hoy_image_job_discard(&u->job);
		return r;
	}
	*ret = &u->job;
	return 0;
}
