/* From config.mounts to typed mounts: kind, attributes, propagation, file system data. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/path.h"
#include "base/str.h"
#include "runtime/plan/plan.h"

static const unsigned int propagation_flags[] = {
	[HOY_OCI_PROPAGATION_PRIVATE] = MS_PRIVATE,
	[HOY_OCI_PROPAGATION_SHARED] = MS_SHARED,
	[HOY_OCI_PROPAGATION_SLAVE] = MS_SLAVE,
	[HOY_OCI_PROPAGATION_UNBINDABLE] = MS_UNBINDABLE,
	[HOY_OCI_PROPAGATION_RPRIVATE] = MS_PRIVATE | MS_REC,
	[HOY_OCI_PROPAGATION_RSHARED] = MS_SHARED | MS_REC,
	[HOY_OCI_PROPAGATION_RSLAVE] = MS_SLAVE | MS_REC,
	[HOY_OCI_PROPAGATION_RUNBINDABLE] = MS_UNBINDABLE | MS_REC,
};

static bool is_root(const char *target)
{
	while (*target == '/')
		target++;
	return !*target;
}

static int check_kind(struct hoy_plan_mount *m, struct hoy_err *err)
{
	bool is_type_bind = hoy_str_eq(m->type, "bind") || hoy_str_eq(m->type, "rbind");

	if (m->kind == HOY_MOUNT_REMOUNT)
		return 0;
	if (is_type_bind && m->kind == HOY_MOUNT_NEW) { /* docker and podman write only the type now and then */
		m->kind = HOY_MOUNT_BIND;
		m->recursive = true;
	}
	if (m->kind == HOY_MOUNT_BIND) {
		if (!m->source)
			return hoy_err_invalid(err, "mounts[%zu].source: missing for a bind mount", m->index);
		return 0;
	}
	if (!m->type || !m->type[0] || strcmp(m->type, "none") == 0)
		return hoy_err_invalid(err, "mounts[%zu].type: missing for a mount that is no bind mount", m->index);
	if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0)
		m->kind = HOY_MOUNT_CGROUP;
	return 0;
}

static int check_root_target(struct hoy_plan_mount *m, struct hoy_err *err)
{
	if (!is_root(m->target))
		return 0;
	if (m->index == 0 && hoy_str_eq(m->type, "overlay")) {
		m->kind = HOY_MOUNT_ROOTFS;
		return 0;
	}
	if (m->kind == HOY_MOUNT_REMOUNT)
		return 0;
	return hoy_err_unsupported(
		err, "mounts[%zu].destination: only an overlay as the first mount can be mounted on '/'", m->index);
}

static int check_extras(const struct hoy_plan *plan, const struct hoy_plan_mount *m, struct hoy_err *err)
{
	if (m->copy_up && !hoy_str_eq(m->type, "tmpfs"))
		return hoy_err_invalid(err, "mounts[%zu].options: tmpcopyup is for tmpfs only", m->index);
	if (!m->idmap)
		return 0;
	if (m->kind != HOY_MOUNT_BIND)
		return hoy_err_invalid(err, "mounts[%zu].options: an id-mapped mount must be a bind mount", m->index);
	if (!m->spec->n_uid_mappings && !hoy_plan_has_ns(plan, CLONE_NEWUSER))
		return hoy_err_invalid(
			err, "mounts[%zu]: idmap needs uidMappings and gidMappings or a user namespace", m->index);
	return 0;
}

/* A read-only tmpfs gets its mount points and devices first. */
static void defer_readonly(struct hoy_plan_mount *m)
{
	if (m->kind != HOY_MOUNT_NEW || !(m->attr_set & MOUNT_ATTR_RDONLY) || strcmp(m->type, "tmpfs") != 0)
		return;
	m->attr_set &= ~(uint64_t) MOUNT_ATTR_RDONLY;
	m->late_readonly = true;
}

/*
 * As with mount(8): a bind mount without options of its own keeps the flags of its source; with any it has those that
 * are named and no other, but its access times stay as they were unless an option sets them. The kernel has these as
 * one setting: asking for one part of it resets the rest.
 */
static void plan_bind_attributes(struct hoy_plan_mount *m)
{
	const uint64_t atime = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;

	if (m->kind != HOY_MOUNT_BIND || !(m->attr_set | m->attr_clr))
		return;
	m->attr_clr &= ~atime;
	if (m->atime_given || (m->attr_set & MOUNT_ATTR_NODIRATIME))
		m->attr_clr |= atime & ~(m->attr_set & MOUNT_ATTR_NODIRATIME);
	m->attr_implied_clr = HOY_BIND_FLAGS & ~(m->attr_set | m->attr_clr);
}

/* Some callers write the destination as the host would see it. */
static void strip_rootfs(const struct hoy_plan *plan, struct hoy_plan_mount *m)
{
	size_t len = strlen(plan->rootfs);

	if (len > 1 && strncmp(m->target, plan->rootfs, len) == 0 && m->target[len] == '/')
		m->target += len;
}

/* What is made new carries the container's label; SELinux gives procfs and sysfs its own, and a message queue's root is
 * labelled by attribute (hoy_child_mounts). A bind mount shows files that have theirs. */
static int add_label(const struct hoy_plan *plan, struct hoy_plan_mount *m, struct hoy_err *err)
{
	static const char *const others[] = { "proc", "sysfs", "mqueue" };
	const char *label = plan->spec->linux_->mount_label;

	if (!label || !label[0] || m->kind != HOY_MOUNT_NEW)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(m->type, others[i]) == 0)
			return 0;
	for (char **d = m->data; d && *d; d++)
		if (hoy_str_starts(*d, "context="))
			return 0;
	return hoy_strv_addf(&m->data, "context=%s", label) < 0 ? hoy_err_oom(err) : 0;
}

static int plan_mount(struct hoy_plan *plan, size_t i, struct hoy_err *err)
{
	const struct hoy_oci_mount *spec = &plan->spec->mounts[i];
	struct hoy_plan_mount *m = &plan->mounts[plan->n_mounts++];
	int r;

	*m = (struct hoy_plan_mount){
		.index = i,
		.source = spec->source,
		.type = spec->type,
		.target = spec->destination,
		.spec = spec,
	};
	strip_rootfs(plan, m);
	if (plan->params.remove)
		return 0;
	for (char **option = spec->options; option && *option; option++) {
		r = hoy_mount_option_apply(m, *option, err);
		if (r < 0)
			return hoy_err_wrap(err, "mounts[%zu].options", i);
	}
	if (spec->n_uid_mappings)
		m->idmap = true;
	r = check_kind(m, err);
	if (r < 0)
		return r;
	if (plan->params.live && (is_root(m->target) || m->kind == HOY_MOUNT_CGROUP || m->kind == HOY_MOUNT_REMOUNT))
		return hoy_err_unsupported(err,
			"mounts[%zu]: a running container gets no mount on '/', no cgroup mount and no remount", i);
	r = check_root_target(m, err);
	if (r < 0)
		return r;
	defer_readonly(m);
	plan_bind_attributes(m);
	r = add_label(plan, m, err);
	return r < 0 ? r : check_extras(plan, m, err);
}

/* A bind mount on /dev brings its own nodes. */
static bool has_own_dev(const struct hoy_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];
		auto_free char *target = hoy_path_clean(m->target);

		if (m->kind == HOY_MOUNT_BIND && target && strcmp(target, "/dev") == 0)
			return false;
	}
	return true;
}

int hoy_plan_mounts(struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_oci_spec *spec = plan->spec;
	enum hoy_oci_propagation propagation = spec->linux_->rootfs_propagation;

	plan->root_propagation = propagation ? propagation_flags[propagation] | MS_REC : MS_SLAVE | MS_REC;
	if (plan->root_propagation & MS_UNBINDABLE) /* we still have to bind the rootfs: it is the last thing done */
		plan->root_propagation = MS_PRIVATE | MS_REC;
	plan->rootfs_propagation = propagation ? propagation_flags[propagation] : 0;
	plan->readonly_rootfs = spec->root->readonly;
	plan->rootfs_owned = hoy_path_join(plan->params.bundle, spec->root->path);
	plan->mounts = calloc(spec->n_mounts + 1, sizeof *plan->mounts);
	if (!plan->rootfs_owned || !plan->mounts)
		return hoy_err_oom(err);
	plan->rootfs = plan->rootfs_owned;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = plan_mount(plan, i, err);

		if (r < 0)
			return r;
	}
	plan->own_dev = has_own_dev(plan);
	return 0;
}
