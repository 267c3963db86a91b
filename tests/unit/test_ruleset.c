/* supervisor/worker/net/ruleset.c */
#include "supervisor/worker/net/ruleset.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_ruleset(void);

static const struct hoy_net_port ports[] = {
	{ .proto = IPPROTO_TCP, .families = HOY_NET_V4, .container_port = 80, .host_port = 8080 },
	{ .proto = IPPROTO_UDP,
		.families = HOY_NET_V4,
		.container_port = 53,
		.host_port = 5353,
		.host_ip = 0x7f000001 },
	{ .proto = IPPROTO_TCP, .families = HOY_NET_V4, .container_port = 443, .host_port = 8443 },
};

static const struct hoy_ruleset_target target = { .address = 0xac110002 };

START_TEST(ports_are_elements_of_two_maps)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &target, ports, ARRAY_LEN(ports));
	ck_assert_str_eq(text.data,
		"add element ip hoy published { 6 . 8080 : 172.17.0.2 . 80, 6 . 8443 : 172.17.0.2 . 443 }\n"
		"add element ip hoy published_on { 127.0.0.1 . 17 . 5353 : 172.17.0.2 . 53 }\n");
	hoy_buf_clear(&text);
	hoy_ruleset_ports(&text, "t", HOY_RULESET_DELETE, &target, &ports[2], 1);
	ck_assert_str_eq(text.data, "delete element ip t published { 6 . 8443 : 172.17.0.2 . 443 }\n");
}
END_TEST

START_TEST(an_endpoint_without_ports_changes_nothing)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &target, ports, 0);
	ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(a_bridge_brings_its_subnet)
{
	const struct hoy_net_bridge bridge = { .name = "hoy0", .address = 0xac110001, .prefix_len = 16 };
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_bridge(&text, "hoy", HOY_RULESET_ADD, &bridge);
	ck_assert_ptr_nonnull(strstr(text.data, "subnets { 172.17.0.0/16 }"));
	ck_assert_ptr_nonnull(strstr(text.data, "bridges { \"hoy0\" }"));
}
END_TEST

START_TEST(ipv6_has_a_table_of_its_own)
{
	static const struct hoy_net_port both = {
		.proto = IPPROTO_TCP, .families = HOY_NET_V4 | HOY_NET_V6, .container_port = 80, .host_port = 8080
	};
	struct hoy_net_port on = {
		.proto = IPPROTO_TCP, .families = HOY_NET_V6, .container_port = 80, .host_port = 81
	};
	struct hoy_net_bridge bridge = { .name = "hoy0", .address = 0xac110001, .prefix_len = 16, .prefix6_len = 60 };
	struct hoy_ruleset_target six = target;
	auto_(hoy_buf_done) struct hoy_buf text = {};

	ck_assert_int_eq(inet_pton(AF_INET6, "fd00::2", &six.address6), 1);
	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &six, &both, 1);
	ck_assert_str_eq(text.data, "add element ip hoy published { 6 . 8080 : 172.17.0.2 . 80 }\n"
				    "add element ip6 hoy published { 6 . 8080 : fd00::2 . 80 }\n");
	hoy_buf_clear(&text);
	on.host_ip6 = six.address6;
	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &six, &on, 1);
	ck_assert_str_eq(text.data, "add element ip6 hoy published_on { fd00::2 . 6 . 81 : fd00::2 . 80 }\n");
	hoy_buf_clear(&text);
	on.host_ip6 = in6addr_loopback; /* passed on by hoy-net */
	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &six, &on, 1);
	hoy_ruleset_ports(&text, "hoy", HOY_RULESET_ADD, &target, &on, 1);
	ck_assert_uint_eq(text.len, 0);
	ck_assert_int_eq(inet_pton(AF_INET6, "fd00:0:0:12::1", &bridge.address6), 1);
	hoy_ruleset_bridge(&text, "hoy", HOY_RULESET_ADD, &bridge);
	ck_assert_ptr_nonnull(strstr(text.data, "ip6 hoy masqueraded { fd00:0:0:10::/60 }"));
	hoy_buf_clear(&text);
	hoy_ruleset_frame(&text, "hoy", HOY_NET_V4 | HOY_NET_V6);
	ck_assert_ptr_nonnull(strstr(text.data, "add rule ip6 hoy output ip6 daddr ::1 return\n"));
	ck_assert_ptr_null(strstr(text.data, "%"));
}
END_TEST

START_TEST(the_frame_leaves_what_is_not_ours)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_frame(&text, "hoy-1", HOY_NET_V4);
	ck_assert_int_eq(strncmp(text.data, "add table ip hoy-1\nadd chain ip hoy-1 user\n", 42), 0);
	ck_assert_ptr_null(strstr(text.data, "delete"));
	ck_assert_ptr_null(strstr(text.data, "flush chain ip hoy-1 user"));
	ck_assert_ptr_nonnull(strstr(text.data, "flush chain ip hoy-1 forward"));
	ck_assert_ptr_nonnull(strstr(text.data,
		"add map ip hoy-1 published_on { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
		"flush map ip hoy-1 published_on\n"));
	ck_assert_ptr_null(strstr(text.data, "%"));
	hoy_buf_clear(&text);
	hoy_ruleset_strip(&text, "hoy-1", HOY_NET_V4);
	ck_assert_ptr_nonnull(strstr(text.data, "delete chain ip hoy-1 forward\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "delete set ip hoy-1 subnets\n"));
	ck_assert_ptr_null(strstr(text.data, "delete chain ip hoy-1 user"));
	ck_assert_ptr_null(strstr(text.data, "delete table"));
}
END_TEST

START_TEST(an_empty_chain_has_no_rules)
{
	ck_assert(!hoy_ruleset_has_rules("table ip hoy {\n\tchain user {\n\t}\n}\n"));
	ck_assert(hoy_ruleset_has_rules("table ip hoy {\n\tchain user {\n\t\tdrop\n\t}\n}\n"));
}
END_TEST

START_TEST(a_foreign_drop_is_found)
{
	static const char listing[] = "table ip hoy {\n\tchain forward {\n"
				      "\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"
				      "table ip filter {\n\tchain FORWARD {\n"
				      "\t\ttype filter hook forward priority filter; policy %s;\n\t}\n}\n";
	auto_(hoy_buf_done) struct hoy_buf drops = {}, accepts = {};
	char table[64];

	(void) hoy_buf_addf(&drops, listing, "drop");
	(void) hoy_buf_addf(&accepts, listing, "accept");
	ck_assert(hoy_ruleset_foreign_drop(drops.data, "hoy", table, sizeof table));
	ck_assert_str_eq(table, "ip filter");
	ck_assert(!hoy_ruleset_foreign_drop(accepts.data, "hoy", table, sizeof table));
	ck_assert(!hoy_ruleset_foreign_drop("", "hoy", table, sizeof table));
}
END_TEST

Suite *suite_ruleset(void)
{
	const TTest *const tests[] = { ports_are_elements_of_two_maps, an_endpoint_without_ports_changes_nothing,
		a_bridge_brings_its_subnet, the_frame_leaves_what_is_not_ours, an_empty_chain_has_no_rules,
		a_foreign_drop_is_found, ipv6_has_a_table_of_its_own };

	return hoy_unit_suite("ruleset", tests, ARRAY_LEN(tests));
}
