/* A tree copied into another: what docker does with an image's content in a new volume, and `volume clone`. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/chmod.h"
#include "supervisor/build/ignore.h"
#include "supervisor/worker/files/files.h"
#include "supervisor/worker/layer/attrs.h"

#define DEPTH_MAX 400

/* A file with several names, and the first that was written. */
struct linked {
	dev_t dev;
	ino_t ino;
	char *path; /* below the target */
};

struct copying {
	const struct hoy_view *view;
	const struct hoy_files_owner *owner; /* NULL: as they are */
	int to;                              /* the target's top */
	struct linked *links;
	size_t n_links;
	uint64_t bytes;
};

bool hoy_files_is_empty(int dir)
{
	auto_ptr(hoy_strv_free) char **names = NULL;

	return hoy_files_names(dir, &names, NULL) == 0 && !names[0];
}

static void copying_done(struct copying *c)
{
	for (size_t i = 0; i < c->n_links; i++)
		free(c->links[i].path);
	free(c->links);
}

static const struct linked *find_link(const struct copying *c, const struct stat *st)
{
	for (size_t i = 0; i < c->n_links; i++)
		if (c->links[i].dev == st->st_dev && c->links[i].ino == st->st_ino)
			return &c->links[i];
	return NULL;
}

static int remember_link(struct copying *c, const struct stat *st, const char *path)
{
	struct linked *grown = reallocarray(c->links, c->n_links + 1, sizeof *grown);

	if (!grown)
		return -ENOMEM;
	c->links = grown;
	c->links[c->n_links] = (struct linked){ st->st_dev, st->st_ino, strdup(path) };
	return c->links[c->n_links++].path ? 0 : -ENOMEM;
}

/* What a copy that was interrupted has left there; in a build, what the layers below have. */
static int make_room(const struct copying *c, int to, const char *name, bool is_dir, struct hoy_err *err)
{
	struct stat st;

	if (c->owner) {
		if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s'", name);
		if (S_ISDIR(st.st_mode) && is_dir)
			return 0; /* they are merged */
		if (S_ISDIR(st.st_mode))
			return hoy_err_invalid(err, "cannot replace the directory '%s' with a file", name);
		if (is_dir)
			return hoy_err_invalid(err, "cannot copy to '%s': it is not a directory", name);
	}
	if (unlinkat(to, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR)
		return hoy_path_remove_all(to, name, err);
	return hoy_err_sys(err, "replace '%s'", name);
}

/* Through descriptors only: somebody may be using the target. */
static int link_to(struct copying *c, const struct linked *first, int to, const char *name, struct hoy_err *err)
{
	auto_free char *dir = strndup(first->path, (size_t) (hoy_path_base(first->path) - first->path));
	auto_fd int parent = -EBADF;

	if (!dir)
		return hoy_err_oom(err);
	parent = hoy_path_open_in_root(c->to, *dir ? dir : "/", O_PATH | O_DIRECTORY, 0, err);
	if (parent < 0)
		return parent;
	return linkat(parent, hoy_path_base(first->path), to, name, 0) < 0 ? hoy_err_sys(err, "link '%s'", name) : 0;
}

static mode_t changed_mode(const struct hoy_files_owner *owner, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	if (owner && owner->chmod)
		(void) hoy_chmod_apply(owner->chmod, mode, S_ISDIR(st->st_mode), &mode);
	return mode;
}

/* Instead of the owner and mode it has. A change of owner clears set-id bits, so the mode comes behind it. */
static int give(const struct hoy_files_owner *owner, int fd, const struct stat *st, struct hoy_err *err)
{
	mode_t mode = changed_mode(owner, st);

	if (fchown(fd, owner->keep ? st->st_uid : owner->uid, owner->keep ? st->st_gid : owner->gid) < 0 ||
		fchmod(fd, mode) < 0)
		return hoy_err_sys(err, "set owner and mode");
	return futimens(fd, (const struct timespec[2]){ st->st_mtim, st->st_mtim }) < 0
		       ? hoy_err_sys(err, "set the time")
		       : 0;
}

static int copy_file(struct copying *c, int fd, const struct stat *st, int to, const char *name, const char *path,
	struct hoy_err *err)
{
	const struct linked *first = st->st_nlink > 1 ? find_link(c, st) : NULL;
	auto_fd int content = -EBADF, made = -EBADF;
	int r;

	if (first)
		return link_to(c, first, to, name, err);
	content = hoy_view_reopen(c->view, fd, err);
	if (content < 0)
		return content;
	made = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (made < 0)
		return hoy_err_sys(err, "create '%s'", path);
	r = hoy_layer_attrs_copy_file(content, made, err);
	if (r == 0 && st->st_nlink > 1 && remember_link(c, st, path) < 0)
		return hoy_err_oom(err);
	c->bytes += (uint64_t) st->st_size;
	if (r == 0 && c->owner)
		r = give(c->owner, made, st, err);
	return r;
}

static int copy_node(
	const struct copying *c, int fd, const struct stat *st, int to, const char *name, struct hoy_err *err)
{
	uid_t uid = c->owner && !c->owner->keep ? c->owner->uid : st->st_uid;
	gid_t gid = c->owner && !c->owner->keep ? c->owner->gid : st->st_gid;
	char target[4096];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(fd, "", target, sizeof target - 1);
		if (n < 0)
			return hoy_err_sys(err, "read the link '%s'", name);
		target[n] = '\0';
		if (symlinkat(target, to, name) < 0)
			return hoy_err_sys(err, "link '%s'", name);
	} else if (mknodat(to, name, st->st_mode, st->st_rdev) < 0) {
		return hoy_err_sys(err, "make '%s'", name);
	}
	if (fchownat(to, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "set the owner of '%s'", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, changed_mode(c->owner, st), 0) < 0)
		return hoy_err_sys(err, "set the mode of '%s'", name);
	return utimensat(to, name, (const struct timespec[2]){ st->st_mtim, st->st_mtim }, AT_SYMLINK_NOFOLLOW) < 0
		       ? hoy_err_sys(err, "set the time of '%s'", name)
		       : 0;
}

static int copy_all(struct copying *c, int from, int to, const char *path, unsigned int depth, struct hoy_err *err);

static int copy_dir(
	struct copying *c, int fd, int to, const char *name, const char *path, unsigned int depth, struct hoy_err *err)
{
	auto_fd int from = hoy_view_reopen(c->view, fd, err), made = -EBADF;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (mkdirat(to, name, 0700) < 0 && !(c->owner && errno == EEXIST))
		return hoy_err_sys(err, "make directory '%s'", path);
	made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0)
		return hoy_err_sys(err, "open directory '%s'", path);
	r = copy_all(c, from, made, path, depth + 1, err);
	if (r == 0)
		r = hoy_layer_attrs_copy(from, made, &st, err);
	if (r == 0 && c->owner)
		return give(c->owner, made, &st, err);
	if (r == 0 && futimens(made, (const struct timespec[2]){ st.st_mtim, st.st_mtim }) < 0)
		r = hoy_err_sys(err, "set the time of '%s'", path);
	return r;
}

static int copy_opened(
	struct copying *c, int fd, int to, const char *name, const char *path, unsigned int depth, struct hoy_err *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at '%s'", path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	r = make_room(c, to, name, S_ISDIR(st.st_mode), err);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return copy_dir(c, fd, to, name, path, depth, err);
	if (S_ISREG(st.st_mode))
		return copy_file(c, fd, &st, to, name, path, err);
	return copy_node(c, fd, &st, to, name, err);
}

/* One that is left out whole is not even looked at; else what comes back below it needs it. */
static bool is_left_out(const struct copying *c, const char *path, bool *ret_prunes)
{
	const struct hoy_files_owner *owner = c->owner;
	auto_free char *whole = NULL;

	*ret_prunes = false;
	if (!owner || !owner->excludes)
		return false;
	whole = hoy_str_printf("%s%s", owner->prefix, path);
	if (!whole || !hoy_ignore_excludes(owner->excludes, whole))
		return false;
	*ret_prunes = hoy_ignore_prunes(owner->excludes, whole);
	return true;
}

static int copy_one(struct copying *c, int from, int to, const char *name, const char *path, unsigned int depth,
	struct hoy_err *err)
{
	auto_fd int fd = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool prunes, left_out = is_left_out(c, path, &prunes), was_there;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (!left_out)
		return copy_opened(c, fd, to, name, path, depth, err);
	if (prunes || !S_ISDIR(st.st_mode))
		return 0;
	was_there = faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	r = copy_opened(c, fd, to, name, path, depth, err);
	if (r == 0 && !was_there && unlinkat(to, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return hoy_err_sys(err, "remove '%s'", path);
	return r;
}

static int copy_all(struct copying *c, int from, int to, const char *path, unsigned int depth, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_files_names(from, &names, err);

	if (r == 0 && depth >= DEPTH_MAX)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, ELOOP, "more than %d directories in each other", DEPTH_MAX);
	for (char **n = names; r == 0 && *n; n++) {
		auto_free char *below = *path ? hoy_str_printf("%s/%s", path, *n) : strdup(*n);

		r = below ? copy_one(c, from, to, *n, below, depth, err) : hoy_err_oom(err);
	}
	return r;
}

int hoy_files_copy(const struct hoy_view *view, int from, int to, uint64_t *ret_bytes, struct hoy_err *err)
{
	auto_(copying_done) struct copying c = { .view = view, .to = to };
	struct stat st;
	int r = copy_all(&c, from, to, "", 0, err);

	if (r == 0)
		r = hoy_layer_attrs_copy(from, to, &st, err);
	*ret_bytes = c.bytes;
	return r;
}

int hoy_files_copy_as(const struct hoy_view *view, int fd, int to, const char *name,
	const struct hoy_files_owner *owner, uint64_t *ret_bytes, struct hoy_err *err)
{
	auto_(copying_done) struct copying c = { .view = view, .to = to, .owner = owner };
	int r = copy_opened(&c, fd, to, name, name, 0, err);

	*ret_bytes += c.bytes;
	return r;
}

int hoy_files_copy_content(const struct hoy_view *view, int from, int to, const struct hoy_files_owner *owner,
	uint64_t *ret_bytes, struct hoy_err *err)
{
	auto_(copying_done) struct copying c = { .view = view, .to = to, .owner = owner };
	int r = copy_all(&c, from, to, "", 0, err);

	*ret_bytes += c.bytes;
	return r;
}

int hoy_files_give(const struct hoy_files_owner *owner, int fd, const struct stat *st, struct hoy_err *err)
{
	return give(owner, fd, st, err);
}
