/*
 * Loading an archive: hoy-layer splits it into tmp/<job>/, its documents make a plan, the layers that are not there yet
 * are unpacked one after the other (each sees the ones below it), blobs move into the content store.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/image/archive_plan.h"
#include "supervisor/image/job.h"
#include "supervisor/image/layer_run.h"

struct load {
	struct hoy_image_job job; /* first */
	struct archive_entries entries;
	struct archive_plan plan;
	size_t image, layer; /* which layer of which image is next */
	struct layer *below; /* the layer that it goes on; NULL: it is a base layer */
	char *layer_temp;    /* directory in l/ that is being filled */
	int64_t blob_size;   /* of the blob that is being unpacked */
};

static struct load *load_of(struct hoy_image_job *job)
{
	return (struct load *) job;
}

static void load_free(struct hoy_image_job *job)
{
	struct load *load = load_of(job);

	if (load->layer_temp)
		hoy_images_trash(job->images, job->images->layers_fd, load->layer_temp);
	free(load->layer_temp);
	hoy_archive_plan_done(&load->plan);
	hoy_archive_entries_done(&load->entries);
	free(load);
}

/* --- blobs --- */

/* Blobs the store has already stay as they are; the others are moved in from the split archive. */
static int take_blob(struct load *load, const struct plan_blob *wanted, struct hoy_err *err)
{
	struct hoy_images *images = load->job.images;
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&load->entries, wanted->digest);
	struct blob *blob = hoy_images_blob(images, wanted->digest);
	char number[16];
	int r;

	if (!blob) {
		blob = hoy_images_blob_add(images, wanted->digest, wanted->size);
		if (!blob)
			return hoy_err_oom(err);
		r = hoy_image_job_keep_blob(&load->job, blob, err);
		if (r < 0 || !entry)
			return r;
		(void) snprintf(number, sizeof number, "%u", entry->number);
		if (renameat(load->job.temp_fd, number, images->blobs_fd, wanted->digest + strlen("sha256:")) < 0)
			return hoy_err_sys(err, "keep blob %s", wanted->digest);
		return 0;
	}
	return hoy_image_job_keep_blob(&load->job, blob, err);
}

static int add_planned(struct load *load, const struct plan_image *plan, struct hoy_err *err)
{
	struct hoy_images *images = load->job.images;
	auto_free struct blob **blobs = calloc(plan->n_blobs + 1, sizeof(struct blob *));
	struct new_image new = {
		.id = plan->id,
		.media_type = plan->media_type,
		.manifest = plan->manifest,
		.config = plan->config,
		.created = plan->created,
		.blobs = blobs,
		.n_blobs = plan->n_blobs,
	};
	int r = 0;

	if (!blobs)
		return hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < plan->n_blobs; i++) {
		r = take_blob(load, &plan->blobs[i], err);
		if (r == 0)
			blobs[i] = hoy_images_blob(images, plan->blobs[i].digest);
	}
	if (r == 0 && plan->made)
		r = hoy_images_write_blob(images, plan->manifest, plan->made, strlen(plan->made), err);
	if (plan->n_layers > 0)
		new.top = hoy_images_layer(images, plan->layers[plan->n_layers - 1].chain_id);
	return r < 0 ? r : hoy_image_job_add(&load->job, &new, plan->names, err);
}

static void all_unpacked(struct load *load)
{
	struct hoy_err err = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < load->plan.n_images; i++)
		r = add_planned(load, &load->plan.images[i], &err);
	if (r < 0)
		hoy_image_job_fail(&load->job, &err);
	else
		hoy_image_job_complete(&load->job);
}

/* --- layers --- */

static const struct plan_layer *current(const struct load *load)
{
	return &load->plan.images[load->image].layers[load->layer];
}

static void short_layer_id(const struct plan_layer *layer, char ret[13])
{
	(void) snprintf(ret, 13, "%.12s", layer->diff_id + strlen("sha256:"));
}

static int enter_layer(struct load *load, const struct hoy_layer_reply *done, struct hoy_err *err)
{
	struct hoy_images *images = load->job.images;
	const struct plan_layer *plan = current(load);
	int64_t number = images->next_layer++;
	char name[LAYER_NAME_MAX];
	struct layer *layer;
	int r;

	hoy_images_layer_name(number, name);
	if (renameat(images->layers_fd, load->layer_temp, images->layers_fd, name) < 0)
		return hoy_err_sys(err, "keep layer %s", plan->diff_id);
	free(load->layer_temp);
	load->layer_temp = NULL;
	layer = hoy_images_layer_add(
		images, plan->chain_id, plan->diff_id, load->below, number, (int64_t) done->done.unpacked);
	if (!layer)
		return hoy_err_oom(err);
	r = hoy_image_job_keep_layer(&load->job, layer, err);
	load->below = layer;
	load->layer++;
	return r;
}

static void unpack_next(struct load *load);

static void on_unpacked(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct load *load = userdata;
	struct hoy_err err = { 0 };
	char id[13];
	int r;

	load->job.run = hoy_layer_run_free(load->job.run);
	short_layer_id(current(load), id);
	if (failed) {
		err = *failed;
		(void) hoy_err_wrap(&err, "unpack layer %s", id);
		hoy_image_job_fail(&load->job, &err);
		return;
	}
	hoy_image_job_progress(&load->job, id, "Loading layer", load->blob_size, load->blob_size);
	r = enter_layer(load, reply, &err);
	if (r < 0)
		hoy_image_job_fail(&load->job, &err);
	else
		unpack_next(load);
}

static void on_unpack_progress(uint64_t read, void *userdata)
{
	struct load *load = userdata;
	char id[13];

	short_layer_id(current(load), id);
	hoy_image_job_progress(&load->job, id, "Loading layer", (int64_t) read, load->blob_size);
}

/* Names of the layers below, top first. */
static int list_lowers(const struct load *load, char ***ret, struct hoy_err *err)
{
	char name[LAYER_NAME_MAX];

	for (const struct layer *layer = load->below; layer; layer = layer->parent) {
		hoy_images_layer_name(layer->number, name);
		if (hoy_strv_add(ret, name) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int start_unpack(struct load *load, struct hoy_err *err)
{
	struct hoy_images *images = load->job.images;
	const struct plan_layer *plan = current(load);
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&load->entries, plan->blob);
	auto_ptr(hoy_strv_free) char **lowers = NULL;
	auto_fd int input = -EBADF, target = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_APPLY, .flags = load->below ? HOY_LAYER_LOWERS : 0 },
		.on_done = on_unpacked,
		.on_progress = on_unpack_progress,
	};
	char number[16];
	int r;

	load->blob_size = entry->size;
	(void) snprintf(number, sizeof number, "%u", entry->number);
	input = openat(load->job.temp_fd, number, O_RDONLY | O_CLOEXEC);
	if (input < 0)
		return hoy_err_sys(err, "open layer %s", plan->blob);
	r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &load->layer_temp, err);
	if (r < 0)
		return r;
	target = openat(images->layers_fd, load->layer_temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open directory '%s'", load->layer_temp);
	r = list_lowers(load, &lowers, err);
	if (r < 0)
		return r;
	memcpy(options.request.diff_id, plan->diff_id, sizeof options.request.diff_id);
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = target;
	if (load->below)
		options.fds[options.n_fds++] = images->layers_fd;
	options.lowers = lowers;
	return hoy_image_job_run(&load->job, &options, err);
}

/* Goes on to the next layer that is not there. Those that are, are kept until the end. */
static void unpack_next(struct load *load)
{
	struct hoy_err err = { 0 };
	int r = 0;

	while (r == 0) {
		struct layer *there;

		if (load->image == load->plan.n_images) {
			all_unpacked(load);
			return;
		}
		if (load->layer == load->plan.images[load->image].n_layers) {
			load->image++;
			load->layer = 0;
			load->below = NULL;
			continue;
		}
		there = hoy_images_layer(load->job.images, current(load)->chain_id);
		if (!there)
			break;
		r = hoy_image_job_keep_layer(&load->job, there, &err);
		load->below = there;
		load->layer++;
	}
	if (r == 0)
		r = start_unpack(load, &err);
	if (r < 0)
		hoy_image_job_fail(&load->job, &err);
}

static void load_unpack(struct hoy_image_job *job)
{
	unpack_next(load_of(job));
}

/* --- the archive --- */

static int read_entry(const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err)
{
	struct load *load = userdata;
	char number[16];

	(void) snprintf(number, sizeof number, "%u", entry->number);
	return hoy_file_read(load->job.temp_fd, number, buf, err);
}

static int on_entry(const struct hoy_layer_reply *reply, void *userdata, struct hoy_err *err)
{
	struct load *load = userdata;
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
	return hoy_archive_entries_add(&load->entries, &entry) < 0 ? hoy_err_oom(err) : 0;
}

static void on_split_progress(uint64_t read, void *userdata)
{
	struct load *load = userdata;

	hoy_image_job_progress(&load->job, /* id= */ NULL, "Reading archive", (int64_t) read, /* total= */ 0);
}

static void on_split(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct load *load = userdata;
	struct hoy_err err = { 0 };
	int r;

	(void) reply;
	load->job.run = hoy_layer_run_free(load->job.run);
	if (failed) {
		hoy_image_job_fail(&load->job, failed);
		return;
	}
	r = hoy_archive_plan_make(&load->entries, read_entry, load, &load->plan, &err);
	if (r < 0)
		hoy_image_job_fail(&load->job, &err);
	else
		hoy_image_job_queue_unpack(&load->job);
}

int hoy_images_load(struct hoy_images *images, int fd, const struct hoy_image_job_handler *handler,
	struct hoy_image_job **ret, struct hoy_err *err)
{
	auto_fd int input = fd;
	struct load *load = calloc(1, sizeof *load);
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_SPLIT },
		.on_entry = on_entry,
		.on_progress = on_split_progress,
		.on_done = on_split,
	};
	int r;

	if (!load)
		return hoy_err_oom(err);
	load->job.unpack = load_unpack;
	load->job.free_detail = load_free;
	r = hoy_image_job_init(&load->job, images, handler, "load", err);
	if (r < 0) {
		free(load);
		return r;
	}
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = load->job.temp_fd;
	r = hoy_image_job_run(&load->job, &options, err);
	if (r < 0) {
		hoy_image_job_discard(&load->job);
		return r;
	}
	*ret = &load->job;
	return 0;
}
