/* Hooks: spawn, feed the state, wait with a deadline. Knows nothing of when which kind runs. */
#include "runtime/hooks.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "libocispec/runtime.h"

#define OUTPUT_MAX ((size_t) 512) /* of a failed hook, in the error */

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

static int64_t now_ms(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Keeps the first part of what the hook writes, drops the rest; false at the end. */
static bool read_output(int fd, struct hoy_buf *output)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof chunk);

	if (n > 0)
		(void) hoy_buf_add(output, chunk, MIN((size_t) n, output->cap - output->len));
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Reads its output until it ends: a process that it leaves behind may keep the pipe open. -ETIMEDOUT: the time is
 * over. */
static int wait_until(int pidfd, int out, int seconds, struct hoy_buf *output, struct hoy_err *err)
{
	const int64_t end = now_ms() + (int64_t) seconds * 1000;

	for (;;) {
		struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };
		int64_t left = seconds > 0 ? MAX(end - now_ms(), (int64_t) 0) : -1;
		int n = poll(p, ARRAY_LEN(p), (int) MIN(left, (int64_t) INT_MAX));

		if (n < 0 && errno != EINTR)
			return hoy_err_sys(err, "wait");
		if (n == 0)
			return hoy_err_set(err, HOY_ERR_SYSTEM, ETIMEDOUT, "timed out after %d s", seconds);
		if (n > 0 && p[1].revents && !read_output(out, output))
			out = -1;
		if (n > 0 && p[0].revents) {
			/* What it wrote last, but not what somebody else goes on writing. */
			for (int i = 0; i < 16 && out >= 0 && read_output(out, output); i++)
				;
			return 0;
		}
	}
}

static int failed(const siginfo_t *si, struct hoy_buf *output, struct hoy_err *err)
{
	char how[64];

	while (output->len && output->data[output->len - 1] == '\n')
		output->data[--output->len] = '\0';
	if (si->si_code == CLD_EXITED)
		(void) snprintf(how, sizeof how, "exit status %d", si->si_status);
	else
		(void) snprintf(how, sizeof how, "killed by signal %d (%s)", si->si_status, strsignal(si->si_status));
	for (char *p = strchr(how, '('); p && *p; p++)
		*p = (char) tolower((unsigned char) *p);
	return hoy_err_set(err, HOY_ERR_SYSTEM, ECANCELED, "%s%s%s", how, output->len ? ", output: " : "",
		output->len ? output->data : "");
}

static int run_hook(
	const struct hoy_oci_hook *hook, char *const *default_env, const struct hoy_buf *state, struct hoy_err *err)
{
	char *only_path[] = { hook->path, NULL };
	auto_(hoy_buf_done) struct hoy_buf output = { .cap = OUTPUT_MAX };
	auto_fd int in = -EBADF, pidfd = -EBADF, read_end = -EBADF, write_end = -EBADF;
	int fds[] = { -1, -1, -1 }, out[2], r;
	struct hoy_spawn spawn = {
		.path = hook->path,
		.argv = hook->args && hook->args[0] ? hook->args : only_path,
		.envp = hook->env ? hook->env : default_env,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_group = true,
	};
	siginfo_t si;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "pipe for the output");
	read_end = out[0];
	write_end = out[1];
	r = hoy_fd_set_nonblocking(read_end, true);
	if (r == 0)
		r = make_pipe_stdin(state->data, state->len, &in, err);
	if (r < 0)
		return r;
	fds[0] = in;
	fds[1] = fds[2] = write_end;
	r = hoy_process_spawn(&spawn, &pid, &pidfd, err);
	if (r < 0)
		return r;
	hoy_fd_close(&write_end);
	r = wait_until(pidfd, read_end, hook->timeout ? *hook->timeout : 0, &output, err);
	if (r < 0)
		(void) kill(-pid, SIGKILL);
	if (hoy_process_wait(pid, &si, r < 0 ? NULL : err) < 0 || r < 0)
		return r < 0 ? r : -ECHILD;
	return si.si_code == CLD_EXITED && si.si_status == 0 ? 0 : failed(&si, &output, err);
}

static int run_one(const struct hoy_hook_list *list, size_t i, const struct hoy_buf *state, struct hoy_err *err)
{
	int r = run_hook(&list->hooks[i], list->default_env, state, err);

	return r < 0 ? hoy_err_wrap(err, "error running %s hook #%zu: '%s'", list->kind, i, list->hooks[i].path) : 0;
}

int hoy_hooks_run(const struct hoy_hook_list *list, const struct hoy_oci_state *state, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	if (!list->n)
		return 0;
	r = hoy_oci_state_print(state, &text, 0, err);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = run_one(list, i, &text, err);
	return r;
}

void hoy_hooks_run_all(const struct hoy_hook_list *list, const struct hoy_oci_state *state)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};

	if (!list->n)
		return;
	if (hoy_oci_state_print(state, &text, 0, &err) < 0) {
		hoy_log_ignored(&err, "%s hooks", list->kind);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		if (run_one(list, i, &text, &err) < 0)
			hoy_log_warn("%s, ignoring", hoy_err_str(&err));
}
