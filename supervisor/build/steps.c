/*
 * The second half of a build: the steps, each as soon as those it needs are done. What a step makes is looked up first
 * by its key, which says what it does and on what: the layers of its parent, what it copies, by content. What another
 * one, of any build, is making under the same key is waited for. Clients are told in the order of the plan, whatever
 * runs first.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"

#define TEXT_MAX ((size_t) 16 << 20)

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

int hoy_build_index_of(const struct hoy_json *json, const char *key, size_t at, size_t *ret)
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

size_t hoy_build_index(const struct hoy_build *build, const struct hoy_build_step *step)
{
	return (size_t) (step - build->steps);
}

static int take_step(struct hoy_build *build, size_t i, const struct hoy_json *json)
{
	struct hoy_build_step *step = &build->steps[i];
	size_t from;

	step->json = json;
	step->text.cap = TEXT_MAX;
	if (kind_of(hoy_build_text(json, "kind"), &step->kind) < 0 ||
		hoy_build_index_of(json, "parent", i, &step->parent) < 0 ||
		hoy_build_index_of(json, "from", i, &step->from) < 0)
		return -EINVAL;
	hoy_json_each(mount, hoy_json_get(json, "mounts"))
	{
		if (hoy_build_index_of(mount, "from", i, &from) < 0)
			return -EINVAL;
	}
	if (hoy_json_string(hoy_json_get(json, "text")))
		step->number = ++build->n_told;
	return 0;
}

int hoy_build_steps_begin(struct hoy_build *build, struct hoy_err *err)
{
	const struct hoy_json *list = hoy_json_get(build->plan, "steps");
	size_t i = 0, n = hoy_json_len(list), result;

	build->steps = calloc(n + 1, sizeof *build->steps);
	if (!build->steps)
		return hoy_err_oom(err);
	build->n_steps = n;
	hoy_json_each(json, list)
	{
		if (take_step(build, i++, json) < 0)
			return hoy_err_code(err, -EPROTO, "plan of the build");
	}
	if (n == 0 || hoy_build_index_of(build->plan, "result", n, &result) < 0 || result == NO_STEP)
		return hoy_err_code(err, -EPROTO, "plan of the build");
	return 0;
}

/* What was noticed of the Dockerfile, when all else is said. */
static void tell_warnings(struct hoy_build *build)
{
	hoy_json_each(json, hoy_json_get(build->plan, "warnings"))
	{
		struct hoy_build_warning warning = { .rule = hoy_build_text(json, "rule"),
			.text = hoy_build_text(json, "text"),
			.file = hoy_build_text(build->plan, "dockerfile") };

		(void) hoy_json_to_i64(hoy_json_get(json, "line"), &warning.line);
		(void) hoy_json_to_i64(hoy_json_get(json, "column"), &warning.column);
		if (warning.line > 0)
			hoy_build_say(build, "[Warning] %s:%lld:%lld: %s: %s\n", warning.file, (long long) warning.line,
				(long long) warning.column, warning.rule, warning.text);
		else
			hoy_build_say(build, "[Warning] %s\n", warning.text);
		if (build->handler.warning && !build->ended)
			build->handler.warning(&warning, build->handler.userdata);
	}
}

/* The steps themselves stay: tasks point to them. */
void hoy_build_steps_free(struct hoy_build *build)
{
	for (size_t i = 0; i < build->n_steps; i++) {
		if (*build->steps[i].layer.blob)
			hoy_built_layer_release(build->builds->options.images, &build->steps[i].layer);
		hoy_buf_done(&build->steps[i].text);
	}
	build->n_steps = 0;
}

/* --- what clients are told ---------------------------------------------------------------------------------------- */

static void tell_step(struct hoy_build *build, struct hoy_build_step *step, const char *text, size_t len)
{
	static const char clipped[] = "\n[output clipped: too much of it came before earlier steps were done]\n";

	if (build->ended || len == 0)
		return;
	if (hoy_build_index(build, step) == build->front)
		build->handler.text(text, len, build->handler.userdata);
	else if (!step->text.failed && step->text.len + len < TEXT_MAX - sizeof clipped)
		(void) hoy_buf_add(&step->text, text, len);
	else if (!step->text.failed) {
		(void) hoy_buf_adds(&step->text, clipped);
		step->text.failed = true; /* nothing more */
	}
}

void hoy_build_print(struct hoy_build_task *task, const char *text, size_t len)
{
	tell_step(task->build, task->step, text, len);
}

void hoy_build_say_of(struct hoy_build *build, struct hoy_build_step *step, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n >= 0)
		tell_step(build, step, text, (size_t) n);
	else
		text = NULL;
}

static void tell_kept(struct hoy_build *build, struct hoy_build_step *step)
{
	if (step->text.len > 0 && !build->ended)
		build->handler.text(step->text.data, step->text.len, build->handler.userdata);
	hoy_buf_done(&step->text);
}

/* The next one that is not done speaks from now on. */
static void move_front(struct hoy_build *build)
{
	while (build->front < build->n_steps && build->steps[build->front].state == STEP_DONE)
		if (++build->front < build->n_steps)
			tell_kept(build, &build->steps[build->front]);
}

void hoy_build_tell(struct hoy_build *build, enum hoy_build_event_kind kind, const struct hoy_build_step *step,
	const char *text, size_t len, int stream)
{
	struct hoy_build_event event = {
		.kind = kind, .step = hoy_build_index(build, step), .text = text, .len = len, .stream = stream
	};

	int64_t line = 0, end_line = 0;

	if (!build->handler.step || build->ended)
		return;
	if (step->kind == STEP_SCRATCH || step->kind == STEP_CONTEXT || step->kind == STEP_META)
		return;
	event.title = hoy_build_text(step->json, "title");
	(void) hoy_json_to_i64(hoy_json_get(step->json, "line"), &line);
	(void) hoy_json_to_i64(hoy_json_get(step->json, "end_line"), &end_line);
	event.line = (unsigned int) line;
	event.end_line = (unsigned int) MAX(line, end_line);
	build->handler.step(&event, build->handler.userdata);
}

/* --- tasks ------------------------------------------------------------------------------------ */

static struct hoy_build_task *task_new(struct hoy_build *build, struct hoy_build_step *step)
{
	struct hoy_build_task *task = calloc(1, sizeof *task);

	if (!task)
		return NULL;
	task->build = build;
	task->step = step;
	task->output = -EBADF;
	task->next = build->tasks;
	build->tasks = task;
	return task;
}

void hoy_build_task_release(struct hoy_build_task *task)
{
	task->retry = hoy_source_free(task->retry);
	task->is_leader = task->waits = false;
	hoy_build_mounts_end(task);
	hoy_build_copy_end(task);
}

static void task_free(struct hoy_build_task *task)
{
	hoy_source_free(task->retry);
	free(task->container);
	free(task->container_name);
	hoy_buf_done(&task->frame);
	free(task);
}

static void free_list(struct hoy_build_task *task)
{
	while (task) {
		struct hoy_build_task *next = task->next;

		task_free(task);
		task = next;
	}
}

void hoy_build_tasks_free(struct hoy_build *build)
{
	free_list(build->tasks);
	free_list(build->old_tasks);
	build->tasks = build->old_tasks = NULL;
}

/* One whose container was started stays until the build is gone: it may still be called back. */
static void forget_task(struct hoy_build_task *task)
{
	struct hoy_build_task **at = &task->build->tasks;
	struct hoy_build *build = task->build;

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	task->next = NULL;
	hoy_build_task_release(task);
	if (task->step->kind == STEP_RUN) {
		task->next = build->old_tasks;
		build->old_tasks = task;
	} else {
		task_free(task);
	}
	hoy_builds_wake(build->builds);
}

void hoy_build_task_fail(struct hoy_build_task *task, const struct hoy_err *err)
{
	struct hoy_build *build = task->build;

	hoy_build_tell(build, HOY_BUILD_STEP_FAILED, task->step, err->msg, strlen(err->msg), 0);
	if (hoy_build_index(build, task->step) != build->front)
		tell_kept(build, task->step); /* why it failed comes before what others would have said */
	hoy_build_fail(build, err);
}

/* --- keys ------------------------------------------------------------------------------------- */

static int set_layer(
	struct hoy_build *build, struct hoy_build_step *step, const struct hoy_built_layer *layer, struct hoy_err *err)
{
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

static int make_key(struct hoy_build_task *task, struct hoy_err *err)
{
	static const char *const inputs[] = { "key", "digest", "platform" };
	const struct hoy_build *build = task->build;
	const struct hoy_build_step *step = task->step;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	size_t from;
	int r;

	(void) hoy_buf_addf(&text, "1\n%d\n%s\n", (int) step->kind, step->chain_id);
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		(void) hoy_buf_addf(&text, "%s\n", hoy_build_text(step->json, inputs[i]));
	if (step->from != NO_STEP)
		(void) hoy_buf_addf(&text, "from %s\n", hoy_build_chain(build, step->from));
	hoy_json_each(mount, hoy_json_get(step->json, "mounts"))
	{
		if (hoy_build_index_of(mount, "from", hoy_build_index(build, step), &from) == 0 && from != NO_STEP)
			(void) hoy_buf_addf(
				&text, "mount %s %s\n", hoy_build_chain(build, from), hoy_build_text(mount, "digest"));
	}
	if (build->has_epoch) /* no file is younger */
		(void) hoy_buf_addf(&text, "epoch %lld\n", (long long) build->epoch);
	hoy_build_origins_add_key(task, &text);
	r = hoy_buf_check(&text, "key of a step", err);
	if (r == 0)
		hoy_sha256_digest(text.data, text.len, task->key);
	return r;
}

static bool is_uncached(const struct hoy_build *build, const struct hoy_build_step *step)
{
	return build->no_cache || hoy_json_bool(hoy_json_get(step->json, "no_cache"));
}

/* Is another one, of any build, making the same? One that takes nothing from others may still share within its build.
 */
static bool is_being_made(const struct hoy_build_task *task)
{
	bool alone = is_uncached(task->build, task->step);

	for (const struct hoy_build *build = task->build->builds->list; build; build = build->next)
		for (const struct hoy_build_task *other = build->tasks; other && !build->ended; other = other->next)
			if (other != task && other->is_leader && strcmp(other->key, task->key) == 0 &&
				(!alone || build == task->build))
				return true;
	return false;
}

static void on_retry(struct hoy_source *source, void *userdata);

void hoy_builds_wake(struct hoy_builds *builds)
{
	struct hoy_err err = { 0 };

	for (struct hoy_build *build = builds->list; build; build = build->next)
		for (struct hoy_build_task *task = build->tasks; task && !build->ended; task = task->next)
			if (task->waits && !task->retry &&
				hoy_loop_defer(builds->options.loop, &task->retry, on_retry, task, &err) < 0)
				hoy_log_ignored(&err, "go on with a build");
}

/* --- a step's life ---------------------------------------------------------------------------- */

static void finish_step(struct hoy_build *build, struct hoy_build_step *step, const char *id)
{
	if (!step->cached)
		hoy_build_tell(build, HOY_BUILD_STEP_DONE, step, NULL, 0, 0);
	if (hoy_json_string(hoy_json_get(step->json, "text")))
		hoy_build_say_of(build, step, " ---> %.12s\n", id);
	step->state = STEP_DONE;
	move_front(build);
}

static void finish_task(struct hoy_build_task *task)
{
	struct hoy_build *build = task->build;

	memcpy(task->step->key, task->key, sizeof task->step->key);
	finish_step(build, task->step, task->key + strlen("sha256:"));
	forget_task(task);
	hoy_build_schedule(build);
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
		finish_step(build, step, base->id + strlen("sha256:"));
		return;
	}
	(void) hoy_err_code(&err, -EPROTO, "base image '%s' of the plan", reference);
	hoy_build_fail(build, &err);
}

static int check_step(const struct hoy_build_step *step, struct hoy_err *err)
{
	if (*hoy_build_text(step->json, "refused"))
		return hoy_err_unsupported(err, "%s", hoy_build_text(step->json, "refused"));
	if (!*hoy_build_text(step->json, "missing"))
		return 0;
	return hoy_err_invalid(err,
		"%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not exist",
		hoy_json_bool(hoy_json_get(step->json, "is_add")) ? "ADD" : "COPY",
		hoy_build_text(step->json, "missing"));
}

void hoy_build_make(struct hoy_build_task *task)
{
	switch (task->step->kind) {
	case STEP_RUN:
		hoy_build_run(task);
		break;
	case STEP_COPY:
	case STEP_WORKDIR:
		hoy_build_copy(task);
		break;
	case STEP_META:
		task->step->created = hoy_builds_now();
		hoy_builds_cache_add(task->build->builds, task->key, task->step, task->build->serial);
		task->build->made_something = true;
		finish_task(task);
		break;
	case STEP_SCRATCH:
	case STEP_IMAGE:
	case STEP_CONTEXT:
		break;
	}
}

static void finish_cached(struct hoy_build_task *task, int64_t created)
{
	struct hoy_build_step *step = task->step;

	step->created = created;
	hoy_build_say_of(task->build, step, " ---> Using cache\n");
	step->cached = true;
	hoy_build_tell(task->build, HOY_BUILD_STEP_CACHED, step, NULL, 0, 0);
	finish_task(task);
}

int hoy_build_task_known(
	struct hoy_build_task *task, const struct hoy_built_layer *layer, int64_t created, struct hoy_err *err)
{
	struct hoy_build *build = task->build;
	int r = set_layer(build, task->step, layer, err);

	if (r < 0)
		return r;
	task->step->created = created;
	hoy_builds_cache_add(build->builds, task->key, task->step, build->serial);
	build->made_something = true;
	finish_cached(task, created);
	return 0;
}

/* What was made before is there, or it is made now, or waited for. */
static void work(struct hoy_build_task *task)
{
	struct hoy_build_step *step = task->step;
	struct hoy_build *build = task->build;
	struct hoy_build_entry *entry = hoy_builds_cache_find(build->builds, task->key);
	struct hoy_err err = { 0 };

	if (entry && is_uncached(build, step) && entry->maker != build->serial)
		entry = NULL;
	if (entry && set_layer(build, step, &entry->layer, NULL) == 0) {
		finish_cached(task, entry->created);
		return;
	}
	task->waits = is_being_made(task);
	if (task->waits)
		return;
	task->is_leader = true;
	if (check_step(step, &err) < 0)
		hoy_build_task_fail(task, &err);
	else if (is_uncached(build, step) || !hoy_build_cache_find(task))
		hoy_build_make(task);
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_build_task *task = userdata;

	(void) source;
	task->retry = hoy_source_free(task->retry);
	task->waits = false;
	if (task->build->ended)
		return;
	if (task->is_leader)
		hoy_build_make(task); /* it waited for a cache of RUN */
	else
		work(task);
}

static void begin_working(struct hoy_build *build, struct hoy_build_step *step)
{
	struct hoy_build_task *task = task_new(build, step);
	struct hoy_err err = { 0 };

	if (!task) {
		(void) hoy_err_oom(&err);
		hoy_build_fail(build, &err);
	} else if (hoy_build_has_origins(step)) {
		task->origins_content = is_uncached(build, step);
		hoy_build_origins_look(task);
	} else {
		hoy_build_work(task);
	}
}

void hoy_build_work(struct hoy_build_task *task)
{
	struct hoy_err err = { 0 };

	if (make_key(task, &err) < 0)
		hoy_build_fail(task->build, &err);
	else
		work(task);
}

static void begin_step(struct hoy_build *build, struct hoy_build_step *step)
{
	const char *text = hoy_json_string(hoy_json_get(step->json, "text"));

	step->state = STEP_RUNNING;
	if (text)
		hoy_build_say_of(build, step, "Step %zu/%zu : %s\n", step->number, build->n_told, text);
	hoy_build_tell(build, HOY_BUILD_STEP_BEGUN, step, NULL, 0, 0);
	inherit(build, step);
	switch (step->kind) {
	case STEP_IMAGE:
		begin_image(build, step);
		break;
	case STEP_SCRATCH:
		finish_step(build, step, "");
		break;
	case STEP_CONTEXT:
		if (*hoy_build_text(step->json, "refused"))
			begin_working(build, step);
		else
			finish_step(build, step, "");
		break;
	case STEP_META:
		if (!hoy_json_string(hoy_json_get(step->json, "created_by")) &&
			!hoy_json_string(hoy_json_get(step->json, "key"))) {
			finish_step(build, step, ""); /* a stage that goes on from another */
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

/* --- which ones, and when --------------------------------------------------------------------- */

static bool is_done(const struct hoy_build *build, size_t index)
{
	return index == NO_STEP || build->steps[index].state == STEP_DONE;
}

static bool is_ready(const struct hoy_build *build, size_t index)
{
	const struct hoy_build_step *step = &build->steps[index];
	size_t from;

	if (step->state != STEP_TO_DO || !is_done(build, step->parent) || !is_done(build, step->from))
		return false;
	hoy_json_each(mount, hoy_json_get(step->json, "mounts"))
	{
		if (hoy_build_index_of(mount, "from", index, &from) == 0 && !is_done(build, from))
			return false;
	}
	return true;
}

static size_t count_at_work(const struct hoy_build *build)
{
	size_t n = 0;

	for (const struct hoy_build_task *task = build->tasks; task; task = task->next)
		n += !task->waits;
	return n;
}

/* As many at once as there are processors; the one that clients hear is never held up by others. */
static size_t most_at_once(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 2 ? 2 : n > 32 ? 32 : (size_t) n;
}

static void schedule_once(struct hoy_build *build)
{
	size_t most = most_at_once();

	for (size_t i = build->front; i < build->n_steps && !build->ended; i++) {
		if (!is_ready(build, i))
			continue;
		if (i != build->front && count_at_work(build) >= most)
			return;
		begin_step(build, &build->steps[i]);
	}
}

void hoy_build_schedule(struct hoy_build *build)
{
	build->again = true;
	if (build->scheduling)
		return;
	build->scheduling = true;
	build->pending++; /* it may end meanwhile */
	while (build->again && !build->ended) {
		build->again = false;
		schedule_once(build);
	}
	build->scheduling = false;
	if (!hoy_build_came_back(build) || build->front != build->n_steps)
		return;
	tell_warnings(build);
	if (build->export == HOY_BUILD_TO_IMAGE || build->export == HOY_BUILD_TO_ARCHIVE)
		hoy_build_compose(build);
	else
		hoy_build_export(build);
}

/* --- what a step wrote ------------------------------------------------------------------------ */

static void on_layer(const struct hoy_err *failed, const struct hoy_built_layer *layer, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_build *build = task->build;
	struct hoy_err err = { 0 };
	int r;

	task->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (failed)
		err = *failed;
	r = failed ? -EIO : set_layer(build, task->step, layer, &err);
	if (r < 0) {
		hoy_build_task_fail(task, &err);
		return;
	}
	task->step->created = hoy_builds_now();
	hoy_builds_cache_add(build->builds, task->key, task->step, build->serial);
	build->made_something = true;
	hoy_build_run_end(task, build->keep_containers);
	hoy_build_copy_end(task);
	finish_task(task);
}

void hoy_build_step_wrote(struct hoy_build_task *task, const char *upper_dir)
{
	const struct hoy_layer_making making = { .chain_id = task->step->chain_id,
		.upper_dir = upper_dir,
		.clamp = task->build->has_epoch,
		.latest = task->build->epoch / 1000000000,
		.done = on_layer,
		.userdata = task };
	struct hoy_err err = { 0 };

	if (hoy_images_make_layer(task->build->builds->options.images, &making, &task->job, &err) < 0)
		hoy_build_task_fail(task, &err);
	else
		task->build->pending++;
}
