/* supervisor/worker/fetch/challenge.c: what registries put into WWW-Authenticate. */
#include "supervisor/worker/fetch/challenge.h"

#include <errno.h>

#include "tests/unit/unit.h"

Suite *suite_challenge(void);

static int parse(const char *header, struct hoy_challenge *ret)
{
	*ret = (struct hoy_challenge){ 0 };
	return hoy_challenge_parse(header, ret, NULL);
}

START_TEST(a_token_is_asked_for)
{
	auto_(hoy_challenge_done) struct hoy_challenge c;

	ck_assert_int_eq(
		parse("Bearer realm=\"https://auth.example/token\",service=\"registry\",scope=\"repository:a/b:pull\"",
			&c),
		0);
	ck_assert_int_eq(c.scheme, HOY_CHALLENGE_BEARER);
	ck_assert_str_eq(c.realm, "https://auth.example/token");
	ck_assert_str_eq(c.service, "registry");
	ck_assert_str_eq(c.scope, "repository:a/b:pull");
}
END_TEST

START_TEST(a_password_is_asked_for)
{
	auto_(hoy_challenge_done) struct hoy_challenge c;

	ck_assert_int_eq(parse("basic realm=simple", &c), 0);
	ck_assert_int_eq(c.scheme, HOY_CHALLENGE_BASIC);
	ck_assert_str_eq(c.realm, "simple");
}
END_TEST

START_TEST(the_better_of_several_counts)
{
	auto_(hoy_challenge_done) struct hoy_challenge c;

	ck_assert_int_eq(parse("Negotiate, Basic realm=\"a \\\"b\\\"\", Bearer realm=\"t\" , Digest x=y", &c), 0);
	ck_assert_int_eq(c.scheme, HOY_CHALLENGE_BEARER);
	ck_assert_str_eq(c.realm, "t");
	hoy_challenge_done(&c);
	ck_assert_int_eq(parse("Digest realm=\"x\", qop=auth", &c), 0);
	ck_assert_int_eq(c.scheme, HOY_CHALLENGE_NONE);
	hoy_challenge_done(&c);
	ck_assert_int_eq(parse("Basic realm=\"a \\\"b\\\"\"", &c), 0);
	ck_assert_str_eq(c.realm, "a \"b\"");
}
END_TEST

START_TEST(what_can_not_be_read_is_refused)
{
	static const char *const bad[] = { "Bearer service=\"x\"", "Bearer realm=\"", "Bearer realm=\"a\tb\x01\"", "=x",
		"Basic realm=\"x\" ;", "\"quoted\"" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(hoy_challenge_done) struct hoy_challenge c;

		ck_assert_msg(parse(bad[i], &c) == -EINVAL, "%s", bad[i]);
	}
}
END_TEST

Suite *suite_challenge(void)
{
	const TTest *const tests[] = { a_token_is_asked_for, a_password_is_asked_for, the_better_of_several_counts,
		what_can_not_be_read_is_refused };

	return hoy_unit_suite("challenge", tests, ARRAY_LEN(tests));
}
