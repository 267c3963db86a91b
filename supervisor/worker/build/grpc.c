#include "supervisor/worker/build/grpc.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"

#define CONNECTION_WINDOW (16 << 20)
#define MAX_CALLS 100
#define METADATA_MAX 1024
#define METADATA_BYTES_MAX ((size_t) 64 << 10)
#define OUT_MAX ((size_t) 64 << 20)
#define PREFIX 5 /* of a message: compressed or not, length */

struct hoy_grpc_call {
	struct hoy_grpc *grpc;
	struct hoy_grpc_call *next;
	int32_t id;
	struct hoy_grpc_handler handler;
	char *path;
	char **metadata; /* names and values in turn */
	size_t metadata_bytes;
	struct hoy_buf in, out;
	bool answered; /* server: its head was sent */
	bool out_end;  /* nothing more will be queued */
	bool asleep;   /* the data provider waits for more */
	bool is_held;
	size_t unconsumed;    /* came while it was held */
	bool canceled, begun; /* begun: on_call was called */
	int code;             /* -1: not told */
	char *message;
	int http_status;
};

struct hoy_grpc {
	struct hoy_grpc_options options;
	nghttp2_session *session;
	struct hoy_source *io, *post;
	struct hoy_grpc_call *calls;
	struct hoy_buf out;
	bool ended, wants_out;
};

/* --- calls -------------------------------------------------------------------------------------------------------- */

static struct hoy_grpc_call *call_new(struct hoy_grpc *grpc)
{
	struct hoy_grpc_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->grpc = grpc;
	call->code = -1;
	hoy_buf_init(&call->in, HOY_GRPC_MESSAGE_MAX + PREFIX);
	hoy_buf_init(&call->out, OUT_MAX);
	call->next = grpc->calls;
	grpc->calls = call;
	return call;
}

static void call_free(struct hoy_grpc_call *call)
{
	struct hoy_grpc_call **at = &call->grpc->calls;

	while (*at && *at != call)
		at = &(*at)->next;
	if (*at)
		*at = call->next;
	hoy_buf_done(&call->in);
	hoy_buf_done(&call->out);
	hoy_strv_free(call->metadata);
	free(call->path);
	free(call->message);
	free(call);
}

static void call_end(struct hoy_grpc_call *call, int code, const char *message)
{
	if (call->handler.ended)
		call->handler.ended(call, code, message, call->handler.userdata);
	call_free(call);
}

const char *hoy_grpc_metadata(const struct hoy_grpc_call *call, const char *name)
{
	for (char **at = call->metadata; at && at[0] && at[1]; at += 2)
		if (strcmp(at[0], name) == 0)
			return at[1];
	return NULL;
}

static void wake(struct hoy_grpc_call *call)
{
	if (call->asleep && call->id > 0) {
		call->asleep = false;
		(void) nghttp2_session_resume_data(call->grpc->session, call->id);
	}
}

void hoy_grpc_hold(struct hoy_grpc_call *call, bool is_held)
{
	call->is_held = is_held;
	if (is_held || call->unconsumed == 0)
		return;
	(void) nghttp2_session_consume_stream(call->grpc->session, call->id, call->unconsumed);
	call->unconsumed = 0;
}

size_t hoy_grpc_pending(const struct hoy_grpc_call *call)
{
	return call->out.len;
}

void hoy_grpc_close_send(struct hoy_grpc_call *call)
{
	call->out_end = true;
	wake(call);
}

void hoy_grpc_cancel(struct hoy_grpc_call *call)
{
	if (call->canceled)
		return;
	call->canceled = true;
	(void) nghttp2_submit_rst_stream(call->grpc->session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
}

/* --- what leaves -------------------------------------------------------------------------------------------------- */

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *) (uintptr_t) name,
		.value = (uint8_t *) (uintptr_t) value,
		.namelen = strlen(name),
		.valuelen = strlen(value) };
}

/* gRPC wants everything but printable ASCII written as %XX. */
static char *escape(const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

	(void) hoy_buf_adds(&buf, "");
	for (; *text; text++)
		if (*text >= ' ' && *text <= '~' && *text != '%')
			(void) hoy_buf_addc(&buf, *text);
		else
			(void) hoy_buf_addf(&buf, "%%%02X", (unsigned char) *text);
	return hoy_buf_take(&buf);
}

static void send_trailers(struct hoy_grpc_call *call)
{
	auto_free char *message = escape(call->message ? call->message : "");
	char code[16];
	nghttp2_nv trailers[2];

	(void) snprintf(code, sizeof code, "%d", call->code);
	trailers[0] = header("grpc-status", code);
	trailers[1] = header("grpc-message", message ? message : "");
	(void) nghttp2_submit_trailer(call->grpc->session, call->id, trailers, *(message ? message : "") ? 2 : 1);
}

static ssize_t on_data_wanted(nghttp2_session *session, int32_t id, uint8_t *data, size_t max, uint32_t *flags,
	nghttp2_data_source *source, void *userdata)
{
	struct hoy_grpc_call *call = source->ptr;
	size_t n = MIN(max, call->out.len);

	(void) session;
	(void) id;
	(void) userdata;
	if (n == 0 && !call->out_end) {
		if (call->handler.drained)
			call->handler.drained(call, call->handler.userdata);
		n = MIN(max, call->out.len);
		if (n == 0 && !call->out_end) {
			call->asleep = true;
			return NGHTTP2_ERR_DEFERRED;
		}
	}
	if (n > 0)
		memcpy(data, call->out.data, n);
	hoy_buf_consume(&call->out, n);
	if (call->out_end && call->out.len == 0) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (call->grpc->options.is_server) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			send_trailers(call);
		}
	}
	return (ssize_t) n;
}

static void answer(struct hoy_grpc_call *call)
{
	const nghttp2_nv head[] = { header(":status", "200"), header("content-type", "application/grpc") };
	const nghttp2_data_provider provider = { .source.ptr = call, .read_callback = on_data_wanted };

	if (call->answered || !call->grpc->options.is_server)
		return;
	call->answered = true;
	(void) nghttp2_submit_response(call->grpc->session, call->id, head, ARRAY_LEN(head), &provider);
}

int hoy_grpc_send(struct hoy_grpc_call *call, const void *data, size_t len)
{
	const unsigned char prefix[PREFIX] = { 0, (unsigned char) (len >> 24), (unsigned char) (len >> 16),
		(unsigned char) (len >> 8), (unsigned char) len };

	if (call->out.len + len + PREFIX > OUT_MAX || len > HOY_GRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	if (!hoy_buf_reserve(&call->out, len + PREFIX))
		return -ENOMEM;
	(void) hoy_buf_add(&call->out, prefix, PREFIX);
	if (len > 0)
		(void) hoy_buf_add(&call->out, data, len);
	answer(call);
	wake(call);
	return 0;
}

void hoy_grpc_end(struct hoy_grpc_call *call, int code, const char *message)
{
	if (call->out_end)
		return;
	call->code = code;
	free(call->message);
	call->message = message ? strdup(message) : NULL;
	call->out_end = true;
	answer(call);
	wake(call);
}

int hoy_grpc_call(struct hoy_grpc *grpc, const char *path, const char *const *metadata,
	const struct hoy_grpc_handler *handler, struct hoy_grpc_call **ret, struct hoy_err *err)
{
	nghttp2_nv head[6 + METADATA_MAX] = { header(":method", "POST"), header(":scheme", "http"),
		header(":path", path), header(":authority", "localhost"), header("content-type", "application/grpc"),
		header("te", "trailers") };
	nghttp2_data_provider provider = { .read_callback = on_data_wanted };
	struct hoy_grpc_call *call;
	size_t n = 6;

	if (grpc->ended)
		return hoy_err_code(err, -ECONNRESET, "the client's session has ended");
	for (; metadata && metadata[0]; metadata += 2) {
		if (n == ARRAY_LEN(head))
			return hoy_err_invalid(err, "too many patterns");
		head[n++] = header(metadata[0], metadata[1]);
	}
	call = call_new(grpc);
	if (!call)
		return hoy_err_oom(err);
	provider.source.ptr = call;
	call->handler = *handler;
	call->id = nghttp2_submit_request(grpc->session, NULL, head, n, &provider, call);
	if (call->id < 0) {
		call_free(call);
		return hoy_err_code(err, -EIO, "call %s of the client's session", path);
	}
	*ret = call;
	return 0;
}

void hoy_grpc_accept(struct hoy_grpc_call *call, const struct hoy_grpc_handler *handler)
{
	call->handler = *handler;
}

/* --- what comes --------------------------------------------------------------------------------------------------- */

static struct hoy_grpc_call *call_of(struct hoy_grpc *grpc, int32_t id)
{
	return nghttp2_session_get_stream_user_data(grpc->session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct hoy_grpc *grpc = userdata;
	struct hoy_grpc_call *call;

	if (!grpc->options.is_server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	call = call_new(grpc);
	if (!call)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	call->id = frame->hd.stream_id;
	(void) nghttp2_session_set_stream_user_data(session, call->id, call);
	return 0;
}

/* The %XX of a grpc-message. */
static char *unescape(const char *text, size_t len)
{
	char *plain = malloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; plain && i < len; i++) {
		unsigned int byte;
		char hex[3] = { 0 };

		if (text[i] == '%' && i + 2 < len) {
			memcpy(hex, text + i + 1, 2);
			if (sscanf(hex, "%2x", &byte) == 1 && byte) {
				plain[n++] = (char) byte;
				i += 2;
				continue;
			}
		}
		plain[n++] = text[i];
	}
	if (plain)
		plain[n] = '\0';
	return plain;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
	const uint8_t *value, size_t value_len, uint8_t flags, void *userdata)
{
	struct hoy_grpc_call *call = call_of(userdata, frame->hd.stream_id);
	const char *key = (const char *) name, *text = (const char *) value;

	(void) session;
	(void) flags;
	if (!call)
		return 0;
	call->metadata_bytes += name_len + value_len;
	if (call->metadata_bytes > METADATA_BYTES_MAX || hoy_strv_len(call->metadata) > 2 * METADATA_MAX)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (strcmp(key, ":status") == 0 || strcmp(key, "grpc-status") == 0) {
		int number = 0;

		for (size_t i = 0; i < value_len && i < 4 && text[i] >= '0' && text[i] <= '9'; i++)
			number = 10 * number + text[i] - '0';
		*(*key == ':' ? &call->http_status : &call->code) = number;
	} else if (strcmp(key, "grpc-message") == 0) {
		free(call->message);
		call->message = unescape(text, value_len);
	} else if (strcmp(key, ":path") == 0) {
		free(call->path);
		call->path = strndup(text, value_len);
	} else if (hoy_strv_add(&call->metadata, key) < 0 ||
		   hoy_strv_addf(&call->metadata, "%.*s", (int) value_len, text) < 0) {
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return 0;
}

static void begin_call(struct hoy_grpc *grpc, struct hoy_grpc_call *call)
{
	if (call->begun)
		return;
	call->begun = true;
	if (call->path)
		grpc->options.on_call(call, call->path, grpc->options.userdata);
	else
		hoy_grpc_end(call, HOY_GRPC_UNIMPLEMENTED, "a call without a path");
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata)
{
	struct hoy_grpc *grpc = userdata;
	struct hoy_grpc_call *call = frame->hd.stream_id ? call_of(grpc, frame->hd.stream_id) : NULL;

	(void) session;
	if (!call || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (grpc->options.is_server && frame->hd.type == NGHTTP2_HEADERS)
		begin_call(grpc, call);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		if (!grpc->options.is_server)
			hoy_grpc_close_send(call);
		else if (call->handler.half_closed)
			call->handler.half_closed(call, call->handler.userdata);
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *userdata)
{
	struct hoy_grpc_call *call = call_of(userdata, id);
	size_t used = 0;

	(void) flags;
	(void) nghttp2_session_consume_connection(session, len);
	if (!call || call->canceled)
		return 0;
	call->unconsumed += len;
	if (hoy_buf_add(&call->in, data, len) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	while (!call->canceled && call->in.len - used >= PREFIX) {
		const unsigned char *head = (const unsigned char *) call->in.data + used;
		size_t size = (size_t) head[1] << 24 | (size_t) head[2] << 16 | (size_t) head[3] << 8 | head[4];

		if (size > HOY_GRPC_MESSAGE_MAX || head[0] != 0)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		if (call->in.len - used - PREFIX < size)
			break;
		if (call->handler.message)
			call->handler.message(call, call->in.data + used + PREFIX, size, call->handler.userdata);
		used += PREFIX + size;
	}
	hoy_buf_consume(&call->in, used);
	if (!call->is_held)
		hoy_grpc_hold(call, false);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *userdata)
{
	struct hoy_grpc_call *call = call_of(userdata, id);

	(void) session;
	if (!call)
		return 0;
	if (call->canceled)
		call_end(call, HOY_GRPC_CANCELED, "canceled");
	else if (call->code >= 0)
		call_end(call, call->code, call->message ? call->message : "");
	else if (error == NGHTTP2_CANCEL)
		call_end(call, HOY_GRPC_CANCELED, "canceled by the other side");
	else
		call_end(call, HOY_GRPC_UNAVAILABLE, "the call was cut off");
	return 0;
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static void end(struct hoy_grpc *grpc, const struct hoy_err *err)
{
	if (grpc->ended)
		return;
	grpc->ended = true;
	grpc->io = hoy_source_free(grpc->io);
	grpc->options.on_end(err, grpc->options.userdata);
}

/* False: the socket takes no more now, or all is over. */
static bool write_out(struct hoy_grpc *grpc)
{
	ssize_t n = send(grpc->options.fd, grpc->out.data, grpc->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	struct hoy_err err = { 0 };

	if (n >= 0) {
		hoy_buf_consume(&grpc->out, (size_t) n);
		return grpc->out.len == 0;
	}
	if (errno == EAGAIN || errno == EINTR)
		return false;
	(void) hoy_err_sys(&err, "write to the client's session");
	end(grpc, &err);
	return false;
}

static void flush(struct hoy_grpc *grpc)
{
	const uint8_t *data;
	ssize_t n = 0;
	bool wants;

	while (!grpc->ended && (grpc->out.len == 0 || write_out(grpc))) {
		/* In larger pieces than frames are. */
		while (grpc->out.len < (64 << 10) && (n = nghttp2_session_mem_send(grpc->session, &data)) > 0)
			if (hoy_buf_add(&grpc->out, data, (size_t) n) < 0)
				n = -1;
		if (n < 0) {
			struct hoy_err err = { 0 };

			(void) hoy_err_oom(&err);
			end(grpc, &err);
		}
		if (grpc->out.len == 0)
			break;
	}
	if (grpc->ended)
		return;
	if (!nghttp2_session_want_read(grpc->session) && !nghttp2_session_want_write(grpc->session)) {
		end(grpc, NULL);
		return;
	}
	wants = grpc->out.len > 0;
	if (wants != grpc->wants_out)
		(void) hoy_source_set_events(grpc->io, EPOLLIN | (wants ? EPOLLOUT : 0), NULL);
	grpc->wants_out = wants;
}

int hoy_grpc_feed(struct hoy_grpc *grpc, const void *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(grpc->session, data, len);

	return n == (ssize_t) len ? 0 : -EPROTO;
}

static void on_readable(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_grpc *grpc = userdata;
	static char block[256 << 10];
	struct hoy_err err = { 0 };
	ssize_t n;

	(void) source;
	(void) events;
	n = recv(grpc->options.fd, block, sizeof block, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (n < 0)
			(void) hoy_err_sys(&err, "read from the client's session");
		end(grpc, n < 0 ? &err : NULL);
		return;
	}
	if (hoy_grpc_feed(grpc, block, (size_t) n) < 0) {
		(void) hoy_err_code(&err, -EPROTO, "the client's session is not HTTP/2 as it should be");
		end(grpc, &err);
	}
}

static void on_post(struct hoy_source *source, void *userdata)
{
	(void) source;
	flush(userdata);
}

static int make_session(struct hoy_grpc *grpc, struct hoy_err *err)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HOY_GRPC_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_CALLS },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, METADATA_BYTES_MAX },
	};
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int r = nghttp2_session_callbacks_new(&callbacks);

	if (r == 0)
		r = nghttp2_option_new(&option);
	if (r != 0) {
		nghttp2_session_callbacks_del(callbacks);
		return hoy_err_oom(err);
	}
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	r = grpc->options.is_server ? nghttp2_session_server_new2(&grpc->session, callbacks, grpc, option)
				    : nghttp2_session_client_new2(&grpc->session, callbacks, grpc, option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	if (r == 0)
		r = nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
	if (r == 0)
		r = nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
	return r == 0 ? 0 : hoy_err_oom(err);
}

int hoy_grpc_new(const struct hoy_grpc_options *options, struct hoy_grpc **ret, struct hoy_err *err)
{
	struct hoy_grpc *grpc = calloc(1, sizeof *grpc);
	int fd = options->fd, r;

	if (!grpc) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	grpc->options = *options;
	r = make_session(grpc, err);
	if (r == 0)
		r = hoy_loop_io(options->loop, &grpc->io, options->fd, EPOLLIN, on_readable, grpc, err);
	if (r >= 0)
		r = hoy_loop_post(options->loop, &grpc->post, on_post, grpc, err);
	if (r < 0) {
		hoy_grpc_free(grpc);
		return r;
	}
	flush(grpc);
	*ret = grpc;
	return 0;
}

void hoy_grpc_free(struct hoy_grpc *grpc)
{
	if (!grpc)
		return;
	grpc->ended = true;
	grpc->post = hoy_source_free(grpc->post);
	grpc->io = hoy_source_free(grpc->io);
	while (grpc->calls)
		call_end(grpc->calls, HOY_GRPC_UNAVAILABLE, "the client's session has ended");
	nghttp2_session_del(grpc->session);
	hoy_fd_close(&grpc->options.fd);
	hoy_buf_done(&grpc->out);
	free(grpc);
}
