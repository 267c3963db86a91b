/* COPY, ADD and WORKDIR: a hoy-files puts the files into the tree, into a directory that becomes the layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"

static void drop_dir(struct hoy_build *build, char **path)
{
	if (*path)
		hoy_images_drop_dir(build->builds->options.images, *path);
	free(*path);
	*path = NULL;
}

void hoy_build_copy_end(struct hoy_build_task *task)
{
	task->files = hoy_files_run_free(task->files);
	drop_dir(task->build, &task->upper);
	drop_dir(task->build, &task->work);
	hoy_build_origins_end(task);
}

static void on_copied(const struct hoy_err *failed, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_err err = { 0 };

	if (failed)
		err = *failed;
	task->files = hoy_files_run_free(task->files);
	if (failed) {
		err.stated = err.stated || err.errnum == ENOENT;
		(void) hoy_err_wrap(&err, "%s failed",
			task->step->kind == STEP_WORKDIR                          ? "WORKDIR"
			: hoy_json_bool(hoy_json_get(task->step->json, "is_add")) ? "ADD"
										  : "COPY");
		hoy_build_task_fail(task, &err);
		return;
	}
	hoy_build_step_wrote(task, task->upper);
}

static int add_owner(
	struct hoy_build *build, const struct hoy_build_step *step, struct hoy_json_writer *w, struct hoy_err *err)
{
	const char *spec = hoy_build_text(step->json, "chown");
	auto_free char *text = NULL, *both = NULL;
	uint32_t uid = 0, gid = 0;
	int r;

	if (!*spec)
		return 0;
	if (step->kind == STEP_COPY && hoy_str_to_uint(spec, &uid) == 0) { /* a number alone is the group's too */
		both = hoy_str_printf("%u:%u", uid, uid);
		spec = both ? both : spec;
	}
	r = hoy_containers_find_owner(build->builds->options.containers, step->chain_id, spec, &uid, &gid, err);
	if (r < 0)
		return r;
	text = hoy_str_printf("%u:%u", uid, gid);
	if (!text)
		return hoy_err_oom(err);
	hoy_json_add_string(w, "owner", text);
	return 0;
}

int hoy_build_add_layers(
	struct hoy_build *build, const char *key, const char *chain_id, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **layers = NULL;
	int r = hoy_layers_paths(build->builds->options.images, chain_id, &layers, err);

	if (r >= 0)
		hoy_json_add_strv(w, key, layers);
	return r;
}

/* The tree that is written to. With --link nothing below is looked at: links in it are not followed. */
static int add_place(struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err)
{
	const struct hoy_build_step *step = task->step;

	if (hoy_json_bool(hoy_json_get(step->json, "link"))) {
		hoy_json_add_string(w, "dir", task->upper);
		return 0;
	}
	hoy_json_add_string(w, "upper", task->upper);
	hoy_json_add_string(w, "work", task->work);
	return hoy_build_add_layers(task->build, "layers", step->chain_id, w, err);
}

bool hoy_build_is_context(const struct hoy_build *build, size_t from)
{
	return from < build->n_steps && build->steps[from].kind == STEP_CONTEXT;
}

static void add_sources(struct hoy_build_task *task, struct hoy_json_writer *w)
{
	size_t i = 0;

	hoy_json_array(w, "sources");
	hoy_json_each(source, hoy_json_get(task->step->json, "sources"))
	{
		if (*hoy_build_text(source, "url"))
			hoy_build_origins_add_source(task, i, w);
		else
			hoy_json_add_value(w, NULL, source);
		i++;
	}
	hoy_json_end(w);
}

static int print_request(struct hoy_build_task *task, struct hoy_buf *text, struct hoy_err *err)
{
	static const char *const plain[] = { "files", "is_dir", "unpack", "unpack_urls", "parents", "excludes" };
	const struct hoy_build_step *step = task->step;
	struct hoy_build *build = task->build;
	struct hoy_json_writer w = { .buf = text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "build");
	hoy_json_array(&w, "fds");
	if (hoy_build_is_context(build, step->from))
		hoy_json_add_string(&w, NULL, "target");
	if (task->n_origins > 0)
		hoy_json_add_string(&w, NULL, "remotes");
	hoy_json_end(&w);
	r = add_place(task, &w, err);
	hoy_json_add_string(&w, "path", hoy_build_text(step->json, "path"));
	hoy_json_add_string(&w, "mode", hoy_build_text(step->json, "chmod"));
	if (r >= 0 && step->from != NO_STEP && !hoy_build_is_context(build, step->from))
		r = hoy_build_add_layers(build, "other_layers", hoy_build_chain(build, step->from), &w, err);
	if (r >= 0)
		r = add_owner(build, step, &w, err);
	if (hoy_json_len(hoy_json_get(step->json, "sources")) > 0)
		add_sources(task, &w);
	for (size_t i = 0; i < ARRAY_LEN(plain) && step->kind == STEP_COPY; i++)
		if (hoy_json_get(step->json, plain[i]) &&
			!(hoy_json_type(hoy_json_get(step->json, plain[i])) == HOY_JSON_ARRAY &&
				hoy_json_len(hoy_json_get(step->json, plain[i])) == 0))
			hoy_json_add_value(&w, plain[i], hoy_json_get(step->json, plain[i]));
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(text, "request", err);
}

int hoy_build_files_start(struct hoy_build_task *task, const struct hoy_buf *request, size_t from, int remotes,
	void (*done)(const struct hoy_err *err, void *userdata), struct hoy_err *err)
{
	auto_fd int context = -EBADF;
	int fds[2];
	size_t n = 0;

	if (hoy_build_is_context(task->build, from)) {
		context = open(hoy_build_context_dir(task->build, from), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (context < 0)
			return hoy_err_sys(err, "open the build context");
		fds[n++] = context;
	}
	if (remotes >= 0)
		fds[n++] = remotes;
	return hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = task->build->builds->options.volumes,
					   .request = request,
					   .fds = fds,
					   .n_fds = n,
					   .done = done,
					   .userdata = task },
		&task->files, err);
}

static int start(struct hoy_build_task *task, struct hoy_err *err)
{
	struct hoy_images *images = task->build->builds->options.images;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_fd int remotes = -EBADF;
	int r = hoy_images_new_dir(images, &task->upper, err);

	if (r >= 0)
		r = hoy_images_new_dir(images, &task->work, err);
	if (r >= 0 && task->n_origins > 0)
		r = remotes = hoy_build_origins_open(task, err);
	if (r >= 0)
		r = print_request(task, &text, err);
	return r < 0 ? r : hoy_build_files_start(task, &text, task->step->from, remotes, on_copied, err);
}

void hoy_build_copy(struct hoy_build_task *task)
{
	struct hoy_err err = { 0 };

	if (hoy_build_origins_bring(task))
		return;
	if (start(task, &err) < 0)
		hoy_build_task_fail(task, &err);
}
