/* Create: options, rootfs, streams, then the runtime; and what the task needs when that has succeeded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
#include "shim/task_internal.h"

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
	if (process && !process->io && hoy_exec_open_io(process, err) < 0) {
		(void) close(fd);
		return -EIO;
	}
	if (!process || !process->io) {
		(void) close(fd);
		return hoy_err_not_found(err, "no process '%s' '%s' to attach to", request->id, request->exec_id);
	}
	return hoy_io_attach(process->io, fd, &how, request->input, request->input_len, err);
}

int hoy_task_set_up(struct hoy_task *task, struct hoy_err *err)
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
	hoy_task_free(task);
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
		hoy_strv_add(&argv, task->id) < 0 || hoy_process_run_runtime(&task->init, argv, on_abandoned, NULL) < 0)
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
		hoy_answer_runtime_error(hoy_process_take_op(init), "create", failure);
		abandon(task);
	} else if (hoy_task_set_up(task, &err) < 0) {
		hoy_answer_runtime_error(hoy_process_take_op(init), "create", &err);
		delete_unusable(task);
	} else {
		init->state = HOY_PROCESS_CREATED;
		publish_create(task);
		response.pid = (uint32_t) init->pid;
		hoy_ttrpc_answer(hoy_process_take_op(init), &response.base);
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
	return hoy_process_run_runtime(&task->init, argv, on_created, err);
}

static void fail_create(struct hoy_task *task, struct hoy_err *err)
{
	struct hoy_reaper *reaper = task->tasks->reaper;

	if (err->kind == HOY_ERR_NOT_FOUND) /* of a file: not what a caller means by it */
		err->kind = HOY_ERR_SYSTEM;
	hoy_ttrpc_answer_err(hoy_process_take_op(&task->init), err);
	abandon(task);
	hoy_reaper_release(reaper);
}

/* The processes are somewhere else yet: start gets them. */
static void create_from_checkpoint(struct hoy_task *task)
{
	Hoy__Pb__CreateTaskResponse response = HOY__PB__CREATE_TASK_RESPONSE__INIT;
	struct hoy_reaper *reaper = task->tasks->reaper;

	task->init.state = HOY_PROCESS_CREATED;
	publish_create(task);
	hoy_ttrpc_answer(hoy_process_take_op(&task->init), &response.base);
	hoy_reaper_release(reaper);
}

static void create_with_io(struct hoy_process *init)
{
	struct hoy_err err = {};
	int r = hoy_io_check(init->io, &err);

	if (r >= 0 && init->task->checkpoint) {
		create_from_checkpoint(init->task);
		return;
	}
	if (r < 0 || run_create(init->task, &err) < 0) {
		hoy_err_wrap(&err, "OCI runtime create failed");
		fail_create(init->task, &err);
		return;
	}
	/* Looked up now, while the runtime works, rather than when the container has exited. */
	init->task->shares_pids = !hoy_bundle_has_pid_namespace(init->task->bundle);
}

static int load_options(struct hoy_task *task, const Hoy__Pb__Any *any, struct hoy_err *err)
{
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
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
	task->kill_timeout = options.kill_timeout;
	task->criu_work_path = TAKE_PTR(options.criu_work_path);
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
	task->checkpoint = *request->checkpoint ? strdup(request->checkpoint) : NULL;
	r = task->id && task->bundle && (task->checkpoint || !*request->checkpoint) ? 0 : hoy_err_oom(err);
	if (r >= 0)
		r = hoy_process_init(&task->init, task, "", request->terminal, stdio, err);
	if (r < 0) {
		hoy_task_free(task);
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
	if (*request->checkpoint && *request->checkpoint != '/')
		return hoy_err_invalid(err, "checkpoint '%s' is no absolute path", request->checkpoint);
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
