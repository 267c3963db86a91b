/* base/json.c, base/json_write.c, base/utf8.c */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tests/unit/unit.h"

Suite *suite_json(void);

static struct hoy_json *parse(const char *text)
{
	struct hoy_json *doc = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_json_parse(text, strlen(text), NULL, &doc, &err) == 0, "%s: %s", text, err.msg);
	return doc;
}

static void assert_refused(const char *text, const char *why)
{
	struct hoy_json *doc = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_json_parse(text, strlen(text), NULL, &doc, &err) == -EINVAL, "%s", text);
	ck_assert_ptr_null(doc);
	ck_assert_msg(strstr(err.msg, why), "%s: got '%s', want '%s'", text, err.msg, why);
}

/* Text -> tree -> text. */
static char *rewritten(const char *text, unsigned int indent)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = parse(text);
	struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf, .indent = indent };

	hoy_json_add_value(&w, NULL, doc);
	return hoy_buf_take(&buf);
}

START_TEST(every_type_is_read_in_document_order)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = parse(
		" {\"s\": \"x\\u00e9\\n\", \"n\": -12.5e3, \"t\": true, \"f\": false, \"z\": null, \"a\": [1, \"2\"], \"o\": {}} ");
	static const enum hoy_json_type types[] = { HOY_JSON_STRING, HOY_JSON_NUMBER, HOY_JSON_BOOL, HOY_JSON_BOOL,
		HOY_JSON_NULL, HOY_JSON_ARRAY, HOY_JSON_OBJECT };
	static const char keys[] = "sntfzao";
	size_t i = 0;

	ck_assert_uint_eq(hoy_json_len(doc), 7);
	hoy_json_each(child, doc)
	{
		ck_assert_int_eq(hoy_json_type(child), types[i]);
		ck_assert_int_eq(hoy_json_key(child)[0], keys[i]);
		i++;
	}
	ck_assert_uint_eq(i, 7);
	ck_assert_str_eq(hoy_json_string(hoy_json_get(doc, "s")), "x\xc3\xa9\n");
	ck_assert_str_eq(hoy_json_number_text(hoy_json_get(doc, "n")), "-12.5e3");
	ck_assert(hoy_json_bool(hoy_json_get(doc, "t")));
	ck_assert(!hoy_json_bool(hoy_json_get(doc, "f")));
	ck_assert_ptr_null(hoy_json_get(doc, "missing"));
	ck_assert_ptr_null(hoy_json_string(hoy_json_get(doc, "n")));
	ck_assert_ptr_null(hoy_json_number_text(hoy_json_get(doc, "s")));
	ck_assert_str_eq(hoy_json_string(hoy_json_next(hoy_json_first(hoy_json_get(doc, "a")))), "2");
	ck_assert_uint_eq(hoy_json_len(hoy_json_get(doc, "s")), 0);
	ck_assert_ptr_null(hoy_json_first(hoy_json_get(doc, "t")));
}
END_TEST

START_TEST(numbers_are_exact_to_the_last_bit)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = parse(
		"[18446744073709551615, -9223372036854775808, 18446744073709551616, -1, 1.5, 1e3, -0, 1e999, \"1\"]");
	const struct hoy_json *v = hoy_json_first(doc);
	uint64_t u;
	int64_t i;
	double d;

	ck_assert_int_eq(hoy_json_to_u64(v, &u), 0);
	ck_assert(u == UINT64_MAX);
	ck_assert_int_eq(hoy_json_to_i64(v, &i), -ERANGE);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_i64(v, &i), 0);
	ck_assert(i == INT64_MIN);
	ck_assert_int_eq(hoy_json_to_u64(v, &u), -ERANGE);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_u64(v, &u), -ERANGE);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_u64(v, &u), -ERANGE);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_i64(v, &i), -EINVAL);
	ck_assert_int_eq(hoy_json_to_double(v, &d), 0);
	ck_assert(d == 1.5);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_i64(v, &i), -EINVAL);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_u64(v, &u), 0);
	ck_assert(u == 0);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_double(v, &d), -ERANGE);
	v = hoy_json_next(v);
	ck_assert_int_eq(hoy_json_to_i64(v, &i), -EINVAL);
	ck_assert_int_eq(hoy_json_to_u64(v, &u), -EINVAL);
	ck_assert_int_eq(hoy_json_to_double(v, &d), -EINVAL);
}
END_TEST

START_TEST(what_is_not_json_is_refused_with_its_place)
{
	assert_refused("", "line 1, column 1: ");
	assert_refused("{\n  \"a\": 1,\n  \"b\": tru\n}", "line 3, column ");
	assert_refused("{} {}", "trailing garbage");
	assert_refused("[1,]", "line 1");
	assert_refused("{\"a\":1", "premature EOF");
	assert_refused("// comment\n{}", "line 1");
	assert_refused("[01]", "line 1");
	assert_refused("[NaN]", "line 1");
	assert_refused("\"a\tb\"", "line 1");
}
END_TEST

START_TEST(text_that_is_not_unicode_is_refused)
{
	assert_refused("\"\xff\"", "UTF");
	assert_refused("\"\xed\xa0\x80\"", "UTF");
	assert_refused("\"\xc0\x80\"", "UTF");
	assert_refused("\"\\udc00\"", "UTF");
	assert_refused("\"a\\u0000b\"", "NUL");
	assert_refused("{\"\\u0000\": 1}", "NUL");
}
END_TEST

START_TEST(a_duplicate_key_is_refused_with_its_path)
{
	char many[4096] = "{\"linux\": [1, {\"x\": {";

	assert_refused("{\"a\": 1, \"b\": 2, \"a\": 3}", "a: given twice");
	assert_refused("{\"linux\": {\"l\": [0, {\"t\": 1, \"t\": 2}]}}", "linux.l[1].t: given twice");
	for (int i = 0; i < 100; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "\"k%d\": 0, ", i);
	snprintf(many + strlen(many), sizeof many - strlen(many), "\"k50\": 1}}]}");
	assert_refused(many, "linux[1].x.k50: given twice");
	hoy_json_free(parse("{\"a\": {\"a\": 1}, \"A\": 2}"));
}
END_TEST

START_TEST(limits_give_one_clear_error)
{
	struct hoy_json_limits limits = { .max_size = 10 };
	struct hoy_json *doc = NULL;
	struct hoy_err err;

	ck_assert_int_eq(hoy_json_parse("[1,2,3,4,5]", 11, &limits, &doc, &err), -EMSGSIZE);
	ck_assert_str_eq(hoy_err_str(&err), "JSON text of 11 bytes is larger than 10 bytes");
	limits = (struct hoy_json_limits){ .max_depth = 3 };
	ck_assert_int_eq(hoy_json_parse("[[[1]]]", 7, &limits, &doc, &err), 0);
	hoy_json_free(doc);
	ck_assert_int_eq(hoy_json_parse("[[[[1]]]]", 9, &limits, &doc, &err), -EINVAL);
	ck_assert_str_eq(hoy_err_str(&err), "nested deeper than 3 levels");
	limits = (struct hoy_json_limits){ .max_nodes = 4 };
	ck_assert_int_eq(hoy_json_parse("[1,2,3]", 7, &limits, &doc, &err), 0);
	hoy_json_free(doc);
	ck_assert_int_eq(hoy_json_parse("[1,2,3,4]", 9, &limits, &doc, &err), -EINVAL);
	ck_assert_str_eq(hoy_err_str(&err), "more than 4 values");
}
END_TEST

START_TEST(a_million_brackets_do_not_overflow_the_stack)
{
	char *text = malloc(1000000);

	memset(text, '[', 1000000);
	text[999999] = '\0';
	assert_refused(text, "nested deeper than 128 levels");
	free(text);
}
END_TEST

START_TEST(a_key_is_found_in_any_case_but_exact_wins)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = parse("{\"image\": 1, \"Image\": 2, \"CMD\": 3}");

	ck_assert_str_eq(hoy_json_number_text(hoy_json_get_ci(doc, "Image")), "2");
	ck_assert_str_eq(hoy_json_number_text(hoy_json_get_ci(doc, "Cmd")), "3");
	ck_assert_str_eq(hoy_json_number_text(hoy_json_get_ci(doc, "IMAGE")), "1");
	ck_assert_ptr_null(hoy_json_get(doc, "Cmd"));
	ck_assert_ptr_null(hoy_json_get_ci(hoy_json_first(doc), "x"));
}
END_TEST

START_TEST(a_tree_is_written_as_it_was_read)
{
	auto_free char *compact = rewritten("{ \"a\" : [ 1 , 2.50 , {} , [] , null ] , \"b\" : { \"c\" : true } }", 0);
	auto_free char *indented = rewritten("{\"a\":[1,{}],\"b\":[]}", 2);

	ck_assert_str_eq(compact, "{\"a\":[1,2.50,{},[],null],\"b\":{\"c\":true}}");
	ck_assert_str_eq(indented, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
}
END_TEST

START_TEST(only_what_must_be_escaped_is_escaped)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_add_stringn(&w, NULL, "a/b\"\\\b\f\n\r\t\x01\x7f<\xc3\xa9\xf0\x9f\x9a\xa2\0z", 21);
	ck_assert_str_eq(buf.data, "\"a/b\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f<\xc3\xa9\xf0\x9f\x9a\xa2\\u0000z\"");
}
END_TEST

START_TEST(invalid_utf8_is_written_as_replacement_characters)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_add_string(&w, NULL, "a\xff\xc3");
	ck_assert_str_eq(buf.data, "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(the_writer_places_commas_and_keys)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	char *names[] = { "a", "b", NULL };

	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "u", UINT64_MAX);
	hoy_json_add_i64(&w, "i", INT64_MIN);
	hoy_json_array(&w, "x");
	hoy_json_array(&w, NULL);
	hoy_json_end(&w);
	hoy_json_object(&w, NULL);
	hoy_json_end(&w);
	hoy_json_add_bool(&w, NULL, true);
	hoy_json_end(&w);
	hoy_json_add_strv(&w, "v", names);
	hoy_json_add_strv(&w, "n", NULL);
	hoy_json_add_string(&w, "s", NULL);
	hoy_json_add_raw(&w, "r", "{\"k\":1}");
	hoy_json_add_double(&w, "d", 0.1);
	hoy_json_add_double(&w, "e", 1.0 / 3);
	hoy_json_add_double(&w, "inf", 1e308 * 10);
	hoy_json_end(&w);
	ck_assert_int_eq(hoy_buf_check(&buf, "x", NULL), 0);
	ck_assert_str_eq(buf.data, "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"x\":[[],{},true],"
				   "\"v\":[\"a\",\"b\"],\"n\":null,\"s\":null,\"r\":{\"k\":1},\"d\":0.1,"
				   "\"e\":0.3333333333333333,\"inf\":null}");
}
END_TEST

START_TEST(a_large_document_spans_many_chunks)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {}, out = {};
	struct hoy_json_writer w = { .buf = &buf }, w2 = { .buf = &out };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	char key[16], big[9000];

	memset(big, 'x', sizeof big);
	hoy_json_object(&w, NULL);
	for (int i = 0; i < 30000; i++) {
		snprintf(key, sizeof key, "key%d", i);
		hoy_json_add_stringn(&w, key, big, i % 1000 ? 20 : sizeof big);
	}
	hoy_json_end(&w);
	ck_assert_int_eq(hoy_json_parse(buf.data, buf.len, NULL, &doc, NULL), 0);
	ck_assert_uint_eq(hoy_json_len(doc), 30000);
	hoy_json_add_value(&w2, NULL, doc);
	ck_assert_uint_eq(buf.len, out.len);
	ck_assert_mem_eq(buf.data, out.data, buf.len);
}
END_TEST

START_TEST(utf8_is_checked_at_its_borders)
{
	ck_assert(hoy_utf8_is_valid("", 0));
	ck_assert(hoy_utf8_is_valid(
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 21));
	ck_assert(!hoy_utf8_is_valid("\xc1\xbf", 2));
	ck_assert(!hoy_utf8_is_valid("\xe0\x9f\xbf", 3));
	ck_assert(!hoy_utf8_is_valid("\xed\xa0\x80", 3));
	ck_assert(!hoy_utf8_is_valid("\xf0\x8f\xbf\xbf", 4));
	ck_assert(!hoy_utf8_is_valid("\xf4\x90\x80\x80", 4));
	ck_assert(!hoy_utf8_is_valid("\xf5\x80\x80\x80", 4));
	ck_assert(!hoy_utf8_is_valid("\x80", 1));
	ck_assert(!hoy_utf8_is_valid("abcdefgh\xe2\x82", 10));
}
END_TEST

START_TEST(look_ups_chain_through_what_is_absent)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int64_t number;

	ck_assert_int_eq(hoy_json_parse("{}", 2, NULL, &doc, NULL), 0);
	ck_assert_ptr_null(hoy_json_string(hoy_json_get(hoy_json_get(doc, "a"), "b")));
	ck_assert(!hoy_json_bool(hoy_json_get_ci(NULL, "a")));
	ck_assert_int_eq(hoy_json_to_i64(NULL, &number), -EINVAL);
	ck_assert_uint_eq(hoy_json_len(NULL), 0);
}
END_TEST

Suite *suite_json(void)
{
	const TTest *const tests[] = { every_type_is_read_in_document_order, numbers_are_exact_to_the_last_bit,
		what_is_not_json_is_refused_with_its_place, text_that_is_not_unicode_is_refused,
		a_duplicate_key_is_refused_with_its_path, limits_give_one_clear_error,
		a_million_brackets_do_not_overflow_the_stack, a_key_is_found_in_any_case_but_exact_wins,
		a_tree_is_written_as_it_was_read, only_what_must_be_escaped_is_escaped,
		invalid_utf8_is_written_as_replacement_characters, the_writer_places_commas_and_keys,
		a_large_document_spans_many_chunks, utf8_is_checked_at_its_borders,
		look_ups_chain_through_what_is_absent };

	return hoy_unit_suite("json", tests, ARRAY_LEN(tests));
}
