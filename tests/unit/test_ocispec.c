/* Unit tests of libocispec/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_image_spec(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_image_spec };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
