/* Unit tests of supervisor/image/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_reference(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_reference };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
