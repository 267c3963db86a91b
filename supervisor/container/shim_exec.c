/* The Task service of one shim, continued: execs, pause and resume, limits, checkpoints. */
#include <stdlib.h>
#include <string.h>

#include "base/ttrpc/options.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "supervisor/container/shim_internal.h"

int hoy_shim_exec(struct hoy_shim *shim, const struct hoy_shim_exec *exec, hoy_shim_done done, void *userdata,
	struct hoy_err *err)
{
	Hoy__Pb__ExecProcessRequest request = HOY__PB__EXEC_PROCESS_REQUEST__INIT;
	Hoy__Pb__Any spec = HOY__PB__ANY__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	spec.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/Process";
	spec.value.data = (uint8_t *) exec->process;
	spec.value.len = strlen(exec->process);
	request.id = (char *) shim->options.id;
	request.exec_id = (char *) exec->id;
	request.terminal = exec->io.terminal;
	request.stdin = (char *) exec->io.stdin_;
	request.stdout = (char *) exec->io.stdout_;
	request.stderr = (char *) exec->io.stderr_;
	request.spec = &spec;
	return hoy_shim_call(shim, "Exec", &request.base, 10 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_pause(struct hoy_shim *shim, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__PauseRequest request = HOY__PB__PAUSE_REQUEST__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	return hoy_shim_call(shim, "Pause", &request.base, 30 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_resume(struct hoy_shim *shim, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__ResumeRequest request = HOY__PB__RESUME_REQUEST__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	return hoy_shim_call(shim, "Resume", &request.base, 30 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_update(
	struct hoy_shim *shim, const char *resources, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__UpdateTaskRequest request = HOY__PB__UPDATE_TASK_REQUEST__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	any.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	any.value.data = (uint8_t *) resources;
	any.value.len = strlen(resources);
	request.id = (char *) shim->options.id;
	request.resources = &any;
	return hoy_shim_call(shim, "Update", &request.base, 30 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

/* Without a time limit: it takes as long as the container is large. */
int hoy_shim_checkpoint(
	struct hoy_shim *shim, const char *path, bool exit, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__CheckpointTaskRequest request = HOY__PB__CHECKPOINT_TASK_REQUEST__INIT;
	Hoy__Pb__CheckpointOptions options = HOY__PB__CHECKPOINT_OPTIONS__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };
	auto_free uint8_t *packed = NULL;

	options.exit = exit;
	packed = malloc(hoy__pb__checkpoint_options__get_packed_size(&options) + 1);
	if (!packed)
		return hoy_err_oom(err);
	any.type_url = (char *) "containerd.runc.v1.CheckpointOptions";
	any.value.data = packed;
	any.value.len = hoy__pb__checkpoint_options__pack(&options, packed);
	request.id = (char *) shim->options.id;
	request.path = (char *) path;
	request.options = &any;
	return hoy_shim_call(shim, "Checkpoint", &request.base, 0, hoy_shim_on_done, &whom, err);
}
