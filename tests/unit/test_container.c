/* Unit tests of supervisor/container/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_container_config(void);
Suite *suite_container_logs(void);
Suite *suite_container_room(void);
Suite *suite_container_spec(void);
Suite *suite_container_user(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_container_config, suite_container_logs, suite_container_room,
		suite_container_spec, suite_container_user };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
