/* Execs: registered by Exec, run by Start. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/bundle.h"
#include "shim/events.h"
#include "shim/io.h"
#include "shim/reaper.h"
#include "shim/task_internal.h"

static int exec_new(struct hoy_task *task, const Hoy__Pb__ExecProcessRequest *request, struct hoy_err *err)
{
	const char *const stdio[3] = { request->stdin, request->stdout, request->stderr };
	struct hoy_process *exec = calloc(1, sizeof *exec);
	int r;

	if (!exec)
		return hoy_err_oom(err);
	r = hoy_process_init(exec, task, request->exec_id, request->terminal, stdio, err);
	if (r >= 0) {
		exec->spec = strndup((const char *) request->spec->value.data, request->spec->value.len);
		r = exec->spec ? 0 : hoy_err_oom(err);
	}
	if (r < 0) {
		hoy_process_done(exec);
		free(exec);
		return r;
	}
	exec->next = task->execs;
	task->execs = exec;
	return 0;
}

static int check_exec(struct hoy_task *task, const Hoy__Pb__ExecProcessRequest *request, struct hoy_err *err)
{
	if (!hoy_shim_id_is_valid(request->exec_id))
		return hoy_err_invalid(err, "exec id '%s'", request->exec_id);
	if (hoy_task_process(task, request->exec_id))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "id %s: already exists", request->exec_id);
	if (!request->spec || !request->spec->value.len)
		return hoy_err_invalid(err, "exec without a process");
	if (task->init.state != HOY_PROCESS_RUNNING)
		return hoy_err_conflict(err, "cannot exec in a container that is not running");
	return 0;
}

void hoy_task_exec(struct hoy_task *task, const Hoy__Pb__ExecProcessRequest *request, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__TaskExecAdded event = HOY__PB__TASK_EXEC_ADDED__INIT;
	struct hoy_err err = {};

	if (check_exec(task, request, &err) < 0 || exec_new(task, request, &err) < 0) {
		hoy_ttrpc_answer_err(req, &err);
		return;
	}
	event.container_id = task->id;
	event.exec_id = request->exec_id;
	hoy_events_publish(task->tasks->events, "/tasks/exec-added", &event.base);
	hoy_ttrpc_answer_empty(req);
}

static char *exec_file(const struct hoy_process *exec, const char *suffix)
{
	return hoy_str_printf("%s/%s.%s", exec->task->bundle, exec->exec_id, suffix);
}

static void remove_exec_files(const struct hoy_process *exec)
{
	auto_free char *spec = exec_file(exec, "process.json"), *pid_file = exec_file(exec, "pid");

	if (spec)
		(void) unlink(spec);
	if (pid_file)
		(void) unlink(pid_file);
}

static int set_up_exec(struct hoy_process *exec, struct hoy_err *err)
{
	auto_free char *name = hoy_str_printf("%s.pid", exec->exec_id);
	pid_t pid = name ? hoy_bundle_read_pid(exec->task->bundle, name) : 0;
	int r;

	if (pid <= 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the runtime wrote no pid");
	r = hoy_process_adopt(exec, pid, err);
	if (r >= 0)
		r = hoy_io_start(exec->io, err);
	return r < 0 ? r : hoy_io_open_stdin(exec->io, err);
}

static void on_exec_started(void *userdata, const struct hoy_err *failure)
{
	Hoy__Pb__TaskExecStarted event = HOY__PB__TASK_EXEC_STARTED__INIT;
	struct hoy_process *exec = userdata;
	struct hoy_reaper *reaper = exec->task->tasks->reaper;
	struct hoy_err err = {};

	exec->run = NULL;
	if (!failure && set_up_exec(exec, &err) < 0)
		failure = &err;
	remove_exec_files(exec);
	if (failure) {
		if (exec->pid)
			(void) kill(exec->pid, SIGKILL);
		hoy_answer_runtime_error(hoy_process_take_op(exec), "exec", failure);
		hoy_process_failed(exec);
	} else {
		exec->state = HOY_PROCESS_RUNNING;
		event.container_id = exec->task->id;
		event.exec_id = exec->exec_id;
		event.pid = (uint32_t) exec->pid;
		hoy_events_publish(exec->task->tasks->events, "/tasks/exec-started", &event.base);
		hoy_process_answer_start(exec);
		hoy_process_tell_exit(exec);
	}
	hoy_process_go_on_deleting(exec);
	hoy_reaper_release(reaper);
}

static int run_exec(struct hoy_process *exec, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *spec = exec_file(exec, "process.json"), *pid_file = exec_file(exec, "pid");
	const char *console = hoy_io_console_socket(exec->io);
	int r = hoy_runtime_argv(&exec->task->runtime, "exec", &argv, err);

	if (r >= 0 && (!spec || !pid_file))
		r = hoy_err_oom(err);
	if (r >= 0)
		r = hoy_file_write(AT_FDCWD, spec, exec->spec, strlen(exec->spec), 0600, /* flags= */ 0, err);
	if (r < 0)
		return r;
	if (hoy_strv_add(&argv, "--process") < 0 || hoy_strv_add(&argv, spec) < 0 ||
		hoy_strv_add(&argv, "--pid-file") < 0 || hoy_strv_add(&argv, pid_file) < 0 ||
		hoy_strv_add(&argv, "--detach") < 0)
		return hoy_err_oom(err);
	if (console && (hoy_strv_add(&argv, "--console-socket") < 0 || hoy_strv_add(&argv, console) < 0))
		return hoy_err_oom(err);
	if (hoy_strv_add(&argv, exec->task->id) < 0)
		return hoy_err_oom(err);
	return hoy_process_run_runtime(exec, argv, on_exec_started, err);
}

static void fail_exec(struct hoy_process *exec, const struct hoy_err *err)
{
	struct hoy_reaper *reaper = exec->task->tasks->reaper;

	remove_exec_files(exec);
	hoy_answer_runtime_error(hoy_process_take_op(exec), "exec", err);
	hoy_process_failed(exec);
	hoy_reaper_release(reaper);
}

static void exec_with_io(struct hoy_process *exec)
{
	struct hoy_err err = {};

	if (hoy_io_check(exec->io, &err) < 0 || run_exec(exec, &err) < 0)
		fail_exec(exec, &err);
}

static void not_yet(struct hoy_process *exec)
{
	(void) exec;
}

int hoy_exec_open_io(struct hoy_process *exec, struct hoy_err *err)
{
	if (exec == &exec->task->init || exec->state != HOY_PROCESS_ADDED)
		return 0;
	return hoy_process_open_io(exec, not_yet, err);
}

/* The streams may be there: a client was attached before the start. */
static int open_io(struct hoy_process *exec, struct hoy_err *err)
{
	if (!exec->io)
		return hoy_process_open_io(exec, exec_with_io, err);
	exec->ready = exec_with_io;
	if (hoy_io_is_ready(exec->io))
		exec_with_io(exec);
	return 0;
}

void hoy_exec_start(struct hoy_process *exec, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = exec->task;
	struct hoy_err err = {};

	if (task->init.state != HOY_PROCESS_RUNNING) {
		hoy_ttrpc_answer_code(
			req, HOY_TTRPC_FAILED_PRECONDITION, "cannot exec in a container that is not running");
		hoy_process_failed(exec);
		return;
	}
	exec->state = HOY_PROCESS_CREATING;
	exec->op = req;
	hoy_reaper_hold(task->tasks->reaper); /* released when the start is over */
	if (open_io(exec, &err) < 0)
		fail_exec(exec, &err);
}
