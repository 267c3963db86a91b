/* Unit tests of supervisor/worker/fetch/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_challenge(void);
Suite *suite_fetch_protocol(void);
Suite *suite_hosts_file(void);
Suite *suite_signature(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_challenge, suite_fetch_protocol, suite_hosts_file,
		suite_signature };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
