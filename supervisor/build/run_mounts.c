/*
 * RUN --mount as mounts of the step's container: caches are directories of the data root that stay, by their id; the
 * build context is bound as it is, read only; what comes of a stage or an image, or may be written to, is a copy for
 * the time of the step, as is a heredoc that is a program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"

/* One member of HostConfig.Mounts. */
void hoy_build_mount_begin(
	struct hoy_json_writer *w, const char *type, const char *source, const char *target, bool read_only)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Type", type);
	if (source)
		hoy_json_add_string(w, "Source", source);
	hoy_json_add_string(w, "Target", target);
	hoy_json_add_bool(w, "ReadOnly", read_only);
}

/* --- caches ------------------------------------------------------------------------------------------------------- */

static bool is_used(const struct hoy_builds *builds, const char *name, const struct hoy_build_task *but)
{
	for (const struct hoy_build *build = builds->list; build; build = build->next)
		for (const struct hoy_build_task *task = build->tasks; task; task = task->next)
			if (task != but && task->caches && hoy_strv_has(task->caches, name))
				return true;
	return false;
}

/* The directory's name: by the id, and for `private` the first that no other step uses. 1: it's locked, wait. */
static int choose_cache(
	const struct hoy_build_task *task, const struct hoy_json *mount, char **ret, struct hoy_err *err)
{
	const char *id = hoy_build_text(mount, "id"), *sharing = hoy_build_text(mount, "sharing");
	char digest[HOY_IMAGE_DIGEST_MAX];

	hoy_sha256_digest(id, strlen(id), digest);
	for (unsigned int n = 0;; n++) {
		auto_free char *name = hoy_str_printf("%s-%u", digest + strlen("sha256:"), n);
		bool used = name && is_used(task->build->builds, name, task);

		if (!name)
			return hoy_err_oom(err);
		if (strcmp(sharing, "private") == 0 && used)
			continue;
		if (strcmp(sharing, "locked") == 0 && used)
			return 1;
		*ret = TAKE_PTR(name);
		return 0;
	}
}

static int64_t number(const struct hoy_json *mount, const char *key)
{
	int64_t value = 0;

	(void) hoy_json_to_i64(hoy_json_get(mount, key), &value);
	return value;
}

static bool has_from(const struct hoy_json *mount)
{
	return hoy_json_get(mount, "from") && number(mount, "from") >= 0;
}

/* A new cache belongs to whom the mount says. 1: it was there. */
static int make_cache(const char *path, const struct hoy_json *mount, struct hoy_err *err)
{
	if (mkdir(path, 0700) < 0) {
		if (errno != EEXIST)
			return hoy_err_sys(err, "make '%s'", path);
		(void) utimensat(AT_FDCWD, path, NULL, 0); /* when it was used last */
		return 1;
	}
	if (chown(path, (uid_t) number(mount, "uid"), (gid_t) number(mount, "gid")) < 0 ||
		chmod(path, (mode_t) number(mount, "mode") & 07777) < 0) {
		(void) hoy_err_sys(err, "prepare '%s'", path);
		(void) rmdir(path);
		return -EIO;
	}
	return 0;
}

/* 1: locked. 2: it is new and is to begin with what `from` has. */
static int prepare_cache(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	auto_free char *name = NULL, *dir = hoy_str_printf("%s/build-mounts", task->build->builds->options.root),
		       *path = NULL;
	int r = choose_cache(task, mount, &name, err);

	if (r != 0)
		return r;
	path = dir ? hoy_str_printf("%s/%s", dir, name) : NULL;
	if (!path || hoy_strv_add(&task->caches, name) < 0)
		return hoy_err_oom(err);
	r = hoy_path_mkdir_all(dir, 0700, err);
	if (r < 0)
		return r;
	if (has_from(mount) && access(path, F_OK) < 0)
		return 2; /* it is made somewhere else and put there when it is whole */
	r = make_cache(path, mount, err);
	if (r >= 0)
		mounted->path = TAKE_PTR(path);
	return r < 0 ? r : 0;
}

/* Out of the way at once; the content goes in the background. */
static int drop_cache(struct hoy_builds *builds, const char *path, struct hoy_err *err)
{
	auto_free char *gone = NULL, *inside = NULL;
	int r = hoy_images_new_dir(builds->options.images, &gone, err);

	if (r < 0)
		return r;
	inside = hoy_str_printf("%s/cache", gone);
	r = inside ? 0 : hoy_err_oom(err);
	if (r == 0 && rename(path, inside) < 0)
		r = hoy_err_sys(err, "move '%s' away", path);
	hoy_images_drop_dir(builds->options.images, gone);
	return r;
}

int hoy_build_mounts_prune(struct hoy_builds *builds,
	bool (*wanted)(const struct hoy_build_record *record, void *userdata), void *userdata, char ***ret_ids,
	struct hoy_err *err)
{
	auto_free char *root = hoy_str_printf("%s/build-mounts", builds->options.root);
	DIR *dir = root ? opendir(root) : NULL;
	struct dirent *entry;
	int r = root ? 0 : hoy_err_oom(err);

	while (dir && r == 0 && (entry = readdir(dir))) {
		auto_free char *id = strndup(entry->d_name, 64), *path = hoy_str_printf("%s/%s", root, entry->d_name);
		struct hoy_build_record record = { .id = id, .what = "RUN --mount=type=cache" };
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		if (!id || !path)
			r = hoy_err_oom(err);
		else if (lstat(path, &st) < 0)
			continue;
		else {
			record.created = record.used = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
			if (is_used(builds, entry->d_name, NULL) || !wanted(&record, userdata))
				continue;
			r = drop_cache(builds, path, err);
			if (r == 0 && hoy_strv_add(ret_ids, id) < 0)
				r = hoy_err_oom(err);
		}
	}
	if (dir)
		(void) closedir(dir);
	return r;
}

/* --- the build context -------------------------------------------------------------------------------------------- */

/* A path without links in it can be given to the container's mount as a name: nobody but us writes there. 1: it has. */
static int check_path(const char *context, const char *path, struct hoy_err *err)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	auto_fd int root = open(context, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -EBADF;

	if (root < 0)
		return hoy_err_sys(err, "open the build context");
	fd = (int) syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
	if (fd >= 0)
		return 0;
	if (errno == ELOOP)
		return 1;
	if (errno == ENOENT || errno == ENOTDIR)
		return hoy_err_invalid(
			err, "RUN --mount: '%s': not found in the build context or excluded by .dockerignore", path);
	return hoy_err_sys(err, "open '%s' of the build context", path);
}

/* 2: a copy is needed. */
static int prepare_bind(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	const struct hoy_build *build = task->build;
	const char *source = hoy_build_text(mount, "source"), *context;
	int64_t from = number(mount, "from");
	int r;

	if (!has_from(mount) || !hoy_build_is_context(build, (size_t) from) ||
		!hoy_json_bool(hoy_json_get(mount, "read_only")))
		return 2;
	source += *source == '/';
	context = hoy_build_context_dir(build, (size_t) from);
	r = check_path(context, source, err);
	if (r != 0)
		return r < 0 ? r : 2;
	mounted->path = *source ? hoy_str_printf("%s/%s", context, source) : strdup(context);
	return mounted->path ? 0 : hoy_err_oom(err);
}

/* --- copies ----------------------------------------------------------------------------------- */

const struct hoy_json *hoy_build_mount_at(const struct hoy_build_task *task, size_t index)
{
	const struct hoy_json *mount = hoy_json_first(hoy_json_get(task->step->json, "mounts"));

	while (mount && index-- > 0)
		mount = hoy_json_next(mount);
	return mount;
}

/* A cache that is whole goes to its place. */
static int place_cache(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	char **last = task->caches + hoy_strv_len(task->caches) - 1;
	auto_free char *made = TAKE_PTR(mounted->path), *path = NULL;

	/* The caches stand in the order of the mounts that use them. */
	for (const struct hoy_json *at = hoy_json_next(mount); at; at = hoy_json_next(at))
		last -= strcmp(hoy_build_text(at, "type"), "cache") == 0;
	path = hoy_str_printf("%s/build-mounts/%s", task->build->builds->options.root, *last);
	if (!path)
		return hoy_err_oom(err);
	if (chown(made, (uid_t) number(mount, "uid"), (gid_t) number(mount, "gid")) < 0 ||
		chmod(made, (mode_t) number(mount, "mode") & 07777) < 0 || rename(made, path) < 0)
		return hoy_err_sys(err, "put '%s' in its place", path);
	mounted->path = TAKE_PTR(path);
	return 0;
}

static void on_mount_copied(const struct hoy_err *failed, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_build_mounted *mounted = &task->mounted[task->copying];
	const struct hoy_json *mount = hoy_build_mount_at(task, task->copying);
	struct hoy_err err = { 0 };
	int r = 0;

	if (failed)
		err = *failed;
	task->files = hoy_files_run_free(task->files);
	if (failed) {
		err.stated = err.stated || err.errnum == ENOENT;
		r = hoy_err_wrap(&err, "RUN --mount=type=%s,source=%s", hoy_build_text(mount, "type"),
			hoy_build_text(mount, "source"));
	}
	if (r == 0) {
		mounted->path = hoy_str_printf("%s/m", mounted->dir);
		r = mounted->path ? 0 : hoy_err_oom(&err);
	}
	if (r == 0 && strcmp(hoy_build_text(mount, "type"), "cache") == 0)
		r = place_cache(task, mount, mounted, &err);
	if (r < 0)
		hoy_build_task_fail(task, &err);
	else
		hoy_build_run(task);
}

/* What the mount names of another tree becomes "m" in a new directory. */
static int start_copy(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	const char *source = hoy_build_text(mount, "source");
	size_t from = has_from(mount) ? (size_t) number(mount, "from") : NO_STEP;
	bool of_context = hoy_build_is_context(task->build, from);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r = hoy_images_new_dir(task->build->builds->options.images, &mounted->dir, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "build");
	hoy_json_array(&w, "fds");
	if (of_context)
		hoy_json_add_string(&w, NULL, "target");
	hoy_json_end(&w);
	hoy_json_add_string(&w, "dir", mounted->dir);
	hoy_json_add_string(&w, "path", "/m");
	if (from != NO_STEP) {
		if (!of_context)
			r = hoy_build_add_layers(
				task->build, "other_layers", hoy_build_chain(task->build, from), &w, err);
		hoy_json_array(&w, "sources");
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "text", source + strspn(source, "/"));
		hoy_json_end(&w);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	if (r >= 0)
		r = hoy_buf_check(&text, "request", err);
	return r < 0 ? r : hoy_build_files_start(task, &text, from, /* remotes= */ -EBADF, on_mount_copied, err);
}

static int prepare(struct hoy_build_task *task, const struct hoy_json *mount, struct hoy_build_mounted *mounted,
	struct hoy_err *err)
{
	if (strcmp(hoy_build_text(mount, "type"), "cache") == 0)
		return prepare_cache(task, mount, mounted, err);
	if (strcmp(hoy_build_text(mount, "type"), "bind") == 0)
		return prepare_bind(task, mount, mounted, err);
	return 0;
}

static void drop_mounted(struct hoy_build_task *task)
{
	for (size_t i = 0; i < task->n_mounted; i++) {
		hoy_build_secret_end(task, &task->mounted[i]);
		if (task->mounted[i].dir)
			hoy_images_drop_dir(task->build->builds->options.images, task->mounted[i].dir);
		free(task->mounted[i].dir);
		free(task->mounted[i].path);
	}
	free(task->mounted);
	task->mounted = NULL;
	task->n_mounted = 0;
}

int hoy_build_mounts_prepare(struct hoy_build_task *task, struct hoy_err *err)
{
	const struct hoy_json *mounts = hoy_json_get(task->step->json, "mounts");
	int r = 0;

	if (!task->mounted) {
		size_t i = 0;

		task->n_mounted = hoy_json_len(mounts);
		task->mounted = calloc(task->n_mounted + 1, sizeof *task->mounted);
		if (!task->mounted)
			return hoy_err_oom(err);
		hoy_json_each(mount, mounts)
		{
			struct hoy_build_mounted *mounted = &task->mounted[i++];

			r = prepare(task, mount, mounted, err);
			if (r == 1) { /* all or nothing: who waits holds no lock */
				hoy_strv_free(task->caches);
				task->caches = NULL;
				drop_mounted(task);
				task->waits = true;
				return 1;
			}
			if (r < 0)
				return r;
			mounted->is_copy = r == 2;
		}
	}
	for (size_t i = 0; i < task->n_mounted; i++) {
		const struct hoy_json *mount = hoy_build_mount_at(task, i);

		if (hoy_build_is_secret(mount) && !task->mounted[i].asked) {
			r = hoy_build_secret_ask(task, i, err);
			if (r == 0)
				continue;
			return r < 0 ? r : 2;
		}
		if (!task->mounted[i].is_copy || task->mounted[i].path)
			continue;
		task->copying = i;
		r = start_copy(task, mount, &task->mounted[i], err);
		return r < 0 ? r : 2;
	}
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

static void add_tmpfs(const struct hoy_json *mount, struct hoy_json_writer *w)
{
	hoy_build_mount_begin(w, "tmpfs", NULL, hoy_build_text(mount, "target"), /* read_only= */ false);
	hoy_json_object(w, "TmpfsOptions");
	if (number(mount, "size") > 0)
		hoy_json_add_i64(w, "SizeBytes", number(mount, "size"));
	hoy_json_end(w);
	hoy_json_end(w);
}

/* What the client has not got is left out. */
static int add_secret(struct hoy_build_task *task, size_t index, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_free char *target = NULL;

	if (!task->mounted[index].path)
		return 0;
	target = hoy_build_secret_target(task, index);
	if (!target)
		return hoy_err_oom(err);
	/* An agent's socket is connected to, not written to: it may be read-only as well. */
	hoy_build_mount_begin(w, "bind", task->mounted[index].path, target, /* read_only= */ true);
	hoy_json_end(w);
	return 0;
}

/* /dev/pipes/NAME, a directory with one file. */
static int add_script(
	struct hoy_build_task *task, const struct hoy_json *file, struct hoy_json_writer *w, struct hoy_err *err)
{
	const char *name = hoy_path_base(hoy_build_text(file, "name")), *content = hoy_build_text(file, "content");
	auto_free char *path = NULL;
	int r;

	if (!hoy_path_is_component(name))
		return hoy_err_invalid(err, "'%s' is no file name", name);
	r = hoy_images_new_dir(task->build->builds->options.images, &task->scripts, err);
	if (r < 0)
		return r;
	path = hoy_str_printf("%s/%s", task->scripts, name);
	if (!path)
		return hoy_err_oom(err);
	r = hoy_file_write(AT_FDCWD, path, content, strlen(content), 0755, /* flags= */ 0, err);
	if (r < 0)
		return r;
	if (chmod(path, 0755) < 0 || chmod(task->scripts, 0755) < 0)
		return hoy_err_sys(err, "prepare '%s'", path);
	hoy_build_mount_begin(w, "bind", task->scripts, "/dev/pipes", /* read_only= */ true);
	hoy_json_end(w);
	return 0;
}

int hoy_build_mounts_add(struct hoy_build_task *task, struct hoy_json_writer *w, struct hoy_err *err)
{
	size_t i = 0;
	int r = 0;

	hoy_json_array(w, "Mounts");
	hoy_json_each(mount, hoy_json_get(task->step->json, "mounts"))
	{
		const char *type = hoy_build_text(mount, "type"), *path = task->mounted[i++].path;

		if (r != 0)
			break;
		if (hoy_build_is_secret(mount)) {
			r = add_secret(task, i - 1, w, err);
		} else if (path) {
			hoy_build_mount_begin(w, "bind", path, hoy_build_text(mount, "target"),
				hoy_json_bool(hoy_json_get(mount, "read_only")));
			hoy_json_end(w);
		} else if (strcmp(type, "tmpfs") == 0) {
			add_tmpfs(mount, w);
		}
	}
	if (r == 0)
		r = hoy_build_secrets_add_mounts(task, w, err);
	hoy_json_each(file, hoy_json_get(task->step->json, "files"))
	{
		if (r == 0)
			r = add_script(task, file, w, err);
	}
	hoy_json_end(w);
	return r;
}

void hoy_build_mounts_end(struct hoy_build_task *task)
{
	bool had_caches = task->caches != NULL;

	hoy_strv_free(task->caches);
	task->caches = NULL;
	drop_mounted(task);
	if (task->scripts)
		hoy_images_drop_dir(task->build->builds->options.images, task->scripts);
	free(task->scripts);
	task->scripts = NULL;
	if (had_caches)
		hoy_builds_wake(task->build->builds);
}
