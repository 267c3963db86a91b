/*
 * Build contexts that neither came with the request nor are images: at a URL, in a repository, or another directory of
 * the client's. What a hoy-build gets of them is a detached, read-only mount: it can't walk out of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/engine.h"
#include "supervisor/build/origin.h"
#include "supervisor/image/image.h"
#include "supervisor/image/worker_run.h"

void hoy_build_contexts_end(struct hoy_build *build)
{
	build->bringing = hoy_build_bringing_free(build->bringing);
	hoy_session_sync_cancel(build->syncing);
	build->syncing = NULL;
	for (size_t i = 0; i < build->n_trees; i++) {
		if (build->trees[i].dir)
			hoy_images_drop_dir(build->builds->options.images, build->trees[i].dir);
		free(build->trees[i].dir);
		free(build->trees[i].name);
	}
	free(build->trees);
	build->trees = NULL;
	build->n_trees = 0;
}

static const struct hoy_build_tree *find_tree(const struct hoy_build *build, const char *name)
{
	for (size_t i = 0; i < build->n_trees; i++)
		if (strcmp(build->trees[i].name, name) == 0)
			return &build->trees[i];
	return NULL;
}

const char *hoy_build_context_dir(const struct hoy_build *build, size_t step)
{
	const struct hoy_build_tree *tree = find_tree(build, hoy_build_text(build->steps[step].json, "context"));

	return tree ? tree->dir : build->context;
}

/* --- the context of the build ------------------------------------------------------------------------------------- */

static int begin_on(struct hoy_build *build, struct hoy_build_origin *origin, struct hoy_err *err)
{
	auto_free char *path = NULL;
	auto_fd int file = -EBADF;

	if (origin->is_git) {
		hoy_images_drop_dir(build->builds->options.images, build->context);
		free(build->context);
		build->context = TAKE_PTR(origin->tree);
		return hoy_build_worker_begin(build, -EBADF, err);
	}
	path = hoy_path_join(origin->tree, origin->name);
	if (!path)
		return hoy_err_oom(err);
	file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return file < 0 ? hoy_err_sys(err, "open the build context") : hoy_build_worker_begin(build, file, err);
}

static void on_context(const struct hoy_err *failed, struct hoy_build_origin *origin, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };
	int r = -EIO;

	build->bringing = NULL;
	if (failed) {
		err = *failed;
		(void) hoy_err_wrap(&err, "load the remote build context");
	} else {
		r = begin_on(build, origin, &err);
	}
	if (origin->tree)
		hoy_images_drop_dir(build->builds->options.images, origin->tree);
	free(origin->tree);
	if (r < 0)
		hoy_build_fail(build, &err);
}

int hoy_build_bring_context(struct hoy_build *build, const char *url, struct hoy_err *err)
{
	const struct hoy_build_origin_wanted wanted = { .url = url, .content = true };

	return hoy_build_bring(build->builds, &wanted, on_context, build, &build->bringing, err);
}

/* --- named ones --------------------------------------------------------------------------------------------------- */

/* Takes `dir` over. */
static int add_tree(struct hoy_build *build, const char *name, char *dir, struct hoy_err *err)
{
	struct hoy_build_tree *trees = reallocarray(build->trees, build->n_trees + 1, sizeof *trees);
	char *copy = trees ? strdup(name) : NULL;

	if (trees)
		build->trees = trees;
	if (!copy) {
		hoy_images_drop_dir(build->builds->options.images, dir);
		free(dir);
		return hoy_err_oom(err);
	}
	trees[build->n_trees++] = (struct hoy_build_tree){ .name = copy, .dir = dir };
	return 0;
}

static void take_tree(struct hoy_build *build, const struct hoy_err *failed, char *dir)
{
	const char *name = hoy_build_text(build->wanted_next, "context");
	struct hoy_err err = { 0 };

	if (failed) {
		err = *failed;
		err.stated = err.stated || err.errnum == ENOENT;
		(void) hoy_err_wrap(&err, "load the build context '%s'", name);
		hoy_build_fail(build, &err);
	} else if (add_tree(build, name, dir, &err) < 0) {
		hoy_build_fail(build, &err);
	} else {
		hoy_build_serve_wanted(build);
	}
}

static void on_synced(const struct hoy_err *err, char *dir, int dockerfile, void *userdata)
{
	struct hoy_build *build = userdata;

	hoy_fd_close(&dockerfile);
	build->syncing = NULL;
	take_tree(build, err, dir);
}

static void on_brought(const struct hoy_err *err, struct hoy_build_origin *origin, void *userdata)
{
	struct hoy_build *build = userdata;

	build->bringing = NULL;
	take_tree(build, err, origin->tree);
}

static int start(struct hoy_build *build, const char *name, const char *value, struct hoy_err *err)
{
	static const char local[] = "local:";
	const struct hoy_build_origin_wanted wanted = { .url = value, .content = true };

	if (hoy_build_is_url(value))
		return hoy_build_bring(build->builds, &wanted, on_brought, build, &build->bringing, err);
	if (hoy_str_starts(value, local) && *build->session)
		return hoy_build_session_sync(build->builds,
			&(struct hoy_session_sources){ .context = build->session, .tree = value + strlen(local) },
			on_synced, build, &build->syncing, err);
	return hoy_err_unsupported(err,
		"the build context '%s=%s' is not supported by this version of Hoy: directories, URLs, repositories "
		"and docker-image:// are",
		name, value);
}

static int give(struct hoy_build *build, const struct hoy_build_tree *tree, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = MS_PRIVATE };
	auto_fd int mount = open_tree(AT_FDCWD, tree->dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	auto_fd int dir = -EBADF;
	int r;

	if (mount < 0 || mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "open the build context '%s'", tree->name);
	dir = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "open the build context '%s'", tree->name);
	r = hoy_worker_run_send(build->worker, "{}", 2, &dir, 1, err);
	return r < 0 ? r : 1;
}

int hoy_build_give_tree(struct hoy_build *build, const struct hoy_json *wanted, struct hoy_err *err)
{
	const char *name = hoy_build_text(wanted, "context");
	const struct hoy_build_tree *tree = find_tree(build, name);

	return tree ? give(build, tree, err) : start(build, name, hoy_build_text(wanted, "value"), err);
}
