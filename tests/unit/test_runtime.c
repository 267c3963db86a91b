/* Unit tests of runtime/: what hoyrun decides and remembers, without root. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_criu(void);
Suite *suite_runtime_files(void);
Suite *suite_runtime_options(void);
Suite *suite_runtime_resctrl(void);
Suite *suite_runtime_pattern(void);
Suite *suite_runtime_plan(void);
Suite *suite_runtime_alloc(void);
Suite *suite_runtime_state(void);
Suite *suite_runtime_sync(void);
Suite *suite_runtime_systemd(void);
Suite *suite_runtime_texts(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_runtime_criu, suite_runtime_files, suite_runtime_options,
		suite_runtime_resctrl, suite_runtime_pattern, suite_runtime_plan, suite_runtime_alloc,
		suite_runtime_state, suite_runtime_sync, suite_runtime_systemd, suite_runtime_texts };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
