/* supervisor/worker/fetch/insecure.c: which registries may be insecure. */
#include "base/defs.h"
#include "supervisor/worker/fetch/insecure.h"
#include "tests/unit/unit.h"

Suite *suite_registry_rules(void);

START_TEST(localhost_is_always_insecure)
{
	ck_assert(hoy_registry_is_insecure("localhost", NULL));
	ck_assert(hoy_registry_is_insecure("localhost:5000", NULL));
	ck_assert(hoy_registry_is_insecure("127.1.2.3:5000", NULL));
	ck_assert(hoy_registry_is_insecure("[::1]:5000", NULL));
	ck_assert(!hoy_registry_is_insecure("localhost.example.com", NULL));
	ck_assert(!hoy_registry_is_insecure("127.0.0.1.example.com", NULL));
	ck_assert(!hoy_registry_is_insecure("docker.io", NULL));
}
END_TEST

START_TEST(the_list_names_hosts_and_networks)
{
	char *list[] = { (char *) "a.test", (char *) "b.test:5000", (char *) "10.1.0.0/20", (char *) "fd00::/8", NULL };

	ck_assert(hoy_registry_is_insecure("a.test:1", list));
	ck_assert(hoy_registry_is_insecure("b.test:5000", list));
	ck_assert(!hoy_registry_is_insecure("b.test:5001", list));
	ck_assert(hoy_registry_is_insecure("10.1.15.255:5000", list));
	ck_assert(!hoy_registry_is_insecure("10.1.16.0", list));
	ck_assert(hoy_registry_is_insecure("[fdff::1]:443", list));
	ck_assert(!hoy_registry_is_insecure("[fe80::1]:443", list));
}
END_TEST

Suite *suite_registry_rules(void)
{
	const TTest *const tests[] = { localhost_is_always_insecure, the_list_names_hosts_and_networks };

	return hoy_unit_suite("registry rules", tests, ARRAY_LEN(tests));
}
