/* The Task service of one shim, as typed calls. */
#include "supervisor/container/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "base/ttrpc/hoy_shim.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/protocol.h"
#include "supervisor/container/shim_internal.h"

int hoy_shim_new(const struct hoy_shim_options *options, struct hoy_shim **ret, struct hoy_err *err)
{
	struct hoy_shim *shim = calloc(1, sizeof *shim);

	if (!shim)
		return hoy_err_oom(err);
	shim->options = *options;
	*ret = shim;
	return 0;
}

static void forget_hello(struct hoy_shim *shim)
{
	free(shim->version);
	shim->version = NULL;
	hoy_strv_free(shim->features);
	shim->features = NULL;
}

void hoy_shim_free(struct hoy_shim *shim)
{
	if (!shim)
		return;
	while (shim->calls)
		hoy_shim_call_free(shim->calls);
	hoy_ttrpc_client_free(shim->client);
	hoy_shim_spawn_free(shim->spawn);
	forget_hello(shim);
	free(shim);
}

static void on_lost(struct hoy_ttrpc_client *client, void *userdata)
{
	struct hoy_shim *shim = userdata;

	hoy_ttrpc_client_free(client);
	shim->client = NULL;
	shim->options.lost(shim->options.userdata);
}

/* --- calls ------------------------------------------------------------------------------- */

void hoy_shim_call_free(struct hoy_shim_call *call)
{
	struct hoy_shim_call **p = &call->shim->calls;

	while (*p != call)
		p = &(*p)->next;
	*p = call->next;
	free(call);
}

static int call_service(struct hoy_shim *shim, const char *service, const char *method, const ProtobufCMessage *request,
	uint64_t timeout_ns, hoy_ttrpc_done answered, const struct hoy_shim_call *whom, struct hoy_err *err)
{
	struct hoy_shim_call *c;
	int64_t r;

	if (!shim->client)
		return hoy_err_code(err, -ENOTCONN, "shim of container '%s'", shim->options.id);
	c = malloc(sizeof *c);
	if (!c)
		return hoy_err_oom(err);
	*c = *whom;
	c->shim = shim;
	c->next = shim->calls;
	shim->calls = c;
	r = hoy_ttrpc_call(shim->client, service, method, request, timeout_ns, answered, c, err);
	if (r < 0) {
		hoy_shim_call_free(c);
		return (int) r;
	}
	c->id = r;
	return 0;
}

void hoy_shim_forget(struct hoy_shim *shim, const void *userdata)
{
	struct hoy_shim_call *c, *next;

	for (c = shim ? shim->calls : NULL; c; c = next) {
		next = c->next;
		if (c->userdata != userdata)
			continue;
		if (shim->client)
			hoy_ttrpc_forget(shim->client, c->id);
		hoy_shim_call_free(c);
	}
}

int hoy_shim_call(struct hoy_shim *shim, const char *method, const ProtobufCMessage *request, uint64_t timeout_ns,
	hoy_ttrpc_done answered, const struct hoy_shim_call *whom, struct hoy_err *err)
{
	return call_service(shim, HOY_TTRPC_TASK_SERVICE, method, request, timeout_ns, answered, whom, err);
}

/* --- what it can do ---------------------------------------------------------------------- */

static int keep_hello(struct hoy_shim *shim, const Hoy__Pb__ShimHelloResponse *hello)
{
	forget_hello(shim);
	shim->version = strdup(hello ? hello->version : "");
	shim->features = calloc(1, sizeof *shim->features);
	if (!shim->version || !shim->features)
		return -ENOMEM;
	for (size_t i = 0; hello && i < hello->n_features; i++)
		if (hoy_strv_add(&shim->features, hello->features[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* One that does not know the question is older than any feature. */
static void on_hello(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	struct hoy_shim_call *call = userdata;
	struct hoy_shim *shim = call->shim;
	struct hoy_err err = {};
	Hoy__Pb__ShimHelloResponse *hello = (Hoy__Pb__ShimHelloResponse *) hoy_ttrpc_reply_unpack(
		reply, &hoy__pb__shim_hello_response__descriptor, &err);

	hoy_shim_call_free(call);
	if ((hello || err.kind == HOY_ERR_UNSUPPORTED) && keep_hello(shim, hello) < 0)
		forget_hello(shim);
	if (hello)
		protobuf_c_message_free_unpacked(&hello->base, NULL);
}

static int say_hello(struct hoy_shim *shim, struct hoy_err *err)
{
	const Hoy__Pb__ShimHelloRequest request = HOY__PB__SHIM_HELLO_REQUEST__INIT;

	return call_service(shim, HOY_TTRPC_SHIM_SERVICE, "Hello", &request.base, 10 * NS_PER_S, on_hello,
		&(struct hoy_shim_call){}, err);
}

int hoy_shim_require(const struct hoy_shim *shim, const char *feature, const char *what, struct hoy_err *err)
{
	if (!shim->version || hoy_strv_has(shim->features, feature))
		return 0;
	return hoy_err_unsupported(err,
		"container %s was started by an older version of Hoy%s%s, whose shim can't %s: stop the container and "
		"start it again",
		shim->options.id, *shim->version ? ", " : "", shim->version, what);
}

bool hoy_shim_is_connected(const struct hoy_shim *shim)
{
	return shim->client != NULL;
}

int hoy_shim_connect_to(struct hoy_shim *shim, const char *address, struct hoy_err *err)
{
	int r = hoy_ttrpc_client_connect(shim->options.loop, address, on_lost, shim, &shim->client, err);

	return r < 0 ? r : say_hello(shim, err);
}

int hoy_shim_connect(struct hoy_shim *shim, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(shim->options.bundle, HOY_SHIM_ADDRESS_FILE);
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r >= 0 && !text.data)
		r = hoy_err_code(err, -ENOENT, "'%s' is empty", path);
	return r < 0 ? r : hoy_shim_connect_to(shim, text.data, err);
}

void hoy_shim_on_done(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	const struct hoy_shim_call c = *(struct hoy_shim_call *) userdata;
	struct hoy_err err = {};
	int r = hoy_ttrpc_reply_err(reply, &err);

	hoy_shim_call_free(userdata);
	if (c.done)
		c.done(c.userdata, r < 0 ? &err : NULL);
}

static void on_created(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	const struct hoy_shim_call c = *(struct hoy_shim_call *) userdata;
	struct hoy_err err = {};
	pid_t pid = 0;
	Hoy__Pb__CreateTaskResponse *answer = (Hoy__Pb__CreateTaskResponse *) hoy_ttrpc_reply_unpack(
		reply, &hoy__pb__create_task_response__descriptor, &err);

	hoy_shim_call_free(userdata);
	if (answer) {
		pid = (pid_t) answer->pid;
		protobuf_c_message_free_unpacked(&answer->base, NULL);
	}
	c.pid(c.userdata, answer ? NULL : &err, pid);
}

static void on_started(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	const struct hoy_shim_call c = *(struct hoy_shim_call *) userdata;
	struct hoy_err err = {};
	pid_t pid = 0;
	Hoy__Pb__StartResponse *answer = (Hoy__Pb__StartResponse *) hoy_ttrpc_reply_unpack(
		reply, &hoy__pb__start_response__descriptor, &err);

	hoy_shim_call_free(userdata);
	if (answer) {
		pid = (pid_t) answer->pid;
		protobuf_c_message_free_unpacked(&answer->base, NULL);
	}
	c.pid(c.userdata, answer ? NULL : &err, pid);
}

static void on_wait_over(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	const struct hoy_shim_call c = *(struct hoy_shim_call *) userdata;
	struct hoy_err err = {};
	struct timespec when = {};
	unsigned int status = 0;
	Hoy__Pb__WaitResponse *answer = (Hoy__Pb__WaitResponse *) hoy_ttrpc_reply_unpack(
		reply, &hoy__pb__wait_response__descriptor, &err);

	hoy_shim_call_free(userdata);
	if (answer) {
		status = answer->exit_status;
		if (answer->exited_at)
			when = (struct timespec){ answer->exited_at->seconds, answer->exited_at->nanos };
		protobuf_c_message_free_unpacked(&answer->base, NULL);
	}
	c.exit(c.userdata, answer ? NULL : &err, status, &when);
}

static enum hoy_shim_status status_of(Hoy__Pb__TaskStatus status)
{
	switch (status) {
	case HOY__PB__TASK_STATUS__CREATED:
		return HOY_SHIM_CREATED;
	case HOY__PB__TASK_STATUS__PAUSED:
	case HOY__PB__TASK_STATUS__PAUSING:
		return HOY_SHIM_PAUSED;
	case HOY__PB__TASK_STATUS__RUNNING:
		return HOY_SHIM_RUNNING;
	case HOY__PB__TASK_STATUS__STOPPED:
		return HOY_SHIM_STOPPED;
	default:
		return HOY_SHIM_UNKNOWN;
	}
}

static void on_state(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	const struct hoy_shim_call c = *(struct hoy_shim_call *) userdata;
	enum hoy_shim_status status = HOY_SHIM_UNKNOWN;
	struct hoy_err err = {};
	pid_t pid = 0;
	Hoy__Pb__StateResponse *answer = (Hoy__Pb__StateResponse *) hoy_ttrpc_reply_unpack(
		reply, &hoy__pb__state_response__descriptor, &err);

	hoy_shim_call_free(userdata);
	if (answer) {
		status = status_of(answer->status);
		pid = (pid_t) answer->pid;
		protobuf_c_message_free_unpacked(&answer->base, NULL);
	}
	c.state(c.userdata, answer ? NULL : &err, status, pid);
}

int hoy_shim_create(struct hoy_shim *shim, const struct hoy_shim_create *create, hoy_shim_pid done, struct hoy_err *err)
{
	Hoy__Pb__CreateTaskRequest request = HOY__PB__CREATE_TASK_REQUEST__INIT;

	request.id = (char *) shim->options.id;
	request.bundle = (char *) shim->options.bundle;
	request.terminal = create->terminal;
	request.stdin = (char *) create->stdin_;
	request.stdout = (char *) create->stdout_;
	request.stderr = (char *) create->stderr_;
	request.checkpoint = (char *) (create->checkpoint ? create->checkpoint : "");
	return hoy_shim_call(shim, "Create", &request.base, 0, on_created,
		&(struct hoy_shim_call){ .pid = done, .userdata = shim->options.userdata }, err);
}

int hoy_shim_start(struct hoy_shim *shim, const char *exec_id, hoy_shim_pid done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__StartRequest request = HOY__PB__START_REQUEST__INIT;
	const struct hoy_shim_call whom = { .pid = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	return hoy_shim_call(shim, "Start", &request.base, 0, on_started, &whom, err);
}

int hoy_shim_wait(struct hoy_shim *shim, const char *exec_id, hoy_shim_exit done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__WaitRequest request = HOY__PB__WAIT_REQUEST__INIT;
	const struct hoy_shim_call whom = { .exit = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	return hoy_shim_call(shim, "Wait", &request.base, 0, on_wait_over, &whom, err);
}

int hoy_shim_get_state(
	struct hoy_shim *shim, const char *exec_id, hoy_shim_state done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__StateRequest request = HOY__PB__STATE_REQUEST__INIT;
	const struct hoy_shim_call whom = { .state = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	return hoy_shim_call(shim, "State", &request.base, 10 * NS_PER_S, on_state, &whom, err);
}

int hoy_shim_kill(
	struct hoy_shim *shim, const char *exec_id, int sig, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__KillRequest request = HOY__PB__KILL_REQUEST__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	request.signal = (uint32_t) sig;
	return hoy_shim_call(shim, "Kill", &request.base, 10 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_resize(struct hoy_shim *shim, const char *exec_id, unsigned int height, unsigned int width,
	hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__ResizePtyRequest request = HOY__PB__RESIZE_PTY_REQUEST__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	request.height = height;
	request.width = width;
	return hoy_shim_call(shim, "ResizePty", &request.base, 10 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_delete(struct hoy_shim *shim, const char *exec_id, hoy_shim_done done, void *userdata, struct hoy_err *err)
{
	Hoy__Pb__DeleteRequest request = HOY__PB__DELETE_REQUEST__INIT;
	const struct hoy_shim_call whom = { .done = done, .userdata = userdata };

	request.id = (char *) shim->options.id;
	request.exec_id = (char *) (exec_id ? exec_id : "");
	return hoy_shim_call(shim, "Delete", &request.base, 20 * NS_PER_S, hoy_shim_on_done, &whom, err);
}

int hoy_shim_shutdown(struct hoy_shim *shim, hoy_shim_done done, struct hoy_err *err)
{
	Hoy__Pb__ShutdownRequest request = HOY__PB__SHUTDOWN_REQUEST__INIT;

	request.id = (char *) shim->options.id;
	request.now = true; /* whatever it still holds, as the late Create of a hoyd that was killed */
	return hoy_shim_call(shim, "Shutdown", &request.base, 5 * NS_PER_S, hoy_shim_on_done,
		&(struct hoy_shim_call){ .done = done, .userdata = shim->options.userdata }, err);
}

/* --- exit.json ----------------------------------------------------------------------------- */

int hoy_shim_exit_read(const char *path, struct hoy_shim_exit_record *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *version, *status, *when, *oom;
	int64_t number;
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r >= 0)
		r = hoy_json_parse(text.data ? text.data : "", text.len, NULL, &doc, err);
	if (r < 0)
		return r;
	version = hoy_json_get(doc, "version");
	if (version && (hoy_json_to_i64(version, &number) < 0 || number > HOY_SHIM_EXIT_VERSION))
		return hoy_err_unsupported(err, "'%s' was written by a newer shim", path);
	status = hoy_json_get(doc, "exit_status");
	when = hoy_json_get(doc, "exited_at");
	oom = hoy_json_get(doc, "oom_killed");
	if (!status || hoy_json_to_i64(status, &number) < 0 || !when || !hoy_json_string(when) ||
		hoy_time_parse(hoy_json_string(when), &ret->when) < 0)
		return hoy_err_code(err, -EBADMSG, "read '%s'", path);
	ret->status = (int) number;
	ret->oom_killed = oom && hoy_json_type(oom) == HOY_JSON_BOOL && hoy_json_bool(oom);
	return 0;
}
