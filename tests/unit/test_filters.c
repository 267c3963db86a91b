/* The `filters` parameter. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/filters.h"
#include "tests/unit/unit.h"

Suite *suite_filters(void);

static const char *const known[] = { "label", "name", "dangling", NULL };

START_TEST(both_forms_are_read)
{
	static const char *const texts[] = { "{\"label\":[\"a=b\",\"c\"],\"name\":[\"x\"]}",
		"{\"label\":{\"a=b\":true,\"c\":true},\"name\":{\"x\":true}}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_(hoy_filters_done) struct hoy_filters f = { 0 };
		auto_ptr(hoy_strv_free) char **labels = NULL, **none = NULL;

		ck_assert_int_eq(hoy_filters_parse(&f, texts[i], known, NULL), 0);
		ck_assert_int_eq(hoy_filters_values(&f, "label", &labels, NULL), 0);
		ck_assert_str_eq(labels[0], "a=b");
		ck_assert_str_eq(labels[1], "c");
		ck_assert_ptr_null(labels[2]);
		ck_assert_int_eq(hoy_filters_values(&f, "dangling", &none, NULL), 0);
		ck_assert_ptr_null(none);
	}
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const char *const bad[] = { "[]", "x", "{\"label\":\"a\"}", "{\"label\":[1]}", "{\"nope\":[\"a\"]}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(hoy_filters_done) struct hoy_filters f = { 0 };

		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_filters_parse(&f, bad[i], known, &err) < 0, "%s", bad[i]);
		ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
	}
}
END_TEST

START_TEST(an_unknown_filter_is_named)
{
	auto_(hoy_filters_done) struct hoy_filters f = { 0 };
	struct hoy_err err = { 0 };

	ck_assert_int_eq(hoy_filters_parse(&f, "{\"nope\":[\"a\"]}", known, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "invalid filter 'nope'");
}
END_TEST

START_TEST(matching_without_the_key_is_always_true)
{
	auto_(hoy_filters_done) struct hoy_filters f = { 0 };

	ck_assert_int_eq(hoy_filters_parse(&f, "{\"name\":[\"web\"]}", known, NULL), 0);
	ck_assert(hoy_filters_match(&f, "label", "anything"));
	ck_assert(hoy_filters_match(&f, "name", "web"));
	ck_assert(!hoy_filters_match(&f, "name", "web2"));
	ck_assert(hoy_filters_match_prefix(&f, "name", "web2"));
	ck_assert(!hoy_filters_match_prefix(&f, "name", "we"));
}
END_TEST

START_TEST(booleans_are_checked)
{
	auto_(hoy_filters_done) struct hoy_filters f = { 0 }, g = { 0 }, h = { 0 };
	int value;

	ck_assert_int_eq(hoy_filters_parse(&f, "{\"dangling\":{\"true\":true}}", known, NULL), 0);
	ck_assert_int_eq(hoy_filters_bool(&f, "dangling", &value, NULL), 0);
	ck_assert_int_eq(value, 1);
	ck_assert_int_eq(hoy_filters_parse(&g, "{}", known, NULL), 0);
	ck_assert_int_eq(hoy_filters_bool(&g, "dangling", &value, NULL), 0);
	ck_assert_int_eq(value, -1);
	ck_assert_int_eq(hoy_filters_parse(&h, "{\"dangling\":[\"maybe\"]}", known, NULL), 0);
	ck_assert_int_eq(hoy_filters_bool(&h, "dangling", &value, NULL), -EINVAL);
}
END_TEST

Suite *suite_filters(void)
{
	const TTest *const tests[] = { both_forms_are_read, nonsense_is_refused, an_unknown_filter_is_named,
		matching_without_the_key_is_always_true, booleans_are_checked };

	return hoy_unit_suite("filters", tests, ARRAY_LEN(tests));
}
