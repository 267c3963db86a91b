/* Checkpoint: the runtime saves the processes. A task created from a checkpoint: start lets it bring them back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/options.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/events.h"
#include "shim/io.h"
#include "shim/protocol.h"
#include "shim/bundle.h"
#include "shim/task_internal.h"

#define OPTIONS_TYPE "containerd.runc.v1.CheckpointOptions"
#define WORK_DIR "criu" /* in the bundle */

/* Flags that have a value when `value` is not empty. */
static int add_value(char ***args, const char *flag, const char *value)
{
	if (!value || !*value)
		return 0;
	return hoy_strv_add(args, flag) < 0 ? -ENOMEM : hoy_strv_add(args, value);
}

static int add_flag(char ***args, const char *flag, bool wanted)
{
	return wanted ? hoy_strv_add(args, flag) : 0;
}

/* CRIU's log must outlive the images, which containerd puts into its store and removes. */
static int add_directories(struct hoy_task *task, const char *images, const char *work, char ***args)
{
	auto_free char *in_bundle = hoy_path_join(task->bundle, WORK_DIR);

	if (!work || !*work)
		work = task->criu_work_path ? task->criu_work_path : in_bundle;
	if (!in_bundle || add_value(args, "--image-path", images) < 0 || add_value(args, "--work-path", work) < 0)
		return -ENOMEM;
	return 0;
}

/* --- checkpoint --------------------------------------------------------------------------------------------------- */

static int checkpoint_args(
	struct hoy_task *task, const char *path, const Hoy__Pb__CheckpointOptions *o, char ***args, struct hoy_err *err)
{
	int r = add_directories(task, *o->image_path ? o->image_path : path, o->work_path, args);

	if (r == 0)
		r = add_flag(args, "--leave-running", !o->exit);
	if (r == 0)
		r = add_flag(args, "--tcp-established", o->open_tcp);
	if (r == 0)
		r = add_flag(args, "--ext-unix-sk", o->external_unix_sockets);
	if (r == 0)
		r = add_flag(args, "--shell-job", o->terminal);
	if (r == 0)
		r = add_flag(args, "--file-locks", o->file_locks);
	if (r == 0)
		r = add_value(args, "--manage-cgroups-mode", o->cgroups_mode);
	for (size_t i = 0; r == 0 && i < o->n_empty_namespaces; i++)
		r = add_value(args, "--empty-ns", o->empty_namespaces[i]);
	return r < 0 ? hoy_err_oom(err) : 0;
}

static void on_checkpointed(struct hoy_task *task, const char *verb, const char *file)
{
	Hoy__Pb__TaskCheckpointed event = HOY__PB__TASK_CHECKPOINTED__INIT;

	(void) verb;
	(void) file;
	event.container_id = task->id;
	event.checkpoint = (char *) (task->saving ? task->saving : "");
	hoy_events_publish(task->tasks->events, "/tasks/checkpointed", &event.base);
}

static int unpack_options(const Hoy__Pb__Any *any, Hoy__Pb__CheckpointOptions **ret, struct hoy_err *err)
{
	const char *slash = any && any->type_url ? strrchr(any->type_url, '/') : NULL;
	const char *type = slash ? slash + 1 : any && any->type_url ? any->type_url : "";

	if (*type && strcmp(type, OPTIONS_TYPE) != 0)
		return hoy_err_unsupported(err, "checkpoint options of type '%s'", type);
	*ret = hoy__pb__checkpoint_options__unpack(NULL, *type ? any->value.len : 0, *type ? any->value.data : NULL);
	return *ret ? 0 : hoy_err_invalid(err, "checkpoint options can't be read");
}

void hoy_task_checkpoint(
	struct hoy_task *task, const char *path, const Hoy__Pb__Any *any, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__CheckpointOptions *options = NULL;
	struct hoy_err err = {};
	char **args = NULL;
	int r;

	if (task->init.state != HOY_PROCESS_RUNNING && task->init.state != HOY_PROCESS_PAUSED) {
		hoy_ttrpc_answer_code(
			req, HOY_TTRPC_FAILED_PRECONDITION, "cannot checkpoint a container that does not run");
		return;
	}
	r = unpack_options(any, &options, &err);
	if (r == 0 && !*path && !*options->image_path)
		r = hoy_err_invalid(&err, "checkpoint without a path");
	if (r == 0)
		r = checkpoint_args(task, path, options, &args, &err);
	if (r == 0) {
		free(task->saving);
		task->saving = strdup(path);
		hoy_task_run_aside(task, "checkpoint", args, /* file= */ NULL, on_checkpointed, req);
	} else {
		hoy_strv_free(args);
		hoy_ttrpc_answer_err(req, &err);
	}
	if (options)
		hoy__pb__checkpoint_options__free_unpacked(options, NULL);
}

/* --- restore ------------------------------------------------------------------------------------------------------ */

int hoy_task_run_restore(struct hoy_task *task, hoy_runtime_exit exit, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *pid_file = hoy_path_join(task->bundle, HOY_SHIM_PID_FILE);
	int r = pid_file ? hoy_runtime_argv(&task->runtime, "restore", &argv, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = add_flag(&argv, "--detach", true);
	if (r == 0)
		r = add_value(&argv, "--bundle", task->bundle);
	if (r == 0)
		r = add_value(&argv, "--pid-file", pid_file);
	if (r == 0)
		r = add_value(&argv, "--console-socket", hoy_io_console_socket(task->init.io));
	if (r == 0)
		r = add_directories(task, task->checkpoint, /* work= */ NULL, &argv);
	if (r == 0)
		r = add_flag(&argv, "--no-pivot", task->no_pivot_root);
	if (r < 0 || hoy_strv_add(&argv, task->id) < 0)
		return hoy_err_oom(err);
	(void) unlink(pid_file);
	task->init.state = HOY_PROCESS_CREATING; /* with its streams */
	return hoy_process_run_runtime(&task->init, argv, exit, err);
}
