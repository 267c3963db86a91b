/* Unit tests of base/ttrpc. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_ttrpc_frame(void);
Suite *suite_ttrpc_rpc(void);

int main(void)
{
	const hoy_suite_fn suites[] = { suite_ttrpc_frame, suite_ttrpc_rpc };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
