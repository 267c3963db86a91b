/* libocispec/reference.c */
#include "libocispec/reference.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_reference(void);

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

START_TEST(names_are_normalised_and_shown_short)
{
	static const struct {
		const char *text, *whole, *familiar;
	} cases[] = {
		{ "web", "docker.io/library/web", "web" },
		{ "web:1.2", "docker.io/library/web:1.2", "web:1.2" },
		{ "docker.io/web", "docker.io/library/web", "web" },
		{ "index.docker.io/web", "docker.io/library/web", "web" },
		{ "index.docker.io/ann/web", "docker.io/ann/web", "ann/web" },
		{ "library/web", "docker.io/library/web", "web" },
		{ "library/a/b", "docker.io/library/a/b", "library/a/b" },
		{ "ann/web", "docker.io/ann/web", "ann/web" },
		{ "localhost/web", "localhost/web", "localhost/web" },
		{ "localhost:5000/web:x", "localhost:5000/web:x", "localhost:5000/web:x" },
		{ "reg.example/a/b/c", "reg.example/a/b/c", "reg.example/a/b/c" },
		{ "REG/web", "REG/web", "REG/web" },
		{ "[::1]:5000/web", "[::1]:5000/web", "[::1]:5000/web" },
		{ "reg.example/library/web", "reg.example/library/web", "reg.example/library/web" },
		{ "a--b__c.d_e", "docker.io/library/a--b__c.d_e", "a--b__c.d_e" },
		{ "web@" DIGEST, "docker.io/library/web@" DIGEST, "web@" DIGEST },
		{ "web:1@" DIGEST, "docker.io/library/web:1@" DIGEST, "web:1@" DIGEST },
		{ "web:_", "docker.io/library/web:_", "web:_" },
		{ "host:80/web", "host:80/web", "host:80/web" },
		{ "docker.io/a.b/web", "docker.io/a.b/web", "docker.io/a.b/web" },
		{ "docker.io/localhost/web", "docker.io/localhost/web", "docker.io/localhost/web" },
		{ "library/" HEX64, "docker.io/library/" HEX64, "docker.io/library/" HEX64 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		auto_free char *whole = NULL, *familiar = NULL;

		ck_assert_msg(hoy_reference_parse(cases[i].text, &ref, NULL) == 0, "%s", cases[i].text);
		whole = hoy_reference_to_string(&ref);
		familiar = hoy_reference_familiar(&ref);
		ck_assert_str_eq(whole, cases[i].whole);
		ck_assert_str_eq(familiar, cases[i].familiar);
	}
}
END_TEST

START_TEST(what_is_no_reference_is_refused)
{
	static const char *const bad[] = { "", ":", ":1", "web:", "web@", "web@sha256:12", "@" DIGEST, "a//b", "/web",
		"web/", "-web", "web-", "a..b", "a___b", "we b", "web:-1", "web:a/b", "web:a:b", "http://host/web",
		"host:port/web", "-h.x/web", "h-.x/web", "[::1/web", "wéb", "web@sha512:" HEX64, "a.b:/web",
		"web:" HEX64 HEX64 "x", "../web", "./web" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hoy_reference ref = { 0 };
		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_reference_parse(bad[i], &ref, &err) < 0, "%s", bad[i]);
		ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
		ck_assert_ptr_null(ref.domain);
	}
}
END_TEST

START_TEST(upper_case_and_ids_have_texts_of_their_own)
{
	struct hoy_reference ref = { 0 };
	struct hoy_err err = { 0 };

	ck_assert_int_lt(hoy_reference_parse("Web:1", &ref, &err), 0);
	ck_assert_str_eq(err.msg, "invalid reference format: repository name (library/Web) must be lowercase");
	ck_assert_int_lt(hoy_reference_parse("reg.example/Web", &ref, &err), 0);
	ck_assert_str_eq(err.msg, "invalid reference format: repository name (Web) must be lowercase");
	ck_assert_int_lt(hoy_reference_parse(HEX64, &ref, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "64-byte hexadecimal"));
}
END_TEST

START_TEST(a_name_has_at_most_255_characters)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	char text[300] = "reg.example/";
	size_t host = strlen(text);

	memset(text + host, 'a', 255);
	ck_assert_int_eq(hoy_reference_parse(text, &ref, NULL), 0);
	text[host + 255] = 'a';
	ck_assert_int_eq(hoy_reference_parse(text, &ref, NULL), -EINVAL);
}
END_TEST

START_TEST(only_a_bare_name_becomes_latest)
{
	auto_(hoy_reference_done) struct hoy_reference bare = { 0 }, tagged = { 0 }, digested = { 0 };

	ck_assert_int_eq(hoy_reference_parse("web", &bare, NULL), 0);
	ck_assert_int_eq(hoy_reference_parse("web:1", &tagged, NULL), 0);
	ck_assert_int_eq(hoy_reference_parse("web@" DIGEST, &digested, NULL), 0);
	ck_assert_int_eq(hoy_reference_default_tag(&bare), 0);
	ck_assert_int_eq(hoy_reference_default_tag(&tagged), 0);
	ck_assert_int_eq(hoy_reference_default_tag(&digested), 0);
	ck_assert_str_eq(bare.tag, "latest");
	ck_assert_str_eq(tagged.tag, "1");
	ck_assert_ptr_null(digested.tag);
}
END_TEST

START_TEST(patterns_match_the_short_name_with_and_without_tag)
{
	auto_(hoy_reference_done) struct hoy_reference web = { 0 }, deep = { 0 };

	ck_assert_int_eq(hoy_reference_parse("web:1", &web, NULL), 0);
	ck_assert_int_eq(hoy_reference_parse("reg.example/a/web:2", &deep, NULL), 0);
	ck_assert(hoy_reference_matches(&web, "web"));
	ck_assert(hoy_reference_matches(&web, "w*:1"));
	ck_assert(hoy_reference_matches(&web, "w?b"));
	ck_assert(!hoy_reference_matches(&web, "web:2"));
	ck_assert(!hoy_reference_matches(&deep, "*"));
	ck_assert(!hoy_reference_matches(&deep, "*web"));
	ck_assert(hoy_reference_matches(&deep, "*/*/web"));
}
END_TEST

Suite *suite_reference(void)
{
	const TTest *const tests[] = { names_are_normalised_and_shown_short, what_is_no_reference_is_refused,
		upper_case_and_ids_have_texts_of_their_own, a_name_has_at_most_255_characters,
		only_a_bare_name_becomes_latest, patterns_match_the_short_name_with_and_without_tag };

	return hoy_unit_suite("reference", tests, ARRAY_LEN(tests));
}
