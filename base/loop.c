/*
 * The event loop. One epoll instance, one timerfd for all timers, one signalfd for all signals, a pidfd per child.
 *
 * A round: wait; collect what is ready; run io handlers, then timers, then child exits (output before exit), then
 * deferred work, then the post handlers. A source freed while its event is pending is unlinked and kept on the dead
 * list until the round ends, so no handler ever sees freed memory.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"

#define EVENTS_PER_ROUND 64
#define NO_DEADLINE UINT64_MAX
#define N_SIGNALS 65

enum source_kind { SOURCE_IO, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD, SOURCE_DEFER, SOURCE_POST };

struct hoy_source {
	enum source_kind kind;
	struct hoy_loop *loop; /* NULL: removed or the loop is gone */
	struct hoy_source *next, **link;
	void *userdata;
	union {
		hoy_io_handler io;
		hoy_timer_handler timer;
		hoy_signal_handler signal;
		hoy_child_handler child;
		hoy_defer_handler defer;
	} handler;
	int fd; /* io: borrowed; child: our pidfd */
	int sig;
	pid_t pid;
	uint32_t events;
	uint64_t deadline;
};

struct hoy_loop {
	int epoll, timerfd, signalfd;
	bool exiting, in_round;
	int exit_code;
	uint64_t now;
	uint64_t armed; /* what the timerfd is set to */
	sigset_t signals;
	struct hoy_source *by_signal[N_SIGNALS];
	struct hoy_source *timers, *defers, *posts, *others; /* lists; timers unsorted, there are few */
	struct hoy_source *dead;
	struct epoll_event ready[EVENTS_PER_ROUND];
	int n_ready;
};

static char timer_tag, signal_tag; /* epoll data of the loop's own descriptors */

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static int watch(struct hoy_loop *loop, int fd, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int hoy_loop_new(struct hoy_loop **ret, struct hoy_err *err)
{
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return hoy_err_oom(err);
	loop->signalfd = -EBADF;
	loop->timerfd = -EBADF;
	loop->armed = NO_DEADLINE;
	loop->now = monotonic();
	sigemptyset(&loop->signals);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return hoy_err_sys(err, "create epoll instance");
	loop->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timerfd < 0)
		return hoy_err_sys(err, "create timerfd");
	if (watch(loop, loop->timerfd, EPOLLIN, &timer_tag) < 0)
		return hoy_err_sys(err, "watch timerfd");
	*ret = TAKE_PTR(loop);
	return 0;
}

static void orphan(struct hoy_source *list)
{
	for (; list; list = list->next)
		list->loop = NULL;
}

static void bury(struct hoy_loop *loop)
{
	while (loop->dead) {
		struct hoy_source *source = loop->dead;

		loop->dead = source->next;
		free(source);
	}
}

void hoy_loop_free(struct hoy_loop *loop)
{
	if (!loop)
		return;
	orphan(loop->timers);
	orphan(loop->defers);
	orphan(loop->posts);
	orphan(loop->others);
	bury(loop);
	hoy_fd_close(&loop->epoll);
	hoy_fd_close(&loop->timerfd);
	hoy_fd_close(&loop->signalfd);
	free(loop);
}

uint64_t hoy_loop_now(struct hoy_loop *loop)
{
	return loop->in_round ? loop->now : monotonic();
}

void hoy_loop_exit(struct hoy_loop *loop, int code)
{
	loop->exiting = true;
	loop->exit_code = code;
}

static struct hoy_source **list_of(struct hoy_loop *loop, enum source_kind kind)
{
	switch (kind) {
	case SOURCE_TIMER:
		return &loop->timers;
	case SOURCE_DEFER:
		return &loop->defers;
	case SOURCE_POST:
		return &loop->posts;
	default:
		return &loop->others;
	}
}

static struct hoy_source *source_new(struct hoy_loop *loop, enum source_kind kind, void *userdata)
{
	struct hoy_source *source = calloc(1, sizeof *source);
	struct hoy_source **at = list_of(loop, kind);

	if (!source)
		return NULL;
	source->kind = kind;
	source->loop = loop;
	source->userdata = userdata;
	source->fd = -EBADF;
	source->deadline = NO_DEADLINE;
	if (kind == SOURCE_POST || kind == SOURCE_DEFER) /* in order of creation */
		while (*at)
			at = &(*at)->next;
	source->next = *at;
	source->link = at;
	if (source->next)
		source->next->link = &source->next;
	*at = source;
	return source;
}

static void unlink_source(struct hoy_source *source)
{
	*source->link = source->next;
	if (source->next)
		source->next->link = source->link;
}

struct hoy_source *hoy_source_free(struct hoy_source *source)
{
	struct hoy_loop *loop;

	if (!source)
		return NULL;
	loop = source->loop;
	if (!loop) {
		if (source->kind == SOURCE_CHILD)
			hoy_fd_close(&source->fd);
		free(source);
		return NULL;
	}
	if ((source->kind == SOURCE_IO && source->events) || (source->kind == SOURCE_CHILD && source->fd >= 0))
		(void) epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->kind == SOURCE_CHILD)
		hoy_fd_close(&source->fd);
	if (source->kind == SOURCE_SIGNAL) {
		loop->by_signal[source->sig] = NULL;
		sigdelset(&loop->signals, source->sig);
		(void) signalfd(loop->signalfd, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	}
	unlink_source(source);
	for (int i = 0; i < loop->n_ready; i++)
		if (loop->ready[i].data.ptr == source)
			loop->ready[i].data.ptr = NULL;
	source->loop = NULL;
	source->next = loop->dead;
	loop->dead = source;
	if (!loop->in_round)
		bury(loop);
	return NULL;
}

int hoy_loop_io(struct hoy_loop *loop, struct hoy_source **ret, int fd, uint32_t events, hoy_io_handler handler,
	void *userdata, struct hoy_err *err)
{
	struct hoy_source *source = source_new(loop, SOURCE_IO, userdata);
	int r;

	if (!source)
		return hoy_err_oom(err);
	source->fd = fd;
	source->handler.io = handler;
	r = events ? watch(loop, fd, events, source) : 0;
	if (r < 0) {
		hoy_source_free(source);
		return hoy_err_code(err, r, "watch descriptor %d", fd);
	}
	source->events = events;
	*ret = source;
	return 0;
}

int hoy_source_set_events(struct hoy_source *source, uint32_t events, struct hoy_err *err)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };
	int op = !source->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	assert(source->kind == SOURCE_IO);
	if (!source->loop || events == source->events)
		return 0;
	if (epoll_ctl(source->loop->epoll, op, source->fd, &ev) < 0)
		return hoy_err_sys(err, "watch descriptor %d", source->fd);
	source->events = events;
	return 0;
}

int hoy_source_fd(const struct hoy_source *source)
{
	return source->fd;
}

static uint64_t first_deadline(const struct hoy_loop *loop)
{
	uint64_t first = NO_DEADLINE;

	for (struct hoy_source *s = loop->timers; s; s = s->next)
		first = MIN(first, s->deadline);
	return first;
}

static void arm_timer(struct hoy_loop *loop, uint64_t first)
{
	struct itimerspec spec = { 0 };

	if (first == loop->armed)
		return;
	if (first != NO_DEADLINE) {
		spec.it_value.tv_sec = (time_t) (first / 1000000000);
		spec.it_value.tv_nsec = (long) (first % 1000000000);
		if (!first)
			spec.it_value.tv_nsec = 1;
	}
	(void) timerfd_settime(loop->timerfd, TFD_TIMER_ABSTIME, &spec, NULL);
	loop->armed = first;
}

int hoy_loop_timer(struct hoy_loop *loop, struct hoy_source **ret, uint64_t after_ns, hoy_timer_handler handler,
	void *userdata, struct hoy_err *err)
{
	struct hoy_source *source = source_new(loop, SOURCE_TIMER, userdata);

	if (!source)
		return hoy_err_oom(err);
	source->handler.timer = handler;
	hoy_source_set_timer(source, after_ns);
	*ret = source;
	return 0;
}

void hoy_source_set_timer(struct hoy_source *source, uint64_t after_ns)
{
	uint64_t now = monotonic();

	assert(source->kind == SOURCE_TIMER);
	source->deadline = after_ns >= NO_DEADLINE - now ? NO_DEADLINE : now + after_ns;
}

int hoy_loop_signal(struct hoy_loop *loop, struct hoy_source **ret, int sig, hoy_signal_handler handler, void *userdata,
	struct hoy_err *err)
{
	struct hoy_source *source;
	sigset_t one;
	int fd;

	assert(sig > 0 && sig < N_SIGNALS && !loop->by_signal[sig]);
	sigemptyset(&one);
	sigaddset(&one, sig);
	if (sigprocmask(SIG_BLOCK, &one, NULL) < 0)
		return hoy_err_sys(err, "block signal %d", sig);
	sigaddset(&loop->signals, sig);
	fd = signalfd(loop->signalfd >= 0 ? loop->signalfd : -1, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return hoy_err_sys(err, "create signalfd");
	if (loop->signalfd < 0) {
		loop->signalfd = fd;
		if (watch(loop, fd, EPOLLIN, &signal_tag) < 0)
			return hoy_err_sys(err, "watch signalfd");
	}
	source = source_new(loop, SOURCE_SIGNAL, userdata);
	if (!source)
		return hoy_err_oom(err);
	source->sig = sig;
	source->handler.signal = handler;
	loop->by_signal[sig] = source;
	*ret = source;
	return 0;
}

int hoy_loop_child(struct hoy_loop *loop, struct hoy_source **ret, pid_t pid, hoy_child_handler handler, void *userdata,
	struct hoy_err *err)
{
	struct hoy_source *source = source_new(loop, SOURCE_CHILD, userdata);
	int r;

	if (!source)
		return hoy_err_oom(err);
	source->pid = pid;
	source->handler.child = handler;
	r = hoy_pidfd_open(pid);
	if (r >= 0) {
		source->fd = r;
		r = watch(loop, source->fd, EPOLLIN, source);
	}
	if (r < 0) {
		hoy_source_free(source);
		return hoy_err_code(err, r, "watch process %d", (int) pid);
	}
	*ret = source;
	return 0;
}

int hoy_loop_defer(
	struct hoy_loop *loop, struct hoy_source **ret, hoy_defer_handler handler, void *userdata, struct hoy_err *err)
{
	struct hoy_source *source = source_new(loop, SOURCE_DEFER, userdata);

	if (!source)
		return hoy_err_oom(err);
	source->handler.defer = handler;
	*ret = source;
	return 0;
}

int hoy_loop_post(
	struct hoy_loop *loop, struct hoy_source **ret, hoy_defer_handler handler, void *userdata, struct hoy_err *err)
{
	struct hoy_source *source = source_new(loop, SOURCE_POST, userdata);

	if (!source)
		return hoy_err_oom(err);
	source->handler.defer = handler;
	*ret = source;
	return 0;
}

static int dispatch_signals(struct hoy_loop *loop)
{
	struct signalfd_siginfo si;
	int n = 0;

	while (loop->signalfd >= 0 && read(loop->signalfd, &si, sizeof si) == (ssize_t) sizeof si) {
		struct hoy_source *source = si.ssi_signo < N_SIGNALS ? loop->by_signal[si.ssi_signo] : NULL;

		if (source) {
			source->handler.signal(source, &si, source->userdata);
			n++;
		}
	}
	return n;
}

static void take_expiration(struct hoy_loop *loop)
{
	uint64_t expirations;

	(void) !read(loop->timerfd, &expirations, sizeof expirations);
	loop->armed = NO_DEADLINE - 1; /* whatever it was, arm_timer() sets it anew */
}

static int dispatch_timers(struct hoy_loop *loop)
{
	int n = 0;

	for (struct hoy_source *s = loop->timers; s;) {
		if (s->deadline > loop->now) {
			s = s->next;
			continue;
		}
		s->deadline = NO_DEADLINE;
		s->handler.timer(s, s->userdata);
		n++;
		s = loop->timers; /* the handler may have freed anything: start again, fired ones wait for later */
	}
	return n;
}

static int dispatch_child(struct hoy_source *source)
{
	struct hoy_loop *loop = source->loop;
	siginfo_t si = { 0 };

	if (waitid(P_PID, (id_t) source->pid, &si, WEXITED | WNOHANG) < 0) {
		if (errno == EINTR)
			return 0;
		/* Somebody else reaped it: tell what can be told. */
		si.si_pid = source->pid;
		si.si_code = CLD_EXITED;
		si.si_status = 255;
	} else if (si.si_pid == 0) {
		return 0;
	}
	(void) epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	hoy_fd_close(&source->fd);
	source->handler.child(source, &si, source->userdata);
	return 1;
}

static int dispatch_ready(struct hoy_loop *loop, bool timers)
{
	bool signals = false;
	int n = 0;

	for (int i = 0; i < loop->n_ready; i++) {
		struct hoy_source *source = loop->ready[i].data.ptr;

		if (source == (void *) &timer_tag) {
			take_expiration(loop);
			timers = true;
		} else if (source == (void *) &signal_tag) {
			signals = true;
		} else if (source && source->kind == SOURCE_IO && source->events) {
			source->handler.io(source, loop->ready[i].events, source->userdata);
			n++;
		}
	}
	if (signals)
		n += dispatch_signals(loop);
	if (timers)
		n += dispatch_timers(loop);
	for (int i = 0; i < loop->n_ready; i++) {
		struct hoy_source *source = loop->ready[i].data.ptr;

		if (source && source != (void *) &timer_tag && source != (void *) &signal_tag &&
			source->kind == SOURCE_CHILD && source->fd >= 0)
			n += dispatch_child(source);
	}
	return n;
}

static int dispatch_deferred(struct hoy_loop *loop)
{
	int n = 0;

	while (loop->defers) {
		struct hoy_source *s = loop->defers;

		/* Runs once: off the list before the handler, which may free it. */
		unlink_source(s);
		s->next = loop->others;
		s->link = &loop->others;
		if (s->next)
			s->next->link = &s->next;
		loop->others = s;
		s->handler.defer(s, s->userdata);
		n++;
	}
	return n;
}

int hoy_loop_run_once(struct hoy_loop *loop, int timeout_ms, struct hoy_err *err)
{
	uint64_t first = first_deadline(loop);
	bool due = first != NO_DEADLINE && first <= monotonic();
	int n;

	if (!due) /* what is due already, as a timer of 0 is, needs no timerfd */
		arm_timer(loop, first);
	if (due || loop->defers)
		timeout_ms = 0;
	n = epoll_wait(loop->epoll, loop->ready, EVENTS_PER_ROUND, timeout_ms);
	if (n < 0 && errno != EINTR)
		return hoy_err_sys(err, "wait for events");
	loop->n_ready = MAX(n, 0);
	loop->now = monotonic();
	loop->in_round = true;
	n = dispatch_ready(loop, due);
	n += dispatch_deferred(loop);
	if (n)
		for (struct hoy_source *s = loop->posts, *next; s; s = next) {
			next = s->next;
			s->handler.defer(s, s->userdata);
		}
	loop->n_ready = 0;
	loop->in_round = false;
	bury(loop);
	return n;
}

int hoy_loop_run(struct hoy_loop *loop, struct hoy_err *err)
{
	while (!loop->exiting) {
		int r = hoy_loop_run_once(loop, -1, err);

		if (r < 0)
			return r;
	}
	loop->exiting = false;
	return loop->exit_code;
}
