/* The plan as text, one decision a line: `--debug` logs it and tests compare it. */
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"
#include "runtime/plan/plan.h"

static const struct {
	uint64_t flag;
	const char *name;
} ns_names[] = {
	{ CLONE_NEWUSER, "user" },
	{ CLONE_NEWPID, "pid" },
	{ CLONE_NEWNET, "network" },
	{ CLONE_NEWNS, "mount" },
	{ CLONE_NEWIPC, "ipc" },
	{ CLONE_NEWUTS, "uts" },
	{ CLONE_NEWCGROUP, "cgroup" },
	{ 0x80, "time" },
};

static const char *ns_name(uint64_t flag)
{
	for (size_t i = 0; i < ARRAY_LEN(ns_names); i++)
		if (ns_names[i].flag == flag)
			return ns_names[i].name;
	return "?";
}

static void print_propagation(const struct hoy_plan_mount *m, struct hoy_buf *buf)
{
	for (size_t i = 0; i < m->n_propagation; i++) {
		unsigned int p = m->propagation[i];

		(void) hoy_buf_addf(buf, " %s%s", p & MS_REC ? "r" : "",
			p & MS_SHARED    ? "shared"
			: p & MS_SLAVE   ? "slave"
			: p & MS_PRIVATE ? "private"
					 : "unbindable");
	}
}

static void print_mount(const struct hoy_plan_mount *m, struct hoy_buf *buf)
{
	static const char *const kinds[] = {
		[HOY_MOUNT_NEW] = "mount",
		[HOY_MOUNT_BIND] = "bind",
		[HOY_MOUNT_ROOTFS] = "rootfs",
		[HOY_MOUNT_CGROUP] = "cgroup",
		[HOY_MOUNT_REMOUNT] = "remount",
	};

	(void) hoy_buf_addf(buf, "%s %s %s", m->recursive ? "rbind" : kinds[m->kind], m->target,
		m->kind == HOY_MOUNT_BIND ? m->source
		: m->type                 ? m->type
					  : "-");
	if (m->attr_set || m->attr_clr)
		(void) hoy_buf_addf(buf, " attr=+%" PRIx64 "-%" PRIx64, m->attr_set, m->attr_clr);
	if (m->rec_set || m->rec_clr)
		(void) hoy_buf_addf(buf, " rattr=+%" PRIx64 "-%" PRIx64, m->rec_set, m->rec_clr);
	print_propagation(m, buf);
	if (m->late_readonly)
		(void) hoy_buf_adds(buf, " late-ro");
	if (m->copy_up)
		(void) hoy_buf_adds(buf, " copy-up");
	if (m->idmap)
		(void) hoy_buf_adds(buf, m->idmap_recursive ? " ridmap" : " idmap");
	for (char **d = m->data; d && *d; d++)
		(void) hoy_buf_addf(buf, "%c%s", d == m->data ? ' ' : ',', *d);
	(void) hoy_buf_addc(buf, '\n');
}

static void print_device(const struct hoy_plan_device *d, struct hoy_buf *buf)
{
	(void) hoy_buf_addf(buf, "device %s %c %u:%u %03o %u:%u\n", d->path,
		S_ISBLK(d->mode)    ? 'b'
		: S_ISFIFO(d->mode) ? 'p'
				    : 'c',
		major(d->rdev), minor(d->rdev), (unsigned int) d->mode & 07777, d->uid, d->gid);
}

int hoy_plan_print(const struct hoy_plan *plan, struct hoy_buf *buf, struct hoy_err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(ns_names); i++)
		if (plan->new_ns & ns_names[i].flag)
			(void) hoy_buf_addf(buf, "new %s\n", ns_names[i].name);
	for (size_t i = 0; i < plan->n_joins; i++)
		(void) hoy_buf_addf(buf, "join %s %s\n", ns_name((uint64_t) plan->joins[i].type), plan->joins[i].path);
	(void) hoy_buf_addf(buf, "rootfs %s%s\n", plan->rootfs, plan->readonly_rootfs ? " ro" : "");
	for (size_t i = 0; i < plan->n_mounts; i++)
		print_mount(&plan->mounts[i], buf);
	for (size_t i = 0; plan->own_dev && i < plan->n_devices; i++)
		print_device(&plan->devices[i], buf);
	if (plan->has_caps)
		(void) hoy_buf_addf(buf,
			"caps bounding=%" PRIx64 " effective=%" PRIx64 " permitted=%" PRIx64 " inheritable=%" PRIx64
			" ambient=%" PRIx64 "\n",
			plan->caps.bounding, plan->caps.effective, plan->caps.permitted, plan->caps.inheritable,
			plan->caps.ambient);
	for (size_t i = 0; i < plan->n_rlimits; i++)
		(void) hoy_buf_addf(buf, "rlimit %s %" PRIu64 ":%" PRIu64 "\n", plan->rlimits[i].name,
			plan->rlimits[i].soft, plan->rlimits[i].hard);
	if (plan->cgroup)
		(void) hoy_buf_addf(buf, "cgroup %s\n", plan->cgroup);
	if (plan->unit)
		(void) hoy_buf_addf(buf, "unit %s in %s\n", plan->unit, plan->slice);
	for (char **w = plan->warnings; w && *w; w++)
		(void) hoy_buf_addf(buf, "warning %s\n", *w);
	return hoy_buf_check(buf, "plan", err);
}
