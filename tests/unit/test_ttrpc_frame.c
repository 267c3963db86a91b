/* base/ttrpc/frame.c */
#include "base/ttrpc/frame.h"

#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_ttrpc_frame(void);

static const uint8_t connect_frame[] = { 0, 0, 0, 5, 0, 0, 0, 3, 1, 0, 'h', 'e', 'l', 'l', 'o' };

static void check_is_connect(const struct hoy_ttrpc_frame *frame)
{
	ck_assert_uint_eq(frame->stream, 3);
	ck_assert_uint_eq(frame->type, HOY_TTRPC_REQUEST);
	ck_assert_uint_eq(frame->len, 5);
	ck_assert(!frame->oversize);
	ck_assert_mem_eq(frame->data, "hello", 5);
}

START_TEST(a_frame_may_come_in_any_pieces)
{
	for (size_t cut = 1; cut < sizeof connect_frame; cut++) {
		auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
		struct hoy_ttrpc_frame frame;
		const uint8_t *data = connect_frame;
		size_t len = cut;

		ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 0);
		ck_assert_uint_eq(len, 0);
		len = sizeof connect_frame - cut;
		ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
		check_is_connect(&frame);
		ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 0);
		ck_assert_ptr_null(reader.buf.data);
	}
}
END_TEST

START_TEST(several_frames_in_one_read)
{
	auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
	uint8_t all[3 * sizeof connect_frame];
	struct hoy_ttrpc_frame frame;
	const uint8_t *data = all;
	size_t len = sizeof all - 1;

	for (int i = 0; i < 3; i++)
		memcpy(all + i * sizeof connect_frame, connect_frame, sizeof connect_frame);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
		check_is_connect(&frame);
	}
	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 0);
	len = 1;
	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
	check_is_connect(&frame);
}
END_TEST

START_TEST(an_oversize_frame_is_thrown_away_and_nothing_allocated)
{
	auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
	const uint8_t header[] = { 0, 0x40, 0, 1, 0, 0, 0, 7, 1, 0 };
	uint8_t junk[4096] = { 0 };
	struct hoy_ttrpc_frame frame;
	const uint8_t *data = header;
	size_t len = sizeof header, left = ((size_t) 4 << 20) + 1;

	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
	ck_assert(frame.oversize);
	ck_assert_uint_eq(frame.stream, 7);
	while (left) {
		size_t n = MIN(left, sizeof junk);

		data = junk;
		len = n;
		ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 0);
		ck_assert_ptr_null(reader.buf.data);
		left -= n;
	}
	data = connect_frame;
	len = sizeof connect_frame;
	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
	check_is_connect(&frame);
}
END_TEST

START_TEST(four_gigabytes_in_the_header_in_two_pieces)
{
	auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
	const uint8_t header[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 1, 0 };
	struct hoy_ttrpc_frame frame;
	const uint8_t *data = header;
	size_t len = 4;

	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 0);
	len = 6;
	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
	ck_assert(frame.oversize);
	ck_assert_uint_eq(reader.skip, 0xffffffff);
	ck_assert_ptr_null(reader.buf.data);
}
END_TEST

START_TEST(a_written_frame_reads_back)
{
	auto_(hoy_ttrpc_reader_done) struct hoy_ttrpc_reader reader = {};
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_ttrpc_frame frame;
	const uint8_t *data;
	size_t len;
	uint8_t *to = hoy_ttrpc_frame_add(&out, 3, HOY_TTRPC_REQUEST, /* flags= */ 0, 5);

	ck_assert_ptr_nonnull(to);
	memcpy(to, "hello", 5);
	ck_assert_uint_eq(out.len, sizeof connect_frame);
	ck_assert_mem_eq(out.data, connect_frame, sizeof connect_frame);
	data = (uint8_t *) out.data;
	len = out.len;
	ck_assert_int_eq(hoy_ttrpc_reader_next(&reader, &data, &len, &frame), 1);
	check_is_connect(&frame);
	ck_assert_ptr_null(hoy_ttrpc_frame_add(&out, 3, HOY_TTRPC_REQUEST, /* flags= */ 0, ((size_t) 4 << 20) + 1));
}
END_TEST

Suite *suite_ttrpc_frame(void)
{
	const TTest *const tests[] = { a_frame_may_come_in_any_pieces, several_frames_in_one_read,
		an_oversize_frame_is_thrown_away_and_nothing_allocated, four_gigabytes_in_the_header_in_two_pieces,
		a_written_frame_reads_back };

	return hoy_unit_suite("ttrpc frame", tests, ARRAY_LEN(tests));
}
