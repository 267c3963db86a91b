/*
 * A container becomes an image: hoy-layer packs its own layer, compressed once into the blob that stays; config and
 * manifest are those of its image with a layer and a step more. From there it goes on as a load does (unpack.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "supervisor/image/changes.h"
#include "supervisor/image/layer_run.h"
#include "libocispec/reference.h"
#include "supervisor/image/unpack.h"

#define BLOB_NAME "0"

struct commit {
	struct hoy_unpacking u;  /* first */
	struct image *image;     /* what the container was made of; borrowed until the worker runs */
	char parent[DIGEST_MAX]; /* its ID: it may be gone when the layer is packed */
	struct hoy_oci_image_config *config;
	struct hoy_oci_manifest *manifest;
	struct hoy_oci_image_run *run;
	char *reference; /* normalised; NULL: none */
	char *comment, *author, *created_by;
};

static void commit_free(struct hoy_image_job *job)
{
	struct commit *commit = (struct commit *) job;

	hoy_unpacking_done(&commit->u);
	hoy_oci_image_config_free(commit->config);
	hoy_oci_manifest_free(commit->manifest);
	hoy_field_free(&hoy_oci_image_run_object, commit->run);
	free(commit->reference);
	free(commit->comment);
	free(commit->author);
	free(commit->created_by);
	free(commit);
}

/* --- documents --- */

static bool is_docker(const struct commit *commit)
{
	return hoy_str_eq(commit->manifest->media_type ? commit->manifest->media_type : "", HOY_DOCKER_MEDIA_MANIFEST);
}

/* The image's config with our run configuration, and one step more. Lists are lent: the copy is printed and forgotten.
 */
static int print_config(const struct commit *commit, const struct hoy_layer_reply *done, const struct timespec *now,
	struct hoy_buf *ret, struct hoy_err *err)
{
	const struct hoy_oci_image_config *base = commit->config;
	size_t n_ids = hoy_strv_len(base->rootfs.diff_ids);
	auto_free char **ids = calloc(n_ids + 2, sizeof *ids);
	auto_free struct hoy_oci_history *history = calloc(base->n_history + 1, sizeof *history);
	struct hoy_oci_image_config config = *base;
	char created[HOY_TIME_MAX];
	bool empty = done->done.entries == 0;

	if (!ids || !history)
		return hoy_err_oom(err);
	hoy_time_format(now, created);
	for (size_t i = 0; i < n_ids; i++)
		ids[i] = base->rootfs.diff_ids[i];
	if (!empty)
		ids[n_ids] = (char *) (uintptr_t) done->done.diff_id;
	if (base->n_history)
		memcpy(history, base->history, base->n_history * sizeof *history);
	history[base->n_history] = (struct hoy_oci_history){ .created = created,
		.created_by = commit->created_by,
		.author = commit->author,
		.comment = commit->comment,
		.empty_layer = empty };
	config.created = created;
	config.author = commit->author;
	config.config = commit->run;
	config.rootfs.diff_ids = ids;
	config.history = history;
	config.n_history = base->n_history + 1;
	return hoy_oci_image_config_print(&config, ret, /* indent= */ 0, err);
}

static int print_manifest(const struct commit *commit, const struct hoy_layer_reply *done, const char *config_digest,
	size_t config_len, struct hoy_buf *ret, struct hoy_err *err)
{
	const struct hoy_oci_manifest *base = commit->manifest;
	auto_free struct hoy_oci_descriptor *layers = calloc(base->n_layers + 1, sizeof *layers);
	const char *layer_type = is_docker(commit) ? HOY_DOCKER_MEDIA_LAYER_GZIP : HOY_OCI_MEDIA_LAYER_GZIP;
	struct hoy_oci_manifest manifest = {
		.schema_version = 2,
		.media_type = base->media_type ? base->media_type : (char *) (uintptr_t) HOY_OCI_MEDIA_MANIFEST,
		.config = { .media_type = base->config.media_type,
			.digest = (char *) (uintptr_t) config_digest,
			.size = (int64_t) config_len },
		.layers = layers,
		.n_layers = base->n_layers,
	};

	if (!layers)
		return hoy_err_oom(err);
	if (base->n_layers)
		memcpy(layers, base->layers, base->n_layers * sizeof *layers);
	if (done->done.entries > 0)
		layers[manifest.n_layers++] = (struct hoy_oci_descriptor){
			.media_type = (char *) (uintptr_t) layer_type,
			.digest = (char *) (uintptr_t) done->done.digest,
			.size = (int64_t) done->done.size,
		};
	return hoy_oci_manifest_print(&manifest, ret, /* indent= */ 0, err);
}

/* --- the plan --- */

static void plan_blob(struct plan_image *image, const char *digest, int64_t size)
{
	for (size_t i = 0; i < image->n_blobs; i++)
		if (strcmp(image->blobs[i].digest, digest) == 0)
			return;
	(void) snprintf(image->blobs[image->n_blobs].digest, DIGEST_MAX, "%s", digest);
	image->blobs[image->n_blobs++].size = size;
}

static void plan_layer(struct plan_image *image, const char *diff_id, const char *blob, int64_t size)
{
	struct plan_layer *layer = &image->layers[image->n_layers];

	(void) snprintf(layer->diff_id, DIGEST_MAX, "%s", diff_id);
	(void) snprintf(layer->blob, DIGEST_MAX, "%s", blob);
	hoy_archive_chain_id(image->n_layers ? layer[-1].chain_id : "", diff_id, layer->chain_id);
	image->n_layers++;
	plan_blob(image, blob, size);
}

static int plan_layers(
	struct commit *commit, const struct hoy_layer_reply *done, struct plan_image *image, struct hoy_err *err)
{
	const struct hoy_oci_manifest *base = commit->manifest;

	image->layers = calloc(base->n_layers + 2, sizeof *image->layers);
	image->blobs = calloc(base->n_layers + 4, sizeof *image->blobs);
	if (!image->layers || !image->blobs)
		return hoy_err_oom(err);
	for (size_t i = 0; i < base->n_layers; i++)
		plan_layer(image, commit->config->rootfs.diff_ids[i], base->layers[i].digest, base->layers[i].size);
	if (done->done.entries > 0)
		plan_layer(image, done->done.diff_id, done->done.digest, (int64_t) done->done.size);
	if (image->n_layers > HOY_LAYER_MAX_LOWERS)
		return hoy_err_invalid(err, "more than %d layers: max depth exceeded", HOY_LAYER_MAX_LOWERS);
	return 0;
}

static int keep_config(struct commit *commit, const struct hoy_buf *text, const char *digest, struct hoy_err *err)
{
	struct hoy_images *images = commit->u.job.images;
	struct blob *blob;
	int r = hoy_images_write_blob(images, digest, text->data, text->len, err);

	if (r < 0)
		return r;
	blob = hoy_images_blob_add(images, digest, (int64_t) text->len);
	return blob ? hoy_image_job_keep_blob(&commit->u.job, blob, err) : hoy_err_oom(err);
}

static int plan_documents(
	struct commit *commit, const struct hoy_layer_reply *done, struct plan_image *image, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf config = { 0 }, manifest = { 0 };
	struct timespec now;
	int r;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	image->created = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
	r = print_config(commit, done, &now, &config, err);
	if (r < 0)
		return r;
	hoy_sha256_digest(config.data, config.len, image->config);
	r = print_manifest(commit, done, image->config, config.len, &manifest, err);
	if (r == 0)
		r = keep_config(commit, &config, image->config, err);
	if (r < 0)
		return r;
	hoy_sha256_digest(manifest.data, manifest.len, image->manifest);
	memcpy(image->id, image->manifest, DIGEST_MAX);
	plan_blob(image, image->manifest, (int64_t) manifest.len);
	plan_blob(image, image->config, (int64_t) config.len);
	image->made = hoy_buf_take(&manifest);
	image->media_type = strdup(
		commit->manifest->media_type ? commit->manifest->media_type : HOY_OCI_MEDIA_MANIFEST);
	return image->made && image->media_type ? 0 : hoy_err_oom(err);
}

static int make_plan(struct commit *commit, const struct hoy_layer_reply *done, struct hoy_err *err)
{
	struct archive_entry_info entry = {
		.name = (char *) (uintptr_t) "layer",
		.compression = done->done.compression,
		.size = (int64_t) done->done.size,
	};
	struct plan_image *image = calloc(1, sizeof *image);
	int r;

	if (!image)
		return hoy_err_oom(err);
	commit->u.plan = (struct archive_plan){ .images = image, .n_images = 1 };
	(void) snprintf(image->parent, sizeof image->parent, "%s", commit->parent);
	memcpy(entry.digest, done->done.digest, sizeof entry.digest);
	memcpy(commit->u.made_blob, done->done.digest, sizeof commit->u.made_blob);
	commit->u.made_size = done->done.unpacked;
	if (hoy_archive_entries_add(&commit->u.entries, &entry) < 0 ||
		(commit->reference && hoy_strv_add(&image->names, commit->reference) < 0))
		return hoy_err_oom(err);
	r = plan_layers(commit, done, image, err);
	return r < 0 ? r : plan_documents(commit, done, image, err);
}

static void on_packed(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct commit *commit = userdata;
	struct hoy_image_job *job = &commit->u.job;
	struct hoy_err err = { 0 };

	job->run = hoy_layer_run_free(job->run);
	if (job->on_read)
		job->on_read(job->handler.userdata);
	if (failed)
		hoy_image_job_fail(job, failed);
	else if (make_plan(commit, reply, &err) < 0)
		hoy_image_job_fail(job, &err);
	else
		hoy_image_job_queue_unpack(job);
}

/* --- the start --- */

/* What the new image will share must not go while it is made. */
static int keep_base(struct commit *commit, struct hoy_err *err)
{
	struct hoy_image_job *job = &commit->u.job;
	int r = commit->image->top ? hoy_image_job_keep_layer(job, commit->image->top, err) : 0;

	for (size_t i = 0; r == 0 && i < commit->manifest->n_layers; i++) {
		struct blob *blob = hoy_images_blob(job->images, commit->manifest->layers[i].digest);

		if (!blob)
			return hoy_err_invalid(err, "the layer %s of image %s is not in the store",
				commit->manifest->layers[i].digest, commit->image->pub.id);
		r = hoy_image_job_keep_blob(job, blob, err);
	}
	return r;
}

static int read_base(struct commit *commit, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf config = { 0 }, manifest = { 0 };
	const struct hoy_image *image = &commit->image->pub;
	struct hoy_images *images = commit->u.job.images;
	int r = hoy_images_read_blob(images, image->config, &config, err);

	if (r == 0)
		r = hoy_oci_image_config_parse(config.data ? config.data : "", config.len, &commit->config, err);
	if (r == 0)
		r = hoy_images_read_blob(images, image->manifest, &manifest, err);
	if (r == 0)
		r = hoy_oci_manifest_parse(manifest.data ? manifest.data : "", manifest.len, &commit->manifest, err);
	if (r == 0 && hoy_strv_len(commit->config->rootfs.diff_ids) != commit->manifest->n_layers)
		r = hoy_err_invalid(err, "its config and its manifest have other layers");
	return r < 0 ? hoy_err_wrap(err, "image %s", image->id) : keep_base(commit, err);
}

static int take_reference(struct commit *commit, const char *text, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = hoy_reference_parse(text, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest)
		return hoy_err_invalid(err, "refusing to create a tag with a digest reference");
	if (hoy_reference_default_tag(&ref) < 0)
		return hoy_err_oom(err);
	commit->reference = hoy_reference_to_string(&ref);
	return commit->reference ? 0 : hoy_err_oom(err);
}

static int take_options(struct commit *commit, const struct hoy_image_commit *options, struct hoy_err *err)
{
	struct hoy_images *images = commit->u.job.images;
	int r = 0;

	commit->image = hoy_images_by_id(images, options->image_id);
	if (!commit->image)
		return hoy_err_conflict(err,
			"the image that the container was made of is gone (%s): load or pull it again to commit",
			options->image_id);
	(void) snprintf(commit->parent, sizeof commit->parent, "%s", commit->image->pub.id);
	if (options->reference)
		r = take_reference(commit, options->reference, err);
	commit->comment = strdup(options->comment ? options->comment : "");
	commit->author = strdup(options->author ? options->author : "");
	commit->created_by = strdup(options->created_by ? options->created_by : "");
	if (!commit->comment || !commit->author || !commit->created_by)
		return hoy_err_oom(err);
	for (char *const *change = options->changes; r == 0 && change && *change; change++)
		r = hoy_image_change(commit->run, *change, err);
	return r < 0 ? r : read_base(commit, err);
}

static int start_packing(struct commit *commit, const char *upper_dir, struct hoy_err *err)
{
	struct hoy_images *images = commit->u.job.images;
	auto_fd int upper = open(upper_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int blob = -EBADF, layer = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_PACK,
			.flags = HOY_LAYER_PACK_GZIP | HOY_LAYER_PACK_DIFF | HOY_LAYER_PACK_TWIN },
		.on_done = on_packed,
	};
	int r;

	if (upper < 0)
		return hoy_err_sys(err, "open the container's layer '%s'", upper_dir);
	blob = openat(commit->u.job.temp_fd, BLOB_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (blob < 0)
		return hoy_err_sys(err, "create the blob");
	options.fds[options.n_fds++] = upper;
	r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &commit->u.made_temp, err);
	if (r < 0)
		return r;
	layer = openat(images->layers_fd, commit->u.made_temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer < 0)
		return hoy_err_sys(err, "open directory '%s'", commit->u.made_temp);
	options.fds[options.n_fds++] = blob;
	options.fds[options.n_fds++] = layer;
	return hoy_image_job_run(&commit->u.job, &options, err);
}

int hoy_images_commit(struct hoy_images *images, const struct hoy_image_commit *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct commit *commit = calloc(1, sizeof *commit);
	int r;

	if (!commit) {
		hoy_field_free(&hoy_oci_image_run_object, options->run);
		return hoy_err_oom(err);
	}
	commit->run = options->run;
	commit->u.status = "Committing";
	commit->u.job.free_detail = commit_free;
	commit->u.job.on_read = options->on_read;
	r = hoy_unpacking_init(&commit->u, images, handler, "create", err);
	if (r < 0) {
		commit_free(&commit->u.job);
		return r;
	}
	r = take_options(commit, options, err);
	if (r == 0)
		r = start_packing(commit, options->upper_dir, err);
	if (r < 0) {
		hoy_image_job_discard(&commit->u.job);
		return r;
	}
	*ret = &commit->u.job;
	return 0;
}
