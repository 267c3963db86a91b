/*
 * From a plan to images: the layers that are not there yet are entered one after the other. Most were unpacked before
 * their turn (unpack_ahead.h); the rest is unpacked here, and sees the ones below. Blobs move into the content store.
 */
#include "supervisor/image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/image/layer_run.h"
#include "supervisor/image/unpack_ahead.h"
#include "supervisor/worker/layer/attrs.h"

/* What is already in the store is read from there. */
int hoy_unpacking_open(const struct hoy_unpacking *u, const struct archive_entry_info *entry)
{
	char number[16];

	if (entry->stored)
		return openat(u->job.images->blobs_fd, entry->digest + strlen("sha256:"), O_RDONLY | O_CLOEXEC);
	(void) snprintf(number, sizeof number, "%u", entry->number);
	return openat(u->job.temp_fd, number, O_RDONLY | O_CLOEXEC);
}

int hoy_unpacking_read(const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err)
{
	const struct hoy_unpacking *u = userdata;
	char number[16];

	if (entry->stored)
		return hoy_file_read(u->job.images->blobs_fd, entry->digest + strlen("sha256:"), buf, err);
	(void) snprintf(number, sizeof number, "%u", entry->number);
	return hoy_file_read(u->job.temp_fd, number, buf, err);
}

/* --- blobs --- */

/* Blobs the store has already stay as they are; the others are moved in from the split archive. */
static int take_blob(struct hoy_unpacking *u, const struct plan_blob *wanted, struct hoy_err *err)
{
	struct hoy_images *images = u->job.images;
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, wanted->digest);
	struct blob *blob = hoy_images_blob(images, wanted->digest);
	char number[16];
	int r;

	if (!blob) {
		blob = hoy_images_blob_add(images, wanted->digest, wanted->size);
		if (!blob)
			return hoy_err_oom(err);
		r = hoy_image_job_keep_blob(&u->job, blob, err);
		if (r < 0 || !entry)
			return r;
		(void) snprintf(number, sizeof number, "%u", entry->number);
		if (renameat(u->job.temp_fd, number, images->blobs_fd, wanted->digest + strlen("sha256:")) < 0)
			return hoy_err_sys(err, "keep blob %s", wanted->digest);
		return 0;
	}
	return hoy_image_job_keep_blob(&u->job, blob, err);
}

static int add_planned(struct hoy_unpacking *u, const struct plan_image *plan, struct hoy_err *err)
{
	struct hoy_images *images = u->job.images;
	auto_free struct blob **blobs = calloc(plan->n_blobs + 1, sizeof(struct blob *));
	struct new_image new = {
		.id = plan->id,
		.media_type = plan->media_type,
		.parent = plan->parent,
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
		r = take_blob(u, &plan->blobs[i], err);
		if (r == 0)
			blobs[i] = hoy_images_blob(images, plan->blobs[i].digest);
	}
	if (r == 0 && plan->made)
		r = hoy_images_write_blob(images, plan->manifest, plan->made, strlen(plan->made), err);
	if (plan->n_layers > 0)
		new.top = hoy_images_layer(images, plan->layers[plan->n_layers - 1].chain_id);
	return r < 0 ? r : hoy_image_job_add(&u->job, &new, plan->names, err);
}

static void all_unpacked(struct hoy_unpacking *u)
{
	struct hoy_err err = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->plan.n_images; i++)
		r = add_planned(u, &u->plan.images[i], &err);
	if (r < 0)
		hoy_image_job_fail(&u->job, &err);
	else
		hoy_image_job_complete(&u->job);
}

/* --- layers --- */

static const struct plan_layer *current(const struct hoy_unpacking *u)
{
	return &u->plan.images[u->image].layers[u->layer];
}

/* As docker calls it: a loaded layer by its content, a pulled one by its blob. */
static void short_layer_id(const struct hoy_unpacking *u, const struct plan_layer *layer, char ret[13])
{
	(void) snprintf(ret, 13, "%.12s", (u->by_blob ? layer->blob : layer->diff_id) + strlen("sha256:"));
}

void hoy_unpacking_tell(struct hoy_unpacking *u, const struct plan_layer *layer, int64_t current, int64_t total)
{
	char id[13];

	short_layer_id(u, layer, id);
	hoy_image_job_progress(&u->job, id, u->status, current, total);
}

static void next_layer(struct hoy_unpacking *u)
{
	if (u->on_layer)
		u->on_layer(u, current(u));
	u->layer++;
}

static void pass_layer(struct hoy_unpacking *u, struct layer *there)
{
	u->below = there;
	next_layer(u);
}

/* The layer is there, but came as another blob (compressed otherwise): nobody but hoy-fetch has hashed this one. */
static bool blob_is_unverified(const struct hoy_unpacking *u, const struct plan_layer *layer)
{
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, layer->blob);

	return u->unverified && entry && !entry->stored && !hoy_images_blob(u->job.images, layer->blob);
}

static int enter_layer(struct hoy_unpacking *u, const char *digest, uint64_t unpacked, struct hoy_err *err)
{
	struct hoy_images *images = u->job.images;
	const struct plan_layer *plan = current(u);
	int64_t number;
	char name[LAYER_NAME_MAX];
	struct layer *layer;
	int r;

	/* Who brought the blob may have been mistaken, or worse. */
	if (strcmp(digest, plan->blob) != 0)
		return hoy_err_invalid(err, "layer %s has the digest %s", plan->blob, digest);
	if (u->there) {
		hoy_images_trash(images, images->layers_fd, u->layer_temp);
		free(u->layer_temp);
		u->layer_temp = NULL;
		pass_layer(u, TAKE_PTR(u->there));
		return 0;
	}
	number = images->next_layer++;
	hoy_images_layer_name(number, name);
	if (renameat(images->layers_fd, u->layer_temp, images->layers_fd, name) < 0)
		return hoy_err_sys(err, "keep layer %s", plan->diff_id);
	free(u->layer_temp);
	u->layer_temp = NULL;
	layer = hoy_images_layer_add(images, plan->chain_id, plan->diff_id, u->below, number, (int64_t) unpacked);
	if (!layer)
		return hoy_err_oom(err);
	r = hoy_image_job_keep_layer(&u->job, layer, err);
	u->below = layer;
	next_layer(u);
	return r;
}

static void unpack_next(struct hoy_unpacking *u);

static int open_layer(const struct hoy_unpacking *u, const char *name, struct hoy_err *err)
{
	int fd = openat(u->job.images->layers_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? hoy_err_sys(err, "open layer '%s'", name) : fd;
}

/* What hoy-layer does, when it has the layers below: without an entry for it, the root is what it is there. */
static int inherit_root(const struct hoy_unpacking *u, struct hoy_err *err)
{
	char name[LAYER_NAME_MAX];
	auto_fd int from = -EBADF, to = -EBADF;
	struct stat st;
	int r;

	hoy_images_layer_name(u->below->number, name);
	from = open_layer(u, name, err);
	to = from < 0 ? from : open_layer(u, u->layer_temp, err);
	if (to < 0)
		return to;
	r = hoy_layer_attrs_copy(from, to, &st, err);
	if (r == 0 && futimens(to, (const struct timespec[2]){ st.st_mtim, st.st_mtim }) < 0)
		r = hoy_err_sys(err, "set the time of a layer's root");
	return r;
}

/* 1: whoever packed the layer has made it as well. */
static int take_made(struct hoy_unpacking *u, const struct plan_layer *plan, struct hoy_ahead_layer *ret)
{
	if (!hoy_unpacking_is_made(u, plan))
		return 0;
	*ret = (struct hoy_ahead_layer){ .temp = u->made_temp, .root_implied = true, .unpacked = u->made_size };
	memcpy(ret->digest, u->made_blob, sizeof ret->digest);
	u->made_temp = NULL;
	return 1;
}

/* 1: it was unpacked before its turn, and is entered. 0: it was not. */
static int enter_ahead(struct hoy_unpacking *u, struct hoy_err *err)
{
	const struct plan_layer *plan = current(u);
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, plan->blob);
	struct hoy_ahead_layer got;
	char id[13];
	int r = take_made(u, plan, &got);

	if (r == 0)
		r = hoy_ahead_take(u, plan, &got, err);

	short_layer_id(u, plan, id);
	if (r <= 0)
		return r < 0 ? hoy_err_wrap(err, "unpack layer %s", id) : 0;
	u->layer_temp = got.temp;
	if (entry)
		hoy_unpacking_tell(u, plan, entry->size, entry->size);
	r = got.root_implied && u->below && !u->there ? inherit_root(u, err) : 0;
	if (r == 0)
		r = enter_layer(u, got.digest, got.unpacked, err);
	return r < 0 ? r : 1;
}

static void on_unpacked(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_unpacking *u = userdata;
	struct hoy_err err = { 0 };
	char id[13];
	int r;

	u->job.run = hoy_layer_run_free(u->job.run);
	short_layer_id(u, current(u), id);
	if (failed) {
		err = *failed;
		(void) hoy_err_wrap(&err, "unpack layer %s", id);
		hoy_image_job_fail(&u->job, &err);
		return;
	}
	hoy_image_job_progress(&u->job, id, u->status, u->blob_size, u->blob_size);
	r = enter_layer(u, reply->done.digest, reply->done.unpacked, &err);
	if (r < 0)
		hoy_image_job_fail(&u->job, &err);
	else
		unpack_next(u);
}

static void on_unpack_progress(uint64_t read, void *userdata)
{
	struct hoy_unpacking *u = userdata;

	hoy_unpacking_tell(u, current(u), (int64_t) read, u->blob_size);
}

/* Names of the layers below, top first. */
static int list_lowers(const struct hoy_unpacking *u, char ***ret, struct hoy_err *err)
{
	char name[LAYER_NAME_MAX];

	for (const struct layer *layer = u->below; layer; layer = layer->parent) {
		hoy_images_layer_name(layer->number, name);
		if (hoy_strv_add(ret, name) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int start_unpack(struct hoy_unpacking *u, struct hoy_err *err)
{
	struct hoy_images *images = u->job.images;
	const struct plan_layer *plan = current(u);
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, plan->blob);
	auto_ptr(hoy_strv_free) char **lowers = NULL;
	auto_fd int input = -EBADF, target = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_APPLY, .flags = u->below ? HOY_LAYER_LOWERS : 0 },
		.on_done = on_unpacked,
		.on_progress = on_unpack_progress,
	};
	int r;

	u->blob_size = entry->size;
	input = hoy_unpacking_open(u, entry);
	if (input < 0)
		return hoy_err_sys(err, "open layer %s", plan->blob);
	r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &u->layer_temp, err);
	if (r < 0)
		return r;
	target = open_layer(u, u->layer_temp, err);
	if (target < 0)
		return target;
	r = list_lowers(u, &lowers, err);
	if (r < 0)
		return r;
	memcpy(options.request.diff_id, plan->diff_id, sizeof options.request.diff_id);
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = target;
	if (u->below)
		options.fds[options.n_fds++] = images->layers_fd;
	options.lowers = lowers;
	return hoy_image_job_run(&u->job, &options, err);
}

bool hoy_unpacking_is_made(const struct hoy_unpacking *u, const struct plan_layer *layer)
{
	return u->made_temp && strcmp(u->made_blob, layer->blob) == 0;
}

static bool at_end(const struct hoy_unpacking *u)
{
	return u->image == u->plan.n_images ||
	       (u->image + 1 == u->plan.n_images && u->layer == u->plan.images[u->image].n_layers);
}

bool hoy_unpacking_is_ready(const struct hoy_unpacking *u)
{
	const struct archive_entry_info *entry;

	if (at_end(u))
		return !u->incomplete;
	if (u->layer == u->plan.images[u->image].n_layers)
		return true;
	entry = hoy_archive_entry_by_digest(&u->entries, current(u)->blob);
	if (entry && entry->missing)
		return false;
	return hoy_images_layer(u->job.images, current(u)->chain_id) || !hoy_ahead_runs(u->job.images, current(u));
}

/* Goes on to the next layer that is not there. Those that are, are kept until the end. */
static void unpack_next(struct hoy_unpacking *u)
{
	struct hoy_err err = { 0 };
	int r = 0;

	hoy_unpacking_run_ahead(u);
	while (r == 0) {
		struct layer *there;

		if (!hoy_unpacking_is_ready(u)) {
			u->job.waits_for_layer = true;
			hoy_image_job_pause_unpack(&u->job);
			return;
		}
		if (u->image == u->plan.n_images) {
			all_unpacked(u);
			return;
		}
		if (u->layer == u->plan.images[u->image].n_layers) {
			u->image++;
			u->layer = 0;
			u->below = NULL;
			hoy_unpacking_run_ahead(u);
			continue;
		}
		there = hoy_images_layer(u->job.images, current(u)->chain_id);
		r = there ? hoy_image_job_keep_layer(&u->job, there, &err) : 0;
		if (r == 0 && there && !blob_is_unverified(u, current(u))) {
			pass_layer(u, there);
			continue;
		}
		u->there = there;
		if (r == 0)
			r = enter_ahead(u, &err);
		if (r == 0)
			break;
		r = MIN(r, 0);
	}
	if (r == 0)
		r = start_unpack(u, &err);
	if (r < 0)
		hoy_image_job_fail(&u->job, &err);
}

static void begin(struct hoy_image_job *job)
{
	unpack_next((struct hoy_unpacking *) job);
}

/* --- birth and end --- */

int hoy_unpacking_init(struct hoy_unpacking *u, struct hoy_images *images, const struct hoy_image_job_handler *handler,
	const char *event, struct hoy_err *err)
{
	u->job.unpack = begin;
	return hoy_image_job_init(&u->job, images, handler, event, err);
}

static void forget_plan(struct hoy_unpacking *u)
{
	hoy_unpacking_end_ahead(u);
	if (u->layer_temp)
		hoy_images_trash(u->job.images, u->job.images->layers_fd, u->layer_temp);
	free(u->layer_temp);
	u->layer_temp = NULL;
	if (u->made_temp)
		hoy_images_trash(u->job.images, u->job.images->layers_fd, u->made_temp);
	free(u->made_temp);
	u->made_temp = NULL;
	hoy_archive_plan_done(&u->plan);
	u->image = u->layer = 0;
	u->there = u->below = NULL;
}

void hoy_unpacking_reset(struct hoy_unpacking *u)
{
	u->job.run = hoy_layer_run_free(u->job.run);
	forget_plan(u);
	hoy_image_job_pause_unpack(&u->job);
}

void hoy_unpacking_done(struct hoy_unpacking *u)
{
	forget_plan(u);
	hoy_archive_entries_done(&u->entries);
}
