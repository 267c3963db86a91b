/* Capability sets as bit masks. What is unknown, or what we do not have ourselves, is dropped with a warning. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "runtime/plan/plan.h"

static const char *const names[HOY_CAP_COUNT] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

int hoy_cap_from_string(const char *name)
{
	for (int i = 0; i < HOY_CAP_COUNT; i++)
		if (strcasecmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *hoy_cap_to_string(int cap)
{
	return cap >= 0 && cap < HOY_CAP_COUNT ? names[cap] : NULL;
}

static int add_set(struct hoy_plan *plan, char *const *list, const char *field, uint64_t *set, uint64_t *warned,
	struct hoy_err *err)
{
	*set = 0;
	for (; list && *list; list++) {
		int cap = hoy_cap_from_string(*list), r = 0;

		if (cap < 0)
			r = hoy_plan_warn(
				plan, "process.capabilities.%s: unknown capability '%s', ignoring", field, *list);
		else if (plan->params.host_caps & 1ULL << cap)
			*set |= 1ULL << cap;
		else if (!(*warned & 1ULL << cap)) {
			*warned |= 1ULL << cap;
			r = hoy_plan_warn(
				plan, "process.capabilities.%s: '%s' is not available here, ignoring", field, *list);
		}
		if (r < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/*
 * The kernel raises an ambient capability only where it is permitted and inheritable. One warning names them all:
 * buildah asks for fourteen such with every RUN and shows what we say.
 */
static int drop_ambient(struct hoy_plan *plan, uint64_t lost, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf list = {};

	if (!lost)
		return 0;
	for (int i = 0; i < HOY_CAP_COUNT; i++)
		if (lost & 1ULL << i)
			(void) hoy_buf_addf(&list, "%s%s", list.len ? ", " : "", names[i]);
	if (hoy_buf_check(&list, "list of capabilities", err) < 0)
		return -ENOMEM;
	if (hoy_plan_warn(plan, "can't raise ambient capability %s: not also permitted and inheritable", list.data) < 0)
		return hoy_err_oom(err);
	plan->caps.ambient &= ~lost;
	return 0;
}

int hoy_plan_caps(struct hoy_plan *plan, const struct hoy_oci_capabilities *caps, struct hoy_err *err)
{
	struct hoy_plan_caps *c = &plan->caps;
	uint64_t warned = 0;

	plan->has_caps = caps != NULL;
	if (!caps)
		return 0;
	if (add_set(plan, caps->bounding, "bounding", &c->bounding, &warned, err) < 0 ||
		add_set(plan, caps->effective, "effective", &c->effective, &warned, err) < 0 ||
		add_set(plan, caps->permitted, "permitted", &c->permitted, &warned, err) < 0 ||
		add_set(plan, caps->inheritable, "inheritable", &c->inheritable, &warned, err) < 0 ||
		add_set(plan, caps->ambient, "ambient", &c->ambient, &warned, err) < 0)
		return -ENOMEM;
	if (c->effective & ~c->permitted)
		return hoy_err_invalid(err, "process.capabilities.effective: holds more than 'permitted'");
	return drop_ambient(plan, c->ambient & ~(c->permitted & c->inheritable), err);
}
