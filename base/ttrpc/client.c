/* The asynchronous ttrpc client: calls in flight are matched with answers by their stream id. */
#include "base/ttrpc/ttrpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/conn_internal.h"
#include "base/ttrpc/ttrpc.pb-c.h"

struct call {
	struct call *next;
	struct hoy_ttrpc_client *client;
	uint32_t stream;
	struct hoy_source *timer;
	hoy_ttrpc_done done;
	void *userdata;
};

struct hoy_ttrpc_client {
	struct hoy_ttrpc_conn conn;
	struct hoy_loop *loop;
	struct call *calls;
	uint32_t next_stream;
	char *key, *value; /* metadata */
	hoy_ttrpc_lost lost;
	void *userdata;
	bool *gone; /* set by _free() for the code that is calling back */
};

static void call_free(struct call *call)
{
	if (!call)
		return;
	hoy_source_free(call->timer);
	free(call);
}

static struct call *take_call(struct hoy_ttrpc_client *client, uint32_t stream)
{
	for (struct call **at = &client->calls; *at; at = &(*at)->next) {
		struct call *call = *at;

		if (call->stream == stream) {
			*at = call->next;
			return call;
		}
	}
	return NULL;
}

static void finish(struct call *call, const struct hoy_ttrpc_reply *reply)
{
	hoy_ttrpc_done done = call->done;
	void *userdata = call->userdata;

	call_free(call);
	done(userdata, reply);
}

static void finish_with(struct call *call, enum hoy_ttrpc_code code, const char *message)
{
	finish(call, &(struct hoy_ttrpc_reply){ .code = code, .message = message });
}

static void on_call_timeout(struct hoy_source *source, void *userdata)
{
	struct call *call = userdata;

	(void) source;
	(void) take_call(call->client, call->stream);
	finish_with(call, HOY_TTRPC_DEADLINE_EXCEEDED, "no answer in time");
}

static void on_frame(const struct hoy_ttrpc_frame *frame, void *userdata)
{
	struct hoy_ttrpc_client *client = userdata;
	struct hoy_ttrpc_reply reply = { .message = "" };
	Hoy__Pb__RpcResponse *response;
	struct call *call;

	if (frame->type != HOY_TTRPC_RESPONSE)
		return;
	call = take_call(client, frame->stream);
	if (!call)
		return; /* timed out or forgotten */
	if (frame->oversize) {
		finish_with(call, HOY_TTRPC_RESOURCE_EXHAUSTED, "answer is larger than 4 MiB");
		return;
	}
	response = hoy__pb__rpc_response__unpack(NULL, frame->len, frame->data);
	if (!response) {
		finish_with(call, HOY_TTRPC_INTERNAL, "malformed answer");
		return;
	}
	reply.payload = response->payload.data;
	reply.len = response->payload.len;
	if (response->status) {
		reply.code = (enum hoy_ttrpc_code) response->status->code;
		reply.message = response->status->message;
	}
	finish(call, &reply);
	hoy__pb__rpc_response__free_unpacked(response, NULL);
}

static void on_end(void *userdata)
{
	struct hoy_ttrpc_client *client = userdata;
	bool gone = false;

	hoy_ttrpc_conn_close(&client->conn);
	client->gone = &gone;
	while (client->calls) {
		struct call *call = client->calls;

		client->calls = call->next;
		finish_with(call, HOY_TTRPC_UNAVAILABLE, "connection closed");
		if (gone)
			return;
	}
	client->gone = NULL;
	if (client->lost)
		client->lost(client, client->userdata);
}

int hoy_ttrpc_client_new(struct hoy_loop *loop, int fd, hoy_ttrpc_lost lost, void *userdata,
	struct hoy_ttrpc_client **ret, struct hoy_err *err)
{
	struct hoy_ttrpc_client *client = calloc(1, sizeof *client);
	int r;

	if (!client) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	client->loop = loop;
	client->next_stream = 1;
	client->lost = lost;
	client->userdata = userdata;
	client->conn.on_frame = on_frame;
	client->conn.on_end = on_end;
	client->conn.userdata = client;
	r = hoy_ttrpc_conn_open(&client->conn, loop, fd, err);
	if (r < 0) {
		free(client);
		return r;
	}
	*ret = client;
	return 0;
}

int hoy_ttrpc_client_connect(struct hoy_loop *loop, const char *path, hoy_ttrpc_lost lost, void *userdata,
	struct hoy_ttrpc_client **ret, struct hoy_err *err)
{
	static const char scheme[] = "unix://";
	int fd;

	if (hoy_str_starts(path, scheme))
		path += sizeof scheme - 1;
	/* Non-blocking: a listener whose backlog is full is an error (EAGAIN), not a wait. */
	fd = hoy_fd_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, err);
	if (fd < 0)
		return fd;
	return hoy_ttrpc_client_new(loop, fd, lost, userdata, ret, err);
}

void hoy_ttrpc_client_free(struct hoy_ttrpc_client *client)
{
	if (!client)
		return;
	if (client->gone)
		*client->gone = true;
	hoy_ttrpc_conn_close(&client->conn);
	while (client->calls) {
		struct call *call = client->calls;

		client->calls = call->next;
		call_free(call);
	}
	free(client->key);
	free(client->value);
	free(client);
}

int hoy_ttrpc_client_set_metadata(struct hoy_ttrpc_client *client, const char *key, const char *value)
{
	char *new_key = strdup(key), *new_value = strdup(value);

	if (!new_key || !new_value) {
		free(new_key);
		free(new_value);
		return -ENOMEM;
	}
	free(client->key);
	free(client->value);
	client->key = new_key;
	client->value = new_value;
	return 0;
}

static int send_request(struct hoy_ttrpc_client *client, uint32_t stream, const char *service, const char *method,
	const ProtobufCMessage *message, uint64_t timeout_ns)
{
	Hoy__Pb__RpcRequest request = HOY__PB__RPC_REQUEST__INIT;
	Hoy__Pb__RpcKeyValue pair = HOY__PB__RPC_KEY_VALUE__INIT, *pairs[] = { &pair };
	auto_free uint8_t *payload = NULL;
	size_t len = protobuf_c_message_get_packed_size(message);

	if (len > HOY_TTRPC_MAX_DATA)
		return -EMSGSIZE;
	payload = malloc(len + 1);
	if (!payload)
		return -ENOMEM;
	protobuf_c_message_pack(message, payload);
	request.service = (char *) service;
	request.method = (char *) method;
	request.payload.data = payload;
	request.payload.len = len;
	request.timeout_nano = timeout_ns > INT64_MAX ? INT64_MAX : (int64_t) timeout_ns;
	if (client->key) {
		pair.key = client->key;
		pair.value = client->value;
		request.n_metadata = 1;
		request.metadata = pairs;
	}
	return hoy_ttrpc_conn_send(&client->conn, stream, HOY_TTRPC_REQUEST, &request.base);
}

int64_t hoy_ttrpc_call(struct hoy_ttrpc_client *client, const char *service, const char *method,
	const ProtobufCMessage *request, uint64_t timeout_ns, hoy_ttrpc_done done, void *userdata, struct hoy_err *err)
{
	struct call *call;
	uint32_t stream;
	int r;

	if (client->conn.ended)
		return hoy_err_code(err, -ENOTCONN, "call %s", method);
	call = calloc(1, sizeof *call);
	if (!call)
		return hoy_err_oom(err);
	stream = client->next_stream;
	client->next_stream += 2; /* odd numbers are ours; wraps to 1 */
	call->client = client;
	call->stream = stream;
	call->done = done;
	call->userdata = userdata;
	r = timeout_ns ? hoy_loop_timer(client->loop, &call->timer, timeout_ns, on_call_timeout, call, err) : 0;
	if (r >= 0) {
		r = send_request(client, stream, service, method, request, timeout_ns);
		if (r < 0)
			hoy_err_code(err, r, "call %s", method);
	}
	if (r < 0) {
		call_free(call);
		return r;
	}
	call->next = client->calls;
	client->calls = call;
	return stream;
}

void hoy_ttrpc_forget(struct hoy_ttrpc_client *client, int64_t id)
{
	call_free(take_call(client, (uint32_t) id));
}

static int errnum_of(enum hoy_ttrpc_code code, enum hoy_err_kind *kind)
{
	static const struct {
		enum hoy_ttrpc_code code;
		enum hoy_err_kind kind;
		int errnum;
	} table[] = {
		{ HOY_TTRPC_CANCELED, HOY_ERR_SYSTEM, ECANCELED },
		{ HOY_TTRPC_INVALID_ARGUMENT, HOY_ERR_INVALID, EINVAL },
		{ HOY_TTRPC_DEADLINE_EXCEEDED, HOY_ERR_SYSTEM, ETIMEDOUT },
		{ HOY_TTRPC_NOT_FOUND, HOY_ERR_NOT_FOUND, ENOENT },
		{ HOY_TTRPC_ALREADY_EXISTS, HOY_ERR_CONFLICT, EEXIST },
		{ HOY_TTRPC_RESOURCE_EXHAUSTED, HOY_ERR_SYSTEM, EMSGSIZE },
		{ HOY_TTRPC_FAILED_PRECONDITION, HOY_ERR_CONFLICT, EBUSY },
		{ HOY_TTRPC_UNIMPLEMENTED, HOY_ERR_UNSUPPORTED, EOPNOTSUPP },
		{ HOY_TTRPC_UNAVAILABLE, HOY_ERR_SYSTEM, ENOTCONN },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == code) {
			*kind = table[i].kind;
			return table[i].errnum;
		}
	*kind = HOY_ERR_SYSTEM;
	return EIO;
}

int hoy_ttrpc_reply_err(const struct hoy_ttrpc_reply *reply, struct hoy_err *err)
{
	enum hoy_err_kind kind;
	int errnum;

	if (reply->code == HOY_TTRPC_OK)
		return 0;
	errnum = errnum_of(reply->code, &kind);
	return hoy_err_set(err, kind, errnum, "%s", reply->message);
}

ProtobufCMessage *hoy_ttrpc_reply_unpack(
	const struct hoy_ttrpc_reply *reply, const ProtobufCMessageDescriptor *type, struct hoy_err *err)
{
	ProtobufCMessage *message;

	if (hoy_ttrpc_reply_err(reply, err) < 0)
		return NULL;
	message = protobuf_c_message_unpack(type, NULL, reply->len, reply->payload);
	if (!message)
		hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "malformed answer: %s", type->short_name);
	return message;
}
