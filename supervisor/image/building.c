/*
 * Layers and images for builds. A directory that an overlay wrote into is a layer as it is, unless there is in it what
 * was made for the engine's mounts, or a time that the layer may not have: then it is unpacked from its blob.
 */
#include "supervisor/image/building.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "supervisor/image/archive_plan.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/layer_run.h"
#include "supervisor/image/making.h"
#include "libocispec/reference.h"
#include "supervisor/store/images.h"
#include "supervisor/store/store.h"

/* --- directories --- */

int hoy_images_new_dir(struct hoy_images *images, char **ret, struct hoy_err *err)
{
	auto_free char *name = NULL;
	int r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &name, err);

	if (r < 0)
		return r;
	*ret = hoy_str_printf("%s/l/%s", images->options.data_root, name);
	return *ret ? 0 : hoy_err_oom(err);
}

void hoy_images_drop_dir(struct hoy_images *images, const char *path)
{
	hoy_images_trash(images, images->layers_fd, hoy_path_base(path));
}

/* --- a layer of a directory --- */

static void making_free(struct hoy_image_job *job)
{
	struct making *m = (struct making *) job;

	m->fetch = hoy_fetch_run_free(m->fetch);
	hoy_fetch_request_free(m->request);
	if (m->temp)
		hoy_images_trash(job->images, job->images->layers_fd, m->temp);
	free(m->temp);
	free(m->upper);
	free(m);
}

/* The job's handler: what was made is told while the job still counts on it. */
static void on_making_done(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	auto_free struct hoy_layer_making *options = userdata;

	(void) result;
	if (err)
		options->done(err, NULL, options->userdata);
}

void hoy_making_tell(struct making *m)
{
	m->options.done(NULL, &m->made, m->options.userdata);
	hoy_image_job_succeed(&m->job);
}

static int keep_blob(struct making *m, struct hoy_err *err)
{
	struct hoy_images *images = m->job.images;
	struct blob *blob = hoy_images_blob(images, m->made.blob);

	if (!blob) {
		if (renameat(m->job.temp_fd, MAKING_BLOB, images->blobs_fd, m->made.blob + strlen("sha256:")) < 0)
			return hoy_err_sys(err, "keep the blob");
		blob = hoy_images_blob_add(images, m->made.blob, m->made.blob_size);
		if (!blob)
			return hoy_err_oom(err);
	}
	return hoy_image_job_keep_blob(&m->job, blob, err);
}

/* `dir` in `parent` becomes the layer's directory. */
static int enter_layer(struct making *m, int parent, const char *dir, struct hoy_err *err)
{
	struct hoy_images *images = m->job.images;
	int64_t number = images->next_layer++;
	char name[LAYER_NAME_MAX];
	struct layer *layer;

	hoy_images_layer_name(number, name);
	if (renameat(parent, dir, images->layers_fd, name) < 0)
		return hoy_err_sys(err, "keep the layer");
	layer = hoy_images_layer_add(images, m->made.chain_id, m->made.diff_id, m->below, number, m->size);
	return layer ? hoy_image_job_keep_layer(&m->job, layer, err) : hoy_err_oom(err);
}

static int enter_temp(struct making *m, struct hoy_err *err)
{
	int r = enter_layer(m, m->job.images->layers_fd, m->temp, err);

	if (r == 0) {
		free(m->temp);
		m->temp = NULL;
	}
	return r;
}

static void on_applied(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct making *m = userdata;
	struct hoy_err err = { 0 };
	int r;

	m->job.run = hoy_layer_run_free(m->job.run);
	if (failed) {
		hoy_image_job_fail(&m->job, failed);
		return;
	}
	m->size = (int64_t) reply->done.unpacked;
	if (strcmp(reply->done.digest, m->made.blob) != 0) /* who brought it may have been mistaken, or worse */
		r = hoy_err_invalid(&err, "layer %s has the digest %s", m->made.blob, reply->done.digest);
	else if (hoy_images_layer(m->job.images, m->made.chain_id))
		r = hoy_image_job_keep_layer(&m->job, hoy_images_layer(m->job.images, m->made.chain_id), &err);
	else
		r = enter_temp(m, &err);
	if (r == 0)
		r = keep_blob(m, &err);
	if (r < 0)
		hoy_image_job_fail(&m->job, &err);
	else
		hoy_making_tell(m);
}

static int list_lowers(const struct making *m, char ***ret, struct hoy_err *err)
{
	char name[LAYER_NAME_MAX];

	for (const struct layer *layer = m->below; layer; layer = layer->parent) {
		hoy_images_layer_name(layer->number, name);
		if (hoy_strv_add(ret, name) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_making_apply(struct making *m, struct hoy_err *err)
{
	struct hoy_images *images = m->job.images;
	auto_ptr(hoy_strv_free) char **lowers = NULL;
	bool is_stored = hoy_images_blob(images, m->made.blob) != NULL;
	auto_fd int input = openat(is_stored ? images->blobs_fd : m->job.temp_fd,
		is_stored ? m->made.blob + strlen("sha256:") : MAKING_BLOB, O_RDONLY | O_CLOEXEC);
	auto_fd int target = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_APPLY, .flags = m->below ? HOY_LAYER_LOWERS : 0 },
		.on_done = on_applied,
	};
	int r;

	if (input < 0)
		return hoy_err_sys(err, "open the layer");
	r = hoy_images_make_temp_dir(images, images->layers_fd, 0755, &m->temp, err);
	if (r < 0)
		return r;
	target = openat(images->layers_fd, m->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open directory '%s'", m->temp);
	r = list_lowers(m, &lowers, err);
	if (r < 0)
		return r;
	memcpy(options.request.diff_id, m->made.diff_id, sizeof options.request.diff_id);
	options.fds[options.n_fds++] = input;
	options.fds[options.n_fds++] = target;
	if (m->below)
		options.fds[options.n_fds++] = images->layers_fd;
	options.lowers = lowers;
	return hoy_image_job_run(&m->job, &options, err);
}

/* Returns > 0 when the layer is complete. */
static int take_packed(struct making *m, const struct hoy_layer_reply *done, struct hoy_err *err)
{
	struct hoy_images *images = m->job.images;
	struct layer *there;
	int r;

	if (done->done.entries == 0) {
		(void) snprintf(m->made.chain_id, sizeof m->made.chain_id, "%s", m->options.chain_id);
		return 1;
	}
	(void) snprintf(m->made.diff_id, sizeof m->made.diff_id, "%s", done->done.diff_id);
	(void) snprintf(m->made.blob, sizeof m->made.blob, "%s", done->done.digest);
	m->made.blob_size = (int64_t) done->done.size;
	hoy_archive_chain_id(m->below ? m->below->chain_id : "", m->made.diff_id, m->made.chain_id);
	m->size = (int64_t) done->done.unpacked;
	there = hoy_images_layer(images, m->made.chain_id);
	if (there)
		r = hoy_image_job_keep_layer(&m->job, there, err);
	else if (done->done.left_out > 0 || done->done.clamped > 0)
		return hoy_making_apply(m, err);
	else
		r = enter_layer(m, AT_FDCWD, m->upper, err);
	if (r == 0)
		r = keep_blob(m, err);
	return r < 0 ? r : 1;
}

static void on_packed(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct making *m = userdata;
	struct hoy_err err = { 0 };
	int r;

	m->job.run = hoy_layer_run_free(m->job.run);
	if (failed) {
		hoy_image_job_fail(&m->job, failed);
		return;
	}
	r = take_packed(m, reply, &err);
	if (r < 0)
		hoy_image_job_fail(&m->job, &err);
	else if (r > 0)
		hoy_making_tell(m);
}

static int start_packing(struct making *m, struct hoy_err *err)
{
	auto_fd int upper = open(m->upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), blob = -EBADF;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_PACK,
			.flags = HOY_LAYER_PACK_GZIP | HOY_LAYER_PACK_DIFF |
				 (m->options.clamp ? HOY_LAYER_PACK_CLAMP : 0),
			.latest = m->options.latest },
		.on_done = on_packed,
	};

	if (upper < 0)
		return hoy_err_sys(err, "open the new layer '%s'", m->upper);
	blob = openat(m->job.temp_fd, MAKING_BLOB, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (blob < 0)
		return hoy_err_sys(err, "create the blob");
	options.fds[options.n_fds++] = upper;
	options.fds[options.n_fds++] = blob;
	return hoy_image_job_run(&m->job, &options, err);
}

static int choose_below(struct making *m, struct hoy_err *err)
{
	unsigned int n = 0;

	if (!*m->options.chain_id)
		return 0;
	m->below = hoy_images_layer(m->job.images, m->options.chain_id);
	if (!m->below)
		return hoy_err_not_found(err, "no such layer: %s", m->options.chain_id);
	for (const struct layer *layer = m->below; layer; layer = layer->parent)
		n++;
	if (n >= HOY_LAYER_MAX_LOWERS)
		return hoy_err_invalid(err, "more than %d layers: max depth exceeded", HOY_LAYER_MAX_LOWERS);
	return hoy_image_job_keep_layer(&m->job, m->below, err);
}

int hoy_making_new(
	struct hoy_images *images, const struct hoy_layer_making *making, struct making **ret, struct hoy_err *err)
{
	struct hoy_layer_making *told = malloc(sizeof *told);
	struct making *m = calloc(1, sizeof *m);
	const struct hoy_image_job_handler handler = { .done = on_making_done, .userdata = told };
	int r = 0;

	if (m && told) {
		*told = m->options = *making;
		m->job.free_detail = making_free;
		m->told = told;
		m->upper = strdup(making->upper_dir ? making->upper_dir : "");
	}
	if (!m || !told || !m->upper)
		r = hoy_err_oom(err);
	else
		r = hoy_image_job_init(&m->job, images, &handler, "layer", err);
	if (r < 0) {
		free(told);
		if (m)
			free(m->upper);
		free(m);
		return r;
	}
	r = choose_below(m, err);
	m->options.chain_id = m->below ? m->below->chain_id : "";
	m->options.upper_dir = NULL;
	if (r < 0)
		hoy_making_discard(m);
	else
		*ret = m;
	return r;
}

void hoy_making_discard(struct making *m)
{
	free(m->told);
	hoy_image_job_discard(&m->job);
}

int hoy_images_make_layer(struct hoy_images *images, const struct hoy_layer_making *making, struct hoy_image_job **ret,
	struct hoy_err *err)
{
	struct making *m;
	int r = hoy_making_new(images, making, &m, err);

	if (r < 0)
		return r;
	r = start_packing(m, err);
	if (r < 0) {
		hoy_making_discard(m);
		return r;
	}
	*ret = &m->job;
	return 0;
}

/* --- users of layers --- */

void hoy_built_layer_on(const char *chain_id, struct hoy_built_layer *layer)
{
	hoy_archive_chain_id(chain_id, layer->diff_id, layer->chain_id);
}

int hoy_built_layer_hold(struct hoy_images *images, const struct hoy_built_layer *layer, struct hoy_err *err)
{
	struct blob *blob = hoy_images_blob(images, layer->blob);
	int r = blob ? hoy_layers_hold(images, layer->chain_id, err)
		     : hoy_err_not_found(err, "no such blob: %s", layer->blob);

	if (r == 0)
		hoy_images_blob_ref(blob);
	return r;
}

bool hoy_built_layer_is_here(struct hoy_images *images, const struct hoy_built_layer *layer)
{
	return hoy_images_layer(images, layer->chain_id) && hoy_images_blob(images, layer->blob);
}

void hoy_built_layer_release(struct hoy_images *images, const struct hoy_built_layer *layer)
{
	struct blob *blob = hoy_images_blob(images, layer->blob);

	if (blob)
		hoy_images_blob_unref(images, blob);
	hoy_layers_release(images, layer->chain_id);
}

int64_t hoy_built_layer_size(struct hoy_images *images, const struct hoy_built_layer *layer)
{
	const struct layer *there = hoy_images_layer(images, layer->chain_id);

	return layer->blob_size + (there ? there->size : 0);
}

bool hoy_built_layer_is_shared(struct hoy_images *images, const struct hoy_built_layer *layer)
{
	for (size_t i = 0; i < images->n_images; i++)
		for (const struct layer *at = images->images[i]->top; at; at = at->parent)
			if (strcmp(at->chain_id, layer->chain_id) == 0)
				return true;
	return false;
}

int hoy_images_layer_keep(struct hoy_images *images, const struct hoy_built_layer *layer, struct hoy_err *err)
{
	struct layer *there = hoy_images_layer(images, layer->chain_id);
	struct blob *blob = hoy_images_blob(images, layer->blob);
	int r;

	if (!there || !blob)
		return hoy_err_not_found(err, "no such layer: %s", layer->chain_id);
	r = hoy_images_watch_commit(images, err);
	if (r >= 0)
		r = hoy_images_layers_store(images, there, err);
	if (r >= 0 && !blob->stored)
		r = hoy_store_blob_add(images->options.store, blob->digest, blob->size, err);
	if (r >= 0)
		blob->stored = true;
	return r < 0 ? r : 0;
}

/* --- to disk --- */

/* Jobs begin from the loop: what fails then is told to `done`. */
struct beginning {
	struct hoy_image_job job; /* first */
	struct hoy_source *source;
};

static void beginning_free(struct hoy_image_job *job)
{
	struct beginning *b = (struct beginning *) job;

	b->source = hoy_source_free(b->source);
	free(b);
}

static void on_begin(struct hoy_source *source, void *userdata)
{
	(void) source;
	hoy_image_job_complete(userdata);
}

int hoy_images_sync(struct hoy_images *images, const struct hoy_image_job_handler *handler, struct hoy_image_job **ret,
	struct hoy_err *err)
{
	struct beginning *b = calloc(1, sizeof *b);
	int r;

	if (!b)
		return hoy_err_oom(err);
	b->job.free_detail = beginning_free;
	r = hoy_image_job_init(&b->job, images, handler, "sync", err);
	if (r < 0) {
		free(b);
		return r;
	}
	r = hoy_loop_defer(images->options.loop, &b->source, on_begin, &b->job, err);
	if (r < 0) {
		hoy_image_job_discard(&b->job);
		return r;
	}
	*ret = &b->job;
	return 0;
}

/* --- images --- */

struct composing {
	struct hoy_image_job job; /* first */
	struct hoy_source *source;
	struct hoy_oci_manifest *base;
	char **names; /* normalised */
	bool is_synced;
};

static void composing_free(struct hoy_image_job *job)
{
	struct composing *c = (struct composing *) job;

	c->source = hoy_source_free(c->source);
	hoy_oci_manifest_free(c->base);
	hoy_strv_free(c->names);
	free(c);
}

static int read_base(struct composing *c, const char *id, const struct image **ret, struct hoy_err *err)
{
	const struct image *image = hoy_images_by_id(c->job.images, id);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r;

	if (!image)
		return hoy_err_conflict(err, "the base image %s is gone", id);
	*ret = image;
	r = hoy_images_read_blob(c->job.images, image->pub.manifest, &text, err);
	if (r == 0)
		r = hoy_oci_manifest_parse(text.data ? text.data : "", text.len, &c->base, err);
	if (r == 0 && hoy_strv_len(image->pub.diff_ids) != c->base->n_layers)
		r = hoy_err_invalid(err, "its config and its manifest have other layers");
	return r < 0 ? hoy_err_wrap(err, "image %s", id) : 0;
}

/* Writes a document into the store and makes the job count on it. */
static int keep_document(struct composing *c, const struct hoy_buf *text, char ret_digest[HOY_SHA256_DIGEST_MAX],
	struct blob **ret, struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	int r;

	hoy_sha256_digest(text->data, text->len, ret_digest);
	r = hoy_images_write_blob(images, ret_digest, text->data, text->len, err);
	if (r < 0)
		return r;
	*ret = hoy_images_blob_add(images, ret_digest, (int64_t) text->len);
	return *ret ? hoy_image_job_keep_blob(&c->job, *ret, err) : hoy_err_oom(err);
}

static int print_config(
	const struct hoy_image_composition *what, const struct image *base, struct hoy_buf *ret, struct hoy_err *err)
{
	struct hoy_oci_image_config config = *what->config;
	size_t n = base ? hoy_strv_len(base->pub.diff_ids) : 0;
	auto_free char **ids = calloc(n + what->n_layers + 1, sizeof *ids);

	if (!ids)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		ids[i] = base->pub.diff_ids[i];
	for (size_t i = 0; i < what->n_layers; i++)
		ids[n + i] = (char *) (uintptr_t) what->layers[i].diff_id;
	config.rootfs.type = (char *) (uintptr_t) "layers";
	config.rootfs.diff_ids = ids;
	config.build_cache = (char *) (uintptr_t) what->inline_cache;
	return hoy_oci_image_config_print(&config, ret, /* indent= */ 0, err);
}

static int print_manifest(const struct hoy_image_composition *what, const struct hoy_oci_manifest *base,
	const struct blob *config, struct hoy_buf *ret, struct hoy_err *err)
{
	bool docker = base && hoy_str_eq(base->media_type ? base->media_type : "", HOY_DOCKER_MEDIA_MANIFEST);
	size_t n = base ? base->n_layers : 0;
	auto_free struct hoy_oci_descriptor *layers = calloc(n + what->n_layers + 1, sizeof *layers);
	const struct hoy_oci_manifest manifest = {
		.schema_version = 2,
		.media_type = (char *) (uintptr_t) (base && base->media_type ? base->media_type
									     : HOY_OCI_MEDIA_MANIFEST),
		.config = { .media_type = (char *) (uintptr_t) (docker ? HOY_DOCKER_MEDIA_CONFIG
								       : HOY_OCI_MEDIA_CONFIG),
			.digest = config->digest,
			.size = config->size },
		.layers = layers,
		.n_layers = n + what->n_layers,
	};

	if (!layers)
		return hoy_err_oom(err);
	if (n > 0)
		memcpy(layers, base->layers, n * sizeof *layers);
	for (size_t i = 0; i < what->n_layers; i++)
		layers[n + i] = (struct hoy_oci_descriptor){
			.media_type = (char *) (uintptr_t) (docker ? HOY_DOCKER_MEDIA_LAYER_GZIP
								   : HOY_OCI_MEDIA_LAYER_GZIP),
			.digest = (char *) (uintptr_t) what->layers[i].blob,
			.size = what->layers[i].blob_size,
		};
	return hoy_oci_manifest_print(&manifest, ret, /* indent= */ 0, err);
}

static int count_on(struct composing *c, const char *digest, struct blob **blobs, size_t *n, struct hoy_err *err)
{
	struct blob *blob = hoy_images_blob(c->job.images, digest);

	if (!blob)
		return hoy_err_invalid(err, "the layer %s is not in the store", digest);
	for (size_t i = 0; i < *n; i++)
		if (blobs[i] == blob)
			return 0;
	blobs[(*n)++] = blob;
	return hoy_image_job_keep_blob(&c->job, blob, err);
}

static int add_image(
	struct composing *c, const struct hoy_image_composition *what, const struct image *base, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf config = { 0 }, manifest = { 0 };
	char config_digest[HOY_SHA256_DIGEST_MAX], id[HOY_SHA256_DIGEST_MAX];
	size_t n_base = c->base ? c->base->n_layers : 0;
	auto_free struct blob **blobs = calloc(n_base + what->n_layers + 2, sizeof *blobs);
	struct timespec created = { 0 };
	struct new_image new = {
		.id = id,
		.media_type = c->base && c->base->media_type ? c->base->media_type : HOY_OCI_MEDIA_MANIFEST,
		.manifest = id,
		.config = config_digest,
		.top = what->n_layers > 0 ? hoy_images_layer(c->job.images, what->layers[what->n_layers - 1].chain_id)
		       : base             ? base->top
					  : NULL,
		.blobs = blobs,
		.n_blobs = 2,
	};
	int r;

	if (!blobs)
		return hoy_err_oom(err);
	r = print_config(what, base, &config, err);
	if (r == 0)
		r = keep_document(c, &config, config_digest, &blobs[1], err);
	if (r == 0)
		r = print_manifest(what, c->base, blobs[1], &manifest, err);
	if (r == 0)
		r = keep_document(c, &manifest, id, &blobs[0], err);
	for (size_t i = 0; r == 0 && i < n_base; i++)
		r = count_on(c, c->base->layers[i].digest, blobs, &new.n_blobs, err);
	for (size_t i = 0; r == 0 && i < what->n_layers; i++)
		r = count_on(c, what->layers[i].blob, blobs, &new.n_blobs, err);
	if (r == 0 && new.top)
		r = hoy_image_job_keep_layer(&c->job, new.top, err);
	if (r < 0)
		return r;
	if (what->config->created && hoy_time_parse(what->config->created, &created) == 0)
		new.created = (int64_t) created.tv_sec * 1000000000 + created.tv_nsec;
	return hoy_image_job_add(&c->job, &new, c->names, err);
}

static int name_base(struct composing *c, const struct image *base, struct hoy_err *err)
{
	const struct new_image new = {
		.id = base->pub.id,
		.media_type = base->pub.media_type,
		.manifest = base->pub.manifest,
		.config = base->pub.config,
		.parent = base->pub.parent,
		.created = base->pub.created,
		.top = base->top,
		.blobs = base->blobs,
		.n_blobs = base->n_blobs,
	};

	return hoy_image_job_add(&c->job, &new, c->names, err);
}

static void on_compose(struct hoy_source *source, void *userdata)
{
	struct composing *c = userdata;

	(void) source;
	if (c->is_synced && hoy_images_by_id(c->job.images, c->job.made[0].new.id))
		hoy_image_job_complete_names(&c->job);
	else
		hoy_image_job_complete(&c->job);
}

static int take_names(struct composing *c, char *const *names, struct hoy_err *err)
{
	int r = 0;

	for (; r == 0 && names && *names; names++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		auto_free char *name = NULL;

		r = hoy_reference_parse(*names, &ref, err);
		if (r == 0 && ref.digest)
			r = hoy_err_invalid(err, "refusing to create a tag with a digest reference");
		if (r == 0 && hoy_reference_default_tag(&ref) < 0)
			r = hoy_err_oom(err);
		if (r < 0)
			break;
		name = hoy_reference_to_string(&ref);
		if (!name || ((!c->names || !hoy_strv_has(c->names, name)) && hoy_strv_add(&c->names, name) < 0))
			r = hoy_err_oom(err);
	}
	return r;
}

int hoy_images_compose(struct hoy_images *images, const struct hoy_image_composition *composition,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct composing *c = calloc(1, sizeof *c);
	const struct image *base = NULL;
	int r;

	if (!c)
		return hoy_err_oom(err);
	c->job.free_detail = composing_free;
	c->is_synced = composition->is_synced;
	r = hoy_image_job_init(&c->job, images, handler, "create", err);
	if (r < 0) {
		free(c);
		return r;
	}
	r = take_names(c, composition->names, err);
	if (r == 0 && composition->base)
		r = read_base(c, composition->base, &base, err);
	if (r == 0)
		r = composition->as_base && base ? name_base(c, base, err) : add_image(c, composition, base, err);
	if (r == 0 && composition->ret_existed)
		*composition->ret_existed = hoy_images_by_id(images, c->job.made[0].new.id) != NULL;
	if (r == 0)
		r = hoy_loop_defer(images->options.loop, &c->source, on_compose, c, err);
	if (r < 0) {
		hoy_image_job_discard(&c->job);
		return r;
	}
	*ret = &c->job;
	return 0;
}
