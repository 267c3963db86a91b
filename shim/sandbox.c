/* The Sandbox service. A sandbox is a task with the sandbox's id: what it does, tasks do. */
#include "shim/sandbox.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/sandbox.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/sandbox_spec.h"
#include "shim/service_internal.h"
#include "shim/task.h"
#include "shim/task_stats.h"

#define NS_PER_S ((uint64_t) 1000000000)
#define STOP_NS (10 * NS_PER_S) /* unless the caller says how long */
#define SHUTDOWN_STEP_NS ((uint64_t) 20000000)
#define SHUTDOWN_STEPS 500

struct hoy_sandbox {
	struct hoy_service *service;
	char *id; /* NULL: none was created */
	struct timespec created_at;
	struct hoy_ttrpc_request *creating, *starting, *shutting_down;
	struct hoy_source *kill, *shutdown;
	unsigned int steps;
};

static struct hoy_process *find(struct hoy_service *service, const char *id, struct hoy_ttrpc_request *req)
{
	struct hoy_sandbox *sandbox = service->sandbox;
	struct hoy_task *task = NULL;

	if (sandbox->id && !sandbox->creating && hoy_str_eq(sandbox->id, id))
		task = hoy_task_find(service->tasks, id);
	if (!task)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_NOT_FOUND, "sandbox %s: not found", id);
	return task ? &task->init : NULL;
}

static void set_time(Hoy__Pb__Timestamp *to, const struct timespec *from)
{
	to->seconds = from->tv_sec;
	to->nanos = (int32_t) from->tv_nsec;
}

static void answer_as(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_reply *reply)
{
	hoy_ttrpc_answer_code(req, reply->code, "%s", reply->message);
}

/* The task's answer to a question that we ask for `userdata`. */
static struct hoy_ttrpc_request *local(struct hoy_ttrpc_request *req, hoy_ttrpc_done done, void *userdata)
{
	struct hoy_ttrpc_request *question = hoy_ttrpc_request_local(done, userdata);

	if (!question)
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
	return question;
}

/* --- create and start --------------------------------------------------------------------------------------------- */

static void on_created(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	struct hoy_sandbox *sandbox = userdata;
	struct hoy_ttrpc_request *req = TAKE_PTR(sandbox->creating);

	if (reply->code == HOY_TTRPC_OK) {
		hoy_ttrpc_answer_empty(req);
		return;
	}
	free(sandbox->id);
	sandbox->id = NULL;
	answer_as(req, reply);
}

/* Owns its strings, as hoy_task_create() wants it. */
static Hoy__Pb__CreateTaskRequest *create_request(Hoy__Pb__CreateSandboxRequest *from)
{
	Hoy__Pb__CreateTaskRequest request = HOY__PB__CREATE_TASK_REQUEST__INIT;
	auto_free uint8_t *packed = NULL;

	request.id = from->sandbox_id;
	request.bundle = from->bundle_path;
	request.rootfs = from->rootfs;
	request.n_rootfs = from->n_rootfs;
	packed = malloc(hoy__pb__create_task_request__get_packed_size(&request) + 1);
	if (!packed)
		return NULL;
	return hoy__pb__create_task_request__unpack(NULL, hoy__pb__create_task_request__pack(&request, packed), packed);
}

static void handle_create(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__CreateSandboxRequest *request = (Hoy__Pb__CreateSandboxRequest *) *message;
	struct hoy_sandbox *sandbox = service->sandbox;
	Hoy__Pb__CreateTaskRequest *task = NULL;
	struct hoy_ttrpc_request *question;
	struct hoy_err err = {};

	if (sandbox->id) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_ALREADY_EXISTS, "sandbox %s: already exists", sandbox->id);
		return;
	}
	service->create(service->userdata);
	if (hoy_sandbox_spec_write(request, &err) < 0) {
		hoy_ttrpc_answer_err(req, &err);
		return;
	}
	question = local(req, on_created, sandbox);
	if (!question)
		return;
	sandbox->creating = req;
	sandbox->id = strdup(request->sandbox_id);
	clock_gettime(CLOCK_REALTIME, &sandbox->created_at);
	task = sandbox->id ? create_request(request) : NULL;
	if (task)
		hoy_task_create(service->tasks, task, question);
	else
		hoy_ttrpc_answer_code(question, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void on_started(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	Hoy__Pb__StartSandboxResponse response = HOY__PB__START_SANDBOX_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;
	struct hoy_sandbox *sandbox = userdata;
	struct hoy_ttrpc_request *req = TAKE_PTR(sandbox->starting);
	const struct hoy_task *task = hoy_task_find(sandbox->service->tasks, sandbox->id);

	if (reply->code != HOY_TTRPC_OK) {
		answer_as(req, reply);
		return;
	}
	set_time(&time, &sandbox->created_at);
	response.pid = task ? (uint32_t) task->init.pid : 0;
	response.created_at = &time;
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_start(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_sandbox *sandbox = service->sandbox;
	struct hoy_process *process = find(service, ((Hoy__Pb__SandboxRequest *) *message)->sandbox_id, req);
	struct hoy_ttrpc_request *question;

	if (!process)
		return;
	if (sandbox->starting) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "the sandbox is being started already");
		return;
	}
	question = local(req, on_started, sandbox);
	if (!question)
		return;
	sandbox->starting = req;
	hoy_process_start(process, question);
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

/* As Go names it. */
static const char *architecture(const char *machine)
{
	static const char *const names[][2] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" },
		{ "i686", "386" }, { "loongarch64", "loong64" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (hoy_str_eq(names[i][0], machine))
			return names[i][1];
	return machine; /* ppc64le, riscv64, s390x */
}

static void handle_platform(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__PlatformResponse response = HOY__PB__PLATFORM_RESPONSE__INIT;
	Hoy__Pb__SandboxPlatform platform = HOY__PB__SANDBOX_PLATFORM__INIT;
	struct utsname host;

	(void) service;
	(void) message;
	if (uname(&host) < 0) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INTERNAL, "uname failed");
		return;
	}
	platform.os = (char *) "linux";
	platform.architecture = (char *) architecture(host.machine);
	response.platform = &platform;
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_wait(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_process *process = find(service, ((Hoy__Pb__SandboxRequest *) *message)->sandbox_id, req);

	if (process)
		hoy_process_wait_for(process, req); /* the answer has the same fields as a task's */
}

static void handle_status(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__SandboxStatusRequest *request = (const Hoy__Pb__SandboxStatusRequest *) *message;
	const struct hoy_process *process = find(service, request->sandbox_id, req);
	Hoy__Pb__SandboxStatusResponse response = HOY__PB__SANDBOX_STATUS_RESPONSE__INIT;
	Hoy__Pb__Timestamp created = HOY__PB__TIMESTAMP__INIT, exited = created;
	Hoy__Pb__StringMapEntry bundle = HOY__PB__STRING_MAP_ENTRY__INIT, *info = &bundle;

	if (!process)
		return;
	set_time(&created, &service->sandbox->created_at);
	response.sandbox_id = service->sandbox->id;
	response.pid = (uint32_t) process->pid;
	response.state = (char *) (process->state == HOY_PROCESS_RUNNING ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	response.created_at = &created;
	if (process->exited) {
		set_time(&exited, &process->exited_at);
		response.exited_at = &exited;
	}
	if (request->verbose) {
		bundle.key = (char *) "bundle";
		bundle.value = process->task->bundle;
		response.info = &info;
		response.n_info = 1;
	}
	hoy_ttrpc_answer(req, &response.base);
}

static void handle_ping(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const struct hoy_process *process = find(service, ((Hoy__Pb__SandboxRequest *) *message)->sandbox_id, req);

	if (!process)
		return;
	if (process->state == HOY_PROCESS_RUNNING)
		hoy_ttrpc_answer_empty(req);
	else
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "the sandbox does not run");
}

struct metrics {
	struct hoy_ttrpc_request *req;
	char *id;
};

static void on_stats(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	Hoy__Pb__SandboxMetricsResponse response = HOY__PB__SANDBOX_METRICS_RESPONSE__INIT;
	Hoy__Pb__SandboxMetric metric = HOY__PB__SANDBOX_METRIC__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;
	Hoy__Pb__StatsResponse *stats = NULL;
	struct metrics *metrics = userdata;
	struct timespec now;

	if (reply->code == HOY_TTRPC_OK)
		stats = hoy__pb__stats_response__unpack(NULL, reply->len, reply->payload);
	if (stats) {
		clock_gettime(CLOCK_REALTIME, &now);
		set_time(&time, &now);
		metric.timestamp = &time;
		metric.id = metrics->id;
		metric.data = stats->stats;
		response.metrics = &metric;
		hoy_ttrpc_answer(metrics->req, &response.base);
		hoy__pb__stats_response__free_unpacked(stats, NULL);
	} else {
		answer_as(metrics->req, reply);
	}
	free(metrics->id);
	free(metrics);
}

static void handle_metrics(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const char *id = ((Hoy__Pb__SandboxRequest *) *message)->sandbox_id;
	const struct hoy_process *process = find(service, id, req);
	struct metrics *metrics = process ? calloc(1, sizeof *metrics) : NULL;
	struct hoy_ttrpc_request *question;

	if (!process)
		return;
	question = hoy_ttrpc_request_local(on_stats, metrics);
	if (metrics)
		*metrics = (struct metrics){ req, strdup(id) };
	if (!question || !metrics || !metrics->id) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		free(question);
		if (metrics)
			free(metrics->id);
		free(metrics);
		return;
	}
	hoy_task_stats_answer(process->task->cgroup, question);
}

/* --- stop and shutdown -------------------------------------------------------------------------------------------- */

static void on_stopped(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	if (reply->code == HOY_TTRPC_OK)
		hoy_ttrpc_answer_empty(userdata);
	else
		answer_as(userdata, reply);
}

static void on_kill(struct hoy_source *source, void *userdata)
{
	struct hoy_sandbox *sandbox = userdata;
	struct hoy_task *task = sandbox->id ? hoy_task_find(sandbox->service->tasks, sandbox->id) : NULL;

	(void) source;
	if (task)
		(void) hoy_process_kill(&task->init, SIGKILL, /* all= */ false, /* err= */ NULL);
}

static void handle_stop(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	const Hoy__Pb__StopSandboxRequest *request = (const Hoy__Pb__StopSandboxRequest *) *message;
	struct hoy_process *process = find(service, request->sandbox_id, req);
	struct hoy_ttrpc_request *question = process ? local(req, on_stopped, req) : NULL;

	if (!question)
		return;
	if (!process->exited) {
		/* before its start it knows no signal */
		bool started = process->state == HOY_PROCESS_RUNNING;

		(void) hoy_process_kill(process, started ? SIGTERM : SIGKILL, /* all= */ false, /* err= */ NULL);
		hoy_source_set_timer(
			service->sandbox->kill, request->timeout_secs ? request->timeout_secs * NS_PER_S : STOP_NS);
	}
	hoy_process_wait_for(process, question);
}

static void on_deleted(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	(void) userdata;
	(void) reply;
}

/* Everything ends and goes, the pod's containers too: looked at until nothing is left. */
static void on_shutdown_step(struct hoy_source *source, void *userdata)
{
	struct hoy_sandbox *sandbox = userdata;
	struct hoy_service *service = sandbox->service;

	for (struct hoy_task *task = service->tasks->first, *next; task; task = next) {
		struct hoy_ttrpc_request *question;

		next = task->next;
		if (task->init.deleting || task->init.run)
			continue;
		if (!task->init.exited)
			(void) hoy_process_kill(&task->init, SIGKILL, /* all= */ true, /* err= */ NULL);
		question = task->init.exited ? hoy_ttrpc_request_local(on_deleted, NULL) : NULL;
		if (question)
			hoy_process_delete(&task->init, question);
	}
	if (service->tasks->first && ++sandbox->steps < SHUTDOWN_STEPS) {
		hoy_source_set_timer(source, SHUTDOWN_STEP_NS);
		return;
	}
	if (service->tasks->first)
		hoy_ttrpc_answer_code(TAKE_PTR(sandbox->shutting_down), HOY_TTRPC_DEADLINE_EXCEEDED,
			"container '%s' does not end", service->tasks->first->id);
	else
		hoy_ttrpc_answer_empty(TAKE_PTR(sandbox->shutting_down));
	free(sandbox->id);
	sandbox->id = NULL;
	service->shutdown(service->userdata);
}

static void handle_shutdown(struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req)
{
	struct hoy_sandbox *sandbox = service->sandbox;

	(void) message;
	if (sandbox->shutting_down) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_FAILED_PRECONDITION, "the sandbox is being shut down already");
		return;
	}
	sandbox->shutting_down = req;
	sandbox->steps = 0;
	hoy_source_set_timer(sandbox->shutdown, 0);
}

const struct hoy_method hoy_sandbox_methods[] = {
	{ "CreateSandbox", &hoy__pb__create_sandbox_request__descriptor, handle_create },
	{ "StartSandbox", &hoy__pb__sandbox_request__descriptor, handle_start },
	{ "Platform", &hoy__pb__sandbox_request__descriptor, handle_platform },
	{ "StopSandbox", &hoy__pb__stop_sandbox_request__descriptor, handle_stop },
	{ "WaitSandbox", &hoy__pb__sandbox_request__descriptor, handle_wait },
	{ "SandboxStatus", &hoy__pb__sandbox_status_request__descriptor, handle_status },
	{ "PingSandbox", &hoy__pb__sandbox_request__descriptor, handle_ping },
	{ "ShutdownSandbox", &hoy__pb__sandbox_request__descriptor, handle_shutdown },
	{ "SandboxMetrics", &hoy__pb__sandbox_request__descriptor, handle_metrics },
	{ 0 },
};

int hoy_sandbox_new(struct hoy_loop *loop, struct hoy_service *service, struct hoy_sandbox **ret, struct hoy_err *err)
{
	struct hoy_sandbox *sandbox = calloc(1, sizeof *sandbox);
	int r;

	if (!sandbox)
		return hoy_err_oom(err);
	sandbox->service = service;
	r = hoy_loop_timer(loop, &sandbox->kill, UINT64_MAX, on_kill, sandbox, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &sandbox->shutdown, UINT64_MAX, on_shutdown_step, sandbox, err);
	if (r < 0) {
		hoy_sandbox_free(sandbox);
		return r;
	}
	*ret = sandbox;
	return 0;
}

void hoy_sandbox_free(struct hoy_sandbox *sandbox)
{
	if (!sandbox)
		return;
	hoy_source_free(sandbox->kill);
	hoy_source_free(sandbox->shutdown);
	free(sandbox->id);
	free(sandbox);
}
