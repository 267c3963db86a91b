/*
 * The second half of a build: step after step. What a step makes is looked up first by its key, which says what it does
 * and on what: the layers of its parent, what it copies, by content.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"

const char *hoy_build_text(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

const char *hoy_build_chain(const struct hoy_build *build, size_t step)
{
	return step < build->n_steps ? build->steps[step].chain_id : "";
}

/* --- taking the plan in ------------------------------------------------------------------------------------------- */

static int kind_of(const char *name, enum hoy_build_kind *ret)
{
	static const char *const names[] = { "scratch", "image", "context", "run", "copy", "workdir", "meta" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum hoy_build_kind) i;
			return 0;
		}
	return -EINVAL;
}

/* An index of a step before `at`, or NO_STEP. */
static int index_of(const struct hoy_json *json, const char *key, size_t at, size_t *ret)
{
	int64_t value = -1;

	*ret = NO_STEP;
	if (!hoy_json_get(json, key))
		return 0;
	if (hoy_json_to_i64(hoy_json_get(json, key), &value) < 0 || value < -1 || value >= (int64_t) at)
		return -EINVAL;
	if (value >= 0)
		*ret = (size_t) value;
	return 0;
}

int hoy_build_steps_begin(struct hoy_build *build, struct hoy_err *err)
{
	const struct hoy_json *list = hoy_json_get(build->plan, "steps");
	size_t i = 0, n = hoy_json_len(list), result, from;

	build->steps = calloc(n + 1, sizeof *build->steps);
	if (!build->steps)
		return hoy_err_oom(err);
	build->n_steps = n;
	hoy_json_each(json, list)
	{
		struct hoy_build_step *step = &build->steps[i];

		step->json = json;
		if (kind_of(hoy_build_text(json, "kind"), &step->kind) < 0 ||
			index_of(json, "parent", i, &step->parent) < 0 || index_of(json, "from", i, &from) < 0)
			return hoy_err_code(err, -EPROTO, "plan of the build");
		build->n_told += hoy_json_string(hoy_json_get(json, "text")) != NULL;
		i++;
	}
	if (n == 0 || index_of(build->plan, "result", n, &result) < 0 || result == NO_STEP)
		return hoy_err_code(err, -EPROTO, "plan of the build");
	hoy_json_each(warning, hoy_json_get(build->plan, "warnings"))
	{
		hoy_build_say(build, "[Warning] %s\n", hoy_json_string(warning));
	}
	return 0;
}

void hoy_build_steps_free(struct hoy_build *build)
{
	for (size_t i = 0; i < build->n_steps; i++)
		if (*build->steps[i].layer.blob)
			hoy_built_layer_release(build->builds->options.images, &build->steps[i].layer);
	free(build->steps);
	build->steps = NULL;
	build->n_steps = 0;
}

void hoy_build_tell(
	struct hoy_build *build, enum hoy_build_event_kind kind, size_t step, const char *text, size_t len, int stream)
{
	const struct hoy_build_step *told = &build->steps[step];
	struct hoy_build_event event = { .kind = kind, .step = step, .text = text, .len = len, .stream = stream };

	if (!build->handler.step || build->ended)
		return;
	if (told->kind == STEP_SCRATCH || told->kind == STEP_CONTEXT || told->kind == STEP_META)
		return;
	event.title = hoy_build_text(told->json, "title");
	build->handler.step(&event, build->handler.userdata);
}

/* --- the current step -----------------------------------------------------------------------------------------------
 */

static struct hoy_build_step *current(struct hoy_build *build)
{
	return &build->steps[build->step];
}

/* `layer` is what the step made; "" for its blob: nothing. */
static void finish_step(struct hoy_build *build, const char *id)
{
	struct hoy_build_step *step = current(build);

	step->done = true;
	if (!step->cached)
		hoy_build_tell(build, HOY_BUILD_STEP_DONE, build->step, NULL, 0, 0);
	if (hoy_json_string(hoy_json_get(step->json, "text")))
		hoy_build_say(build, " ---> %.12s\n", id);
	build->step++;
	hoy_build_next_step(build);
}

static int set_layer(struct hoy_build *build, const struct hoy_built_layer *layer, struct hoy_err *err)
{
	struct hoy_build_step *step = current(build);
	int r;

	if (!*layer->blob)
		return 0;
	r = hoy_built_layer_hold(build->builds->options.images, layer, err);
	if (r < 0)
		return r;
	step->layer = *layer;
	(void) snprintf(step->chain_id, sizeof step->chain_id, "%s", layer->chain_id);
	return 0;
}

/* The tree begins as the parent's is. */
static void inherit(struct hoy_build *build, struct hoy_build_step *step)
{
	if (step->parent == NO_STEP)
		return;
	step->base = build->steps[step->parent].base;
	(void) snprintf(step->chain_id, sizeof step->chain_id, "%s", build->steps[step->parent].chain_id);
}

static int make_key(struct hoy_build *build, const struct hoy_build_step *step, struct hoy_err *err)
{
	static const char *const inputs[] = { "key", "digest", "platform" };
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	size_t from;
	int r;

	(void) hoy_buf_addf(&text, "1\n%d\n%s\n", (int) step->kind, step->chain_id);
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		(void) hoy_buf_addf(&text, "%s\n", hoy_build_text(step->json, inputs[i]));
	if (index_of(step->json, "from", build->step, &from) == 0 && from != NO_STEP)
		(void) hoy_buf_addf(&text, "from %s\n", hoy_build_chain(build, from));
	hoy_json_each(mount, hoy_json_get(step->json, "mounts"))
	{
		if (index_of(mount, "from", build->step, &from) == 0 && from != NO_STEP)
			(void) hoy_buf_addf(&text, "mount %s %s\n", hoy_build_chain(build, from),
				hoy_build_text(mount, "digest"));
	}
	r = hoy_buf_check(&text, "key of a step", err);
	if (r == 0)
		hoy_sha256_digest(text.data, text.len, build->key);
	return r;
}

static void begin_image(struct hoy_build *build, struct hoy_build_step *step)
{
	const char *reference = hoy_build_text(step->json, "reference"),
		   *platform = hoy_build_text(step->json, "platform");
	struct hoy_err err = { 0 };

	for (size_t i = 0; i < build->n_bases; i++) {
		const struct hoy_build_base *base = build->bases[i];

		if (strcmp(base->reference, reference) != 0 || strcmp(base->platform, platform) != 0)
			continue;
		step->base = base;
		(void) snprintf(step->chain_id, sizeof step->chain_id, "%s", base->chain_id);
		finish_step(build, base->id + strlen("sha256:"));
		return;
	}
	(void) hoy_err_code(&err, -EPROTO, "base image '%s' of the plan", reference);
	hoy_build_fail(build, &err);
}

/* What was made before is there, or it is made now. */
static void begin_working(struct hoy_build *build, struct hoy_build_step *step)
{
	struct hoy_build_entry *entry = NULL;
	struct hoy_err err = { 0 };
	int r = make_key(build, step, &err);

	if (r == 0 && !build->no_cache && !hoy_json_bool(hoy_json_get(step->json, "no_cache")))
		entry = hoy_builds_cache_find(build->builds, build->key);
	if (r == 0 && entry && set_layer(build, &entry->layer, NULL) == 0) {
		step->created = entry->created;
		hoy_build_say(build, " ---> Using cache\n");
		step->cached = true;
		hoy_build_tell(build, HOY_BUILD_STEP_CACHED, build->step, NULL, 0, 0);
		finish_step(build, build->key + strlen("sha256:"));
		return;
	}
	if (r == 0 && *hoy_build_text(step->json, "refused"))
		r = hoy_err_unsupported(&err, "%s", hoy_build_text(step->json, "refused"));
	if (r == 0 && *hoy_build_text(step->json, "missing"))
		r = hoy_err_invalid(&err,
			"%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not "
			"exist",
			hoy_json_bool(hoy_json_get(step->json, "is_add")) ? "ADD" : "COPY",
			hoy_build_text(step->json, "missing"));
	if (r < 0) {
		hoy_build_fail(build, &err);
		return;
	}
	switch (step->kind) {
	case STEP_RUN:
		hoy_build_run(build, step);
		break;
	case STEP_COPY:
	case STEP_WORKDIR:
		hoy_build_copy(build, step);
		break;
	case STEP_META:
		step->created = hoy_builds_now();
		hoy_builds_cache_add(build->builds, build->key, step);
		build->made_something = true;
		finish_step(build, build->key + strlen("sha256:"));
		break;
	case STEP_SCRATCH:
	case STEP_IMAGE:
	case STEP_CONTEXT:
		break;
	}
}

void hoy_build_next_step(struct hoy_build *build)
{
	struct hoy_build_step *step = current(build);
	const char *text;

	if (build->ended)
		return;
	if (build->step == build->n_steps) {
		hoy_build_compose(build);
		return;
	}
	text = hoy_json_string(hoy_json_get(step->json, "text"));
	if (text)
		hoy_build_say(build, "Step %zu/%zu : %s\n", ++build->told, build->n_told, text);
	hoy_build_tell(build, HOY_BUILD_STEP_BEGUN, build->step, NULL, 0, 0);
	inherit(build, step);
	switch (step->kind) {
	case STEP_IMAGE:
		begin_image(build, step);
		break;
	case STEP_SCRATCH:
		finish_step(build, "");
		break;
	case STEP_CONTEXT:
		if (*hoy_build_text(step->json, "refused"))
			begin_working(build, step);
		else
			finish_step(build, "");
		break;
	case STEP_META:
		if (!hoy_json_string(hoy_json_get(step->json, "created_by")) &&
			!hoy_json_string(hoy_json_get(step->json, "key"))) {
			finish_step(build, ""); /* a stage that goes on from another */
			break;
		}
		begin_working(build, step);
		break;
	case STEP_RUN:
	case STEP_COPY:
	case STEP_WORKDIR:
		begin_working(build, step);
		break;
	}
}

/* --- what a step wrote -----------------------------------------------------------------------------------------------
 */

static void on_layer(const struct hoy_err *failed, const struct hoy_built_layer *layer, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };
	int r = 0;

	build->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (failed) {
		err = *failed;
		hoy_build_fail(build, &err);
		return;
	}
	r = set_layer(build, layer, &err);
	if (r < 0) {
		hoy_build_fail(build, &err);
		return;
	}
	current(build)->created = hoy_builds_now();
	hoy_builds_cache_add(build->builds, build->key, current(build));
	build->made_something = true;
	hoy_build_run_end(build, build->keep_containers);
	hoy_build_copy_end(build);
	finish_step(build, build->key + strlen("sha256:"));
}

void hoy_build_step_wrote(struct hoy_build *build, const char *upper_dir)
{
	const struct hoy_layer_making making = {
		.chain_id = current(build)->chain_id, .upper_dir = upper_dir, .done = on_layer, .userdata = build
	};
	struct hoy_err err = { 0 };

	if (hoy_images_make_layer(build->builds->options.images, &making, &build->job, &err) < 0)
		hoy_build_fail(build, &err);
	else
		build->pending++;
}
