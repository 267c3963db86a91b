/* The container's cgroup: made, limited, opened for the child; without rights for that a container may do without. */
#include <errno.h>

#include "base/log.h"
#include "runtime/apply/cgroup.h"
#include "runtime/apply/create_internal.h"
#include "runtime/texts.h"

#define REMOVE_TIMEOUT_MS 5000

static bool asks_for_limits(const struct hoy_oci_linux *l)
{
	const struct hoy_oci_resources *r = l->resources;

	return r && (r->memory || r->cpu || r->pids || r->block_io || r->n_hugepage_limits || r->network || r->n_rdma ||
			    r->n_unified);
}

static bool may_go_without(const struct creation *c, int code)
{
	if (!c->o->rootless || asks_for_limits(c->spec->linux_))
		return false;
	return code == -EACCES || code == -EPERM || code == -EROFS || code == -EOPNOTSUPP || code == -ENOENT;
}

static int make_group(struct creation *c, struct hoy_err *err)
{
	int r = hoy_cgroup_new(c->cgroup_host, c->plan.cgroup, &c->cgroup, err);

	if (r < 0)
		return r;
	r = hoy_cgroup_create(c->cgroup, err);
	if (r == -EBUSY || r == -EDEADLK) {
		bool frozen = r == -EDEADLK || hoy_cgroup_is_frozen(c->cgroup, NULL) == 1;

		(void) hoy_err_wrap(err, frozen ? TEXT_CGROUP_FROZEN : TEXT_CGROUP_NOT_EMPTY);
	}
	if (r < 0) { /* not ours: must not be removed by the undo */
		hoy_cgroup_free(c->cgroup);
		c->cgroup = NULL;
	}
	return r;
}

int hoy_create_cgroup(struct creation *c, struct hoy_err *err)
{
	struct hoy_err why = {};
	int r = hoy_cgroup_host_detect(&c->cgroup_host, err);

	if (r < 0)
		return r;
	c->child.cgroup_host = c->cgroup_host;
	r = make_group(c, &why);
	if (r < 0 && may_go_without(c, r)) {
		hoy_log_debug("no cgroup: %s", hoy_err_str(&why));
		return 0;
	}
	if (r < 0)
		return hoy_err_import(err, &why);
	c->child.cgroup = c->cgroup;
	c->state.cgroup = hoy_cgroup_to_string(c->cgroup);
	if (!c->state.cgroup)
		return hoy_err_oom(err);
	r = hoy_apply_resources(c->cgroup, c->spec->linux_->resources, !c->o->rootless, err);
	if (r == 0)
		r = hoy_cgroup_open_entry(c->cgroup, NULL, &c->child.entry, err);
	if (r < 0)
		hoy_create_undo_cgroup(c);
	return r;
}

void hoy_create_undo_cgroup(struct creation *c)
{
	struct hoy_err err = {};

	if (!c->cgroup)
		return;
	if (hoy_cgroup_kill(c->cgroup, 9, &err) < 0 || hoy_cgroup_remove(c->cgroup, REMOVE_TIMEOUT_MS, &err) < 0)
		hoy_log_ignored(&err, "remove cgroup '%s'", c->plan.cgroup);
	hoy_cgroup_free(c->cgroup);
	c->cgroup = NULL;
}
