#include "supervisor/build/cache_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"

#define RECORDS_MAX 100000
#define LAYERS_MAX 100000

void hoy_cache_records_done(struct hoy_cache_records *records)
{
	free(records->items);
	*records = (struct hoy_cache_records){ 0 };
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool has_layer(const struct hoy_cache_record *record)
{
	return *record->layer.blob != '\0';
}

/* Steps that end in one and the same layer, over the same ones, share it. */
static bool is_first(const struct hoy_cache_record *records, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(records[j].layer.chain_id, records[i].layer.chain_id) == 0 && has_layer(&records[j]))
			return false;
	return true;
}

/* The number of each record's layer in the list of layers; that of one which has none is its parent's. -1: none. */
static int64_t *number_layers(const struct hoy_cache_record *records, size_t n, size_t *ret_n)
{
	int64_t *numbers = calloc(n + 1, sizeof *numbers), next = 0;

	for (size_t i = 0; numbers && i < n; i++) {
		numbers[i] = records[i].parent == HOY_CACHE_NO_PARENT ? -1 : numbers[records[i].parent];
		if (!has_layer(&records[i]))
			continue;
		for (size_t j = 0; j < i; j++)
			if (has_layer(&records[j]) && strcmp(records[j].layer.chain_id, records[i].layer.chain_id) == 0)
				numbers[i] = numbers[j];
		if (is_first(records, i))
			numbers[i] = next++;
	}
	*ret_n = (size_t) next;
	return numbers;
}

static void add_time(struct hoy_json_writer *w, int64_t created)
{
	const struct timespec ts = { .tv_sec = created / 1000000000, .tv_nsec = created % 1000000000 };
	char text[HOY_TIME_MAX];

	hoy_time_format(&ts, text);
	hoy_json_add_string(w, "createdAt", text);
}

/* A record without results means nothing to BuildKit; to us, that the step makes no layer. */
static void add_record(struct hoy_json_writer *w, const struct hoy_cache_record *record, int64_t layer)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "digest", record->key);
	if (layer >= 0) {
		hoy_json_array(w, "results");
		hoy_json_object(w, NULL);
		hoy_json_add_i64(w, "layer", layer);
		add_time(w, record->created);
		hoy_json_end(w);
		hoy_json_end(w);
	} else {
		add_time(w, record->created);
	}
	hoy_json_end(w);
}

static void add_layer(struct hoy_json_writer *w, const struct hoy_cache_record *record, int64_t parent)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "blob", record->layer.blob);
	if (parent != 0) /* BuildKit's form leaves a zero out */
		hoy_json_add_i64(w, "parent", parent);
	hoy_json_object(w, "annotations");
	hoy_json_add_string(w, "mediaType", HOY_OCI_MEDIA_LAYER_GZIP);
	hoy_json_add_string(w, "diffID", record->layer.diff_id);
	hoy_json_add_i64(w, "size", record->layer.blob_size);
	add_time(w, record->created);
	hoy_json_end(w);
	hoy_json_end(w);
}

static int print_manifest(const struct hoy_cache_record *records, size_t n, size_t n_layers,
	const struct hoy_buf *config, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_free struct hoy_oci_descriptor *layers = calloc(n_layers + 1, sizeof *layers);
	char digest[HOY_SHA256_DIGEST_MAX];
	struct hoy_oci_manifest manifest = { .schema_version = 2,
		.media_type = (char *) (uintptr_t) HOY_OCI_MEDIA_MANIFEST,
		.config = { .media_type = (char *) (uintptr_t) HOY_CACHE_MEDIA_CONFIG,
			.digest = digest,
			.size = (int64_t) config->len },
		.layers = layers };

	if (!layers)
		return hoy_err_oom(err);
	hoy_sha256_digest(config->data, config->len, digest);
	for (size_t i = 0; i < n; i++)
		if (has_layer(&records[i]) && is_first(records, i))
			layers[manifest.n_layers++] = (struct hoy_oci_descriptor){
				.media_type = (char *) (uintptr_t) HOY_OCI_MEDIA_LAYER_GZIP,
				.digest = (char *) (uintptr_t) records[i].layer.blob,
				.size = records[i].layer.blob_size,
			};
	return hoy_oci_manifest_print(&manifest, ret, /* indent= */ 0, err);
}

int hoy_cache_records_print(const struct hoy_cache_record *records, size_t n, struct hoy_buf *ret_manifest,
	struct hoy_buf *ret_config, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = ret_config };
	size_t n_layers = 0;
	auto_free int64_t *numbers = number_layers(records, n, &n_layers);
	int r;

	if (!numbers)
		return hoy_err_oom(err);
	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "layers");
	for (size_t i = 0; i < n; i++)
		if (has_layer(&records[i]) && is_first(records, i))
			add_layer(&w, &records[i],
				records[i].parent == HOY_CACHE_NO_PARENT ? -1 : numbers[records[i].parent]);
	hoy_json_end(&w);
	hoy_json_array(&w, "records");
	for (size_t i = 0; i < n; i++)
		add_record(&w, &records[i], has_layer(&records[i]) ? numbers[i] : -1);
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(ret_config, "config of the cache", err);
	return r < 0 ? r : print_manifest(records, n, n_layers, ret_config, ret_manifest, err);
}

int hoy_cache_records_inline(
	const struct hoy_cache_record *records, size_t n, size_t n_below, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int64_t next = (int64_t) n_below;
	int r;

	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		add_record(&w, &records[i], has_layer(&records[i]) ? next++ : -1);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "records of the cache", err);
	if (r == 0)
		r = hoy_base64_encode(ret, text.data, text.len, /* url_safe= */ false);
	return r < 0 ? r : hoy_buf_check(ret, "records of the cache", err);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool is_digest(const char *text)
{
	return text && hoy_str_starts(text, "sha256:") && strlen(text) == strlen("sha256:") + 64 &&
	       strspn(text + strlen("sha256:"), "0123456789abcdef") == 64;
}

static void copy(char ret[HOY_IMAGE_DIGEST_MAX], const char *digest)
{
	(void) snprintf(ret, HOY_IMAGE_DIGEST_MAX, "%s", digest);
}

/* Layers are stored and listed as they came: compressed as ours are. */
static bool is_gzip(const char *media_type)
{
	return hoy_str_eq(media_type, HOY_OCI_MEDIA_LAYER_GZIP) || hoy_str_eq(media_type, HOY_DOCKER_MEDIA_LAYER_GZIP);
}

static const struct hoy_oci_descriptor *descriptor_of(const struct hoy_oci_manifest *manifest, const char *digest)
{
	for (size_t i = 0; i < manifest->n_layers; i++)
		if (strcmp(manifest->layers[i].digest, digest) == 0)
			return &manifest->layers[i];
	return NULL;
}

/* A layer that can't be used has no blob. */
static void set_layer(struct hoy_built_layer *layer, const struct hoy_oci_descriptor *descriptor, const char *diff_id)
{
	if (!descriptor || !is_digest(descriptor->digest) || !is_digest(diff_id) || !is_gzip(descriptor->media_type))
		return;
	copy(layer->blob, descriptor->digest);
	copy(layer->diff_id, diff_id);
	layer->blob_size = descriptor->size;
}

static int take_layers(const struct hoy_json *list, const struct hoy_oci_manifest *manifest,
	struct hoy_built_layer **ret, size_t *ret_n, struct hoy_err *err)
{
	size_t n = hoy_json_len(list);

	if (n > LAYERS_MAX)
		return hoy_err_invalid(err, "the cache has more than %d layers", LAYERS_MAX);
	*ret = calloc(n + 1, sizeof **ret);
	if (!*ret)
		return hoy_err_oom(err);
	hoy_json_each(layer, list)
	{
		const char *blob = hoy_json_string(hoy_json_get(layer, "blob"));

		set_layer(&(*ret)[(*ret_n)++], blob ? descriptor_of(manifest, blob) : NULL,
			hoy_json_string(hoy_json_get(hoy_json_get(layer, "annotations"), "diffID")));
	}
	return 0;
}

static int take_image_layers(const struct hoy_oci_image_config *config, const struct hoy_oci_manifest *manifest,
	struct hoy_built_layer **ret, size_t *ret_n, struct hoy_err *err)
{
	if (hoy_strv_len(config->rootfs.diff_ids) != manifest->n_layers)
		return hoy_err_invalid(err, "its config and its manifest have other layers");
	*ret = calloc(manifest->n_layers + 1, sizeof **ret);
	if (!*ret)
		return hoy_err_oom(err);
	for (; *ret_n < manifest->n_layers; (*ret_n)++)
		set_layer(&(*ret)[*ret_n], &manifest->layers[*ret_n], config->rootfs.diff_ids[*ret_n]);
	return 0;
}

static bool take_time(const struct hoy_json *object, int64_t *ret)
{
	const char *text = hoy_json_string(hoy_json_get(object, "createdAt"));
	struct timespec ts;

	if (!text || hoy_time_parse(text, &ts) < 0 || ts.tv_sec < 0 || ts.tv_sec >= INT64_MAX / 1000000000)
		return false;
	*ret = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
	return true;
}

/* False: of no use, as are those that BuildKit makes for what leads to a result and has none. */
static bool take_record(const struct hoy_json *json, const struct hoy_built_layer *layers, size_t n_layers,
	struct hoy_cache_record *ret)
{
	const char *key = hoy_json_string(hoy_json_get(json, "digest"));
	const struct hoy_json *result = hoy_json_first(hoy_json_get(json, "results"));
	uint64_t layer = 0;

	*ret = (struct hoy_cache_record){ .parent = HOY_CACHE_NO_PARENT };
	if (!is_digest(key) || hoy_json_len(hoy_json_get(json, "inputs")) > 0)
		return false;
	copy(ret->key, key);
	if (!result)
		return take_time(json, &ret->created);
	if (hoy_json_get(result, "layer") &&
		(hoy_json_to_u64(hoy_json_get(result, "layer"), &layer) < 0 || layer >= n_layers))
		return false;
	if (layer >= n_layers || !*layers[layer].blob || !take_time(result, &ret->created))
		return false;
	ret->layer = layers[layer];
	return true;
}

static int take_records(const struct hoy_json *list, const struct hoy_built_layer *layers, size_t n_layers,
	struct hoy_cache_records *ret, struct hoy_err *err)
{
	size_t n = hoy_json_len(list);

	if (n > RECORDS_MAX)
		return hoy_err_invalid(err, "the cache has more than %d records", RECORDS_MAX);
	ret->items = calloc(n + 1, sizeof *ret->items);
	if (!ret->items)
		return hoy_err_oom(err);
	hoy_json_each(record, list)
	{
		if (take_record(record, layers, n_layers, &ret->items[ret->n]))
			ret->n++;
	}
	return 0;
}

static int parse_own(const struct hoy_buf *text, const struct hoy_oci_manifest *manifest, struct hoy_cache_records *ret,
	struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_free struct hoy_built_layer *layers = NULL;
	size_t n = 0;
	int r = hoy_json_parse(text->data ? text->data : "", text->len, /* limits= */ NULL, &doc, err);

	if (r == 0)
		r = take_layers(hoy_json_get(doc, "layers"), manifest, &layers, &n, err);
	return r < 0 ? r : take_records(hoy_json_get(doc, "records"), layers, n, ret, err);
}

static int parse_image(const struct hoy_buf *text, const struct hoy_oci_manifest *manifest,
	struct hoy_cache_records *ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = NULL;
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_free struct hoy_built_layer *layers = NULL;
	auto_(hoy_buf_done) struct hoy_buf records = { 0 };
	size_t n = 0;
	int r = hoy_oci_image_config_parse(text->data ? text->data : "", text->len, &config, err);

	if (r < 0)
		return r;
	if (!config->build_cache || !*config->build_cache)
		return hoy_err_invalid(err, "the image has no build cache in it");
	if (hoy_base64_decode(&records, config->build_cache) < 0 || !records.data)
		return hoy_err_invalid(err, "the image's build cache is not in base64");
	r = take_image_layers(config, manifest, &layers, &n, err);
	if (r == 0)
		r = hoy_json_parse(records.data, records.len, /* limits= */ NULL, &doc, err);
	return r < 0 ? r : take_records(doc, layers, n, ret, err);
}

int hoy_cache_records_parse(const struct hoy_buf *manifest, const struct hoy_buf *config, struct hoy_cache_records *ret,
	struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *doc = NULL;
	struct hoy_cache_records records = { 0 };
	int r = hoy_oci_manifest_parse(manifest->data ? manifest->data : "", manifest->len, &doc, err);

	if (r < 0)
		return hoy_err_wrap(err, "manifest of the cache");
	r = hoy_str_eq(doc->config.media_type, HOY_CACHE_MEDIA_CONFIG) ? parse_own(config, doc, &records, err)
								       : parse_image(config, doc, &records, err);
	if (r < 0) {
		hoy_cache_records_done(&records);
		return hoy_err_wrap(err, "build cache");
	}
	*ret = records;
	return 0;
}
