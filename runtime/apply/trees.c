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

static bool is_below_rootfs(const struct hoy_plan *plan, const char *source)
{
	size_t len = strlen(plan->rootfs);

	return strncmp(source, plan->rootfs, len) == 0 && (source[len] == '/' || !source[len]);
}

/* "/proc/PID/fd/N": what a supervisor holds open for us. It belongs to the host's mount namespace, and can't be cloned
 * in another. */
static bool is_descriptor(const char *source)
{
	size_t pid = strspn(source + MIN(strlen(source), strlen("/proc/")), "0123456789");

	return strncmp(source, "/proc/", strlen("/proc/")) == 0 && pid > 0 &&
	       strncmp(source + strlen("/proc/") + pid, "/fd/", strlen("/fd/")) == 0;
}

static int open_idmap(const struct hoy_plan *plan, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	struct hoy_idmap map = mapping_of(plan, m);

	return map.n_uid ? hoy_idmap_namespace(&map, err) : container_user_ns(plan, err);
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
	if (r == 0 && m->idmap) {
		auto_fd int ns = open_idmap(plan, m, err);

		r = ns < 0 ? ns : hoy_mount_idmap(tree, ns, m->idmap_recursive, m->source, err);
	}
	return r < 0 ? r : TAKE_FD(tree);
}

int hoy_trees_open(const struct hoy_plan *plan, int *trees, int *idmaps, struct hoy_err *err)
{
	bool live = plan->params.live;
	bool all = live || (plan->params.may_mount && hoy_plan_has_ns(plan, CLONE_NEWUSER));

	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];
		struct hoy_err why = {};
		int fd = 0;

		if (m->kind != HOY_MOUNT_BIND || (!all && !m->idmap && !is_descriptor(m->source)))
			continue;
		if (live || !is_below_rootfs(plan, m->source))
			fd = trees[i] = open_tree_of(plan, m, &why);
		else if (m->idmap)
			fd = idmaps[i] = open_idmap(plan, m, &why);
		/* Root of a user namespace in somebody else's mount namespace: the child has one of its own. */
		if (fd == -EPERM && plan->params.rootless && !live && !m->idmap) {
			trees[i] = -EBADF;
		} else if (fd < 0) {
			(void) hoy_err_import(err, &why);
			return hoy_err_wrap(err, "error mounting \"%s\" to rootfs at \"%s\"", m->source, m->target);
		}
	}
	return 0;
}
