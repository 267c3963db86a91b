/* The model in memory and its rows: loaded once, then written through. Linear lists: there are some thousand entries
 * at most, and a comparison of two digests is cheaper than keeping an index right. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/image_internal.h"
#include "libocispec/reference.h"
#include "supervisor/store/images.h"
#include "supervisor/store/store.h"

/* Appends to one of the model's pointer arrays, which grow by doubling. 0 or -ENOMEM. */
static int append(void *array, size_t *n, void *item)
{
	void **items = *(void ***) array;

	if ((*n & (*n - 1)) == 0) {
		items = reallocarray(items, *n ? 2 * *n : 1, sizeof *items);
		if (!items)
			return -ENOMEM;
		*(void ***) array = items;
	}
	items[(*n)++] = item;
	return 0;
}

static void take_out(void *array, size_t *n, const void *item)
{
	void **items = *(void ***) array;

	for (size_t i = 0; i < *n; i++)
		if (items[i] == item) {
			memmove(items + i, items + i + 1, (*n - i - 1) * sizeof *items);
			/* Growing happens at powers of two: below one the array is large enough anyway. */
			(*n)--;
			return;
		}
}

static void blob_free(struct blob *blob)
{
	if (!blob)
		return;
	free(blob->digest);
	free(blob);
}
HOY_DEFINE_AUTO_PTR(struct blob, blob_free);

static void layer_free(struct layer *layer)
{
	if (!layer)
		return;
	free(layer->chain_id);
	free(layer->diff_id);
	free(layer);
}
HOY_DEFINE_AUTO_PTR(struct layer, layer_free);

static void name_free(struct name *name)
{
	if (!name)
		return;
	free(name->reference);
	free(name);
}
HOY_DEFINE_AUTO_PTR(struct name, name_free);

static void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->pub.id);
	free(image->pub.media_type);
	free(image->pub.manifest);
	free(image->pub.config);
	free(image->pub.chain_id);
	free(image->pub.parent);
	hoy_strv_free(image->pub.repo_tags);
	hoy_strv_free(image->pub.repo_digests);
	hoy_strv_free(image->pub.diff_ids);
	free(image->blobs);
	hoy_oci_image_config_free(image->doc);
	free(image);
}
HOY_DEFINE_AUTO_PTR(struct image, image_free);

/* --- lookups --- */

struct image *hoy_images_by_id(struct hoy_images *images, const char *id)
{
	for (size_t i = 0; i < images->n_images; i++)
		if (strcmp(images->images[i]->pub.id, id) == 0)
			return images->images[i];
	return NULL;
}

struct blob *hoy_images_blob(struct hoy_images *images, const char *digest)
{
	for (size_t i = 0; i < images->n_blobs; i++)
		if (strcmp(images->blobs[i]->digest, digest) == 0)
			return images->blobs[i];
	return NULL;
}

struct layer *hoy_images_layer(struct hoy_images *images, const char *chain_id)
{
	for (size_t i = 0; i < images->n_layers; i++)
		if (strcmp(images->layers[i]->chain_id, chain_id) == 0)
			return images->layers[i];
	return NULL;
}

struct name *hoy_images_name(struct hoy_images *images, const char *reference)
{
	for (size_t i = 0; i < images->n_names; i++)
		if (strcmp(images->names[i]->reference, reference) == 0)
			return images->names[i];
	return NULL;
}

struct blob *hoy_images_blob_add(struct hoy_images *images, const char *digest, int64_t size)
{
	struct blob *there = hoy_images_blob(images, digest);
	auto_ptr(blob_free) struct blob *blob = NULL;

	if (there)
		return there;
	blob = calloc(1, sizeof *blob);
	if (!blob)
		return NULL;
	blob->size = size;
	blob->digest = strdup(digest);
	if (!blob->digest || append(&images->blobs, &images->n_blobs, blob) < 0)
		return NULL;
	return TAKE_PTR(blob);
}

struct layer *hoy_images_layer_add(struct hoy_images *images, const char *chain_id, const char *diff_id,
	struct layer *parent, int64_t number, int64_t size)
{
	auto_ptr(layer_free) struct layer *layer = calloc(1, sizeof *layer);

	if (!layer)
		return NULL;
	layer->chain_id = strdup(chain_id);
	layer->diff_id = strdup(diff_id);
	layer->number = number;
	layer->size = size;
	if (!layer->chain_id || !layer->diff_id || append(&images->layers, &images->n_layers, layer) < 0)
		return NULL;
	layer->parent = parent;
	if (parent)
		hoy_images_layer_ref(parent);
	if (number >= images->next_layer)
		images->next_layer = number + 1;
	return TAKE_PTR(layer);
}

/* --- what users see of an image --- */

static int add_name_views(struct image *image, const struct hoy_reference *ref, struct hoy_err *err)
{
	auto_free char *familiar = hoy_reference_familiar(ref);
	auto_free char *name = hoy_reference_familiar_name(ref);
	auto_free char *digest = NULL;

	if (!familiar || !name)
		return hoy_err_oom(err);
	if (!ref->digest && hoy_strv_add(&image->pub.repo_tags, familiar) < 0)
		return hoy_err_oom(err);
	digest = hoy_str_printf("%s@%s", name, ref->digest ? ref->digest : image->pub.id);
	if (!digest)
		return hoy_err_oom(err);
	if (!hoy_strv_has(image->pub.repo_digests, digest) && hoy_strv_add(&image->pub.repo_digests, digest) < 0)
		return hoy_err_oom(err);
	return 0;
}

/* Makes repo_tags and repo_digests anew from the names. */
static int update_names(struct hoy_images *images, struct image *image, struct hoy_err *err)
{
	hoy_strv_free(image->pub.repo_tags);
	hoy_strv_free(image->pub.repo_digests);
	image->pub.repo_tags = calloc(1, sizeof(char *));
	image->pub.repo_digests = calloc(1, sizeof(char *));
	image->pub.tagged = 0;
	if (!image->pub.repo_tags || !image->pub.repo_digests)
		return hoy_err_oom(err);
	for (size_t i = 0; i < images->n_names; i++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		const struct name *name = images->names[i];
		int r;

		if (name->image != image)
			continue;
		r = hoy_reference_parse(name->reference, &ref, err);
		if (r == 0)
			r = add_name_views(image, &ref, err);
		if (r < 0)
			return r;
		image->pub.tagged = MAX(image->pub.tagged, name->tagged);
	}
	return 0;
}

static int set_diff_ids(struct image *image, struct hoy_err *err)
{
	size_t n = 0, i;

	for (const struct layer *layer = image->top; layer; layer = layer->parent)
		n++;
	image->pub.diff_ids = calloc(n + 1, sizeof(char *));
	if (!image->pub.diff_ids)
		return hoy_err_oom(err);
	i = n;
	for (const struct layer *layer = image->top; layer; layer = layer->parent) {
		image->pub.diff_ids[--i] = strdup(layer->diff_id);
		if (!image->pub.diff_ids[i])
			return hoy_err_oom(err);
	}
	return 0;
}

static void set_size(struct image *image)
{
	image->pub.size = 0;
	for (size_t i = 0; i < image->n_blobs; i++)
		image->pub.size += image->blobs[i]->size;
	for (const struct layer *layer = image->top; layer; layer = layer->parent)
		image->pub.size += layer->size;
}

/* Puts an image into memory; its layers and blobs get a user more. */
static int image_enter(struct hoy_images *images, const struct new_image *new, struct image **ret, struct hoy_err *err)
{
	auto_ptr(image_free) struct image *image = calloc(1, sizeof *image);
	int r;

	if (!image)
		return hoy_err_oom(err);
	image->pub.id = strdup(new->id);
	image->pub.media_type = strdup(new->media_type);
	image->pub.manifest = strdup(new->manifest);
	image->pub.config = strdup(new->config);
	image->pub.parent = strdup(new->parent ? new->parent : "");
	image->pub.chain_id = strdup(new->top ? new->top->chain_id : "");
	image->pub.created = new->created;
	image->blobs = calloc(new->n_blobs + 1, sizeof *image->blobs);
	if (!image->pub.id || !image->pub.media_type || !image->pub.manifest || !image->pub.config ||
		!image->pub.parent || !image->pub.chain_id || !image->blobs)
		return hoy_err_oom(err);
	image->top = new->top;
	r = set_diff_ids(image, err);
	if (r == 0)
		r = update_names(images, image, err);
	if (r < 0)
		return r;
	if (append(&images->images, &images->n_images, image) < 0)
		return hoy_err_oom(err);

	for (size_t i = 0; i < new->n_blobs; i++)
		hoy_images_blob_ref(new->blobs[i]);
	if (new->n_blobs > 0)
		memcpy(image->blobs, new->blobs, new->n_blobs * sizeof(struct blob *));
	image->n_blobs = new->n_blobs;
	if (image->top)
		hoy_images_layer_ref(image->top);
	set_size(image);
	*ret = TAKE_PTR(image);
	return 0;
}

/* --- loading --- */

static int on_blob_row(const char *digest, int64_t size, void *userdata, struct hoy_err *err)
{
	struct blob *blob = hoy_images_blob_add(userdata, digest, size);

	if (!blob)
		return hoy_err_oom(err);
	blob->stored = true;
	return 0;
}

static int on_layer_row(const struct hoy_store_layer *row, void *userdata, struct hoy_err *err)
{
	struct hoy_images *images = userdata;
	struct layer *parent = NULL, *layer = hoy_images_layer(images, row->chain_id);

	if (*row->parent) {
		parent = hoy_images_layer(images, row->parent);
		if (!parent)
			return hoy_err_set(err, HOY_ERR_SYSTEM, EUCLEAN, "layer %lld has no parent in the store",
				(long long) row->number);
	}
	if (!layer)
		layer = hoy_images_layer_add(images, row->chain_id, row->diff_id, parent, row->number, row->size);
	if (!layer)
		return hoy_err_oom(err);
	layer->stored = true;
	return 0;
}

static int on_image_row(const struct hoy_store_image *row, void *userdata, struct hoy_err *err)
{
	struct hoy_images *images = userdata;
	struct new_image new = {
		.id = row->id,
		.media_type = row->media_type,
		.manifest = row->manifest,
		.config = row->config,
		.parent = row->parent,
		.created = row->created,
	};
	struct image *image;

	if (*row->chain_id) {
		new.top = hoy_images_layer(images, row->chain_id);
		if (!new.top)
			return hoy_err_set(
				err, HOY_ERR_SYSTEM, EUCLEAN, "image %s has no layers in the store", row->id);
	}
	return image_enter(images, &new, &image, err);
}

static int on_image_blob_row(const char *id, const char *digest, void *userdata, struct hoy_err *err)
{
	struct image *image = hoy_images_by_id(userdata, id);
	struct blob *blob = hoy_images_blob(userdata, digest), **blobs;

	if (!image || !blob)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EUCLEAN, "blob %s of image %s", digest, id);
	blobs = reallocarray(image->blobs, image->n_blobs + 1, sizeof *blobs);
	if (!blobs)
		return hoy_err_oom(err);
	image->blobs = blobs;
	image->blobs[image->n_blobs++] = blob;
	hoy_images_blob_ref(blob);
	return 0;
}

static int name_enter(
	struct hoy_images *images, const char *reference, struct image *image, int64_t tagged, struct hoy_err *err)
{
	auto_ptr(name_free) struct name *name = calloc(1, sizeof *name);
	size_t at;

	if (!name)
		return hoy_err_oom(err);
	name->reference = strdup(reference);
	name->image = image;
	name->tagged = tagged;
	if (!name->reference || append(&images->names, &images->n_names, name) < 0)
		return hoy_err_oom(err);
	for (at = images->n_names - 1; at > 0 && strcmp(images->names[at - 1]->reference, reference) > 0; at--)
		images->names[at] = images->names[at - 1];
	images->names[at] = TAKE_PTR(name);
	return 0;
}

static int on_name_row(const struct hoy_store_name *row, void *userdata, struct hoy_err *err)
{
	struct image *image = hoy_images_by_id(userdata, row->image);

	if (!image)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EUCLEAN, "name '%s' of no image", row->reference);
	return name_enter(userdata, row->reference, image, row->tagged, err);
}

int hoy_images_model_load(struct hoy_images *images, struct hoy_err *err)
{
	struct hoy_store *store = images->options.store;
	int r = hoy_store_blobs_each(store, on_blob_row, images, err);

	if (r == 0)
		r = hoy_store_layers_each(store, on_layer_row, images, err);
	if (r == 0)
		r = hoy_store_images_each(store, on_image_row, images, err);
	if (r == 0)
		r = hoy_store_image_blobs_each(store, on_image_blob_row, images, err);
	if (r == 0)
		r = hoy_store_names_each(store, on_name_row, images, err);
	for (size_t i = 0; r == 0 && i < images->n_images; i++) {
		set_size(images->images[i]);
		r = update_names(images, images->images[i], err);
	}
	return r < 0 ? hoy_err_wrap(err, "read the images") : 0;
}

/* Takes images and names out; blobs and layers stay as long as jobs and holders count on them. */
static void forget_images(struct hoy_images *images)
{
	for (size_t i = 0; i < images->n_names; i++)
		name_free(images->names[i]);
	for (size_t i = 0; i < images->n_images; i++) {
		struct image *image = images->images[i];

		for (size_t k = 0; k < image->n_blobs; k++)
			image->blobs[k]->refs--;
		if (image->top)
			image->top->refs--;
		image_free(image);
	}
	images->n_names = images->n_images = 0;
}

static void forget_unused(struct hoy_images *images)
{
	bool found = true;

	for (size_t i = images->n_blobs; i-- > 0;) {
		struct blob *blob = images->blobs[i];

		blob->stored = false;
		if (blob->refs == 0) {
			take_out(&images->blobs, &images->n_blobs, blob);
			blob_free(blob);
		}
	}
	for (size_t i = 0; i < images->n_layers; i++)
		images->layers[i]->stored = false;
	while (found) {
		found = false;
		for (size_t i = images->n_layers; i-- > 0;) {
			struct layer *layer = images->layers[i];

			if (layer->refs > 0 || layer->holds > 0)
				continue;
			if (layer->parent)
				layer->parent->refs--;
			take_out(&images->layers, &images->n_layers, layer);
			layer_free(layer);
			found = true;
		}
	}
}

/* What jobs and holders count on stays, as not stored. */
static void model_clear(struct hoy_images *images)
{
	forget_images(images);
	forget_unused(images);
}

static void drop_events(struct hoy_images *images);

void hoy_images_model_free(struct hoy_images *images)
{
	images->closing = true;
	for (size_t i = 0; i < images->n_layers; i++)
		images->layers[i]->holds = 0;
	model_clear(images);
	for (size_t i = 0; i < images->n_blobs; i++) /* those that the build cache counts on */
		blob_free(images->blobs[i]);
	free(images->blobs);
	free(images->layers);
	free(images->images);
	free(images->names);
	drop_events(images);
}

void hoy_images_model_reload(struct hoy_images *images)
{
	struct hoy_err err = { 0 };

	model_clear(images);
	if (hoy_images_model_load(images, &err) < 0)
		hoy_log_err(&err, "images");
}

/* --- commits --- */

/* A row may be there again: deleted inside a bracket that was rolled back, or added anew. */
static void trash_gone(struct hoy_images *images)
{
	for (char **layer = images->gone_layers; layer && *layer; layer++)
		if (!hoy_images_layer_is_known(images, *layer))
			hoy_images_trash(images, images->layers_fd, *layer);
	for (char **digest = images->gone_blobs; digest && *digest; digest++)
		if (!hoy_images_blob(images, *digest))
			hoy_images_trash(images, images->blobs_fd, *digest + strlen("sha256:"));
}

/* Takes the list over first: a listener may change images again. */
static void deliver_events(struct hoy_images *images)
{
	struct event *events = TAKE_PTR(images->events);
	size_t n = images->n_events;

	images->n_events = 0;
	for (size_t i = 0; i < n; i++) {
		if (images->options.event)
			images->options.event(events[i].action, events[i].id, events[i].name, images->options.userdata);
		free(events[i].id);
		free(events[i].name);
	}
	free(events);
}

static void drop_events(struct hoy_images *images)
{
	for (size_t i = 0; i < images->n_events; i++) {
		free(images->events[i].id);
		free(images->events[i].name);
	}
	free(images->events);
	images->events = NULL;
	images->n_events = 0;
}

/* An event that there is no memory for is lost. */
void hoy_images_tell(struct hoy_images *images, const char *action, const char *id, const char *name)
{
	struct event *events = reallocarray(images->events, images->n_events + 1, sizeof *events);
	struct event event = { .action = action, .id = strdup(id), .name = strdup(name) };

	if (events)
		images->events = events;
	if (!events || !event.id || !event.name) {
		free(event.id);
		free(event.name);
		return;
	}
	events[images->n_events++] = event;
}

static void on_commit(void *userdata, const struct hoy_err *failed)
{
	struct hoy_images *images = userdata;

	images->commit_watched = false;
	if (failed)
		hoy_images_model_reload(images);
	else
		trash_gone(images);
	hoy_strv_free(images->gone_layers);
	hoy_strv_free(images->gone_blobs);
	images->gone_layers = images->gone_blobs = NULL;
	if (failed)
		drop_events(images);
	else
		deliver_events(images);
}

int hoy_images_watch_commit(struct hoy_images *images, struct hoy_err *err)
{
	int r;

	if (images->commit_watched)
		return 0;
	r = hoy_store_after_commit(images->options.store, on_commit, images, err);
	if (r == 0)
		images->commit_watched = true;
	return r;
}

/* --- users of layers and blobs --- */

void hoy_images_layer_ref(struct layer *layer)
{
	layer->refs++;
}

/* Rows go at once, files after the commit; what never had a row goes at once. Should the delete fail, the sweep of the
 * next start finds the row without users. */
static void layer_remove(struct hoy_images *images, struct layer *layer)
{
	char name[LAYER_NAME_MAX];
	struct hoy_err err = { 0 };

	hoy_images_layer_name(layer->number, name);
	if (!layer->stored)
		hoy_images_trash(images, images->layers_fd, name);
	else if (hoy_images_watch_commit(images, &err) < 0 ||
		 hoy_store_layer_delete(images->options.store, layer->number, &err) < 0)
		hoy_log_ignored(&err, "remove layer %s", layer->chain_id);
	else if (hoy_strv_add(&images->gone_layers, name) < 0)
		hoy_log_warn("remove layer %s: out of memory, ignoring", layer->chain_id);
	take_out(&images->layers, &images->n_layers, layer);
}

static void layer_check(struct hoy_images *images, struct layer *layer)
{
	while (layer && layer->refs == 0 && layer->holds == 0) {
		struct layer *parent = layer->parent;

		layer_remove(images, layer);
		layer_free(layer);
		layer = parent;
		if (layer)
			layer->refs--;
	}
}

void hoy_images_layer_unref(struct hoy_images *images, struct layer *layer)
{
	layer->refs--;
	if (!images->closing)
		layer_check(images, layer);
}

void hoy_images_blob_ref(struct blob *blob)
{
	blob->refs++;
}

void hoy_images_blob_unref(struct hoy_images *images, struct blob *blob)
{
	struct hoy_err err = { 0 };

	if (--blob->refs > 0 || images->closing)
		return;
	if (!blob->stored)
		hoy_images_trash(images, images->blobs_fd, blob->digest + strlen("sha256:"));
	else if (hoy_images_watch_commit(images, &err) < 0 ||
		 hoy_store_blob_delete(images->options.store, blob->digest, &err) < 0)
		hoy_log_ignored(&err, "remove blob %s", blob->digest);
	else if (hoy_strv_add(&images->gone_blobs, blob->digest) < 0)
		hoy_log_warn("remove blob %s: out of memory, ignoring", blob->digest);
	take_out(&images->blobs, &images->n_blobs, blob);
	blob_free(blob);
}

int hoy_layers_hold(struct hoy_images *images, const char *chain_id, struct hoy_err *err)
{
	struct layer *layer;

	if (!*chain_id)
		return 0;
	layer = hoy_images_layer(images, chain_id);
	if (!layer)
		return hoy_err_not_found(err, "no such layer: %s", chain_id);
	layer->holds++;
	return 0;
}

void hoy_layers_release(struct hoy_images *images, const char *chain_id)
{
	struct layer *layer = *chain_id ? hoy_images_layer(images, chain_id) : NULL;

	if (!layer || layer->holds == 0)
		return;
	layer->holds--;
	layer_check(images, layer);
}

/* --- writing --- */

int hoy_images_layers_store(struct hoy_images *images, struct layer *layer, struct hoy_err *err)
{
	struct hoy_store_layer row;
	int r;

	if (!layer || layer->stored)
		return 0;
	r = hoy_images_layers_store(images, layer->parent, err);
	if (r < 0)
		return r;
	row = (struct hoy_store_layer){
		.number = layer->number,
		.chain_id = layer->chain_id,
		.diff_id = layer->diff_id,
		.parent = layer->parent ? layer->parent->chain_id : "",
		.size = layer->size,
	};
	r = hoy_store_layer_add(images->options.store, &row, err);
	if (r < 0)
		return r;
	layer->stored = true;
	return 0;
}

static int store_blobs(struct hoy_images *images, const struct new_image *new, struct hoy_err *err)
{
	struct hoy_store *store = images->options.store;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < new->n_blobs; i++) {
		if (!new->blobs[i]->stored)
			r = hoy_store_blob_add(store, new->blobs[i]->digest, new->blobs[i]->size, err);
		if (r >= 0) {
			new->blobs[i]->stored = true;
			r = hoy_store_image_blob_add(store, new->id, new->blobs[i]->digest, err);
		}
	}
	return r;
}

int hoy_images_add(struct hoy_images *images, const struct new_image *image, struct image **ret, struct hoy_err *err)
{
	const struct hoy_store_image row = {
		.id = image->id,
		.media_type = image->media_type,
		.manifest = image->manifest,
		.config = image->config,
		.chain_id = image->top ? image->top->chain_id : "",
		.parent = image->parent ? image->parent : "",
		.created = image->created,
	};
	struct image *there = hoy_images_by_id(images, image->id);
	int r;

	if (there) {
		*ret = there;
		return 0;
	}
	r = hoy_images_watch_commit(images, err);
	if (r == 0)
		r = hoy_images_layers_store(images, image->top, err);
	if (r >= 0)
		r = hoy_store_image_add(images->options.store, &row, err);
	if (r >= 0)
		r = store_blobs(images, image, err);
	return r < 0 ? r : image_enter(images, image, ret, err);
}

int hoy_images_delete(struct hoy_images *images, struct image *image, struct hoy_err *err)
{
	int r = hoy_images_watch_commit(images, err);

	if (r == 0)
		r = hoy_store_image_delete(images->options.store, image->pub.id, err);
	if (r < 0)
		return r;
	for (size_t i = images->n_names; i-- > 0;) {
		struct name *name = images->names[i];

		if (name->image == image) {
			take_out(&images->names, &images->n_names, name);
			name_free(name);
		}
	}
	take_out(&images->images, &images->n_images, image);
	for (size_t i = 0; i < image->n_blobs; i++)
		hoy_images_blob_unref(images, image->blobs[i]);
	if (image->top)
		hoy_images_layer_unref(images, image->top);
	image_free(image);
	return 0;
}

int hoy_images_name_set(struct hoy_images *images, const char *reference, struct image *image, struct hoy_err *err)
{
	struct name *name = hoy_images_name(images, reference);
	struct hoy_store_name row = { .reference = reference, .image = image->pub.id };
	struct image *before = name ? name->image : NULL;
	struct timespec now;
	int r;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	row.tagged = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
	r = hoy_images_watch_commit(images, err);
	if (r == 0)
		r = hoy_store_name_set(images->options.store, &row, err);
	if (r < 0)
		return r;
	if (name) {
		name->image = image;
		name->tagged = row.tagged;
	} else {
		r = name_enter(images, reference, image, row.tagged, err);
		if (r < 0)
			return r;
	}
	r = before ? update_names(images, before, err) : 0;
	return r < 0 ? r : update_names(images, image, err);
}

int hoy_images_name_delete(struct hoy_images *images, struct name *name, struct hoy_err *err)
{
	struct image *image = name->image;
	int r = hoy_images_watch_commit(images, err);

	if (r == 0)
		r = hoy_store_name_delete(images->options.store, name->reference, err);
	if (r < 0)
		return r;
	take_out(&images->names, &images->n_names, name);
	name_free(name);
	return update_names(images, image, err);
}
