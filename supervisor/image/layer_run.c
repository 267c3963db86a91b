/* The socket tells the result, the process's end completes it: a worker that dies early has failed. */
#include "supervisor/image/layer_run.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"

#define PACKETS_PER_TURN 64

struct hoy_layer_run {
	struct hoy_layer_run_options options;
	int sock;
	pid_t pid; /* 0: reaped */
	int pidfd;
	struct hoy_source *io, *child;
	struct hoy_err failed; /* errnum 0: nothing failed so far */
	bool has_done;
	struct hoy_layer_reply done;
	struct hoy_layer_reply packet; /* large: not on the stack */
};

/* The first failure counts; the process has nothing more to do. */
static void fail(struct hoy_layer_run *run, const struct hoy_err *err)
{
	if (!run->failed.errnum && !run->has_done)
		run->failed = *err;
	if (run->pidfd >= 0)
		(void) hoy_pidfd_signal(run->pidfd, SIGKILL);
}

static void take_packet(struct hoy_layer_run *run, size_t len)
{
	struct hoy_layer_reply *reply = &run->packet;
	struct hoy_err err = { 0 };

	if (hoy_layer_reply_check(reply, len, &err) < 0) {
		fail(run, &err);
		return;
	}
	switch ((enum hoy_layer_reply_type) reply->type) {
	case HOY_LAYER_PROGRESS:
		if (run->options.on_progress)
			run->options.on_progress(reply->progress.read, run->options.userdata);
		return;
	case HOY_LAYER_ENTRY:
		if (run->options.on_entry && run->options.on_entry(reply, run->options.userdata, &err) < 0)
			fail(run, &err);
		return;
	case HOY_LAYER_DONE:
		if (!run->failed.errnum) {
			run->done = *reply;
			run->has_done = true;
		}
		return;
	case HOY_LAYER_ERROR:
		(void) hoy_err_import(&err, &reply->err);
		fail(run, &err);
		return;
	}
}

/* False at the end of the stream, or when there is nothing now. */
static bool receive(struct hoy_layer_run *run)
{
	ssize_t n = recv(run->sock, &run->packet, sizeof run->packet, MSG_DONTWAIT);
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
	struct hoy_layer_run *run = userdata;

	(void) source;
	(void) events;
	for (int i = 0; i < PACKETS_PER_TURN && receive(run); i++)
		;
}

static void blame_exit(struct hoy_layer_run *run, const siginfo_t *si)
{
	if (run->failed.errnum || run->has_done)
		return;
	if (si->si_code == CLD_EXITED)
		(void) hoy_err_set(&run->failed, HOY_ERR_SYSTEM, ECHILD, "hoy-layer ended without an answer, status %d",
			si->si_status);
	else
		(void) hoy_err_set(&run->failed, HOY_ERR_SYSTEM, ECHILD, "hoy-layer was killed by signal %d (%s)",
			si->si_status, strsignal(si->si_status));
}

/* The result is handed over from here: the callback frees the run. */
static void on_worker_exit(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_layer_run *run = userdata;
	struct hoy_layer_reply done;
	struct hoy_err failed;

	(void) source;
	run->pid = 0;
	while (receive(run))
		;
	blame_exit(run, si);
	failed = run->failed;
	done = run->done;
	run->options.on_done(failed.errnum ? &failed : NULL, failed.errnum ? NULL : &done, run->options.userdata);
}

static int send_request(struct hoy_layer_run *run, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf names = { 0 };
	ssize_t n = hoy_fd_send(
		run->sock, &run->options.request, sizeof run->options.request, run->options.fds, run->options.n_fds);

	if (n < 0)
		return hoy_err_code(err, (int) n, "ask hoy-layer");
	if (!(run->options.request.flags & HOY_LAYER_LOWERS))
		return 0;
	for (char *const *name = run->options.lowers; *name; name++)
		(void) hoy_buf_add(&names, *name, strlen(*name) + 1);
	if (hoy_buf_check(&names, "names of layers", err) < 0)
		return -ENOMEM;
	n = hoy_fd_send(run->sock, names.data, names.len, /* fds= */ NULL, 0);
	return n < 0 ? hoy_err_code(err, (int) n, "ask hoy-layer") : 0;
}

static int start(struct hoy_layer_run *run, struct hoy_err *err)
{
	char *const argv[] = { (char *) (uintptr_t) "hoy-layer", NULL };
	auto_fd int theirs = -EBADF;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "make a socket pair");
	run->sock = pair[0];
	theirs = pair[1];
	r = hoy_process_spawn(&(struct hoy_spawn){ .path = run->options.helper,
				      .argv = argv,
				      .fds = (const int[]){ -1, -1, -1, theirs },
				      .n_fds = 4,
				      .death_signal = SIGKILL },
		&run->pid, &run->pidfd, err);
	if (r < 0)
		return r;
	r = hoy_loop_io(run->options.loop, &run->io, run->sock, EPOLLIN, on_packets, run, err);
	if (r == 0)
		r = hoy_loop_child(run->options.loop, &run->child, run->pid, on_worker_exit, run, err);
	return r < 0 ? r : send_request(run, err);
}

int hoy_layer_run_start(const struct hoy_layer_run_options *options, struct hoy_layer_run **ret, struct hoy_err *err)
{
	struct hoy_layer_run *run = calloc(1, sizeof *run);
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->options = *options;
	run->sock = run->pidfd = -EBADF;
	r = start(run, err);
	if (r < 0) {
		(void) hoy_layer_run_free(run);
		return r;
	}
	run->options.lowers = NULL; /* borrowed for the start only */
	*ret = run;
	return 0;
}

void hoy_layer_run_cancel(struct hoy_layer_run *run)
{
	struct hoy_err err = { 0 };

	(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled");
	run->has_done = false;
	fail(run, &err);
}

struct hoy_layer_run *hoy_layer_run_free(struct hoy_layer_run *run)
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
