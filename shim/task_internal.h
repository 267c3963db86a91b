/* Shared by the files that call the runtime: task.c, task_create.c, task_exec.c, task_update.c. */
#ifndef HOY_SHIM_TASK_INTERNAL_H
#define HOY_SHIM_TASK_INTERNAL_H

#include "shim/task.h"

/* Takes the task out of the list and frees it with all its processes. */
void hoy_task_free(struct hoy_task *task);

struct hoy_ttrpc_request *hoy_process_take_op(struct hoy_process *process);

/* An error of the runtime, as callers match it: "OCI runtime create failed: ...". */
void hoy_answer_runtime_error(struct hoy_ttrpc_request *req, const char *verb, const struct hoy_err *err);

/* Runs the runtime for `process`, with its streams when it is being made. */
int hoy_process_run_runtime(struct hoy_process *process, char *const *argv, hoy_runtime_exit exit, struct hoy_err *err);

/* Runs `verb` without occupying the process: `args` (taken over, may be NULL) stand in front of the id, `file` (taken
 * over, may be NULL) is removed afterwards. `done` (may be NULL) hears of a success while the task is there. */
typedef void (*hoy_side_done)(struct hoy_task *task, const char *verb, const char *file);
void hoy_task_run_aside(struct hoy_task *task, const char *verb, char **args, char *file, hoy_side_done done,
	struct hoy_ttrpc_request *req);

/* After the runtime made the container: the process of the pid file is ours, its streams run, its cgroup is watched. */
int hoy_task_set_up(struct hoy_task *task, struct hoy_err *err);

/* Starting a task that was created from a checkpoint. */
int hoy_task_run_restore(struct hoy_task *task, hoy_runtime_exit exit, struct hoy_err *err);

/* Start is answered with the pid. */
void hoy_process_answer_start(struct hoy_process *process);

/* Start of a registered exec. */
void hoy_exec_start(struct hoy_process *exec, struct hoy_ttrpc_request *req);
/* Makes the streams of one that was added and not started, so that clients can be attached before its first output. */
int hoy_exec_open_io(struct hoy_process *exec, struct hoy_err *err);

#endif
