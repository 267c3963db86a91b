/* Request targets: decoding, query parameters, API versions. */
#include <errno.h>
#include <string.h>

#include "supervisor/api/uri.h"
#include "supervisor/api/version.h"
#include "tests/unit/unit.h"

Suite *suite_uri(void);

START_TEST(path_and_query_are_decoded)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };

	ck_assert_int_eq(hoy_uri_parse(&uri, "/images/localhost%3A5000%2Fa/json?x=a%20b+c&y&z=1&z=2", NULL), 0);
	ck_assert_str_eq(uri.path, "/images/localhost:5000/a/json");
	ck_assert_str_eq(hoy_uri_query(&uri, "x"), "a b c");
	ck_assert_str_eq(hoy_uri_query(&uri, "y"), "");
	ck_assert_str_eq(hoy_uri_query(&uri, "z"), "1");
	ck_assert_ptr_null(hoy_uri_query(&uri, "w"));
}
END_TEST

START_TEST(all_values_of_a_parameter_are_found)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };
	auto_free const char **v = NULL;

	ck_assert_int_eq(hoy_uri_parse(&uri, "/x?changes=CMD+a&b=1&changes=ENV+c%3Dd", NULL), 0);
	v = hoy_uri_query_all(&uri, "changes");
	ck_assert_str_eq(v[0], "CMD a");
	ck_assert_str_eq(v[1], "ENV c=d");
	ck_assert_ptr_null(v[2]);
}
END_TEST

START_TEST(bad_targets_are_refused)
{
	static const char *const bad[] = { "", "x", "*", "/a%", "/a%4", "/a%zz", "/a%00b", "/a%ff", "/a%c3", "/x?a=%",
		"/x?%zz=1", "http://host" };
	struct hoy_uri uri;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_uri_parse(&uri, bad[i], &err) == -EINVAL, "%s", bad[i]);
		ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
	}
}
END_TEST

START_TEST(absolute_targets_lose_their_host)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };

	ck_assert_int_eq(hoy_uri_parse(&uri, "http://docker/_ping", NULL), 0);
	ck_assert_str_eq(uri.path, "/_ping");
}
END_TEST

START_TEST(booleans_are_read_as_the_api_does)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };

	ck_assert_int_eq(hoy_uri_parse(&uri, "/x?a=1&b=True&c=0&d=&e=no&f=false&g=None&h=yes", NULL), 0);
	ck_assert(hoy_uri_query_bool(&uri, "a", false));
	ck_assert(hoy_uri_query_bool(&uri, "b", false));
	ck_assert(!hoy_uri_query_bool(&uri, "c", true));
	ck_assert(!hoy_uri_query_bool(&uri, "d", true));
	ck_assert(!hoy_uri_query_bool(&uri, "e", true));
	ck_assert(!hoy_uri_query_bool(&uri, "f", true));
	ck_assert(!hoy_uri_query_bool(&uri, "g", true));
	ck_assert(hoy_uri_query_bool(&uri, "h", false));
	ck_assert(hoy_uri_query_bool(&uri, "absent", true));
}
END_TEST

START_TEST(numbers_are_checked)
{
	auto_(hoy_uri_done) struct hoy_uri uri = { 0 };
	long long n = 7;

	ck_assert_int_eq(hoy_uri_parse(&uri, "/x?t=-3&u=abc&v=", NULL), 0);
	ck_assert_int_eq(hoy_uri_query_i64(&uri, "t", 1, &n, NULL), 0);
	ck_assert_int_eq(n, -3);
	ck_assert_int_eq(hoy_uri_query_i64(&uri, "v", 9, &n, NULL), 0);
	ck_assert_int_eq(n, 9);
	ck_assert_int_eq(hoy_uri_query_i64(&uri, "u", 1, &n, NULL), -EINVAL);
}
END_TEST

static int split(const char *path, const char **rest, int *minor, struct hoy_err *err)
{
	*rest = NULL;
	return hoy_api_version_split(path, rest, minor, err);
}

START_TEST(version_prefix_is_taken_off)
{
	const char *rest;
	int minor;

	ck_assert_int_eq(split("/v1.41/containers/json", &rest, &minor, NULL), 0);
	ck_assert_str_eq(rest, "/containers/json");
	ck_assert_int_eq(minor, 41);
	ck_assert_int_eq(split("/version", &rest, &minor, NULL), 0);
	ck_assert_str_eq(rest, "/version");
	ck_assert_int_eq(minor, 50);
	ck_assert_int_eq(split("/volumes/v1.24", &rest, &minor, NULL), 0);
	ck_assert_str_eq(rest, "/volumes/v1.24");
}
END_TEST

START_TEST(versions_out_of_range_are_refused_with_the_known_texts)
{
	struct hoy_err err = { 0 };
	const char *rest;
	int minor;

	ck_assert_int_eq(split("/v1.51/info", &rest, &minor, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "client version 1.51 is too new. Maximum supported API version is 1.50");
	ck_assert_int_eq(split("/v1.23/info", &rest, &minor, &err), -EINVAL);
	ck_assert_str_eq(err.msg,
		"client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
		"newer version");
	ck_assert_int_eq(split("/v2.0/info", &rest, &minor, &err), -EINVAL);
	ck_assert_int_eq(split("/v0.9/info", &rest, &minor, &err), -EINVAL);
	ck_assert_int_eq(split("/v1.2.3/info", &rest, &minor, &err), -EINVAL);
	ck_assert_int_eq(split("/v1.99999999999/info", &rest, &minor, &err), -EINVAL);
}
END_TEST

Suite *suite_uri(void)
{
	const TTest *const tests[] = { path_and_query_are_decoded, all_values_of_a_parameter_are_found,
		bad_targets_are_refused, absolute_targets_lose_their_host, booleans_are_read_as_the_api_does,
		numbers_are_checked, version_prefix_is_taken_off,
		versions_out_of_range_are_refused_with_the_known_texts };

	return hoy_unit_suite("uri", tests, ARRAY_LEN(tests));
}
