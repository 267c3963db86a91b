/* The container's cgroup: made (by us, or by systemd as a unit), limited, opened for the child; without rights for that
 * a container may do without. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/apply/cgroup.h"
#include "runtime/apply/create_internal.h"
#include "runtime/apply/unit.h"
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
	if (!c->o->rootless || c->plan.unit || asks_for_limits(c->spec->linux_))
		return false;
	return code == -EACCES || code == -EPERM || code == -EROFS || code == -EOPNOTSUPP || code == -ENOENT;
}

/* Without rights on the root, what is not said absolutely stands beside our own group, which may be delegated to us (in
 * ours are we, so that nothing below it could be limited). NULL: out of memory. */
static char *group_path(const struct creation *c)
{
	const char *asked = c->spec->linux_->cgroups_path;
	auto_free char *own = NULL;

	if (!c->o->rootless || (asked && asked[0] == '/') ||
		hoy_cgroup_host_mode(c->cgroup_host) != HOY_CGROUP_UNIFIED || hoy_cgroup_path_of(0, &own, NULL) < 0)
		return strdup(c->plan.cgroup);
	*strrchr(own, '/') = '\0';
	return hoy_str_printf("%s%s", own, c->plan.cgroup);
}

/* Told before it is made: when we are killed in between, a delete finds the directories. */
static int announce_group(struct creation *c, struct hoy_err *err)
{
	c->state.cgroup = hoy_cgroup_to_string(c->cgroup);
	c->state.cgroup_pending = true;
	return c->state.cgroup ? hoy_create_save(c, err) : hoy_err_oom(err);
}

static int make_group(struct creation *c, struct hoy_err *err)
{
	auto_free char *path = group_path(c);
	int r = path ? hoy_cgroup_new(c->cgroup_host, path, &c->cgroup, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = announce_group(c, err);
	if (r == 0)
		r = hoy_cgroup_create(c->cgroup, err);
	if (r == -EBUSY || r == -EDEADLK) {
		bool frozen = r == -EDEADLK || hoy_cgroup_is_frozen(c->cgroup, NULL) == 1;

		(void) hoy_err_wrap(err, frozen ? TEXT_CGROUP_FROZEN : TEXT_CGROUP_NOT_EMPTY);
	}
	if (r < 0) { /* not ours: must not be removed by the undo */
		hoy_cgroup_free(c->cgroup);
		c->cgroup = NULL;
		free(c->state.cgroup);
		c->state.cgroup = NULL;
	}
	c->state.cgroup_pending = false;
	return r;
}

/* Where systemd put its first process, from the kernel: that is sure, and no question to the bus. */
static int adopt_group(struct creation *c, pid_t holder, struct hoy_err *err)
{
	auto_free char *path = NULL;
	int r = hoy_cgroup_path_in(holder, "name=systemd", &path, NULL); /* v1 and hybrid hosts */

	if (r < 0)
		r = hoy_cgroup_path_of(holder, &path, err);
	if (r < 0)
		return r;
	if (!hoy_str_ends(path, c->plan.unit))
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EIO, "systemd made unit '%s', but in cgroup '%s'", c->plan.unit, path);
	r = hoy_cgroup_new(c->cgroup_host, path, &c->cgroup, err);
	return r < 0 ? r : hoy_cgroup_adopt(c->cgroup, err);
}

static int make_unit(struct creation *c, struct hoy_err *err)
{
	bool unified = hoy_cgroup_host_mode(c->cgroup_host) == HOY_CGROUP_UNIFIED;
	pid_t holder;
	int r = hoy_unit_start(&c->plan, unified, &c->unit, &holder, err);

	if (r < 0)
		return r;
	c->state.unit = strdup(c->plan.unit);
	r = c->state.unit ? adopt_group(c, holder, err) : hoy_err_oom(err);
	if (r < 0)
		hoy_create_undo_cgroup(c);
	return r;
}

/* While its holder is in a unit, a limit of one process would leave no room for the container's. */
static bool limits_to_one(const struct hoy_oci_resources *res)
{
	if (res && res->pids && res->pids->limit >= 0 && res->pids->limit < 2)
		return true;
	for (size_t i = 0; res && i < res->n_unified; i++)
		if (strcmp(res->unified[i].key, "pids.max") == 0 && strlen(res->unified[i].value) == 1)
			return true;
	return false;
}

static int apply(struct creation *c, struct hoy_err *err)
{
	const struct hoy_oci_resources *res = c->spec->linux_->resources;
	auto_free struct hoy_oci_kv *unified = NULL;
	struct hoy_oci_resources early;

	if (!c->plan.unit || !limits_to_one(res))
		return hoy_apply_resources(c->cgroup, res, !c->o->rootless, err);
	unified = calloc(res->n_unified + 1, sizeof *unified);
	if (!unified)
		return hoy_err_oom(err);
	early = *res;
	early.pids = NULL;
	early.unified = unified;
	early.n_unified = 0;
	for (size_t i = 0; i < res->n_unified; i++)
		if (strcmp(res->unified[i].key, "pids.max") != 0)
			unified[early.n_unified++] = res->unified[i];
	return hoy_apply_resources(c->cgroup, &early, !c->o->rootless, err);
}

int hoy_create_cgroup(struct creation *c, struct hoy_err *err)
{
	struct hoy_err why = {};
	int r;

	if (c->o->no_cgroup && asks_for_limits(c->spec->linux_))
		return hoy_err_unsupported(err, "linux.resources: limits need a cgroup (--cgroup-manager=disabled)");
	r = hoy_cgroup_host_detect(&c->cgroup_host, c->o->no_cgroup ? NULL : err);
	if (c->o->no_cgroup) { /* a mount of the host's tree may be wanted all the same */
		c->child.cgroup_host = c->cgroup_host;
		return 0;
	}
	if (r < 0)
		return r;
	c->child.cgroup_host = c->cgroup_host;
	r = c->plan.unit ? make_unit(c, &why) : make_group(c, &why);
	if (r < 0 && may_go_without(c, r)) {
		hoy_log_debug("no cgroup: %s", hoy_err_str(&why));
		return 0;
	}
	if (r < 0 && c->o->rootless && !c->plan.unit && (r == -EACCES || r == -EPERM || r == -EROFS))
		(void) hoy_err_wrap(&why,
			"linux.resources: limits need a delegated cgroup, and there is no cgroup of this "
			"user's (try --systemd-cgroup, or no limits)");
	if (r < 0)
		return hoy_err_import(err, &why);
	c->child.cgroup = c->cgroup;
	if (!c->state.cgroup) /* a unit's is known only now */
		c->state.cgroup = hoy_cgroup_to_string(c->cgroup);
	r = c->state.cgroup ? apply(c, err) : hoy_err_oom(err);
	if (r == 0)
		r = hoy_cgroup_open_entry(c->cgroup, NULL, &c->child.entry, err);
	if (r == 0 && c->plan.unit && c->o->rootless && !hoy_cgroup_may_enter(c->cgroup)) {
		hoy_fd_close(&c->child.entry.v2_fd);
		c->attach = true;
	}
	if (r < 0)
		hoy_create_undo_cgroup(c);
	return r;
}

int hoy_create_release_unit(struct creation *c, struct hoy_err *err)
{
	int r = 0;

	if (!c->plan.unit)
		return 0;
	if (c->attach)
		r = hoy_unit_attach(&c->state, NULL, c->pid, err);
	if (r == 0)
		r = hoy_unit_release(&c->unit, err);
	if (r == 0 && limits_to_one(c->spec->linux_->resources))
		r = hoy_apply_limits(c->cgroup, c->spec->linux_->resources, err);
	return r;
}

void hoy_create_undo_cgroup(struct creation *c)
{
	struct hoy_err err = {};

	hoy_helper_end(&c->unit);
	if (c->cgroup && hoy_cgroup_kill(c->cgroup, 9, &err) < 0)
		hoy_log_ignored(&err, "kill what is in cgroup '%s'", hoy_cgroup_path(c->cgroup));
	if (c->state.unit && hoy_unit_stop(&c->state, &err) < 0)
		hoy_log_ignored(&err, "stop unit '%s'", c->state.unit);
	if (c->cgroup && hoy_cgroup_remove(c->cgroup, REMOVE_TIMEOUT_MS, &err) < 0)
		hoy_log_ignored(&err, "remove cgroup '%s'", hoy_cgroup_path(c->cgroup));
	hoy_cgroup_free(c->cgroup);
	c->cgroup = NULL;
}
