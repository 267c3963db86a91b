/*
 * The server of moby.buildkit.v1: its Control service, and of the gateway as much as clients need that build
 * Dockerfiles. A build is one Solve of Control, which answers at the build's end; its frontend and options come by a
 * Solve of the gateway, which names no result but a promise of one, and by the Return of that. Then hoyd is asked.
 */
#include "supervisor/worker/build/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/worker/build/control_protocol.h"
#include "supervisor/worker/build/grpc.h"
#include "supervisor/worker/build/relay.h"
#include "supervisor/worker/build/solve.h"

#define BUILDS_MAX 256
#define UNSENT_MAX ((size_t) 256 << 10)
#define UNSEEN_MAX ((size_t) 4 << 20) /* progress that nobody has asked for yet */

struct control;
struct incoming;

/* What hoyd was asked for: a build, what there is of its cache, or a session's socket. */
struct request {
	struct control *control;
	struct request *next;
	uint32_t id; /* hoyd's; 0: not asked yet */
	char *ref;   /* of a build: the client's name for it; NULL: none */
	bool is_prune, over;
	struct incoming *caller;  /* whose answer it is; NULL: gone */
	struct incoming *watcher; /* of a build's progress */
	bool was_watched, was_asked, was_returned;
	struct hoy_solve solve;
	struct hoy_frontend_solve frontend;
	struct hoy_frontend_return returned; /* `was_returned`; may come before it `was_asked` */
	struct hoy_buf progress;             /* before it is watched: StatusResponses, one behind the other, are one */
	struct hoy_buf part;
};

/* A call of the client. */
struct incoming {
	struct control *control;
	struct hoy_grpc_call *call;
	const struct method *method;
	struct request *request;
	struct hoy_relay *relay; /* of a session that comes by this call */
	bool taken;
};

/* A method of one message is taken with that, one of a stream is opened. */
struct method {
	const char *path;
	int (*take)(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err);
	int (*open)(struct incoming *incoming, struct hoy_err *err);
};

struct control {
	struct hoy_control_options options;
	struct hoy_grpc *grpc;
	struct request *requests;
	uint32_t numbers;
	struct hoy_control_request *packet;
	struct hoy_control_event *event;
	struct request *owing; /* whose client has not read: it is then that hoyd may tell more */
	bool owes, over;
};

/* --- hoyd --------------------------------------------------------------------------------------------------------- */

static void send_hoyd(struct control *control, enum hoy_control_request_type type, uint32_t id, const char *text)
{
	size_t len = offsetof(struct hoy_control_request, text);

	control->packet->type = type;
	control->packet->id = id;
	if (text) {
		memcpy(control->packet->text, text, strlen(text) + 1);
		len += strlen(text) + 1;
	}
	if (hoy_fd_send(control->options.sock, control->packet, len, /* fds= */ NULL, 0) < 0)
		control->over = true;
}

static int ask_hoyd(
	struct request *request, enum hoy_control_request_type type, const struct hoy_buf *text, struct hoy_err *err)
{
	if (text->len + 1 > sizeof request->control->packet->text)
		return hoy_err_invalid(err, "too many build arguments and labels");
	request->id = ++request->control->numbers;
	send_hoyd(request->control, type, request->id, text->data);
	return 0;
}

static void acknowledge(struct control *control)
{
	control->owes = false;
	control->owing = NULL;
	send_hoyd(control, HOY_CONTROL_ACK, 0, NULL);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static struct request *request_new(struct control *control, const char *ref, struct hoy_err *err)
{
	struct request *request;
	size_t n = 0;

	for (request = control->requests; request; request = request->next)
		n++;
	if (n >= BUILDS_MAX) {
		(void) hoy_err_invalid(err, "too many requests at once");
		return NULL;
	}
	request = calloc(1, sizeof *request);
	if (request && ref && !(request->ref = strdup(ref))) {
		free(request);
		request = NULL;
	}
	if (!request) {
		(void) hoy_err_oom(err);
		return NULL;
	}
	hoy_buf_init(&request->progress, UNSEEN_MAX);
	hoy_buf_init(&request->part, HOY_GRPC_MESSAGE_MAX);
	request->control = control;
	request->next = control->requests;
	control->requests = request;
	return request;
}

/* The build of this name: whatever call names it first makes it. */
static struct request *build_of(struct control *control, const char *ref, struct hoy_err *err)
{
	for (struct request *request = control->requests; ref && request; request = request->next)
		if (request->ref && strcmp(request->ref, ref) == 0)
			return request;
	if (ref && *ref)
		return request_new(control, ref, err);
	(void) hoy_err_invalid(err, "the call names no build");
	return NULL;
}

static void request_free(struct request *request)
{
	struct control *control = request->control;
	struct request **at = &control->requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
	if (request->caller)
		request->caller->request = NULL;
	if (request->watcher)
		request->watcher->request = NULL;
	if (control->owing == request)
		acknowledge(control);
	hoy_solve_done(&request->solve);
	hoy_frontend_solve_done(&request->frontend);
	hoy_frontend_return_done(&request->returned);
	hoy_buf_done(&request->progress);
	hoy_buf_done(&request->part);
	free(request->ref);
	free(request);
}

static void drop_if_over(struct request *request)
{
	bool has_calls_to_come = request->ref && !(request->was_asked && request->was_watched);

	if (request->over && !request->caller && !request->watcher && !has_calls_to_come)
		request_free(request);
}

static int code_of(const struct hoy_err *err)
{
	if (err->errnum == ECANCELED)
		return HOY_GRPC_CANCELED;
	switch (err->kind) {
	case HOY_ERR_INVALID:
		return HOY_GRPC_INVALID_ARGUMENT;
	case HOY_ERR_NOT_FOUND:
		return HOY_GRPC_NOT_FOUND;
	case HOY_ERR_UNSUPPORTED:
		return HOY_GRPC_UNIMPLEMENTED;
	default:
		return HOY_GRPC_UNKNOWN;
	}
}

/* The end, with the answer `message` of the caller where all went well. */
static void end_request(struct request *request, int code, const char *text, const struct hoy_buf *message)
{
	struct incoming *caller = request->caller, *watcher = request->watcher;

	request->over = true;
	if (caller && code == HOY_GRPC_OK && message)
		(void) hoy_grpc_send(caller->call, message->data ? message->data : "", message->len);
	if (caller)
		hoy_grpc_end(caller->call, code, text);
	if (watcher)
		hoy_grpc_end(watcher->call, HOY_GRPC_OK, NULL);
	drop_if_over(request);
}

static void fail_request(struct request *request, const struct hoy_err *err)
{
	end_request(request, code_of(err), hoy_err_str(err), NULL);
}

/* --- what hoyd tells ---------------------------------------------------------------------------------------------- */

/* Records of the cache, one a message. */
static void send_records(struct request *request)
{
	struct hoy_wire wire = HOY_WIRE(request->part.data ? request->part.data : "", request->part.len);
	struct hoy_wire_field field;

	while (hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1))
			(void) hoy_grpc_send(request->caller->call, field.data, field.len);
}

static void take_message(struct request *request)
{
	const struct hoy_buf *part = &request->part;

	if (request->ref && request->watcher)
		(void) hoy_grpc_send(request->watcher->call, part->data, part->len);
	else if (request->ref && !request->was_watched && request->progress.len + part->len < UNSEEN_MAX)
		(void) hoy_buf_add(&request->progress, part->data, part->len);
	else if (!request->ref && request->caller && request->is_prune)
		send_records(request);
	else if (!request->ref && request->caller)
		(void) hoy_grpc_send(request->caller->call, part->data, part->len);
	hoy_buf_clear(&request->part);
}

static void take_done(struct request *request, const char *text)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };

	if (hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, NULL) == 0)
		hoy_json_each(member, doc)
			hoy_wire_add_map_entry(&message, 1, hoy_json_key(member), hoy_json_string(member));
	end_request(request, HOY_GRPC_OK, NULL, request->ref ? &message : NULL);
}

/* The call goes on without the request. */
static void take_connection(struct request *request, int fd)
{
	struct incoming *caller = request->caller;
	struct hoy_err err = { 0 };

	request->over = true;
	request->caller = NULL;
	if (caller) {
		caller->request = NULL;
		if (fd < 0 || !caller->relay)
			hoy_grpc_end(caller->call, HOY_GRPC_INTERNAL, "no connection");
		else if (hoy_relay_connect(caller->relay, TAKE_FD(fd), &err) < 0)
			hoy_grpc_end(caller->call, code_of(&err), hoy_err_str(&err));
	}
	hoy_fd_close(&fd);
	request_free(request);
}

static void take_event(struct control *control, struct request *request, size_t len, int *fd)
{
	const struct hoy_control_event *event = control->event;
	size_t size = len - offsetof(struct hoy_control_event, data);

	switch ((enum hoy_control_event_type) event->type) {
	case HOY_CONTROL_PART:
	case HOY_CONTROL_DATA:
		if (hoy_buf_add(&request->part, event->data, size) < 0)
			control->over = true;
		else if (event->type == HOY_CONTROL_DATA)
			take_message(request);
		return;
	case HOY_CONTROL_DONE:
		take_done(request, event->data);
		return;
	case HOY_CONTROL_ERROR: {
		struct hoy_err err = { 0 };

		(void) hoy_err_import(&err, &event->err);
		fail_request(request, &err);
		return;
	}
	case HOY_CONTROL_CONNECTION:
		take_connection(request, TAKE_FD(*fd));
		return;
	}
}

static bool is_full(const struct request *request)
{
	const struct incoming *reader = request->ref ? request->watcher : request->caller;

	return reader && hoy_grpc_pending(reader->call) > UNSENT_MAX;
}

static void on_hoyd(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct control *control = userdata;
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = ARRAY_LEN(fds);
	auto_fd int connection = -EBADF;
	ssize_t n = hoy_fd_recv(control->options.sock, control->event, sizeof *control->event, fds, &n_fds);
	struct request *request = control->requests;

	(void) source;
	(void) events;
	while (n_fds > 1)
		hoy_fd_close(&fds[--n_fds]);
	if (n_fds > 0)
		connection = fds[0];
	if (n <= 0 || hoy_control_event_check(control->event, (size_t) n, NULL) < 0) {
		control->over = true;
		return;
	}
	while (request && request->id != control->event->id)
		request = request->next;
	control->owes = true;
	if (request)
		take_event(control, request, (size_t) n, &connection);
	for (request = control->requests; request && request->id != control->event->id; request = request->next)
		;
	if (request && is_full(request))
		control->owing = request;
	else if (control->owes)
		acknowledge(control);
}

/* --- Control ------------------------------------------------------------------------------------------------------ */

/* An answer that is there at once. */
static int reply(struct incoming *incoming, const struct hoy_buf *message, struct hoy_err *err)
{
	int r = hoy_buf_check(message, "answer", err);

	if (r == 0 && hoy_grpc_send(incoming->call, message->data ? message->data : "", message->len) < 0)
		r = hoy_err_oom(err);
	if (r == 0)
		hoy_grpc_end(incoming->call, HOY_GRPC_OK, NULL);
	return r;
}

static const char *engine_text(const struct control *control, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(control->options.engine, key));

	return text ? text : "";
}

static void add_version(struct hoy_buf *message, uint32_t number, const struct control *control)
{
	auto_(hoy_buf_done) struct hoy_buf version = { 0 };

	hoy_wire_add_string(&version, 1, "hoy");
	hoy_wire_add_string(&version, 2, engine_text(control, "version"));
	hoy_wire_add_message(message, number, &version);
}

static int take_info(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };

	(void) data;
	(void) len;
	add_version(&message, 1, incoming->control);
	return reply(incoming, &message, err);
}

/* "linux/arm/v7" */
static int add_platform(struct hoy_buf *message, uint32_t number, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, '/');
	auto_(hoy_buf_done) struct hoy_buf platform = { 0 };
	size_t n = hoy_strv_len(parts);

	if (!parts)
		return hoy_err_oom(err);
	hoy_wire_add_string(&platform, 1, n > 1 ? parts[1] : "");
	hoy_wire_add_string(&platform, 2, n > 0 ? parts[0] : "");
	hoy_wire_add_string(&platform, 3, n > 2 ? parts[2] : "");
	hoy_wire_add_message(message, number, &platform);
	return 0;
}

static int add_worker(struct hoy_buf *message, uint32_t number, const struct control *control, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf worker = { 0 };
	int r = 0;

	hoy_wire_add_string(&worker, 1, engine_text(control, "worker"));
	hoy_wire_add_map_entry(&worker, 2, "org.mobyproject.buildkit.worker.executor", "hoy");
	/* By this buildx knows an engine that can bring its cache to a registry. */
	hoy_wire_add_map_entry(&worker, 2, "org.mobyproject.buildkit.worker.snapshotter", "overlayfs");
	if (*engine_text(control, "gateway"))
		hoy_wire_add_map_entry(&worker, 2, "org.mobyproject.buildkit.worker.moby.host-gateway-ip",
			engine_text(control, "gateway"));
	hoy_json_each(platform, hoy_json_get(control->options.engine, "platforms"))
	{
		if (r == 0)
			r = add_platform(&worker, 3, hoy_json_string(platform) ? hoy_json_string(platform) : "", err);
	}
	add_version(&worker, 5, control);
	hoy_wire_add_message(message, number, &worker);
	return r;
}

static int take_workers(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	int r = add_worker(&message, 1, incoming->control, err);

	(void) data;
	(void) len;
	return r < 0 ? r : reply(incoming, &message, err);
}

static int begin_build(struct request *request, struct hoy_err *err)
{
	const struct hoy_frontend_solve *frontend = &request->frontend;
	bool is_direct = request->solve.frontend && *request->solve.frontend;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r;

	if (!is_direct && (frontend->has_definition || frontend->has_inputs))
		request->solve.has_definition = true;
	if (!is_direct && frontend->has_policy)
		request->solve.has_policy = true;
	r = hoy_solve_print(&request->solve,
		is_direct            ? request->solve.frontend
		: frontend->frontend ? frontend->frontend
				     : "",
		is_direct ? request->solve.attrs : frontend->attrs, &text, err);
	return r < 0 ? r : ask_hoyd(request, HOY_CONTROL_BUILD, &text, err);
}

/* Both the Solve and what the gateway returned are there: in any order. */
static void begin_if_complete(struct request *request)
{
	const struct hoy_frontend_return *returned = &request->returned;
	bool is_direct = (request->solve.frontend && *request->solve.frontend) || request->solve.has_definition;
	const struct hoy_buf nothing = { 0 };
	struct hoy_err err = { 0 };

	if (!request->was_asked || !(request->was_returned || is_direct) || request->id > 0 || request->over)
		return;
	if (returned->code)
		end_request(request, (int) returned->code, returned->message ? returned->message : "", NULL);
	else if (!is_direct && !returned->ref)
		end_request(request, HOY_GRPC_OK, NULL, &nothing);
	else if (begin_build(request, &err) < 0)
		fail_request(request, &err);
}

static int take_solve(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	struct hoy_solve solve = { 0 };
	struct request *request = NULL;
	int r = hoy_solve_parse(data, len, &solve, err);

	if (r == 0) {
		request = build_of(incoming->control, solve.ref, err);
		r = request ? 0 : -EINVAL;
	}
	if (r == 0 && (request->was_asked || request->over))
		r = hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "there was a build '%s' already", solve.ref);
	if (r < 0) {
		hoy_solve_done(&solve);
		return r;
	}
	request->solve = solve;
	request->was_asked = true;
	request->caller = incoming;
	incoming->request = request;
	begin_if_complete(request);
	return 0;
}

static int take_status(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	auto_free char *ref = NULL;
	struct request *request;
	int more;

	while ((more = hoy_wire_next(&wire, &field)) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_wire_take_string(&field, &ref) < 0)
			more = -EPROTO;
	if (more < 0)
		return hoy_err_code(err, -EPROTO, "malformed request");
	request = build_of(incoming->control, ref, err);
	if (!request)
		return -EINVAL;
	if (request->watcher)
		return hoy_err_invalid(err, "the build's progress is being read already");
	request->watcher = incoming;
	request->was_watched = true;
	incoming->request = request;
	if (request->progress.len > 0)
		(void) hoy_grpc_send(incoming->call, request->progress.data, request->progress.len);
	hoy_buf_done(&request->progress);
	hoy_buf_init(&request->progress, UNSEEN_MAX);
	if (request->over)
		hoy_grpc_end(incoming->call, HOY_GRPC_OK, NULL);
	return 0;
}

static int ask_cache(struct incoming *incoming, const char *data, size_t len, bool is_prune, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct request *request;
	int r = hoy_prune_print(data, len, is_prune, &text, err);

	if (r < 0)
		return r;
	request = request_new(incoming->control, NULL, err);
	if (!request)
		return -ENOMEM;
	request->is_prune = is_prune;
	request->caller = incoming;
	incoming->request = request;
	return ask_hoyd(request, is_prune ? HOY_CONTROL_PRUNE : HOY_CONTROL_USAGE, &text, err);
}

static int take_usage(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	return ask_cache(incoming, data, len, /* is_prune= */ false, err);
}

static int take_prune(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	return ask_cache(incoming, data, len, /* is_prune= */ true, err);
}

/* --- sessions that come by a call --- */

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata);

static void on_session_ended(void *userdata)
{
	struct incoming *incoming = userdata;

	incoming->relay = NULL;
	on_ended(incoming->call, HOY_GRPC_OK, NULL, incoming);
}

static int open_session(struct incoming *incoming, struct hoy_err *err)
{
	const char *id = hoy_grpc_metadata(incoming->call, "x-docker-expose-session-uuid");
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	struct request *request;
	int r;

	if (!id || !*id || strlen(id) > 128)
		return hoy_err_invalid(err, "a session needs its id in x-docker-expose-session-uuid");
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "session", id);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "request", err);
	request = r < 0 ? NULL : request_new(incoming->control, NULL, err);
	if (!request)
		return -ENOMEM;
	r = hoy_relay_new(
		incoming->control->options.loop, incoming->call, on_session_ended, incoming, &incoming->relay, err);
	if (r < 0) {
		request_free(request);
		return r;
	}
	request->caller = incoming;
	incoming->request = request;
	return ask_hoyd(request, HOY_CONTROL_SESSION, &text, err);
}

/* --- the gateway -------------------------------------------------------------------------------------------------- */

static struct request *build_of_call(struct incoming *incoming, struct hoy_err *err)
{
	return build_of(incoming->control, hoy_grpc_metadata(incoming->call, "buildkit-controlapi-buildid"), err);
}

static int take_ping(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	static const char *const caps[] = { "solve.base", "return", "returnmap", "proto.refarray" };
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	int r;

	(void) data;
	(void) len;
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		auto_(hoy_buf_done) struct hoy_buf cap = { 0 };

		hoy_wire_add_string(&cap, 1, caps[i]);
		hoy_wire_add_uint(&cap, 2, 1);
		hoy_wire_add_message(&message, 1, &cap);
	}
	r = add_worker(&message, 3, incoming->control, err);
	return r < 0 ? r : reply(incoming, &message, err);
}

/* The answer is a promise: the build begins when it is given back. */
static int take_frontend_solve(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 }, result = { 0 }, ref = { 0 };
	struct request *request = build_of_call(incoming, err);
	int r;

	if (!request)
		return -EINVAL;
	if (request->was_returned)
		return hoy_err_invalid(err, "the build has begun already");
	hoy_frontend_solve_done(&request->frontend);
	r = hoy_frontend_solve_parse(data, len, &request->frontend, err);
	if (r < 0)
		return r;
	hoy_wire_add_string(&ref, 1, request->ref);
	hoy_wire_add_message(&result, 3, &ref);
	hoy_wire_add_message(&message, 3, &result);
	return reply(incoming, &message, err);
}

static int take_return(struct incoming *incoming, const char *data, size_t len, struct hoy_err *err)
{
	const struct hoy_buf nothing = { 0 };
	struct hoy_frontend_return result = { 0 };
	struct request *request = build_of_call(incoming, err);
	int r = request ? hoy_frontend_return_parse(data, len, &result, err) : -EINVAL;

	if (r == 0 && request->was_returned)
		r = hoy_err_invalid(err, "the build has begun already");
	if (r == 0 && result.has_many)
		r = hoy_err_unsupported(err, "builds of several results are not supported by this version of Hoy");
	if (r == 0)
		r = reply(incoming, &nothing, err);
	if (r < 0) {
		hoy_frontend_return_done(&result);
		return r;
	}
	request->returned = result;
	request->was_returned = true;
	begin_if_complete(request);
	return 0;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static const struct method methods[] = {
	{ "/moby.buildkit.v1.Control/Info", take_info, NULL },
	{ "/moby.buildkit.v1.Control/ListWorkers", take_workers, NULL },
	{ "/moby.buildkit.v1.Control/Solve", take_solve, NULL },
	{ "/moby.buildkit.v1.Control/Status", take_status, NULL },
	{ "/moby.buildkit.v1.Control/DiskUsage", take_usage, NULL },
	{ "/moby.buildkit.v1.Control/Prune", take_prune, NULL },
	{ "/moby.buildkit.v1.Control/Session", NULL, open_session },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Ping", take_ping, NULL },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Solve", take_frontend_solve, NULL },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Return", take_return, NULL },
};

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct incoming *incoming = userdata;
	struct hoy_err err = { 0 };

	if (incoming->taken)
		return;
	incoming->taken = true;
	if (incoming->method->take(incoming, data, len, &err) < 0)
		hoy_grpc_end(call, code_of(&err), hoy_err_str(&err));
}

static void on_drained(struct hoy_grpc_call *call, void *userdata)
{
	struct incoming *incoming = userdata;
	struct control *control = incoming->control;

	(void) call;
	if (control->owing && control->owing == incoming->request)
		acknowledge(control);
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct incoming *incoming = userdata;
	struct request *request = incoming->request;

	(void) call;
	(void) code;
	(void) message;
	if (request && request->caller == incoming) {
		request->caller = NULL;
		if (!request->over && request->id > 0)
			send_hoyd(incoming->control, HOY_CONTROL_CANCEL, request->id, NULL);
		else if (!request->over)
			end_request(request, HOY_GRPC_CANCELED, "", NULL), request = NULL;
	}
	if (request && request->watcher == incoming)
		request->watcher = NULL;
	if (request) {
		if (incoming->control->owing == request)
			acknowledge(incoming->control);
		drop_if_over(request);
	}
	free(incoming);
}

static void open_stream(struct incoming *incoming)
{
	struct hoy_grpc_call *call = incoming->call;
	struct hoy_err err = { 0 };

	if (incoming->method->open(incoming, &err) == 0)
		return;
	hoy_grpc_end(call, code_of(&err), hoy_err_str(&err));
	if (!incoming->relay) /* which would have ended it with the call */
		free(incoming);
}

static void on_call(struct hoy_grpc_call *call, const char *path, void *userdata)
{
	struct incoming *incoming = calloc(1, sizeof *incoming);

	if (!incoming) {
		hoy_grpc_end(call, HOY_GRPC_INTERNAL, "out of memory");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(methods) && !incoming->method; i++)
		if (strcmp(methods[i].path, path) == 0)
			incoming->method = &methods[i];
	if (!incoming->method) {
		auto_free char *text = hoy_str_printf("%s is not implemented by this version of Hoy", path);

		free(incoming);
		hoy_grpc_end(call, HOY_GRPC_UNIMPLEMENTED, text ? text : "not implemented");
		return;
	}
	incoming->control = userdata;
	incoming->call = call;
	if (incoming->method->open) {
		open_stream(incoming);
		return;
	}
	hoy_grpc_accept(
		call, &(struct hoy_grpc_handler){
			      .message = on_message, .drained = on_drained, .ended = on_ended, .userdata = incoming });
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	struct control *control = userdata;

	(void) err; /* hoyd learns from our exit that the client has left */
	control->over = true;
}

int hoy_control_serve(const struct hoy_control_options *options, struct hoy_err *err)
{
	struct control control = { .options = *options };
	struct hoy_source *source = NULL;
	int r;

	control.packet = malloc(sizeof *control.packet);
	control.event = malloc(sizeof *control.event);
	r = control.packet && control.event ? hoy_grpc_new(&(struct hoy_grpc_options){ .loop = options->loop,
								   .fd = options->connection,
								   .is_server = true,
								   .on_call = on_call,
								   .on_end = on_end,
								   .userdata = &control },
						      &control.grpc, err)
					    : hoy_err_oom(err);
	if (r == 0 && options->extra_len > 0 &&
		(r = hoy_grpc_feed(control.grpc, options->extra, options->extra_len)) < 0)
		r = hoy_err_code(err, r, "the client's connection is not HTTP/2");
	if (r == 0)
		r = hoy_loop_io(options->loop, &source, options->sock, EPOLLIN, on_hoyd, &control, err);
	while (r >= 0 && !control.over)
		r = hoy_loop_run_once(options->loop, -1, err);
	(void) hoy_source_free(source);
	hoy_grpc_free(control.grpc);
	while (control.requests)
		request_free(control.requests);
	free(control.packet);
	free(control.event);
	return r < 0 ? r : 0;
}
