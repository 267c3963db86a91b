/* Namespaces from the inside: ids, joining, the cgroup and time namespaces that clone() can't make for us, names. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/child/child.h"
#include "runtime/sync.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

int hoy_child_wait_for_go(struct hoy_child *c, struct hoy_err *err)
{
	int r;

	if (c->wait_for_go) {
		r = hoy_sync_expect(c->sync, HOY_SYNC_GO, err);
		if (r < 0)
			return r;
	}
	if (!hoy_plan_has_ns(c->plan, CLONE_NEWUSER))
		return 0;
	/* Where setgroups is denied (an unprivileged map) the groups stay as they are. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return hoy_err_sys(err, "drop groups");
	if (setresgid(0, 0, 0) < 0)
		return hoy_err_sys(err, "become group 0");
	if (setresuid(0, 0, 0) < 0)
		return hoy_err_sys(err, "become user 0");
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	return 0;
}

int hoy_child_join_namespaces(struct hoy_child *c, struct hoy_err *err)
{
	/* The mount namespace last: it takes our view of all paths away. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < c->plan->n_joins; i++) {
			const struct hoy_plan_join *join = &c->plan->joins[i];

			if (c->join_fds[i] < 0 || (join->type == CLONE_NEWNS) != (pass == 1))
				continue;
			if (setns(c->join_fds[i], join->type) < 0)
				return join->path ? hoy_err_sys(err, "'%s'", join->path)
						  : hoy_err_sys(err, "of the container");
			hoy_fd_close(&c->join_fds[i]);
		}
	return 0;
}

int hoy_child_enter_cgroup(struct hoy_child *c, struct hoy_err *err)
{
	int r = hoy_cgroup_enter_v1(&c->entry, err);

	c->entry.n_tasks = 0; /* swept */
	if (r < 0)
		return r;
	/* Only now: its root is the group that we are in. */
	if ((c->plan->new_ns & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return hoy_err_sys(err, "new cgroup namespace");
	return 0;
}

static void add_offset(struct hoy_buf *buf, const char *clock, const struct hoy_oci_time_offset *offset)
{
	if (offset)
		(void) hoy_buf_addf(buf, "%s %lld %u\n", clock, (long long) offset->secs, offset->nanosecs);
}

/* In a user namespace of its own an undumpable process does not own its files in /proc. Nobody else is in that
 * namespace yet who could trace us meanwhile. */
static int set_offsets(struct hoy_child *c, const char *text, struct hoy_err *err)
{
	bool own_user_ns = c->plan->new_ns & CLONE_NEWUSER;
	int r;

	if (own_user_ns && prctl(PR_SET_DUMPABLE, 1) < 0)
		return hoy_err_sys(err, "become dumpable");
	r = hoy_file_set(AT_FDCWD, "/proc/self/timens_offsets", text, err);
	if (own_user_ns && prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	return r;
}

/* unshare() makes it for our children only; the offsets can be set as long as nobody is in it, then we enter. */
int hoy_child_make_time_ns(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_time_offsets *offsets = c->plan->spec->linux_->time_offsets;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_fd int ns = -EBADF;
	int r;

	if (!(c->plan->new_ns & CLONE_NEWTIME))
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return hoy_err_sys(err, "unshare");
	if (offsets) {
		add_offset(&text, "monotonic", offsets->monotonic);
		add_offset(&text, "boottime", offsets->boottime);
	}
	if (text.len) {
		r = set_offsets(c, text.data, err);
		if (r < 0)
			return r;
	}
	ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return hoy_err_sys(err, "open '/proc/self/ns/time_for_children'");
	return setns(ns, CLONE_NEWTIME) < 0 ? hoy_err_sys(err, "enter") : 0;
}

/* A session keyring of its own, so that keys of whoever called us do not leak in. A kernel without keys, or with a
 * quota that is used up by the user, is no reason to fail. */
static int join_keyring(const char *name, struct hoy_err *err)
{
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (ring < 0 && errno != ENOSYS && errno != EDQUOT && errno != EPERM)
		return hoy_err_sys(err, "join session keyring '%s'", name);
	return 0;
}

int hoy_child_new_session(struct hoy_child *c, struct hoy_err *err)
{
	if (setsid() < 0)
		return hoy_err_sys(err, "setsid");
	return c->plan->keyring ? join_keyring(c->plan->keyring, err) : 0;
}

static int bring_lo_up(int sock, struct hoy_err *err)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (sock < 0)
		return hoy_err_sys(err, "network: socket");
	if (ioctl(sock, SIOCSIFFLAGS, &req) < 0)
		return hoy_err_sys(err, "network: bring lo up");
	return 0;
}

static int open_net(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

int hoy_net_bring_lo_up(struct hoy_err *err)
{
	auto_fd int sock = open_net();

	return bring_lo_up(sock, err);
}

int hoy_child_names_and_net(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_spec *spec = c->plan->spec;

	if (spec->hostname && spec->hostname[0] && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return hoy_err_sys(err, "hostname: '%s'", spec->hostname);
	if (spec->domainname && spec->domainname[0] && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return hoy_err_sys(err, "domainname: '%s'", spec->domainname);
	return c->plan->loopback ? bring_lo_up(open_net(), err) : 0; /* swept */
}
