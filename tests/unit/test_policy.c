/* supervisor/image/policy.c: which rule counts, and what is refused. */
#include "supervisor/image/policy.h"

#include <errno.h>

#include "tests/unit/unit.h"

Suite *suite_policy(void);

/* The rule, or -errno. */
static int find(const char *text, const char *repository, char **ret_key)
{
	enum hoy_signature_rule rule = HOY_SIGNATURE_ACCEPT;
	struct hoy_err err;
	int r = hoy_signature_policy_find(text, repository, &rule, ret_key, &err);

	return r < 0 ? r : (int) rule;
}

START_TEST(the_longest_scope_counts)
{
	static const char text[] = "# ours\n* reject\n\nr.test:5000 accept # all of it\n"
				   "r.test:5000/team  cosign\t/etc/k.pub\r\nr.test:5000/team/app reject\n";
	auto_free char *key = NULL;

	ck_assert_int_eq(find(text, "docker.io/library/busybox", &key), HOY_SIGNATURE_REJECT);
	ck_assert_int_eq(find(text, "r.test:5000/web", &key), HOY_SIGNATURE_ACCEPT);
	ck_assert_int_eq(find(text, "r.test:5000/teams", &key), HOY_SIGNATURE_ACCEPT);
	ck_assert_int_eq(find(text, "r.test:5000/team/app/x", &key), HOY_SIGNATURE_REJECT);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(find(text, "r.test:5000/team/web", &key), HOY_SIGNATURE_COSIGN);
	ck_assert_str_eq(key, "/etc/k.pub");
}
END_TEST

START_TEST(what_no_rule_fits_is_refused)
{
	auto_free char *key = NULL;

	ck_assert_int_eq(find("", "docker.io/library/busybox", &key), HOY_SIGNATURE_REJECT);
	ck_assert_int_eq(find("r.test accept", "r.test.evil/x", &key), HOY_SIGNATURE_REJECT);
}
END_TEST

START_TEST(a_wrong_line_is_an_error_wherever_it_is)
{
	static const char *const wrong[] = { "docker.io", "docker.io allow", "docker.io accept x", "* cosign",
		"* cosign key.pub", "docker.io/* accept", "/x accept", "r.test/ accept", "* accept\n* reject",
		"a@sha256:1 accept", "* cosign /a /b" };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		auto_free char *key = NULL;

		ck_assert_int_eq(find(wrong[i], "other.test/x", &key), -EINVAL);
	}
}
END_TEST

Suite *suite_policy(void)
{
	const TTest *const tests[] = {
		the_longest_scope_counts,
		what_no_rule_fits_is_refused,
		a_wrong_line_is_an_error_wherever_it_is,
	};

	return hoy_unit_suite("signature policy", tests, ARRAY_LEN(tests));
}
