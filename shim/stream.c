/* Streams of containerd's as stdio. */
#include "shim/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/streaming.pb-c.h"
#include "base/ttrpc/common.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/inlet.h"
#include "shim/uri.h"

#define TYPE_INIT "containerd.services.streaming.v1.StreamInit"
#define TYPE_DATA "containerd.types.transfer.Data"
#define TYPE_WINDOW "containerd.types.transfer.WindowUpdate"
#define TYPE_EMPTY "google.protobuf.Empty"
#define MAX_STREAMS 4096
#define MAX_NAME 512
#define READ_SIZE ((size_t) 32 << 10)     /* of output, in one message: what containerd takes at once */
#define INPUT_WINDOW ((int32_t) 64 << 10) /* what a pipe holds */

struct stream {
	struct stream *next;
	struct hoy_streams *streams;
	struct hoy_ttrpc_request *req;
	char *name;      /* NULL until it was told */
	uint32_t window; /* what we may send */
	int32_t granted; /* what the caller may send */
	bool closed;     /* the caller sends no more */
	struct hoy_stream_port *port;
};

struct hoy_stream_port {
	struct hoy_stream_port *next;
	struct hoy_streams *streams;
	char *name;
	struct stream *stream; /* NULL: not there, not yet or no longer */
	int fd;                /* output */
	struct hoy_source *source;
	struct hoy_inlet *inlet; /* input */
	bool closing;            /* CloseIO came */
	struct hoy_source *check;
	hoy_stream_end end;
	void *userdata;
};

struct hoy_streams {
	struct hoy_loop *loop;
	const char *socket;
	struct stream *first;
	size_t n;
	struct hoy_stream_port *ports;
};

/* --- messages ----------------------------------------------------------------------------------------------------- */

static bool has_type(const Hoy__Pb__Any *any, const char *type)
{
	const char *slash = strrchr(any->type_url, '/');

	return strcmp(slash ? slash + 1 : any->type_url, type) == 0;
}

/* False: out of memory, nothing was sent. */
static bool send_any(struct stream *stream, const char *type, const ProtobufCMessage *message)
{
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	auto_free uint8_t *value = malloc(protobuf_c_message_get_packed_size(message) + 1);

	if (!value)
		return false;
	any.type_url = (char *) type;
	any.value.data = value;
	any.value.len = protobuf_c_message_pack(message, value);
	hoy_ttrpc_stream_send(stream->req, &any.base);
	return true;
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void update_output(const struct hoy_stream_port *port)
{
	const struct stream *stream = port->stream;
	bool can_send = stream && stream->window && hoy_ttrpc_stream_is_clear(stream->req);

	(void) hoy_source_set_events(port->source, can_send ? EPOLLIN : 0, NULL);
}

static void stream_free(struct stream *stream)
{
	struct hoy_stream_port *port = stream->port;

	for (struct stream **at = &stream->streams->first; *at; at = &(*at)->next)
		if (*at == stream) {
			*at = stream->next;
			stream->streams->n--;
			break;
		}
	if (port) {
		port->stream = NULL;
		if (port->source)
			update_output(port);
	}
	free(stream->name);
	free(stream);
}

static void end_stream(struct stream *stream)
{
	struct hoy_ttrpc_request *req = stream->req;

	stream_free(stream);
	hoy_ttrpc_stream_end(req);
}

static void fail_stream(struct stream *stream, enum hoy_ttrpc_code code, const char *text)
{
	struct hoy_ttrpc_request *req = stream->req;

	stream_free(stream);
	hoy_ttrpc_answer_code(req, code, "%s", text);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static void finish_output(struct hoy_stream_port *port)
{
	port->source = hoy_source_free(port->source);
	hoy_fd_close(&port->fd);
	if (port->stream)
		end_stream(port->stream);
	port->end(port->userdata);
}

/* A caller that takes nothing leaves the output in the pipe, also after a hang-up, of which epoll tells all the same:
 * the source is off meanwhile. */
static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_stream_port *port = userdata;
	struct stream *stream = port->stream;
	Hoy__Pb__StreamData message = HOY__PB__STREAM_DATA__INIT;
	auto_free uint8_t *data = NULL;
	ssize_t n;

	(void) source;
	(void) events;
	if (!stream || !stream->window)
		return;
	data = malloc(READ_SIZE);
	if (!data)
		return; /* the next round tries again */
	n = read(port->fd, data, MIN(READ_SIZE, stream->window));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish_output(port); /* a terminal that nobody holds any more reads as EIO */
		return;
	}
	message.data.data = data;
	message.data.len = (size_t) n;
	stream->window -= (uint32_t) n;
	if (!send_any(stream, TYPE_DATA, &message.base)) {
		fail_stream(stream, HOY_TTRPC_RESOURCE_EXHAUSTED, "output is lost: out of memory");
		return;
	}
	update_output(port);
}

static void take_window(struct stream *stream, int32_t update)
{
	if (update < 0) {
		fail_stream(stream, HOY_TTRPC_INVALID_ARGUMENT, "a window can't shrink");
		return;
	}
	stream->window = MIN(stream->window, (uint32_t) INT32_MAX) + (uint32_t) update;
	if (stream->port && stream->port->source)
		update_output(stream->port);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static void grant(struct hoy_stream_port *port)
{
	Hoy__Pb__StreamWindow message = HOY__PB__STREAM_WINDOW__INIT;
	struct stream *stream = port->stream;

	if (!stream || stream->closed || stream->granted > INPUT_WINDOW / 2 || hoy_inlet_is_full(port->inlet))
		return;
	message.update = INPUT_WINDOW - stream->granted;
	stream->granted = INPUT_WINDOW;
	if (!send_any(stream, TYPE_WINDOW, &message.base))
		fail_stream(stream, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void on_inlet_ready(void *userdata)
{
	grant(userdata);
}

static void on_check(struct hoy_source *source, void *userdata)
{
	struct hoy_stream_port *port = userdata;

	(void) source;
	port->check = hoy_source_free(port->check);
	if (!port->stream || port->stream->closed || !hoy_ttrpc_stream_has_input(port->stream->req))
		hoy_inlet_close(port->inlet);
}

/* What was sent before a CloseIO may still be in the socket. */
static void check_later(struct hoy_stream_port *port)
{
	if (port->closing && !port->check &&
		hoy_loop_defer(port->streams->loop, &port->check, on_check, port, /* err= */ NULL) < 0)
		hoy_inlet_close(port->inlet);
}

static void take_data(struct stream *stream, const ProtobufCBinaryData *data)
{
	struct hoy_stream_port *port = stream->port;

	if (data->len > (size_t) stream->granted) {
		fail_stream(stream, HOY_TTRPC_RESOURCE_EXHAUSTED, "more was sent than the window allows");
		return;
	}
	stream->granted -= (int32_t) data->len;
	if (!port || !port->inlet)
		return; /* an output's stream was granted nothing: the data was empty */
	hoy_inlet_write(port->inlet, (const char *) data->data, data->len);
	grant(port);
}

/* --- between the two ---------------------------------------------------------------------------------------------- */

static void join(struct hoy_stream_port *port, struct stream *stream)
{
	port->stream = stream;
	stream->port = port;
	if (port->inlet) {
		grant(port);
		if (stream->closed)
			hoy_inlet_close(port->inlet);
	} else if (port->source) {
		update_output(port);
	} else {
		end_stream(stream); /* the output had ended before */
	}
}

static struct stream *find_stream(const struct hoy_streams *streams, const char *name)
{
	struct stream *stream = streams->first;

	while (stream && !hoy_str_eq(stream->name, name))
		stream = stream->next;
	return stream;
}

void hoy_streams_drop(struct hoy_streams *streams, const char *name)
{
	struct stream *stream = find_stream(streams, name);

	if (stream)
		end_stream(stream);
}

static struct hoy_stream_port *find_port(const struct hoy_streams *streams, const char *name)
{
	struct hoy_stream_port *port = streams->ports;

	while (port && strcmp(port->name, name) != 0)
		port = port->next;
	return port;
}

static void take_init(struct stream *stream, const char *name)
{
	const Hoy__Pb__Empty empty = HOY__PB__EMPTY__INIT;
	struct hoy_stream_port *port = find_port(stream->streams, name);

	if (!*name || strlen(name) > MAX_NAME) {
		fail_stream(stream, HOY_TTRPC_INVALID_ARGUMENT, "a stream's id has 1 to 512 bytes");
		return;
	}
	if (find_stream(stream->streams, name)) {
		fail_stream(stream, HOY_TTRPC_ALREADY_EXISTS, "a stream of this id is open: already exists");
		return;
	}
	stream->name = strdup(name);
	if (!stream->name || !send_any(stream, TYPE_EMPTY, &empty.base)) {
		fail_stream(stream, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	if (port)
		join(port, stream);
}

static void take_any(struct stream *stream, const Hoy__Pb__Any *any)
{
	const ProtobufCMessageDescriptor *type = NULL;
	ProtobufCMessage *message;

	if (!stream->name && has_type(any, TYPE_INIT))
		type = &hoy__pb__stream_init__descriptor;
	else if (stream->name && has_type(any, TYPE_DATA))
		type = &hoy__pb__stream_data__descriptor;
	else if (stream->name && has_type(any, TYPE_WINDOW))
		type = &hoy__pb__stream_window__descriptor;
	else if (stream->name)
		return; /* what a later version may send */
	message = type ? protobuf_c_message_unpack(type, NULL, any->value.len, any->value.data) : NULL;
	if (!message) {
		fail_stream(stream, HOY_TTRPC_INVALID_ARGUMENT,
			type ? "malformed message" : "a stream begins with a StreamInit");
		return;
	}
	if (type == &hoy__pb__stream_init__descriptor)
		take_init(stream, ((const Hoy__Pb__StreamInit *) message)->id);
	else if (type == &hoy__pb__stream_data__descriptor)
		take_data(stream, &((const Hoy__Pb__StreamData *) message)->data);
	else
		take_window(stream, ((const Hoy__Pb__StreamWindow *) message)->update);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_message(void *userdata, const uint8_t *data, size_t len)
{
	struct stream *stream = userdata;
	struct hoy_stream_port *port = stream->port;
	Hoy__Pb__Any *any = hoy__pb__any__unpack(NULL, len, data);

	if (any)
		take_any(stream, any);
	else
		fail_stream(stream, HOY_TTRPC_INVALID_ARGUMENT, "malformed message");
	hoy__pb__any__free_unpacked(any, NULL);
	if (port && port->inlet)
		check_later(port);
}

/* A reader that says nothing more still reads what its window allows. */
static void on_closed(void *userdata)
{
	struct stream *stream = userdata;

	stream->closed = true;
	if (stream->port && stream->port->inlet)
		hoy_inlet_close(stream->port->inlet);
}

static void on_clear(void *userdata)
{
	const struct stream *stream = userdata;

	if (stream->port && stream->port->source)
		update_output(stream->port);
}

static void on_gone(void *userdata)
{
	struct stream *stream = userdata;
	struct hoy_stream_port *port = stream->port;

	stream_free(stream);
	if (port && port->inlet)
		check_later(port);
}

void hoy_streams_accept(struct hoy_streams *streams, struct hoy_ttrpc_request *req)
{
	static const struct hoy_ttrpc_stream_ops ops = { on_message, on_closed, on_clear, on_gone };
	struct stream *stream = streams->n < MAX_STREAMS ? calloc(1, sizeof *stream) : NULL;

	if (!stream) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "too many streams");
		return;
	}
	if (hoy_ttrpc_stream_open(req, &ops, stream) < 0) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_INVALID_ARGUMENT, "Stream wants a stream, not a single request");
		free(stream);
		return;
	}
	stream->streams = streams;
	stream->req = req;
	stream->next = streams->first;
	streams->first = stream;
	streams->n++;
}

/* --- ports -------------------------------------------------------------------------------------------------------- */

int hoy_streams_parse(const struct hoy_streams *streams, const char *uri, char **ret_name, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **query = NULL;
	const char *path = uri + strlen(HOY_STREAM_SCHEME), *name = NULL;
	size_t len = strcspn(path, "?");

	if (strlen(streams->socket) != len || strncmp(path, streams->socket, len) != 0)
		return hoy_err_unsupported(err,
			"stdio '%s' is not supported: a shim serves streams on its own socket alone, '%s'", uri,
			streams->socket);
	if (hoy_uri_query(uri, &query) < 0)
		return hoy_err_oom(err);
	for (size_t i = 0; query[i]; i += 2)
		if (strcmp(query[i], "streaming_id") == 0)
			name = query[i + 1];
	if (!name || !*name)
		return hoy_err_invalid(err, "stdio '%s' has no streaming_id", uri);
	*ret_name = strdup(name);
	return *ret_name ? 0 : hoy_err_oom(err);
}

static int port_new(struct hoy_streams *streams, const char *name, struct hoy_stream_port **ret, struct hoy_err *err)
{
	struct hoy_stream_port *port;

	if (find_port(streams, name))
		return hoy_err_conflict(err, "the stream '%s' is in use", name);
	port = calloc(1, sizeof *port);
	if (port)
		port->name = strdup(name);
	if (!port || !port->name) {
		free(port);
		return hoy_err_oom(err);
	}
	port->fd = -EBADF;
	port->streams = streams;
	port->next = streams->ports;
	streams->ports = port;
	*ret = port;
	return 0;
}

static void join_if_there(struct hoy_stream_port *port)
{
	struct stream *stream = find_stream(port->streams, port->name);

	if (stream)
		join(port, stream);
}

int hoy_stream_port_output(struct hoy_streams *streams, const char *name, int fd, hoy_stream_end end, void *userdata,
	struct hoy_stream_port **ret, struct hoy_err *err)
{
	struct hoy_stream_port *port;
	int r = port_new(streams, name, &port, err);

	if (r < 0) {
		hoy_fd_close(&fd);
		return r;
	}
	port->fd = fd;
	port->end = end;
	port->userdata = userdata;
	r = hoy_fd_set_nonblocking(fd, true);
	if (r < 0)
		hoy_err_code(err, r, "output of the process");
	else
		r = hoy_loop_io(streams->loop, &port->source, fd, 0, on_output, port, err);
	if (r < 0) {
		hoy_stream_port_free(port);
		return r;
	}
	join_if_there(port);
	*ret = port;
	return 0;
}

int hoy_stream_port_input(
	struct hoy_streams *streams, const char *name, int fd, struct hoy_stream_port **ret, struct hoy_err *err)
{
	struct hoy_stream_port *port;
	int r = port_new(streams, name, &port, err);

	if (r < 0) {
		hoy_fd_close(&fd);
		return r;
	}
	r = hoy_inlet_new(streams->loop, fd, on_inlet_ready, port, &port->inlet, err);
	if (r < 0) {
		hoy_stream_port_free(port);
		return r;
	}
	join_if_there(port);
	*ret = port;
	return 0;
}

void hoy_stream_port_close_input(struct hoy_stream_port *port)
{
	port->closing = true;
	check_later(port);
}

void hoy_stream_port_free(struct hoy_stream_port *port)
{
	if (!port)
		return;
	for (struct hoy_stream_port **at = &port->streams->ports; *at; at = &(*at)->next)
		if (*at == port) {
			*at = port->next;
			break;
		}
	if (port->stream)
		end_stream(port->stream);
	hoy_source_free(port->check);
	hoy_source_free(port->source);
	hoy_inlet_free(port->inlet);
	hoy_fd_close(&port->fd);
	free(port->name);
	free(port);
}

int hoy_streams_new(struct hoy_loop *loop, const char *socket, struct hoy_streams **ret, struct hoy_err *err)
{
	struct hoy_streams *streams = calloc(1, sizeof *streams);

	if (!streams)
		return hoy_err_oom(err);
	streams->loop = loop;
	streams->socket = socket;
	*ret = streams;
	return 0;
}

void hoy_streams_free(struct hoy_streams *streams)
{
	free(streams);
}
