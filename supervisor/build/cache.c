/*
 * What steps made, by their keys. A key says what the step does and what it does it on, by content: the same on every
 * machine. An entry holds its layer. Rows are written when the layers' files are on disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/store/builds.h"
#include "supervisor/store/store.h"

int64_t hoy_builds_now(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void entry_free(struct hoy_builds *builds, struct hoy_build_entry *entry)
{
	if (*entry->layer.blob)
		hoy_built_layer_release(builds->options.images, &entry->layer);
	free(entry->what);
	free(entry);
}

/* Takes the entry over when it returns 0. */
static int append(struct hoy_builds *builds, struct hoy_build_entry *entry)
{
	struct hoy_build_entry **entries = reallocarray(
		builds->entries, builds->n_entries + 1, sizeof(struct hoy_build_entry *));

	if (!entries)
		return -ENOMEM;
	builds->entries = entries;
	entries[builds->n_entries++] = entry;
	return 0;
}

static void copy_text(char ret[HOY_IMAGE_DIGEST_MAX], const char *text)
{
	(void) snprintf(ret, HOY_IMAGE_DIGEST_MAX, "%s", text);
}

/* A row whose layer is gone is no entry; the next prune of the store's own does away with it. */
static int on_row(const struct hoy_store_build_result *row, void *userdata, struct hoy_err *err)
{
	struct hoy_builds *builds = userdata;
	struct hoy_build_entry *entry = calloc(1, sizeof *entry);

	if (!entry)
		return hoy_err_oom(err);
	copy_text(entry->key, row->key);
	copy_text(entry->layer.chain_id, row->chain_id);
	copy_text(entry->layer.diff_id, row->diff_id);
	copy_text(entry->layer.blob, row->blob);
	entry->layer.blob_size = row->blob_size;
	entry->created = row->created;
	entry->used = row->used;
	entry->stored = true;
	entry->what = strdup(row->what);
	if (*entry->layer.blob && hoy_built_layer_hold(builds->options.images, &entry->layer, NULL) < 0) {
		hoy_log_info("build cache: the layer of '%s' is gone", row->what);
		free(entry->what);
		free(entry);
		return 0;
	}
	if (!entry->what || append(builds, entry) < 0) {
		entry_free(builds, entry);
		return hoy_err_oom(err);
	}
	return 0;
}

int hoy_builds_cache_open(struct hoy_builds *builds, struct hoy_err *err)
{
	int r = hoy_store_builds_migrate(builds->options.store, err);

	return r < 0 ? r : hoy_store_build_results_each(builds->options.store, on_row, builds, err);
}

/* The layers stay: they have rows. */
void hoy_builds_cache_free(struct hoy_builds *builds)
{
	for (size_t i = 0; i < builds->n_entries; i++) {
		free(builds->entries[i]->what);
		free(builds->entries[i]);
	}
	free(builds->entries);
	builds->entries = NULL;
	builds->n_entries = 0;
}

struct hoy_build_entry *hoy_builds_cache_find(struct hoy_builds *builds, const char *key)
{
	for (size_t i = 0; i < builds->n_entries; i++)
		if (strcmp(builds->entries[i]->key, key) == 0) {
			builds->entries[i]->used = hoy_builds_now();
			builds->entries[i]->uses++;
			return builds->entries[i];
		}
	return NULL;
}

static void forget(struct hoy_builds *builds, struct hoy_build_entry *entry)
{
	size_t i = 0;

	while (builds->entries[i] != entry)
		i++;
	memmove(builds->entries + i, builds->entries + i + 1,
		(builds->n_entries - i - 1) * sizeof(struct hoy_build_entry *));
	builds->n_entries--;
	entry_free(builds, entry);
}

void hoy_builds_cache_add(struct hoy_builds *builds, const char *key, const struct hoy_build_step *step, uint64_t maker)
{
	struct hoy_build_entry *entry = calloc(1, sizeof *entry), *before = hoy_builds_cache_find(builds, key);
	struct hoy_err err = { 0 };

	if (!entry)
		return;
	copy_text(entry->key, key);
	entry->layer = step->layer;
	entry->created = entry->used = step->created;
	entry->turn = builds->turn;
	entry->maker = maker;
	entry->what = strdup(hoy_build_text(step->json, "title"));
	if (*step->layer.blob && hoy_built_layer_hold(builds->options.images, &step->layer, &err) < 0) {
		hoy_log_ignored(&err, "remember a build step");
		free(entry->what);
		free(entry);
		return;
	}
	if (!entry->what || append(builds, entry) < 0) {
		entry_free(builds, entry);
		return;
	}
	if (before) /* --no-cache: its row is overwritten */
		forget(builds, before);
}

static int store_entry(struct hoy_builds *builds, struct hoy_build_entry *entry, struct hoy_err *err)
{
	const struct hoy_store_build_result row = {
		.key = entry->key,
		.chain_id = entry->layer.chain_id,
		.diff_id = entry->layer.diff_id,
		.blob = entry->layer.blob,
		.blob_size = entry->layer.blob_size,
		.what = entry->what,
		.created = entry->created,
		.used = entry->used,
	};
	int r = *entry->layer.blob ? hoy_images_layer_keep(builds->options.images, &entry->layer, err) : 0;

	return r < 0 ? r : hoy_store_build_result_set(builds->options.store, &row, err);
}

void hoy_builds_cache_store(struct hoy_builds *builds, uint64_t turn)
{
	struct hoy_err err = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < builds->n_entries; i++) {
		struct hoy_build_entry *entry = builds->entries[i];

		if (entry->stored || entry->turn >= turn)
			continue;
		r = store_entry(builds, entry, &err);
		entry->stored = r == 0;
	}
	if (r < 0)
		hoy_log_ignored(&err, "keep the build cache");
}

/* --- for clients --- */

static struct hoy_build_record record_of(const struct hoy_builds *builds, const struct hoy_build_entry *entry)
{
	struct hoy_build_record record = {
		.id = entry->key + strlen("sha256:"),
		.what = entry->what,
		.created = entry->created,
		.used = entry->used,
		.size = *entry->layer.blob ? hoy_built_layer_size(builds->options.images, &entry->layer) : 0,
		.shared = *entry->layer.blob && hoy_built_layer_is_shared(builds->options.images, &entry->layer),
		.uses = entry->uses,
	};

	for (const struct hoy_build *build = builds->list; build && !record.in_use; build = build->next)
		for (size_t i = 0; i < build->n_steps && !record.in_use; i++)
			record.in_use = *entry->layer.blob &&
					strcmp(build->steps[i].layer.chain_id, entry->layer.chain_id) == 0;
	return record;
}

void hoy_builds_each(
	struct hoy_builds *builds, void (*each)(const struct hoy_build_record *record, void *userdata), void *userdata)
{
	for (size_t i = 0; i < builds->n_entries; i++) {
		const struct hoy_build_record record = record_of(builds, builds->entries[i]);

		each(&record, userdata);
	}
}

int hoy_builds_prune(struct hoy_builds *builds, bool (*wanted)(const struct hoy_build_record *record, void *userdata),
	void *userdata, char ***ret_ids, int64_t *ret_bytes, struct hoy_err *err)
{
	int r = 0;

	*ret_bytes = 0;
	for (size_t i = 0; r == 0 && i < builds->n_entries;) {
		struct hoy_build_entry *entry = builds->entries[i];
		const struct hoy_build_record record = record_of(builds, entry);

		if (record.in_use || !wanted(&record, userdata)) {
			i++;
			continue;
		}
		r = hoy_strv_add(ret_ids, record.id) < 0 ? hoy_err_oom(err) : 0;
		if (r == 0 && entry->stored)
			r = hoy_store_build_result_delete(builds->options.store, entry->key, err);
		if (r == 0) {
			*ret_bytes += record.size;
			forget(builds, entry);
		}
	}
	if (r == 0)
		r = hoy_build_mounts_prune(builds, wanted, userdata, ret_ids, err);
	return r;
}
