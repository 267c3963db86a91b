/* Ending: signals that lead to it, the exit itself, and who is told of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"

#define NS_PER_S 1000000000ULL

/* --- signals ------------------------------------------------------------------------------------ */

int hoy_container_signal(struct hoy_container *c, int sig, struct hoy_err *err)
{
	char attribute[32];
	char *const attributes[] = { attribute, NULL };
	int r = hoy_shim_kill(c->shim, NULL, sig, NULL, NULL, err);

	if (r < 0)
		return r;
	snprintf(attribute, sizeof attribute, "signal=%d", sig);
	hoy_container_publish(c, "kill", attributes);
	return 0;
}

/* A signal that is meant to end it; `for_good` when its policy is not to start it again. */
static int end_by(struct hoy_container *c, int sig, bool for_good, struct hoy_err *err)
{
	int r = hoy_container_signal(c, sig, err);

	if (r < 0)
		return r;
	if (for_good)
		hoy_container_set_stopped(c, true);
	hoy_container_thaw(c);
	return 0;
}

static bool ends(const struct hoy_container *c, int sig)
{
	const char *name = c->config->stop_signal;

	return sig == SIGKILL || sig == (name && *name ? hoy_signal_from_string(name) : SIGTERM);
}

int hoy_container_kill_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	int r = ends(c, op->signal) ? end_by(c, op->signal, true, err) : hoy_container_signal(c, op->signal, err);

	if (r < 0)
		return r;
	if (op->signal == SIGKILL)
		hoy_ops_append(&c->stoppers, op);
	else
		hoy_op_finish(c, op, NULL);
	return 0;
}

static void on_patience_over(struct hoy_source *source, void *userdata)
{
	struct hoy_container *c = userdata;
	struct hoy_err err = {};

	(void) source;
	if (c->phase == HOY_PHASE_RUNNING && hoy_container_signal(c, SIGKILL, &err) < 0)
		hoy_log_err(&err, "container '%s': kill", c->info.id);
}

/* The shorter patience of two requests counts. */
static int arm_timer(struct hoy_container *c, int timeout, struct hoy_err *err)
{
	uint64_t after = (uint64_t) timeout * NS_PER_S, due = hoy_loop_now(c->room->options.loop) + after;

	if (timeout < 0 || (c->stop_timer && c->stop_due <= due))
		return 0;
	c->stop_due = due;
	if (c->stop_timer) {
		hoy_source_set_timer(c->stop_timer, after);
		return 0;
	}
	return hoy_loop_timer(c->room->options.loop, &c->stop_timer, after, on_patience_over, c, err);
}

int hoy_container_stop_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	int r = end_by(c, op->signal, op->kind != HOY_OP_RESTART, err);

	if (r >= 0)
		r = arm_timer(c, op->timeout, err);
	if (r < 0)
		return r;
	c->stop_asked = true;
	hoy_ops_append(&c->stoppers, op);
	return 0;
}

/* --- the exit ------------------------------------------------------------------------------------- */

static void publish_end(struct hoy_container *c)
{
	char code[32], duration[48];
	char *const attributes[] = { duration, code, NULL };

	snprintf(code, sizeof code, "exitCode=%d", c->info.exit_code);
	snprintf(duration, sizeof duration, "execDuration=%lld",
		(long long) (c->info.finished.tv_sec - c->info.started.tv_sec));
	if (c->info.oom_killed)
		hoy_container_publish(c, "oom", NULL);
	hoy_container_publish(c, "die", attributes);
	if (c->stop_asked)
		hoy_container_publish(c, "stop", NULL);
}

/* Stops are answered, restarts become starts. */
static void settle_stoppers(struct hoy_container *c)
{
	struct hoy_op *op = TAKE_PTR(c->stoppers), *next;

	for (; op; op = next) {
		next = op->next;
		if (op->kind == HOY_OP_RESTART)
			hoy_ops_append(&c->queue, op);
		else
			hoy_op_finish(c, op, NULL);
	}
}

static bool restart_is_queued(const struct hoy_container *c)
{
	for (const struct hoy_op *op = c->queue; op; op = op->next)
		if (op->kind == HOY_OP_RESTART)
			return true;
	return false;
}

static void after_end(struct hoy_container *c)
{
	c->info.status = HOY_CONTAINER_EXITED;
	c->info.exit_code = c->end_status;
	c->info.oom_killed = c->end_oom;
	c->info.finished = c->end_time;
	c->phase = HOY_PHASE_IDLE;
	c->exit_seen = false;
	c->info.paused = false;
	hoy_container_restart_by_policy(c);
	hoy_container_save(c);
	publish_end(c);
	hoy_container_readers_tell(c);
	hoy_container_waits_tell(c, /* removed= */ false);
	settle_stoppers(c);
	if (c->config->host.auto_remove && !restart_is_queued(c))
		hoy_container_remove_now(c);
	hoy_ops_retry(c);
}

void hoy_container_exited(struct hoy_container *c, int status, const struct timespec *when, bool oom)
{
	c->end_status = status;
	c->end_time = *when;
	c->end_oom = oom;
	if (c->end_time.tv_sec == 0)
		c->end_time = hoy_now();
	if (c->phase == HOY_PHASE_STARTING || c->saving) { /* the answer to Start, or to Checkpoint, comes first */
		c->exit_seen = true;
		return;
	}
	c->phase = HOY_PHASE_ENDING;
	c->stop_timer = hoy_source_free(c->stop_timer);
	hoy_container_probes_end(c);
	hoy_container_attaches_drop(c);
	hoy_container_teardown(c, after_end);
}

void hoy_container_shim_lost(struct hoy_container *c)
{
	struct hoy_shim_exit_record record = {};
	struct hoy_err err = {};

	if (hoy_container_exit_read(c, &record, &err) >= 0) {
		hoy_container_exited(c, record.status, &record.when, record.oom_killed);
		return;
	}
	hoy_log_warn("container '%s': its shim was lost, ending it", c->info.id);
	record.when = hoy_now();
	hoy_container_exited(c, 128 + SIGKILL, &record.when, false);
}

static void on_wait_over(void *userdata, const struct hoy_err *err, unsigned int status, const struct timespec *when)
{
	struct hoy_container *c = userdata;
	struct hoy_shim_exit_record record = {};

	if (c->phase != HOY_PHASE_STARTING && c->phase != HOY_PHASE_RUNNING)
		return;
	if (hoy_container_teardown_is_on(c))
		return;
	if (err) { /* as a rule the connection's end follows, and is dealt with there */
		hoy_log_debug("container '%s': wait: %s", c->info.id, hoy_err_str(err));
		return;
	}
	(void) hoy_container_exit_read(c, &record, NULL);
	hoy_container_exited(c, (int) status, when, record.oom_killed);
}

int hoy_container_watch(struct hoy_container *c, struct hoy_err *err)
{
	return hoy_shim_wait(c->shim, NULL, on_wait_over, c, err);
}
