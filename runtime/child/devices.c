/* Nodes and symlinks in the container's /dev. Bound from the host where mknod is not ours to do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"

static bool is_same_node(const struct stat *st, const struct hoy_plan_device *d)
{
	return (st->st_mode & S_IFMT) == (d->mode & S_IFMT) && (S_ISFIFO(d->mode) || st->st_rdev == d->rdev);
}

static int check_existing(int dir, const char *name, const struct hoy_plan_device *d, struct hoy_err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "stat");
	if (!is_same_node(&st, d))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "something else is there already");
	/* The node was checked and the directory is the container's own: mode and owner as asked for. */
	if (fchmodat(dir, name, d->mode & 07777, 0) < 0)
		return hoy_err_sys(err, "chmod");
	return 0;
}

static int make_node(int dir, const char *name, const struct hoy_plan_device *d, struct hoy_err *err)
{
	int r;

	if (mknodat(dir, name, d->mode, d->rdev) < 0) {
		if (errno != EEXIST)
			return hoy_err_sys(err, "mknod");
		r = check_existing(dir, name, d, err);
		if (r < 0)
			return r;
	}
	if ((d->uid || d->gid) && fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "chown");
	return 0;
}

static int bind_node(int dir, const char *name, const struct hoy_plan_device *d, struct hoy_err *err)
{
	swept_fd node, target;
	struct stat st;

	if (S_ISFIFO(d->mode))
		return make_node(dir, name, d, err);
	node = hoy_mount_clone(AT_FDCWD, d->path, false, err);
	if (node < 0)
		return node;
	if (fstat(node, &st) < 0)
		return hoy_err_sys(err, "stat");
	if (!is_same_node(&st, d))
		return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "the host has another device there");
	target = openat(dir, name, O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_RDONLY, 0666);
	if (target < 0)
		return hoy_err_sys(err, "make mount point");
	return hoy_mount_attach(node, target, err);
}

/* In the directory of the one before, mostly. */
static bool in_same_directory(const char *a, const char *b)
{
	size_t len = (size_t) (hoy_path_base(a) - a);

	return len == (size_t) (hoy_path_base(b) - b) && memcmp(a, b, len) == 0 && hoy_path_is_component(b + len);
}

int hoy_child_devices(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_plan *plan = c->plan;
	const char *former = NULL, *name;
	swept_fd dir = -EBADF;

	for (size_t i = 0; plan->own_dev && i < plan->n_devices; i++) {
		const struct hoy_plan_device *d = &plan->devices[i];
		int r = 0;

		/* ptmx and console have their own ways. */
		if (strcmp(d->path, "/dev/ptmx") == 0)
			continue;
		if (former && in_same_directory(former, d->path)) {
			name = hoy_path_base(d->path);
		} else if (c->dev >= 0 && in_same_directory("/dev/null", d->path)) {
			name = hoy_path_base(d->path);
			dir = c->dev;
		} else {
			r = dir = hoy_target_parent(c->root, d->path, &name, err);
		}
		if (r >= 0)
			r = plan->bind_devices ? bind_node(dir, name, d, err) : make_node(dir, name, d, err);
		if (r < 0)
			return hoy_err_wrap(err, "device '%s'", d->path);
		former = d->path;
		if (i % HOY_CHILD_SWEEP_EVERY != HOY_CHILD_SWEEP_EVERY - 1)
			continue;
		former = NULL;
		r = hoy_child_sweep(c, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int link_once(int dev, const char *to, const char *name, struct hoy_err *err)
{
	if (symlinkat(to, dev, name) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "symlink '/dev/%s'", name);
	return 0;
}

/* /dev/ptmx of the container's own devpts, whatever the image had there. */
static int link_ptmx(int dev, struct hoy_err *err)
{
	if (symlinkat("pts/ptmx", dev, "ptmx") == 0)
		return 0;
	if (errno == EEXIST && unlinkat(dev, "ptmx", 0) < 0 && errno != ENOENT)
		return hoy_err_sys(err, "remove '/dev/ptmx'");
	return link_once(dev, "pts/ptmx", "ptmx", err);
}

int hoy_child_dev_links(struct hoy_child *c, struct hoy_err *err)
{
	static const struct {
		const char *to, *name;
	} links[] = {
		{ "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" },
	};
	swept_fd dev = c->dev, kcore;
	int r;

	if (!c->plan->own_dev)
		return 0;
	if (dev < 0)
		dev = hoy_target_make(c->root, "/dev", /* directory= */ true, err);
	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		r = link_once(dev, links[i].to, links[i].name, err);
		if (r < 0)
			return r;
	}
	kcore = hoy_target_open(c->root, "/proc/kcore", NULL);
	if (kcore >= 0) {
		r = link_once(dev, "/proc/kcore", "core", err);
		if (r < 0)
			return r;
	}
	return link_ptmx(dev, err);
}
