/* Unit tests of supervisor/network/ and of hoy-net's texts. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_dns(void);
Suite *suite_egress(void);
Suite *suite_pool(void);
Suite *suite_leases(void);
Suite *suite_resolv_conf(void);
Suite *suite_ruleset(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_dns, suite_egress, suite_leases, suite_pool, suite_resolv_conf,
		suite_ruleset };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
