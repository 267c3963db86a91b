/* base/buf.c */
#include "base/buf.h"

#include <errno.h>

#include "tests/unit/unit.h"

Suite *suite_buf(void);

START_TEST(an_append_past_the_cap_is_remembered)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err;

	hoy_buf_init(&buf, 8);
	ck_assert_int_eq(hoy_buf_adds(&buf, "12345678"), 0);
	ck_assert_int_eq(hoy_buf_addc(&buf, '9'), -EMSGSIZE);
	ck_assert_int_eq(hoy_buf_adds(&buf, ""), -EMSGSIZE);
	ck_assert_int_eq(hoy_buf_check(&buf, "the config", &err), -EMSGSIZE);
	ck_assert_str_eq(hoy_err_str(&err), "the config is larger than 8 bytes");
	ck_assert_ptr_null(hoy_buf_take(&buf));
}
END_TEST

START_TEST(formatted_text_and_consume_keep_the_terminator)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(hoy_buf_addf(&buf, "%d,", i), 0);
	hoy_buf_consume(&buf, 2);
	ck_assert_int_eq(buf.data[0], '1');
	ck_assert_int_eq(buf.data[buf.len], '\0');
	hoy_buf_consume(&buf, 100000);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(taking_an_empty_buffer_gives_an_empty_string)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	auto_free char *str = hoy_buf_take(&buf);

	ck_assert_str_eq(str, "");
}
END_TEST

Suite *suite_buf(void)
{
	const TTest *const tests[] = { an_append_past_the_cap_is_remembered,
		formatted_text_and_consume_keep_the_terminator, taking_an_empty_buffer_gives_an_empty_string };

	return hoy_unit_suite("buf", tests, ARRAY_LEN(tests));
}
