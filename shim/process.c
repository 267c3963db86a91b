/* One process: its streams, its exit, who waits for it. What the runtime does with it is in task*.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/bundle.h"
#include "shim/events.h"
#include "shim/io.h"
#include "shim/task_cgroup.h"
#include "shim/reaper.h"
#include "shim/task.h"

#define SETTLE_NS ((uint64_t) 2 * 1000000000)
#define STATUS_NEVER_RAN 255

struct hoy_waiter {
	struct hoy_waiter *next;
	struct hoy_ttrpc_request *req;
};

static bool is_init(const struct hoy_process *process)
{
	return process == &process->task->init;
}

int hoy_process_init(struct hoy_process *process, struct hoy_task *task, const char *exec_id, bool terminal,
	const char *const stdio[3], struct hoy_err *err)
{
	process->task = task;
	process->terminal = terminal;
	process->exec_id = strdup(exec_id);
	for (int i = 0; i < 3; i++)
		process->stdio[i] = strdup(stdio[i]);
	if (!process->exec_id || !process->stdio[0] || !process->stdio[1] || !process->stdio[2])
		return hoy_err_oom(err);
	return 0;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static void answer_wait(const struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__WaitResponse response = HOY__PB__WAIT_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	time.seconds = process->exited_at.tv_sec;
	time.nanos = (int32_t) process->exited_at.tv_nsec;
	response.exit_status = process->status;
	response.exited_at = &time;
	hoy_ttrpc_answer(req, &response.base);
}

static bool may_answer(const struct hoy_process *process)
{
	return process->exited && (process->settled || !process->io || !hoy_io_has_log(process->io));
}

static void answer_waiters(struct hoy_process *process)
{
	while (process->waiters && may_answer(process)) {
		struct hoy_waiter *waiter = process->waiters;

		process->waiters = waiter->next;
		answer_wait(process, waiter->req);
		free(waiter);
	}
}

void hoy_process_wait_for(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	struct hoy_waiter *waiter;

	if (may_answer(process)) {
		answer_wait(process, req);
		return;
	}
	waiter = calloc(1, sizeof *waiter);
	if (!waiter) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	waiter->req = req;
	waiter->next = process->waiters;
	process->waiters = waiter;
}

void hoy_process_done(struct hoy_process *process)
{
	if (!process->exited) {
		process->exited = process->settled = true;
		process->status = STATUS_NEVER_RAN;
		clock_gettime(CLOCK_REALTIME, &process->exited_at);
	}
	process->settled = true;
	answer_waiters(process);
	hoy_source_free(process->settle);
	hoy_source_free(process->overdue);
	hoy_watch_free(process->watch);
	hoy_runtime_run_free(process->run);
	hoy_io_free(process->io);
	free(process->exec_id);
	free(process->spec);
	free(process->also_deleting);
	for (int i = 0; i < 3; i++)
		free(process->stdio[i]);
}

void hoy_process_failed(struct hoy_process *process)
{
	process->state = HOY_PROCESS_STOPPED;
	process->exited = process->settled = process->told = true;
	process->status = STATUS_NEVER_RAN;
	clock_gettime(CLOCK_REALTIME, &process->exited_at);
	process->settle = hoy_source_free(process->settle);
	hoy_io_free(process->io); /* whoever reads its fifos hears of the end */
	process->io = NULL;
	answer_waiters(process);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void settle(struct hoy_process *process)
{
	if (process->settled)
		return;
	process->settled = true;
	process->settle = hoy_source_free(process->settle);
	answer_waiters(process);
	hoy_process_go_on_deleting(process);
}

static void on_drained(void *userdata)
{
	struct hoy_process *process = userdata;

	if (process->exited)
		settle(process);
}

static void on_settle_timeout(struct hoy_source *source, void *userdata)
{
	(void) source;
	settle(userdata); /* a child that outlives the process holds the pipe */
}

static void on_io_ready(void *userdata)
{
	struct hoy_process *process = userdata;

	process->ready(process);
}

int hoy_process_open_io(struct hoy_process *process, hoy_process_ready ready, struct hoy_err *err)
{
	struct hoy_task *task = process->task;
	const struct hoy_io_options options = {
		.loop = task->tasks->loop,
		.terminal = process->terminal,
		.stdin_ = process->stdio[0],
		.stdout_ = process->stdio[1],
		.stderr_ = process->stdio[2],
		.socket_dir = task->tasks->socket_dir,
		.uid = task->io_uid,
		.gid = task->io_gid,
		.lingering = &task->tasks->lingering,
		.reaper = task->tasks->reaper,
		.streams = task->tasks->streams,
		.id = task->id,
		.namespace_ = task->tasks->namespace_,
	};
	int r = hoy_io_new(&options, on_io_ready, on_drained, process, &process->io, err);

	process->ready = ready;
	if (r >= 0 && (process->width || process->height))
		(void) hoy_io_resize(process->io, process->width, process->height, /* err= */ NULL);
	if (r >= 0 && process->stdin_closed)
		hoy_io_close_stdin(process->io);
	if (r >= 0 && hoy_io_is_ready(process->io))
		ready(process);
	return r;
}

/* --- exit --------------------------------------------------------------------------------------------------------- */

static bool execs_run(const struct hoy_task *task)
{
	for (const struct hoy_process *exec = task->execs; exec; exec = exec->next)
		if (exec->pid && !exec->exited)
			return true;
	return false;
}

static void publish_exit(struct hoy_process *process)
{
	Hoy__Pb__TaskExit event = HOY__PB__TASK_EXIT__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	time.seconds = process->exited_at.tv_sec;
	time.nanos = (int32_t) process->exited_at.tv_nsec;
	event.container_id = process->task->id;
	event.id = is_init(process) ? process->task->id : process->exec_id;
	event.pid = (uint32_t) process->pid;
	event.exit_status = process->status;
	event.exited_at = &time;
	hoy_events_publish(process->task->tasks->events, "/tasks/exit", &event.base);
}

void hoy_process_tell_exit(struct hoy_process *process)
{
	struct hoy_task *task = process->task;

	if (!process->exited || process->told || process->run)
		return;
	if (is_init(process) && execs_run(task))
		return;
	process->told = true;
	publish_exit(process);
	if (!is_init(process))
		hoy_process_tell_exit(&task->init);
}

/* What the container started besides its first process must not outlive it. */
static void kill_rest(struct hoy_task *task)
{
	if (task->cgroup && task->shares_pids)
		(void) hoy_task_cgroup_kill(task->cgroup, SIGKILL, /* err= */ NULL);
	for (struct hoy_process *exec = task->execs; exec; exec = exec->next)
		if (exec->pid && !exec->exited)
			(void) kill(exec->pid, SIGKILL);
}

static void record_exit(struct hoy_process *process)
{
	struct hoy_task *task = process->task;
	struct hoy_err err = {};
	bool oom_killed = task->cgroup && hoy_task_cgroup_check_oom(task->cgroup);

	if (!is_init(process))
		return;
	if (hoy_bundle_write_exit(task->bundle, process->status, &process->exited_at, oom_killed, &err) < 0)
		hoy_log_err(&err, "record the exit of '%s'", task->id);
	kill_rest(task);
}

static void on_exit_of_process(void *userdata, const siginfo_t *si)
{
	struct hoy_process *process = userdata;
	struct hoy_tasks *tasks = process->task->tasks;

	process->watch = NULL;
	process->exited = true;
	process->status = (unsigned int) hoy_process_status(si);
	clock_gettime(CLOCK_REALTIME, &process->exited_at);
	process->state = HOY_PROCESS_STOPPED;
	record_exit(process);
	if (!process->io) {
		process->settled = true;
	} else {
		hoy_io_process_exited(process->io);
		if (hoy_loop_timer(tasks->loop, &process->settle, SETTLE_NS, on_settle_timeout, process, NULL) < 0)
			process->settled = true;
	}
	answer_waiters(process);
	hoy_process_tell_exit(process);
	hoy_process_go_on_deleting(process);
	tasks->on_change(tasks->userdata);
}

int hoy_process_adopt(struct hoy_process *process, pid_t pid, struct hoy_err *err)
{
	process->pid = pid;
	return hoy_reaper_watch(process->task->tasks->reaper, pid, on_exit_of_process, process, &process->watch, err);
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

/* The state that the kernel shows of it, and where it sleeps; false when it is about to end like any other. */
static bool is_stuck(pid_t pid, char *ret_where, size_t size)
{
	auto_(hoy_buf_done) struct hoy_buf stat = { .cap = 4096 }, where = { .cap = 256 };
	auto_free char *stat_path = hoy_str_printf("/proc/%d/stat", (int) pid);
	auto_free char *where_path = hoy_str_printf("/proc/%d/wchan", (int) pid);
	const char *name_end;

	if (!stat_path || hoy_file_read(AT_FDCWD, stat_path, &stat, /* err= */ NULL) < 0 || !stat.data)
		return false;
	name_end = strrchr(stat.data, ')');
	if (!name_end || strncmp(name_end, ") D", 3) != 0)
		return false;
	if (!where_path || hoy_file_read(AT_FDCWD, where_path, &where, /* err= */ NULL) < 0 || where.len < 2)
		(void) snprintf(ret_where, size, "the kernel");
	else
		(void) snprintf(ret_where, size, "%s", where.data);
	return true;
}

int hoy_process_is_alive(const struct hoy_process *process, const char *verb, struct hoy_err *err)
{
	char where[128];

	if (!process->killed_at || !is_stuck(process->pid, where, sizeof where))
		return hoy_err_conflict(err, "cannot %s a running process", verb);
	return hoy_err_conflict(err,
		"cannot %s a running process: %d was killed, but is in uninterruptible sleep (D, in %s) and ends only "
		"when that does",
		verb, (int) process->pid, where);
}

static void note_kill(struct hoy_process *process)
{
	if (!process->killed_at)
		process->killed_at = hoy_loop_now(process->task->tasks->loop);
}

static int kill_all(struct hoy_task *task, int sig, struct hoy_err *err)
{
	if (sig == SIGKILL) {
		note_kill(&task->init);
		for (struct hoy_process *exec = task->execs; exec; exec = exec->next)
			note_kill(exec);
	}
	return hoy_task_cgroup_kill(task->cgroup, sig, err);
}

static bool was_killed_in_vain(const struct hoy_process *process)
{
	char where[128];

	return process->killed_at && hoy_loop_now(process->task->tasks->loop) - process->killed_at >= SETTLE_NS &&
	       is_stuck(process->pid, where, sizeof where);
}

int hoy_process_kill(struct hoy_process *process, int sig, bool all, struct hoy_err *err)
{
	struct hoy_task *task = process->task;

	if (sig == SIGKILL && !process->exited && process->pid && was_killed_in_vain(process))
		return hoy_process_is_alive(process, "kill", err);
	if (all && is_init(process) && task->cgroup)
		return kill_all(task, sig, err);
	if (process->exited)
		return hoy_err_not_found(err, "process already finished: not found");
	if (!process->pid)
		return hoy_err_conflict(err, "process not created");
	if (sig < 0 || sig > SIGRTMAX)
		return hoy_err_invalid(err, "signal %d", sig);
	/* It is our child and not reaped yet: the pid is its. */
	if (kill(process->pid, sig) < 0)
		return errno == ESRCH ? hoy_err_not_found(err, "process already finished: not found")
				      : hoy_err_sys(err, "signal process %d", (int) process->pid);
	if (sig != SIGKILL)
		return 0;
	note_kill(process);
	/* What a freezer of v1 holds does not even die. */
	return process->state == HOY_PROCESS_PAUSED && task->cgroup ? kill_all(task, sig, err) : 0;
}
