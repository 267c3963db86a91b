/* Lines as GELF 1.1: JSON, over TCP with a NUL behind it, over UDP compressed and in chunks where it is long. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/json.h"
#include "base/str.h"
#include "shim/driver/driver.h"

#define CHUNK_SIZE ((size_t) 1420) /* with its header */
#define CHUNK_HEADER ((size_t) 12)
#define CHUNKS_MAX ((size_t) 128)
#define WINDOW_ZLIB 15
#define WINDOW_GZIP (15 + 16)
#define LEVEL_ERR 3
#define LEVEL_INFO 6

static struct {
	const struct hoy_driver_options *options;
	bool datagrams;
	int window; /* 0: not compressed */
	int level;
	char host[256];
} state;

static int set_up(const struct hoy_driver_options *options, const struct hoy_target_address *to, struct hoy_err *err)
{
	bool datagrams = to->type == SOCK_DGRAM;
	const char *type = hoy_driver_option(options, "gelf-compression-type", datagrams ? "gzip" : "none");
	const char *level = hoy_driver_option(options, "gelf-compression-level", "1");

	state.options = options;
	state.datagrams = datagrams;
	state.window = hoy_str_eq(type, "gzip") ? WINDOW_GZIP : hoy_str_eq(type, "zlib") ? WINDOW_ZLIB : 0;
	if (!state.window && !hoy_str_eq(type, "none"))
		return hoy_err_invalid(err, "gelf-compression-type '%s'", type);
	if (state.window && !datagrams)
		return hoy_err_invalid(err, "gelf-compression-type is for udp only");
	if (hoy_str_to_int(level, &state.level) < 0 || state.level < -1 || state.level > 9)
		return hoy_err_invalid(err, "gelf-compression-level '%s'", level);
	if (gethostname(state.host, sizeof state.host - 1) < 0)
		(void) strncpy(state.host, "localhost", sizeof state.host - 1);
	return 0;
}

static void encode(struct hoy_buf *out, const struct hoy_driver_line *line)
{
	struct hoy_json_writer w = { .buf = out };
	auto_free char *time = hoy_str_printf(
		"%lld.%03ld", (long long) line->time.tv_sec, line->time.tv_nsec / 1000000);
	const char *name, *value;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "version", "1.1");
	hoy_json_add_string(&w, "host", state.host);
	hoy_json_add_stringn(&w, "short_message", line->text, line->len);
	hoy_json_add_raw(&w, "timestamp", time ? time : "0");
	hoy_json_add_i64(&w, "level", line->is_stderr ? LEVEL_ERR : LEVEL_INFO);
	hoy_json_add_string(&w, "_container_id", hoy_driver_option(state.options, "container-id", ""));
	hoy_json_add_string(&w, "_tag", hoy_driver_option(state.options, "tag", ""));
	for (size_t i = 0; hoy_driver_attribute(state.options, i, &name, &value); i++) {
		auto_free char *key = hoy_str_printf("_%s", name);

		if (key)
			hoy_json_add_string(&w, key, value);
	}
	hoy_json_end(&w);
}

static int deflate_all(const struct hoy_buf *from, struct hoy_buf *to)
{
	z_stream stream = { 0 };
	size_t room;
	void *out;
	int r;

	if (deflateInit2(&stream, state.level, Z_DEFLATED, state.window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	room = deflateBound(&stream, from->len);
	out = hoy_buf_reserve(to, room);
	stream.next_in = (Bytef *) from->data;
	stream.avail_in = (uInt) from->len;
	stream.next_out = out;
	stream.avail_out = (uInt) room;
	r = out ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	if (r == Z_STREAM_END)
		hoy_buf_commit(to, stream.total_out);
	(void) deflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : -1;
}

/* Chunk: 1e 0f, eight bytes that all chunks of a message share, its number, how many there are. */
static void send_datagrams(struct hoy_target *target, const struct hoy_buf *message)
{
	size_t room = CHUNK_SIZE - CHUNK_HEADER, n = (message->len + room - 1) / room;
	char chunk[CHUNK_SIZE] = { 0x1e, 0x0f };

	if (message->len <= CHUNK_SIZE) {
		hoy_target_send(target, message->data, message->len);
		return;
	}
	if (n > CHUNKS_MAX)
		return; /* no receiver would take it */
	hoy_random(chunk + 2, 8);
	chunk[11] = (char) n;
	for (size_t i = 0; i < n; i++) {
		size_t len = MIN(room, message->len - i * room);

		chunk[10] = (char) i;
		memcpy(chunk + CHUNK_HEADER, message->data + i * room, len);
		hoy_target_send(target, chunk, CHUNK_HEADER + len);
	}
}

static void send_line(struct hoy_target *target, const struct hoy_driver_line *line)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, packed = {};

	if (!line->len)
		return; /* a message must not be empty */
	encode(&text, line);
	if (!state.datagrams)
		(void) hoy_buf_addc(&text, '\0');
	if (hoy_buf_check(&text, "message", /* err= */ NULL) < 0)
		return;
	if (!state.datagrams)
		hoy_target_send(target, text.data, text.len);
	else if (!state.window)
		send_datagrams(target, &text);
	else if (deflate_all(&text, &packed) == 0)
		send_datagrams(target, &packed);
}

static const char *const known[] = { "gelf-compression-type", "gelf-compression-level", NULL };

const struct hoy_driver hoy_driver_gelf = {
	.name = "gelf",
	.address_option = "gelf-address",
	.default_port = 12201,
	.options = known,
	.set_up = set_up,
	.send = send_line,
};
