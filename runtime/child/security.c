/* What the program may do: labels, user and groups, capabilities, seccomp. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/target.h"
#include "runtime/sync.h"

#define BIT(cap) (1ULL << (cap))

static int write_attr(struct hoy_child *c, const char *file, const char *label, struct hoy_err *err)
{
	auto_fd int fd = openat(c->proc, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return hoy_err_sys(err, "open '/proc/%s'", file);
	if (!hoy_fd_is_on(fd, PROC_SUPER_MAGIC))
		return hoy_err_code(err, -EXDEV, "'/proc/%s' is not in a procfs", file);
	if (write(fd, label, strlen(label)) < 0)
		return hoy_err_sys(err, "write '%s'", label);
	return 0;
}

static bool selinux_enabled(void)
{
	return faccessat(AT_FDCWD, "/sys/fs/selinux/enforce", F_OK, 0) == 0;
}

int hoy_child_check_mount_label(struct hoy_child *c, struct hoy_err *err)
{
	const char *label = c->plan->spec->linux_->mount_label;

	if (label && label[0] && !selinux_enabled())
		return hoy_err_unsupported(
			err, "linux.mountLabel: '%s' asked for, but SELinux is not enabled on this host", label);
	return 0;
}

/* By its name in the host's procfs: the calls by descriptor don't take one of a mount. */
int hoy_child_label_mount(struct hoy_child *c, int mount, struct hoy_err *err)
{
	const char *label = c->plan->spec->linux_->mount_label;
	char name[64];

	(void) snprintf(name, sizeof name, "self/fd/%d", mount);
	c->in_dev = false;
	if (fchdir(c->proc) < 0)
		return hoy_err_sys(err, "enter the host's /proc");
	if (setxattr(name, "security.selinux", label, strlen(label), 0) < 0)
		return hoy_err_sys(err, "linux.mountLabel: set '%s'", label);
	return 0;
}

/* The module's own files: attr/exec belongs to whichever module came first. */
int hoy_child_labels(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_process *p = c->plan->spec->process;
	int r = 0;

	if (p && p->apparmor_profile && p->apparmor_profile[0]) {
		auto_free char *text = hoy_str_concat("exec ", p->apparmor_profile);

		if (!text)
			return hoy_err_oom(err);
		if (faccessat(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", F_OK, 0) < 0)
			return hoy_err_unsupported(err,
				"process.apparmorProfile: '%s' asked for, but AppArmor is not enabled on this host",
				p->apparmor_profile);
		r = write_attr(c, "self/attr/apparmor/exec", text, NULL);
		if (r < 0)
			r = write_attr(c, "self/attr/exec", text, err);
		if (r < 0)
			return hoy_err_wrap(err, "process.apparmorProfile");
	}
	if (p && p->selinux_label && p->selinux_label[0]) {
		if (!selinux_enabled())
			return hoy_err_unsupported(err,
				"process.selinuxLabel: '%s' asked for, but SELinux is not enabled on this host",
				p->selinux_label);
		r = write_attr(c, "self/attr/exec", p->selinux_label, err);
		if (r < 0)
			return hoy_err_wrap(err, "process.selinuxLabel");
	}
	return 0;
}

static int drop_bounding(uint64_t keep, struct hoy_err *err)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep & BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break; /* the kernel has no more */
			return hoy_err_sys(err, "drop capability %d", cap);
		}
	}
	return 0;
}

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct hoy_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t) effective, (uint32_t) permitted, (uint32_t) inheritable },
		{ (uint32_t) (effective >> 32), (uint32_t) (permitted >> 32), (uint32_t) (inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? hoy_err_sys(err, "set capabilities") : 0;
}

/* From what the kernel told the program at its start: nobody has changed an id since, but for a user namespace. */
static bool has_ids_already(const struct hoy_child *c, const struct hoy_oci_user *user)
{
	return !hoy_plan_has_ns(c->plan, CLONE_NEWUSER) && getauxval(AT_UID) == user->uid &&
	       getauxval(AT_EUID) == user->uid && getauxval(AT_GID) == user->gid && getauxval(AT_EGID) == user->gid;
}

static int get_permitted(uint64_t *ret, struct hoy_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return hoy_err_sys(err, "get capabilities");
	*ret = data[0].permitted | (uint64_t) data[1].permitted << 32;
	return 0;
}

static int set_those(const struct hoy_plan_caps *caps, uint64_t admin, uint64_t have, struct hoy_err *err)
{
	return set_caps(
		(caps->effective | admin) & have, (caps->permitted | admin) & have, caps->inheritable & have, err);
}

/*
 * execve() computes the program's sets from the bounding, inheritable and ambient ones, never from what is permitted
 * now. So CAP_SYS_ADMIN may stay until then: it loads the seccomp filter as the last thing before execve(), after
 * which no call but that one has to pass the filter.
 */
static int apply_caps(const struct hoy_plan *plan, bool keep_admin, struct hoy_err *err)
{
	const struct hoy_plan_caps *caps = &plan->caps;
	uint64_t admin = keep_admin ? BIT(CAP_SYS_ADMIN) : 0, have = plan->params.host_caps;
	int r = set_those(caps, admin, have, NULL);

	if (r == -EPERM) { /* we have less than the parent thought */
		r = get_permitted(&have, err);
		if (r == 0)
			r = set_those(caps, admin, have, err);
	}
	/* The kernel has taken from the ambient set what is not permitted and inheritable any more. */
	if (r < 0 || !((caps->permitted | admin) & caps->inheritable))
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return hoy_err_sys(err, "clear ambient capabilities");
	for (int cap = 0; cap < HOY_CAP_COUNT; cap++)
		if (caps->ambient & have & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return hoy_err_sys(err, "raise ambient capability '%s'", hoy_cap_to_string(cap));
	return 0;
}

/* The container's user owns the pipes it got as stdio, so that it may open /dev/stdout. Devices are left alone: the
 * null device is the host's. */
static int own_stdio(struct hoy_child *c, uid_t uid, struct hoy_err *err)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat *st = &c->stdio[fd];

		if (!st->st_mode && fstat(fd, st) < 0)
			return hoy_err_sys(err, "stat descriptor %d", fd);
		if (st->st_uid == uid || (S_ISCHR(st->st_mode) && major(st->st_rdev) == 1) || S_ISREG(st->st_mode))
			continue;
		if (fchown(fd, uid, (gid_t) -1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
			return hoy_err_sys(err, "chown descriptor %d", fd);
	}
	return 0;
}

static int set_groups(const struct hoy_oci_user *user, bool already, struct hoy_err *err)
{
	if (setgroups(user->n_additional_gids, user->additional_gids) < 0) {
		/* Denied in an unprivileged user namespace: fine as long as none were asked for. */
		if (errno != EPERM || user->n_additional_gids)
			return hoy_err_sys(err, "process.user.additionalGids: setgroups");
	}
	if (!already && setresgid(user->gid, user->gid, user->gid) < 0)
		return hoy_err_sys(err, "process.user.gid: setgid %u", user->gid);
	return 0;
}

static int set_affinity(const cpu_set_t *cpus, struct hoy_err *err)
{
	if (cpus && sched_setaffinity(0, sizeof *cpus, cpus) < 0)
		return hoy_err_sys(err, "sched_setaffinity");
	return 0;
}

int hoy_child_initial_affinity(struct hoy_child *c, struct hoy_err *err)
{
	return set_affinity(c->plan->affinity_initial, err);
}

/* To all CPUs of the cgroup, unless something else was asked for: whoever called us may have been bound to a few. */
int hoy_child_final_affinity(struct hoy_child *c, struct hoy_err *err)
{
	cpu_set_t all;

	if (c->work == HOY_CHILD_EXEC && (c->plan->affinity_initial || c->plan->affinity_final))
		return set_affinity(c->plan->affinity_final, err);
	memset(&all, 0xff, sizeof all);
	(void) sched_setaffinity(0, sizeof all, &all);
	return 0;
}

static int set_memory_policy(const struct hoy_plan_mpol *m, struct hoy_err *err)
{
	if (m && syscall(SYS_set_mempolicy, m->mode, m->nodes, m->nodes ? m->max_node + 1 : 0) < 0)
		return hoy_err_sys(err, "linux.memoryPolicy: set_mempolicy");
	return 0;
}

/* While we are still root: on a process of another user even lowering takes a capability. What we may not do ourselves
 * (raising, in a user namespace) is left to the parent. */
static int set_rlimits(struct hoy_child *c, struct hoy_err *err)
{
	for (size_t i = 0; i < c->plan->n_rlimits; i++) {
		const struct hoy_plan_rlimit *l = &c->plan->rlimits[i];
		const struct rlimit limit = { .rlim_cur = l->soft, .rlim_max = l->hard };

		if (setrlimit(l->resource, &limit) == 0)
			continue;
		if (errno != EPERM)
			return hoy_err_sys(err, "process.rlimits[%zu]: error setting rlimits for %s to %llu:%llu", i,
				l->name, (unsigned long long) l->soft, (unsigned long long) l->hard);
		c->denied_rlimits |= 1U << i;
	}
	return 0;
}

static int change_user(struct hoy_child *c, const struct hoy_oci_user *user, struct hoy_err *err)
{
	bool already = has_ids_already(c, user);
	int r = own_stdio(c, user->uid, err);

	if (r == 0)
		r = set_rlimits(c, err);
	if (r == 0 && c->plan->has_caps)
		r = drop_bounding(c->plan->caps.bounding, err);
	if (r < 0)
		return r;
	/* Root that stays root keeps them in any case. */
	if (user->uid && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return hoy_err_sys(err, "keep capabilities");
	r = set_groups(user, already, err);
	if (r < 0)
		return r;
	if (!already && setresuid(user->uid, user->uid, user->uid) < 0)
		return hoy_err_sys(err, "process.user.uid: setuid %u", user->uid);
	if (user->uid && prctl(PR_SET_KEEPCAPS, 0) < 0)
		return hoy_err_sys(err, "keep capabilities");
	return 0;
}

int hoy_child_user(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_process *p = c->plan->spec->process;
	bool late_filter = c->seccomp->insns && !p->no_new_privileges;
	int r;

	if (c->plan->personality != ~0UL && personality(c->plan->personality) < 0)
		return hoy_err_sys(err, "linux.personality");
	r = set_memory_policy(c->plan->mpol, err);
	if (r < 0)
		return r;
	/* The working directory may be readable for root only: go there now, and again as the user if that fails. */
	c->cwd_error = strcmp(p->cwd, "/") != 0 && chdir(p->cwd) < 0 ? errno : 0;
	r = change_user(c, &p->user, err);
	if (r == 0 && c->plan->has_caps)
		r = apply_caps(c->plan, late_filter, err);
	if (r < 0)
		return r;
	if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hoy_err_sys(err, "no new privileges");
	/* What changing ids does to it depends on the host (fs.suid_dumpable): said again. */
	if ((!c->undumpable || !has_ids_already(c, &p->user)) && prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	(void) umask(c->plan->umask);
	return 0;
}

int hoy_child_load_seccomp(struct hoy_child *c, struct hoy_err *err)
{
	auto_fd int listener = -EBADF;
	int r = hoy_seccomp_load(c->seccomp, &listener, err);

	if (r < 0 || listener < 0)
		return r;
	r = hoy_sync_send(c->sync, HOY_SYNC_SECCOMP, 0, listener, err);
	return r < 0 ? r : hoy_sync_expect(c->sync, HOY_SYNC_GO, err);
}
