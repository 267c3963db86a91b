/* Pause, resume and update: calls of the runtime that leave the processes' own operations alone. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/events.h"
#include "shim/task_internal.h"

/* A verb that leaves the processes' own operations alone. */
struct side_run {
	struct hoy_tasks *tasks;
	char *id; /* the task may be gone when the runtime ends */
	const char *verb;
	struct hoy_ttrpc_request *req;
	char *file; /* removed afterwards */
	hoy_side_done done;
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

static void on_paused(struct hoy_task *task, const char *verb, const char *file)
{
	bool paused = strcmp(verb, "pause") == 0;

	(void) file;
	if (!task->init.exited)
		task->init.state = paused ? HOY_PROCESS_PAUSED : HOY_PROCESS_RUNNING;
	publish_paused(task, paused);
}

static void on_side_run(void *userdata, const struct hoy_err *failure)
{
	struct side_run *side = userdata;
	struct hoy_task *task = hoy_task_find(side->tasks, side->id);

	if (failure) {
		hoy_answer_runtime_error(side->req, side->verb, failure);
	} else {
		if (task && side->done)
			side->done(task, side->verb, side->file);
		hoy_ttrpc_answer_empty(side->req);
	}
	side_run_free(side);
}

static int make_argv(struct hoy_task *task, const char *verb, char *const *args, char ***ret, struct hoy_err *err)
{
	int r = hoy_runtime_argv(&task->runtime, verb, ret, err);

	for (; r >= 0 && args && *args; args++)
		if (hoy_strv_add(ret, *args) < 0)
			r = hoy_err_oom(err);
	return r >= 0 && hoy_strv_add(ret, task->id) < 0 ? hoy_err_oom(err) : r;
}

void hoy_task_run_aside(struct hoy_task *task, const char *verb, char **args, char *file, hoy_side_done done,
	struct hoy_ttrpc_request *req)
{
	auto_ptr(hoy_strv_free) char **argv = NULL, **owned = args;
	struct side_run *side = calloc(1, sizeof *side);
	struct hoy_runtime_run *unused;
	struct hoy_err err = {};
	int r = make_argv(task, verb, owned, &argv, &err);

	if (side)
		*side = (struct side_run){ task->tasks, strdup(task->id), verb, req, file, done };
	if (r >= 0 && (!side || !side->id))
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
	hoy_task_run_aside(task, paused ? "pause" : "resume", /* args= */ NULL, /* file= */ NULL, on_paused, req);
}

void hoy_task_update(struct hoy_task *task, const void *resources, size_t len, struct hoy_ttrpc_request *req)
{
	char *file = hoy_path_join(task->bundle, "resources.json"), **args = NULL;
	struct hoy_err err = {};
	int r = file ? hoy_file_write(AT_FDCWD, file, resources, len, 0600, /* flags= */ 0, &err) : hoy_err_oom(&err);

	if (r >= 0 && (hoy_strv_add(&args, "--resources") < 0 || hoy_strv_add(&args, file) < 0))
		r = hoy_err_oom(&err);

	if (r >= 0 && task->init.state != HOY_PROCESS_STOPPED) {
		hoy_task_run_aside(task, "update", args, file, /* done= */ NULL, req);
		return;
	}
	if (r < 0)
		hoy_ttrpc_answer_err(req, &err);
	else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "cannot update a stopped container");
	if (file)
		(void) unlink(file);
	free(file);
	hoy_strv_free(args);
}
