/*
 * clone3() with all new namespaces at once, born in the v2 cgroup. Two things can't be said that way: a pid namespace
 * to join is that of our future children (setns, then back), and a user namespace to join must be entered before the
 * other namespaces are made, because it owns them: a helper does that and makes the child as our own (CLONE_PARENT).
 * The helper also joins what belongs to the host, before there is a new user namespace.
 */
#include "runtime/apply/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "runtime/alloc.h"
#include "runtime/child/child.h"
#include "runtime/sync.h"

#define MADE_BY_CHILD ((uint64_t) (CLONE_NEWCGROUP | CLONE_NEWTIME))

static pid_t clone_child(struct hoy_child *child, uint64_t flags, int *pidfd)
{
	struct clone_args args = {
		.flags = flags | (child->plan->new_ns & ~MADE_BY_CHILD),
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.pidfd = (uint64_t) (uintptr_t) pidfd,
	};
	pid_t pid;

	if (child->entry.v2_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t) child->entry.v2_fd;
	}
	pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	hoy_alloc_forked();
	if (pid == 0)
		hoy_child_run(child);
	return pid;
}

/* Index of a join, -1 when there is none of that type. */
static int find_join(const struct hoy_child *child, int type)
{
	for (size_t i = 0; i < child->plan->n_joins; i++)
		if (child->plan->joins[i].type == type)
			return (int) i;
	return -1;
}

static int join(struct hoy_child *child, int i, struct hoy_err *err)
{
	const struct hoy_plan_join *j = &child->plan->joins[i];

	if (setns(child->join_fds[i], j->type) < 0)
		return j->path ? hoy_err_sys(err, "join namespace '%s'", j->path)
			       : hoy_err_sys(err, "join the container's namespaces");
	hoy_fd_close(&child->join_fds[i]);
	return 0;
}

/* A namespace that the host made for the container belongs to the host's user namespace: only from there can it be
 * joined. What can't be joined from here may be joined from inside. */
static void join_from_outside(struct hoy_child *child)
{
	for (size_t i = 0; i < child->plan->n_joins; i++) {
		int type = child->plan->joins[i].type;

		if (type == CLONE_NEWUSER || type == CLONE_NEWPID || type & CLONE_NEWNS)
			continue;
		if (setns(child->join_fds[i], type) == 0)
			hoy_fd_close(&child->join_fds[i]);
	}
}

/* In the helper: its own report goes through the same socket as the child's, before the child says anything that the
 * parent waits for. */
_Noreturn static void run_helper(struct hoy_child *child, int report)
{
	int user = find_join(child, CLONE_NEWUSER), pid_ns = find_join(child, CLONE_NEWPID), pidfd = -1;
	struct hoy_err err = {};
	pid_t pid;
	int r;

	join_from_outside(child);
	r = user >= 0 ? join(child, user, &err) : 0;
	if (r == 0 && pid_ns >= 0)
		r = join(child, pid_ns, &err);
	if (r == 0) {
		pid = clone_child(child, CLONE_PIDFD | CLONE_PARENT, &pidfd);
		r = pid < 0 ? hoy_err_sys(&err, "make the container process") : 0;
	}
	if (r == 0)
		r = hoy_sync_send(report, HOY_SYNC_PID, pid, pidfd, &err);
	if (r < 0)
		hoy_sync_send_error(report, &err);
	_exit(r < 0);
}

static int spawn_through_helper(struct hoy_child *child, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	auto_fd int ours = -EBADF, theirs = -EBADF;
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct hoy_sync_msg msg;
	int pair[2], r;
	siginfo_t si;
	pid_t helper;

	r = hoy_sync_pair(pair, err);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	/* In the group from the start: once it has joined the container's cgroup namespace, the way there is barred
	 * (nsdelegate). */
	if (child->entry.v2_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t) child->entry.v2_fd;
	}
	helper = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	if (helper < 0)
		return hoy_err_sys(err, "start a helper process");
	if (helper == 0)
		run_helper(child, theirs);
	hoy_fd_close(&theirs);
	r = hoy_sync_recv(ours, &msg, ret_pidfd, err);
	(void) hoy_process_wait(helper, &si, NULL);
	if (r < 0)
		return r;
	if (msg.type != HOY_SYNC_PID || *ret_pidfd < 0)
		return hoy_err_code(err, -EPROTO, "message of the helper process");
	*ret_pid = (pid_t) msg.number;
	return 0;
}

int hoy_spawn_child(struct hoy_child *child, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	int pid_ns = find_join(child, CLONE_NEWPID), pidfd = -1, saved, r = 0;
	auto_fd int own = -EBADF;
	pid_t pid;

	if (find_join(child, CLONE_NEWUSER) >= 0 || (child->plan->new_ns & CLONE_NEWUSER && child->plan->n_joins))
		return spawn_through_helper(child, ret_pid, ret_pidfd, err);
	/* Root of another user namespace than the one of our pid namespace may leave it, but not come back. */
	if (pid_ns >= 0 && child->plan->params.rootless)
		return spawn_through_helper(child, ret_pid, ret_pidfd, err);
	if (pid_ns >= 0) {
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own < 0)
			return hoy_err_sys(err, "open '/proc/self/ns/pid'");
		r = join(child, pid_ns, err);
		if (r < 0)
			return r;
	}
	pid = clone_child(child, CLONE_PIDFD, &pidfd);
	saved = errno;
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0) /* hooks run in ours */
		r = hoy_err_sys(err, "return to our pid namespace");
	errno = saved;
	if (pid < 0)
		return hoy_err_sys(err, "make the container process");
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return r;
}
