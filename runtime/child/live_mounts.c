/* Mounts that a running container gets or loses, from inside its namespaces; all by descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/child/child.h"
#include "runtime/child/mount_api.h"
#include "runtime/child/target.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x00002000
#endif

/* umount2() wants a name: the descriptor's own in the host's procfs, whatever the container has under /proc. */
static int unmount(struct hoy_child *c, int target, struct hoy_err *err)
{
	char name[64];

	(void) snprintf(name, sizeof name, "self/fd/%d", target);
	if (fchdir(c->proc) < 0)
		return hoy_err_sys(err, "enter the host's /proc");
	return umount2(name, MNT_DETACH) < 0 ? hoy_err_sys(err, "unmount") : 0;
}

static int remove_one(struct hoy_child *c, const char *path, struct hoy_err *err)
{
	auto_fd int target = hoy_target_open(c->root, path, err);
	struct statx sx, root;

	if (target < 0)
		return target;
	if (statx(target, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &sx) < 0 ||
		statx(c->root, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &root) < 0)
		return hoy_err_sys(err, "statx");
	if (!(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) || sx.stx_mnt_id == root.stx_mnt_id)
		return hoy_err_invalid(err, "nothing is mounted there");
	return unmount(c, target, err);
}

/* All or none: those that were made go again, the last one first. */
static void undo(struct hoy_child *c, size_t n)
{
	while (n-- > 0)
		(void) remove_one(c, c->plan->mounts[n].target, NULL);
}

int hoy_child_add_mounts(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_plan *plan = c->plan;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < plan->n_mounts; i++)
		r = hoy_child_mount(c, i, err);
	if (r < 0) {
		undo(c, i - 1);
		return r;
	}
	for (i = 0; r == 0 && i < plan->n_mounts; i++)
		if (c->late_readonly[i] >= 0)
			r = hoy_mount_set(c->late_readonly[i], MOUNT_ATTR_RDONLY, 0, false, err);
	if (r < 0)
		undo(c, plan->n_mounts);
	return r;
}

/* Backwards: what is mounted on another one of the list goes first. */
int hoy_child_remove_mounts(struct hoy_child *c, struct hoy_err *err)
{
	for (size_t i = c->plan->n_mounts; i-- > 0;)
		if (remove_one(c, c->plan->mounts[i].target, err) < 0)
			return hoy_err_wrap(err, "mounts[%zu]: \"%s\"", i, c->plan->mounts[i].target);
	return 0;
}
