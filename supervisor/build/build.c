/* The life of a build: begin, end, and what of it outlives a hoyd. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"
#include "supervisor/image/worker_run.h"
#include "supervisor/store/builds.h"
#include "supervisor/store/store.h"
#include "supervisor/volume/files.h"

void hoy_build_say(struct hoy_build *build, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	else if (!build->ended)
		build->handler.text(text, (size_t) n, build->handler.userdata);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Lets go of all that belongs to other rooms. */
static void release(struct hoy_build *build)
{
	build->ending = hoy_source_free(build->ending);
	build->serving = hoy_source_free(build->serving);
	build->worker = hoy_worker_run_free(build->worker);
	for (struct hoy_build_task *task = build->tasks; task; task = task->next)
		hoy_build_task_release(task);
	hoy_build_steps_free(build);
	hoy_build_bases_free(build);
	hoy_build_export_end(build);
	hoy_build_contexts_end(build);
	if (build->export_dir)
		hoy_images_drop_dir(build->builds->options.images, build->export_dir);
	free(build->export_dir);
	build->export_dir = NULL;
	if (build->context)
		hoy_images_drop_dir(build->builds->options.images, build->context);
	free(build->context);
	build->context = NULL;
}

static void build_free(struct hoy_build *build)
{
	struct hoy_build **at = &build->builds->list;

	while (*at && *at != build)
		at = &(*at)->next;
	if (*at)
		*at = build->next;
	release(build);
	hoy_build_tasks_free(build);
	hoy_json_free(build->wanted);
	hoy_json_free(build->plan);
	hoy_fd_close(&build->plan_fd);
	free(build->packet);
	hoy_buf_done(&build->begin);
	hoy_build_caching_free(build->caching);
	hoy_strv_free(build->tags);
	free(build->network);
	free(build->host_config);
	free(build->session);
	free(build->image_id);
	free(build->steps);
	free(build);
}

bool hoy_build_came_back(struct hoy_build *build)
{
	build->pending--;
	if (!build->ended)
		return true;
	if (build->pending == 0)
		build_free(build);
	return false;
}

static void on_synced(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_build *build = userdata;

	(void) result;
	build->job = NULL;
	if (!err)
		hoy_builds_cache_store(build->builds, build->turn);
	(void) hoy_build_came_back(build);
}

/* What a failed build made so far is kept for the next one. */
static void keep_cache(struct hoy_build *build)
{
	const struct hoy_image_job_handler handler = { .done = on_synced, .userdata = build };

	if (!build->made_something || build->job || build->image_id)
		return;
	build->turn = ++build->builds->turn;
	if (hoy_images_sync(build->builds->options.images, &handler, &build->job, NULL) >= 0)
		build->pending++;
}

void hoy_build_fail(struct hoy_build *build, const struct hoy_err *err)
{
	struct hoy_build_handler handler = build->handler;
	struct hoy_err own = { 0 };

	if (build->ended)
		return;
	if (err)
		own = *err;
	build->ended = true;
	build->worker = hoy_worker_run_free(build->worker);
	hoy_build_export_end(build);
	hoy_build_contexts_end(build);
	for (struct hoy_build_task *task = build->tasks; task; task = task->next) {
		hoy_build_copy_end(task);
		hoy_build_run_end(task, err && task == build->failed_task && build->keep_failed_containers);
		if (task->job)
			hoy_image_job_cancel(task->job);
	}
	hoy_builds_wake(build->builds);
	if (build->job)
		hoy_image_job_cancel(build->job);
	else
		keep_cache(build);
	if (err && err->errnum == ECANCELED)
		build->builds->count.canceled++;
	else if (err)
		build->builds->count.failed++;
	build->pending++; /* `done` may look at us */
	handler.done(err ? &own : NULL, build->exit_code, build->image_id, handler.userdata);
	(void) hoy_build_came_back(build);
}

static void on_ending(struct hoy_source *source, void *userdata)
{
	struct hoy_build *build = userdata;

	(void) source;
	hoy_build_fail(build, &build->failed);
}

static void fail_later(struct hoy_build *build, const struct hoy_err *err)
{
	struct hoy_err ignored = { 0 };

	if (build->ended || build->ending)
		return;
	build->failed = *err;
	if (hoy_loop_defer(build->builds->options.loop, &build->ending, on_ending, build, &ignored) < 0)
		hoy_log_ignored(&ignored, "end a build");
}

void hoy_build_cancel(struct hoy_build *build)
{
	struct hoy_err err = { 0 };

	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "the build was canceled");
	fail_later(build, &err);
}

/* --- the beginning ------------------------------------------------------------------------------------------------ */

static char *copy_of(const char *text)
{
	return strdup(text ? text : "");
}

/* What reproducible-builds.org says: seconds since 1970, as the build argument of that name. */
static int take_epoch(struct hoy_build *build, char *const *build_args, struct hoy_err *err)
{
	const char *text = hoy_env_get(build_args, "SOURCE_DATE_EPOCH");
	int64_t seconds;

	if (!text || !*text)
		return 0;
	if (hoy_str_to_i64(text, &seconds) < 0 || seconds < 0 || seconds > INT64_MAX / 1000000000)
		return hoy_err_invalid(
			err, "invalid SOURCE_DATE_EPOCH '%s': it is a number of seconds since 1970", text);
	build->has_epoch = true;
	build->epoch = seconds * 1000000000;
	return 0;
}

static int take_request(struct hoy_build *build, const struct hoy_build_request *request, struct hoy_err *err)
{
	int r;

	build->network = copy_of(request->network);
	build->host_config = copy_of(request->host_config);
	build->session = copy_of(request->session);
	build->export = request->export;
	build->no_cache = request->no_cache;
	build->pull = request->pull;
	build->keep_containers = request->keep_containers;
	build->keep_failed_containers = request->keep_failed_containers;
	build->colour_stderr = request->colour_stderr;
	build->packet = calloc(1, sizeof *build->packet);
	if (request->tags)
		build->tags = hoy_strv_copy(request->tags);
	if (!build->network || !build->host_config || !build->session || !build->packet ||
		(request->tags && !build->tags))
		return hoy_err_oom(err);
	/* First: from here on it goes with the build, whatever else is wrong. */
	if (request->context_dir) {
		build->context = strdup(request->context_dir);
		r = build->context ? 0 : hoy_err_oom(err);
	} else {
		r = hoy_images_new_dir(build->builds->options.images, &build->context, err);
	}
	if (r >= 0)
		r = take_epoch(build, request->build_args, err);
	return r < 0 ? r : hoy_build_caching_take(build, request, err);
}

int hoy_build_start(struct hoy_builds *builds, const struct hoy_build_request *request,
	const struct hoy_build_handler *handler, struct hoy_build **ret, struct hoy_err *err)
{
	auto_fd int context = request->context;
	struct hoy_build *build = calloc(1, sizeof *build);
	int r;

	if (!build)
		return hoy_err_oom(err);
	build->builds = builds;
	build->handler = *handler;
	build->plan_fd = -EBADF;
	build->serial = ++builds->serial;
	build->next = builds->list;
	builds->list = build;
	r = take_request(build, request, err);
	if (r >= 0)
		r = hoy_build_worker_start(build, request, context, err);
	if (r < 0) {
		build->ended = true;
		build_free(build);
		return r;
	}
	builds->count.begun++;
	*ret = build;
	return 0;
}

void hoy_builds_count(const struct hoy_builds *builds, struct hoy_builds_count *ret)
{
	*ret = builds->count;
}

/* --- the room --------------------------------------------------------------------------------- */

struct leftover {
	struct hoy_builds *builds;
	char *name;
};

static void on_leftover_removed(void *userdata, const struct hoy_err *err)
{
	struct leftover *leftover = userdata;

	if (err)
		hoy_log_ignored(err, "remove the build container '%s'", leftover->name);
	else
		(void) hoy_store_build_run_delete(leftover->builds->options.store, leftover->name, NULL);
	free(leftover->name);
	free(leftover);
}

static int on_run_row(const char *container, void *userdata, struct hoy_err *err)
{
	return hoy_strv_add(userdata, container) < 0 ? hoy_err_oom(err) : 0;
}

/* A hoyd before us was killed in the middle of a RUN. */
static int remove_leftovers(struct hoy_builds *builds, struct hoy_err *err)
{
	const struct hoy_container_remove how = { .force = true, .volumes = true };
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_store_build_runs_each(builds->options.store, on_run_row, &names, err);

	for (char **name = names; r >= 0 && name && *name; name++) {
		struct leftover *leftover = calloc(1, sizeof *leftover);

		if (!leftover)
			return hoy_err_oom(err);
		leftover->builds = builds;
		leftover->name = strdup(*name);
		if (!leftover->name || hoy_container_remove(builds->options.containers, *name, &how,
					       on_leftover_removed, leftover, NULL) < 0) {
			r = hoy_store_build_run_delete(builds->options.store, *name, err);
			free(leftover->name);
			free(leftover);
		}
	}
	return r;
}

int hoy_builds_open(const struct hoy_builds_options *options, struct hoy_builds **ret, struct hoy_err *err)
{
	auto_ptr(hoy_builds_free) struct hoy_builds *builds = calloc(1, sizeof *builds);
	int r;

	if (!builds)
		return hoy_err_oom(err);
	builds->options = *options;
	builds->turn = 1;
	r = hoy_helper_find("hoy-build", HOY_HELPER_LIBEXEC, &builds->helper, err);
	if (r >= 0)
		r = hoy_builds_secrets_sweep(builds, err);
	if (r >= 0)
		r = hoy_builds_cache_open(builds, err);
	if (r >= 0)
		r = remove_leftovers(builds, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(builds);
	return 0;
}

void hoy_builds_stop(struct hoy_builds *builds)
{
	struct hoy_err err = { 0 };

	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled: hoyd ends");
	for (struct hoy_build *build = builds ? builds->list : NULL; build; build = build->next) {
		bool ended = build->ended;

		build->ended = true;
		for (struct hoy_build_task *task = build->tasks; task; task = task->next)
			hoy_build_run_let_go(task);
		release(build);
		if (!ended)
			build->handler.done(&err, /* exit_code= */ 0, /* id= */ NULL, build->handler.userdata);
	}
	if (builds) {
		hoy_build_sessions_stop(builds);
		hoy_build_controls_stop(builds);
		hoy_builds_cache_free(builds);
	}
}

void hoy_builds_free(struct hoy_builds *builds)
{
	if (!builds)
		return;
	while (builds->list)
		build_free(builds->list);
	hoy_builds_cache_free(builds);
	free(builds->helper);
	free(builds->secrets);
	free(builds);
}
