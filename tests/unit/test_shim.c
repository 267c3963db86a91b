/* Unit tests of shim/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_shim_bundle(void);
Suite *suite_shim_log(void);
Suite *suite_shim_streams(void);
Suite *suite_shim_text(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_shim_bundle, suite_shim_log, suite_shim_streams, suite_shim_text };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
