/* Signals, the terminal, the exit status: a poll loop over four descriptors. */
#include "runtime/cli/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "runtime/apply/create.h"
#include "runtime/apply/lifecycle.h"

#define PIPE_SIZE ((size_t) 16 << 10)
struct pipe_buf {
	char *data; /* PIPE_SIZE bytes */
	size_t start, end;
};

struct server {
	struct hoy_container *c;
	int signals;
	bool have_termios;
	struct termios saved;
	bool stdin_open;
	struct pipe_buf in, out; /* stdin to master, master to stdout */
};

enum { SIGNALS, PROCESS, MASTER, STDIN, STDOUT, N_POLL };

/* All but those that mean a fault of our own. */
static void fill_signals(sigset_t *ret)
{
	sigfillset(ret);
	for (size_t i = 0; i < 6; i++)
		sigdelset(ret, (int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP }[i]);
}

int hoy_foreground_prepare(bool subreaper, struct hoy_err *err)
{
	sigset_t all;

	if (!subreaper)
		return 0;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return hoy_err_sys(err, "become a subreaper");
	fill_signals(&all);
	return sigprocmask(SIG_BLOCK, &all, NULL) < 0 ? hoy_err_sys(err, "block signals") : 0;
}

static void copy_window_size(int from, int to)
{
	struct winsize ws;

	if (ioctl(from, TIOCGWINSZ, &ws) == 0)
		(void) ioctl(to, TIOCSWINSZ, &ws);
}

static void set_raw(struct server *s)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return; /* not a terminal: bytes are passed as they are */
	s->have_termios = true;
	raw = s->saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* the container's side does not add carriage returns, ours does */
	(void) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void restore_terminal(struct server *s)
{
	if (s->have_termios)
		(void) tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
}

/* 1: moved or nothing to do now, 0: the source has ended. */
static int fill(struct pipe_buf *b, int fd)
{
	ssize_t n;

	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->end == PIPE_SIZE)
		return 1;
	n = read(fd, b->data + b->end, PIPE_SIZE - b->end);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0)
		return 0;
	b->end += (size_t) n;
	return 1;
}

static int drain(struct pipe_buf *b, int fd)
{
	ssize_t n;

	if (b->start == b->end)
		return 1;
	n = write(fd, b->data + b->start, b->end - b->start);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	b->start += (size_t) n;
	return 1;
}

static bool has_room(const struct pipe_buf *b)
{
	return b->end < PIPE_SIZE || b->start == b->end;
}

static void forward_signal(struct server *s)
{
	struct signalfd_siginfo si;

	if (read(s->signals, &si, sizeof si) != sizeof si)
		return;
	if (si.ssi_signo == SIGCHLD) { /* orphans that came to us; the container's own status is asked for elsewhere */
		siginfo_t child = {};

		while (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 && child.si_pid &&
			child.si_pid != s->c->state.pid)
			(void) waitid(P_PID, (id_t) child.si_pid, &child, WEXITED | WNOHANG);
		return;
	}
	if (si.ssi_signo == SIGWINCH) {
		if (s->c->master >= 0 && s->have_termios)
			copy_window_size(STDIN_FILENO, s->c->master);
		else if (s->c->master < 0)
			(void) hoy_pidfd_signal(s->c->pidfd, SIGWINCH);
		return;
	}
	/* Ours alone: the runtime for scheduling, job control of our own shell. */
	if (si.ssi_signo == SIGURG || si.ssi_signo == SIGTSTP || si.ssi_signo == SIGTTIN || si.ssi_signo == SIGTTOU)
		return;
	(void) hoy_pidfd_signal(s->c->pidfd, (int) si.ssi_signo);
}

/* End of input is a typed ctrl-d: the terminal has no other. */
static void end_of_stdin(struct server *s)
{
	static const char eot = 4;

	s->stdin_open = false;
	(void) !write(s->c->master, &eot, 1);
}

static void move_bytes(struct server *s, const struct pollfd *p)
{
	if (p[STDIN].revents && s->stdin_open && !fill(&s->in, STDIN_FILENO))
		end_of_stdin(s);
	if (p[MASTER].revents & POLLOUT)
		(void) drain(&s->in, s->c->master);
	if (p[MASTER].revents & (POLLIN | POLLHUP | POLLERR) && has_room(&s->out) && !fill(&s->out, s->c->master))
		hoy_fd_close(&s->c->master);
	if (p[STDOUT].revents & (POLLOUT | POLLERR | POLLHUP) && !drain(&s->out, STDOUT_FILENO))
		s->out.start = s->out.end; /* nobody reads any more */
}

static int poll_once(struct server *s, bool *ret_ended, struct hoy_err *err)
{
	int master = s->c->master;
	struct pollfd p[N_POLL] = {
		[SIGNALS] = { .fd = s->signals, .events = POLLIN },
		[PROCESS] = { .fd = s->c->pidfd, .events = POLLIN },
		[MASTER] = { .fd = master },
		[STDIN] = { .fd = master >= 0 && s->stdin_open && has_room(&s->in) ? STDIN_FILENO : -1,
			.events = POLLIN },
		[STDOUT] = { .fd = s->out.end > s->out.start ? STDOUT_FILENO : -1, .events = POLLOUT },
	};

	p[MASTER].events = (short) ((has_room(&s->out) ? POLLIN : 0) | (s->in.end > s->in.start ? POLLOUT : 0));
	if (!p[MASTER].events)
		p[MASTER].fd = -1;
	if (poll(p, N_POLL, -1) < 0)
		return errno == EINTR ? 0 : hoy_err_sys(err, "poll");
	if (p[SIGNALS].revents && !p[PROCESS].revents)
		forward_signal(s);
	if (master >= 0)
		move_bytes(s, p);
	*ret_ended = p[PROCESS].revents != 0;
	return 0;
}

/* What the container wrote before it ended is still in the terminal. */
static void drain_master(struct server *s)
{
	if (s->c->master < 0)
		return;
	(void) hoy_fd_set_nonblocking(s->c->master, true);
	for (;;) {
		size_t before;

		while (s->out.start < s->out.end)
			if (!drain(&s->out, STDOUT_FILENO))
				return;
		before = s->out.end;
		if (!fill(&s->out, s->c->master) || (s->out.end == 0 && before == s->out.end) ||
			s->out.start == s->out.end)
			return;
	}
}

int hoy_foreground_serve(struct hoy_container *c, int *ret_status, struct hoy_err *err)
{
	auto_free char *pipes = NULL; /* not on the stack, where pages would be touched that only a terminal needs */
	struct server s = { .c = c, .stdin_open = true };
	bool ended = false;
	sigset_t set;
	siginfo_t si;
	int r = 0;

	fill_signals(&set); /* those that are not blocked do what they always do */
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signals < 0)
		return hoy_err_sys(err, "signalfd");
	if (c->master >= 0) {
		pipes = malloc(2 * PIPE_SIZE);
		if (!pipes) {
			(void) close(s.signals);
			return hoy_err_oom(err);
		}
		s.in.data = pipes;
		s.out.data = pipes + PIPE_SIZE;
		set_raw(&s);
	}
	while (r == 0 && !ended)
		r = poll_once(&s, &ended, err);
	drain_master(&s);
	restore_terminal(&s);
	if (r == 0)
		r = hoy_process_wait(c->state.pid, &si, err);
	if (r == 0)
		*ret_status = hoy_process_status(&si);
	return r;
}

int hoy_foreground_stay(const char *root, struct hoy_container *c, bool detach, bool keep, struct hoy_err *err)
{
	struct hoy_err why = {};
	int r, status = 0;

	hoy_state_unlock(&c->state); /* others may see and kill it now */
	if (detach)
		return 0;
	r = hoy_foreground_serve(c, &status, err);
	if (r == 0)
		c->state.pid = 0; /* reaped: there is nobody to look for */
	if ((r < 0 || !keep) && hoy_state_lock_again(&c->state) &&
		hoy_container_delete(root, &c->state, /* force= */ true, &why) < 0)
		hoy_log_ignored(&why, "delete container '%s'", c->state.id);
	return r < 0 ? r : status;
}
