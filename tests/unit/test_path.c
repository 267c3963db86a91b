/* base/path.c, base/file.c, base/fd.c */
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

START_TEST(no_directory_is_made_of_an_empty_path)
{
	ck_assert_int_eq(hoy_path_mkdir_all("", 0755, NULL), -ENOENT);
}
END_TEST

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

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(descriptors_are_closed_together)
{
	int a = 200, b = 201, c = 203, none = -EBADF, keep[] = { 205, -EBADF, 202, 3 };

	for (int fd = 200; fd <= 206; fd++)
		ck_assert_int_eq(dup2(STDERR_FILENO, fd), fd);
	hoy_fd_close_all((int *[]){ &c, &none, &a, &b }, 4);
	ck_assert(a == -EBADF && b == -EBADF && c == -EBADF);
	ck_assert(!is_open(200) && !is_open(201) && is_open(202) && !is_open(203) && is_open(204));
	ck_assert_int_eq(hoy_fd_close_except(200, keep, ARRAY_LEN(keep)), 0);
	ck_assert(is_open(202) && !is_open(204) && is_open(205) && !is_open(206) && is_open(STDERR_FILENO));
	ck_assert_int_eq(hoy_fd_close_except(200, NULL, 0), 0);
	ck_assert(!is_open(202) && !is_open(205));
}
END_TEST

START_TEST(what_is_on_another_mount_can_be_told)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;

	ck_assert_int_eq(hoy_path_open_on_mount(root, "/proc/self", O_PATH, NULL), -EXDEV);
	ck_assert_int_eq(hoy_path_open_on_mount(root, "/no/such", O_PATH, NULL), -ENOENT);
	fd = hoy_path_open_on_mount(root, "/etc", O_PATH | O_DIRECTORY, NULL);
	ck_assert_int_ge(fd, 0);
}
END_TEST

Suite *suite_path(void)
{
	const TTest *const tests[] = { no_directory_is_made_of_an_empty_path, clean_is_lexical,
		join_lets_an_absolute_path_win, a_symlink_never_leads_out_of_the_root,
		a_file_is_replaced_as_a_whole_and_read_within_its_cap, descriptors_are_closed_together,
		what_is_on_another_mount_can_be_told };

	return hoy_unit_suite("path", tests, ARRAY_LEN(tests));
}
