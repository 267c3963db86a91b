/* Random bytes as a ttrpc stream: framing in pieces of any size, then the messages a shim unpacks. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/ttrpc/events.pb-c.h"
#include "base/ttrpc/frame.h"
#include "base/ttrpc/hoy_shim.pb-c.h"
#include "base/ttrpc/options.pb-c.h"
#include "base/ttrpc/sandbox.pb-c.h"
#include "base/ttrpc/streaming.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "base/ttrpc/ttrpc.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, len, data);

	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

/* All that a caller sends, and what hoyd and the shim read of the other side's answers. */
static const ProtobufCMessageDescriptor *const types[] = {
	&hoy__pb__create_task_request__descriptor,
	&hoy__pb__start_request__descriptor,
	&hoy__pb__delete_request__descriptor,
	&hoy__pb__exec_process_request__descriptor,
	&hoy__pb__state_request__descriptor,
	&hoy__pb__wait_request__descriptor,
	&hoy__pb__kill_request__descriptor,
	&hoy__pb__pids_request__descriptor,
	&hoy__pb__pause_request__descriptor,
	&hoy__pb__resume_request__descriptor,
	&hoy__pb__resize_pty_request__descriptor,
	&hoy__pb__close_iorequest__descriptor,
	&hoy__pb__update_task_request__descriptor,
	&hoy__pb__checkpoint_task_request__descriptor,
	&hoy__pb__stats_request__descriptor,
	&hoy__pb__connect_request__descriptor,
	&hoy__pb__shutdown_request__descriptor,
	&hoy__pb__shim_hello_request__descriptor,
	&hoy__pb__shim_expect_request__descriptor,
	&hoy__pb__create_sandbox_request__descriptor,
	&hoy__pb__sandbox_request__descriptor,
	&hoy__pb__stop_sandbox_request__descriptor,
	&hoy__pb__sandbox_status_request__descriptor,
	&hoy__pb__pod_config__descriptor,
	&hoy__pb__bootstrap_params__descriptor,
	&hoy__pb__runc_options__descriptor,
	&hoy__pb__checkpoint_options__descriptor,
	&hoy__pb__stream_init__descriptor,
	&hoy__pb__stream_data__descriptor,
	&hoy__pb__stream_window__descriptor,
	&hoy__pb__rpc_response__descriptor,
	&hoy__pb__state_response__descriptor,
	&hoy__pb__pids_response__descriptor,
	&hoy__pb__stats_response__descriptor,
	&hoy__pb__shim_hello_response__descriptor,
};

static void unpack_all(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		unpack(types[i], data, len);
}

static void on_frame(const struct hoy_ttrpc_frame *frame)
{
	Hoy__Pb__RpcRequest *request;

	if (frame->oversize)
		return;
	request = hoy__pb__rpc_request__unpack(NULL, frame->len, frame->data);
	if (!request)
		return;
	unpack_all(request->payload.data, request->payload.len);
	hoy__pb__rpc_request__free_unpacked(request, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hoy_ttrpc_reader reader = {};
	size_t step = size ? data[0] % 64 + 1 : 1;

	while (size) {
		const uint8_t *piece = data;
		size_t len = MIN(step, size);
		struct hoy_ttrpc_frame frame;

		data += len;
		size -= len;
		while (hoy_ttrpc_reader_next(&reader, &piece, &len, &frame) > 0)
			on_frame(&frame);
		assert(len == 0);
	}
	hoy_ttrpc_reader_done(&reader);
	return 0;
}
