/* supervisor/build/ignore.c */
#include "supervisor/build/ignore.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_ignore(void);

START_TEST(files_leave_out_what_they_name)
{
	static const struct {
		const char *file, *path;
		bool excluded;
	} cases[] = {
		{ "", "a", false },
		{ "# a\n", "a", false },
		{ " # a\n", "# a", true },
		{ "a", "a", true },
		{ "a", "a/b/c", true },
		{ "a", "ab", false },
		{ "a", "b/a", false },
		{ "/a/", "a", true },
		{ "./a", "a/b", true },
		{ "  a  \r\n", "a", true },
		{ "\xef\xbb\xbf"
		  "a",
			"a", true },
		{ "*.md", "README.md", true },
		{ "*.md", "docs/x.md", false },
		{ "**/*.md", "x.md", true },
		{ "**/*.md", "a/b/x.md", true },
		{ "*/temp*", "some/temporary.txt", true },
		{ "*/temp*", "temporary.txt", false },
		{ "*/*/temp*", "some/sub/temp", true },
		{ "temp?", "tempa", true },
		{ "temp?", "temp", false },
		{ "node_modules", "node_modules/x/y.js", true },
		{ "**/node_modules", "web/node_modules/x", true },
		{ "a/**", "a", false },
		{ "a/**", "a/b/c", true },
		{ "a**b", "a/x/b", true },
		{ "[a-c].txt", "b.txt", true },
		{ "[^a-c].txt", "b.txt", false },
		{ "[^a-c].txt", "d.txt", true },
		{ "\\*.txt", "*.txt", true },
		{ "\\*.txt", "a.txt", false },
		{ "a+b(c).d", "a+b(c).d", true },
		{ "*", "any", true },
		{ "*", "any/thing", true },
		{ "*\n!keep", "keep", false },
		{ "*\n!keep", "keep/x", false },
		{ "*\n!keep\nkeep/x", "keep/x", true },
		{ "*.md\n!README.md", "README.md", false },
		{ "*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true },
		{ "*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false },
		{ "a\n! a/b", "a/b/c", false },
		{ "!a", "a", false },
		{ "\xc3\xa4?", "\xc3\xa4\xc3\xb6", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_ptr(hoy_ignore_free) struct hoy_ignore *ignore = NULL;
		struct hoy_err err = { 0 };

		ck_assert_msg(
			hoy_ignore_parse(".dockerignore", cases[i].file, strlen(cases[i].file), &ignore, &err) == 0,
			"%s: %s", cases[i].file, err.msg);
		ck_assert_msg(hoy_ignore_excludes(ignore, cases[i].path) == cases[i].excluded, "%s with %s",
			cases[i].path, cases[i].file);
	}
	ck_assert(!hoy_ignore_excludes(NULL, "a"));
}
END_TEST

START_TEST(what_is_no_pattern_is_refused_with_its_line)
{
	static const char *const files[] = { "a\n[", "a\n!", "a\n[a", "a\n[-x]", "a\nx\\", "a\n[]" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct hoy_ignore *ignore = NULL;
		struct hoy_err err = { 0 };

		ck_assert_int_eq(hoy_ignore_parse("x.ignore", files[i], strlen(files[i]), &ignore, &err), -EINVAL);
		ck_assert_ptr_null(ignore);
		ck_assert_msg(hoy_str_starts(err.msg, "x.ignore:2: "), "%s", err.msg);
	}
}
END_TEST

START_TEST(a_walk_skips_directories_from_which_nothing_comes_back)
{
	auto_ptr(hoy_ignore_free) struct hoy_ignore *plain = NULL, *some = NULL, *any = NULL;

	ck_assert_int_eq(hoy_ignore_parse("x", "a\nb", 3, &plain, NULL), 0);
	ck_assert_int_eq(hoy_ignore_parse("x", "a\nb\n!a/x/y", 10, &some, NULL), 0);
	ck_assert_int_eq(hoy_ignore_parse("x", "a\nb\n!**/y", 9, &any, NULL), 0);
	ck_assert(hoy_ignore_prunes(plain, "a"));
	ck_assert(!hoy_ignore_prunes(plain, "c"));
	ck_assert(!hoy_ignore_prunes(some, "a"));
	ck_assert(!hoy_ignore_prunes(some, "a/x"));
	ck_assert(hoy_ignore_prunes(some, "a/z"));
	ck_assert(hoy_ignore_prunes(some, "b"));
	ck_assert(!hoy_ignore_prunes(any, "b"));
	ck_assert_str_eq(hoy_ignore_patterns(some)[2], "!a/x/y");
}
END_TEST

START_TEST(globs_of_sources_stop_at_slashes)
{
	ck_assert(hoy_glob_matches("*.txt", "a.txt"));
	ck_assert(!hoy_glob_matches("*.txt", "d/a.txt"));
	ck_assert(hoy_glob_matches("d/*", "d/a"));
	ck_assert(!hoy_glob_matches("d/*", "d/a/b"));
	ck_assert(!hoy_glob_matches("**/a", "x/y/a"));
	ck_assert(hoy_glob_matches_deep("**/a", "x/y/a"));
	ck_assert(!hoy_glob_matches("[", "["));
	ck_assert(hoy_glob_is_pattern("a[b]"));
	ck_assert(!hoy_glob_is_pattern("a.b"));
}
END_TEST

START_TEST(a_hostile_pattern_takes_no_longer_than_its_length)
{
	auto_(hoy_buf_done) struct hoy_buf pattern = { 0 }, name = { 0 };

	for (int i = 0; i < 200; i++) {
		(void) hoy_buf_adds(&pattern, "**/*a");
		(void) hoy_buf_adds(&name, "aaaaaaaa");
	}
	(void) hoy_buf_adds(&name, "b");
	ck_assert(!hoy_glob_matches_deep(pattern.data, name.data));
}
END_TEST

Suite *suite_ignore(void)
{
	const TTest *const tests[] = { files_leave_out_what_they_name, what_is_no_pattern_is_refused_with_its_line,
		a_walk_skips_directories_from_which_nothing_comes_back, globs_of_sources_stop_at_slashes,
		a_hostile_pattern_takes_no_longer_than_its_length };

	return hoy_unit_suite("ignore files", tests, ARRAY_LEN(tests));
}
