/* Order: what lies on the host is opened first, by its name; then the view takes the place of the host. */
#include "supervisor/worker/files/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/layer/confine.h"

#define MOUNTS_MAX 256

/* One mount of the container, cloned from the host. */
struct part {
	int tree;
	bool is_dir, read_only;
	const char *target;
};

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

/* --- the overlay ------------------------------------------------------------------------------------------ */

/* Linux 6.5: one layer per call. -EINVAL: the kernel does not know it. */
static int overlay_by_call(const struct hoy_json *request)
{
	auto_fd int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -errno;
	hoy_json_each(layer, hoy_json_get(request, "layers"))
	{
		if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", hoy_json_string(layer), 0) < 0)
			return -errno;
	}
	if (*text_of(request, "upper") &&
		(fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", text_of(request, "upper"), 0) < 0 ||
			fsconfig(fs, FSCONFIG_SET_STRING, "workdir", text_of(request, "work"), 0) < 0))
		return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	return fd < 0 ? -errno : fd;
}

static void add_escaped(struct hoy_buf *buf, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\' || *path == ',')
			(void) hoy_buf_addc(buf, '\\');
		(void) hoy_buf_addc(buf, *path);
	}
}

/* Older kernels: one option string of at most a page, with names relative to the topmost layer's directory. It is
 * mounted in our namespace for a moment, over the container's own layer or the topmost one. */
static int overlay_by_string(const struct hoy_json *request, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf options = { 0 };
	const struct hoy_json *layers = hoy_json_get(request, "layers");
	const char *first = hoy_json_string(hoy_json_first(layers)), *upper = text_of(request, "upper");
	auto_free char *dir = first ? strndup(first, (size_t) (hoy_path_base(first) - first)) : NULL;
	const char *separator = "userxattr,lowerdir=";
	size_t dir_len = dir ? strlen(dir) : 0;
	const char *spot = *upper ? upper : first;
	auto_fd int fd = -EBADF;
	int r;

	if (!dir || chdir(*dir ? dir : "/") < 0)
		return hoy_err_sys(err, "enter the layers' directory");
	hoy_json_each(layer, layers)
	{
		const char *path = hoy_json_string(layer);
		bool near = path && hoy_str_starts(path, dir);

		(void) hoy_buf_adds(&options, separator);
		add_escaped(&options, !path ? "" : near ? path + dir_len : path);
		separator = ":";
	}
	if (*upper)
		(void) hoy_buf_addf(&options, ",upperdir=%s,workdir=%s", upper, text_of(request, "work"));
	r = hoy_buf_check(&options, "list of layers", err);
	if (r < 0)
		return r;
	if (mount("overlay", spot, "overlay", MS_NODEV, options.data) < 0)
		return hoy_err_sys(err, "mount the container's layers");
	fd = open_tree(AT_FDCWD, spot, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || umount2(spot, MNT_DETACH) < 0)
		return hoy_err_sys(err, "open the mounted layers");
	return TAKE_FD(fd);
}

/* Devices do nothing when they are opened here. */
static int mount_overlay(const struct hoy_json *request, struct hoy_err *err)
{
	int fd = overlay_by_call(request);

	if (fd >= 0)
		return fd;
	if (fd != -EINVAL)
		return hoy_err_code(err, fd, "mount the container's layers");
	return overlay_by_string(request, err);
}

/* --- the container's mounts ---------------------------------------------------------------------------------- */

static int clone_source(const struct hoy_json *mount, struct part *part, struct hoy_err *err)
{
	bool flat = hoy_json_bool(hoy_json_get(mount, "flat"));
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE };
	const char *source = text_of(mount, "source");
	struct stat st;

	part->target = text_of(mount, "target");
	part->read_only = hoy_json_bool(hoy_json_get(mount, "readonly"));
	if (hoy_json_get(mount, "layers")) {
		part->tree = mount_overlay(mount, err);
		if (part->tree < 0)
			return part->tree;
	} else {
		part->tree = open_tree(
			AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (flat ? 0 : AT_RECURSIVE));
	}
	if (part->tree < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0; /* a start would make it; there is nothing to see in it */
	if (part->tree < 0 || fstat(part->tree, &st) < 0)
		return hoy_err_sys(err, "open '%s'", source);
	part->is_dir = S_ISDIR(st.st_mode);
	if (part->read_only)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(part->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "set the attributes of '%s'", source);
	return 0;
}

static int make_file(int root, const char *path, struct hoy_err *err)
{
	auto_free char *dir = strndup(path, (size_t) (hoy_path_base(path) - path));
	auto_fd int parent = -EBADF;
	int fd;

	if (!dir)
		return hoy_err_oom(err);
	parent = hoy_path_mkdir_in_root(root, *dir ? dir : "/", 0755, err);
	if (parent < 0)
		return parent;
	fd = openat(parent, hoy_path_base(path), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return hoy_err_sys(err, "make the mount point '%s'", path);
	hoy_fd_close(&fd);
	return hoy_path_open_in_root(root, path, O_PATH, 0, err);
}

/* A mount point that is missing is made, as a start would make it. */
static int open_target(int root, const struct part *part, struct hoy_err *err)
{
	int fd = hoy_path_open_in_root(root, part->target, O_PATH, 0, NULL);

	if (fd >= 0 || fd != -ENOENT)
		return fd >= 0 ? fd : hoy_err_code(err, fd, "open the mount point '%s'", part->target);
	return part->is_dir ? hoy_path_mkdir_in_root(root, part->target, 0755, err)
			    : make_file(root, part->target, err);
}

static int attach(int root, const struct part *part, struct hoy_err *err)
{
	auto_fd int target = -EBADF;

	if (part->tree < 0)
		return 0;
	target = open_target(root, part, err);
	if (target < 0)
		return target;
	if (move_mount(part->tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount on '%s'", part->target);
	return 0;
}

/* Each goes through the mounts that are there by now: a root that was opened before would lie below them. */
static int attach_all(const struct part *parts, size_t n, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		auto_fd int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		r = top < 0 ? hoy_err_sys(err, "open the root") : attach(top, &parts[i], err);
	}
	return r;
}

/* When the mount points are made. */
static int make_read_only(int root, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0
		       ? hoy_err_sys(err, "make the container's root read-only")
		       : 0;
}

static int enter_layers(const struct hoy_json *request, int *ret_root, struct hoy_err *err)
{
	struct part parts[MOUNTS_MAX];
	auto_fd int tree = -EBADF;
	size_t n = 0;
	int r = hoy_layer_private_mounts(err);

	if (r == 0 && hoy_json_len(hoy_json_get(request, "mounts")) > MOUNTS_MAX)
		r = hoy_err_invalid(err, "more than %d mounts", MOUNTS_MAX);
	hoy_json_each(mount, hoy_json_get(request, "mounts"))
	{
		if (r < 0)
			break;
		parts[n].tree = -EBADF;
		r = clone_source(mount, &parts[n++], err);
	}
	if (r == 0)
		r = tree = mount_overlay(request, err);
	if (r >= 0)
		r = hoy_layer_become_root(tree, ret_root, err);
	if (r >= 0)
		r = attach_all(parts, n, err);
	if (r >= 0 && hoy_json_bool(hoy_json_get(request, "readonly")))
		r = make_read_only(*ret_root, err);
	for (size_t i = 0; i < n; i++)
		hoy_fd_close(&parts[i].tree);
	return r;
}

/* --- all --------------------------------------------------------------------------------------------------------- */

static int enter_namespace(int namespace, int *ret_root, struct hoy_err *err)
{
	if (setns(namespace, CLONE_NEWNS) < 0)
		return hoy_err_sys(err, "enter the container's mount namespace");
	*ret_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_root < 0 ? hoy_err_sys(err, "open the container's root") : 0;
}

static int enter_dir(const char *path, int *ret_root, struct hoy_err *err)
{
	auto_fd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), tree = -EBADF;
	int r;

	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", path);
	tree = hoy_layer_detach(dir, /* read_only= */ false, err);
	if (tree < 0)
		return tree;
	r = hoy_layer_private_mounts(err);
	return r < 0 ? r : hoy_layer_become_root(tree, ret_root, err);
}

/* The names of the layers relative to their common directory, for hoy_layer_mount_lowers(). */
static int open_lowers(const struct hoy_json *layers, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	const char *first = hoy_json_string(hoy_json_first(layers));
	auto_fd int dir = -EBADF;
	auto_free char *path = first ? strndup(first, (size_t) (hoy_path_base(first) - first)) : NULL;

	if (!path)
		return hoy_err_invalid(err, "a view without layers");
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", path);
	hoy_json_each(layer, layers)
	{
		if (hoy_strv_add(&names, hoy_path_base(hoy_json_string(layer))) < 0)
			return hoy_err_oom(err);
	}
	return hoy_layer_mount_lowers(dir, names, hoy_strv_len(names), err);
}

int hoy_view_enter(const struct hoy_json *request, int namespace, struct hoy_view *ret, struct hoy_err *err)
{
	const char *dir = hoy_json_string(hoy_json_get(request, "dir"));
	bool has_upper = *text_of(request, "upper") != '\0';
	int r = 0;

	*ret = (struct hoy_view){ .root = -EBADF, .lower = -EBADF, .other = -EBADF };
	ret->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ret->proc < 0)
		return hoy_err_sys(err, "open /proc/self/fd");
	if (hoy_json_get(request, "other_layers")) {
		ret->other = open_lowers(hoy_json_get(request, "other_layers"), err);
		if (ret->other < 0)
			return ret->other;
	}
	if (namespace >= 0)
		return enter_namespace(namespace, &ret->root, err);
	if (has_upper)
		return enter_layers(request, &ret->root, err);
	if (hoy_json_get(request, "layers")) {
		ret->lower = open_lowers(hoy_json_get(request, "layers"), err);
		if (ret->lower < 0)
			return ret->lower;
	}
	if (ret->lower >= 0 && !dir) { /* the layers alone are the view */
		auto_fd int tree = TAKE_FD(ret->lower);

		r = hoy_layer_private_mounts(err);
		return r < 0 ? r : hoy_layer_become_root(tree, &ret->root, err);
	}
	return dir ? enter_dir(dir, &ret->root, err) : hoy_err_invalid(err, "a request without a view");
}

int hoy_view_reopen(const struct hoy_view *view, int fd, struct hoy_err *err)
{
	struct stat st;
	char name[16];
	int opened;

	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at a file");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "not a file or directory");
	(void) snprintf(name, sizeof name, "%d", fd);
	opened = openat(view->proc, name, O_RDONLY | O_CLOEXEC | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
	return opened < 0 ? hoy_err_sys(err, "open a file") : opened;
}
