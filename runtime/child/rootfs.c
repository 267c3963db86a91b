/* The container's root: where it comes from, how it becomes "/", what is done to it last. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/overlay.h"
#include "runtime/child/target.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000
#endif

/* pivot_root() refuses a root whose parent mount is shared, and attaching to a shared mount would show on the host:
 * the mount that holds the rootfs directory becomes private, found by walking up. */
static int make_parent_private(int dir, struct hoy_err *err)
{
	auto_fd int at = hoy_fd_dup(dir);

	for (int depth = 0; at >= 0 && depth < 256; depth++) {
		struct statx sx;
		int up;

		if (statx(at, "", AT_EMPTY_PATH, STATX_TYPE, &sx) < 0)
			return hoy_err_sys(err, "statx");
		if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
			return hoy_mount_propagation(at, "", MS_PRIVATE, err);
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return hoy_err_sys(err, "open '..'");
		hoy_fd_close(&at);
		at = up;
	}
	return hoy_err_code(err, -ELOOP, "find the mount of the rootfs");
}

/* The clone is the root from now on, wherever `path` leads to a moment later: it need only be attached somewhere. */
static int attach_tree(struct hoy_child *c, int at, const char *path, struct hoy_err *err)
{
	c->root = hoy_mount_clone(at, path, /* recursive= */ true, err);
	return c->root < 0 ? c->root : hoy_mount_attach_at(c->root, at, path, err);
}

static int attach_root(struct hoy_child *c, const char *path, struct hoy_err *err)
{
	auto_free char *dir = hoy_str_concat(path, "/."); /* behind symlinks, and a directory */
	int r = dir ? attach_tree(c, AT_FDCWD, dir, err) : hoy_err_oom(err);

	return r < 0 ? hoy_err_wrap(err, "mount '%s'", c->plan->rootfs) : 0;
}

static bool writes_to_proc(const struct hoy_child *c)
{
	const struct hoy_oci_process *p = c->plan->spec->process;

	return (c->work != HOY_CHILD_EXEC && c->work != HOY_CHILD_INIT) ||
	       (c->work == HOY_CHILD_INIT && c->plan->spec->linux_->n_sysctl) ||
	       (p && ((p->apparmor_profile && p->apparmor_profile[0]) || (p->selinux_label && p->selinux_label[0])));
}

/* The host's procfs stays in reach by descriptor, whatever we see under its name later; for sysctls, labels, and
 * mounts of a running container. */
int hoy_child_open_proc(struct hoy_child *c, struct hoy_err *err)
{
	if (!writes_to_proc(c))
		return 0;
	c->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->proc < 0)
		return hoy_err_sys(err, "open '/proc'");
	if (!hoy_fd_is_on(c->proc, PROC_SUPER_MAGIC))
		return hoy_err_code(err, -ENOSYS, "'/proc' of the host is no procfs");
	return 0;
}

static int enter_root(struct hoy_child *c, struct hoy_err *err)
{
	if (fchdir(c->root) < 0)
		return hoy_err_sys(err, "chdir to the rootfs");
	return chroot(".") < 0 ? hoy_err_sys(err, "chroot") : 0;
}

/* After joining a container: its root is ours; or the one that the parent found, where there is no mount namespace to
 * join. */
int hoy_child_open_root(struct hoy_child *c, struct hoy_err *err)
{
	if (c->root >= 0)
		return enter_root(c, err);
	c->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root < 0 ? hoy_err_sys(err, "open '/'") : 0;
}

bool hoy_child_starts_in_rootfs(const struct hoy_plan *plan)
{
	return !(plan->new_ns & CLONE_NEWNS) || hoy_plan_has_ns(plan, CLONE_NEWUSER);
}

int hoy_child_prepare_rootfs(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_plan *plan = c->plan;
	bool joined = !plan->host_mounts && !(plan->new_ns & CLONE_NEWNS);
	bool overlay = plan->n_mounts && plan->mounts[0].kind == HOY_MOUNT_ROOTFS;
	const char *path;
	swept_fd dir;
	int r;

	if (!plan->host_mounts) {
		r = hoy_mount_propagation(AT_FDCWD, "/", plan->root_propagation, err);
		if (r < 0)
			return r;
	}
	/* Who joined a mount namespace stands at its root. */
	path = !joined && hoy_child_starts_in_rootfs(plan) ? "." : plan->rootfs;
	if (!overlay && (plan->new_ns & CLONE_NEWNS) && !(plan->root_propagation & MS_SHARED))
		return attach_root(c, path, err);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return hoy_err_sys(err, "open '%s'", plan->rootfs);
	if (!plan->host_mounts && (plan->root_propagation & MS_SHARED)) {
		r = make_parent_private(dir, err);
		if (r < 0)
			return r;
	}
	if (overlay) {
		r = hoy_overlay_mount(&plan->mounts[0], dir, plan->rootfs, err);
		if (r >= 0)
			c->root = r;
	} else {
		r = attach_tree(c, dir, "", err);
	}
	return r < 0 ? hoy_err_wrap(err, "mount '%s'", plan->rootfs) : 0;
}

/* Without pivot_root (a root on rootfs or ramfs can't be pivoted away): the tree moves over "/". The host's tree
 * stays below, out of reach but for a process that may mount; its procfs and sysfs are taken away from there. */
static int move_root(struct hoy_child *c, struct hoy_err *err)
{
	auto_fd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return hoy_err_sys(err, "open '/'");
	for (int i = 0; i < 64 && umount2("/sys", MNT_DETACH) == 0; i++)
		;
	for (int i = 0; i < 64 && umount2("/proc", MNT_DETACH) == 0; i++)
		;
	if (fchdir(c->root) < 0)
		return hoy_err_sys(err, "chdir to the rootfs");
	if (move_mount(c->root, "", old, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "move the rootfs to '/'");
	if (chroot(".") < 0)
		return hoy_err_sys(err, "chroot");
	return 0;
}

/* Unmounting the old root must not travel back to the host. */
static int stop_propagation(int old, struct hoy_err *err)
{
	if (old < 0 || fchdir(old) < 0)
		return hoy_err_sys(err, "chdir to the old root");
	return hoy_mount_propagation(AT_FDCWD, ".", MS_SLAVE | MS_REC, err);
}

static int pivot(struct hoy_child *c, struct hoy_err *err)
{
	bool shared = c->plan->root_propagation & MS_SHARED || !(c->plan->root_propagation & MS_REC);
	auto_fd int old = shared ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	int r;

	if (fchdir(c->root) < 0)
		return hoy_err_sys(err, "chdir to the rootfs");
	/* The old root ends up over the new one, at the same place: no directory for it is needed. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return hoy_err_sys(err, "pivot");
	r = shared ? stop_propagation(old, err) : 0;
	if (r < 0)
		return r;
	/* "." is what lies over the working directory: the old root in either case. Without it we are in the new one.
	 */
	if (umount2(".", MNT_DETACH) < 0)
		return hoy_err_sys(err, "unmount the old root");
	return shared && chdir("/") < 0 ? hoy_err_sys(err, "chdir '/'") : 0;
}

int hoy_child_pivot(struct hoy_child *c, struct hoy_err *err)
{
	int r;

	hoy_fd_close(&c->proc);
	if (c->plan->host_mounts) {
		r = enter_root(c, err);
	} else if (c->plan->params.no_pivot) {
		r = move_root(c, err);
	} else {
		return pivot(c, err);
	}
	if (r < 0)
		return r;
	return chdir("/") < 0 ? hoy_err_sys(err, "chdir '/'") : 0;
}

int hoy_child_make_working_dir(struct hoy_child *c, struct hoy_err *err)
{
	const char *cwd = c->plan->spec->process->cwd;
	swept_fd dir = -EBADF;

	/* If it can't be made, chdir tells what is wrong; perhaps only the user may go there. */
	(void) err;
	if (cwd && strcmp(cwd, "/") != 0)
		dir = hoy_target_make(c->root, cwd, /* directory= */ true, NULL);
	(void) dir;
	return 0;
}

int hoy_child_finish_rootfs(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_plan *plan = c->plan;
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n_mounts; i++)
		if (plan->mounts[i].late_readonly && c->late_readonly[i] >= 0) {
			r = hoy_mount_set(c->late_readonly[i], MOUNT_ATTR_RDONLY, 0, false, err);
			if (r < 0)
				return hoy_err_wrap(err, "make '%s' read-only", plan->mounts[i].target);
		}
	if (r == 0 && plan->rootfs_propagation)
		r = hoy_mount_propagation(c->root, "", plan->rootfs_propagation, err);
	if (r == 0 && plan->readonly_rootfs)
		r = hoy_mount_set(c->root, MOUNT_ATTR_RDONLY, 0, false, err);
	return r;
}
