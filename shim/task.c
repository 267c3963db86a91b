/* Tasks and their processes: finding, starting, deleting. Creating is in task_create.c, execs are in task_exec.c. */
#include "shim/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/attach.h"
#include "shim/events.h"
#include "shim/io.h"
#include "shim/rootfs.h"
#include "shim/task_cgroup.h"
#include "shim/task_internal.h"

#define OVERDUE_NS ((uint64_t) 5 * 1000000000) /* from the runtime's delete to the process's end */

/* --- finding ------------------------------------------------------------------------------------------------------ */

struct hoy_task *hoy_task_find(struct hoy_tasks *tasks, const char *id)
{
	for (struct hoy_task *task = tasks->first; task; task = task->next)
		if (strcmp(task->id, id) == 0)
			return task;
	return NULL;
}

struct hoy_process *hoy_task_process(struct hoy_task *task, const char *exec_id)
{
	if (!*exec_id)
		return &task->init;
	for (struct hoy_process *exec = task->execs; exec; exec = exec->next)
		if (strcmp(exec->exec_id, exec_id) == 0)
			return exec;
	return NULL;
}

static void exec_free(struct hoy_process *exec)
{
	for (struct hoy_process **at = &exec->task->execs; *at; at = &(*at)->next)
		if (*at == exec) {
			*at = exec->next;
			break;
		}
	hoy_process_done(exec);
	free(exec);
}

void hoy_task_free(struct hoy_task *task)
{
	struct hoy_tasks *tasks = task->tasks;

	for (struct hoy_task **at = &tasks->first; *at; at = &(*at)->next)
		if (*at == task) {
			*at = task->next;
			break;
		}
	while (task->execs)
		exec_free(task->execs);
	hoy_process_done(&task->init);
	hoy_attach_free(task->attach);
	hoy_task_cgroup_free(task->cgroup);
	hoy_runtime_done(&task->runtime);
	hoy__pb__create_task_request__free_unpacked(task->create, NULL);
	free(task->checkpoint);
	free(task->saving);
	free(task->criu_work_path);
	free(task->id);
	free(task->bundle);
	free(task);
}

void hoy_tasks_free_all(struct hoy_tasks *tasks)
{
	while (tasks->first)
		hoy_task_free(tasks->first);
}

struct hoy_ttrpc_request *hoy_process_take_op(struct hoy_process *process)
{
	return TAKE_PTR(process->op);
}

/* An error of the runtime, as callers match it: "OCI runtime create failed: ...". */
void hoy_answer_runtime_error(struct hoy_ttrpc_request *req, const char *verb, const struct hoy_err *err)
{
	hoy_ttrpc_answer_code(req, HOY_TTRPC_UNKNOWN, "OCI runtime %s failed: %s", verb, hoy_err_str(err));
}

/* Runs argv (which may be NULL for want of memory) for `process` and its request. */
int hoy_process_run_runtime(struct hoy_process *process, char *const *argv, hoy_runtime_exit exit, struct hoy_err *err)
{
	const int *fds = process->state == HOY_PROCESS_CREATING && process->io ? hoy_io_child_fds(process->io) : NULL;

	return hoy_runtime_start(
		&process->task->runtime, process->task->tasks->reaper, argv, fds, exit, process, &process->run, err);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

void hoy_process_answer_start(struct hoy_process *process)
{
	Hoy__Pb__StartResponse response = HOY__PB__START_RESPONSE__INIT;

	response.pid = (uint32_t) process->pid;
	hoy_ttrpc_answer(hoy_process_take_op(process), &response.base);
}

static void on_started(void *userdata, const struct hoy_err *failure)
{
	Hoy__Pb__TaskStart event = HOY__PB__TASK_START__INIT;
	struct hoy_process *init = userdata;
	struct hoy_err err = {};

	init->run = NULL;
	if (!failure && init->task->checkpoint && hoy_task_set_up(init->task, &err) < 0)
		failure = &err;
	if (failure) {
		hoy_answer_runtime_error(hoy_process_take_op(init), "start", failure);
		if (!init->exited)
			init->state = HOY_PROCESS_CREATED;
	} else {
		if (!init->exited)
			init->state = HOY_PROCESS_RUNNING;
		event.container_id = init->task->id;
		event.pid = (uint32_t) init->pid;
		hoy_events_publish(init->task->tasks->events, "/tasks/start", &event.base);
		hoy_process_answer_start(init);
	}
	hoy_process_tell_exit(init);
	hoy_process_go_on_deleting(init);
}

static int run_start(struct hoy_process *init, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	int r = hoy_runtime_argv(&init->task->runtime, "start", &argv, err);

	if (r >= 0 && hoy_strv_add(&argv, init->task->id) < 0)
		r = hoy_err_oom(err);
	init->state = HOY_PROCESS_STARTING;
	return r < 0 ? r : hoy_process_run_runtime(init, argv, on_started, err);
}

static void start_init(struct hoy_process *init, struct hoy_ttrpc_request *req)
{
	struct hoy_err err = {};
	int r = hoy_io_open_stdin(init->io, &err);

	if (r >= 0)
		r = init->task->checkpoint ? hoy_task_run_restore(init->task, on_started, &err) : run_start(init, &err);
	if (r < 0) {
		init->state = HOY_PROCESS_CREATED;
		hoy_answer_runtime_error(req, "start", &err);
		return;
	}
	init->op = req;
}

void hoy_process_start(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	if (process->state == HOY_PROCESS_ADDED)
		hoy_exec_start(process, req);
	else if (process->state == HOY_PROCESS_CREATED && !process->run)
		start_init(process, req);
	else if (process->state == HOY_PROCESS_STARTING && process->op && hoy_ttrpc_is_abandoned(process->op)) {
		hoy_ttrpc_answer_empty(process->op); /* a supervisor that was killed; its follower hears how it ends */
		process->op = req;
	} else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot start a %s process",
			process->state == HOY_PROCESS_STOPPED ? "stopped" : "running");
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

/* To all who wait for the delete. */
static void tell_deleters(struct hoy_process *process, const ProtobufCMessage *response, const struct hoy_err *failure)
{
	auto_free struct hoy_ttrpc_request **also = TAKE_PTR(process->also_deleting);
	struct hoy_ttrpc_request *req = TAKE_PTR(process->deleting);
	size_t left = process->n_also_deleting;

	process->n_also_deleting = 0;
	for (;; req = also[--left]) {
		if (response)
			hoy_ttrpc_answer(req, response);
		else
			hoy_ttrpc_answer_err(req, failure);
		if (!left)
			return;
	}
}

static int join_deleters(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	size_t n = process->n_also_deleting;
	struct hoy_ttrpc_request **more = realloc(process->also_deleting, (n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[n] = req;
	process->also_deleting = more;
	process->n_also_deleting = n + 1;
	return 0;
}

static void answer_delete(struct hoy_process *process)
{
	Hoy__Pb__DeleteResponse response = HOY__PB__DELETE_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	time.seconds = process->exited_at.tv_sec;
	time.nanos = (int32_t) process->exited_at.tv_nsec;
	response.pid = (uint32_t) process->pid;
	response.exit_status = process->status;
	response.exited_at = process->exited ? &time : NULL;
	tell_deleters(process, &response.base, /* failure= */ NULL);
}

static void publish_delete(struct hoy_process *init)
{
	Hoy__Pb__TaskDelete event = HOY__PB__TASK_DELETE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	time.seconds = init->exited_at.tv_sec;
	time.nanos = (int32_t) init->exited_at.tv_nsec;
	event.container_id = init->task->id;
	event.pid = (uint32_t) init->pid;
	event.exit_status = init->status;
	event.exited_at = &time;
	hoy_events_publish(init->task->tasks->events, "/tasks/delete", &event.base);
}

static void finish_delete(struct hoy_task *task)
{
	struct hoy_tasks *tasks = task->tasks;
	struct hoy_err err = {};

	if (hoy_rootfs_unmount(task->bundle, &err) < 0)
		hoy_log_ignored(&err, "task '%s'", task->id);
	publish_delete(&task->init);
	answer_delete(&task->init);
	hoy_task_free(task);
	tasks->on_change(tasks->userdata);
}

/* Whoever asked hears of it, and may ask again. */
static void on_overdue(struct hoy_source *source, void *userdata)
{
	struct hoy_process *init = userdata;
	struct hoy_err err = {};

	(void) source;
	init->overdue = hoy_source_free(init->overdue);
	if (!init->deleting || init->exited)
		return;
	(void) hoy_process_is_alive(init, "delete", &err);
	init->delete_ran = false;
	tell_deleters(init, /* response= */ NULL, &err);
}

static void on_deleted(void *userdata, const struct hoy_err *failure)
{
	struct hoy_process *init = userdata;

	init->run = NULL;
	init->delete_ran = true;
	if (failure && !strstr(failure->msg, "does not exist"))
		hoy_log_ignored(failure, "delete '%s'", init->task->id);
	if (init->pid && !init->exited && !init->overdue)
		(void) hoy_loop_timer(
			init->task->tasks->loop, &init->overdue, OVERDUE_NS, on_overdue, init, /* err= */ NULL);
	hoy_process_tell_exit(init);
	hoy_process_go_on_deleting(init);
}

static void run_delete(struct hoy_process *init)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	struct hoy_err err = {};
	int r = hoy_runtime_argv(&init->task->runtime, "delete", &argv, &err);

	if (r >= 0 && (hoy_strv_add(&argv, "--force") < 0 || hoy_strv_add(&argv, init->task->id) < 0))
		r = hoy_err_oom(&err);
	if (r >= 0)
		r = hoy_process_run_runtime(init, argv, on_deleted, &err);
	if (r >= 0 && !init->exited && !init->killed_at)
		init->killed_at = hoy_loop_now(init->task->tasks->loop);
	if (r < 0)
		tell_deleters(init, /* response= */ NULL, &err);
}

void hoy_process_go_on_deleting(struct hoy_process *process)
{
	if (!process->deleting || process->run)
		return;
	if (process != &process->task->init) {
		if (process->settled) {
			answer_delete(process);
			exec_free(process);
		}
		return;
	}
	if (!process->delete_ran && (process->settled || process->state == HOY_PROCESS_CREATED))
		run_delete(process); /* of a created one: kills it */
	else if (process->delete_ran && ((process->exited && process->told) || !process->pid)) /* 0: never restored */
		finish_delete(process->task);
}

void hoy_process_delete(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	bool init = process == &process->task->init;
	struct hoy_err err = {};

	if (process->deleting) {
		if (join_deleters(process, req) < 0) {
			hoy_err_oom(&err);
			hoy_ttrpc_answer_err(req, &err);
		}
		return;
	}
	if (process->state != HOY_PROCESS_STOPPED && process->state != HOY_PROCESS_ADDED &&
		!(init && process->state == HOY_PROCESS_CREATED)) {
		(void) hoy_process_is_alive(process, "delete", &err);
		hoy_ttrpc_answer_err(req, &err);
		return;
	}
	if (process->state == HOY_PROCESS_ADDED)
		hoy_process_failed(process);
	process->deleting = req;
	hoy_process_go_on_deleting(process);
}
