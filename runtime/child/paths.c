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

/* -ENOENT: nothing there to protect. */
static int open_existing(struct hoy_child *c, const char *path, struct hoy_err *err)
{
	int start = find_start(c, &path, err), fd;

	if (start < 0)
		return start == -ENOENT ? hoy_err_code(err, -EXDEV, "the file system mounted there is gone") : start;
	fd = hoy_target_open(start, path, err);
	return fd == -ENOTDIR ? -ENOENT : fd;
}

static int make_readonly(int target, struct hoy_err *err)
{
	auto_fd int tree = hoy_mount_clone_readonly(target, "", /* recursive= */ true, err);

	return tree < 0 ? tree : hoy_mount_attach(tree, target, err);
}

int hoy_child_readonly_paths(struct hoy_child *c, struct hoy_err *err)
{
	for (char **p = c->plan->spec->linux_->readonly_paths; p && *p; p++) {
		auto_fd int target = open_existing(c, *p, err);
		int r;

		if (target == -ENOENT)
			continue;
		r = target < 0 ? target : make_readonly(target, err);
		if (r < 0)
			return hoy_err_wrap(err, "'%s'", *p);
	}
	return 0;
}

/* The host's null device, not the container's, and it must be the real one: whoever owns the image could have put
 * anything under that name. */
static int open_null(struct hoy_err *err)
{
	auto_fd int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return hoy_err_code(err, -ENODEV, "'/dev/null' of the host is not the null device");
	return TAKE_FD(fd);
}

/* What covers masked paths: one empty directory for all of them, and the null device. Made when first wanted. */
struct masks {
	int null;
	int empty; /* attached; later directories get clones of it */
};

/* One empty read-only tmpfs, made at the first directory; the others get clones of it. */
static int mask_directory(struct masks *masks, int target, struct hoy_err *err)
{
	static char mode[] = "mode=0555", size[] = "nr_inodes=1";
	char *options[] = { mode, size, NULL };
	auto_fd int tree = -EBADF;
	int r;

	if (masks->empty >= 0)
		tree = hoy_mount_clone(masks->empty, "", false, err);
	else
		tree = hoy_mount_new("tmpfs", "tmpfs", options,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	if (tree < 0)
		return tree;
	r = hoy_mount_attach(tree, target, err);
	if (r == 0 && masks->empty < 0)
		masks->empty = TAKE_FD(tree);
	return r;
}

static int mask_file(struct masks *masks, int target, struct hoy_err *err)
{
	auto_fd int tree = -EBADF;

	if (masks->null < 0)
		masks->null = open_null(err);
	if (masks->null < 0)
		return masks->null;
	tree = hoy_mount_clone(masks->null, "", false, err);
	return tree < 0 ? tree : hoy_mount_attach(tree, target, err);
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
	struct masks masks = { .null = -EBADF, .empty = -EBADF };
	int r = 0;

	for (char **p = paths; r == 0 && p && *p; p++) {
		auto_fd int target = is_repeated(paths, p) ? -ENOENT : open_existing(c, *p, err);
		struct stat st;

		if (target == -ENOENT)
			continue;
		if (target < 0)
			r = target;
		else if (fstat(target, &st) < 0)
			r = hoy_err_sys(err, "stat");
		else
			r = S_ISDIR(st.st_mode) ? mask_directory(&masks, target, err) : mask_file(&masks, target, err);
		if (r < 0)
			(void) hoy_err_wrap(err, "'%s'", *p);
	}
	hoy_fd_close(&masks.null);
	hoy_fd_close(&masks.empty);
	return r;
}

/* "net.ipv4.ip_forward" or "net/ipv4/conf/eth0.1/forwarding": the first separator says which kind it is. */
static char *sysctl_path(const char *key)
{
	char *path = hoy_str_printf("sys/%s", key);
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
