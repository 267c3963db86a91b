/* From documents to a plan. What names a blob must name one that the archive holds, with the digest it says. */
#include "supervisor/image/archive_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "libocispec/reference.h"
#include "supervisor/worker/layer/protocol.h"

#define MAX_DOCUMENT ((size_t) 4 << 20)
#define MAX_IMAGES 1000
#define MAX_LAYERS HOY_LAYER_MAX_LOWERS
#define MAX_LINKS 16
#define MAX_INDEX_DEPTH 3
#define NAME_ANNOTATION "io.containerd.image.name"
#define TAG_ANNOTATION "org.opencontainers.image.ref.name"

struct planning {
	const struct archive_entries *entries;
	archive_reader read;
	void *userdata;
	const char *architecture, *variant; /* of what an index is asked for; NULL: the host's */
	bool only;                          /* and nothing else */
	struct archive_plan plan;
};

/* --- entries --- */

int hoy_archive_entries_add(struct archive_entries *entries, const struct archive_entry_info *entry)
{
	struct archive_entry_info *items = entries->items, copy = *entry;

	if (entries->n == entries->size) {
		size_t size = entries->size ? 2 * entries->size : 32;

		items = reallocarray(items, size, sizeof *items);
		if (!items)
			return -ENOMEM;
		entries->items = items;
		entries->size = size;
	}
	copy.name = strdup(entry->name);
	copy.target = entry->target ? strdup(entry->target) : NULL;
	if (!copy.name || (entry->target && !copy.target)) {
		free(copy.name);
		free(copy.target);
		return -ENOMEM;
	}
	items[entries->n++] = copy;
	return 0;
}

void hoy_archive_entries_done(struct archive_entries *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		free(entries->items[i].name);
		free(entries->items[i].target);
	}
	free(entries->items);
	*entries = (struct archive_entries){ 0 };
}

const struct archive_entry_info *hoy_archive_entry(const struct archive_entries *entries, const char *name)
{
	for (int links = 0; links < MAX_LINKS; links++) {
		const struct archive_entry_info *found = NULL;

		for (size_t i = entries->n; !found && i-- > 0;)
			if (strcmp(entries->items[i].name, name) == 0)
				found = &entries->items[i];
		if (!found || !found->target)
			return found;
		name = found->target;
	}
	return NULL;
}

const struct archive_entry_info *hoy_archive_entry_by_digest(const struct archive_entries *entries, const char *digest)
{
	for (size_t i = 0; i < entries->n; i++)
		if (!entries->items[i].target && strcmp(entries->items[i].digest, digest) == 0)
			return &entries->items[i];
	return NULL;
}

/* --- plan --- */

static void image_done(struct plan_image *image)
{
	free(image->media_type);
	free(image->made);
	hoy_strv_free(image->names);
	free(image->layers);
	free(image->blobs);
}

void hoy_archive_plan_done(struct archive_plan *plan)
{
	for (size_t i = 0; i < plan->n_images; i++)
		image_done(&plan->images[i]);
	free(plan->images);
	*plan = (struct archive_plan){ 0 };
}

void hoy_archive_chain_id(const char *parent, const char *diff_id, char ret[DIGEST_MAX])
{
	char both[2 * DIGEST_MAX + 1];

	if (!*parent) {
		(void) snprintf(ret, DIGEST_MAX, "%s", diff_id);
		return;
	}
	(void) snprintf(both, sizeof both, "%s %s", parent, diff_id);
	hoy_sha256_digest(both, strlen(both), ret);
}

static int add_image(struct planning *p, struct plan_image **ret, struct hoy_err *err)
{
	struct plan_image *images;

	if (p->plan.n_images == MAX_IMAGES)
		return hoy_err_invalid(err, "more than %d images in one archive", MAX_IMAGES);
	images = reallocarray(p->plan.images, p->plan.n_images + 1, sizeof *images);
	if (!images)
		return hoy_err_oom(err);
	p->plan.images = images;
	*ret = &images[p->plan.n_images++];
	**ret = (struct plan_image){ 0 };
	return 0;
}

static int add_blob(struct plan_image *image, const char *digest, int64_t size, struct hoy_err *err)
{
	struct plan_blob *blobs;

	for (size_t i = 0; i < image->n_blobs; i++)
		if (strcmp(image->blobs[i].digest, digest) == 0)
			return 0;
	blobs = reallocarray(image->blobs, image->n_blobs + 1, sizeof *blobs);
	if (!blobs)
		return hoy_err_oom(err);
	image->blobs = blobs;
	(void) snprintf(blobs[image->n_blobs].digest, DIGEST_MAX, "%s", digest);
	blobs[image->n_blobs++].size = size;
	return 0;
}

static int add_name(struct plan_image *image, const char *text, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *whole = NULL;
	int r = hoy_reference_parse(text, &ref, err);

	if (r < 0)
		return hoy_err_wrap(err, "image name '%.200s'", text);
	if (ref.digest)
		return hoy_err_invalid(err, "image name '%s': a digest is no name of an archived image", text);
	if (hoy_reference_default_tag(&ref) < 0)
		return hoy_err_oom(err);
	whole = hoy_reference_to_string(&ref);
	if (!whole)
		return hoy_err_oom(err);
	if (image->names && hoy_strv_has(image->names, whole))
		return 0;
	return hoy_strv_add(&image->names, whole) < 0 ? hoy_err_oom(err) : 0;
}

static int read_document(
	struct planning *p, const struct archive_entry_info *entry, struct hoy_buf *buf, struct hoy_err *err)
{
	hoy_buf_init(buf, MAX_DOCUMENT + 1);
	if (entry->size > (int64_t) MAX_DOCUMENT)
		return hoy_err_invalid(err, "'%s' is larger than %zu bytes", entry->name, MAX_DOCUMENT);
	if (p->read(entry, buf, p->userdata, err) < 0)
		return hoy_err_wrap(err, "read '%s'", entry->name);
	return hoy_buf_addc(buf, '\0') < 0 ? hoy_err_oom(err) : 0;
}

static size_t text_len(const struct hoy_buf *buf)
{
	return buf->len - 1;
}

/* --- config --- */

static int64_t parse_created(const char *text)
{
	struct timespec ts;

	if (!text || hoy_time_parse(text, &ts) < 0 || ts.tv_sec < 0 || ts.tv_sec > INT64_MAX / 1000000000 - 1)
		return 0;
	return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool is_wanted(const struct planning *p, const struct hoy_oci_image_config *config)
{
	const char *architecture = config->architecture ? config->architecture : hoy_oci_arch_host();

	return !p->only || (strcmp(hoy_oci_arch_normalize(architecture), p->architecture) == 0 &&
				   (!p->variant || !config->variant || strcmp(p->variant, config->variant) == 0));
}

static int check_platform(const struct planning *p, const struct hoy_oci_image_config *config, struct hoy_err *err)
{
	if (config->os && *config->os && strcmp(config->os, "linux") != 0)
		return hoy_err_unsupported(
			err, "image operating system \"%s\" cannot be used on this platform: linux", config->os);
	if (!is_wanted(p, config))
		return hoy_err_not_found(err,
			"the image is for linux/%s, not for the specified platform (linux/%s%s%s)",
			config->architecture ? config->architecture : "", p->architecture, p->variant ? "/" : "",
			p->variant ? p->variant : "");
	return 0;
}

/* diff IDs and chain IDs, for `n` layers whose blobs the manifest names. */
static int take_config(struct planning *p, struct plan_image *image, const struct hoy_oci_image_config *config,
	size_t n, struct hoy_err *err)
{
	size_t n_ids = hoy_strv_len(config->rootfs.diff_ids);
	int r = check_platform(p, config, err);

	if (r < 0)
		return r;
	if (n_ids != n)
		return hoy_err_invalid(err, "the config has %zu layers, the manifest %zu", n_ids, n);
	if (n > MAX_LAYERS)
		return hoy_err_invalid(err, "more than %d layers: max depth exceeded", MAX_LAYERS);
	image->created = parse_created(config->created);
	image->layers = calloc(n + 1, sizeof *image->layers);
	if (!image->layers)
		return hoy_err_oom(err);
	image->n_layers = n;
	for (size_t i = 0; i < n; i++) {
		if (!hoy_digest_is_valid(config->rootfs.diff_ids[i]))
			return hoy_err_invalid(err, "rootfs.diff_ids[%zu]: not a sha256 digest", i);
		(void) snprintf(image->layers[i].diff_id, DIGEST_MAX, "%s", config->rootfs.diff_ids[i]);
		hoy_archive_chain_id(
			i ? image->layers[i - 1].chain_id : "", image->layers[i].diff_id, image->layers[i].chain_id);
	}
	return 0;
}

static int read_config(struct planning *p, struct plan_image *image, const struct archive_entry_info *entry, size_t n,
	struct hoy_err *err)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = read_document(p, entry, &text, err);

	if (r == 0)
		r = hoy_oci_image_config_parse(text.data, text_len(&text), &config, err);
	if (r == 0)
		r = take_config(p, image, config, n, err);
	if (r < 0)
		return hoy_err_wrap(err, "image config '%s'", entry->name);
	(void) snprintf(image->config, DIGEST_MAX, "%s", entry->digest);
	return add_blob(image, entry->digest, entry->size, err);
}

/* --- docker-archive --- */

static const char *layer_media_type(uint32_t compression)
{
	switch ((enum hoy_layer_compression) compression) {
	case HOY_LAYER_GZIP:
		return HOY_DOCKER_MEDIA_LAYER_GZIP;
	case HOY_LAYER_ZSTD:
		return HOY_DOCKER_MEDIA_LAYER_ZSTD;
	case HOY_LAYER_PLAIN:
		break;
	}
	return HOY_DOCKER_MEDIA_LAYER;
}

/* The archive has no manifest in the registry's sense: this one stands for it, and its digest is the image's ID. */
static int make_manifest(
	struct planning *p, struct plan_image *image, const struct archive_entry_info *config, struct hoy_err *err)
{
	auto_free struct hoy_oci_descriptor *layers = calloc(image->n_layers + 1, sizeof *layers);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_oci_manifest manifest = {
		.schema_version = 2,
		.media_type = (char *) (uintptr_t) HOY_DOCKER_MEDIA_MANIFEST,
		.config = { .media_type = (char *) (uintptr_t) HOY_DOCKER_MEDIA_CONFIG,
			.digest = image->config,
			.size = config->size },
		.layers = layers,
		.n_layers = image->n_layers,
	};
	int r;

	if (!layers)
		return hoy_err_oom(err);
	for (size_t i = 0; i < image->n_layers; i++) {
		const struct archive_entry_info *blob = hoy_archive_entry_by_digest(p->entries, image->layers[i].blob);

		layers[i].media_type = (char *) (uintptr_t) layer_media_type(blob->compression);
		layers[i].digest = image->layers[i].blob;
		layers[i].size = blob->size;
	}
	r = hoy_oci_manifest_print(&manifest, &text, /* indent= */ 0, err);
	if (r < 0)
		return r;
	hoy_sha256_digest(text.data, text.len, image->manifest);
	memcpy(image->id, image->manifest, DIGEST_MAX);
	image->media_type = strdup(HOY_DOCKER_MEDIA_MANIFEST);
	r = add_blob(image, image->manifest, (int64_t) text.len, err);
	image->made = hoy_buf_take(&text);
	return r < 0 || (image->media_type && image->made) ? r : hoy_err_oom(err);
}

static int take_docker_layers(
	struct planning *p, struct plan_image *image, const struct hoy_json *layers, struct hoy_err *err)
{
	size_t i = 0;

	hoy_json_each(path, layers)
	{
		const char *name = hoy_json_string(path);
		const struct archive_entry_info *blob = name ? hoy_archive_entry(p->entries, name) : NULL;
		int r;

		if (!blob)
			return hoy_err_invalid(err, "the archive lacks the layer '%.200s'", name ? name : "");
		(void) snprintf(image->layers[i++].blob, DIGEST_MAX, "%s", blob->digest);
		r = add_blob(image, blob->digest, blob->size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_docker_image(struct planning *p, const struct hoy_json *object, struct hoy_err *err)
{
	const char *config = hoy_json_string(hoy_json_get(object, "Config"));
	const struct hoy_json *layers = hoy_json_get(object, "Layers"), *tags = hoy_json_get(object, "RepoTags");
	const struct archive_entry_info *entry = config ? hoy_archive_entry(p->entries, config) : NULL;
	struct plan_image *image;
	int r;

	if (!entry)
		return hoy_err_invalid(err, "the archive lacks the config '%.200s'", config ? config : "");
	r = add_image(p, &image, err);
	if (r == 0)
		r = read_config(p, image, entry, hoy_json_len(layers), err);
	if (r == 0)
		r = take_docker_layers(p, image, layers, err);
	if (r == 0)
		r = make_manifest(p, image, entry, err);
	hoy_json_each(tag, tags) if (r == 0 && hoy_json_string(tag)) r = add_name(image, hoy_json_string(tag), err);
	return r;
}

static int check_docker_object(const struct hoy_json *object, size_t i, struct hoy_err *err)
{
	const struct hoy_json *layers = hoy_json_get(object, "Layers"), *tags = hoy_json_get(object, "RepoTags");

	if (hoy_json_type(object) != HOY_JSON_OBJECT || !hoy_json_string(hoy_json_get(object, "Config")))
		return hoy_err_invalid(err, "[%zu].Config: expected a string", i);
	if (layers && hoy_json_type(layers) != HOY_JSON_ARRAY && hoy_json_type(layers) != HOY_JSON_NULL)
		return hoy_err_invalid(err, "[%zu].Layers: expected an array", i);
	if (tags && hoy_json_type(tags) != HOY_JSON_ARRAY && hoy_json_type(tags) != HOY_JSON_NULL)
		return hoy_err_invalid(err, "[%zu].RepoTags: expected an array", i);
	return 0;
}

static int parse_docker_manifest(
	struct planning *p, const struct archive_entry_info *entry, struct hoy_json **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	size_t i = 0;
	int r = read_document(p, entry, &text, err);

	if (r == 0)
		r = hoy_json_parse(text.data, text_len(&text), /* limits= */ NULL, &doc, err);
	if (r < 0)
		return r;
	if (hoy_json_type(doc) != HOY_JSON_ARRAY)
		return hoy_err_invalid(err, "expected an array of images");
	hoy_json_each(object, doc)
	{
		r = check_docker_object(object, i++, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(doc);
	return 0;
}

static int plan_docker(struct planning *p, const struct archive_entry_info *entry, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = parse_docker_manifest(p, entry, &doc, err);

	hoy_json_each(object, doc) if (r == 0) r = take_docker_image(p, object, err);
	return r < 0 ? hoy_err_wrap(err, "manifest.json") : 0;
}

/* An archive of both kinds: names that the OCI side does not have. */
static int take_docker_names(struct planning *p, const struct archive_entry_info *entry, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = parse_docker_manifest(p, entry, &doc, err);

	hoy_json_each(object, doc)
	{
		const struct archive_entry_info *config = hoy_archive_entry(
			p->entries, hoy_json_string(hoy_json_get(object, "Config")));

		for (size_t i = 0; config && i < p->plan.n_images; i++) {
			if (p->plan.images[i].names || strcmp(p->plan.images[i].config, config->digest) != 0)
				continue;
			hoy_json_each(tag, hoy_json_get(object, "RepoTags")) if (r == 0 && hoy_json_string(tag))
				r = add_name(&p->plan.images[i], hoy_json_string(tag), err);
		}
	}
	return r < 0 ? hoy_err_wrap(err, "manifest.json") : 0;
}

/* --- OCI layout --- */

static const char *annotation(const struct hoy_oci_descriptor *descriptor, const char *key)
{
	for (size_t i = 0; i < descriptor->n_annotations; i++)
		if (strcmp(descriptor->annotations[i].key, key) == 0)
			return descriptor->annotations[i].value;
	return NULL;
}

/* The blob that a descriptor names. NULL without an error: the archive lacks it. */
static int find_blob(struct planning *p, const struct hoy_oci_descriptor *descriptor,
	const struct archive_entry_info **ret, struct hoy_err *err)
{
	char path[sizeof "blobs/sha256/" + 64];

	if (!hoy_digest_is_valid(descriptor->digest))
		return hoy_err_unsupported(err, "digest %.100s: only sha256 is supported", descriptor->digest);
	(void) snprintf(path, sizeof path, "blobs/sha256/%s", descriptor->digest + strlen("sha256:"));
	*ret = hoy_archive_entry(p->entries, path);
	if (!*ret)
		return 0;
	if (strcmp((*ret)->digest, descriptor->digest) != 0)
		return hoy_err_invalid(err, "'%s' has the digest %s", path, (*ret)->digest);
	if ((*ret)->size != descriptor->size)
		return hoy_err_invalid(err, "'%s' has %lld bytes, %lld were announced", path, (long long) (*ret)->size,
			(long long) descriptor->size);
	return 0;
}

static int need_blob(struct planning *p, const struct hoy_oci_descriptor *descriptor,
	const struct archive_entry_info **ret, struct hoy_err *err)
{
	int r = find_blob(p, descriptor, ret, err);

	if (r == 0 && !*ret)
		return hoy_err_invalid(err, "the archive lacks the blob %s", descriptor->digest);
	return r;
}

static int read_manifest(
	struct planning *p, const struct archive_entry_info *entry, struct hoy_oci_manifest **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = read_document(p, entry, &text, err);

	if (r == 0)
		r = hoy_oci_manifest_parse(text.data, text_len(&text), ret, err);
	return r < 0 ? hoy_err_wrap(err, "manifest '%s'", entry->name) : 0;
}

static int read_index(
	struct planning *p, const struct archive_entry_info *entry, struct hoy_oci_index **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = read_document(p, entry, &text, err);

	if (r == 0)
		r = hoy_oci_index_parse(text.data, text_len(&text), ret, err);
	return r < 0 ? hoy_err_wrap(err, "index '%s'", entry->name) : 0;
}

/* This host's image: its config and layers. */
static int take_manifest(
	struct planning *p, struct plan_image *image, const struct archive_entry_info *entry, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	const struct archive_entry_info *blob;
	int r = read_manifest(p, entry, &manifest, err);

	if (r == 0)
		r = add_blob(image, entry->digest, entry->size, err);
	if (r == 0)
		r = need_blob(p, &manifest->config, &blob, err);
	if (r == 0)
		r = read_config(p, image, blob, manifest->n_layers, err);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++) {
		r = need_blob(p, &manifest->layers[i], &blob, err);
		if (r < 0)
			break;
		(void) snprintf(image->layers[i].blob, DIGEST_MAX, "%s", blob->digest);
		r = add_blob(image, blob->digest, blob->size, err);
	}
	(void) snprintf(image->manifest, DIGEST_MAX, "%s", entry->digest);
	return r;
}

/* A manifest of another platform, or an attestation: kept as far as the archive has it. */
static int keep_manifest(
	struct planning *p, struct plan_image *image, const struct archive_entry_info *entry, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	const struct archive_entry_info *blob;
	int r = read_manifest(p, entry, &manifest, err);

	if (r == 0)
		r = add_blob(image, entry->digest, entry->size, err);
	if (r == 0)
		r = find_blob(p, &manifest->config, &blob, err);
	if (r == 0 && blob)
		r = add_blob(image, blob->digest, blob->size, err);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++) {
		r = find_blob(p, &manifest->layers[i], &blob, err);
		if (r == 0 && blob)
			r = add_blob(image, blob->digest, blob->size, err);
	}
	return r;
}

static int take_index(struct planning *p, struct plan_image *image, const struct archive_entry_info *entry, int depth,
	struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	const struct hoy_oci_descriptor *chosen = NULL;
	const struct archive_entry_info *blob;
	int r;

	if (depth > MAX_INDEX_DEPTH)
		return hoy_err_invalid(err, "indexes within indexes, more than %d deep", MAX_INDEX_DEPTH);
	r = read_index(p, entry, &index, err);
	if (r == 0)
		r = add_blob(image, entry->digest, entry->size, err);
	if (r == 0)
		r = hoy_oci_index_select(index, "linux", p->architecture, p->variant, &chosen, err);
	if (r == 0)
		r = need_blob(p, chosen, &blob, err);
	if (r < 0)
		return r;
	if (hoy_oci_media_kind(chosen->media_type) == HOY_OCI_MEDIA_KIND_INDEX)
		r = take_index(p, image, blob, depth + 1, err);
	else
		r = take_manifest(p, image, blob, err);
	for (size_t i = 0; r == 0 && !p->only && i < index->n_manifests; i++) {
		r = find_blob(p, &index->manifests[i], &blob, err);
		if (r < 0 || !blob || &index->manifests[i] == chosen)
			continue;
		if (hoy_oci_media_kind(index->manifests[i].media_type) == HOY_OCI_MEDIA_KIND_MANIFEST)
			r = keep_manifest(p, image, blob, err);
	}
	return r;
}

/* "name:tag" in containerd's annotation; the standard's own holds it only when it looks like one ("latest" is a tag
 * of no name). */
static int take_names(struct plan_image *image, const struct hoy_oci_descriptor *descriptor, struct hoy_err *err)
{
	const char *name = annotation(descriptor, NAME_ANNOTATION), *tag = annotation(descriptor, TAG_ANNOTATION);

	if (name)
		return add_name(image, name, err);
	return tag && strpbrk(tag, ":/") ? add_name(image, tag, err) : 0;
}

static struct plan_image *planned(struct planning *p, const char *id)
{
	for (size_t i = 0; i < p->plan.n_images; i++)
		if (strcmp(p->plan.images[i].id, id) == 0)
			return &p->plan.images[i];
	return NULL;
}

static int take_descriptor(struct planning *p, const struct hoy_oci_descriptor *descriptor, struct hoy_err *err)
{
	enum hoy_oci_media kind = hoy_oci_media_kind(descriptor->media_type);
	const struct archive_entry_info *blob;
	struct plan_image *image = planned(p, descriptor->digest);
	int r;

	if (image)
		return take_names(image, descriptor, err);
	if (kind != HOY_OCI_MEDIA_KIND_INDEX && kind != HOY_OCI_MEDIA_KIND_MANIFEST)
		return hoy_err_unsupported(err, "media type '%.100s' is no image", descriptor->media_type);
	r = need_blob(p, descriptor, &blob, err);
	if (r == 0)
		r = add_image(p, &image, err);
	if (r < 0)
		return r;
	(void) snprintf(image->id, DIGEST_MAX, "%s", descriptor->digest);
	image->media_type = strdup(descriptor->media_type);
	if (!image->media_type)
		return hoy_err_oom(err);
	if (kind == HOY_OCI_MEDIA_KIND_INDEX)
		r = take_index(p, image, blob, 1, err);
	else
		r = take_manifest(p, image, blob, err);
	return r < 0 ? r : take_names(image, descriptor, err);
}

static int plan_oci(struct planning *p, const struct archive_entry_info *layout, const struct archive_entry_info *entry,
	struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = read_document(p, layout, &text, err);

	if (r == 0)
		r = hoy_oci_layout_check(text.data, text_len(&text), err);
	if (r < 0)
		return hoy_err_wrap(err, "oci-layout");
	r = read_index(p, entry, &index, err);
	for (size_t i = 0; r == 0 && i < index->n_manifests; i++)
		r = take_descriptor(p, &index->manifests[i], err);
	return r;
}

/* --- both --- */

static int plan_all(struct planning *p, struct hoy_err *err)
{
	const struct archive_entry_info *layout = hoy_archive_entry(p->entries, "oci-layout");
	const struct archive_entry_info *index = hoy_archive_entry(p->entries, "index.json");
	const struct archive_entry_info *docker = hoy_archive_entry(p->entries, "manifest.json");
	int r;

	if (layout && index) {
		r = plan_oci(p, layout, index, err);
		if (r == 0 && docker)
			r = take_docker_names(p, docker, err);
	} else if (docker) {
		r = plan_docker(p, docker, err);
	} else if (hoy_archive_entry(p->entries, "repositories")) {
		r = hoy_err_unsupported(err, "an archive of the format before docker 1.10, without manifest.json");
	} else {
		r = hoy_err_invalid(
			err, "not an image archive: it has neither manifest.json nor oci-layout and index.json");
	}
	if (r == 0 && p->plan.n_images == 0)
		r = hoy_err_invalid(err, "the archive holds no image");
	return r;
}

int hoy_archive_plan_make(const struct archive_entries *entries, archive_reader read, void *userdata,
	const struct archive_platform *only, struct archive_plan *ret, struct hoy_err *err)
{
	struct planning p = { .entries = entries,
		.read = read,
		.userdata = userdata,
		.only = only != NULL,
		.architecture = only ? only->architecture : NULL,
		.variant = only ? only->variant : NULL };
	int r = plan_all(&p, err);

	if (r < 0) {
		hoy_archive_plan_done(&p.plan);
		return r;
	}
	*ret = p.plan;
	return 0;
}

int hoy_archive_plan_root(const struct archive_entries *entries, archive_reader read, void *userdata,
	const struct archive_root *root, struct archive_plan *ret, struct hoy_err *err)
{
	struct planning p = { .entries = entries,
		.read = read,
		.userdata = userdata,
		.architecture = root->architecture,
		.variant = root->variant };
	const struct hoy_oci_descriptor descriptor = { .media_type = (char *) (uintptr_t) root->media_type,
		.digest = (char *) (uintptr_t) root->digest,
		.size = root->size };
	int r = take_descriptor(&p, &descriptor, err);

	if (r < 0) {
		hoy_archive_plan_done(&p.plan);
		return r;
	}
	*ret = p.plan;
	return 0;
}
