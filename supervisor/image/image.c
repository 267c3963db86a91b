/* Finding, listing, naming and removing images. */
#include "supervisor/image/image.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/image_internal.h"
#include "supervisor/image/job.h"
#include "supervisor/image/layer_run.h"
#include "libocispec/reference.h"
#include "supervisor/store/images.h"
#include "supervisor/store/store.h"

#define HEX_MAX 64

int hoy_images_parse_platform(const char *text, char **ret_arch, char **ret_variant, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text && *text ? text : "linux", '/');
	size_t n = parts ? hoy_strv_len(parts) : 0;

	if (!parts)
		return hoy_err_oom(err);
	if (n > 3 || !*parts[0])
		return hoy_err_invalid(err, "'%s': not a platform (os[/arch[/variant]])", text);
	if (strcmp(parts[0], "linux") != 0)
		return hoy_err_unsupported(err, "operating system is not supported: '%s'", parts[0]);
	*ret_arch = strdup(n > 1 ? hoy_oci_arch_normalize(parts[1]) : hoy_oci_arch_host());
	*ret_variant = n > 2 ? strdup(parts[2]) : NULL;
	return *ret_arch && (n < 3 || *ret_variant) ? 0 : hoy_err_oom(err);
}

/* --- open, close --- */

static int open_all(struct hoy_images *images, struct hoy_err *err)
{
	int r = 0;

	if (images->options.helper)
		images->helper = strdup(images->options.helper);
	else
		r = hoy_helper_find("hoy-layer", HOY_HELPER_LIBEXEC, &images->helper, err);
	images->options.helper = NULL;
	if (r == 0 && !images->helper)
		return hoy_err_oom(err);
	if (r == 0)
		r = hoy_images_files_open(images, err);
	if (r == 0)
		r = hoy_store_images_migrate(images->options.store, err);
	if (r == 0)
		r = hoy_images_model_load(images, err);
	return r < 0 ? r : hoy_images_files_sweep(images, err);
}

int hoy_images_open(const struct hoy_images_options *options, struct hoy_images **ret, struct hoy_err *err)
{
	auto_ptr(hoy_images_free) struct hoy_images *images = calloc(1, sizeof *images);
	int r;

	if (!images)
		return hoy_err_oom(err);
	images->options = *options;
	images->root_fd = images->layers_fd = images->blobs_fd = images->downloads_fd = images->tmp_fd =
		images->trash_fd = -EBADF;
	images->next_layer = 1;
	images->options.data_root = strdup(options->data_root);
	if (!images->options.data_root)
		return hoy_err_oom(err);
	r = open_all(images, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(images);
	return 0;
}

void hoy_images_free(struct hoy_images *images)
{
	struct hoy_err err = { 0 };

	if (!images)
		return;
	hoy_images_end_jobs(images);
	if (images->commit_watched && hoy_store_flush(images->options.store, &err) < 0)
		hoy_log_ignored(&err, "close the images");
	images->trash_waits = false;
	images->remover = hoy_layer_run_free(images->remover);
	hoy_images_model_free(images);
	hoy_strv_free(images->gone_blobs);
	hoy_strv_free(images->gone_layers);
	hoy_images_files_close(images);
	free(images->helper);
	hoy_strv_free(images->plain_hosts);
	free((char *) (uintptr_t) images->options.data_root);
	free(images);
}

void hoy_images_set_callbacks(struct hoy_images *images,
	void (*in_use)(const char *image_id, struct hoy_image_user *ret, void *userdata),
	void (*event)(const char *action, const char *image_id, const char *name, void *userdata), void *userdata)
{
	images->options.in_use = in_use;
	images->options.event = event;
	images->options.userdata = userdata;
}

int hoy_images_sweep(struct hoy_images *images, struct hoy_err *err)
{
	int r = hoy_images_watch_commit(images, err);

	/* A reference more and less: the last user's going removes. Going down from the top of the list, a layer's
	 * parent may go with it. */
	for (size_t i = images->n_layers; r == 0 && i-- > 0;) {
		if (i >= images->n_layers || images->layers[i]->refs > 0)
			continue;
		hoy_images_layer_ref(images->layers[i]);
		hoy_images_layer_unref(images, images->layers[i]);
	}
	for (size_t i = images->n_blobs; r == 0 && i-- > 0;) {
		if (images->blobs[i]->refs > 0)
			continue;
		hoy_images_blob_ref(images->blobs[i]);
		hoy_images_blob_unref(images, images->blobs[i]);
	}
	return r;
}

/* --- find --- */

static bool is_hex(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= HEX_MAX && strspn(text, "0123456789abcdef") == len;
}

static const char *hex_of(const char *id)
{
	const char *colon = strchr(id, ':');

	return colon ? colon + 1 : id;
}

/* "name@digest" is known as such, or the image of that digest has the name with some tag. */
static struct image *find_by_digest(struct hoy_images *images, const struct hoy_reference *ref, const char *whole)
{
	struct name *name = hoy_images_name(images, whole);
	auto_free char *plain = hoy_reference_name(ref);
	size_t len;

	if (name || !plain)
		return name ? name->image : NULL;
	len = strlen(plain);
	for (size_t i = 0; i < images->n_names; i++) {
		name = images->names[i];
		if (strcmp(name->image->pub.id, ref->digest) == 0 && strncmp(name->reference, plain, len) == 0 &&
			(name->reference[len] == ':' || name->reference[len] == '@'))
			return name->image;
	}
	return NULL;
}

/* *ret is NULL when there is none of that name. A tag beside a digest does not count. */
static int find_by_reference(struct hoy_images *images, struct hoy_reference *ref, struct image **ret,
	struct name **ret_name, struct hoy_err *err)
{
	auto_free char *whole = NULL;

	if (ref->digest) {
		free(ref->tag);
		ref->tag = NULL;
	}
	if (hoy_reference_default_tag(ref) < 0)
		return hoy_err_oom(err);
	whole = hoy_reference_to_string(ref);
	if (!whole)
		return hoy_err_oom(err);
	*ret_name = hoy_images_name(images, whole);
	if (ref->digest)
		*ret = find_by_digest(images, ref, whole);
	else
		*ret = *ret_name ? (*ret_name)->image : NULL;
	return 0;
}

static int find_by_prefix(struct hoy_images *images, const char *name, struct image **ret, struct hoy_err *err)
{
	const char *hex = hoy_str_starts(name, "sha256:") ? name + strlen("sha256:") : name;
	struct image *found = NULL;

	*ret = NULL;
	if (!is_hex(hex))
		return 0;
	for (size_t i = 0; i < images->n_images; i++) {
		if (strncmp(hex_of(images->images[i]->pub.id), hex, strlen(hex)) != 0)
			continue;
		if (found)
			return hoy_err_invalid(err, "ambiguous image ID prefix: %s", name);
		found = images->images[i];
	}
	*ret = found;
	return 0;
}

static int no_such_image(const char *shown, struct hoy_err *err)
{
	return hoy_err_not_found(err, "No such image: %s", shown);
}

int hoy_images_lookup(
	struct hoy_images *images, const char *text, struct image **ret, struct name **ret_name, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *shown = NULL;
	struct hoy_err parse_err = { 0 };
	bool is_name = !hoy_digest_is_valid(text) && hoy_reference_parse(text, &ref, &parse_err) == 0;
	int r;

	*ret = NULL;
	*ret_name = NULL;
	r = is_name ? find_by_reference(images, &ref, ret, ret_name, err) : 0;
	if (r == 0 && !*ret)
		r = find_by_prefix(images, text, ret, err);
	if (r < 0 || *ret)
		return r;
	if (is_name) {
		shown = hoy_reference_familiar(&ref);
		return no_such_image(shown ? shown : text, err);
	}
	if (is_hex(hex_of(text)) && strlen(hex_of(text)) == HEX_MAX)
		return no_such_image(text, err);
	return hoy_err_import(err, &parse_err);
}

int hoy_images_find(struct hoy_images *images, const char *name, const struct hoy_image **ret, struct hoy_err *err)
{
	struct image *image;
	struct name *row;
	int r = hoy_images_lookup(images, name, &image, &row, err);

	if (r < 0)
		return r;
	*ret = &image->pub;
	return 0;
}

int hoy_image_config(struct hoy_images *images, const struct hoy_image *image, const struct hoy_oci_image_config **ret,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct image *own = (struct image *) (uintptr_t) image;
	int r;

	if (!own->doc) {
		r = hoy_images_read_blob(images, image->config, &text, err);
		if (r == 0)
			r = hoy_oci_image_config_parse(text.data ? text.data : "", text.len, &own->doc, err);
		if (r < 0)
			return hoy_err_wrap(err, "config of image %s", image->id);
	}
	*ret = own->doc;
	return 0;
}

bool hoy_image_is_for(const struct hoy_oci_image_config *config, const char *platform)
{
	auto_free char *architecture = NULL, *variant = NULL;
	const char *own = config->architecture ? config->architecture : hoy_oci_arch_host();

	return hoy_images_parse_platform(platform, &architecture, &variant, /* err= */ NULL) == 0 &&
	       strcmp(hoy_oci_arch_normalize(own), architecture) == 0 &&
	       (!variant || !config->variant || strcmp(variant, config->variant) == 0);
}

int hoy_image_has_other_platforms(
	struct hoy_images *images, const struct hoy_image *image, bool *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	int r;

	*ret = false;
	if (hoy_oci_media_kind(image->media_type) != HOY_OCI_MEDIA_KIND_INDEX)
		return 0;
	r = hoy_images_read_blob(images, image->id, &text, err);
	if (r == 0)
		r = hoy_oci_index_parse(text.data ? text.data : "", text.len, &index, err);
	for (size_t i = 0; r == 0 && i < index->n_manifests; i++)
		*ret = *ret || (strcmp(index->manifests[i].digest, image->manifest) != 0 &&
				       hoy_images_blob(images, index->manifests[i].digest));
	return r;
}

int hoy_image_layer_sizes(const struct hoy_image *image, int64_t **ret, struct hoy_err *err)
{
	const struct image *own = (const struct image *) image;
	size_t i = hoy_strv_len(image->diff_ids);
	int64_t *sizes = calloc(i + 1, sizeof *sizes);

	if (!sizes)
		return hoy_err_oom(err);
	for (const struct layer *layer = own->top; layer; layer = layer->parent)
		sizes[--i] = layer->size;
	*ret = sizes;
	return 0;
}

/* --- list --- */

static bool has_matching_name(struct hoy_images *images, const struct image *image, char *const *patterns)
{
	for (size_t i = 0; i < images->n_names; i++)
		if (images->names[i]->image == image &&
			hoy_reference_text_matches(images->names[i]->reference, patterns))
			return true;
	return false;
}

static bool has_label(const struct hoy_oci_image_config *config, const char *wanted)
{
	size_t key = strcspn(wanted, "=");

	for (size_t i = 0; config->config && i < config->config->n_labels; i++) {
		const struct hoy_oci_kv *label = &config->config->labels[i];

		if (strlen(label->key) == key && strncmp(label->key, wanted, key) == 0)
			return !wanted[key] || strcmp(label->value, wanted + key + 1) == 0;
	}
	return false;
}

static int check_labels(struct hoy_images *images, struct image *image, const struct hoy_image_filter *filter,
	bool *ret, struct hoy_err *err)
{
	const struct hoy_oci_image_config *config;
	int r = hoy_image_config(images, &image->pub, &config, err);

	*ret = r == 0;
	for (char *const *label = filter->labels; r == 0 && label && *label; label++)
		*ret = *ret && has_label(config, *label);
	for (char *const *label = filter->not_labels; r == 0 && label && *label; label++)
		*ret = *ret && !has_label(config, *label);
	return r;
}

/* Times that `before` and `since` stand for. */
struct window {
	int64_t before, since; /* 0: no bound */
};

static int find_window(
	struct hoy_images *images, const struct hoy_image_filter *filter, struct window *ret, struct hoy_err *err)
{
	const struct hoy_image *image;
	int r;

	*ret = (struct window){ .before = filter->until };
	if (filter->before) {
		r = hoy_images_find(images, filter->before, &image, err);
		if (r < 0)
			return r;
		if (ret->before == 0 || image->created < ret->before)
			ret->before = image->created;
	}
	if (filter->since) {
		r = hoy_images_find(images, filter->since, &image, err);
		if (r < 0)
			return r;
		ret->since = image->created;
	}
	return 0;
}

static int passes(struct hoy_images *images, struct image *image, const struct hoy_image_filter *filter,
	const struct window *window, bool *ret, struct hoy_err *err)
{
	bool dangling = !*image->pub.repo_tags; /* a digest alone is no name that anybody gave */

	*ret = false;
	if (filter->dangling && *filter->dangling != dangling)
		return 0;
	if (window->before && image->pub.created >= window->before)
		return 0;
	if (filter->since && image->pub.created <= window->since)
		return 0;
	if (filter->references && *filter->references && !has_matching_name(images, image, filter->references))
		return 0;
	*ret = true;
	if ((!filter->labels || !*filter->labels) && (!filter->not_labels || !*filter->not_labels))
		return 0;
	return check_labels(images, image, filter, ret, err);
}

static int newest_first(const void *a, const void *b)
{
	const struct hoy_image *x = *(const struct hoy_image *const *) a, *y = *(const struct hoy_image *const *) b;

	if (x->created != y->created)
		return x->created > y->created ? -1 : 1;
	return strcmp(x->id, y->id);
}

int hoy_images_list(struct hoy_images *images, const struct hoy_image_filter *filter, const struct hoy_image ***ret,
	size_t *ret_n, struct hoy_err *err)
{
	static const struct hoy_image_filter none = { 0 };
	auto_free const struct hoy_image **list = calloc(images->n_images + 1, sizeof *list);
	struct window window;
	size_t n = 0;
	int r;

	if (!list)
		return hoy_err_oom(err);
	r = find_window(images, filter ? filter : &none, &window, err);
	for (size_t i = 0; r == 0 && i < images->n_images; i++) {
		bool pass;

		r = passes(images, images->images[i], filter ? filter : &none, &window, &pass, err);
		if (r == 0 && pass)
			list[n++] = &images->images[i]->pub;
	}
	if (r < 0)
		return r;
	qsort(list, n, sizeof(const struct hoy_image *), newest_first);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}

/* --- layers --- */

int hoy_layers_paths(struct hoy_images *images, const char *chain_id, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;
	const struct layer *layer = NULL;
	char name[LAYER_NAME_MAX];

	if (*chain_id) {
		layer = hoy_images_layer(images, chain_id);
		if (!layer)
			return hoy_err_not_found(err, "no such layer: %s", chain_id);
	} else if (hoy_strv_addf(&paths, "%s/l/0", images->options.data_root) < 0) {
		return hoy_err_oom(err);
	}
	for (; layer; layer = layer->parent) {
		hoy_images_layer_name(layer->number, name);
		if (hoy_strv_addf(&paths, "%s/l/%s", images->options.data_root, name) < 0)
			return hoy_err_oom(err);
	}
	*ret = TAKE_PTR(paths);
	return 0;
}

/* --- tag --- */

int hoy_images_tag(struct hoy_images *images, const char *name, const char *reference, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *whole = NULL, *familiar = NULL;
	struct image *image;
	struct name *row;
	int r = hoy_images_lookup(images, name, &image, &row, err);

	if (r == 0)
		r = hoy_reference_parse(reference, &ref, err);
	if (r < 0)
		return r;
	if (ref.digest)
		return hoy_err_invalid(err, "refusing to create a tag with a digest reference");
	if (hoy_reference_default_tag(&ref) < 0)
		return hoy_err_oom(err);
	whole = hoy_reference_to_string(&ref);
	familiar = hoy_reference_familiar(&ref);
	if (!whole || !familiar)
		return hoy_err_oom(err);
	r = hoy_images_name_set(images, whole, image, err);
	if (r == 0)
		hoy_images_tell(images, "tag", image->pub.id, familiar);
	return r;
}
