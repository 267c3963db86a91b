/* Unit tests of supervisor/build/chmod.h. */
#include "supervisor/build/chmod.h"

#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_chmod(void);

START_TEST(chmod_has_the_letters_of_chmod)
{
	static const struct {
		const char *text;
		mode_t before;
		bool is_dir;
		mode_t after;
	} rows[] = {
		{ "755", 0, false, 0755 },
		{ "07777", 0, false, 07777 },
		{ "u=rwX,go=rX", 0600, false, 0644 },
		{ "u=rwX,go=rX", 0700, false, 0755 },
		{ "u=rwX,go=rX", 0600, true, 0755 },
		{ "+x", 0640, false, 0751 },
		{ "a-w", 0666, false, 0444 },
		{ "g=u", 0750, false, 0770 },
		{ "o=g-w", 0770, false, 0775 },
		{ "u+s,+t", 0755, false, 05755 },
		{ "ug=", 0777, false, 07 },
		{ "=", 07777, false, 0 },
		{ "u=rw", 04755, true, 04655 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		mode_t mode = 0;

		ck_assert_msg(
			hoy_chmod_apply(rows[i].text, rows[i].before, rows[i].is_dir, &mode) == 0, "%s", rows[i].text);
		ck_assert_msg(mode == rows[i].after, "%s: %o", rows[i].text, (unsigned int) mode);
	}
}
END_TEST

START_TEST(chmod_refuses_what_is_no_mode)
{
	static const char *const texts[] = { "", "888", "10000", "u", "u+q", "rwx", "u=r,", "u=r;g=w", "z+r" };
	mode_t mode;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		ck_assert_msg(hoy_chmod_apply(texts[i], 0, false, &mode) < 0, "%s", texts[i]);
}
END_TEST

Suite *suite_chmod(void)
{
	const TTest *const tests[] = { chmod_has_the_letters_of_chmod, chmod_refuses_what_is_no_mode };

	return hoy_unit_suite("chmod", tests, ARRAY_LEN(tests));
}
