/*
 * The mount of type "cgroup". cgroup2 is mounted anew only inside a cgroup namespace of our own (28 us); from the
 * initial one the same call waits for RCU (20 ms on 6.18), so there the existing tree is cloned instead. v1
 * hierarchies are always clones of the group's directory.
 */
#include "runtime/child/cgroup_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"

/* By name, in our own sysfs. Read-only is the mount alone: its file system is the host's too. */
static bool mount_in_sysfs(struct hoy_child *c, const struct hoy_plan_mount *m, const struct hoy_spot *on)
{
	struct mount_attr attr = { .attr_set = m->attr_set & MOUNT_ATTR_RDONLY };

	c->in_dev = false;
	if (!hoy_mount_at_once("cgroup2", "cgroup", m->data, m->attr_set & ~attr.attr_set, on->at, on->name))
		return false;
	return !attr.attr_set || mount_setattr(AT_FDCWD, on->name, 0, &attr, sizeof attr) == 0;
}

/* With a cgroup namespace, or without a group, the whole visible tree; else only the container's group: it must not
 * see (or with a writable mount, change) others. */
static int mount_v2(struct hoy_child *c, const struct hoy_plan_mount *m, const struct hoy_spot *on, struct hoy_err *err)
{
	auto_free char *dir = c->cgroup ? hoy_cgroup_dir(c->cgroup, 0) : NULL;
	swept_fd tree;

	if (c->plan->new_ns & CLONE_NEWCGROUP) {
		if (on->at == c->sysfs && mount_in_sysfs(c, m, on))
			return 0;
		tree = hoy_mount_new("cgroup2", "cgroup", m->data, m->attr_set, NULL);
		if (tree >= 0)
			return hoy_mount_attach_at(tree, on->at, on->name, err);
	}
	tree = hoy_mount_clone_set(AT_FDCWD, dir ? dir : hoy_cgroup_host_v2_mount(c->cgroup_host),
		/* recursive= */ true, m->attr_set, m->attr_clr, err);
	return tree < 0 ? tree : hoy_mount_attach_at(tree, on->at, on->name, err);
}

/* "cpu,cpuacct" in one hierarchy: a directory of that name and symlinks "cpu" and "cpuacct" to it, as hosts have it. */
static int link_controllers(int base, const char *dir_name, const char *controllers, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = hoy_str_split(controllers, ',');

	for (char **n = names; n && *n; n++)
		if (strcmp(*n, dir_name) != 0 && symlinkat(dir_name, base, *n) < 0 && errno != EEXIST)
			return hoy_err_sys(err, "symlink '%s'", *n);
	return names ? 0 : hoy_err_oom(err);
}

static int mount_hierarchy(struct hoy_child *c, const struct hoy_plan_mount *m, int base, size_t i, const char *mount,
	const char *name, struct hoy_err *err)
{
	const char *dir_name = hoy_path_base(mount);
	auto_free char *group = c->cgroup ? hoy_cgroup_dir(c->cgroup, i) : NULL;
	swept_fd tree, target;
	int r;

	tree = hoy_mount_clone_set(
		AT_FDCWD, group ? group : mount, /* recursive= */ true, m->attr_set, m->attr_clr, err);
	if (tree < 0)
		return tree;
	if (mkdirat(base, dir_name, 0755) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "make directory '%s'", dir_name);
	target = openat(base, dir_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open '%s'", dir_name);
	r = hoy_mount_attach(tree, target, err);
	if (r == 0 && name[0] && !hoy_str_starts(name, "name="))
		r = link_controllers(base, dir_name, name, err);
	return r;
}

static int mount_v1(struct hoy_child *c, const struct hoy_plan_mount *m, int target, struct hoy_err *err)
{
	static char mode[] = "mode=755";
	char *options[] = { mode, NULL };
	uint64_t attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	swept_fd base = hoy_mount_new("tmpfs", "cgroup", options, attrs, err);
	const char *mount, *name;
	int r;

	if (base < 0)
		return base;
	r = hoy_mount_attach(base, target, err);
	for (size_t i = 0; r == 0 && (mount = hoy_cgroup_host_hierarchy(c->cgroup_host, i, &name)); i++)
		r = mount_hierarchy(c, m, base, i, mount, name, err);
	if (r == 0)
		r = hoy_mount_set(base, m->attr_set, 0, false, err);
	return r;
}

int hoy_child_mount_cgroup(struct hoy_child *c, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	swept_fd target;

	if (!c->cgroup_host || hoy_cgroup_host_mode(c->cgroup_host) == HOY_CGROUP_NONE)
		return hoy_err_unsupported(err, "the host has no cgroups");
	/* Names in our sysfs are the kernel's. */
	if (hoy_cgroup_host_mode(c->cgroup_host) == HOY_CGROUP_UNIFIED && c->sysfs >= 0 &&
		strcmp(m->target, "/sys/fs/cgroup") == 0)
		return mount_v2(c, m, &(struct hoy_spot){ c->sysfs, "fs/cgroup" }, err);
	target = hoy_target_make(c->root, m->target, /* directory= */ true, err);
	if (target < 0)
		return target;
	if (hoy_cgroup_host_mode(c->cgroup_host) == HOY_CGROUP_UNIFIED)
		return mount_v2(c, m, &(struct hoy_spot){ target, "" }, err);
	return mount_v1(c, m, target, err);
}
