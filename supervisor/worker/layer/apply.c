/* One entry after the other, in the order of the archive: where names meet again, the later entry wins. */
#include "supervisor/worker/layer/apply.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/worker/layer/archive.h"
#include "supervisor/worker/layer/attrs.h"
#include "supervisor/worker/layer/tree.h"

struct applying {
	const struct hoy_layer_apply *how;
	struct hoy_layer_archive archive;
	struct hoy_layer_tree tree;
	bool has_root; /* there was an entry for the root */
};

/* Owner and mode as the entry has them. Numbers the kernel has no room for are refused. */
static int entry_owner(
	const struct applying *a, struct archive_entry *entry, uid_t *ret_uid, gid_t *ret_gid, struct hoy_err *err)
{
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (a->how->chown) {
		*ret_uid = a->how->uid;
		*ret_gid = a->how->gid;
		return 0;
	}
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return hoy_err_invalid(err, "owner %lld:%lld is out of range", (long long) uid, (long long) gid);
	*ret_uid = (uid_t) uid;
	*ret_gid = (gid_t) gid;
	return 0;
}

static struct timespec entry_mtime(struct archive_entry *entry)
{
	struct timespec t = { .tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry) };

	if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
		t.tv_nsec = 0;
	return t;
}

/* `fd` >= 0, or `base` in `parent`, which becomes the working directory: there is no l*xattrat(). */
static int set_xattrs(int fd, int parent, const char *base, struct archive_entry *entry, struct hoy_err *err)
{
	const char *name;
	const void *value;
	size_t size;
	int r;

	if (archive_entry_xattr_reset(entry) == 0)
		return 0;
	if (fd < 0 && fchdir(parent) < 0)
		return hoy_err_sys(err, "enter a directory");
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !hoy_layer_attrs_keeps_xattr(name))
			continue;
		r = hoy_layer_attrs_set_xattr(fd, base, name, value, size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Attributes through a descriptor: files and directories. */
static int set_attrs(const struct applying *a, int fd, struct archive_entry *entry, struct hoy_err *err)
{
	mode_t mode = archive_entry_perm(entry) & 07777;
	struct stat st;
	uid_t uid = 0;
	gid_t gid = 0;
	int r = entry_owner(a, entry, &uid, &gid, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at it");
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return hoy_err_sys(err, "set the owner");
	if (((st.st_mode & 07777) != mode || st.st_uid != uid || st.st_gid != gid) && fchmod(fd, mode) < 0)
		return hoy_err_sys(err, "set the mode");
	return set_xattrs(fd, -EBADF, /* base= */ NULL, entry, err);
}

/* Attributes by name: symlinks, fifos, device nodes. */
static int set_node_attrs(
	const struct applying *a, int parent, const char *base, struct archive_entry *entry, struct hoy_err *err)
{
	struct timespec mtime = entry_mtime(entry);
	uid_t uid = 0;
	gid_t gid = 0;
	int r = entry_owner(a, entry, &uid, &gid, err);

	if (r < 0)
		return r;
	if (fchownat(parent, base, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "set the owner");
	if (archive_entry_filetype(entry) != AE_IFLNK &&
		fchmodat(parent, base, archive_entry_perm(entry) & 07777, 0) < 0)
		return hoy_err_sys(err, "set the mode");
	r = set_xattrs(-EBADF, parent, base, entry, err);
	if (r < 0)
		return r;
	if (utimensat(parent, base, (const struct timespec[2]){ mtime, mtime }, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "set the time");
	return 0;
}

static int write_block(int fd, const char *data, size_t len, int64_t offset, struct hoy_err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hoy_err_sys(err, "write");
		data += n;
		len -= (size_t) n;
		offset += n;
	}
	return 0;
}

static int write_content(struct applying *a, int fd, int64_t size, struct hoy_err *err)
{
	int64_t end = 0, offset;
	const void *data;
	size_t len;
	int r;

	while ((r = hoy_layer_archive_data(&a->archive, &data, &len, &offset, err)) > 0) {
		if (offset < end || (int64_t) len > size - offset)
			return hoy_err_invalid(err, "content lies outside of the file");
		r = write_block(fd, data, len, offset, err);
		if (r < 0)
			return r;
		end = offset + (int64_t) len;
		r = hoy_layer_tree_wrote(&a->tree, len, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (end < size && ftruncate(fd, size) < 0)
		return hoy_err_sys(err, "set the size to %lld", (long long) size);
	return 0;
}

static int apply_file(
	struct applying *a, int parent, const char *base, struct archive_entry *entry, struct hoy_err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	mode_t mode = archive_entry_perm(entry) & 0777;
	struct timespec mtime = entry_mtime(entry);
	auto_fd int fd = openat(parent, base, flags, mode);
	bool whiteout;
	int r;

	if (fd < 0 && errno == EEXIST) {
		r = hoy_layer_tree_clear(&a->tree, parent, base, &whiteout, err);
		if (r < 0)
			return r;
		fd = openat(parent, base, flags, mode);
	}
	if (fd < 0)
		return hoy_err_sys(err, "create it");
	r = write_content(a, fd, archive_entry_size(entry), err);
	if (r < 0)
		return r;
	r = set_attrs(a, fd, entry, err);
	if (r < 0)
		return r;
	if (futimens(fd, (const struct timespec[2]){ mtime, mtime }) < 0)
		return hoy_err_sys(err, "set the time");
	return 0;
}

static int apply_dir(struct applying *a, int parent, const struct hoy_layer_name *name, struct archive_entry *entry,
	struct hoy_err *err)
{
	struct timespec mtime = entry_mtime(entry);
	auto_fd int fd = -EBADF;
	int r;

	a->has_root = a->has_root || !*name->path;
	if (*name->path)
		fd = hoy_layer_tree_mkdir(&a->tree, parent, name->base, err);
	else
		fd = openat(a->tree.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return *name->path ? fd : hoy_err_sys(err, "open the root");
	r = set_attrs(a, fd, entry, err);
	return r < 0 ? r : hoy_layer_tree_remember_time(&a->tree, name->path, &mtime, err);
}

static int make_node(int parent, const char *base, struct archive_entry *entry, struct hoy_err *err)
{
	mode_t type = archive_entry_filetype(entry);
	const char *target;

	if (type == AE_IFLNK) {
		target = hoy_layer_archive_symlink(entry);
		if (!target || !*target)
			return hoy_err_invalid(err, "a symbolic link to nothing");
		return symlinkat(target, parent, base) < 0 ? hoy_err_sys(err, "link to '%s'", target) : 0;
	}
	if (type != AE_IFIFO && type != AE_IFCHR && type != AE_IFBLK)
		return hoy_err_invalid(err, "a type that no layer has (%o)", (unsigned int) type);
	if (mknodat(parent, base, type | 0600,
		    type == AE_IFIFO ? 0
				     : makedev((unsigned int) archive_entry_rdevmajor(entry),
					       (unsigned int) archive_entry_rdevminor(entry))) < 0)
		return hoy_err_sys(err, "make the node");
	return 0;
}

static int apply_node(
	struct applying *a, int parent, const char *base, struct archive_entry *entry, struct hoy_err *err)
{
	bool whiteout;
	int r = hoy_layer_tree_clear(&a->tree, parent, base, &whiteout, err);

	if (r == 0)
		r = make_node(parent, base, entry, err);
	return r < 0 ? r : set_node_attrs(a, parent, base, entry, err);
}

/* Outside of layers ".wh.x" is a name as any other. */
static void as_plain(struct hoy_layer_name *name)
{
	const char *slash = strrchr(name->path, '/');

	name->kind = HOY_LAYER_NAME_ENTRY;
	name->base = slash ? slash + 1 : name->path;
	name->parent_len = slash ? (size_t) (slash - name->path) : 0;
}

static int apply_hardlink(struct applying *a, const struct hoy_layer_name *name, const char *to, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name target = { 0 };
	int r = hoy_layer_name_parse(to, &target, err);

	if (r < 0)
		return hoy_err_wrap(err, "hard link");
	if (a->how->plain)
		as_plain(&target);
	if (target.kind != HOY_LAYER_NAME_ENTRY || !*target.path)
		return hoy_err_invalid(err, "hard link to '%s', which is no file of the layer", to);
	return hoy_layer_tree_link(&a->tree, &target, name, err);
}

static int apply_opaque(struct applying *a, int parent, struct hoy_err *err)
{
	auto_fd int dir = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void) a;
	return dir < 0 ? hoy_err_sys(err, "open the directory") : hoy_layer_tree_set_opaque(dir, err);
}

/* docker's words, by which `cp` is known. */
static int check_overwrite(int parent, const struct hoy_layer_name *name, mode_t type, struct hoy_err *err)
{
	struct stat st;

	if (!*name->path || fstatat(parent, name->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode) && type != AE_IFDIR)
		return hoy_err_invalid(
			err, "cannot overwrite directory \"/%s\" with non-directory \"/%s\"", name->path, name->path);
	if (!S_ISDIR(st.st_mode) && type == AE_IFDIR)
		return hoy_err_invalid(
			err, "cannot overwrite non-directory \"/%s\" with directory \"/%s\"", name->path, name->path);
	return 0;
}

static int apply_named(
	struct applying *a, const struct hoy_layer_name *name, struct archive_entry *entry, struct hoy_err *err)
{
	const char *hardlink = hoy_layer_archive_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);
	int parent;

	if (hardlink && name->kind == HOY_LAYER_NAME_ENTRY && *name->path)
		return apply_hardlink(a, name, hardlink, err);
	parent = hoy_layer_tree_parent(&a->tree, name, err);
	if (parent < 0)
		return parent;
	if (a->how->no_overwrite) {
		int r = check_overwrite(parent, name, type, err);

		if (r < 0)
			return r;
	}
	if (name->kind == HOY_LAYER_NAME_OPAQUE)
		return apply_opaque(a, parent, err);
	if (name->kind == HOY_LAYER_NAME_WHITEOUT)
		return hoy_layer_tree_whiteout(&a->tree, parent, name->base, err);
	if (type == AE_IFDIR && a->how->plain && !a->how->with_root && !*name->path)
		return 0;
	if (type == AE_IFDIR)
		return apply_dir(a, parent, name, entry, err);
	if (!*name->path)
		return hoy_err_invalid(err, "the root of a layer is a directory, not something else");
	if (type == AE_IFREG)
		return apply_file(a, parent, name->base, entry, err);
	return apply_node(a, parent, name->base, entry, err);
}

static int apply_entry(struct applying *a, struct archive_entry *entry, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	const char *path = hoy_layer_archive_path(entry);
	int r;

	if (!path)
		return hoy_err_invalid(err, "an entry without a name");
	r = hoy_layer_name_parse(path, &name, err);
	if (r == 0 && a->how->plain)
		as_plain(&name);
	if (r < 0 || name.kind == HOY_LAYER_NAME_IGNORED)
		return r;
	r = apply_named(a, &name, entry, err);
	return r < 0 ? hoy_err_wrap(err, "entry '%s'", path) : 0;
}

/* Without an entry for it, the root is what it is below. */
static int inherit_root(struct applying *a, struct hoy_err *err)
{
	auto_fd int dir = -EBADF;
	struct stat st;
	int r;

	if (a->tree.lower < 0)
		return 0;
	dir = openat(a->tree.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "open the root");
	r = hoy_layer_attrs_copy(a->tree.lower, dir, &st, err);
	return r < 0 ? r : hoy_layer_tree_remember_time(&a->tree, "", &st.st_mtim, err);
}

static int apply_all(struct applying *a, struct hoy_err *err)
{
	struct archive_entry *entry;
	int r = inherit_root(a, err);

	if (r < 0)
		return r;
	while ((r = hoy_layer_archive_next(&a->archive, &entry, err)) > 0) {
		r = apply_entry(a, entry, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : hoy_layer_tree_set_times(&a->tree, err);
}

static void applying_done(struct applying *a)
{
	hoy_layer_tree_done(&a->tree);
	hoy_layer_archive_done(&a->archive);
}

int hoy_layer_apply(const struct hoy_layer_apply *apply, struct hoy_layer_stream *stream, struct hoy_layer_reply *done,
	struct hoy_err *err)
{
	auto_(applying_done) struct applying a = { .how = apply };
	int r;

	hoy_layer_tree_init(&a.tree, apply->root, apply->lower);
	a.tree.alone = apply->alone;
	r = hoy_layer_archive_open(&a.archive, stream, apply->limits.max_entries, err);
	if (r < 0)
		return r;
	r = apply_all(&a, err);
	if (r < 0)
		return r;
	r = hoy_layer_stream_finish(stream, done, err);
	if (r < 0)
		return r;
	if (*apply->diff_id && strcmp(apply->diff_id, done->done.diff_id) != 0)
		return hoy_err_invalid(
			err, "the layer's content is %s, but %s was announced", done->done.diff_id, apply->diff_id);
	done->done.root_implied = !a.has_root;
	done->done.unpacked = a.tree.written;
	done->done.entries = a.archive.entries;
	return 0;
}
