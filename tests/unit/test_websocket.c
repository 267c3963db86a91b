/* Frames of RFC 6455: the handshake, what is taken, what ends the connection. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/api/websocket.h"
#include "tests/unit/unit.h"

Suite *suite_websocket(void);

START_TEST(the_key_is_answered_as_the_rfc_has_it)
{
	char accept[HOY_WS_ACCEPT_SIZE];

	ck_assert(hoy_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept));
	ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	ck_assert(!hoy_ws_accept("", accept));
	ck_assert(!hoy_ws_accept("dGhlIHNhbXBsZSBub25jZQ", accept));
	ck_assert(!hoy_ws_accept("dGhlIHNhbXBsZSBub25jZQAA", accept));
}
END_TEST

/* Feeds a copy in pieces of `step` bytes; all data goes to `data`. Returns the last event but "needs more". */
static struct hoy_ws_event feed(const char *bytes, size_t len, size_t step, struct hoy_buf *data)
{
	struct hoy_ws ws = {};
	struct hoy_ws_event event, last = {};
	unsigned char copy[512];

	ck_assert_uint_le(len, sizeof copy);
	memcpy(copy, bytes, len);
	for (size_t at = 0; at < len;) {
		at += hoy_ws_next(&ws, copy + at, MIN(step, len - at), &event);
		if (event.what == HOY_WS_HAS_DATA)
			ck_assert_int_eq(hoy_buf_add(data, event.data, event.len), 0);
		if (event.what != HOY_WS_NEEDS_MORE)
			last = event;
		if (event.what == HOY_WS_IS_WRONG)
			break;
	}
	return last;
}

static const size_t steps[] = { 1, 2, 3, 512 };

static void check(const char *bytes, size_t len, enum hoy_ws_what what, int code, const char *want)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		auto_(hoy_buf_done) struct hoy_buf data = {};
		struct hoy_ws_event last = feed(bytes, len, steps[i], &data);

		ck_assert_int_eq(last.what, what);
		ck_assert_int_eq(last.code, code);
		ck_assert_str_eq(data.data ? data.data : "", want);
	}
}
#define CHECK(bytes, what, code, want) check(bytes, sizeof(bytes) - 1, what, code, want)

START_TEST(messages_are_unmasked_and_joined)
{
	CHECK("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", HOY_WS_HAS_DATA, 0, "Hello");
	CHECK("\x02\x82\0\0\0\0ab\x00\x80\0\0\0\0\x80\x82\0\0\0\0cd", HOY_WS_HAS_DATA, 0, "abcd");
	CHECK("\x02\x81\0\0\0\0a\x89\x82\0\0\0\0hi\x80\x81\0\0\0\0b", HOY_WS_HAS_DATA, 0, "ab"); /* ping between */
	CHECK("\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\xa4", HOY_WS_HAS_DATA, 0, "\xc3\xa4");
}
END_TEST

START_TEST(control_frames)
{
	CHECK("\x89\x80\0\0\0\0", HOY_WS_HAS_PING, 0, "");
	CHECK("\x8a\x82\1\2\3\4ab", HOY_WS_HAS_PONG, 0, "");
	CHECK("\x88\x80\0\0\0\0", HOY_WS_HAS_CLOSE, HOY_WS_NO_STATUS, "");
	CHECK("\x88\x85\0\0\0\0\x03\xe8"
	      "bye",
		HOY_WS_HAS_CLOSE, HOY_WS_NORMAL, "");
}
END_TEST

START_TEST(what_the_rfc_forbids_ends_it)
{
	static const struct {
		const char *bytes;
		size_t len;
		int code;
	} cases[] = {
#define CASE(bytes, code) { bytes, sizeof(bytes) - 1, code }
		CASE("\x81\x05Hello", HOY_WS_PROTOCOL_ERROR),    /* not masked */
		CASE("\xc1\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR), /* a reserved bit */
		CASE("\x83\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR), /* reserved opcodes */
		CASE("\x8b\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR),
		CASE("\x80\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR),                     /* continues nothing */
		CASE("\x01\x80\0\0\0\0\x81\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR),     /* begins before the end */
		CASE("\x09\x80\0\0\0\0", HOY_WS_PROTOCOL_ERROR),                     /* control in fragments */
		CASE("\x89\xfe\x00\x7e\0\0\0\0", HOY_WS_PROTOCOL_ERROR),             /* control too long */
		CASE("\x82\xfe\x00\x7d\0\0\0\0", HOY_WS_PROTOCOL_ERROR),             /* not the shortest length */
		CASE("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", HOY_WS_PROTOCOL_ERROR), /* nor this */
		CASE("\x82\xff\x80\0\0\0\0\1\0\0\0\0\0\0", HOY_WS_PROTOCOL_ERROR),   /* its top bit */
		CASE("\x88\x81\0\0\0\0\x03", HOY_WS_PROTOCOL_ERROR),                 /* half a code */
		CASE("\x88\x82\0\0\0\0\x03\xed", HOY_WS_PROTOCOL_ERROR),             /* 1005 */
		CASE("\x88\x84\0\0\0\0\x03\xe8\xc3\x28", HOY_WS_BAD_TEXT),
		CASE("\x81\x82\0\0\0\0\xc0\x80", HOY_WS_BAD_TEXT),     /* overlong */
		CASE("\x81\x83\0\0\0\0\xed\xa0\x80", HOY_WS_BAD_TEXT), /* a surrogate */
		CASE("\x81\x81\0\0\0\0\xc3", HOY_WS_BAD_TEXT),         /* cut off */
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
			auto_(hoy_buf_done) struct hoy_buf data = {};
			struct hoy_ws_event last = feed(cases[i].bytes, cases[i].len, steps[s], &data);

			ck_assert_msg(last.what == HOY_WS_IS_WRONG && last.code == cases[i].code, "case %zu: %d, %d", i,
				last.what, last.code);
		}
}
END_TEST

START_TEST(heads_of_all_sizes)
{
	unsigned char head[HOY_WS_HEAD_MAX];

	ck_assert_uint_eq(hoy_ws_head(head, HOY_WS_PING, 5), 2);
	ck_assert_mem_eq(head, "\x89\x05", 2);
	ck_assert_uint_eq(hoy_ws_head(head, HOY_WS_BINARY, 126), 4);
	ck_assert_mem_eq(head, "\x82\x7e\x00\x7e", 4);
	ck_assert_uint_eq(hoy_ws_head(head, HOY_WS_TEXT, 65536), 10);
	ck_assert_mem_eq(head, "\x81\x7f\0\0\0\0\0\1\0\0", 10);
}
END_TEST

Suite *suite_websocket(void)
{
	const TTest *const tests[] = { the_key_is_answered_as_the_rfc_has_it, messages_are_unmasked_and_joined,
		control_frames, what_the_rfc_forbids_ends_it, heads_of_all_sizes };

	return hoy_unit_suite("websocket", tests, ARRAY_LEN(tests));
}
