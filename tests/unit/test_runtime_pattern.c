/* runtime/cli/pattern.c: --regex. tests/fuzz/fuzz_pattern.c compares it with libc. */
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "runtime/cli/pattern.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_pattern(void);

static bool matches(const char *expression, const char *text)
{
	auto_(hoy_pattern_done) struct hoy_pattern pattern = {};
	struct hoy_err err;

	ck_assert_msg(hoy_pattern_compile(expression, &pattern, &err) == 0, "%s: %s", expression, err.msg);
	return hoy_pattern_matches(&pattern, text) == 1;
}

START_TEST(expressions_match_what_posix_says)
{
	static const struct {
		const char *expression, *yes, *no;
	} cases[] = {
		{ "web", "my-web-1", "wb" },
		{ "", "anything", NULL },
		{ "^web$", "web", "web1" },
		{ "^web|db$", "web-1", "1-web" },
		{ "^(web|db)-[0-9]+$", "db-17", "db-" },
		{ "^a.c$", "abc", "ac" },
		{ "^ab*c$", "abbbc", "adc" },
		{ "^ab?c$", "ac", "abbc" },
		{ "^(ab){2,3}$", "ababab", "ab" },
		{ "^(ab){2,3}$", "abab", "abababab" },
		{ "^a{2}$", "aa", "aaa" },
		{ "^a{2,}b$", "aaaaab", "ab" },
		{ "^a{,2}$", "", "aaa" },
		{ "^ba{0}$", "b", "ba" },
		{ "^(a*)*$", "aaa", "ab" },
		{ "^(a|ab)(c|bcd)$", "abcd", "abd" },
		{ "^[]x-z]$", "]", "w" },
		{ "^[^a-z_.-]$", "A", "-" },
		{ "^[[:upper:][:digit:]]+$", "A7", "a" },
		{ "a\\.b", "a.b", "axb" },
		{ "a)", "a)", "a" },
		{ "(^a|b$)", "ax", "xa" },
		{ "^$", "", "a" },
		{ "a|", "b", NULL },
		{ "^(x(y(z)?)?){3}$", "xyzxxy", "xyzx" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_msg(matches(cases[i].expression, cases[i].yes), "%s", cases[i].expression);
		ck_assert_msg(!cases[i].no || !matches(cases[i].expression, cases[i].no), "%s", cases[i].expression);
	}
}
END_TEST

START_TEST(what_is_no_expression_is_refused)
{
	static const char *const wrong[] = { "*", "a|+", "(?a)", "^*", "{2}", "a{", "a{x}", "a{2,1}", "a{256}", "(a",
		"[a", "[", "[^]", "[z-a]", "[[:vowel:]]", "[[.a.]]", "[[=a=]]", "[a-c-e]", "a\\", "\\w", "(a)\\1",
		"\\<a", "((a{100}){100}){100}" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct hoy_pattern pattern = {};
		struct hoy_err err;

		ck_assert_msg(hoy_pattern_compile(wrong[i], &pattern, &err) == -EINVAL, "%s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, "--regex: "));
	}
}
END_TEST

/* What makes others go back again and again ends at once. */
START_TEST(no_pattern_takes_long)
{
	char text[1025] = "";

	memset(text, 'a', sizeof text - 1);
	ck_assert(!matches("^(a?){100}(a*)*(a|aa)*b$", text));
	ck_assert(matches("^((a*)*)*$", text));
}
END_TEST

Suite *suite_runtime_pattern(void)
{
	Suite *s = suite_create("pattern");
	TCase *t = tcase_create("pattern");

	tcase_add_test(t, expressions_match_what_posix_says);
	tcase_add_test(t, what_is_no_expression_is_refused);
	tcase_add_test(t, no_pattern_takes_long);
	suite_add_tcase(s, t);
	return s;
}
