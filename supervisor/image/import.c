/*
 * Importing a root file system: one worker reads the tar once, unpacks it into a new layer and keeps its bytes as the
 * layer's blob; config and manifest are made here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "supervisor/image/changes.h"
#include "supervisor/image/job.h"
#include "supervisor/image/layer_run.h"
#include "libocispec/reference.h"

#define BLOB_NAME "blob"
#define DEFAULT_MESSAGE "Imported from -"

struct import {
	struct hoy_image_job job; /* first */
	char *reference;          /* normalised; NULL: none */
	char *message;
	char *os, *arch, *variant;
	struct hoy_oci_image_config *config; /* run configuration only; the rest is added at the end */
	char *layer_temp;                    /* directory in l/ that is being filled */
};

static void import_free(struct hoy_image_job *job)
{
	struct import *import = (struct import *) job;

	if (import->layer_temp)
		hoy_images_trash(job->images, job->images->layers_fd, import->layer_temp);
	free(import->layer_temp);
	free(import->reference);
	free(import->message);
	free(import->os);
	free(import->arch);
	free(import->variant);
	hoy_oci_image_config_free(import->config);
	free(import);
}

/* --- documents --- */

/* Writes a document into the store and makes the job count on it. */
static int keep_document(struct import *import, const struct hoy_buf *text, char ret_digest[HOY_SHA256_DIGEST_MAX],
	struct blob **ret, struct hoy_err *err)
{
	struct hoy_images *images = import->job.images;
	int r;

	hoy_sha256_digest(text->data, text->len, ret_digest);
	r = hoy_images_write_blob(images, ret_digest, text->data, text->len, err);
	if (r < 0)
		return r;
	*ret = hoy_images_blob_add(images, ret_digest, (int64_t) text->len);
	return *ret ? hoy_image_job_keep_blob(&import->job, *ret, err) : hoy_err_oom(err);
}

static int print_config(const struct import *import, const char *diff_id, const struct timespec *now,
	struct hoy_buf *ret, struct hoy_err *err)
{
	char *diff_ids[] = { (char *) (uintptr_t) diff_id, NULL };
	char created[HOY_TIME_MAX];
	struct hoy_oci_history history = { .created = created, .comment = import->message };
	struct hoy_oci_image_config config = *import->config;

	hoy_time_format(now, created);
	config.created = created;
	config.architecture = import->arch;
	config.variant = import->variant;
	config.os = import->os;
	config.rootfs.type = (char *) (uintptr_t) "layers";
	config.rootfs.diff_ids = diff_ids;
	config.history = &history;
	config.n_history = 1;
	return hoy_oci_image_config_print(&config, ret, /* indent= */ 0, err);
}

static const char *layer_media_type(uint32_t compression)
{
	switch ((enum hoy_layer_compression) compression) {
	case HOY_LAYER_GZIP:
		return HOY_OCI_MEDIA_LAYER_GZIP;
	case HOY_LAYER_ZSTD:
		return HOY_OCI_MEDIA_LAYER_ZSTD;
	case HOY_LAYER_PLAIN:
		break;
	}
	return HOY_OCI_MEDIA_LAYER;
}

static int print_manifest(
	const struct blob *config, const struct hoy_layer_reply *done, struct hoy_buf *ret, struct hoy_err *err)
{
	struct hoy_oci_descriptor layer = {
		.media_type = (char *) (uintptr_t) layer_media_type(done->done.compression),
		.digest = (char *) (uintptr_t) done->done.digest,
		.size = (int64_t) done->done.size,
	};
	const struct hoy_oci_manifest manifest = {
		.schema_version = 2,
		.media_type = (char *) (uintptr_t) HOY_OCI_MEDIA_MANIFEST,
		.config = { .media_type = (char *) (uintptr_t) HOY_OCI_MEDIA_CONFIG,
			.digest = config->digest,
			.size = config->size },
		.layers = &layer,
		.n_layers = 1,
	};

	return hoy_oci_manifest_print(&manifest, ret, /* indent= */ 0, err);
}

/* --- the layer --- */

/* The same content may be there already as a base layer: then what was unpacked goes. */
static int keep_layer(
	struct import *import, const struct hoy_layer_reply *done, struct layer **ret, struct hoy_err *err)
{
	struct hoy_images *images = import->job.images;
	struct layer *layer = hoy_images_layer(images, done->done.diff_id);
	char name[LAYER_NAME_MAX];
	int64_t number;

	if (!layer) {
		number = images->next_layer++;
		hoy_images_layer_name(number, name);
		if (renameat(images->layers_fd, import->layer_temp, images->layers_fd, name) < 0)
			return hoy_err_sys(err, "keep the layer");
		free(import->layer_temp);
		import->layer_temp = NULL;
		layer = hoy_images_layer_add(images, done->done.diff_id, done->done.diff_id, /* parent= */ NULL, number,
			(int64_t) done->done.unpacked);
		if (!layer)
			return hoy_err_oom(err);
	}
	*ret = layer;
	return hoy_image_job_keep_layer(&import->job, layer, err);
}

static int keep_blob(struct import *import, const struct hoy_layer_reply *done, struct blob **ret, struct hoy_err *err)
{
	struct hoy_images *images = import->job.images;
	struct blob *blob = hoy_images_blob(images, done->done.digest);

	if (!blob) {
		if (renameat(import->job.temp_fd, BLOB_NAME, images->blobs_fd, done->done.digest + strlen("sha256:")) <
			0)
			return hoy_err_sys(err, "keep the blob");
		blob = hoy_images_blob_add(images, done->done.digest, (int64_t) done->done.size);
		if (!blob)
			return hoy_err_oom(err);
	}
	*ret = blob;
	return hoy_image_job_keep_blob(&import->job, blob, err);
}

static int make_image(struct import *import, const struct hoy_layer_reply *done, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf config = { 0 }, manifest = { 0 };
	char config_digest[HOY_SHA256_DIGEST_MAX], id[HOY_SHA256_DIGEST_MAX];
	char *names[] = { import->reference, NULL };
	struct blob *blobs[3];
	struct new_image new = {
		.id = id,
		.media_type = HOY_OCI_MEDIA_MANIFEST,
		.manifest = id,
		.config = config_digest,
		.blobs = blobs,
		.n_blobs = ARRAY_LEN(blobs),
	};
	struct timespec now;
	int r;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	new.created = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
	r = keep_layer(import, done, &new.top, err);
	if (r == 0)
		r = keep_blob(import, done, &blobs[2], err);
	if (r == 0)
		r = print_config(import, done->done.diff_id, &now, &config, err);
	if (r == 0)
		r = keep_document(import, &config, config_digest, &blobs[1], err);
	if (r == 0)
		r = print_manifest(blobs[1], done, &manifest, err);
	if (r == 0)
		r = keep_document(import, &manifest, id, &blobs[0], err);
	return r < 0 ? r : hoy_image_job_add(&import->job, &new, import->reference ? names : NULL, err);
}

static void on_imported(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct import *import = userdata;
	struct hoy_err err = { 0 };

	import->job.run = hoy_layer_run_free(import->job.run);
	if (failed)
		hoy_image_job_fail(&import->job, failed);
	else if (make_image(import, reply, &err) < 0)
		hoy_image_job_fail(&import->job, &err);
	else
		hoy_image_job_complete(&import->job);
}

static void on_import_progress(uint64_t read, void *userdata)
{
	struct import *import = userdata;

	hoy_image_job_progress(&import->job, /* id= */ NULL, "Importing", (int64_t) read, /* total= */ 0);
}

/* --- options --- */

static int take_reference(struct import *import, const char *text, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = hoy_reference_parse(text, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest)
		return hoy_err_invalid(err, "cannot import digest reference");
	if (hoy_reference_default_tag(&ref) < 0)
		return hoy_err_oom(err);
	import->reference = hoy_reference_to_string(&ref);
	return import->reference ? 0 : hoy_err_oom(err);
}

static int take_options(struct import *import, const struct hoy_image_import *options, struct hoy_err *err)
{
	int r = hoy_images_parse_platform(options->platform, &import->arch, &import->variant, err);

	if (r == 0 && !(import->os = strdup("linux")))
		return hoy_err_oom(err);
	if (r == 0 && options->reference)
		r = take_reference(import, options->reference, err);
	if (r < 0)
		return r;
	import->message = strdup(options->message && *options->message ? options->message : DEFAULT_MESSAGE);
	import->config = calloc(1, sizeof *import->config);
	if (!import->message || !import->config)
		return hoy_err_oom(err);
	import->config->config = calloc(1, sizeof *import->config->config);
	if (!import->config->config)
		return hoy_err_oom(err);
	for (char *const *change = options->changes; r == 0 && change && *change; change++)
		r = hoy_image_change(import->config->config, *change, err);
	return r;
}

static int start_import(struct import *import, int input, struct hoy_err *err)
{
	struct hoy_images *images = import->job.images;
	auto_fd int target = -EBADF, blob = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_APPLY, .flags = HOY_LAYER_COPY },
		.on_progress = on_import_progress,
		.on_done = on_imported,
	};
	int r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &import->layer_temp, err);

	if (r < 0)
		return r;
	target = openat(images->layers_fd, import->layer_temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open directory '%s'", import->layer_temp);
	blob = openat(import->job.temp_fd, BLOB_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (blob < 0)
		return hoy_err_sys(err, "create the blob");
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = target;
	options.fds[options.n_fds++] = blob;
	return hoy_image_job_run(&import->job, &options, err);
}

int hoy_images_import(struct hoy_images *images, int fd, const struct hoy_image_import *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	auto_fd int input = fd;
	struct import *import = calloc(1, sizeof *import);
	int r;

	if (!import)
		return hoy_err_oom(err);
	import->job.free_detail = import_free;
	import->job.images = images;
	r = take_options(import, options, err);
	if (r == 0)
		r = hoy_image_job_init(&import->job, images, handler, "import", err);
	if (r < 0) {
		import_free(&import->job);
		return r;
	}
	r = start_import(import, input, err);
	if (r < 0) {
		hoy_image_job_discard(&import->job);
		return r;
	}
	*ret = &import->job;
	return 0;
}
