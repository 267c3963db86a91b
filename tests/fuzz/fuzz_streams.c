/*
 * Stdio by streams: a caller that says anything at all on a connection of the shim's server, and processes that come, write,
 * read and go in any order.
 *
 * An input is a list of steps: a byte that says what happens (0x80: the caller reads nothing after it), a byte for whom, the length
 * of the rest in two bytes, the rest.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/frame.h"
#include "base/ttrpc/streaming.pb-c.h"
#include "base/ttrpc/common.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "base/ttrpc/ttrpc.pb-c.h"
#include "shim/stream.h"

#define MAX_STEPS 64
#define N_PORTS 4
#define SLOW 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum what {
	BYTES,
	OPEN,
	INIT,
	DATA,
	WINDOW,
	CLOSE,
	OUTPUT,
	INPUT,
	WRITE,
	READ,
	CLOSE_IO,
	HANG_UP,
	FREE,
	DROP,
	CONNECT,
	N_WHAT
};

/* A process's end of a pipe, and the port at the other. */
struct process {
	struct hoy_stream_port *port;
	int fd;
	bool ended;
};

static struct scene {
	struct hoy_loop *loop;
	struct hoy_ttrpc_server *server;
	struct hoy_streams *streams;
	struct sockaddr_un address;
	socklen_t address_len;
	int caller;
	struct process outputs[N_PORTS], inputs[N_PORTS];
} scene;

/* --- the shim ----------------------------------------------------------------------------------------------------- */

static void on_request(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_incoming *in, void *userdata)
{
	(void) userdata;
	if (strcmp(in->method, "Stream") == 0)
		hoy_streams_accept(scene.streams, req);
	else
		hoy_ttrpc_answer_empty(req);
}

static void on_end(void *userdata)
{
	struct process *process = userdata;

	assert(!process->ended);
	process->ended = true;
}

static void free_process(struct process *process)
{
	hoy_stream_port_free(process->port);
	hoy_fd_close(&process->fd);
	*process = (struct process){ .fd = -EBADF };
}

static void make_process(struct process *process, bool is_output, char name)
{
	int pair[2];
	int r;

	free_process(process);
	assert(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0);
	process->fd = pair[is_output];
	if (is_output)
		r = hoy_stream_port_output(
			scene.streams, (char[]){ name, '\0' }, pair[0], on_end, process, &process->port, NULL);
	else
		r = hoy_stream_port_input(scene.streams, (char[]){ name, '\0' }, pair[1], &process->port, NULL);
	if (r < 0)
		process->port = NULL; /* the name is in use */
}

/* --- the caller --------------------------------------------------------------------------------------------------- */

static void connect_caller(void)
{
	hoy_fd_close(&scene.caller);
	scene.caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert(scene.caller >= 0);
	(void) connect(scene.caller, (const struct sockaddr *) &scene.address, scene.address_len);
}

static void say(const void *data, size_t len)
{
	(void) send(scene.caller, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_frame(uint8_t stream, enum hoy_ttrpc_type type, uint8_t flags, const ProtobufCMessage *message)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;
	uint8_t *to = hoy_ttrpc_frame_add(&out, stream, type, flags, len);

	assert(to);
	if (message)
		protobuf_c_message_pack(message, to);
	say(out.data, out.len);
}

static void say_any(uint8_t stream, const char *type, const ProtobufCMessage *message)
{
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	auto_free uint8_t *value = malloc(protobuf_c_message_get_packed_size(message) + 1);

	assert(value);
	any.type_url = (char *) type;
	any.value.data = value;
	any.value.len = protobuf_c_message_pack(message, value);
	say_frame(stream, HOY_TTRPC_DATA, 0, &any.base);
}

static void say_open(uint8_t stream, uint8_t flags)
{
	Hoy__Pb__RpcRequest request = HOY__PB__RPC_REQUEST__INIT;

	request.service = (char *) HOY_TTRPC_STREAMING_SERVICE;
	request.method = (char *) "Stream";
	say_frame(stream, HOY_TTRPC_REQUEST, flags, &request.base);
}

static void say_init(uint8_t stream, char name)
{
	Hoy__Pb__StreamInit init = HOY__PB__STREAM_INIT__INIT;

	init.id = (char[]){ name, '\0' };
	say_any(stream, "containerd.services.streaming.v1.StreamInit", &init.base);
}

static void say_data(uint8_t stream, const uint8_t *data, size_t len)
{
	Hoy__Pb__StreamData message = HOY__PB__STREAM_DATA__INIT;

	message.data.data = (uint8_t *) data;
	message.data.len = len;
	say_any(stream, "containerd.types.transfer.Data", &message.base);
}

static void say_window(uint8_t stream, int32_t update)
{
	Hoy__Pb__StreamWindow message = HOY__PB__STREAM_WINDOW__INIT;

	message.update = update;
	say_any(stream, "containerd.types.transfer.WindowUpdate", &message.base);
}

/* --- a play ------------------------------------------------------------------------------------------------------- */

static void process_step(
	enum what what, struct process *output, struct process *input, char name, const uint8_t *data, size_t len)
{
	char sink[4096];

	switch (what) {
	case OUTPUT:
		make_process(output, true, name);
		break;
	case INPUT:
		make_process(input, false, name);
		break;
	case WRITE:
		if (output->fd >= 0)
			(void) !write(output->fd, data, len);
		break;
	case READ:
		if (input->fd >= 0)
			(void) !read(input->fd, sink, sizeof sink);
		break;
	case CLOSE_IO:
		if (input->port)
			hoy_stream_port_close_input(input->port);
		break;
	case HANG_UP:
		hoy_fd_close(len ? &input->fd : &output->fd);
		break;
	case FREE:
		free_process(len ? input : output);
		break;
	default:
		hoy_streams_drop(scene.streams, (char[]){ name, '\0' });
		break;
	}
}

static void take_step(enum what what, uint8_t whom, const uint8_t *data, size_t len)
{
	uint8_t stream = (uint8_t) (whom % 8 * 2 + 1); /* a client's are odd */
	char name = (char) ('a' + whom / 8 % N_PORTS);
	int32_t number = 0;

	memcpy(&number, data, MIN(len, sizeof number));
	switch (what) {
	case BYTES:
		say(data, len);
		break;
	case OPEN:
		say_open(stream, len ? data[0] : HOY_TTRPC_OPEN);
		break;
	case INIT:
		say_init(stream, name);
		break;
	case DATA:
		say_data(stream, data, len);
		break;
	case WINDOW:
		say_window(stream, number);
		break;
	case CLOSE:
		say_frame(stream, HOY_TTRPC_DATA, HOY_TTRPC_CLOSED | HOY_TTRPC_NO_DATA, NULL);
		break;
	case CONNECT:
		connect_caller();
		break;
	default:
		process_step(
			what, &scene.outputs[whom / 8 % N_PORTS], &scene.inputs[whom / 8 % N_PORTS], name, data, len);
		break;
	}
}

static void take_steps(const uint8_t *data, size_t size)
{
	static char sink[64 << 10];

	for (int i = 0; i < MAX_STEPS && size >= 4; i++) {
		uint8_t step = data[0], whom = data[1];
		size_t len = (size_t) data[2] << 8 | data[3];

		data += 4;
		size -= 4;
		len = MIN(len, size);
		take_step((enum what)((step & ~SLOW) % N_WHAT), whom, data, len);
		for (int rounds = 0; rounds < 3; rounds++)
			(void) hoy_loop_run_once(scene.loop, 0, /* err= */ NULL);
		if (!(step & SLOW))
			(void) recv(scene.caller, sink, sizeof sink, MSG_DONTWAIT);
		data += len;
		size -= len;
	}
}

/* At an address that the kernel chooses, outside the file system. */
static int listen_somewhere(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	scene.address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	scene.address_len = sizeof scene.address;
	assert(fd >= 0 && bind(fd, (const struct sockaddr *) &scene.address, sizeof scene.address.sun_family) == 0 &&
		listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *) &scene.address, &scene.address_len) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void) signal(SIGPIPE, SIG_IGN);
	scene = (struct scene){ .caller = -EBADF };
	for (size_t i = 0; i < N_PORTS; i++)
		scene.outputs[i].fd = scene.inputs[i].fd = -EBADF;
	assert(hoy_loop_new(&scene.loop, NULL) == 0);
	assert(hoy_streams_new(scene.loop, "/s", &scene.streams, NULL) == 0);
	assert(hoy_ttrpc_server_new(scene.loop, listen_somewhere(), on_request, NULL, &scene.server, NULL) == 0);
	connect_caller();
	take_steps(data, size);
	for (size_t i = 0; i < N_PORTS; i++) {
		free_process(&scene.outputs[i]);
		free_process(&scene.inputs[i]);
	}
	hoy_ttrpc_server_free(scene.server);
	hoy_streams_free(scene.streams);
	hoy_loop_free(scene.loop);
	hoy_fd_close(&scene.caller);
	return 0;
}
