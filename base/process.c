/* Spawning by a vfork-like clone: the child borrows our memory until it executes, and reports its errno through it. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define CHILD_STACK ((size_t) 64 << 10)
#define MAX_CHILD_FDS 64
#define N_STANDARD_SIGNALS 32 /* nobody handles or ignores real-time ones, and each reset is a call */

extern char **environ;

struct child {
	const struct hoy_spawn *spawn;
	const char *path; /* resolved */
	pid_t parent;
	sigset_t mask; /* what the parent had: restored to empty in the child */
	const char *step;
	int errnum;
};

/* Puts the wanted descriptors in place. Sources are first moved above the range, so that they can't overwrite each
 * other. */
static int place_fds(const struct hoy_spawn *spawn)
{
	size_t n = MAX(spawn->n_fds, (size_t) 3);
	int moved[MAX_CHILD_FDS], null = -1;

	for (size_t i = 0; i < n; i++) {
		int fd = i < spawn->n_fds ? spawn->fds[i] : -1;

		if (fd < 0)
			fd = null = null < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : null;
		if (fd < 0)
			return -1;
		moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, MAX_CHILD_FDS);
		if (moved[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(moved[i], (int) i) < 0)
			return -1;
	return syscall(SYS_close_range, (unsigned int) n, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -1 : 0;
}

static int limit_files(uint64_t max)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	files.rlim_cur = MIN(max, files.rlim_max);
	return setrlimit(RLIMIT_NOFILE, &files);
}

static int set_up_child(struct child *c)
{
	const struct hoy_spawn *spawn = c->spawn;
	sigset_t none;

	c->step = "reset signals";
	for (int sig = 1; sig < N_STANDARD_SIGNALS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void) signal(sig, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -1;
	c->step = "new session";
	if (spawn->new_session && setsid() < 0)
		return -1;
	if (spawn->new_group && setpgid(0, 0) < 0)
		return -1;
	c->step = "set parent death signal";
	if (spawn->death_signal && prctl(PR_SET_PDEATHSIG, spawn->death_signal) < 0)
		return -1;
	if (spawn->death_signal && getppid() != c->parent) {
		errno = ECHILD;
		return -1;
	}
	c->step = "change directory for";
	if (spawn->cwd && chdir(spawn->cwd) < 0)
		return -1;
	c->step = "place descriptors for";
	if (place_fds(spawn) < 0)
		return -1;
	c->step = "limit descriptors of";
	if (spawn->max_files && limit_files(spawn->max_files) < 0)
		return -1;
	c->step = "exec";
	return 0;
}

static int child_main(void *arg)
{
	struct child *c = arg;

	if (set_up_child(c) == 0)
		(void) execve(c->path, c->spawn->argv, c->spawn->envp ? c->spawn->envp : environ);
	c->errnum = errno ? errno : EIO;
	_exit(127);
}

/* As execvp would: the first executable file in PATH. NULL when there is none (or no memory). */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return strdup(name);
	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	while (*path) {
		size_t len = strcspn(path, ":");
		struct hoy_buf full = { 0 };

		(void) hoy_buf_add(&full, len ? path : ".", len ? len : 1);
		(void) hoy_buf_addc(&full, '/');
		(void) hoy_buf_adds(&full, name);
		if (!full.failed && access(full.data, X_OK) == 0)
			return hoy_buf_take(&full);
		hoy_buf_done(&full);
		path += len + (path[len] == ':');
	}
	return NULL;
}

/* clone() with its own small stack: glibc's wrapper runs child_main there while we are suspended (CLONE_VFORK). */
static pid_t clone_vm(struct child *c, void *stack, int *pidfd)
{
	return clone(
		child_main, (char *) stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, c, pidfd);
}

/* Joining a cgroup at birth needs clone3, which has no wrapper that switches stacks: a plain fork-like child then. */
static pid_t clone_into_cgroup(struct child *c, int *pidfd, int report)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t) (uintptr_t) pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t) c->spawn->cgroup_fd,
	};
	pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0) {
		int keep = fcntl(report, F_DUPFD_CLOEXEC, MAX_CHILD_FDS);

		if (set_up_child(c) == 0)
			(void) execve(c->path, c->spawn->argv, c->spawn->envp ? c->spawn->envp : environ);
		c->errnum = errno;
		(void) !write(keep, &c->errnum, sizeof c->errnum);
		_exit(127);
	}
	return pid;
}

static pid_t start(struct child *c, int *pidfd)
{
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, &c->mask);
	if (c->spawn->cgroup_fd > 0) {
		int report[2];

		if (pipe2(report, O_CLOEXEC) < 0) {
			pid = -1;
		} else {
			pid = clone_into_cgroup(c, pidfd, report[1]);
			(void) close(report[1]);
			c->step = "exec";
			if (pid > 0 && hoy_fd_read_full(report[0], &c->errnum, sizeof c->errnum) != sizeof c->errnum)
				c->errnum = 0;
			(void) close(report[0]);
		}
	} else {
		void *stack = mmap(
			NULL, CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

		pid = stack == MAP_FAILED ? -1 : clone_vm(c, stack, pidfd);
		if (stack != MAP_FAILED)
			(void) munmap(stack, CHILD_STACK);
	}
	int saved = errno;

	(void) sigprocmask(SIG_SETMASK, &c->mask, NULL);
	errno = saved;
	return pid;
}

int hoy_process_spawn(const struct hoy_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	auto_free char *path = find_program(spawn->path);
	struct child c = { .spawn = spawn, .path = path, .parent = getpid(), .step = "start" };
	auto_fd int pidfd = -EBADF;
	siginfo_t si;
	pid_t pid;

	if (!path)
		return hoy_err_code(err, -ENOENT, "exec '%s'", spawn->path);
	if (spawn->n_fds > MAX_CHILD_FDS)
		return hoy_err_code(err, -EINVAL, "spawn '%s' with %zu descriptors", spawn->path, spawn->n_fds);
	pid = start(&c, &pidfd);
	if (pid < 0)
		return hoy_err_sys(err, "start '%s'", spawn->path);
	if (c.errnum) {
		(void) hoy_process_wait(pid, &si, NULL);
		return hoy_err_code(err, -c.errnum, "%s '%s'", c.step, spawn->path);
	}
	*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}

int hoy_process_wait(pid_t pid, siginfo_t *ret_si, struct hoy_err *err)
{
	int r;

	memset(ret_si, 0, sizeof *ret_si);
	do
		r = waitid(P_PID, (id_t) pid, ret_si, WEXITED);
	while (r < 0 && errno == EINTR);
	return r < 0 ? hoy_err_sys(err, "wait for process %d", (int) pid) : 0;
}

int hoy_process_run(const struct hoy_spawn *spawn, size_t cap, char **ret_output, int *ret_status, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = { .cap = cap };
	auto_fd int read_end = -EBADF, write_end = -EBADF;
	struct hoy_spawn with_pipe = *spawn;
	int pipes[2], fds[3];
	char chunk[4096];
	siginfo_t si;
	ssize_t n;
	pid_t pid;
	int r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe for '%s'", spawn->path);
	read_end = pipes[0];
	write_end = pipes[1];
	fds[0] = spawn->n_fds ? spawn->fds[0] : -1;
	fds[1] = write_end;
	fds[2] = spawn->n_fds > 2 ? spawn->fds[2] : write_end;
	with_pipe.fds = fds;
	with_pipe.n_fds = 3;
	r = hoy_process_spawn(&with_pipe, &pid, NULL, err);
	if (r < 0)
		return r;
	hoy_fd_close(&write_end);
	while ((n = TEMP_FAILURE_RETRY(read(read_end, chunk, sizeof chunk))) > 0)
		(void) hoy_buf_add(&out, chunk, MIN((size_t) n, cap - out.len)); /* past the cap: drained, dropped */
	r = hoy_process_wait(pid, &si, err);
	if (r < 0)
		return r;
	*ret_status = hoy_process_status(&si);
	*ret_output = hoy_buf_take(&out);
	return *ret_output ? 0 : hoy_err_oom(err);
}

int hoy_process_status(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

/* What pidfs has for file handles: its inode's number. */
union pidfs_handle {
	struct file_handle head;
	char space[sizeof(struct file_handle) + sizeof(uint64_t)];
};
#define PIDFS_HANDLE_TYPE 0xfe /* FILEID_KERNFS */

int hoy_pidfd_handle(int pidfd, uint64_t *ret)
{
	union pidfs_handle h = { .head.handle_bytes = sizeof *ret };
	int mount;

	if (name_to_handle_at(pidfd, "", &h.head, &mount, AT_EMPTY_PATH) < 0)
		return -errno;
	if (h.head.handle_type != PIDFS_HANDLE_TYPE || h.head.handle_bytes != sizeof *ret)
		return -EOPNOTSUPP;
	memcpy(ret, h.head.f_handle, sizeof *ret);
	return 0;
}

int hoy_pidfd_open_handle(int any, uint64_t handle)
{
	union pidfs_handle h = { .head = { .handle_bytes = sizeof handle, .handle_type = PIDFS_HANDLE_TYPE } };
	int fd;

	memcpy(h.head.f_handle, &handle, sizeof handle);
	fd = open_by_handle_at(any, &h.head, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int hoy_pidfd_open(pid_t pid)
{
	int fd = (int) syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int hoy_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}
