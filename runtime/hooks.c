/* Hooks: spawn, feed the state, wait with a deadline. Knows nothing of when which kind runs. */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "libocispec/runtime.h"

/* The state fits a socket buffer (a pipe's 64 KiB may be too small for long annotations), so that a hook that never
 * reads its stdin can't block us. */
static int make_stdin(const char *text, size_t len, int *ret_fd, struct hoy_err *err)
{
	auto_fd int ours = -EBADF, theirs = -EBADF;
	int pair[2], size = (int) MIN(len * 2 + 65536, (size_t) 8 << 20);
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socket for the state");
	ours = pair[0];
	theirs = pair[1];
	(void) setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	r = hoy_fd_set_nonblocking(ours, true);
	if (r == 0)
		r = hoy_fd_write_all(ours, text, len);
	if (r < 0)
		return hoy_err_code(err, r, "write the state");
	*ret_fd = TAKE_FD(theirs);
	return 0;
}

static int make_pipe_stdin(const char *text, size_t len, int *ret_fd, struct hoy_err *err)
{
	auto_fd int read_end = -EBADF, write_end = -EBADF;
	int pipes[2], r;

	if (len > 65536)
		return make_stdin(text, len, ret_fd, err);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe for the state");
	read_end = pipes[0];
	write_end = pipes[1];
	r = hoy_fd_write_all(write_end, text, len);
	if (r < 0)
		return hoy_err_code(err, r, "write the state");
	*ret_fd = TAKE_FD(read_end);
	return 0;
}

/* 0: it ended, < 0: the time is over or poll failed. */
static int wait_until(int pidfd, int seconds, struct hoy_err *err)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, seconds > 0 ? seconds * 1000 : -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return hoy_err_sys(err, "wait");
	return n ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, ETIMEDOUT, "timed out after %d s", seconds);
}

static int run_hook(const struct hoy_oci_hook *hook, const char *state, size_t len, struct hoy_err *err)
{
	char *no_env[] = { NULL }, *only_path[] = { hook->path, NULL };
	auto_fd int in = -EBADF, pidfd = -EBADF;
	int fds[] = { -1, STDERR_FILENO, STDERR_FILENO };
	struct hoy_spawn spawn = {
		.path = hook->path,
		.argv = hook->args && hook->args[0] ? hook->args : only_path,
		.envp = hook->env ? hook->env : no_env,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_group = true,
	};
	siginfo_t si;
	pid_t pid;
	int r;

	r = make_pipe_stdin(state, len, &in, err);
	if (r < 0)
		return r;
	fds[0] = in;
	r = hoy_process_spawn(&spawn, &pid, &pidfd, err);
	if (r < 0)
		return r;
	r = wait_until(pidfd, hook->timeout ? *hook->timeout : 0, err);
	if (r < 0) {
		(void) kill(-pid, SIGKILL);
		(void) hoy_process_wait(pid, &si, NULL);
		return r;
	}
	r = hoy_process_wait(pid, &si, err);
	if (r < 0)
		return r;
	if (si.si_code != CLD_EXITED)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECANCELED, "killed by signal %d", si.si_status);
	if (si.si_status)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECANCELED, "exit status %d", si.si_status);
	return 0;
}

static int run_one(
	const char *kind, const struct hoy_oci_hook *hooks, size_t i, const struct hoy_buf *state, struct hoy_err *err)
{
	int r = run_hook(&hooks[i], state->data, state->len, err);

	return r < 0 ? hoy_err_wrap(err, "error running %s hook #%zu '%s'", kind, i, hooks[i].path) : 0;
}

int hoy_hooks_run(const char *kind, const struct hoy_oci_hook *hooks, size_t n_hooks, const struct hoy_oci_state *state,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	if (!n_hooks)
		return 0;
	r = hoy_oci_state_print(state, &text, 0, err);
	for (size_t i = 0; r == 0 && i < n_hooks; i++)
		r = run_one(kind, hooks, i, &text, err);
	return r;
}

void hoy_hooks_run_all(
	const char *kind, const struct hoy_oci_hook *hooks, size_t n_hooks, const struct hoy_oci_state *state)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};

	if (!n_hooks)
		return;
	if (hoy_oci_state_print(state, &text, 0, &err) < 0) {
		hoy_log_ignored(&err, "%s hooks", kind);
		return;
	}
	for (size_t i = 0; i < n_hooks; i++)
		if (run_one(kind, hooks, i, &text, &err) < 0)
			hoy_log_warn("%s, ignoring", hoy_err_str(&err));
}
