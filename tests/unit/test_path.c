/* base/path.c and base/file.c */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "tests/unit/unit.h"

Suite *suite_path(void);

static void assert_clean(const char *path, const char *want)
{
	auto_free char *got = hoy_path_clean(path);

	ck_assert_str_eq(got, want);
}

START_TEST(clean_is_lexical)
{
	assert_clean("/a//b/./c/", "/a/b/c");
	assert_clean("/a/../..", "/");
	assert_clean("a/../../b", "../b");
	assert_clean("../../x", "../../x");
	assert_clean("", ".");
	assert_clean("/", "/");
	assert_clean("a/b/..", "a");
}
END_TEST

START_TEST(join_lets_an_absolute_path_win)
{
	auto_free char *a = hoy_path_join("/x/", "y");
	auto_free char *b = hoy_path_join("/x", "/y");
	auto_free char *c = hoy_path_join("/", "y");

	ck_assert_str_eq(a, "/x/y");
	ck_assert_str_eq(b, "/y");
	ck_assert_str_eq(c, "/y");
}
END_TEST

START_TEST(a_symlink_never_leads_out_of_the_root)
{
	char dir[] = "/tmp/hoy-unit-XXXXXX";
	auto_fd int root = -EBADF, sub = -EBADF;
	struct stat inside, st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(root, 0);
	ck_assert_int_eq(symlinkat("/", root, "up"), 0);
	ck_assert_int_eq(symlinkat("../../../..", root, "dots"), 0);
	sub = hoy_path_mkdir_in_root(root, "up/dots/a/b", 0755, NULL);
	ck_assert_int_ge(sub, 0);
	ck_assert_int_eq(fstat(sub, &inside), 0);
	ck_assert_int_eq(fstatat(root, "a/b", &st, 0), 0);
	ck_assert_uint_eq(inside.st_ino, st.st_ino);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
	ck_assert_int_lt(access(dir, F_OK), 0);
}
END_TEST

START_TEST(a_file_is_replaced_as_a_whole_and_read_within_its_cap)
{
	char dir[] = "/tmp/hoy-unit-XXXXXX";
	auto_(hoy_buf_done) struct hoy_buf buf = {}, small = { .cap = 4 };
	auto_fd int at = -EBADF;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(hoy_file_write(at, "f", "12345", 5, 0600, HOY_FILE_SYNC, NULL), 0);
	ck_assert_int_eq(hoy_file_read(at, "f", &buf, NULL), 0);
	ck_assert_str_eq(buf.data, "12345");
	ck_assert_int_eq(hoy_file_read(at, "f", &small, NULL), -EMSGSIZE);
	small.failed = 0;
	small.len = 0;
	small.cap = 5;
	ck_assert_int_eq(hoy_file_read(at, "f", &small, NULL), 0);
	ck_assert_int_eq(hoy_file_read(at, "missing", &buf, NULL), -ENOENT);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

Suite *suite_path(void)
{
	const TTest *const tests[] = { clean_is_lexical, join_lets_an_absolute_path_win,
		a_symlink_never_leads_out_of_the_root, a_file_is_replaced_as_a_whole_and_read_within_its_cap };

	return hoy_unit_suite("path", tests, ARRAY_LEN(tests));
}
