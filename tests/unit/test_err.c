/* base/err.c */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_err(void);

START_TEST(wrap_puts_context_in_front_and_keeps_the_code)
{
	struct hoy_err err;

	errno = EACCES;
	ck_assert_int_eq(hoy_err_sys(&err, "open '%s'", "/x"), -EACCES);
	ck_assert_int_eq(hoy_err_wrap(&err, "start %s", "web"), -EACCES);
	ck_assert_str_eq(hoy_err_str(&err), "start web: open '/x': Permission denied");
	ck_assert_int_eq(err.kind, HOY_ERR_SYSTEM);
}
END_TEST

START_TEST(a_statement_is_shown_without_strerror)
{
	struct hoy_err err;

	ck_assert_int_eq(hoy_err_conflict(&err, "container '%s' is running", "web"), -EBUSY);
	ck_assert_str_eq(hoy_err_str(&err), "container 'web' is running");
	ck_assert_int_eq(err.kind, HOY_ERR_CONFLICT);
}
END_TEST

START_TEST(a_lost_errno_is_still_a_failure)
{
	struct hoy_err err;

	errno = 0;
	ck_assert_int_eq(hoy_err_sys(&err, "x"), -EIO);
	ck_assert_int_eq(hoy_err_code(NULL, 5, "positive by mistake"), -EIO);
}
END_TEST

START_TEST(an_imported_error_is_not_trusted)
{
	struct hoy_err from, err;

	memset(&from, 0xff, sizeof from);
	ck_assert_int_eq(hoy_err_import(&err, &from), -EPROTO);
	ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
	ck_assert_int_eq(err.kind, HOY_ERR_SYSTEM);
}
END_TEST

Suite *suite_err(void)
{
	const TTest *const tests[] = { wrap_puts_context_in_front_and_keeps_the_code,
		a_statement_is_shown_without_strerror, a_lost_errno_is_still_a_failure,
		an_imported_error_is_not_trusted };

	return hoy_unit_suite("err", tests, ARRAY_LEN(tests));
}
