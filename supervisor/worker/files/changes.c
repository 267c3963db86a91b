/*
 * What a container has changed, told from its own layer: a whiteout is a deletion, what the layers below have too is a
 * modification, the rest was added. Directories that say the same as below are there for what is in them only. Mount
 * points that every container is given are not its changes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"

#define DEPTH_MAX 400

enum kind { MODIFIED, ADDED, DELETED };

struct comparing {
	const struct hoy_view *view;
	struct hoy_json_writer w;
};

static void add(struct comparing *c, const char *path, enum kind kind)
{
	hoy_json_object(&c->w, NULL);
	hoy_json_add_string(&c->w, "Path", path);
	hoy_json_add_i64(&c->w, "Kind", kind);
	hoy_json_end(&c->w);
}

/* As docker's init layer: what is made for the engine's own mounts. */
static bool is_mount_point(const char *path, const struct stat *st)
{
	static const char *const dirs[] = { "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/etc", "/proc", "/sys" };
	static const char *const files[] = { "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab",
		"/dev/console", "/.dockerenv" };

	for (size_t i = 0; S_ISDIR(st->st_mode) && i < ARRAY_LEN(dirs); i++)
		if (strcmp(path, dirs[i]) == 0)
			return true;
	for (size_t i = 0; !S_ISDIR(st->st_mode) && i < ARRAY_LEN(files); i++)
		if (strcmp(path, files[i]) == 0)
			return S_ISLNK(st->st_mode) || st->st_size == 0;
	return false;
}

/* Is the directory changed only because mount points were made in it? */
static bool has_mount_points(const char *path)
{
	return strcmp(path, "/dev") == 0 || strcmp(path, "/etc") == 0;
}

static bool is_whiteout(int parent, const char *name, const struct stat *st)
{
	char value[4];
	auto_fd int fd = -EBADF;

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	if (!S_ISREG(st->st_mode) || st->st_size != 0)
		return false;
	fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && fgetxattr(fd, "user.overlay.whiteout", value, sizeof value) >= 0;
}

static bool is_opaque(int dir)
{
	char value[4];

	return fgetxattr(dir, "user.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y';
}

static bool same_dir(const char *path, const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       (has_mount_points(path) ||
		       (a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec));
}

static int compare_dir(
	struct comparing *c, int upper, int lower, const char *path, unsigned int depth, struct hoy_err *err);

/* `lower` < 0: the directory is not below, or hidden. Output so far is kept back until it is known whether the
 * directory itself is to be told: it is when anything in it is. */
static int compare_below(struct comparing *c, int parent, int lower, const char *name, const char *path,
	const struct stat *st, const struct stat *below, unsigned int depth, struct hoy_err *err)
{
	auto_fd int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int lower_dir = -EBADF;
	auto_(hoy_buf_done) struct hoy_buf inner = { 0 };
	struct comparing in = { .view = c->view, .w = { .buf = &inner } };
	bool any;
	int r;

	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (below && S_ISDIR(below->st_mode))
		lower_dir = openat(lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	hoy_json_array(&in.w, NULL);
	r = compare_dir(&in, dir, lower_dir, path, depth + 1, err);
	hoy_json_end(&in.w);
	if (r == 0)
		r = hoy_buf_check(&inner, "changes", err);
	if (r < 0)
		return r;
	any = inner.len > 2;
	if (!below && !(is_mount_point(path, st) && !any))
		add(c, path, ADDED);
	else if (below && (any || !same_dir(path, st, below)))
		add(c, path, MODIFIED);
	if (any) { /* the elements between the brackets */
		if (c->w.has_member)
			hoy_buf_addc(c->w.buf, ',');
		hoy_buf_add(c->w.buf, inner.data + 1, inner.len - 2);
		c->w.has_member = true;
	}
	return hoy_buf_check(c->w.buf, "changes", err);
}

static int compare_one(struct comparing *c, int upper, int lower, const char *name, const char *path,
	unsigned int depth, struct hoy_err *err)
{
	struct stat st, below;
	bool is_below = lower >= 0 && fstatat(lower, name, &below, AT_SYMLINK_NOFOLLOW) == 0;

	if (fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s'", path);
	if (is_whiteout(upper, name, &st)) {
		if (is_below)
			add(c, path, DELETED);
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return compare_below(c, upper, lower, name, path, &st, is_below ? &below : NULL, depth, err);
	if (is_below)
		add(c, path, MODIFIED);
	else if (!is_mount_point(path, &st))
		add(c, path, ADDED);
	return 0;
}

/* An opaque directory hides all below: what it has not got itself was deleted. */
static int tell_hidden(struct comparing *c, int upper, int lower, const char *path, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_files_names(lower, &names, err);

	for (char **name = names; r == 0 && *name; name++) {
		auto_free char *below = hoy_str_printf("%s/%s", path, *name);
		struct stat st;

		if (!below)
			return hoy_err_oom(err);
		if (fstatat(upper, *name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			add(c, below, DELETED);
	}
	return r;
}

static int compare_dir(
	struct comparing *c, int upper, int lower, const char *path, unsigned int depth, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_files_names(upper, &names, err);

	if (r == 0 && depth >= DEPTH_MAX)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, ELOOP, "more than %d directories in each other", DEPTH_MAX);
	if (r == 0 && lower >= 0 && is_opaque(upper))
		r = tell_hidden(c, upper, lower, path, err);
	for (char **name = names; r == 0 && *name; name++) {
		auto_free char *below = hoy_str_printf("%s/%s", path, *name);

		r = below ? compare_one(c, upper, lower, *name, below, depth, err) : hoy_err_oom(err);
	}
	return r;
}

int hoy_files_changes(const struct hoy_view *view, int output, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct comparing c = { .view = view, .w = { .buf = &text } };
	int r;

	hoy_json_array(&c.w, NULL);
	r = compare_dir(&c, view->root, view->lower, "", 0, err);
	hoy_json_end(&c.w);
	if (r == 0)
		r = hoy_buf_check(&text, "changes", err);
	if (r == 0)
		r = hoy_fd_write_all(output, text.data, text.len);
	return r < 0 && err && !err->errnum ? hoy_err_code(err, r, "write the changes") : r;
}
