/* The mounts of the config, in order, each on a descriptor of its target. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/cgroup_mount.h"
#include "runtime/child/copy_up.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"
#include "runtime/sync.h"

/* What may be bound over in a procfs: files that fake readings of the container's own. Everything else there would
 * let a config (or an image's volume) fool the security of later processes. */
static const char *const proc_files[] = {
	"cpuinfo",
	"diskstats",
	"loadavg",
	"meminfo",
	"slabinfo",
	"stat",
	"swaps",
	"uptime",
	"sys/kernel/ns_last_pid",
	"sys/crypto/fips_enabled",
};

static bool is_allowed_in_proc(const char *target)
{
	auto_free char *clean = hoy_path_clean(target);

	if (!clean || !hoy_str_starts(clean, "/proc/"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(proc_files); i++)
		if (strcmp(clean + strlen("/proc/"), proc_files[i]) == 0)
			return true;
	return false;
}

/* On "/proc" goes a procfs and nothing else: who looks there must not see what an image made up. `tree` is what a bind
 * mount puts there. */
static int check_on_proc(const struct hoy_plan_mount *m, int tree, struct hoy_err *err)
{
	auto_free char *clean = strstr(m->target, "proc") ? hoy_path_clean(m->target) : NULL;

	if (!clean || strcmp(clean, "/proc") != 0)
		return 0;
	if (tree >= 0 ? hoy_fd_is_on(tree, PROC_SUPER_MAGIC) : strcmp(m->type, "proc") == 0)
		return 0;
	return hoy_err_set(
		err, HOY_ERR_INVALID, EPERM, "\"%s\" cannot be mounted because it is not of type proc", m->target);
}

/* The target itself must not be on a procfs, whatever path led there. "/proc" may be mounted once more: then the
 * descriptor is the root of the mount. */
static int check_target(const struct hoy_plan_mount *m, int target, struct hoy_err *err)
{
	auto_free char *clean = hoy_path_clean(m->target);

	if (clean && strcmp(clean, "/proc") == 0)
		return 0;
	if (!hoy_fd_is_on(target, PROC_SUPER_MAGIC))
		return 0;
	if (m->kind == HOY_MOUNT_BIND && is_allowed_in_proc(m->target))
		return 0;
	return hoy_err_set(
		err, HOY_ERR_INVALID, EPERM, "\"%s\" cannot be mounted because it is inside /proc", m->target);
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Directly below our own /dev, and not there yet: made. 0: something else. */
static int make_in_dev(struct hoy_child *c, const struct hoy_plan_mount *m, bool directory, struct hoy_spot *ret)
{
	const char *name = c->dev >= 0 && hoy_str_starts(m->target, "/dev/") ? m->target + strlen("/dev/") : "";
	swept_fd file;

	if (!hoy_path_is_component(name))
		return 0;
	if (directory) {
		if (mkdirat(c->dev, name, 0755) < 0)
			return 0;
	} else {
		file = openat(c->dev, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0644);
		if (file < 0)
			return 0;
	}
	*ret = (struct hoy_spot){ c->dev, name };
	return 1;
}

/* What we just made is not in a procfs (nothing can be made there), nor what is on the root's own mount. */
static int make_target(struct hoy_child *c, const struct hoy_plan_mount *m, bool directory, struct hoy_spot *ret,
	bool *ret_made, struct hoy_err *err)
{
	swept_fd target;

	*ret_made = make_in_dev(c, m, directory, ret);
	if (*ret_made)
		return 0;
	target = hoy_path_open_on_mount(c->root, m->target, O_PATH, NULL);
	*ret = (struct hoy_spot){ target, "" };
	if (target >= 0)
		return 0;
	target = hoy_target_make_new(c->root, m->target, directory, ret_made, err);
	*ret = (struct hoy_spot){ target, "" };
	return target < 0 ? target : *ret_made ? 0 : check_target(m, target, err);
}

/* procfs and sysfs stand on directories of the rootfs proper: a symlink there is an attack on who trusts "/proc". */
static int make_plain_target(
	struct hoy_child *c, const struct hoy_plan_mount *m, struct hoy_spot *ret, bool *ret_made, struct hoy_err *err)
{
	const uint64_t flags = O_PATH | O_NOFOLLOW | O_DIRECTORY;
	swept_fd target = hoy_path_open_on_mount(c->root, m->target, flags, NULL);

	*ret = (struct hoy_spot){ target, "" };
	*ret_made = false;
	if (target >= 0)
		return 0;
	target = hoy_path_open_in_root(c->root, m->target, flags, 0, NULL);
	if (target == -ENOENT)
		return make_target(c, m, /* directory= */ true, ret, ret_made, err);
	if (target == -ENOTDIR || target == -ELOOP)
		return hoy_err_set(err, HOY_ERR_INVALID, ENOTDIR,
			"filesystem \"%s\" must be mounted on ordinary directory", m->type);
	if (target < 0)
		return hoy_err_code(err, target, "open '%s' in rootfs", m->target);
	*ret = (struct hoy_spot){ target, "" };
	return check_target(m, target, err);
}

static int set_propagation(const struct hoy_plan_mount *m, int mount, struct hoy_err *err)
{
	for (size_t i = 0; i < m->n_propagation; i++) {
		int r = hoy_mount_propagation(mount, "", m->propagation[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Flags as they are, with the access time setting in the form of mount_setattr(). */
static uint64_t flags_of(int tree)
{
	struct statvfs st;

	if (fstatvfs(tree, &st) < 0)
		return 0;
	return (st.f_flag & ST_RDONLY ? MOUNT_ATTR_RDONLY : 0) | (st.f_flag & ST_NOSUID ? MOUNT_ATTR_NOSUID : 0) |
	       (st.f_flag & ST_NODEV ? MOUNT_ATTR_NODEV : 0) | (st.f_flag & ST_NOEXEC ? MOUNT_ATTR_NOEXEC : 0) |
	       (st.f_flag & ST_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0) |
	       (st.f_flag & ST_NOATIME           ? MOUNT_ATTR_NOATIME
		       : st.f_flag & ST_RELATIME ? MOUNT_ATTR_RELATIME
						 : MOUNT_ATTR_STRICTATIME);
}

/*
 * The flags of a mount that comes from outside the container's user namespace are locked: the mount stays as strict as
 * it was, and to ask for less, or for other access times, is an error. The kernel enforces it where the mount was
 * cloned inside; our clone was made outside, where it does not know.
 */
static int set_locked(const struct hoy_plan_mount *m, int tree, struct hoy_err *err)
{
	const uint64_t atime = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME, now = flags_of(tree);
	bool other_atime = (m->attr_clr & atime) && (m->attr_set & atime) != (now & atime);

	if (other_atime || (m->attr_clr & now & HOY_LOCKABLE_FLAGS))
		return hoy_err_code(err, -EPERM, "change flags of the source, which are locked in a user namespace");
	return hoy_mount_set(tree, m->attr_set, (m->attr_clr | m->attr_implied_clr) & ~HOY_LOCKABLE_FLAGS, false, err);
}

static int set_attributes(struct hoy_child *c, const struct hoy_plan_mount *m, int tree, struct hoy_err *err)
{
	bool locked = m->kind == HOY_MOUNT_BIND && hoy_plan_has_ns(c->plan, CLONE_NEWUSER);
	int r = locked ? -EPERM : hoy_mount_set(tree, m->attr_set, m->attr_clr | m->attr_implied_clr, false, err);

	if (r == -EPERM)
		r = set_locked(m, tree, err);
	if (r == 0)
		r = hoy_mount_set(tree, m->rec_set, m->rec_clr, true, err);
	return r;
}

/* The kernel has EINVAL for a directory on a file; whoever calls us looks for ENOTDIR, which mount(2) gave. */
static int attach(int tree, const struct hoy_spot *on, struct hoy_err *err)
{
	int r = hoy_mount_attach_at(tree, on->at, on->name, err);

	if (r != -EINVAL || on->name[0] || is_directory(tree) == is_directory(on->at))
		return r;
	return hoy_err_code(err, -ENOTDIR, "one is a directory, the other is not");
}

/* Relative sources are relative to the bundle. */
static int clone_source(struct hoy_child *c, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	auto_free char *source = hoy_path_join(c->plan->params.bundle, m->source);

	if (!source)
		return hoy_err_oom(err);
	return hoy_mount_clone(AT_FDCWD, source, m->recursive, err);
}

static int do_bind(struct hoy_child *c, size_t i, struct hoy_err *err)
{
	const struct hoy_plan_mount *m = &c->plan->mounts[i];
	swept_fd tree = c->trees[i];
	struct hoy_spot target;
	bool made;
	int r;

	c->trees[i] = -EBADF;
	if (tree < 0)
		tree = clone_source(c, m, err);
	if (tree < 0)
		return tree;
	r = check_on_proc(m, tree, err);
	if (r < 0)
		return r;
	if (c->idmaps[i] >= 0) {
		r = hoy_sync_send(c->sync, HOY_SYNC_IDMAP, (int) i, tree, err);
		if (r == 0)
			r = hoy_sync_expect(c->sync, HOY_SYNC_GO, err);
		if (r < 0)
			return r;
	}
	r = make_target(c, m, is_directory(tree), &target, &made, err);
	if (r == 0)
		r = set_attributes(c, m, tree, err);
	if (r == 0)
		r = attach(tree, &target, err);
	if (r == 0)
		r = set_propagation(m, tree, err);
	return r;
}

static bool has_mode(char *const *data)
{
	for (; data && *data; data++)
		if (hoy_str_starts(*data, "mode="))
			return true;
	return false;
}

/* A tmpfs without a mode looks like the directory that it covers (one that we made first: as the kernel has it, 1777).
 */
static int keep_mode(const struct hoy_plan_mount *m, int target, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **data = NULL;
	struct stat st;

	*ret = NULL;
	if (strcmp(m->type, "tmpfs") != 0 || has_mode(m->data) || fstat(target, &st) < 0)
		return 0;
	data = m->data ? hoy_strv_copy(m->data) : calloc(1, sizeof *data);
	if (!data || hoy_strv_addf(&data, "mode=%04o", (unsigned int) st.st_mode & 07777) < 0)
		return hoy_err_oom(err);
	*ret = TAKE_PTR(data);
	return 0;
}

/* Files of a message queue get no label from a mount option. */
static bool wants_label(const struct hoy_child *c, const struct hoy_plan_mount *m)
{
	const char *label = c->plan->spec->linux_->mount_label;

	return label && label[0] && strcmp(m->type, "mqueue") == 0;
}

/* The tmpfs on /dev that nobody outside can reach: in a mount namespace that is ours, before there is a process of the
 * container. Its descriptor is as good as a path that is proven, and mounts and devices in it go by name. */
static bool is_own_dev(const struct hoy_child *c, const struct hoy_plan_mount *m)
{
	return c->work == HOY_CHILD_INIT && c->plan->new_ns & CLONE_NEWNS && strcmp(m->type, "tmpfs") == 0 &&
	       strcmp(m->target, "/dev") == 0;
}

/* Nothing is to be done to the new mount, and nothing with it. */
static bool is_simple(const struct hoy_child *c, const struct hoy_plan_mount *m)
{
	return !wants_label(c, m) && !m->copy_up && !m->late_readonly && !m->rec_set && !m->rec_clr &&
	       !m->n_propagation && !is_own_dev(c, m);
}

/* By mount(2). The target is named from the working directory, and not in /proc, which might be the container's. */
static bool mount_at_once(
	struct hoy_child *c, const struct hoy_plan_mount *m, char *const *data, const struct hoy_spot *on)
{
	bool there = c->in_dev && on->at == c->dev;
	bool done = hoy_mount_at_once(
		m->type, m->source, data, m->attr_set, there ? -EBADF : on->at, on->name[0] ? on->name : ".");

	c->in_dev = there || (done && on->at == c->dev);
	return done;
}

static int mount_by_string(struct hoy_child *c, const struct hoy_plan_mount *m, char *const *data,
	const struct hoy_spot *on, struct hoy_err *err)
{
	swept_fd target = on->name[0] ? openat(on->at, on->name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : on->at, mount;
	int r;

	if (target < 0)
		return hoy_err_sys(err, "open '%s'", m->target);
	r = hoy_mount_new_by_string(m->type, m->source, data, target, err);
	if (r < 0)
		return r;
	mount = hoy_target_open(c->root, m->target, err);
	r = mount < 0 ? mount : hoy_mount_set(mount, m->attr_set, m->attr_clr, false, err);
	return r < 0 ? r : mount;
}

/* Mounts it; the mount's fd. `copy_from`: a directory that is about to be covered, or -EBADF. */
static int mount_new(struct hoy_child *c, const struct hoy_plan_mount *m, char *const *data, const struct hoy_spot *on,
	int copy_from, struct hoy_err *err)
{
	swept_fd mount;
	int r;

	if (hoy_mount_needs_string(data))
		return mount_by_string(c, m, data, on, err);
	mount = hoy_mount_new(m->type, m->source, data, m->attr_set, err);
	r = mount < 0 ? mount : copy_from >= 0 ? hoy_copy_up(copy_from, mount, err) : 0;
	if (r == 0)
		r = attach(mount, on, err);
	return r < 0 ? r : mount;
}

/* File systems that later steps look into: by the descriptor of the mount, which needs no proof. */
static void remember(struct hoy_child *c, const struct hoy_plan_mount *m, int mount)
{
	if (is_own_dev(c, m))
		c->dev = mount;
	else if (strcmp(m->type, "sysfs") == 0 && strcmp(m->target, "/sys") == 0)
		c->sysfs = mount;
}

/* They count only as long as nothing is mounted over them. */
static void forget_covered(struct hoy_child *c, const struct hoy_plan_mount *m)
{
	auto_free char *clean = c->dev >= 0 || c->sysfs >= 0 ? hoy_path_clean(m->target) : NULL;

	if (hoy_str_eq(clean, "/dev"))
		c->dev = -EBADF;
	if (hoy_str_eq(clean, "/sys"))
		c->sysfs = -EBADF;
	c->in_dev = c->in_dev && c->dev >= 0;
}

static int do_new(struct hoy_child *c, size_t i, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **with_mode = NULL;
	const struct hoy_plan_mount *m = &c->plan->mounts[i];
	bool plain = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0, made;
	char *const *data = m->data;
	struct hoy_spot target;
	swept_fd mount;
	int r = check_on_proc(m, /* tree= */ -EBADF, err);

	if (r == 0)
		r = plain ? make_plain_target(c, m, &target, &made, err)
			  : make_target(c, m, /* directory= */ true, &target, &made, err);
	if (r == 0 && !made)
		r = keep_mode(m, target.at, &with_mode, err);
	if (r < 0)
		return r;
	if (with_mode)
		data = with_mode;
	if (is_simple(c, m) && mount_at_once(c, m, data, &target))
		return 0;
	mount = mount_new(c, m, data, &target, m->copy_up && !made ? target.at : -EBADF, err);
	if (mount < 0)
		return mount;
	remember(c, m, mount);
	r = hoy_mount_set(mount, m->rec_set, m->rec_clr, true, err);
	if (r == 0)
		r = set_propagation(m, mount, err);
	if (r == 0 && wants_label(c, m))
		r = hoy_child_label_mount(c, mount, err);
	if (r == 0 && m->late_readonly)
		c->late_readonly[i] = mount;
	return r;
}

static int do_remount(struct hoy_child *c, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	swept_fd target = hoy_target_open(c->root, m->target, err);
	int r;

	if (target < 0)
		return target;
	r = set_attributes(c, m, target, err);
	return r < 0 ? r : set_propagation(m, target, err);
}

static int do_mount(struct hoy_child *c, size_t i, struct hoy_err *err)
{
	const struct hoy_plan_mount *m = &c->plan->mounts[i];

	switch (m->kind) {
	case HOY_MOUNT_ROOTFS:
		return 0; /* it is the root already */
	case HOY_MOUNT_BIND:
		return do_bind(c, i, err);
	case HOY_MOUNT_CGROUP:
		return hoy_child_mount_cgroup(c, m, err);
	case HOY_MOUNT_REMOUNT:
		return do_remount(c, m, err);
	case HOY_MOUNT_NEW:
		return do_new(c, i, err);
	}
	return 0;
}

int hoy_child_mount(struct hoy_child *c, size_t i, struct hoy_err *err)
{
	const struct hoy_plan_mount *m = &c->plan->mounts[i];
	int r;

	forget_covered(c, m);
	r = do_mount(c, i, err);
	if (r == 0 && i % HOY_CHILD_SWEEP_EVERY == HOY_CHILD_SWEEP_EVERY - 1)
		r = hoy_child_sweep(c, err);
	return r < 0 ? hoy_err_wrap(err, "error mounting \"%s\" to rootfs at \"%s\"",
			       m->source ? m->source
			       : m->type ? m->type
					 : "none",
			       m->target)
		     : 0;
}

int hoy_child_mounts(struct hoy_child *c, struct hoy_err *err)
{
	int r = hoy_child_check_mount_label(c, err);

	for (size_t i = 0; r == 0 && i < c->plan->n_mounts; i++)
		r = hoy_child_mount(c, i, err);
	return r;
}
