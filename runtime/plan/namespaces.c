/* Which namespaces the container gets, which it joins, and what cannot be combined. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "runtime/plan/plan.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const int clone_flag[_HOY_OCI_NS_MAX] = {
	[HOY_OCI_NS_PID] = CLONE_NEWPID,
	[HOY_OCI_NS_NETWORK] = CLONE_NEWNET,
	[HOY_OCI_NS_MOUNT] = CLONE_NEWNS,
	[HOY_OCI_NS_IPC] = CLONE_NEWIPC,
	[HOY_OCI_NS_UTS] = CLONE_NEWUTS,
	[HOY_OCI_NS_USER] = CLONE_NEWUSER,
	[HOY_OCI_NS_CGROUP] = CLONE_NEWCGROUP,
	[HOY_OCI_NS_TIME] = CLONE_NEWTIME,
};

bool hoy_plan_has_ns(const struct hoy_plan *plan, int type)
{
	if (plan->new_ns & (uint64_t) type)
		return true;
	for (size_t i = 0; i < plan->n_joins; i++)
		if (plan->joins[i].type == type)
			return true;
	return false;
}

static int add_namespace(struct hoy_plan *plan, size_t i, struct hoy_err *err)
{
	const struct hoy_oci_namespace *ns = &plan->spec->linux_->namespaces[i];
	int flag = clone_flag[ns->type];

	if (hoy_plan_has_ns(plan, flag))
		return hoy_err_invalid(
			err, "linux.namespaces[%zu].type: '%s' occurs twice", i, hoy_oci_ns_type_to_string(ns->type));
	if (!ns->path) {
		plan->new_ns |= (uint64_t) flag;
		return 0;
	}
	if (ns->path[0] != '/')
		return hoy_err_invalid(err, "linux.namespaces[%zu].path: '%s' is not an absolute path", i, ns->path);
	plan->joins[plan->n_joins++] = (struct hoy_plan_join){ .type = flag, .path = ns->path };
	return 0;
}

/* Values that would reach the host's own namespace if the container had none of its own. */
static int check_needs(const struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;
	bool user = hoy_plan_has_ns(plan, CLONE_NEWUSER);

	if (plan->spec->hostname && plan->spec->hostname[0] && !hoy_plan_has_ns(plan, CLONE_NEWUTS))
		return hoy_err_invalid(err, "hostname: unable to set hostname without a private UTS namespace");
	if (plan->spec->domainname && plan->spec->domainname[0] && !hoy_plan_has_ns(plan, CLONE_NEWUTS))
		return hoy_err_invalid(err, "domainname: unable to set domainname without a private UTS namespace");
	if ((l->n_uid_mappings || l->n_gid_mappings) && !user)
		return hoy_err_invalid(err, "linux.uidMappings: mappings need a user namespace in linux.namespaces");
	if ((plan->new_ns & CLONE_NEWUSER) && (!l->n_uid_mappings || !l->n_gid_mappings))
		return hoy_err_invalid(err, "linux.%s: a new user namespace needs mappings",
			l->n_uid_mappings ? "gidMappings" : "uidMappings");
	if (plan->new_ns && plan->params.rootless && !plan->params.may_mount && !user)
		return hoy_err_invalid(err,
			"linux.namespaces: without privileges a container needs a user namespace (as 'spec --rootless' writes it)");
	if (l->time_offsets && !(plan->new_ns & CLONE_NEWTIME))
		return hoy_err_invalid(err, "linux.timeOffsets: time namespace offsets need a new time namespace");
	if (!hoy_plan_has_ns(plan, CLONE_NEWNS) && user)
		return hoy_err_unsupported(err,
			"linux.namespaces: a user namespace without a mount namespace has no right to mount anything");
	return 0;
}

int hoy_plan_namespaces(struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;

	plan->joins = calloc(l->n_namespaces + 1, sizeof *plan->joins);
	if (!plan->joins)
		return hoy_err_oom(err);
	for (size_t i = 0; i < l->n_namespaces; i++) {
		int r = add_namespace(plan, i, err);

		if (r < 0)
			return r;
	}
	plan->loopback = plan->new_ns & CLONE_NEWNET;
	plan->host_mounts = !hoy_plan_has_ns(plan, CLONE_NEWNS);
	return check_needs(plan, err);
}

/* For exec. The user namespace comes first (it gives the right to join the others), the pid namespace is that of
 * future children. */
int hoy_plan_join_all(struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;
	bool user = hoy_oci_spec_namespace(plan->spec, HOY_OCI_NS_USER);
	int all = 0;

	plan->joins = calloc(HOY_PLAN_JOIN_ALL_MAX, sizeof *plan->joins);
	if (!plan->joins)
		return hoy_err_oom(err);
	for (size_t i = 0; i < l->n_namespaces; i++) {
		int flag = clone_flag[l->namespaces[i].type];

		if (flag == CLONE_NEWUSER || flag == CLONE_NEWPID || (flag == CLONE_NEWNS && user))
			plan->joins[plan->n_joins++] = (struct hoy_plan_join){ .type = flag };
		else
			all |= flag;
	}
	if (all)
		plan->joins[plan->n_joins++] = (struct hoy_plan_join){ .type = all };
	return 0;
}
