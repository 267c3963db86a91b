/* supervisor/network/resolv_conf.c */
#include <string.h>

#include "supervisor/network/network.h"
#include "tests/unit/unit.h"

Suite *suite_resolv_conf(void);

static void check(const char *host, const char *want)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	ck_assert_int_eq(hoy_network_resolv_conf(host, strlen(host), &out, NULL), 0);
	ck_assert_str_eq(out.data, want);
}

START_TEST(name_servers_on_loopback_are_dropped)
{
	check("search a.test\nnameserver 127.0.0.53\nnameserver 10.0.0.1\noptions ndots:2\n",
		"search a.test\nnameserver 10.0.0.1\noptions ndots:2\n");
	check("nameserver\t10.0.0.1 # ours\nnameserver ::1\n", "nameserver\t10.0.0.1 # ours\n");
	check("nameserver 10.0.0.1", "nameserver 10.0.0.1\n"); /* no newline at the end */
}
END_TEST

START_TEST(without_any_left_there_are_public_ones)
{
	check("", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	check("nameserver 127.0.0.53\noptions edns0\n", "options edns0\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	check("nameserverx 10.0.0.1\n", "nameserverx 10.0.0.1\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n");
}
END_TEST

Suite *suite_resolv_conf(void)
{
	const TTest *const tests[] = { name_servers_on_loopback_are_dropped, without_any_left_there_are_public_ones };

	return hoy_unit_suite("resolv_conf", tests, ARRAY_LEN(tests));
}
