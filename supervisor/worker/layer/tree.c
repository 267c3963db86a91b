/* Parents, whiteouts, links: what an entry needs besides its own data. */
#include "supervisor/worker/layer/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "supervisor/worker/layer/attrs.h"
#include "supervisor/worker/layer/protocol.h"

#define OPAQUE_XATTR "user.overlay.opaque"
#define MAX_DIRS ((size_t) 2000000)
/* A layer may not fill the disk to the last byte: checked every SPACE_STEP bytes. */
#define SPACE_RESERVE ((uint64_t) 32 << 20)
#define SPACE_STEP ((uint64_t) 16 << 20)

struct hoy_layer_dir {
	char *path;
	struct timespec mtime;
};

void hoy_layer_tree_init(struct hoy_layer_tree *tree, int root, int lower)
{
	*tree = (struct hoy_layer_tree){ .root = root, .lower = lower, .parent = -EBADF };
}

void hoy_layer_tree_done(struct hoy_layer_tree *tree)
{
	hoy_fd_close(&tree->parent);
	free(tree->parent_path);
	for (size_t i = 0; i < tree->n_dirs; i++)
		free(tree->dirs[i].path);
	free(tree->dirs);
	tree->parent_path = NULL;
	tree->dirs = NULL;
	tree->n_dirs = 0;
}

/* Plain openat2 without an error text: that something is missing is the normal case here. */
static int open_in(int root, const char *path, uint64_t flags)
{
	const struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int) syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
}

static int needs_lowers(struct hoy_err *err)
{
	return hoy_err_code(err, -HOY_LAYER_NEEDS_LOWERS, "the layers below are needed");
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* The cached parent may have been reached through what goes away now: the next lookup takes the long way. The caller
 * may still be using the descriptor. */
static void distrust_parent(struct hoy_layer_tree *tree)
{
	free(tree->parent_path);
	tree->parent_path = NULL;
}

/* A directory that the layer implies by naming something in it: as the lower layers have it, or plain. */
static int make_implied(
	struct hoy_layer_tree *tree, int parent, const char *base, const char *path, struct hoy_err *err)
{
	auto_fd int dir = tree->alone ? needs_lowers(err) : hoy_layer_tree_mkdir(tree, parent, base, err);
	auto_fd int lower = -EBADF;
	struct stat st;
	int r;

	if (dir < 0)
		return dir;
	if (tree->lower >= 0)
		lower = open_in(tree->lower, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (lower < 0) {
		/* A parent with the set-group-ID bit has passed its group and the bit on. A build's context is
		 * nobody's. */
		if ((fchown(dir, 0, 0) < 0 && !(errno == EPERM && geteuid() != 0)) || fchmod(dir, 0755) < 0)
			return hoy_err_sys(err, "set the mode of '%s'", path);
		return 0;
	}
	r = hoy_layer_attrs_copy(lower, dir, &st, err);
	return r < 0 ? r : hoy_layer_tree_remember_time(tree, path, &st.st_mtim, err);
}

/* Opens or makes the last component of `path`; its parent exists. */
static int open_or_make(struct hoy_layer_tree *tree, const char *path, const char *parent_path, struct hoy_err *err)
{
	auto_fd int parent = -EBADF;
	const char *base = hoy_path_base(path);
	struct stat st;
	int fd = open_in(tree->root, path, O_PATH | O_DIRECTORY), r;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR)
		return hoy_err_sys(err, "open directory '%s'", path);
	parent = open_in(tree->root, parent_path, O_PATH | O_DIRECTORY);
	if (parent < 0)
		return hoy_err_sys(err, "open directory '%s'", parent_path);
	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && !is_whiteout(&st))
		return hoy_err_invalid(err, "'%s' is not a directory", path);
	r = make_implied(tree, parent, base, path, err);
	if (r < 0)
		return r;
	fd = open_in(tree->root, path, O_PATH | O_DIRECTORY);
	return fd < 0 ? hoy_err_sys(err, "open directory '%s'", path) : fd;
}

/* Component by component from the top: the slow way, taken when a parent is missing. */
static int make_parents(struct hoy_layer_tree *tree, const char *path, struct hoy_err *err)
{
	auto_free char *prefix = strdup(path);
	auto_free char *above = strdup(path);
	int fd = -EBADF;

	if (!prefix || !above)
		return hoy_err_oom(err);
	above[0] = '\0';
	for (char *end = prefix;; end++) {
		char c = *end;

		if (c != '/' && c != '\0')
			continue;
		*end = '\0';
		hoy_fd_close(&fd);
		fd = open_or_make(tree, prefix, above, err);
		if (fd < 0 || c == '\0')
			return fd;
		memcpy(above, prefix, (size_t) (end - prefix) + 1);
		*end = '/';
	}
}

int hoy_layer_tree_parent(struct hoy_layer_tree *tree, const struct hoy_layer_name *name, struct hoy_err *err)
{
	auto_free char *path = NULL;
	int fd;

	if (name->parent_len == 0)
		return tree->root;
	if (tree->parent_path && strlen(tree->parent_path) == name->parent_len &&
		memcmp(tree->parent_path, name->path, name->parent_len) == 0)
		return tree->parent;

	path = strndup(name->path, name->parent_len);
	if (!path)
		return hoy_err_oom(err);
	fd = open_in(tree->root, path, O_PATH | O_DIRECTORY);
	if (fd < 0)
		fd = make_parents(tree, path, err);
	if (fd < 0)
		return fd;
	distrust_parent(tree);
	hoy_fd_close(&tree->parent);
	tree->parent = fd;
	tree->parent_path = TAKE_PTR(path);
	return fd;
}

int hoy_layer_tree_clear(
	struct hoy_layer_tree *tree, int parent, const char *base, bool *ret_whiteout, struct hoy_err *err)
{
	struct stat st;

	*ret_whiteout = false;
	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s'", base);
	*ret_whiteout = is_whiteout(&st);
	if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
		distrust_parent(tree);
	if (S_ISDIR(st.st_mode))
		return hoy_path_remove_all(parent, base, err);
	if (unlinkat(parent, base, 0) < 0)
		return hoy_err_sys(err, "remove '%s'", base);
	return 0;
}

int hoy_layer_tree_set_opaque(int dir, struct hoy_err *err)
{
	if (fsetxattr(dir, OPAQUE_XATTR, "y", 1, 0) == 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return hoy_err_unsupported(
			err, "an opaque directory needs user.* xattrs, which the data root's file system has not");
	return hoy_err_sys(err, "mark a directory as opaque");
}

int hoy_layer_tree_mkdir(struct hoy_layer_tree *tree, int parent, const char *base, struct hoy_err *err)
{
	auto_fd int dir = -EBADF;
	bool whiteout = false;
	int r;

	if (mkdirat(parent, base, 0755) < 0) {
		if (errno != EEXIST)
			return hoy_err_sys(err, "make directory '%s'", base);
		dir = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir >= 0)
			return TAKE_FD(dir);
		r = hoy_layer_tree_clear(tree, parent, base, &whiteout, err);
		if (r < 0)
			return r;
		if (mkdirat(parent, base, 0755) < 0)
			return hoy_err_sys(err, "make directory '%s'", base);
	}
	dir = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "open directory '%s'", base);
	r = whiteout ? hoy_layer_tree_set_opaque(dir, err) : 0;
	return r < 0 ? r : TAKE_FD(dir);
}

/* A whiteout hides lower layers only: what this layer has put at its place already stays, a directory as an opaque
 * one. */
int hoy_layer_tree_whiteout(struct hoy_layer_tree *tree, int parent, const char *base, struct hoy_err *err)
{
	auto_fd int dir = -EBADF;

	(void) tree;
	if (mknodat(parent, base, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return hoy_err_sys(err, "make the whiteout of '%s'", base);
	dir = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? 0 : hoy_layer_tree_set_opaque(dir, err);
}

/* Copies a file of the lower layers to its own place in this one, as overlay would when a link is made to it. */
static int copy_up(struct hoy_layer_tree *tree, const struct hoy_layer_name *target, int parent, struct hoy_err *err)
{
	auto_fd int from = -EBADF, to = -EBADF;
	struct stat st;

	if (tree->alone)
		return needs_lowers(err);
	if (tree->lower >= 0)
		from = open_in(tree->lower, target->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return hoy_err_invalid(err, "hard link to '%s', which is no file of the layer", target->path);
	to = openat(parent, target->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return hoy_err_sys(err, "copy '%s' up", target->path);
	return hoy_layer_attrs_copy_file(from, to, err);
}

int hoy_layer_tree_link(struct hoy_layer_tree *tree, const struct hoy_layer_name *target,
	const struct hoy_layer_name *name, struct hoy_err *err)
{
	auto_fd int from = -EBADF;
	struct stat st, there;
	bool whiteout;
	int parent, r;

	parent = hoy_layer_tree_parent(tree, target, err);
	if (parent < 0)
		return parent;
	from = fcntl(parent, F_DUPFD_CLOEXEC, 3);
	if (from < 0)
		return hoy_err_sys(err, "keep a directory open");
	if (fstatat(from, target->base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = copy_up(tree, target, from, err);
		if (r < 0)
			return r;
	} else if (S_ISDIR(st.st_mode) || is_whiteout(&st)) {
		return hoy_err_invalid(err, "hard link to '%s', which is no file of the layer", target->path);
	}

	parent = hoy_layer_tree_parent(tree, name, err);
	if (parent < 0)
		return parent;
	if (fstatat(from, target->base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		fstatat(parent, name->base, &there, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == there.st_ino &&
		st.st_dev == there.st_dev)
		return 0;
	r = hoy_layer_tree_clear(tree, parent, name->base, &whiteout, err);
	if (r < 0)
		return r;
	if (linkat(from, target->base, parent, name->base, 0) < 0)
		return hoy_err_sys(err, "link to '%s'", target->path);
	return 0;
}

int hoy_layer_tree_remember_time(
	struct hoy_layer_tree *tree, const char *path, const struct timespec *mtime, struct hoy_err *err)
{
	struct hoy_layer_dir *dirs;

	if (tree->n_dirs == MAX_DIRS)
		return hoy_err_invalid(err, "more than %zu directories", MAX_DIRS);
	if (tree->n_dirs == tree->dirs_size) {
		size_t size = tree->dirs_size ? 2 * tree->dirs_size : 64;

		dirs = reallocarray(tree->dirs, size, sizeof *dirs);
		if (!dirs)
			return hoy_err_oom(err);
		tree->dirs = dirs;
		tree->dirs_size = size;
	}
	tree->dirs[tree->n_dirs].path = strdup(path);
	if (!tree->dirs[tree->n_dirs].path)
		return hoy_err_oom(err);
	tree->dirs[tree->n_dirs++].mtime = *mtime;
	return 0;
}

int hoy_layer_tree_set_times(struct hoy_layer_tree *tree, struct hoy_err *err)
{
	for (size_t i = 0; i < tree->n_dirs; i++) {
		const struct timespec times[2] = { tree->dirs[i].mtime, tree->dirs[i].mtime };
		auto_fd int dir = open_in(tree->root, tree->dirs[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		/* A later entry may have put something else there. */
		if (dir >= 0 && futimens(dir, times) < 0)
			return hoy_err_sys(err, "set the time of '%s'", tree->dirs[i].path);
	}
	return 0;
}

int hoy_layer_tree_wrote(struct hoy_layer_tree *tree, uint64_t len, struct hoy_err *err)
{
	struct statfs fs;

	tree->written += len;
	if (tree->written - tree->checked < SPACE_STEP)
		return 0;
	tree->checked = tree->written;
	if (fstatfs(tree->root, &fs) < 0)
		return hoy_err_sys(err, "look at the free space");
	if ((uint64_t) fs.f_bavail * (uint64_t) fs.f_bsize < SPACE_RESERVE)
		return hoy_err_code(err, -ENOSPC, "unpack");
	return 0;
}
