/* Unit tests of base/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_buf(void);
Suite *suite_err(void);
Suite *suite_helper(void);
Suite *suite_json(void);
Suite *suite_loop(void);
Suite *suite_path(void);
Suite *suite_sha256(void);
Suite *suite_str(void);
Suite *suite_ustar(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_buf, suite_err, suite_helper, suite_json, suite_loop, suite_path,
		suite_sha256, suite_str, suite_ustar };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
