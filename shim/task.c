/* What the runtime does with containers and execs: create, start, exec, delete, pause, resume, update. */
#include "shim/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/attach.h"
#include "shim/audience.h"
#include "shim/bundle.h"
#include "shim/events.h"
#include "shim/io.h"
#include "shim/protocol.h"
#include "shim/reaper.h"
#include "shim/rootfs.h"
#include "shim/task_cgroup.h"

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

static void task_free(struct hoy_task *task)
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
	free(task->id);
	free(task->bundle);
	free(task);
}

void hoy_tasks_free_all(struct hoy_tasks *tasks)
{
	while (tasks->first)
		task_free(tasks->first);
}

static struct hoy_ttrpc_request *take_op(struct hoy_process *process)
{
	return TAKE_PTR(process->op);
}

/* An error of the runtime, as callers match it: "OCI runtime create failed: ...". */
static void answer_runtime_error(struct hoy_ttrpc_request *req, const char *verb, const struct hoy_err *err)
{
	hoy_ttrpc_answer_code(req, HOY_TTRPC_UNKNOWN, "OCI runtime %s failed: %s", verb, hoy_err_str(err));
}

/* Runs argv (which may be NULL for want of memory) for `process` and its request. */
static int run(struct hoy_process *process, char *const *argv, hoy_runtime_exit exit, struct hoy_err *err)
{
	const int *fds = process->state == HOY_PROCESS_CREATING && process->io ? hoy_io_child_fds(process->io) : NULL;

	return hoy_runtime_start(
		&process->task->runtime, process->task->tasks->reaper, argv, fds, exit, process, &process->run, err);
}

/* --- create ------------------------------------------------------------------------------------------------------- */

static void publish_create(struct hoy_task *task)
{
	Hoy__Pb__TaskCreate event = HOY__PB__TASK_CREATE__INIT;
	Hoy__Pb__TaskIO io = HOY__PB__TASK_IO__INIT;

	io.stdin = task->init.stdio[0];
	io.stdout = task->init.stdio[1];
	io.stderr = task->init.stdio[2];
	io.terminal = task->init.terminal;
	event.container_id = task->id;
	event.bundle = task->bundle;
	event.rootfs = task->create->rootfs;
	event.n_rootfs = task->create->n_rootfs;
	event.io = &io;
	event.checkpoint = task->create->checkpoint;
	event.pid = (uint32_t) task->init.pid;
	hoy_events_publish(task->tasks->events, "/tasks/create", &event.base);
	hoy__pb__create_task_request__free_unpacked(task->create, NULL);
	task->create = NULL;
}

static void on_oom(void *userdata)
{
	Hoy__Pb__TaskOOM event = HOY__PB__TASK_OOM__INIT;
	struct hoy_task *task = userdata;

	event.container_id = task->id;
	hoy_events_publish(task->tasks->events, "/tasks/oom", &event.base);
}

static int on_attach(void *userdata, const struct hoy_attach_request *request, int fd, struct hoy_err *err)
{
	const struct hoy_audience_client how = {
		.stdin_ = request->stdin_,
		.stdout_ = request->stdout_,
		.stderr_ = request->stderr_,
		.framed = request->framed,
		.detach_keys = request->detach_keys,
	};
	struct hoy_task *task = userdata;
	struct hoy_process *process = NULL;

	if (!*request->id || strcmp(request->id, task->id) == 0)
		process = hoy_task_process(task, request->exec_id);
	if (!process || !process->io) {
		(void) close(fd);
		return hoy_err_not_found(err, "no process '%s' '%s' to attach to", request->id, request->exec_id);
	}
	return hoy_io_attach(process->io, fd, &how, request->input, request->input_len, err);
}

static int set_up_created(struct hoy_task *task, struct hoy_err *err)
{
	struct hoy_process *init = &task->init;
	pid_t pid = hoy_bundle_read_pid(task->bundle, HOY_SHIM_PID_FILE);
	int r;

	if (pid <= 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the runtime wrote no pid");
	r = hoy_process_adopt(init, pid, err);
	if (r >= 0)
		r = hoy_io_start(init->io, err);
	if (r >= 0 && hoy_io_can_attach(init->io))
		r = hoy_attach_new(task->tasks->loop, task->bundle, on_attach, task, &task->attach, err);
	if (r >= 0)
		r = hoy_task_cgroup_new(task->tasks->loop, pid, on_oom, task, &task->cgroup, err);
	return r;
}

static void abandon(struct hoy_task *task)
{
	struct hoy_tasks *tasks = task->tasks;
	struct hoy_err err = {};

	if (hoy_rootfs_unmount(task->bundle, &err) < 0)
		hoy_log_ignored(&err, "task '%s'", task->id);
	task_free(task);
	tasks->on_change(tasks->userdata);
}

static void on_abandoned(void *userdata, const struct hoy_err *err)
{
	struct hoy_process *init = userdata;

	(void) err;
	init->run = NULL;
	abandon(init->task);
}

/* The runtime made the container, we can't use it: it goes again. */
static void delete_unusable(struct hoy_task *task)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;

	task->init.told = true;
	if (hoy_runtime_argv(&task->runtime, "delete", &argv, NULL) < 0 || hoy_strv_add(&argv, "--force") < 0 ||
		hoy_strv_add(&argv, task->id) < 0 || run(&task->init, argv, on_abandoned, NULL) < 0)
		abandon(task);
}

static void on_created(void *userdata, const struct hoy_err *failure)
{
	Hoy__Pb__CreateTaskResponse response = HOY__PB__CREATE_TASK_RESPONSE__INIT;
	struct hoy_process *init = userdata;
	struct hoy_task *task = init->task;
	struct hoy_reaper *reaper = task->tasks->reaper;
	struct hoy_err err = {};

	init->run = NULL;
	if (failure) {
		answer_runtime_error(take_op(init), "create", failure);
		abandon(task);
	} else if (set_up_created(task, &err) < 0) {
		answer_runtime_error(take_op(init), "create", &err);
		delete_unusable(task);
	} else {
		init->state = HOY_PROCESS_CREATED;
		publish_create(task);
		response.pid = (uint32_t) init->pid;
		hoy_ttrpc_answer(take_op(init), &response.base);
	}
	hoy_reaper_release(reaper);
}

static int run_create(struct hoy_task *task, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	const char *console = hoy_io_console_socket(task->init.io);
	auto_free char *pid_file = hoy_path_join(task->bundle, HOY_SHIM_PID_FILE);
	int r = hoy_runtime_argv(&task->runtime, "create", &argv, err);

	if (r < 0)
		return r;
	if (!pid_file || hoy_strv_add(&argv, "--bundle") < 0 || hoy_strv_add(&argv, task->bundle) < 0 ||
		hoy_strv_add(&argv, "--pid-file") < 0 || hoy_strv_add(&argv, pid_file) < 0)
		return hoy_err_oom(err);
	if (console && (hoy_strv_add(&argv, "--console-socket") < 0 || hoy_strv_add(&argv, console) < 0))
		return hoy_err_oom(err);
	if ((task->no_pivot_root && hoy_strv_add(&argv, "--no-pivot") < 0) ||
		(task->no_new_keyring && hoy_strv_add(&argv, "--no-new-keyring") < 0) ||
		hoy_strv_add(&argv, task->id) < 0)
		return hoy_err_oom(err);
	(void) unlink(pid_file);
	return run(&task->init, argv, on_created, err);
}

static void fail_create(struct hoy_task *task, struct hoy_err *err)
{
	struct hoy_reaper *reaper = task->tasks->reaper;

	if (err->kind == HOY_ERR_NOT_FOUND) /* of a file: not what a caller means by it */
		err->kind = HOY_ERR_SYSTEM;
	hoy_ttrpc_answer_err(take_op(&task->init), err);
	abandon(task);
	hoy_reaper_release(reaper);
}

static void create_with_io(struct hoy_process *init)
{
	struct hoy_err err = {};

	if (run_create(init->task, &err) < 0) {
		hoy_err_wrap(&err, "OCI runtime create failed");
		fail_create(init->task, &err);
		return;
	}
	/* Looked up now, while the runtime works, rather than when the container has exited. */
	init->task->shares_pids = !hoy_bundle_has_pid_namespace(init->task->bundle);
}

static int load_options(struct hoy_task *task, const Hoy__Pb__Any *any, struct hoy_err *err)
{
	auto_(hoy_shim_options_done) struct hoy_shim_options options = {};
	int r = hoy_shim_options_load(task->bundle, &options, err);

	if (r >= 0 && any && *any->type_url) {
		r = hoy_shim_options_set(&options, any->type_url, any->value.data, any->value.len, err);
		if (r >= 0)
			r = hoy_shim_options_save(&options, task->bundle, err);
	}
	if (r < 0)
		return r;
	task->no_pivot_root = options.no_pivot_root;
	task->no_new_keyring = options.no_new_keyring;
	task->io_uid = options.io_uid;
	task->io_gid = options.io_gid;
	return hoy_runtime_init(&task->runtime, &options, task->tasks->namespace_, task->bundle, err);
}

static int task_new(
	struct hoy_tasks *tasks, Hoy__Pb__CreateTaskRequest *request, struct hoy_task **ret, struct hoy_err *err)
{
	const char *const stdio[3] = { request->stdin, request->stdout, request->stderr };
	struct hoy_task *task = calloc(1, sizeof *task);
	int r;

	if (!task) {
		hoy__pb__create_task_request__free_unpacked(request, NULL);
		return hoy_err_oom(err);
	}
	task->tasks = tasks;
	task->create = request;
	task->init.task = task;
	task->init.state = HOY_PROCESS_CREATING;
	task->id = strdup(request->id);
	task->bundle = strdup(request->bundle);
	r = task->id && task->bundle ? 0 : hoy_err_oom(err);
	if (r >= 0)
		r = hoy_process_init(&task->init, task, "", request->terminal, stdio, err);
	if (r < 0) {
		task_free(task);
		return r;
	}
	task->next = tasks->first;
	tasks->first = task;
	*ret = task;
	return 0;
}

static int check_create(struct hoy_tasks *tasks, const Hoy__Pb__CreateTaskRequest *request, struct hoy_err *err)
{
	if (!hoy_shim_id_is_valid(request->id))
		return hoy_err_invalid(err, "container id '%s'", request->id);
	if (*request->bundle != '/')
		return hoy_err_invalid(err, "bundle '%s' is no absolute path", request->bundle);
	if (*request->checkpoint)
		return hoy_err_unsupported(err, "restoring a checkpoint is not supported");
	if (hoy_task_find(tasks, request->id))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "id %s: already exists", request->id);
	return 0;
}

void hoy_task_create(struct hoy_tasks *tasks, Hoy__Pb__CreateTaskRequest *request, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = NULL;
	struct hoy_err err = {};
	int r = check_create(tasks, request, &err);

	if (r < 0) {
		hoy__pb__create_task_request__free_unpacked(request, NULL);
		hoy_ttrpc_answer_err(req, &err);
		return;
	}
	hoy_reaper_hold(tasks->reaper); /* released when the create is over */
	r = task_new(tasks, request, &task, &err);
	if (r < 0) {
		hoy_reaper_release(tasks->reaper);
		hoy_ttrpc_answer_err(req, &err);
		return;
	}
	task->init.op = req;
	r = load_options(task, request->options, &err);
	if (r >= 0)
		r = hoy_rootfs_mount(request->rootfs, request->n_rootfs, task->bundle, &err);
	if (r >= 0)
		r = hoy_process_open_io(&task->init, create_with_io, &err);
	if (r < 0)
		fail_create(task, &err);
}

/* --- exec --------------------------------------------------------------------------------------------------------- */

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

static void answer_start(struct hoy_process *process)
{
	Hoy__Pb__StartResponse response = HOY__PB__START_RESPONSE__INIT;

	response.pid = (uint32_t) process->pid;
	hoy_ttrpc_answer(take_op(process), &response.base);
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
		answer_runtime_error(take_op(exec), "exec", failure);
		hoy_process_failed(exec);
	} else {
		exec->state = HOY_PROCESS_RUNNING;
		event.container_id = exec->task->id;
		event.exec_id = exec->exec_id;
		event.pid = (uint32_t) exec->pid;
		hoy_events_publish(exec->task->tasks->events, "/tasks/exec-started", &event.base);
		answer_start(exec);
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
	return run(exec, argv, on_exec_started, err);
}

static void fail_exec(struct hoy_process *exec, const struct hoy_err *err)
{
	struct hoy_reaper *reaper = exec->task->tasks->reaper;

	remove_exec_files(exec);
	answer_runtime_error(take_op(exec), "exec", err);
	hoy_process_failed(exec);
	hoy_reaper_release(reaper);
}

static void exec_with_io(struct hoy_process *exec)
{
	struct hoy_err err = {};

	if (run_exec(exec, &err) < 0)
		fail_exec(exec, &err);
}

static void start_exec(struct hoy_process *exec, struct hoy_ttrpc_request *req)
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
	if (hoy_process_open_io(exec, exec_with_io, &err) < 0)
		fail_exec(exec, &err);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static void on_started(void *userdata, const struct hoy_err *failure)
{
	Hoy__Pb__TaskStart event = HOY__PB__TASK_START__INIT;
	struct hoy_process *init = userdata;

	init->run = NULL;
	if (failure) {
		answer_runtime_error(take_op(init), "start", failure);
		if (!init->exited)
			init->state = HOY_PROCESS_CREATED;
	} else {
		if (!init->exited)
			init->state = HOY_PROCESS_RUNNING;
		event.container_id = init->task->id;
		event.pid = (uint32_t) init->pid;
		hoy_events_publish(init->task->tasks->events, "/tasks/start", &event.base);
		answer_start(init);
	}
	hoy_process_tell_exit(init);
	hoy_process_go_on_deleting(init);
}

static void start_init(struct hoy_process *init, struct hoy_ttrpc_request *req)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	struct hoy_err err = {};
	int r = hoy_runtime_argv(&init->task->runtime, "start", &argv, &err);

	if (r >= 0 && hoy_strv_add(&argv, init->task->id) < 0)
		r = hoy_err_oom(&err);
	init->state = HOY_PROCESS_STARTING;
	if (r >= 0)
		r = hoy_io_open_stdin(init->io, &err);
	if (r >= 0)
		r = run(init, argv, on_started, &err);
	if (r < 0) {
		init->state = HOY_PROCESS_CREATED;
		answer_runtime_error(req, "start", &err);
		return;
	}
	init->op = req;
}

void hoy_process_start(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	if (process->state == HOY_PROCESS_ADDED)
		start_exec(process, req);
	else if (process->state == HOY_PROCESS_CREATED && !process->run)
		start_init(process, req);
	else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot start a %s process",
			process->state == HOY_PROCESS_STOPPED ? "stopped" : "running");
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

static void answer_delete(struct hoy_process *process)
{
	Hoy__Pb__DeleteResponse response = HOY__PB__DELETE_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	time.seconds = process->exited_at.tv_sec;
	time.nanos = (int32_t) process->exited_at.tv_nsec;
	response.pid = (uint32_t) process->pid;
	response.exit_status = process->status;
	response.exited_at = process->exited ? &time : NULL;
	hoy_ttrpc_answer(TAKE_PTR(process->deleting), &response.base);
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
	task_free(task);
	tasks->on_change(tasks->userdata);
}

static void on_deleted(void *userdata, const struct hoy_err *failure)
{
	struct hoy_process *init = userdata;

	init->run = NULL;
	init->delete_ran = true;
	if (failure && !strstr(failure->msg, "does not exist"))
		hoy_log_ignored(failure, "delete '%s'", init->task->id);
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
		r = run(init, argv, on_deleted, &err);
	if (r < 0)
		hoy_ttrpc_answer_err(TAKE_PTR(init->deleting), &err);
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
	else if (process->delete_ran && process->exited && process->told)
		finish_delete(process->task);
}

void hoy_process_delete(struct hoy_process *process, struct hoy_ttrpc_request *req)
{
	bool init = process == &process->task->init;

	if (process->deleting) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "the process is being deleted already");
		return;
	}
	if (process->state != HOY_PROCESS_STOPPED && process->state != HOY_PROCESS_ADDED &&
		!(init && process->state == HOY_PROCESS_CREATED)) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot delete a running process");
		return;
	}
	if (process->state == HOY_PROCESS_ADDED)
		hoy_process_failed(process);
	process->deleting = req;
	hoy_process_go_on_deleting(process);
}

/* --- pause, resume, update ---------------------------------------------------------------------------------------- */

/* A verb that leaves the processes' own operations alone. */
struct side_run {
	struct hoy_tasks *tasks;
	char *id; /* the task may be gone when the runtime ends */
	const char *verb;
	struct hoy_ttrpc_request *req;
	char *file; /* removed afterwards */
};

static void side_run_free(struct side_run *side)
{
	if (side->file)
		(void) unlink(side->file);
	free(side->file);
	free(side->id);
	free(side);
}

static void publish_paused(struct hoy_task *task, bool paused)
{
	Hoy__Pb__TaskPaused event = HOY__PB__TASK_PAUSED__INIT;
	Hoy__Pb__TaskResumed resumed = HOY__PB__TASK_RESUMED__INIT;

	event.container_id = resumed.container_id = task->id;
	hoy_events_publish(
		task->tasks->events, paused ? "/tasks/paused" : "/tasks/resumed", paused ? &event.base : &resumed.base);
}

static void on_side_run(void *userdata, const struct hoy_err *failure)
{
	struct side_run *side = userdata;
	struct hoy_task *task = hoy_task_find(side->tasks, side->id);
	bool pause = strcmp(side->verb, "pause") == 0, resume = strcmp(side->verb, "resume") == 0;

	if (failure) {
		answer_runtime_error(side->req, side->verb, failure);
	} else {
		if (task && (pause || resume)) {
			if (!task->init.exited)
				task->init.state = pause ? HOY_PROCESS_PAUSED : HOY_PROCESS_RUNNING;
			publish_paused(task, pause);
		}
		hoy_ttrpc_answer_empty(side->req);
	}
	side_run_free(side);
}

/* `file` (may be NULL) is taken over: a file that the verb reads. */
static void run_aside(struct hoy_task *task, const char *verb, char *file, struct hoy_ttrpc_request *req)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	struct side_run *side = calloc(1, sizeof *side);
	struct hoy_runtime_run *unused;
	struct hoy_err err = {};
	int r = hoy_runtime_argv(&task->runtime, verb, &argv, &err);

	if (side) {
		*side = (struct side_run){ .tasks = task->tasks, .id = strdup(task->id), .verb = verb, .file = file };
		side->req = req;
	}
	if (r >= 0 && (!side || !side->id ||
			      (file && (hoy_strv_add(&argv, "--resources") < 0 || hoy_strv_add(&argv, file) < 0)) ||
			      hoy_strv_add(&argv, task->id) < 0))
		r = hoy_err_oom(&err);
	if (r >= 0)
		r = hoy_runtime_start(
			&task->runtime, task->tasks->reaper, argv, /* fds= */ NULL, on_side_run, side, &unused, &err);
	if (r < 0) {
		hoy_ttrpc_answer_err(req, &err);
		if (side)
			side_run_free(side);
	}
}

void hoy_task_set_paused(struct hoy_task *task, bool paused, struct hoy_ttrpc_request *req)
{
	enum hoy_process_state wanted = paused ? HOY_PROCESS_RUNNING : HOY_PROCESS_PAUSED;

	if (task->init.state != wanted) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot %s a container that is not %s",
			paused ? "pause" : "resume", paused ? "running" : "paused");
		return;
	}
	run_aside(task, paused ? "pause" : "resume", /* file= */ NULL, req);
}

void hoy_task_update(struct hoy_task *task, const void *resources, size_t len, struct hoy_ttrpc_request *req)
{
	char *file = hoy_path_join(task->bundle, "resources.json");
	struct hoy_err err = {};
	int r = file ? hoy_file_write(AT_FDCWD, file, resources, len, 0600, /* flags= */ 0, &err) : hoy_err_oom(&err);

	if (r < 0) {
		free(file);
		hoy_ttrpc_answer_err(req, &err);
	} else if (task->init.state == HOY_PROCESS_STOPPED) {
		(void) unlink(file);
		free(file);
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot update a stopped container");
	} else {
		run_aside(task, "update", file, req);
	}
}
