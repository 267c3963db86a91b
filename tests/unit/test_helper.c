/* base/helper.c */
#include "base/helper.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_helper(void);

START_TEST(programs_beside_our_own_come_first)
{
	auto_free char *path = NULL;

	ck_assert_int_eq(hoy_helper_find("test-base", HOY_HELPER_LIBEXEC, &path, NULL), 0);
	ck_assert_ptr_nonnull(path);
	ck_assert(hoy_str_ends(path, "/test-base"));
	ck_assert_int_eq(access(path, X_OK), 0);
}
END_TEST

START_TEST(only_programs_are_looked_up_in_the_search_path)
{
	auto_free char *path = NULL;
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_helper_find("sh", HOY_HELPER_PROGRAM, &path, NULL), 0);
	ck_assert(hoy_str_ends(path, "/sh"));
	ck_assert_int_eq(hoy_helper_find("sh", HOY_HELPER_LIBEXEC, &path, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "program 'sh' not found in '"));
}
END_TEST

Suite *suite_helper(void)
{
	const TTest *const tests[] = { programs_beside_our_own_come_first,
		only_programs_are_looked_up_in_the_search_path };

	return hoy_unit_suite("helper", tests, ARRAY_LEN(tests));
}
