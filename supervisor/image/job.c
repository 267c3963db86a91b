/* The common life of a job. Its worker, if there is one, is always ended before the job. */
#include "supervisor/image/job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/image/layer_run.h"
#include "libocispec/reference.h"
#include "supervisor/store/store.h"

/* --- birth --- */

int hoy_image_job_init(struct hoy_image_job *job, struct hoy_images *images,
	const struct hoy_image_job_handler *handler, const char *event, struct hoy_err *err)
{
	int r;

	job->images = images;
	job->handler = *handler;
	job->event = event;
	job->temp_fd = -EBADF;
	r = hoy_images_make_temp_dir(images, images->tmp_fd, 0700, &job->temp, err);
	if (r < 0)
		return r;
	job->temp_fd = openat(images->tmp_fd, job->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job->temp_fd < 0) {
		r = hoy_err_sys(err, "open directory '%s'", job->temp);
		free(job->temp);
		return r;
	}
	job->next = images->jobs;
	images->jobs = job;
	return 0;
}

static void unlist(struct hoy_image_job *job)
{
	struct hoy_image_job **at = &job->images->jobs;

	while (*at && *at != job)
		at = &(*at)->next;
	if (*at)
		*at = job->next;
}

static void free_made(struct job_image *made)
{
	free((char *) (uintptr_t) made->new.id);
	free((char *) (uintptr_t) made->new.media_type);
	free((char *) (uintptr_t) made->new.manifest);
	free((char *) (uintptr_t) made->new.config);
	free((char *) (uintptr_t) made->new.parent);
	free(made->new.blobs);
	hoy_strv_free(made->names);
}

static void free_result(struct hoy_image_result *result)
{
	for (size_t i = 0; i < result->n_images; i++) {
		free(result->images[i].id);
		free(result->images[i].name);
	}
	free(result->images);
}

static void start_next_unpack(struct hoy_images *images);

/* Lets everything go. What the job alone counted on is removed by that. */
static void job_free(struct hoy_image_job *job)
{
	struct hoy_images *images = job->images;

	unlist(job);
	job->run = hoy_layer_run_free(job->run);
	job->ending = hoy_source_free(job->ending);
	for (size_t i = job->n_layers; i-- > 0;)
		hoy_images_layer_unref(images, job->layers[i]);
	for (size_t i = job->n_blobs; i-- > 0;)
		hoy_images_blob_unref(images, job->blobs[i]);
	for (size_t i = 0; i < job->n_made; i++)
		free_made(&job->made[i]);
	free_result(&job->result);
	free(job->made);
	free(job->layers);
	free(job->blobs);
	hoy_fd_close(&job->temp_fd);
	hoy_images_trash(images, images->tmp_fd, job->temp);
	free(job->temp);
	job->free_detail(job);
	start_next_unpack(images);
}

void hoy_image_job_discard(struct hoy_image_job *job)
{
	job_free(job);
}

struct hoy_layer_limits hoy_images_layer_limits(const struct hoy_images *images)
{
	const struct hoy_image_limits *limits = images->options.limits;

	return limits ? (struct hoy_layer_limits){ .max_entries = (uint64_t) limits->entries,
		.max_bytes = (uint64_t) limits->bytes }
		      : (struct hoy_layer_limits){ 0 };
}

int hoy_image_job_run(struct hoy_image_job *job, struct hoy_layer_run_options *options, struct hoy_err *err)
{
	options->loop = job->images->options.loop;
	options->helper = job->images->helper;
	options->userdata = job;
	if (options->request.op == HOY_LAYER_APPLY)
		options->request.limits = hoy_images_layer_limits(job->images);
	return hoy_layer_run_start(options, &job->run, err);
}

/* --- what it counts on, what it makes --- */

int hoy_image_job_keep_layer(struct hoy_image_job *job, struct layer *layer, struct hoy_err *err)
{
	struct layer **layers = reallocarray(job->layers, job->n_layers + 1, sizeof(struct layer *));

	if (!layers)
		return hoy_err_oom(err);
	job->layers = layers;
	job->layers[job->n_layers++] = layer;
	hoy_images_layer_ref(layer);
	return 0;
}

int hoy_image_job_keep_blob(struct hoy_image_job *job, struct blob *blob, struct hoy_err *err)
{
	struct blob **blobs = reallocarray(job->blobs, job->n_blobs + 1, sizeof(struct blob *));

	if (!blobs)
		return hoy_err_oom(err);
	job->blobs = blobs;
	job->blobs[job->n_blobs++] = blob;
	hoy_images_blob_ref(blob);
	return 0;
}

static int copy_made(struct job_image *made, const struct new_image *image, char *const *names)
{
	made->new = (struct new_image){
		.id = strdup(image->id),
		.media_type = strdup(image->media_type),
		.manifest = strdup(image->manifest),
		.config = strdup(image->config),
		.parent = strdup(image->parent ? image->parent : ""),
		.created = image->created,
		.top = image->top,
		.blobs = calloc(image->n_blobs + 1, sizeof(struct blob *)),
		.n_blobs = image->n_blobs,
	};
	made->names = names ? hoy_strv_copy(names) : NULL;
	if (!made->new.id || !made->new.media_type || !made->new.manifest || !made->new.config || !made->new.parent ||
		!made->new.blobs || (names && !made->names))
		return -ENOMEM;
	memcpy(made->new.blobs, image->blobs, image->n_blobs * sizeof(struct blob *));
	return 0;
}

int hoy_image_job_add(struct hoy_image_job *job, const struct new_image *image, char *const *names, struct hoy_err *err)
{
	struct job_image *made = reallocarray(job->made, job->n_made + 1, sizeof *made);

	if (!made)
		return hoy_err_oom(err);
	job->made = made;
	made[job->n_made] = (struct job_image){ 0 };
	return copy_made(&made[job->n_made++], image, names) < 0 ? hoy_err_oom(err) : 0;
}

/* --- turns --- */

static void start_next_unpack(struct hoy_images *images)
{
	struct hoy_image_job *oldest = NULL;

	if (images->closing)
		return;
	for (struct hoy_image_job *job = images->jobs; job; job = job->next) {
		if (job->state == JOB_UNPACKS)
			return;
		if (job->state == JOB_WAITS_TO_UNPACK && !job->ending)
			oldest = job;
	}
	if (!oldest)
		return;
	oldest->state = JOB_UNPACKS;
	oldest->unpack(oldest);
}

void hoy_image_job_queue_unpack(struct hoy_image_job *job)
{
	job->state = JOB_WAITS_TO_UNPACK;
	start_next_unpack(job->images);
}

void hoy_image_job_pause_unpack(struct hoy_image_job *job)
{
	job->state = JOB_WORKING;
	start_next_unpack(job->images);
}

void hoy_image_jobs_requeue(struct hoy_images *images)
{
	for (struct hoy_image_job *job = images->jobs; job; job = job->next) {
		if (job->waits_for_layer && job->state == JOB_WORKING)
			job->state = JOB_WAITS_TO_UNPACK;
		job->waits_for_layer = false;
	}
}

void hoy_image_jobs_wake(struct hoy_images *images)
{
	hoy_image_jobs_requeue(images);
	start_next_unpack(images);
}

/* --- the end --- */

void hoy_image_job_progress(
	struct hoy_image_job *job, const char *id, const char *status, int64_t current, int64_t total)
{
	const struct hoy_image_progress progress = { .id = id, .status = status, .current = current, .total = total };

	if (job->handler.progress)
		job->handler.progress(&progress, job->handler.userdata);
}

void hoy_image_job_message(struct hoy_image_job *job, const char *id, const char *text)
{
	const struct hoy_image_progress progress = { .id = id, .status = text, .is_message = true };

	if (job->handler.progress)
		job->handler.progress(&progress, job->handler.userdata);
}

void hoy_image_job_aux(struct hoy_image_job *job, const char *json)
{
	const struct hoy_image_progress progress = { .aux = json };

	if (job->handler.progress)
		job->handler.progress(&progress, job->handler.userdata);
}

void hoy_image_job_fail(struct hoy_image_job *job, const struct hoy_err *err)
{
	struct hoy_image_job_handler handler = job->handler;
	struct hoy_err copy = *err;

	job->failed = copy;
	job_free(job);
	handler.done(&copy, /* result= */ NULL, handler.userdata);
}

void hoy_image_job_succeed(struct hoy_image_job *job)
{
	struct hoy_image_job_handler handler = job->handler;
	const struct hoy_image_result nothing = { 0 };

	job_free(job);
	handler.done(/* err= */ NULL, &nothing, handler.userdata);
}

static void on_committed(void *userdata, const struct hoy_err *failed)
{
	struct hoy_image_job *job = userdata;

	if (failed) {
		hoy_image_job_fail(job, failed);
		return;
	}
	job->handler.done(/* err= */ NULL, &job->result, job->handler.userdata);
	job_free(job);
}

static int add_result(struct hoy_image_job *job, const char *id, const char *familiar, struct hoy_err *err)
{
	struct hoy_image_result *result = &job->result;
	void *images = reallocarray(result->images, result->n_images + 1, sizeof *result->images);

	if (!images)
		return hoy_err_oom(err);
	result->images = images;
	result->images[result->n_images].id = strdup(id);
	result->images[result->n_images].name = familiar ? strdup(familiar) : NULL;
	result->n_images++;
	return 0;
}

static int store_name(struct hoy_image_job *job, struct image *image, const char *name, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *familiar = NULL;
	int r = hoy_images_name_set(job->images, name, image, err);

	if (r == 0)
		r = hoy_reference_parse(name, &ref, err);
	if (r < 0)
		return r;
	familiar = hoy_reference_familiar(&ref);
	return familiar ? add_result(job, image->pub.id, familiar, err) : hoy_err_oom(err);
}

static int store_image(struct hoy_image_job *job, const struct job_image *made, struct hoy_err *err)
{
	struct image *image;
	int r = hoy_images_add(job->images, &made->new, &image, err);

	if (r < 0)
		return r;
	for (char **name = made->names; r == 0 && name && *name; name++)
		r = store_name(job, image, *name, err);
	if (r == 0 && (!made->names || !*made->names))
		r = add_result(job, image->pub.id, /* familiar= */ NULL, err);
	return r;
}

static void tell_made(struct hoy_image_job *job)
{
	for (size_t i = 0; i < job->result.n_images; i++) {
		const char *id = job->result.images[i].id, *name = job->result.images[i].name;

		hoy_images_tell(job->images, job->event, id, name ? name : id);
	}
}

static int store_all(struct hoy_image_job *job, struct hoy_err *err)
{
	struct hoy_store *store = job->images->options.store;
	int r = hoy_store_begin(store, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < job->n_made; i++)
		r = store_image(job, &job->made[i], err);
	if (r < 0) {
		hoy_store_rollback(store);
		hoy_images_model_reload(job->images);
		return r;
	}
	return hoy_image_job_commit(job, err);
}

int hoy_image_job_commit(struct hoy_image_job *job, struct hoy_err *err)
{
	struct hoy_store *store = job->images->options.store;
	int r = hoy_store_commit(store, err);

	if (r < 0) {
		hoy_images_model_reload(job->images);
		return r;
	}
	job->state = JOB_COMMITS;
	tell_made(job);
	return hoy_store_after_commit(store, on_committed, job, err);
}

static int tell_unchanged(struct hoy_image_job *job, const struct image *image, const char *name, struct hoy_err *err)
{
	int r = add_result(job, image->pub.id, name, err);

	if (r == 0)
		r = hoy_images_watch_commit(job->images, err); /* the event waits for it */
	if (r == 0)
		r = hoy_store_begin(job->images->options.store, err);
	return r < 0 ? r : hoy_image_job_commit(job, err);
}

void hoy_image_job_complete_unchanged(struct hoy_image_job *job, const struct image *image, const char *name)
{
	struct hoy_err err = { 0 };

	if (tell_unchanged(job, image, name, &err) < 0)
		hoy_image_job_fail(job, &err);
}

/* Has it brought anything, or is there no more to it than names? */
static bool has_files(const struct hoy_image_job *job)
{
	for (size_t i = 0; i < job->n_blobs; i++)
		if (!job->blobs[i]->stored)
			return true;
	for (size_t i = 0; i < job->n_layers; i++)
		if (!job->layers[i]->stored)
			return true;
	return false;
}

static void store(struct hoy_image_job *job)
{
	struct hoy_err err = { 0 };

	job->state = JOB_COMMITS;
	if (store_all(job, &err) < 0)
		hoy_image_job_fail(job, &err);
}

static void on_synced(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_image_job *job = userdata;

	(void) reply;
	job->run = hoy_layer_run_free(job->run);
	if (failed) {
		hoy_image_job_fail(job, failed);
		return;
	}
	store(job);
}

void hoy_image_job_complete_names(struct hoy_image_job *job)
{
	struct hoy_err err = { 0 };

	job->state = JOB_COMMITS;
	if (store_all(job, &err) < 0)
		hoy_image_job_fail(job, &err);
}

void hoy_image_job_complete(struct hoy_image_job *job)
{
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_SYNC },
		.fds = { job->images->root_fd },
		.n_fds = 1,
		.on_done = on_synced,
	};
	struct hoy_images *images = job->images;
	struct hoy_err err = { 0 };

	job->state = JOB_SYNCS;
	if (!has_files(job))
		store(job);
	else if (hoy_image_job_run(job, &options, &err) < 0)
		hoy_image_job_fail(job, &err);
	start_next_unpack(images);
}

static void on_ending(struct hoy_source *source, void *userdata)
{
	struct hoy_image_job *job = userdata;
	struct hoy_err err = { 0 };

	(void) source;
	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled");
	hoy_image_job_fail(job, &err);
}

/* While its rows are being committed it is too late: done comes with what was made. */
void hoy_image_job_cancel(struct hoy_image_job *job)
{
	struct hoy_err err = { 0 };

	if (job->run)
		hoy_layer_run_cancel(job->run);
	else if (job->state != JOB_COMMITS && !job->ending &&
		 hoy_loop_defer(job->images->options.loop, &job->ending, on_ending, job, &err) < 0)
		hoy_log_ignored(&err, "cancel a job");
}

void hoy_images_end_jobs(struct hoy_images *images)
{
	struct hoy_err err = { 0 };

	/* Lets jobs that wait for their commit end as they should. */
	if (images->jobs && hoy_store_flush(images->options.store, &err) < 0)
		hoy_log_ignored(&err, "commit at the end");
	images->closing = true;
	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled: hoyd ends");
	while (images->jobs)
		hoy_image_job_fail(images->jobs, &err);
}
