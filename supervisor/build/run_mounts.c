/*
 * RUN --mount as mounts of the step's container: caches are directories of the data root that stay, by their id; what
 * is bound comes from the build context, read only; a heredoc that is a program is a file for the time of the step.
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
#include "base/loop.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"

/* One member of HostConfig.Mounts. */
static void add_mount(
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

static bool is_used(const struct hoy_build *build, const char *name)
{
	for (const struct hoy_build *other = build->builds->list; other; other = other->next)
		if (other != build && other->caches && hoy_strv_has(other->caches, name))
			return true;
	return false;
}

/* The directory's name: by the id, and for `private` the first that no other build uses. 1: it's locked, wait. */
static int choose_cache(struct hoy_build *build, const struct hoy_json *mount, char **ret, struct hoy_err *err)
{
	const char *id = hoy_build_text(mount, "id"), *sharing = hoy_build_text(mount, "sharing");
	char digest[HOY_IMAGE_DIGEST_MAX];

	hoy_sha256_digest(id, strlen(id), digest);
	for (unsigned int n = 0;; n++) {
		auto_free char *name = hoy_str_printf("%s-%u", digest + strlen("sha256:"), n);

		if (!name)
			return hoy_err_oom(err);
		if (strcmp(sharing, "private") == 0 && is_used(build, name))
			continue;
		if (strcmp(sharing, "locked") == 0 && is_used(build, name))
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

/* A new cache belongs to whom the mount says. */
static int make_cache(const char *path, const struct hoy_json *mount, struct hoy_err *err)
{
	if (mkdir(path, 0700) < 0) {
		if (errno != EEXIST)
			return hoy_err_sys(err, "make '%s'", path);
		(void) utimensat(AT_FDCWD, path, NULL, 0); /* when it was used last */
		return 0;
	}
	if (chown(path, (uid_t) number(mount, "uid"), (gid_t) number(mount, "gid")) < 0 ||
		chmod(path, (mode_t) number(mount, "mode") & 07777) < 0) {
		(void) hoy_err_sys(err, "prepare '%s'", path);
		(void) rmdir(path);
		return -EIO;
	}
	return 0;
}

static int add_cache(
	struct hoy_build *build, const struct hoy_json *mount, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_free char *name = NULL, *dir = hoy_str_printf("%s/build-mounts", build->builds->options.root),
		       *path = NULL;
	int r = choose_cache(build, mount, &name, err);

	if (r != 0)
		return r;
	if (number(mount, "from") >= 0 && hoy_json_get(mount, "from"))
		return hoy_err_unsupported(
			err, "RUN --mount=type=cache with from is not supported by this version of Hoy");
	path = dir ? hoy_str_printf("%s/%s", dir, name) : NULL;
	if (!path || hoy_strv_add(&build->caches, name) < 0)
		return hoy_err_oom(err);
	r = hoy_path_mkdir_all(dir, 0700, err);
	if (r >= 0)
		r = make_cache(path, mount, err);
	if (r < 0)
		return r;
	add_mount(w, "bind", path, hoy_build_text(mount, "target"), hoy_json_bool(hoy_json_get(mount, "read_only")));
	hoy_json_end(w);
	return 0;
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

static bool is_in_use(const struct hoy_builds *builds, const char *name)
{
	for (const struct hoy_build *build = builds->list; build; build = build->next)
		if (build->caches && hoy_strv_has(build->caches, name))
			return true;
	return false;
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
			if (is_in_use(builds, entry->d_name) || !wanted(&record, userdata))
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

/* --- the build context ----------------------------------------------------------------------------------------------
 */

static bool is_context(const struct hoy_build *build, int64_t from)
{
	return from >= 0 && (uint64_t) from < build->n_steps && build->steps[from].kind == STEP_CONTEXT;
}

/* The path has no links in it, so that it can be given to the container's mount as a name: nobody but us writes there.
 */
static int check_path(const struct hoy_build *build, const char *path, struct hoy_err *err)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	auto_fd int root = open(build->context, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -EBADF;

	if (root < 0)
		return hoy_err_sys(err, "open the build context");
	fd = (int) syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
	if (fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return hoy_err_invalid(
			err, "RUN --mount: '%s': not found in the build context or excluded by .dockerignore", path);
	if (errno == ELOOP)
		return hoy_err_unsupported(err, "RUN --mount: '%s' is or leads through a link: not supported", path);
	return hoy_err_sys(err, "open '%s' of the build context", path);
}

static int add_bind(
	struct hoy_build *build, const struct hoy_json *mount, struct hoy_json_writer *w, struct hoy_err *err)
{
	const char *source = hoy_build_text(mount, "source");
	auto_free char *path = NULL;
	int r;

	if (!is_context(build, number(mount, "from")))
		return hoy_err_unsupported(err,
			"RUN --mount=type=bind from a stage or an image is not supported by this version of Hoy: use COPY --from");
	if (!hoy_json_bool(hoy_json_get(mount, "read_only")))
		return hoy_err_unsupported(
			err, "RUN --mount=type=bind,rw is not supported by this version of Hoy: use COPY");
	source += *source == '/';
	r = check_path(build, source, err);
	path = *source ? hoy_str_printf("%s/%s", build->context, source) : strdup(build->context);
	if (r < 0)
		return r;
	if (!path)
		return hoy_err_oom(err);
	add_mount(w, "bind", path, hoy_build_text(mount, "target"), /* read_only= */ true);
	hoy_json_end(w);
	return 0;
}

/* --- all -----------------------------------------------------------------------------------------------------------
 */

static void add_tmpfs(const struct hoy_json *mount, struct hoy_json_writer *w)
{
	add_mount(w, "tmpfs", NULL, hoy_build_text(mount, "target"), /* read_only= */ false);
	hoy_json_object(w, "TmpfsOptions");
	if (number(mount, "size") > 0)
		hoy_json_add_i64(w, "SizeBytes", number(mount, "size"));
	hoy_json_end(w);
	hoy_json_end(w);
}

/* Clients of the classic endpoint have none to give: what is not required is left out, as docker does. */
static int skip_secret(const struct hoy_json *mount, struct hoy_err *err)
{
	if (!hoy_json_bool(hoy_json_get(mount, "required")))
		return 0;
	return hoy_err_unsupported(err,
		"RUN --mount=type=%s,required: '%s': secrets and agents are not supported by this version of Hoy",
		hoy_build_text(mount, "type"), hoy_build_text(mount, "id"));
}

/* /dev/pipes/NAME, a directory with one file. */
static int add_script(
	struct hoy_build *build, const struct hoy_json *file, struct hoy_json_writer *w, struct hoy_err *err)
{
	const char *name = hoy_path_base(hoy_build_text(file, "name")), *content = hoy_build_text(file, "content");
	auto_free char *path = NULL;
	int r;

	if (!hoy_path_is_component(name))
		return hoy_err_invalid(err, "'%s' is no file name", name);
	r = hoy_images_new_dir(build->builds->options.images, &build->scripts, err);
	if (r < 0)
		return r;
	path = hoy_str_printf("%s/%s", build->scripts, name);
	if (!path)
		return hoy_err_oom(err);
	r = hoy_file_write(AT_FDCWD, path, content, strlen(content), 0755, /* flags= */ 0, err);
	if (r < 0)
		return r;
	if (chmod(path, 0755) < 0 || chmod(build->scripts, 0755) < 0)
		return hoy_err_sys(err, "prepare '%s'", path);
	add_mount(w, "bind", build->scripts, "/dev/pipes", /* read_only= */ true);
	hoy_json_end(w);
	return 0;
}

int hoy_build_mounts_add(
	struct hoy_build *build, const struct hoy_build_step *step, struct hoy_json_writer *w, struct hoy_err *err)
{
	int r = 0;

	hoy_json_array(w, "Mounts");
	hoy_json_each(mount, hoy_json_get(step->json, "mounts"))
	{
		const char *type = hoy_build_text(mount, "type");

		if (r != 0)
			break;
		if (strcmp(type, "cache") == 0)
			r = add_cache(build, mount, w, err);
		else if (strcmp(type, "bind") == 0)
			r = add_bind(build, mount, w, err);
		else if (strcmp(type, "tmpfs") == 0)
			add_tmpfs(mount, w);
		else
			r = skip_secret(mount, err);
	}
	hoy_json_each(file, hoy_json_get(step->json, "files"))
	{
		if (r == 0)
			r = add_script(build, file, w, err);
	}
	hoy_json_end(w);
	return r;
}

/* A cache may be free now. */
static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_build *build = userdata;

	(void) source;
	build->retry = hoy_source_free(build->retry);
	build->waits_for_cache = false;
	if (!build->ended)
		hoy_build_run(build, &build->steps[build->step]);
}

void hoy_build_mounts_end(struct hoy_build *build)
{
	bool had_caches = build->caches != NULL;
	struct hoy_err err = { 0 };

	hoy_strv_free(build->caches);
	build->caches = NULL;
	if (build->scripts)
		hoy_images_drop_dir(build->builds->options.images, build->scripts);
	free(build->scripts);
	build->scripts = NULL;
	for (struct hoy_build *other = build->builds->list; other && had_caches; other = other->next)
		if (other != build && other->waits_for_cache && !other->ended && !other->retry &&
			hoy_loop_defer(build->builds->options.loop, &other->retry, on_retry, other, &err) < 0)
			hoy_log_ignored(&err, "go on with a build");
}
