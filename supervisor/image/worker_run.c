/* The socket tells the result, the process's end completes it: a worker that dies early has failed. */
#include "supervisor/image/worker_run.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"

#define PACKETS_PER_TURN 64

struct hoy_worker_run {
	struct hoy_worker_run_options options;
	int sock;
	pid_t pid; /* 0: reaped */
	int pidfd;
	struct hoy_source *io, *child;
	struct hoy_err failed; /* errnum 0: nothing failed so far */
	bool is_done;
};

/* The first failure counts; the process has nothing more to do. */
static void fail(struct hoy_worker_run *run, const struct hoy_err *err)
{
	if (!run->failed.errnum && !run->is_done)
		run->failed = *err;
	if (run->pidfd >= 0)
		(void) hoy_pidfd_signal(run->pidfd, SIGKILL);
}

static void take_packet(struct hoy_worker_run *run, size_t len)
{
	struct hoy_err err = { 0 };
	int r = run->options.on_packet(len, run->options.userdata, &err);

	if (r < 0)
		fail(run, &err);
	else if (r > 0 && !run->failed.errnum)
		run->is_done = true;
}

/* False at the end of the stream, or when there is nothing now. */
static bool receive(struct hoy_worker_run *run)
{
	ssize_t n = recv(run->sock, run->options.packet, run->options.packet_size, MSG_DONTWAIT);
	struct hoy_err err = { 0 };

	if (n > 0) {
		take_packet(run, (size_t) n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		(void) hoy_source_set_events(run->io, 0, &err);
		return false;
	}
	return false;
}

static void on_packets(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_worker_run *run = userdata;

	(void) source;
	(void) events;
	for (int i = 0; i < PACKETS_PER_TURN && receive(run); i++)
		;
}

static void blame_exit(struct hoy_worker_run *run, const siginfo_t *si)
{
	if (run->failed.errnum || run->is_done)
		return;
	if (si->si_code == CLD_EXITED)
		(void) hoy_err_set(&run->failed, HOY_ERR_SYSTEM, ECHILD, "%s ended without an answer, status %d",
			run->options.name, si->si_status);
	else
		(void) hoy_err_set(&run->failed, HOY_ERR_SYSTEM, ECHILD, "%s was killed by signal %d (%s)",
			run->options.name, si->si_status, strsignal(si->si_status));
}

/* The result is handed over from here: the callback frees the run. */
static void on_worker_exit(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_worker_run *run = userdata;
	struct hoy_err failed;

	(void) source;
	run->pid = 0;
	while (receive(run))
		;
	blame_exit(run, si);
	failed = run->failed;
	run->options.on_end(failed.errnum ? &failed : NULL, run->options.userdata);
}

static int start(struct hoy_worker_run *run, struct hoy_err *err)
{
	char *const argv[] = { (char *) (uintptr_t) run->options.name, NULL };
	auto_fd int theirs = -EBADF;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "make a socket pair");
	run->sock = pair[0];
	theirs = pair[1];
	r = hoy_process_spawn(&(struct hoy_spawn){ .path = run->options.path,
				      .argv = argv,
				      .fds = (const int[]){ -1, -1, -1, theirs },
				      .n_fds = 4,
				      .death_signal = SIGKILL },
		&run->pid, &run->pidfd, err);
	if (r == -ENOENT) /* not what somebody asks for is missing, but the program that would look */
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, ENOEXEC, "program '%s' is gone: install it again", run->options.path);
	if (r < 0)
		return r;
	r = hoy_loop_io(run->options.loop, &run->io, run->sock, EPOLLIN, on_packets, run, err);
	return r < 0 ? r : hoy_loop_child(run->options.loop, &run->child, run->pid, on_worker_exit, run, err);
}

int hoy_worker_run_start(const struct hoy_worker_run_options *options, struct hoy_worker_run **ret, struct hoy_err *err)
{
	struct hoy_worker_run *run = calloc(1, sizeof *run);
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->options = *options;
	run->sock = run->pidfd = -EBADF;
	r = start(run, err);
	run->options.path = NULL;
	if (r < 0) {
		(void) hoy_worker_run_free(run);
		return r;
	}
	*ret = run;
	return 0;
}

int hoy_worker_run_send(
	struct hoy_worker_run *run, const void *data, size_t len, const int *fds, size_t n_fds, struct hoy_err *err)
{
	ssize_t n = hoy_fd_send(run->sock, data, len, fds, n_fds);

	return n < 0 ? hoy_err_code(err, (int) n, "ask %s", run->options.name) : 0;
}

void hoy_worker_run_cancel(struct hoy_worker_run *run)
{
	struct hoy_err err = { 0 };

	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled");
	run->is_done = false;
	fail(run, &err);
}

struct hoy_worker_run *hoy_worker_run_free(struct hoy_worker_run *run)
{
	siginfo_t si;

	if (!run)
		return NULL;
	run->io = hoy_source_free(run->io);
	run->child = hoy_source_free(run->child);
	if (run->pid > 0) {
		(void) hoy_pidfd_signal(run->pidfd, SIGKILL);
		(void) hoy_process_wait(run->pid, &si, /* err= */ NULL);
	}
	hoy_fd_close(&run->pidfd);
	hoy_fd_close(&run->sock);
	free(run);
	return NULL;
}
