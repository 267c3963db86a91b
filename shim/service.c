/* containerd.task.v2.Task, containerd.task.v3.Task, hoy.shim.v1 and the streaming service; sandbox.c has the Sandbox
 * service. */
#include "shim/service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/ttrpc/hoy_shim.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/io.h"
#include "shim/service_internal.h"
#include "shim/stream.h"
#include "shim/task.h"
#include "shim/task_cgroup.h"
#include "shim/task_stats.h"

static struct hoy_task *find_task(struct hoy_service *service, const char *id, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = hoy_task_find(service->tasks, id);

	if (!task || task->init.state == HOY_PROCESS_CREATING) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_NOT_FOUND, "container not created: not found");
		return NULL;
	}
	return task;
}

static struct hoy_process *find_process(
	struct hoy_service *service, const char *id, const char *exec_id, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = find_task(service, id, req);
	struct hoy_process *process = task ? hoy_task_process(task, exec_id) : NULL;

	if (task && !process)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_NOT_FOUND, "process does not exist %s: not found", exec_id);
	return process;
}

static void answer_result(struct hoy_ttrpc_request *req, int result, const struct hoy_err *err)
{
	if (result < 0)
		hoy_ttrpc_answer_err(req, err);
	else
		hoy_ttrpc_answer_empty(req);
}

static void handle_create(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__CreateTaskRequest *request = (Hoy__Pb__CreateTaskRequest *) *message;

	*message = NULL;
	service->create(service->userdata);
	hoy_task_create(service->tasks, request, req);
}

static void handle_start(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__StartRequest *request = (const Hoy__Pb__StartRequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);

	if (process)
		hoy_process_start(process, req);
}

static void handle_delete(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__DeleteRequest *request = (const Hoy__Pb__DeleteRequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);

	if (process)
		hoy_process_delete(process, req);
}

static void handle_exec(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__ExecProcessRequest *request = (const Hoy__Pb__ExecProcessRequest *) *message;
	struct hoy_task *task = find_task(service, request->id, req);

	if (task)
		hoy_task_exec(task, request, req);
}

static Hoy__Pb__TaskStatus status_of(const struct hoy_process *process)
{
	switch (process->state) {
	case HOY_PROCESS_RUNNING:
		/* An exec is as paused as its container. */
		return process->task->init.state == HOY_PROCESS_PAUSED ? HOY__PB__TASK_STATUS__PAUSED
								       : HOY__PB__TASK_STATUS__RUNNING;
	case HOY_PROCESS_PAUSED:
		return HOY__PB__TASK_STATUS__PAUSED;
	case HOY_PROCESS_STOPPED:
		return HOY__PB__TASK_STATUS__STOPPED;
	default:
		return HOY__PB__TASK_STATUS__CREATED;
	}
}

static void handle_state(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__StateRequest *request = (const Hoy__Pb__StateRequest *) *message;
	const struct hoy_process *process = find_process(service, request->id, request->exec_id, req);
	Hoy__Pb__StateResponse response = HOY__PB__STATE_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;

	if (!process)
		return;
	response.id = *process->exec_id ? process->exec_id : process->task->id;
	response.bundle = process->task->bundle;
	response.pid = (uint32_t) process->pid;
	response.status = status_of(process);
	response.stdin = process->stdio[0];
	response.stdout = process->stdio[1];
	response.stderr = process->stdio[2];
	response.terminal = process->terminal;
	response.exec_id = process->exec_id;
	if (process->exited) {
		response.exit_status = process->status;
		time.seconds = process->exited_at.tv_sec;
		time.nanos = (int32_t) process->exited_at.tv_nsec;
		response.exited_at = &time;
	}
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_wait(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__WaitRequest *request = (const Hoy__Pb__WaitRequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);

	if (process)
		hoy_process_wait_for(process, req);
}

static void handle_kill(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__KillRequest *request = (const Hoy__Pb__KillRequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);
	struct hoy_err err = {};

	if (process)
		answer_result(req, hoy_process_kill(process, (int) request->signal, request->all, &err), &err);
}

static const char *exec_of(const struct hoy_task *task, pid_t pid)
{
	for (const struct hoy_process *exec = task->execs; exec; exec = exec->next)
		if (exec->pid == pid)
			return exec->exec_id;
	return NULL;
}

static void set_details(Hoy__Pb__Any *any, const char *exec_id)
{
	Hoy__Pb__ProcessDetails details = HOY__PB__PROCESS_DETAILS__INIT;

	details.exec_id = (char *) exec_id;
	any->type_url = (char *) "containerd.runc.v1.ProcessDetails";
	any->value.data = malloc(protobuf_c_message_get_packed_size(&details.base) + 1);
	if (any->value.data)
		any->value.len = protobuf_c_message_pack(&details.base, any->value.data);
}

static void answer_pids(struct hoy_task *task, const pid_t *pids, size_t n, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__PidsResponse response = HOY__PB__PIDS_RESPONSE__INIT;
	auto_free Hoy__Pb__ProcessInfo *infos = calloc(n, sizeof *infos);
	auto_free Hoy__Pb__ProcessInfo **pointers = calloc(n, sizeof(Hoy__Pb__ProcessInfo *));
	auto_free Hoy__Pb__Any *anys = calloc(n, sizeof *anys);

	if (!infos || !pointers || !anys) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const char *exec_id = exec_of(task, pids[i]);

		hoy__pb__process_info__init(&infos[i]);
		hoy__pb__any__init(&anys[i]);
		infos[i].pid = (uint32_t) pids[i];
		if (exec_id) {
			set_details(&anys[i], exec_id);
			infos[i].info = &anys[i];
		}
		pointers[i] = &infos[i];
	}
	response.n_processes = n;
	response.processes = pointers;
	hoy_ttrpc_answer(req, &response.base);
	for (size_t i = 0; i < n; i++)
		free(anys[i].value.data);
}

static void handle_pids(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__PidsRequest *request = (const Hoy__Pb__PidsRequest *) *message;
	struct hoy_task *task = find_task(service, request->id, req);
	auto_free pid_t *pids = NULL;
	size_t n = 0;

	if (!task)
		return;
	if (task->cgroup && !task->init.exited)
		(void) hoy_task_cgroup_pids(task->cgroup, &pids, &n, /* err= */ NULL);
	/* Never empty: containerd takes a task without processes for one that was leaked. */
	if (n)
		answer_pids(task, pids, n, req);
	else
		answer_pids(task, &task->init.pid, 1, req);
}

static void handle_pause(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = find_task(service, ((const Hoy__Pb__PauseRequest *) *message)->id, req);

	if (task)
		hoy_task_set_paused(task, /* paused= */ true, req);
}

static void handle_resume(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = find_task(service, ((const Hoy__Pb__ResumeRequest *) *message)->id, req);

	if (task)
		hoy_task_set_paused(task, /* paused= */ false, req);
}

static void handle_resize(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__ResizePtyRequest *request = (const Hoy__Pb__ResizePtyRequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);
	struct hoy_err err = {};

	if (!process)
		return;
	if (process->io) {
		answer_result(req, hoy_io_resize(process->io, request->width, request->height, &err), &err);
		return;
	}
	process->width = request->width;
	process->height = request->height;
	hoy_ttrpc_answer_empty(req);
}

static void handle_close_io(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__CloseIORequest *request = (const Hoy__Pb__CloseIORequest *) *message;
	struct hoy_process *process = find_process(service, request->id, request->exec_id, req);

	if (!process)
		return;
	if (request->stdin) {
		process->stdin_closed = true;
		if (process->io)
			hoy_io_close_stdin(process->io);
	}
	hoy_ttrpc_answer_empty(req);
}

static void handle_update(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__UpdateTaskRequest *request = (const Hoy__Pb__UpdateTaskRequest *) *message;
	struct hoy_task *task = find_task(service, request->id, req);

	if (!task)
		return;
	if (request->resources)
		hoy_task_update(task, request->resources->value.data, request->resources->value.len, req);
	else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INVALID_ARGUMENT, "update without resources");
}

static void handle_stats(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_task *task = find_task(service, ((const Hoy__Pb__StatsRequest *) *message)->id, req);

	if (task)
		hoy_task_stats_answer(task->cgroup, req);
}

static void handle_checkpoint(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__CheckpointTaskRequest *request = (const Hoy__Pb__CheckpointTaskRequest *) *message;
	struct hoy_task *task = find_task(service, request->id, req);

	if (task)
		hoy_task_checkpoint(task, request->path, request->options, req);
}

static void handle_connect(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const struct hoy_task *task = hoy_task_find(service->tasks, ((const Hoy__Pb__ConnectRequest *) *message)->id);
	Hoy__Pb__ConnectResponse response = HOY__PB__CONNECT_RESPONSE__INIT;

	response.shim_pid = (uint32_t) getpid();
	response.task_pid = task ? (uint32_t) task->init.pid : 0;
	response.version = (char *) PACKAGE_VERSION;
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_shutdown(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__ShutdownRequest *request = (const Hoy__Pb__ShutdownRequest *) *message;
	bool last = !service->tasks->first || request->now;

	hoy_ttrpc_answer_empty(req);
	if (last)
		service->shutdown(service->userdata);
}

static void handle_hello(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	static const char *const features[] = { "json-file", "attach", "exit-file", "expect", "local", "journald",
		"compress", "non-blocking", "exec-attach" };
	Hoy__Pb__ShimHelloResponse response = HOY__PB__SHIM_HELLO_RESPONSE__INIT;

	(void) service;
	(void) message;
	response.version = (char *) PACKAGE_VERSION;
	response.features = (char **) features;
	response.n_features = ARRAY_LEN(features);
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_expect(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	(void) message;
	if (service->expect(service->userdata))
		hoy_ttrpc_answer_empty(req);
	else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_UNAVAILABLE, "the shim is ending");
}

static void handle_stream(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	(void) message;
	hoy_streams_accept(service->tasks->streams, req);
}

static const struct hoy_method task_methods[] = {
	{ "Create", &hoy__pb__create_task_request__descriptor, handle_create },
	{ "Start", &hoy__pb__start_request__descriptor, handle_start },
	{ "Delete", &hoy__pb__delete_request__descriptor, handle_delete },
	{ "Exec", &hoy__pb__exec_process_request__descriptor, handle_exec },
	{ "State", &hoy__pb__state_request__descriptor, handle_state },
	{ "Wait", &hoy__pb__wait_request__descriptor, handle_wait },
	{ "Kill", &hoy__pb__kill_request__descriptor, handle_kill },
	{ "Pids", &hoy__pb__pids_request__descriptor, handle_pids },
	{ "Pause", &hoy__pb__pause_request__descriptor, handle_pause },
	{ "Resume", &hoy__pb__resume_request__descriptor, handle_resume },
	{ "ResizePty", &hoy__pb__resize_pty_request__descriptor, handle_resize },
	{ "CloseIO", &hoy__pb__close_iorequest__descriptor, handle_close_io },
	{ "Update", &hoy__pb__update_task_request__descriptor, handle_update },
	{ "Checkpoint", &hoy__pb__checkpoint_task_request__descriptor, handle_checkpoint },
	{ "Stats", &hoy__pb__stats_request__descriptor, handle_stats },
	{ "Connect", &hoy__pb__connect_request__descriptor, handle_connect },
	{ "Shutdown", &hoy__pb__shutdown_request__descriptor, handle_shutdown },
	{ 0 },
};

static const struct hoy_method shim_methods[] = {
	{ "Hello", &hoy__pb__shim_hello_request__descriptor, handle_hello },
	{ "Expect", &hoy__pb__shim_expect_request__descriptor, handle_expect },
	{ 0 },
};

static const struct hoy_method streaming_methods[] = {
	{ "Stream", &hoy__pb__empty__descriptor, handle_stream },
	{ 0 },
};

static const struct hoy_method *find_method(const char *service, const char *name)
{
	const struct hoy_method *method = NULL;

	if (hoy_str_eq(service, HOY_TTRPC_TASK_SERVICE) || hoy_str_eq(service, HOY_TTRPC_TASK_SERVICE_V3))
		method = task_methods;
	else if (hoy_str_eq(service, HOY_TTRPC_SHIM_SERVICE))
		method = shim_methods;
	else if (hoy_str_eq(service, HOY_TTRPC_SANDBOX_SERVICE))
		method = hoy_sandbox_methods;
	else if (hoy_str_eq(service, HOY_TTRPC_STREAMING_SERVICE))
		method = streaming_methods;
	while (method && method->name && strcmp(method->name, name) != 0)
		method++;
	return method && method->name ? method : NULL;
}

void hoy_service_handle(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_incoming *in, void *userdata)
{
	const struct hoy_method *method = find_method(in->service, in->method);
	ProtobufCMessage *message;

	if (!method) {
		hoy_ttrpc_answer_code(
			req, HOY_TTRPC_UNIMPLEMENTED, "method %s of service %s is unknown", in->method, in->service);
		return;
	}
	message = protobuf_c_message_unpack(method->request, NULL, in->len, in->payload);
	if (!message) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INVALID_ARGUMENT, "malformed %s request", in->method);
		return;
	}
	method->handle(userdata, &message, req);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}
