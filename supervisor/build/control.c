#include "supervisor/build/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/build/connection.h"
#include "supervisor/build/engine.h"
#include "supervisor/build/session.h"
#include "supervisor/image/image.h"
#include "supervisor/image/worker_run.h"
#include "supervisor/worker/build/control_protocol.h"

#define CONTROLS_MAX 256
#define CALLS_MAX 256

struct hoy_control_call {
	struct hoy_control *control; /* NULL: the client is gone */
	struct hoy_control_call *next;
	uint32_t id;
	void *userdata;
	struct hoy_buf queue, sending;
	size_t sent; /* of `sending` */
	bool ended, canceled;
	struct hoy_err err; /* its end; errnum 0: `text` is, or `connection` */
	char *text;
	int connection; /* of a session; -EBADF: it is none */
};

struct hoy_control {
	struct hoy_builds *builds;
	struct hoy_control *next;
	struct hoy_control_handler handler;
	char *dir;
	struct hoy_worker_run *worker;
	struct hoy_control_request *packet;
	struct hoy_control_event *event;
	struct hoy_control_call *calls; /* the one whose turn is next first */
	bool waits;                     /* for the worker to take what it was sent */
};

/* --- what is told ------------------------------------------------------------------------------------------------- */

static void call_free(struct hoy_control_call *call)
{
	struct hoy_control_call **at = call->control ? &call->control->calls : NULL;

	while (at && *at && *at != call)
		at = &(*at)->next;
	if (at && *at)
		*at = call->next;
	hoy_buf_done(&call->queue);
	hoy_buf_done(&call->sending);
	hoy_fd_close(&call->connection);
	free(call->text);
	free(call);
}

/* `fd` is borrowed; -EBADF: none. */
static void send_event(struct hoy_control *control, enum hoy_control_event_type type, uint32_t id, size_t len, int fd)
{
	control->event->type = type;
	control->event->id = id;
	control->waits = true;
	/* A worker that can't be told has ended, or will: that tells. */
	(void) hoy_worker_run_send(
		control->worker, control->event, offsetof(struct hoy_control_event, data) + len, &fd, fd >= 0, NULL);
}

static void send_piece(struct hoy_control_call *call)
{
	struct hoy_control *control = call->control;
	size_t n = MIN(call->sending.len - call->sent, sizeof control->event->data);

	memcpy(control->event->data, call->sending.data + call->sent, n);
	call->sent += n;
	send_event(control, call->sent < call->sending.len ? HOY_CONTROL_PART : HOY_CONTROL_DATA, call->id, n, -EBADF);
	if (call->sent == call->sending.len) {
		hoy_buf_clear(&call->sending);
		call->sent = 0;
	}
}

static void send_end(struct hoy_control_call *call)
{
	struct hoy_control *control = call->control;
	size_t len = call->text ? strlen(call->text) + 1 : 0;

	if (call->connection >= 0) {
		send_event(control, HOY_CONTROL_CONNECTION, call->id, 0, call->connection);
	} else if (call->err.errnum || len == 0 || len > sizeof control->event->data) {
		if (!call->err.errnum)
			(void) hoy_err_oom(&call->err);
		control->event->err = call->err;
		send_event(control, HOY_CONTROL_ERROR, call->id, sizeof call->err, -EBADF);
	} else {
		memcpy(control->event->data, call->text, len);
		send_event(control, HOY_CONTROL_DONE, call->id, len, -EBADF);
	}
	call_free(call);
}

/* The next event, of the calls in turn. */
static void pump(struct hoy_control *control)
{
	struct hoy_control_call *call = control->calls, **at;

	while (call && call->sending.len == 0 && call->queue.len == 0 && !call->ended)
		call = call->next;
	if (control->waits || !call || !control->worker)
		return;
	for (at = &control->calls; *at != call; at = &(*at)->next)
		;
	*at = call->next;
	while (*at)
		at = &(*at)->next;
	*at = call;
	call->next = NULL;
	if (call->sending.len == 0 && call->queue.len > 0) {
		struct hoy_buf empty = call->sending;

		call->sending = call->queue;
		call->queue = empty;
	}
	if (call->sending.len > 0)
		send_piece(call);
	else
		send_end(call);
}

void hoy_control_set(struct hoy_control_call *call, void *userdata_of_call)
{
	call->userdata = userdata_of_call;
}

void hoy_control_tell(struct hoy_control_call *call, const void *data, size_t len)
{
	if (!call->control || len == 0)
		return;
	(void) hoy_buf_add(&call->queue, data, len);
	pump(call->control);
}

size_t hoy_control_pending(const struct hoy_control_call *call)
{
	return call->queue.len + call->sending.len - call->sent;
}

static void end_call(struct hoy_control_call *call)
{
	call->ended = true;
	call->userdata = NULL;
	if (call->control)
		pump(call->control);
	else
		call_free(call);
}

void hoy_control_done(struct hoy_control_call *call, const char *text)
{
	call->text = strdup(text);
	end_call(call);
}

void hoy_control_failed(struct hoy_control_call *call, const struct hoy_err *err)
{
	call->err = *err;
	end_call(call);
}

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static struct hoy_control_call *call_new(struct hoy_control *control, struct hoy_err *err)
{
	struct hoy_control_call *call;
	size_t n = 0;

	for (call = control->calls; call; call = call->next)
		n++;
	call = n < CALLS_MAX ? calloc(1, sizeof *call) : NULL;
	if (!call) {
		(void) hoy_err_code(err, n < CALLS_MAX ? -ENOMEM : -EPROTO, "take a request of hoy-build");
		return NULL;
	}
	*call = (struct hoy_control_call){
		.control = control, .id = control->packet->id, .next = control->calls, .connection = -EBADF
	};
	control->calls = call;
	return call;
}

/* A request's object and the call that will answer it. */
static int begin_call(
	struct hoy_control *control, struct hoy_json **ret_doc, struct hoy_control_call **ret, struct hoy_err *err)
{
	int r = hoy_json_parse(control->packet->text, strlen(control->packet->text), /* limits= */ NULL, ret_doc, err);

	if (r < 0)
		return r;
	*ret = call_new(control, err);
	return *ret ? 0 : -EPROTO;
}

static int take_call(struct hoy_control *control, enum hoy_control_kind kind, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_control_call *call;
	int r = begin_call(control, &doc, &call, err);

	if (r == 0)
		control->handler.called(call, kind, doc, control->handler.userdata);
	return r;
}

/* One end of a pair of sockets is the session's connection, the other one goes back. */
static int open_session(struct hoy_builds *builds, const struct hoy_json *doc, int *ret, struct hoy_err *err)
{
	const char *id = hoy_json_string(hoy_json_get(doc, "session"));
	int pair[2], r;

	if (!id || !*id)
		return hoy_err_code(err, -EPROTO, "request of hoy-build");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "make a connection for a session");
	r = hoy_build_session_start(builds, id, pair[0], /* extra= */ NULL, 0, err);
	if (r < 0)
		hoy_fd_close(&pair[1]);
	else
		*ret = pair[1];
	return r;
}

static int take_session(struct hoy_control *control, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_control_call *call;
	int r = begin_call(control, &doc, &call, err);

	if (r < 0)
		return r;
	(void) open_session(control->builds, doc, &call->connection, &call->err);
	end_call(call);
	return 0;
}

static void cancel_call(struct hoy_control *control, uint32_t id)
{
	for (struct hoy_control_call *call = control->calls; call; call = call->next)
		if (call->id == id && !call->canceled) {
			call->canceled = true;
			if (call->userdata)
				control->handler.canceled(call->userdata);
			return;
		}
}

static void on_acknowledged(struct hoy_control *control)
{
	control->waits = false;
	pump(control);
	for (struct hoy_control_call *call = control->calls, *next; call; call = next) {
		next = call->next;
		if (call->userdata && hoy_control_pending(call) == 0)
			control->handler.drained(call->userdata);
	}
}

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_control *control = userdata;
	int r = hoy_control_request_check(control->packet, len, err);

	if (r < 0)
		return r;
	switch ((enum hoy_control_request_type) control->packet->type) {
	case HOY_CONTROL_BUILD:
		return take_call(control, HOY_CONTROL_CALL_BUILD, err);
	case HOY_CONTROL_USAGE:
		return take_call(control, HOY_CONTROL_CALL_USAGE, err);
	case HOY_CONTROL_PRUNE:
		return take_call(control, HOY_CONTROL_CALL_PRUNE, err);
	case HOY_CONTROL_SESSION:
		return take_session(control, err);
	case HOY_CONTROL_CANCEL:
		cancel_call(control, control->packet->id);
		break;
	case HOY_CONTROL_ACK:
		on_acknowledged(control);
		break;
	}
	return 0;
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void control_free(struct hoy_control *control)
{
	struct hoy_control **at = &control->builds->controls;

	while (*at && *at != control)
		at = &(*at)->next;
	if (*at)
		*at = control->next;
	control->worker = hoy_worker_run_free(control->worker);
	while (control->calls) {
		struct hoy_control_call *call = control->calls;
		void *theirs = call->canceled ? NULL : call->userdata;

		control->calls = call->next;
		call->control = NULL;
		if (call->ended)
			call_free(call);
		else if (theirs)
			control->handler.canceled(theirs);
	}
	if (control->dir)
		hoy_images_drop_dir(control->builds->options.images, control->dir);
	free(control->dir);
	free(control->packet);
	free(control->event);
	free(control);
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	(void) err;
	control_free(userdata);
}

static int print_begin(const void *extra, size_t extra_len, const struct hoy_control_engine *engine,
	struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = text };
	int r = hoy_build_connection_print(&w, "control", extra, extra_len, err);

	if (r < 0)
		return r;
	hoy_json_add_string(&w, "version", engine->version);
	hoy_json_add_string(&w, "worker", engine->worker);
	hoy_json_add_string(&w, "gateway", engine->gateway);
	hoy_json_array(&w, "platforms");
	hoy_json_add_string(&w, NULL, engine->platform);
	hoy_json_end(&w);
	hoy_json_end(&w);
	return hoy_buf_check(text, "request", err);
}

static int start(struct hoy_control *control, int fd, const struct hoy_buf *begin, struct hoy_err *err)
{
	return hoy_build_connection_start(control->builds, begin, fd,
		&(struct hoy_worker_run_options){ .packet = control->packet,
			.packet_size = sizeof *control->packet,
			.on_packet = on_packet,
			.on_end = on_end,
			.userdata = control },
		&control->dir, &control->worker, err);
}

int hoy_build_control_start(struct hoy_builds *builds, int fd, const void *extra, size_t extra_len,
	const struct hoy_control_engine *engine, const struct hoy_control_handler *handler, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_CONTROL_BEGIN_MAX };
	auto_fd int connection = fd;
	struct hoy_control *control;
	size_t n = 0;
	int r = print_begin(extra, extra_len, engine, &text, err);

	if (r < 0)
		return r;
	for (control = builds->controls; control; control = control->next)
		n++;
	if (n >= CONTROLS_MAX)
		return hoy_err_invalid(err, "there are %d clients of the build API already", CONTROLS_MAX);
	control = calloc(1, sizeof *control);
	if (!control)
		return hoy_err_oom(err);
	*control = (struct hoy_control){ .builds = builds, .next = builds->controls, .handler = *handler };
	builds->controls = control;
	control->packet = calloc(1, sizeof *control->packet);
	control->event = calloc(1, sizeof *control->event);
	r = control->packet && control->event ? start(control, connection, &text, err) : hoy_err_oom(err);
	if (r < 0)
		control_free(control);
	return r < 0 ? r : 0;
}

void hoy_build_controls_stop(struct hoy_builds *builds)
{
	while (builds->controls)
		control_free(builds->controls);
}
