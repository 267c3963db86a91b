/*
 * Requests that change a container's life: start, stop, restart, kill, remove. Each acts as the container's phase
 * demands, and waits in the container's queue while a start or an exit is under way.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/store/store.h"

/* --- telling ---------------------------------------------------------------------------- */

struct later {
	hoy_container_done done;
	void *userdata;
	bool failed;
	struct hoy_err err;
};

static void on_turn_over(void *userdata, const struct hoy_err *commit_err)
{
	struct later *later = userdata;

	later->done(later->userdata, later->failed ? &later->err : commit_err);
	free(later);
}

void hoy_done_later(struct hoy_containers *room, hoy_container_done done, void *userdata, const struct hoy_err *err)
{
	struct later *later = calloc(1, sizeof *later);

	if (!later) {
		done(userdata, err);
		return;
	}
	*later = (struct later){ .done = done, .userdata = userdata, .failed = err != NULL };
	if (err)
		later->err = *err;
	if (hoy_store_after_commit(room->options.store, on_turn_over, later, NULL) < 0) {
		free(later);
		done(userdata, err);
	}
}

void hoy_op_finish(struct hoy_container *c, struct hoy_op *op, const struct hoy_err *err)
{
	if (op->restart && !err)
		hoy_container_publish(c, "restart", NULL);
	if (op->done)
		hoy_done_later(c->room, op->done, op->userdata, err);
	free(op);
}

void hoy_ops_finish(struct hoy_container *c, struct hoy_op **list, const struct hoy_err *err)
{
	struct hoy_op *op = TAKE_PTR(*list), *next;

	for (; op; op = next) {
		next = op->next;
		hoy_op_finish(c, op, err);
	}
}

void hoy_ops_cancel(struct hoy_op **list, const struct hoy_err *err)
{
	struct hoy_op *op = TAKE_PTR(*list), *next;

	for (; op; op = next) {
		next = op->next;
		if (op->done)
			op->done(op->userdata, err);
		free(op);
	}
}

void hoy_ops_append(struct hoy_op **list, struct hoy_op *op)
{
	while (*list)
		list = &(*list)->next;
	op->next = NULL;
	*list = op;
}

void hoy_ops_retry(struct hoy_container *c)
{
	struct hoy_op *op = TAKE_PTR(c->queue), *next;

	for (; op; op = next) {
		struct hoy_err err = {};

		next = op->next;
		if (hoy_op_run(c, op, &err) < 0)
			hoy_op_finish(c, op, &err);
	}
	hoy_container_jobs_retry(c);
}

/* --- by phase ----------------------------------------------------------------------------- */

static int wait_for_phase(struct hoy_container *c, struct hoy_op *op)
{
	hoy_ops_append(&c->queue, op);
	return 0;
}

static int refuse_removing(struct hoy_container *c, struct hoy_err *err)
{
	return hoy_err_conflict(err, "container %s is marked for removal and cannot be used any more", c->info.id);
}

static int run_start(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	switch (c->phase) {
	case HOY_PHASE_IDLE:
		if (c->info.restarting && !c->ordered && !op->by_policy && !op->restart)
			return hoy_err_set(
				err, HOY_ERR_CONFLICT, EALREADY, "container %s is being restarted", c->info.id);
		return hoy_container_start_begin(c, op, err);
	case HOY_PHASE_RUNNING:
		if (c->info.paused)
			return hoy_err_conflict(err, "cannot start a paused container, try unpause instead");
		return hoy_err_set(err, HOY_ERR_CONFLICT, EALREADY, "container %s is already running", c->info.id);
	case HOY_PHASE_STARTING:
	case HOY_PHASE_ENDING:
		return wait_for_phase(c, op);
	case HOY_PHASE_REMOVING:
		break;
	}
	return refuse_removing(c, err);
}

static int run_stop(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	switch (c->phase) {
	case HOY_PHASE_IDLE:
		if (c->info.restarting) {
			hoy_container_set_stopped(c, true);
			hoy_container_restart_cancel(c);
			hoy_container_save(c);
			hoy_container_publish(c, "stop", NULL);
			hoy_op_finish(c, op, NULL);
			return 0;
		}
		return hoy_err_set(err, HOY_ERR_CONFLICT, EALREADY, "container %s is not running", c->info.id);
	case HOY_PHASE_RUNNING:
		return hoy_container_stop_begin(c, op, err);
	case HOY_PHASE_STARTING:
		return wait_for_phase(c, op);
	case HOY_PHASE_ENDING:
		hoy_ops_append(&c->stoppers, op);
		return 0;
	case HOY_PHASE_REMOVING:
		break;
	}
	return refuse_removing(c, err);
}

/* Stops first when it runs; the exit then turns the request into a start. */
static int run_restart(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	if (c->phase == HOY_PHASE_RUNNING)
		return hoy_container_stop_begin(c, op, err);
	op->kind = HOY_OP_START;
	op->restart = true;
	return run_start(c, op, err);
}

static int run_kill(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	if (c->phase == HOY_PHASE_STARTING)
		return wait_for_phase(c, op);
	if (c->phase == HOY_PHASE_RUNNING)
		return hoy_container_kill_begin(c, op, err);
	if (c->info.restarting && op->signal == SIGKILL)
		return run_stop(c, op, err);
	return hoy_err_conflict(err, "cannot kill container: %s: container %s is not running", c->info.id, c->info.id);
}

static int run_remove(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	switch (c->phase) {
	case HOY_PHASE_IDLE:
		if (c->info.restarting && !op->force)
			return hoy_err_conflict(err,
				"cannot remove container \"%s\": container is restarting: "
				"stop the container before removing or force remove",
				c->info.name);
		hoy_container_restart_cancel(c);
		return hoy_container_remove_begin(c, op, err);
	case HOY_PHASE_STARTING:
	case HOY_PHASE_RUNNING:
		if (!op->force)
			return hoy_err_conflict(err,
				"cannot remove container \"%s\": container is %s: "
				"%s the container before removing or force remove",
				c->info.name, c->info.paused ? "paused" : "running",
				c->info.paused ? "unpause" : "stop");
		if (c->phase == HOY_PHASE_RUNNING && !op->killed) {
			int r = hoy_container_signal(c, SIGKILL, err);

			if (r < 0)
				return r;
			hoy_container_set_stopped(c, true);
			hoy_container_thaw(c);
			op->killed = true;
		}
		return wait_for_phase(c, op);
	case HOY_PHASE_ENDING:
		return wait_for_phase(c, op);
	case HOY_PHASE_REMOVING:
		if (!op->killed)
			break;
		hoy_ops_append(&c->removers, op); /* it ended because of this request, and removes itself */
		return 0;
	}
	return hoy_err_conflict(err, "removal of container %s is already in progress", c->info.id);
}

int hoy_op_run(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	static int (*const run[])(struct hoy_container *, struct hoy_op *, struct hoy_err *) = {
		[HOY_OP_START] = run_start,
		[HOY_OP_STOP] = run_stop,
		[HOY_OP_RESTART] = run_restart,
		[HOY_OP_KILL] = run_kill,
		[HOY_OP_REMOVE] = run_remove,
	};

	if (c->files_busy && op->kind != HOY_OP_STOP && op->kind != HOY_OP_KILL)
		return wait_for_phase(c, op); /* until who reads or writes its files is done */
	return run[op->kind](c, op, err);
}

/* --- requests ---------------------------------------------------------------------------------- */

static int request(struct hoy_containers *room, const char *ref, const struct hoy_op *wanted, struct hoy_err *err)
{
	struct hoy_container *c;
	struct hoy_op *op;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	op = malloc(sizeof *op);
	if (!op)
		return hoy_err_oom(err);
	*op = *wanted;
	r = hoy_op_run(c, op, err);
	if (r < 0)
		free(op);
	return r;
}

int hoy_container_start(
	struct hoy_containers *room, const char *ref, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	const struct hoy_op op = { .kind = HOY_OP_START, .done = done, .userdata = userdata };

	return request(room, ref, &op, err);
}

/* The signal of a stop: the request's, the container's, SIGTERM. */
static int stop_signal(const struct hoy_container *c, const char *asked, struct hoy_err *err)
{
	const char *name = asked && *asked ? asked : c->config->stop_signal;
	int sig = name && *name ? hoy_signal_from_string(name) : SIGTERM;

	return sig < 0 ? hoy_err_invalid(err, "invalid signal: %s", name) : sig;
}

static int stop_or_restart(struct hoy_containers *room, enum hoy_op_kind kind, const char *ref,
	const struct hoy_container_stop *how, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	struct hoy_op op = { .kind = kind, .done = done, .userdata = userdata, .timeout = how->timeout };
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	op.signal = stop_signal(c, how->signal, err);
	if (op.signal < 0)
		return op.signal;
	if (how->timeout == HOY_STOP_TIMEOUT_DEFAULT)
		op.timeout = c->config->stop_timeout ? (int) *c->config->stop_timeout : 10;
	return request(room, ref, &op, err);
}

int hoy_container_stop(struct hoy_containers *room, const char *ref, const struct hoy_container_stop *how,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	return stop_or_restart(room, HOY_OP_STOP, ref, how, done, userdata, err);
}

int hoy_container_restart(struct hoy_containers *room, const char *ref, const struct hoy_container_stop *how,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	return stop_or_restart(room, HOY_OP_RESTART, ref, how, done, userdata, err);
}

int hoy_container_kill(struct hoy_containers *room, const char *ref, const char *signal, hoy_container_done done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_op op = { .kind = HOY_OP_KILL, .done = done, .userdata = userdata };

	op.signal = signal && *signal ? hoy_signal_from_string(signal) : SIGKILL;
	if (op.signal <= 0)
		return hoy_err_invalid(err, "Invalid signal: %s", signal);
	return request(room, ref, &op, err);
}

int hoy_container_remove(struct hoy_containers *room, const char *ref, const struct hoy_container_remove *how,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	const struct hoy_op op = {
		.kind = HOY_OP_REMOVE, .done = done, .userdata = userdata, .force = how->force, .volumes = how->volumes
	};

	return request(room, ref, &op, err);
}
