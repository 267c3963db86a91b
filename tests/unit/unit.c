/* The runner all unit test programs share. */
#include "tests/unit/unit.h"

#include <stdlib.h>

Suite *hoy_unit_suite(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}

int hoy_unit_run(const hoy_suite_fn *suites, size_t n)
{
	SRunner *runner = srunner_create(suites[0]());
	int failed;

	for (size_t i = 1; i < n; i++)
		srunner_add_suite(runner, suites[i]());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
