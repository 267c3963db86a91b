/* Unit tests of supervisor/worker/layer/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_layer_name(void);
Suite *suite_layer_protocol(void);
Suite *suite_layer_stream(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_layer_name, suite_layer_protocol, suite_layer_stream };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
