#include "supervisor/worker/layer/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/attrs.h"

void hoy_layer_twin_init(struct hoy_layer_tree *twin, int root)
{
	hoy_layer_tree_init(twin, root, /* lower= */ -1);
}

/* Where `path` goes; -ENOENT without an error: it is no entry of a layer, and what it marks is done. */
static int place(struct hoy_layer_tree *twin, const char *path, struct hoy_layer_name *name, struct hoy_err *err)
{
	auto_fd int dir = -EBADF;
	int r = hoy_layer_name_parse(path, name, err), parent;

	if (r < 0)
		return r;
	if (name->kind == HOY_LAYER_NAME_IGNORED)
		return -ENOENT;
	parent = hoy_layer_tree_parent(twin, name, err);
	if (parent < 0 || name->kind == HOY_LAYER_NAME_ENTRY)
		return parent;
	if (name->kind == HOY_LAYER_NAME_WHITEOUT) {
		r = hoy_layer_tree_whiteout(twin, parent, name->base, err);
		return r < 0 ? r : -ENOENT;
	}
	dir = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? hoy_err_sys(err, "open the directory") : hoy_layer_tree_set_opaque(dir, err);
	return r < 0 ? r : -ENOENT;
}

/* Other than -ENOENT of place(), which is no failure. */
static int unless_marked(int r)
{
	return r == -ENOENT ? 0 : r;
}

static int set_owner(int fd, const struct stat *st, struct hoy_err *err)
{
	if (fchown(fd, st->st_uid, st->st_gid) < 0)
		return hoy_err_sys(err, "set the owner");
	return fchmod(fd, st->st_mode & 07777) < 0 ? hoy_err_sys(err, "set the mode") : 0;
}

int hoy_layer_twin_dir(
	struct hoy_layer_tree *twin, const char *path, int from, const struct stat *st, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	auto_fd int dir = -EBADF;
	int parent = place(twin, path, &name, err), r;

	if (parent < 0)
		return unless_marked(parent);
	dir = hoy_layer_tree_mkdir(twin, parent, name.base, err);
	if (dir < 0)
		return dir;
	r = set_owner(dir, st, err);
	if (r == 0)
		r = hoy_layer_attrs_copy_xattrs(from, dir, err);
	return r < 0 ? r : hoy_layer_tree_remember_time(twin, name.path, &st->st_mtim, err);
}

int hoy_layer_twin_file(struct hoy_layer_tree *twin, const char *path, struct hoy_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	int parent = place(twin, path, &name, err), fd, r;
	bool whiteout;

	if (parent < 0)
		return parent;
	fd = openat(parent, name.base, flags, 0600);
	if (fd < 0 && errno == EEXIST) { /* ".wh.x" may have come before "x" */
		r = hoy_layer_tree_clear(twin, parent, name.base, &whiteout, err);
		if (r < 0)
			return r;
		fd = openat(parent, name.base, flags, 0600);
	}
	return fd < 0 ? hoy_err_sys(err, "create it in the layer") : fd;
}

int hoy_layer_twin_file_end(struct hoy_layer_tree *twin, int fd, int from, const struct stat *st, struct hoy_err *err)
{
	int r;

	if (ftruncate(fd, st->st_size) < 0) /* the original has become shorter: the tar has zeros there */
		return hoy_err_sys(err, "set the size to %lld", (long long) st->st_size);
	r = set_owner(fd, st, err);
	if (r == 0)
		r = hoy_layer_attrs_copy_xattrs(from, fd, err);
	if (r == 0 && futimens(fd, (const struct timespec[2]){ st->st_mtim, st->st_mtim }) < 0)
		r = hoy_err_sys(err, "set the time");
	return r < 0 ? r : hoy_layer_tree_wrote(twin, (uint64_t) st->st_size, err);
}

int hoy_layer_twin_node(
	struct hoy_layer_tree *twin, const char *path, const struct stat *st, const char *link, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	int parent = place(twin, path, &name, err), r;
	bool whiteout;

	if (parent < 0)
		return unless_marked(parent);
	r = hoy_layer_tree_clear(twin, parent, name.base, &whiteout, err);
	if (r < 0)
		return r;
	if (link ? symlinkat(link, parent, name.base) < 0
		 : mknodat(parent, name.base, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0)
		return hoy_err_sys(err, "make it in the layer");
	if (fchownat(parent, name.base, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "set the owner");
	if (!link && fchmodat(parent, name.base, st->st_mode & 07777, 0) < 0)
		return hoy_err_sys(err, "set the mode");
	if (utimensat(parent, name.base, (const struct timespec[2]){ st->st_mtim, st->st_mtim }, AT_SYMLINK_NOFOLLOW) <
		0)
		return hoy_err_sys(err, "set the time");
	return 0;
}

int hoy_layer_twin_link(struct hoy_layer_tree *twin, const char *path, const char *first, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 }, target = { 0 };
	int r = place(twin, path, &name, err);

	if (r < 0)
		return unless_marked(r);
	r = hoy_layer_name_parse(first, &target, err);
	if (r < 0)
		return r;
	if (target.kind != HOY_LAYER_NAME_ENTRY)
		return hoy_err_invalid(err, "hard link to '%s', which is no file of the layer", first);
	return hoy_layer_tree_link(twin, &target, &name, err);
}

int hoy_layer_twin_mark(struct hoy_layer_tree *twin, const char *path, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	int r = place(twin, path, &name, err);

	return r < 0 ? unless_marked(r) : 0;
}
