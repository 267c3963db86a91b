/* Capabilities and the system call filter of hoy-net. A call that is not listed fails with EPERM. */
#include "supervisor/worker/net/sandbox.h"

#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "supervisor/worker/call_filter.h"

static void free_caps(cap_t *caps)
{
	if (*caps)
		(void) cap_free(*caps);
}

static int drop_capabilities(struct hoy_err *err)
{
	const cap_value_t kept[] = { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_SYS_ADMIN };
	auto_(free_caps) cap_t caps = cap_init();

	if (!caps)
		return hoy_err_sys(err, "capabilities");
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (cap != CAP_NET_ADMIN && cap != CAP_NET_BIND_SERVICE && cap != CAP_SYS_ADMIN)
			(void) cap_drop_bound(cap); /* without SETPCAP there is nothing to drop either */
	if (cap_reset_ambient() < 0 || cap_set_flag(caps, CAP_PERMITTED, ARRAY_LEN(kept), kept, CAP_SET) < 0 ||
		cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_LEN(kept), kept, CAP_SET) < 0 || cap_set_proc(caps) < 0)
		return hoy_err_sys(err, "drop capabilities");
	return 0;
}

static const int allowed_calls[] = {
	/* memory, time, end */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mprotect),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(geteuid),
	SCMP_SYS(getuid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	/* descriptors and the loop */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fcntl),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(poll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(signalfd4),
	SCMP_SYS(ppoll),
	SCMP_SYS(ioctl),
	/* connections that are passed on */
	SCMP_SYS(splice),
	SCMP_SYS(pipe2),
	/* sockets */
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(shutdown),
};

static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

static const struct hoy_call_filter filter = {
	.calls = allowed_calls,
	.n_calls = ARRAY_LEN(allowed_calls),
	.families = families,
	.n_families = ARRAY_LEN(families),
	.join_netns = true,
};

int hoy_sandbox_enter(struct hoy_err *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hoy_err_sys(err, "no new privileges");
	r = drop_capabilities(err);
	return r < 0 ? r : hoy_call_filter_load(&filter, err);
}
