/* Detached clones made before the clone(): the child inherits the descriptors. */
#include "runtime/apply/trees.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/apply/idmap.h"
#include "runtime/child/mount_api.h"
#include "runtime/plan/plan.h"

/* A mount's own mappings, else the container's. */
static struct hoy_idmap mapping_of(const struct hoy_plan *plan, const struct hoy_plan_mount *m)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;

	if (m->spec->n_uid_mappings)
		return (struct hoy_idmap){ m->spec->uid_mappings, m->spec->gid_mappings, m->spec->n_uid_mappings,
			m->spec->n_gid_mappings };
	return (struct hoy_idmap){ l->uid_mappings, l->gid_mappings, l->n_uid_mappings, l->n_gid_mappings };
}

static int container_user_ns(const struct hoy_plan *plan, struct hoy_err *err)
{
	for (size_t i = 0; i < plan->n_joins; i++)
		if (plan->joins[i].type == CLONE_NEWUSER) {
			int fd = open(plan->joins[i].path, O_RDONLY | O_CLOEXEC);

			return fd < 0 ? hoy_err_sys(err, "open '%s'", plan->joins[i].path) : fd;
		}
	return -ENOENT;
}

static int apply_idmap(const struct hoy_plan *plan, const struct hoy_plan_mount *m, int tree, struct hoy_err *err)
{
	struct hoy_idmap map = mapping_of(plan, m);
	auto_fd int ns = -EBADF;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };

	ns = map.n_uid ? hoy_idmap_namespace(&map, err) : container_user_ns(plan, err);
	if (ns < 0)
		return ns;
	attr.userns_fd = (uint64_t) ns;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (m->idmap_recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
		return 0;
	if (errno == EINVAL)
		return hoy_err_unsupported(err,
			"failed to set MOUNT_ATTR_IDMAP: the file system of '%s' can't be id-mapped here", m->source);
	return hoy_err_sys(err, "failed to set MOUNT_ATTR_IDMAP on '%s'", m->source);
}

static int open_tree_of(const struct hoy_plan *plan, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	auto_free char *source = hoy_path_join(plan->params.bundle, m->source);
	auto_fd int tree = -EBADF;
	int r;

	if (!source)
		return hoy_err_oom(err);
	tree = hoy_mount_clone(AT_FDCWD, source, m->recursive, err);
	if (tree < 0)
		return tree;
	/* As if it had been cloned inside the container's mount namespace, which is a slave of the host's. */
	r = hoy_mount_propagation(tree, "", MS_SLAVE | MS_REC, err);
	if (r == 0 && m->idmap)
		r = apply_idmap(plan, m, tree, err);
	return r < 0 ? r : TAKE_FD(tree);
}

int hoy_trees_open(const struct hoy_plan *plan, int *trees, struct hoy_err *err)
{
	bool all = plan->params.may_mount && hoy_plan_has_ns(plan, CLONE_NEWUSER);

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];

		if (m->kind != HOY_MOUNT_BIND || (!all && !m->idmap))
			continue;
		trees[i] = open_tree_of(plan, m, err);
		if (trees[i] == -ENOENT && !m->idmap) /* perhaps in what an earlier mount brings: the child will see */
			trees[i] = -EBADF;
		else if (trees[i] < 0)
			return hoy_err_wrap(err, "error mounting \"%s\" to rootfs at \"%s\"", m->source, m->target);
	}
	return 0;
}
