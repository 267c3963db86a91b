/*
 * Checkpoints: a container's processes saved by CRIU as a directory of files, below the container's own directory or
 * where the client says, and containers that are started from one. The shim has it done; here it is decided what can
 * be saved, and who is told when. While a checkpoint is written the container's exit waits (exit.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/image/image.h"

#define DIRECTORY "checkpoints" /* in the container's directory */

struct hoy_saving {
	struct hoy_container *container;
	char *path; /* DIR/NAME */
	bool exit;
	bool was_stopped;
	hoy_container_done done;
	void *userdata;
};

/* --- where ---------------------------------------------------------------------------------------------------- */

/* The directory that holds the checkpoints; heap. `dir`: the client's, NULL or "" for the container's own. */
static int directory(const struct hoy_container *c, const char *dir, char **ret, struct hoy_err *err)
{
	if (dir && *dir && *dir != '/')
		return hoy_err_invalid(err, "checkpoint directory '%s' is no absolute path", dir);
	*ret = dir && *dir ? strdup(dir) : hoy_path_join(c->dir, DIRECTORY);
	return *ret ? 0 : hoy_err_oom(err);
}

static int path_of(const struct hoy_container *c, const char *dir, const char *name, char **ret, struct hoy_err *err)
{
	auto_free char *parent = NULL;
	int r;

	if (hoy_container_name_check(name, NULL) < 0)
		return hoy_err_invalid(
			err, "Invalid checkpoint ID (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
	r = directory(c, dir, &parent, err);
	if (r < 0)
		return r;
	*ret = hoy_path_join(parent, name);
	return *ret ? 0 : hoy_err_oom(err);
}

/* Files alone: a directory of images has no others. */
static int empty_directory(int dir, struct hoy_err *err)
{
	int own = hoy_fd_dup(dir);
	DIR *list = own >= 0 ? fdopendir(own) : NULL;
	int r = 0;

	if (!list)
		return hoy_err_sys(err, "list the checkpoint");
	for (struct dirent *e = readdir(list); e && r >= 0; e = readdir(list))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlinkat(dir, e->d_name, 0) < 0)
			r = hoy_err_sys(err, "remove '%s' of the checkpoint", e->d_name);
	(void) closedir(list);
	return r;
}

/* What is on the data root's file system goes the way of all large trees; a directory of the client's is emptied here. */
static int remove_images(struct hoy_container *c, const char *path, struct hoy_err *err)
{
	const char *name = strrchr(path, '/') + 1;
	auto_free char *parent = strndup(path, (size_t) (name - path)), *own = hoy_path_join(c->dir, DIRECTORY "/");
	auto_fd int dir = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -ENOMEM, images = -EBADF;
	int r;

	if (!parent || !own)
		return hoy_err_oom(err);
	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", parent);
	if (strcmp(parent, own) == 0) {
		hoy_images_trash(c->room->options.images, dir, name);
		return 0;
	}
	images = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (images < 0)
		return hoy_err_sys(err, "open '%s'", path);
	r = empty_directory(images, err);
	if (r >= 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		r = hoy_err_sys(err, "remove '%s'", path);
	return r;
}

/* --- making one ------------------------------------------------------------------------------------------------- */

static void saving_free(struct hoy_saving *s)
{
	free(s->path);
	free(s);
}

static void on_saved(void *userdata, const struct hoy_err *err)
{
	struct hoy_saving *s = userdata;
	struct hoy_container *c = s->container;
	struct hoy_err own = {}, ignored = {};

	c->saving = NULL;
	if (err) {
		own = *err;
		hoy_err_wrap(&own, "Cannot checkpoint container %s", c->info.name);
		if (remove_images(c, s->path, &ignored) < 0)
			hoy_log_ignored(&ignored, "container '%s'", c->info.id);
		if (s->exit && !s->was_stopped && !c->exit_seen)
			hoy_container_set_stopped(c, false);
	} else {
		hoy_container_publish(c, "checkpoint", NULL);
	}
	hoy_done_later(c->room, s->done, s->userdata, err ? &own : NULL);
	saving_free(s);
	/* its end is told once more; without a connection that is dealt with as the loss of the shim */
	if (c->exit_seen && c->phase == HOY_PHASE_RUNNING && hoy_container_watch(c, &ignored) < 0)
		hoy_log_ignored(&ignored, "container '%s'", c->info.id);
	c->exit_seen = false;
}

/* The shim is gone, or the room is closed. */
void hoy_container_saving_cancel(struct hoy_container *c, const struct hoy_err *err)
{
	struct hoy_saving *s = TAKE_PTR(c->saving);

	if (!s)
		return;
	hoy_shim_forget(c->shim, s);
	s->done(s->userdata, err);
	saving_free(s);
}

static int check(const struct hoy_container *c, struct hoy_err *err)
{
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	if (c->saving)
		return hoy_err_conflict(err, "a checkpoint of container %s is being made", c->info.id);
	if (c->config->tty)
		return hoy_err_invalid(err, "checkpoint not support on containers with tty");
	if (hoy_container_has_secrets(c))
		return hoy_err_unsupported(err, "checkpoint: not of a container with secrets or configs");
	for (size_t i = 0; i < c->info.n_mounts; i++)
		if (!strcmp(c->info.mounts[i].type, "image"))
			return hoy_err_unsupported(err, "checkpoint: not of a container with mounts of images");
	if (hoy_container_mode_names(c->config->host.ipc_mode))
		return hoy_err_unsupported(err, "checkpoint: not of a container in another's IPC namespace");
	return 0;
}

static int make_directory(const struct hoy_container *c, const char *path, struct hoy_err *err)
{
	auto_free char *parent = strndup(path, (size_t) (strrchr(path, '/') - path));
	int r = parent ? hoy_path_mkdir_all(*parent ? parent : "/", 0700, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) >= 0)
		return 0;
	if (errno == EEXIST)
		return hoy_err_conflict(err, "checkpoint with name %s already exists for container %s",
			strrchr(path, '/') + 1, c->info.name);
	return hoy_err_sys(err, "make directory '%s'", path);
}

int hoy_container_checkpoint_create(struct hoy_containers *room, const char *ref,
	const struct hoy_container_checkpoint *how, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_free char *path = NULL;
	struct hoy_saving *s;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		r = check(c, err);
	if (r >= 0)
		r = path_of(c, how->dir, how->name, &path, err);
	if (r >= 0)
		r = make_directory(c, path, err);
	if (r < 0)
		return r;
	s = calloc(1, sizeof *s);
	if (!s)
		return hoy_err_oom(err);
	*s = (struct hoy_saving){ .container = c,
		.path = TAKE_PTR(path),
		.exit = how->exit,
		.done = done,
		.userdata = userdata,
		.was_stopped = c->stopped_by_user };
	r = hoy_shim_checkpoint(c->shim, s->path, how->exit, on_saved, s, err);
	if (r < 0) {
		(void) remove_images(c, s->path, NULL);
		saving_free(s);
		return r;
	}
	c->saving = s;
	if (how->exit) /* its policy is not to start it again */
		hoy_container_set_stopped(c, true);
	return 0;
}

/* --- those that are there ----------------------------------------------------------------------------------------- */

static int list_directories(const char *path, char ***ret, struct hoy_err *err)
{
	DIR *list = opendir(path);
	int r = 0;

	if (!list)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "list '%s'", path);
	for (struct dirent *e = readdir(list); e && r >= 0; e = readdir(list)) {
		struct stat st;

		if (hoy_container_name_check(e->d_name, NULL) < 0 ||
			fstatat(dirfd(list), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (hoy_strv_add(ret, e->d_name) < 0)
			r = hoy_err_oom(err);
	}
	(void) closedir(list);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int hoy_container_checkpoint_list(
	struct hoy_containers *room, const char *ref, const char *dir, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = calloc(1, sizeof *names);
	auto_free char *path = NULL;
	struct hoy_container *c;
	int r = names ? hoy_containers_lookup(room, ref, &c, err) : hoy_err_oom(err);

	if (r >= 0)
		r = directory(c, dir, &path, err);
	if (r >= 0)
		r = list_directories(path, &names, err);
	if (r < 0)
		return r;
	qsort(names, hoy_strv_len(names), sizeof *names, by_name);
	*ret = TAKE_PTR(names);
	return 0;
}

/* Is there such a checkpoint? */
static int find(const struct hoy_container *c, const char *dir, const char *name, char **ret, struct hoy_err *err)
{
	auto_free char *path = NULL;
	struct stat st;
	int r = path_of(c, dir, name, &path, err);

	if (r < 0)
		return r;
	if (lstat(path, &st) < 0)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "checkpoint %s does not exist for container %s",
			name, c->info.name);
	if (!S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "%s exists and is not a directory", path);
	*ret = TAKE_PTR(path);
	return 0;
}

int hoy_container_checkpoint_remove(
	struct hoy_containers *room, const char *ref, const char *dir, const char *name, struct hoy_err *err)
{
	auto_free char *path = NULL;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		r = find(c, dir, name, &path, err);
	if (r < 0)
		return r;
	if ((c->saving && strcmp(c->saving->path, path) == 0) || hoy_str_eq(c->restore_from, path))
		return hoy_err_conflict(err, "checkpoint %s of container %s is in use", name, c->info.name);
	return remove_images(c, path, err);
}

/* --- starting from one ---------------------------------------------------------------------------------------------- */

int hoy_container_start_from(struct hoy_containers *room, const char *ref, const struct hoy_container_checkpoint *from,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_free char *path = NULL;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase != HOY_PHASE_IDLE || c->files_busy || c->info.restarting)
		return hoy_err_conflict(err, "container %s is %s: only a stopped one can be started from a checkpoint",
			c->info.name, c->phase == HOY_PHASE_RUNNING ? "running" : "busy");
	if (c->config->tty)
		return hoy_err_invalid(err, "checkpoint not support on containers with tty");
	r = find(c, from->dir, from->name, &path, err);
	if (r < 0)
		return r;
	c->restore_from = TAKE_PTR(path);
	r = hoy_container_start(room, c->info.id, done, userdata, err);
	if (r < 0)
		hoy_container_restored(c);
	return r;
}

void hoy_container_restored(struct hoy_container *c)
{
	free(c->restore_from);
	c->restore_from = NULL;
}
