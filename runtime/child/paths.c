/* Paths of the container that are hidden or made read-only, and sysctls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"

/* The file system that the config mounts on `name`: opened, and proven by its kind, because an image's owner may
 * exchange names meanwhile. -EBADF: it mounts none there. */
static int open_own(const struct hoy_child *c, const char *name, const char *type, long magic, struct hoy_err *err)
{
	const struct hoy_plan *plan = c->plan;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];
		auto_fd int fd = -EBADF;

		if (m->kind != HOY_MOUNT_NEW || strcmp(m->type, type) != 0 || strcmp(m->target, name) != 0)
			continue;
		fd = hoy_path_open_in_root(c->root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, err);
		if (fd < 0)
			return fd == -EBADF ? -EIO : fd;
		if (!hoy_fd_is_on(fd, magic))
			return hoy_err_code(err, -EXDEV, "'%s' is not what was mounted there", name);
		return TAKE_FD(fd);
	}
	return -EBADF;
}

/* Where the path begins: in the procfs or sysfs of the container, else in its root. The descriptor or -errno. */
static int find_start(struct hoy_child *c, const char **path, struct hoy_err *err)
{
	const struct {
		const char *name, *type;
		long magic;
		int *fd;
	} starts[] = { { "/proc", "proc", PROC_SUPER_MAGIC, &c->procfs }, { "/sys", "sysfs", SYSFS_MAGIC, &c->sysfs } };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		size_t len = strlen(starts[i].name);

		if (strncmp(*path, starts[i].name, len) != 0 || (*path)[len] != '/' || strstr(*path, ".."))
			continue;
		if (*starts[i].fd < 0)
			*starts[i].fd = open_own(c, starts[i].name, starts[i].type, starts[i].magic, err);
		if (*starts[i].fd == -EBADF)
			return c->root;
		*path += len;
		return *starts[i].fd;
	}
	return c->root;
}

/* An entry of a procfs or sysfs, directly below its root and no symlink: nobody can put another one there. */
static bool is_fixed(const char *name)
{
	static const char *const links[] = { "self", "thread-self", "mounts", "net" };

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (strcmp(name, links[i]) == 0)
			return false;
	return hoy_path_is_component(name);
}

/* -ENOENT: nothing there to protect. By a fixed name that is found out only when it is used. */
static int find_existing(struct hoy_child *c, const char *path, struct hoy_spot *ret, struct hoy_err *err)
{
	int start = find_start(c, &path, err);
	swept_fd fd;

	if (start < 0)
		return start == -ENOENT ? hoy_err_code(err, -EXDEV, "the file system mounted there is gone") : start;
	if (start != c->root && is_fixed(path + 1)) {
		*ret = (struct hoy_spot){ start, path + 1 };
		return 0;
	}
	fd = hoy_target_open(start, path, err);
	*ret = (struct hoy_spot){ fd, "" };
	return fd == -ENOTDIR ? -ENOENT : fd < 0 ? fd : 0;
}

static int make_readonly(struct hoy_child *c, const char *path, struct hoy_err *err)
{
	struct hoy_spot target;
	swept_fd tree = find_existing(c, path, &target, err);

	if (tree == 0)
		tree = hoy_mount_clone_set(target.at, target.name, /* recursive= */ true, MOUNT_ATTR_RDONLY, 0, err);
	if (tree == -ENOENT)
		return 0;
	return tree < 0 ? tree : hoy_mount_attach_at(tree, target.at, target.name, err);
}

int hoy_child_readonly_paths(struct hoy_child *c, struct hoy_err *err)
{
	char **paths = c->plan->spec->linux_->readonly_paths;

	for (char **p = paths; p && *p; p++) {
		int r = make_readonly(c, *p, err);

		if (r == 0 && (p - paths) % HOY_CHILD_SWEEP_EVERY == HOY_CHILD_SWEEP_EVERY - 1)
			r = hoy_child_sweep(c, err);
		if (r < 0)
			return hoy_err_wrap(err, "'%s'", *p);
	}
	return 0;
}

/* What covers masked paths: an empty directory, and the null device. Made at the first path, the others get clones. */
struct masks {
	int null;              /* a clone of the host's device */
	struct hoy_spot empty; /* where the directory was mounted, or its mount; .at < 0: not yet */
};

/* The host's null device, not the container's, and it must be the real one: whoever owns the image could have put
 * anything under that name. */
static int clone_null(struct hoy_err *err)
{
	swept_fd fd = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return hoy_err_code(err, -ENODEV, "'/dev/null' of the host is not the null device");
	return fd;
}

/* An empty read-only tmpfs: in one call where its place has a name. */
static int mask_first_directory(
	struct hoy_child *c, struct masks *masks, const struct hoy_spot *on, struct hoy_err *err)
{
	static char mode[] = "mode=0555", size[] = "nr_inodes=1";
	char *options[] = { mode, size, NULL };
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	swept_fd tree;

	c->in_dev = false;
	if (on->name[0] && fchdir(on->at) == 0 &&
		mount("tmpfs", on->name, "tmpfs", flags, "mode=0555,nr_inodes=1") == 0) {
		masks->empty = *on;
		return 0;
	}
	tree = hoy_mount_new("tmpfs", "tmpfs", options,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (tree < 0)
		return tree;
	masks->empty = (struct hoy_spot){ tree, "" };
	return hoy_mount_attach_at(tree, on->at, on->name, err);
}

static int mask_directory(struct hoy_child *c, struct masks *masks, const struct hoy_spot *on, struct hoy_err *err)
{
	swept_fd tree;

	if (masks->empty.at < 0)
		return mask_first_directory(c, masks, on, err);
	tree = hoy_mount_clone(masks->empty.at, masks->empty.name, false, err);
	return tree < 0 ? tree : hoy_mount_attach_at(tree, on->at, on->name, err);
}

static int mask_file(struct masks *masks, const struct hoy_spot *on, struct hoy_err *err)
{
	swept_fd tree = masks->null < 0 ? clone_null(err) : hoy_mount_clone(masks->null, "", false, err);

	if (tree < 0)
		return tree;
	if (masks->null < 0)
		masks->null = tree;
	return hoy_mount_attach_at(tree, on->at, on->name, err);
}

static int mask(struct hoy_child *c, struct masks *masks, const char *path, struct hoy_err *err)
{
	struct hoy_spot target;
	struct stat st;
	int r = find_existing(c, path, &target, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstatat(target.at, target.name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "stat");
	return S_ISDIR(st.st_mode) ? mask_directory(c, masks, &target, err) : mask_file(masks, &target, err);
}

/* Twice the same would stack a second mount. */
static bool is_repeated(char *const *paths, char *const *path)
{
	for (; paths != path; paths++)
		if (strcmp(*paths, *path) == 0)
			return true;
	return false;
}

int hoy_child_masked_paths(struct hoy_child *c, struct hoy_err *err)
{
	char **paths = c->plan->spec->linux_->masked_paths;
	struct masks masks = { .null = -EBADF, .empty = { .at = -EBADF } };

	for (char **p = paths; p && *p; p++) {
		int r = is_repeated(paths, p) ? 0 : mask(c, &masks, *p, err);

		if (r < 0)
			return hoy_err_wrap(err, "'%s'", *p);
		if ((p - paths) % HOY_CHILD_SWEEP_EVERY != HOY_CHILD_SWEEP_EVERY - 1)
			continue;
		masks = (struct masks){ .null = -EBADF, .empty = { .at = -EBADF } };
		r = hoy_child_sweep(c, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "net.ipv4.ip_forward" or "net/ipv4/conf/eth0.1/forwarding": the first separator says which kind it is. */
static char *sysctl_path(const char *key)
{
	char *path = hoy_str_concat("sys/", key);
	size_t first = strcspn(key, "./");

	if (!path || key[first] == '/')
		return path;
	for (char *p = path + strlen("sys/"); *p; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

/* Written through the host's procfs: what the container has under that name can't redirect it. */
static int set_sysctl(struct hoy_child *c, const struct hoy_oci_kv *kv, struct hoy_err *err)
{
	auto_free char *path = sysctl_path(kv->key);
	auto_fd int fd = -EBADF;

	if (!path)
		return hoy_err_oom(err);
	if (strstr(path, ".."))
		return hoy_err_invalid(err, "not a sysctl");
	fd = openat(c->proc, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return hoy_err_sys(err, "open '/proc/%s'", path);
	if (!hoy_fd_is_on(fd, PROC_SUPER_MAGIC))
		return hoy_err_code(err, -EXDEV, "'/proc/%s' is not in a procfs", path);
	if (write(fd, kv->value, strlen(kv->value)) < 0)
		return hoy_err_sys(err, "write '%s'", kv->value);
	return 0;
}

int hoy_child_sysctl(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = c->plan->spec->linux_;

	for (size_t i = 0; i < l->n_sysctl; i++)
		if (set_sysctl(c, &l->sysctl[i], err) < 0)
			return hoy_err_wrap(err, "linux.sysctl: '%s'", l->sysctl[i].key);
	return 0;
}
