/* supervisor/container/log_files.c */
#include "supervisor/container/log_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_container_logs(void);

static char dir[] = "/tmp/hoy-logs-XXXXXX";
static char path[64];

static void set_up(void)
{
	memcpy(dir, "/tmp/hoy-logs-XXXXXX", sizeof dir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log", dir);
}

static void tear_down(void)
{
	hoy_path_remove_all(AT_FDCWD, dir, NULL);
}

static void append(unsigned int n, const char *text)
{
	auto_free char *name = n > 0 ? hoy_str_printf("%s.%u", path, n) : strdup(path);
	FILE *file = fopen(name, "ae");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void rotate(void)
{
	for (unsigned int n = 5; n-- > 0;) {
		auto_free char *from = n > 0 ? hoy_str_printf("%s.%u", path, n) : strdup(path);
		auto_free char *to = hoy_str_printf("%s.%u", path, n + 1);

		(void) rename(from, to);
	}
}

/* All lines there are now, "a b c". */
static const char *rest(struct hoy_log_files *files)
{
	static char text[256];
	char *line;
	size_t len;

	text[0] = '\0';
	while (hoy_log_files_next(files, &line, &len, NULL) > 0) {
		ck_assert_uint_eq(strlen(line), len);
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", line);
	}
	return text;
}

static const char *tail(int64_t lines)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	ck_assert_int_eq(hoy_log_files_open(&files, path, lines, NULL), 0);
	return rest(&files);
}

START_TEST(all_files_are_read_oldest_first)
{
	append(2, "a\nb\n");
	append(1, "c\n");
	append(0, "d\ne\n");
	ck_assert_str_eq(tail(-1), "a b c d e");
}
END_TEST

START_TEST(the_tail_reaches_over_files)
{
	append(2, "a\nb\n");
	append(1, "c\n");
	append(0, "d\ne\n");
	ck_assert_str_eq(tail(0), "");
	ck_assert_str_eq(tail(1), "e");
	ck_assert_str_eq(tail(2), "d e");
	ck_assert_str_eq(tail(3), "c d e");
	ck_assert_str_eq(tail(4), "b c d e");
	ck_assert_str_eq(tail(5), "a b c d e");
	ck_assert_str_eq(tail(99), "a b c d e");
}
END_TEST

START_TEST(a_log_that_does_not_exist_yet_is_empty)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	ck_assert_int_eq(hoy_log_files_open(&files, path, 10, NULL), 0);
	ck_assert_str_eq(rest(&files), "");
	append(0, "a\n");
	ck_assert_str_eq(rest(&files), "a");
}
END_TEST

START_TEST(half_a_line_is_given_when_it_is_whole)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\nb");
	ck_assert_int_eq(hoy_log_files_open(&files, path, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a");
	append(0, "c\n");
	ck_assert_str_eq(rest(&files), "bc");
}
END_TEST

START_TEST(following_survives_rotations_and_loses_nothing)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\n");
	ck_assert_int_eq(hoy_log_files_open(&files, path, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a");
	append(0, "b\n"); /* the last line of a file that is rotated before it was read */
	rotate();
	append(0, "c\n");
	rotate();
	append(0, "d\n");
	ck_assert_str_eq(rest(&files), "b c d");
	rotate();
	ck_assert_str_eq(rest(&files), "");
	append(0, "e\n");
	ck_assert_str_eq(rest(&files), "e");
}
END_TEST

START_TEST(a_truncated_log_is_read_from_its_new_start)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\nb\nc\n");
	ck_assert_int_eq(hoy_log_files_open(&files, path, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a b c");
	ck_assert_int_eq(truncate(path, 0), 0);
	append(0, "d\n");
	ck_assert_str_eq(rest(&files), "d");
}
END_TEST

START_TEST(an_endless_line_is_an_error)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};
	char *line;
	size_t len;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(ftruncate(fd, 4 << 20), 0);
	close(fd);
	ck_assert_int_eq(hoy_log_files_open(&files, path, -1, NULL), 0);
	ck_assert_int_lt(hoy_log_files_next(&files, &line, &len, NULL), 0);
}
END_TEST

Suite *suite_container_logs(void)
{
	const TTest *const tests[] = {
		all_files_are_read_oldest_first,
		the_tail_reaches_over_files,
		a_log_that_does_not_exist_yet_is_empty,
		half_a_line_is_given_when_it_is_whole,
		following_survives_rotations_and_loses_nothing,
		a_truncated_log_is_read_from_its_new_start,
		an_endless_line_is_an_error,
	};
	Suite *suite = suite_create("container-logs");
	TCase *tcase = tcase_create("files");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}
