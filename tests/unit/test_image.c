/* Unit tests of supervisor/image/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_policy(void);
Suite *suite_archive_plan(void);
Suite *suite_changes(void);
Suite *suite_reference(void);
Suite *suite_registry_rules(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_policy, suite_archive_plan, suite_changes, suite_reference,
		suite_registry_rules };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
