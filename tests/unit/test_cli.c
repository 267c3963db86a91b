/* Unit tests of supervisor/cli/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_cli_options(void);
Suite *suite_cli_request(void);
Suite *suite_cli_template(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_cli_options, suite_cli_request, suite_cli_template };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
