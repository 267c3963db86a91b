/*
 * ADD of what is in the network. A step's key needs to know what each URL is now: the file's digest, or the
 * repository's commit. What is known already need not come for that; it comes when the step is really done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/redact.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/build/origin.h"
#include "supervisor/image/image.h"

static const char *url_of(const struct hoy_build_step *step, size_t index)
{
	const struct hoy_json *source = hoy_json_first(hoy_json_get(step->json, "sources"));

	while (source && index-- > 0)
		source = hoy_json_next(source);
	return hoy_build_text(source, "url");
}

bool hoy_build_has_origins(const struct hoy_build_step *step)
{
	hoy_json_each(source, hoy_json_get(step->json, "sources"))
	{
		if (*hoy_build_text(source, "url"))
			return true;
	}
	return false;
}

void hoy_build_origins_end(struct hoy_build_task *task)
{
	struct hoy_images *images = task->build->builds->options.images;

	task->bringing = hoy_build_bringing_free(task->bringing);
	for (size_t i = 0; i < task->n_origins; i++) {
		if (task->origins[i].tree)
			hoy_images_drop_dir(images, task->origins[i].tree);
		free(task->origins[i].tree);
	}
	free(task->origins);
	task->origins = NULL;
	task->n_origins = 0;
	if (task->remotes)
		hoy_images_drop_dir(images, task->remotes);
	free(task->remotes);
	task->remotes = NULL;
}

static void go_on(struct hoy_build_task *task);

static int take(struct hoy_build_task *task, struct hoy_build_origin *origin, struct hoy_err *err)
{
	struct hoy_build_origin *known = &task->origins[task->origin];
	const char *url = url_of(task->step, task->origin);

	if (*known->digest && strcmp(known->digest, origin->digest) != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EAGAIN, "'%s' has changed during the build: build again", url);
	if (!origin->is_git && !origin->is_named && hoy_json_bool(hoy_json_get(task->step->json, "is_dir")))
		return hoy_err_invalid(err,
			"'%s' says no file name, and neither does the server: the destination has to be one, "
			"without a '/' at its end",
			url);
	*known = *origin;
	origin->tree = NULL;
	return 0;
}

static void on_brought(const struct hoy_err *failed, struct hoy_build_origin *origin, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_err err = { 0 };
	int r = -EIO;

	task->bringing = NULL;
	if (failed)
		err = *failed;
	else
		r = take(task, origin, &err);
	hoy_err_redact(&err);
	if (r == 0) {
		go_on(task);
		return;
	}
	if (origin->tree)
		hoy_images_drop_dir(task->build->builds->options.images, origin->tree);
	free(origin->tree);
	err.stated = err.stated || err.errnum == ENOENT;
	(void) hoy_err_wrap(&err, "ADD failed");
	hoy_build_task_fail(task, &err);
}

static bool is_wanting(const struct hoy_build_task *task, size_t index)
{
	if (!*url_of(task->step, index))
		return false;
	return task->origins_content ? !task->origins[index].tree : !*task->origins[index].digest;
}

/* Asks for the next one; when there is none the step goes on. */
static void go_on(struct hoy_build_task *task)
{
	const struct hoy_json *json = task->step->json;
	struct hoy_err err = { 0 };
	size_t i = 0;

	while (i < task->n_origins && !is_wanting(task, i))
		i++;
	if (i == task->n_origins && task->origins_content && task->is_leader) {
		hoy_build_copy(task);
	} else if (i == task->n_origins) {
		hoy_build_work(task);
	} else {
		const struct hoy_build_origin_wanted wanted = { .url = url_of(task->step, i),
			.checksum = hoy_build_text(json, "checksum"),
			.keep_git_dir = hoy_json_bool(hoy_json_get(json, "keep_git_dir")),
			.content = task->origins_content };

		task->origin = i;
		if (hoy_build_bring(task->build->builds, &wanted, on_brought, task, &task->bringing, &err) < 0) {
			(void) hoy_err_wrap(&err, "ADD failed");
			hoy_build_task_fail(task, &err);
		}
	}
}

void hoy_build_origins_look(struct hoy_build_task *task)
{
	struct hoy_err err = { 0 };

	task->n_origins = hoy_json_len(hoy_json_get(task->step->json, "sources"));
	task->origins = calloc(task->n_origins, sizeof *task->origins);
	if (!task->origins) {
		task->n_origins = 0;
		(void) hoy_err_oom(&err);
		hoy_build_task_fail(task, &err);
		return;
	}
	go_on(task);
}

bool hoy_build_origins_bring(struct hoy_build_task *task)
{
	size_t i = 0;

	task->origins_content = true;
	while (i < task->n_origins && !is_wanting(task, i))
		i++;
	if (i == task->n_origins)
		return false;
	go_on(task);
	return true;
}

void hoy_build_origins_add_key(const struct hoy_build_task *task, struct hoy_buf *key)
{
	for (size_t i = 0; i < task->n_origins; i++)
		if (*task->origins[i].digest)
			(void) hoy_buf_addf(key, "origin %s %lld %s\n", task->origins[i].digest,
				(long long) task->origins[i].modified, task->origins[i].name);
}

/* Each becomes a directory of one, by its number. */
int hoy_build_origins_open(struct hoy_build_task *task, struct hoy_err *err)
{
	int fd, r = hoy_images_new_dir(task->build->builds->options.images, &task->remotes, err);

	for (size_t i = 0; r == 0 && i < task->n_origins; i++) {
		auto_free char *path = hoy_str_printf("%s/%zu", task->remotes, i);

		if (!path)
			return hoy_err_oom(err);
		if (!task->origins[i].tree)
			continue;
		if (rename(task->origins[i].tree, path) < 0)
			return hoy_err_sys(err, "take what was brought");
		free(task->origins[i].tree);
		task->origins[i].tree = NULL;
	}
	if (r < 0)
		return r;
	fd = open(task->remotes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? hoy_err_sys(err, "open what was brought") : fd;
}

/* The source as hoy-files sees it. */
void hoy_build_origins_add_source(const struct hoy_build_task *task, size_t index, struct hoy_json_writer *w)
{
	const struct hoy_build_origin *origin = &task->origins[index];
	auto_free char *number = hoy_str_printf("%zu", index);

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "text", origin->is_git ? "" : origin->name);
	hoy_json_add_string(w, "remote", number);
	if (!origin->is_git)
		hoy_json_add_string(w, "digest", origin->digest);
	hoy_json_end(w);
}
