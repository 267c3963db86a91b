/* Unit tests of supervisor/build/, the language half. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_build_plan(void);
Suite *suite_cache_records(void);
Suite *suite_chmod(void);
Suite *suite_dockerfile(void);
Suite *suite_ignore(void);
Suite *suite_lint(void);
Suite *suite_shell_words(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_shell_words, suite_ignore, suite_chmod, suite_dockerfile,
		suite_build_plan, suite_lint, suite_cache_records };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
