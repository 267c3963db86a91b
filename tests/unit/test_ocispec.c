/* Unit tests of libocispec/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_field(void);
Suite *suite_image_spec(void);
Suite *suite_runtime_spec(void);
Suite *suite_state_features(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_field, suite_image_spec, suite_runtime_spec,
		suite_state_features };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
