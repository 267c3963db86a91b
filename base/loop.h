/*
 * The event loop of the shim, hoyd and the services: epoll over descriptors, timers, signals and child processes.
 * Single-threaded. Handlers are short: find the object, drive its state machine. Nothing blocks.
 *
 * A source belongs to the object that made it: free it in the object's own destructor, also from inside its handler
 * or another source's. A source is enabled when it is made.
 *
 *	static void on_client(struct hoy_source *source, uint32_t events, void *userdata);
 *
 *	r = hoy_loop_io(loop, &c->source, fd, EPOLLIN, on_client, c, err);
 *	...
 *	c->source = hoy_source_free(c->source);
 */
#ifndef HOY_BASE_LOOP_H
#define HOY_BASE_LOOP_H

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_source;
struct signalfd_siginfo;

typedef void (*hoy_io_handler)(struct hoy_source *source, uint32_t events, void *userdata);
typedef void (*hoy_timer_handler)(struct hoy_source *source, void *userdata);
typedef void (*hoy_signal_handler)(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata);
typedef void (*hoy_child_handler)(struct hoy_source *source, const siginfo_t *si, void *userdata);
typedef void (*hoy_defer_handler)(struct hoy_source *source, void *userdata);

int hoy_loop_new(struct hoy_loop **ret, struct hoy_err *err);
void hoy_loop_free(struct hoy_loop *loop); /* sources that still exist become inert, their owners free them */
HOY_DEFINE_AUTO_PTR(struct hoy_loop, hoy_loop_free);

/* Runs until hoy_loop_exit(); returns its code, or -errno when epoll itself fails. */
int hoy_loop_run(struct hoy_loop *loop, struct hoy_err *err);
/* One round: waits at most `timeout_ms` (-1: for ever), dispatches what is ready. Returns the handlers run or -errno.
 */
int hoy_loop_run_once(struct hoy_loop *loop, int timeout_ms, struct hoy_err *err);
void hoy_loop_exit(struct hoy_loop *loop, int code);

/* CLOCK_MONOTONIC in nanoseconds, read once per round. */
uint64_t hoy_loop_now(struct hoy_loop *loop);

/* Descriptor readiness (level-triggered; add EPOLLET for edges). The fd stays the caller's: free the source first. */
int hoy_loop_io(struct hoy_loop *loop, struct hoy_source **ret, int fd, uint32_t events, hoy_io_handler handler,
	void *userdata, struct hoy_err *err);
int hoy_source_set_events(struct hoy_source *source, uint32_t events, struct hoy_err *err); /* 0: disabled */
int hoy_source_fd(const struct hoy_source *source);

/* One-shot timer `after_ns` from now; hoy_source_set_timer() arms it again (also from its handler), UINT64_MAX stops
 * it. One timerfd serves all timers. */
int hoy_loop_timer(struct hoy_loop *loop, struct hoy_source **ret, uint64_t after_ns, hoy_timer_handler handler,
	void *userdata, struct hoy_err *err);
void hoy_source_set_timer(struct hoy_source *source, uint64_t after_ns);

/* A signal by signalfd; it is blocked for the process. One source per signal number. */
int hoy_loop_signal(struct hoy_loop *loop, struct hoy_source **ret, int sig, hoy_signal_handler handler, void *userdata,
	struct hoy_err *err);

/* Exit of our child `pid` by pidfd: reaps it (waitid) and calls the handler once, after the io of the same round, so
 * that last output is read before the exit is told. The source is disabled then, not freed. Takes no ownership of
 * anything; opens its own pidfd. */
int hoy_loop_child(struct hoy_loop *loop, struct hoy_source **ret, pid_t pid, hoy_child_handler handler, void *userdata,
	struct hoy_err *err);

/* Runs once at the end of the current round (or the next one when called outside), for work that must not happen
 * inside another handler. */
int hoy_loop_defer(
	struct hoy_loop *loop, struct hoy_source **ret, hoy_defer_handler handler, void *userdata, struct hoy_err *err);

/* Runs at the end of every round in which a handler ran, in order of creation: group commits, flushes. */
int hoy_loop_post(
	struct hoy_loop *loop, struct hoy_source **ret, hoy_defer_handler handler, void *userdata, struct hoy_err *err);

/* Removes and frees; NULL is fine. Always returns NULL. */
struct hoy_source *hoy_source_free(struct hoy_source *source);
HOY_DEFINE_AUTO_PTR(struct hoy_source, hoy_source_free);

#endif
