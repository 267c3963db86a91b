/* What a peer of a gRPC connection sends: the first byte says which role is ours, the rest follows the preface. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	unsigned int begun, ended;
};

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;

	(void) userdata;
	while (hoy_wire_next(&wire, &field) > 0)
		if (field.type == HOY_WIRE_BYTES)
			assert(field.data >= data && field.data + field.len <= data + len);
	(void) hoy_grpc_send(call, data, len);
	if (len > 0 && data[0] == 'x')
		hoy_grpc_cancel(call);
}

static void on_half_closed(struct hoy_grpc_call *call, void *userdata)
{
	(void) userdata;
	hoy_grpc_end(call, HOY_GRPC_OK, "that was \"all\"\n");
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct peer *peer = userdata;

	(void) call;
	assert(code >= 0 && message);
	peer->ended++;
}

static void on_call(struct hoy_grpc_call *call, const char *path, void *userdata)
{
	struct peer *peer = userdata;

	peer->begun++;
	(void) hoy_grpc_metadata(call, "te");
	hoy_grpc_accept(call,
		&(struct hoy_grpc_handler){
			.message = on_message, .half_closed = on_half_closed, .ended = on_ended, .userdata = peer });
	if (strlen(path) < 2)
		hoy_grpc_end(call, HOY_GRPC_UNIMPLEMENTED, path);
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	(void) err;
	(void) userdata;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", settings[] = "\0\0\0\4\0\0\0\0";
	const char *const metadata[] = { "dir-name", "context", NULL };
	struct peer peer = { 0 };
	const struct hoy_grpc_handler handler = { .message = on_message, .ended = on_ended, .userdata = &peer };
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	struct hoy_grpc_call *call;
	struct hoy_grpc *grpc = NULL;
	bool is_server = size > 0 && data[0] & 1;
	int pair[2];

	if (size == 0 || hoy_loop_new(&loop, NULL) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	if (hoy_grpc_new(&(struct hoy_grpc_options){ .loop = loop,
				 .fd = pair[0],
				 .is_server = is_server,
				 .on_call = on_call,
				 .on_end = on_end,
				 .userdata = &peer },
		    &grpc, NULL) == 0) {
		for (int i = 0; i < 2 && !is_server; i++)
			peer.begun += hoy_grpc_call(grpc, "/a/B", metadata, &handler, &call, NULL) == 0;
		if ((!is_server || hoy_grpc_feed(grpc, magic, sizeof magic - 1) == 0) &&
			hoy_grpc_feed(grpc, settings, sizeof settings) == 0)
			(void) hoy_grpc_feed(grpc, data + 1, size - 1);
		(void) hoy_loop_run_once(loop, 0, NULL);
		(void) hoy_loop_run_once(loop, 0, NULL);
	}
	hoy_grpc_free(grpc);
	(void) close(pair[1]);
	assert(peer.begun == peer.ended);
	return 0;
}
