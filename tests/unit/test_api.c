/* Unit tests of supervisor/api/. */
#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_api_encode(void);
Suite *suite_filters(void);
Suite *suite_metrics(void);
Suite *suite_router(void);
Suite *suite_scope(void);
Suite *suite_server(void);
Suite *suite_uri(void);
Suite *suite_websocket(void);

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_api_encode, suite_filters, suite_metrics, suite_router,
		suite_scope, suite_server, suite_uri, suite_websocket };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
