/* The last step: config, history and layers become an image, with its names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"

/* What lies between the base and the result, first step first. */
static size_t *path_to(const struct hoy_build *build, size_t result, size_t *ret_n)
{
	size_t *path = calloc(build->n_steps + 1, sizeof *path), n = 0;

	for (size_t at = result; path && at != NO_STEP; at = build->steps[at].parent)
		path[n++] = at;
	for (size_t i = 0; path && i < n / 2; i++) {
		size_t other = path[i];

		path[i] = path[n - 1 - i];
		path[n - 1 - i] = other;
	}
	*ret_n = n;
	return path;
}

struct parts {
	struct hoy_built_layer *layers;
	size_t n_layers;
	char (*times)[HOY_TIME_MAX]; /* of the history's new entries */
	size_t n_times;
	int64_t created; /* when the last step was done: what came from the cache makes the same image again */
	struct hoy_oci_history *history; /* its strings are lent */
	size_t n_history;
};

static void parts_done(struct parts *parts)
{
	free(parts->layers);
	free(parts->times);
	free(parts->history);
}

static char *add_time(struct parts *parts, int64_t created)
{
	const struct timespec ts = { .tv_sec = created / 1000000000, .tv_nsec = created % 1000000000 };

	hoy_time_format(&ts, parts->times[parts->n_times]);
	parts->created = MAX(parts->created, created);
	return parts->times[parts->n_times++];
}

static int collect(const struct hoy_build *build, size_t result, const struct hoy_oci_image_config *base,
	struct parts *parts, struct hoy_err *err)
{
	size_t n = 0, n_base = base ? base->n_history : 0;
	auto_free size_t *path = path_to(build, result, &n);

	parts->layers = calloc(n + 1, sizeof *parts->layers);
	parts->history = calloc(n + n_base + 1, sizeof *parts->history);
	parts->times = calloc(n + 1, sizeof *parts->times);
	if (!path || !parts->layers || !parts->history || !parts->times)
		return hoy_err_oom(err);
	if (n_base > 0)
		memcpy(parts->history, base->history, n_base * sizeof *parts->history);
	parts->n_history = n_base;
	for (size_t i = 0; i < n; i++) {
		const struct hoy_build_step *step = &build->steps[path[i]];
		bool has_layer = *step->layer.blob;

		if (has_layer)
			parts->layers[parts->n_layers++] = step->layer;
		if (!has_layer && !hoy_json_string(hoy_json_get(step->json, "created_by")))
			continue;
		parts->history[parts->n_history++] = (struct hoy_oci_history){
			.created = add_time(parts, build->has_epoch ? build->epoch : step->created),
			.created_by = (char *) (uintptr_t) hoy_build_text(step->json, "created_by"),
			.empty_layer = !has_layer,
		};
	}
	return 0;
}

static void on_composed(const struct hoy_err *failed, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };

	build->job = NULL;
	if (!failed)
		hoy_builds_cache_store(build->builds, build->turn);
	if (!hoy_build_came_back(build))
		return;
	if (failed) {
		err = *failed;
		hoy_build_fail(build, &err);
		return;
	}
	build->image_id = strdup(result->images[0].id);
	if (build->export == HOY_BUILD_TO_ARCHIVE) {
		hoy_build_export(build);
		return;
	}
	if (build->handler.made)
		build->handler.made(result->images[0].id, build->handler.userdata);
	hoy_build_say(build, "Successfully built %.12s\n", result->images[0].id + strlen("sha256:"));
	for (char **tag = build->tags; tag && *tag; tag++) {
		bool has_tag = strrchr(*tag, ':') && !strchr(strrchr(*tag, ':'), '/');

		hoy_build_say(build, "Successfully tagged %s%s\n", *tag, has_tag ? "" : ":latest");
	}
	hoy_build_succeed(build);
}

static int platform_of(const struct hoy_build *build, const struct hoy_oci_image_config *base,
	struct hoy_oci_image_config *config, char ***ret_parts, struct hoy_err *err)
{
	char **parts = *ret_parts = hoy_str_split(hoy_build_text(build->plan, "platform"), '/');
	size_t n = hoy_strv_len(parts);

	if (!parts)
		return hoy_err_oom(err);
	config->os = n > 0 && *parts[0] ? parts[0] : (char *) (uintptr_t) "linux";
	config->architecture = n > 1 ? parts[1] : (char *) (uintptr_t) hoy_oci_arch_host();
	config->variant = n > 2 ? parts[2] : NULL;
	if (base && base->architecture) {
		config->architecture = base->architecture;
		config->variant = base->variant;
	}
	return 0;
}

/* FROM alone, and no labels: nothing was changed. */
static bool is_same(const struct hoy_oci_image_run *run, const struct hoy_oci_image_run *base)
{
	auto_(hoy_buf_done) struct hoy_buf a = { 0 }, b = { 0 };

	return run && base && hoy_field_print(&hoy_oci_image_run_object, run, &a, 0, NULL) == 0 &&
	       hoy_field_print(&hoy_oci_image_run_object, base, &b, 0, NULL) == 0 && a.len == b.len && a.data &&
	       b.data && memcmp(a.data, b.data, a.len) == 0;
}

static int compose(struct hoy_build *build, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = { .done = on_composed, .userdata = build };
	struct hoy_images *images = build->builds->options.images;
	auto_(parts_done) struct parts parts = { 0 };
	auto_ptr(hoy_strv_free) char **platform = NULL;
	struct hoy_oci_image_run *run = NULL;
	const struct hoy_oci_image_config *base = NULL;
	const struct hoy_image *image;
	const struct hoy_build_step *step;
	struct hoy_oci_image_config config = { 0 };
	auto_(hoy_buf_done) struct hoy_buf cache = { 0 };
	char created[HOY_TIME_MAX];
	struct timespec ts;
	int64_t result = 0;
	int r = 0;

	(void) hoy_json_to_i64(hoy_json_get(build->plan, "result"), &result);
	step = &build->steps[result];
	if (step->base) {
		r = hoy_images_find(images, step->base->id, &image, err);
		if (r == 0)
			r = hoy_image_config(images, image, &base, err);
	}
	if (r == 0)
		r = collect(build, (size_t) result, base, &parts, err);
	ts = (struct timespec){ .tv_sec = parts.created / 1000000000, .tv_nsec = parts.created % 1000000000 };
	hoy_time_format(&ts, created);
	if (r == 0)
		r = platform_of(build, base, &config, &platform, err);
	if (r == 0)
		r = hoy_field_parse_value(&hoy_oci_image_run_object, hoy_json_get(build->plan, "config"), NULL, NULL,
			(void **) &run, err);
	config.created = parts.created == 0 && !build->has_epoch && base && base->created ? base->created : created;
	config.author = *hoy_build_text(build->plan, "author")
				? (char *) (uintptr_t) hoy_build_text(build->plan, "author")
			: base ? base->author
			       : NULL;
	config.config = run;
	config.history = parts.history;
	config.n_history = parts.n_history;
	if (r == 0)
		r = hoy_build_cache_inline(build, base ? hoy_strv_len(base->rootfs.diff_ids) : 0, &cache, err);
	if (r == 0)
		r = hoy_images_compose(images,
			&(struct hoy_image_composition){ .base = step->base ? step->base->id : NULL,
				.layers = parts.layers,
				.n_layers = parts.n_layers,
				.config = &config,
				.inline_cache = cache.data,
				.is_synced = !build->made_something,
				.as_base = base && parts.n_layers == 0 && parts.n_history == base->n_history &&
					   is_same(run, base->config),
				.ret_existed = &build->image_existed,
				.names = build->export == HOY_BUILD_TO_ARCHIVE ? NULL : build->tags },
			&handler, &build->job, err);
	hoy_field_free(&hoy_oci_image_run_object, run);
	return r;
}

void hoy_build_compose(struct hoy_build *build)
{
	struct hoy_err err = { 0 };

	build->turn = ++build->builds->turn;
	if (compose(build, &err) < 0)
		hoy_build_fail(build, &err);
	else
		build->pending++;
}
