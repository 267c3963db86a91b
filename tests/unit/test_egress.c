/* supervisor/network/egress.c */
#include <string.h>

#include "supervisor/network/network_internal.h"
#include "supervisor/worker/allowed_names.h"
#include "tests/unit/unit.h"

Suite *suite_egress(void);

START_TEST(an_address_may_have_bits_and_a_port)
{
	static const char text[] = "allow=10.1.2.3,10.9.9.9/8:443,fd00::1/16,[fd00::5]:53,[fe80::/10]:7";
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_egress_parse(text, &attach, &names, &err), 0);
	ck_assert(attach.restricted);
	ck_assert_uint_eq(attach.n_allowed, 5);
	ck_assert_uint_eq(attach.allowed[0].prefix_len, 32);
	ck_assert_uint_eq(attach.allowed[0].port, 0);
	ck_assert_uint_eq(attach.allowed[1].prefix_len, 8);
	ck_assert_uint_eq(attach.allowed[1].port, 443);
	ck_assert_uint_eq(attach.allowed[1].address.s6_addr[13], 0); /* 10.0.0.0 */
	ck_assert_uint_eq(attach.allowed[2].prefix_len, 16);
	ck_assert_uint_eq(attach.allowed[2].address.s6_addr[15], 0);
	ck_assert_uint_eq(attach.allowed[3].prefix_len, 128);
	ck_assert_uint_eq(attach.allowed[3].port, 53);
	ck_assert_uint_eq(attach.allowed[4].prefix_len, 10);
}
END_TEST

START_TEST(what_lies_in_another_is_dropped)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};

	ck_assert_int_eq(
		hoy_egress_parse("allow=10.1.0.0/16,10.0.0.0/8,10.2.0.0/16,10.1.0.0/16:80", &attach, &names, NULL), 0);
	ck_assert_uint_eq(attach.n_allowed, 2); /* those with a port stand in another set */
	ck_assert_uint_eq(attach.allowed[0].prefix_len, 8);
	ck_assert_uint_eq(attach.allowed[1].port, 80);
}
END_TEST

START_TEST(none_allows_nothing_and_the_empty_text_everything)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};

	ck_assert_int_eq(hoy_egress_parse("none", &attach, &names, NULL), 0);
	ck_assert(attach.restricted);
	ck_assert_uint_eq(attach.n_allowed, 0);
	ck_assert_int_eq(hoy_egress_parse("", &attach, &names, NULL), 0);
	ck_assert(!attach.restricted);
}
END_TEST

START_TEST(what_cannot_be_a_rule_is_refused)
{
	static const char *const bad[] = { "all", "allow=", "allow=10.0.0.0/33", "allow=10.0.0.1:0",
		"allow=10.0.0.1:65536", "allow=10.0.0.1:x", "allow=,", "allow=10.0.0.1,", "allow=[fd00::1",
		"allow=[fd00::1]443", "allow=fd00::1/129", "allow=10.0.0.0/", "allow=10.0.0", "allow=example.org:0",
		"allow=example.org:x", "allow=*", "allow=*.", "allow=*.1", "allow=a..b", "allow=-a", "allow=a_*.b",
		"allow=exa mple.org", "allow=x.*.org", "allow=http://example.org", "allow=10.0.0.1 10.0.0.2" };
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hoy_err err = {};

		ck_assert_msg(hoy_egress_parse(bad[i], &attach, &names, &err) < 0, "%s", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, "egress"));
	}
}
END_TEST

START_TEST(names_are_lines_for_others)
{
	static const char text[] = "allow=Example.ORG:443,10.0.0.1,*.cdn.example.,intra_net,x.1a:80";
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};
	struct hoy_allowed_name name;
	const char *at;

	ck_assert_int_eq(hoy_egress_parse(text, &attach, &names, NULL), 0);
	ck_assert_uint_eq(attach.n_allowed, 1);
	ck_assert_str_eq(names.data, "example.org 443\n*.cdn.example 0\nintra_net 0\nx.1a 80\n");
	at = names.data;
	ck_assert(hoy_allowed_names_next(&at, &name));
	ck_assert_str_eq(name.pattern, "example.org");
	ck_assert_uint_eq(name.port, 443);
	ck_assert(hoy_allowed_names_next(&at, &name) && hoy_allowed_names_next(&at, &name) &&
		  hoy_allowed_names_next(&at, &name));
	ck_assert_uint_eq(name.port, 80);
	ck_assert(!hoy_allowed_names_next(&at, &name));
	at = "name 65536\n";
	ck_assert(!hoy_allowed_names_next(&at, &name));
	at = "name";
	ck_assert(!hoy_allowed_names_next(&at, &name));
}
END_TEST

START_TEST(a_star_stands_for_what_is_below_a_name)
{
	ck_assert(hoy_allowed_name_matches("example.org", "example.org"));
	ck_assert(!hoy_allowed_name_matches("example.org", "www.example.org"));
	ck_assert(!hoy_allowed_name_matches("example.org", "example.or"));
	ck_assert(hoy_allowed_name_matches("*.example.org", "www.example.org"));
	ck_assert(hoy_allowed_name_matches("*.example.org", "a.b.example.org"));
	ck_assert(!hoy_allowed_name_matches("*.example.org", "example.org"));
	ck_assert(!hoy_allowed_name_matches("*.example.org", "badexample.org"));
	ck_assert(!hoy_allowed_name_matches("*.example.org", ".example.org"));
}
END_TEST

START_TEST(names_have_an_end)
{
	auto_(hoy_buf_done) struct hoy_buf names = {}, text = {};
	struct hoy_net_attach attach = {};
	struct hoy_err err = {};

	(void) hoy_buf_adds(&text, "allow=a");
	for (unsigned int i = 0; i < HOY_NET_NAMES_MAX / 8; i++)
		(void) hoy_buf_addf(&text, ",name%u", i);
	ck_assert_int_lt(hoy_egress_parse(text.data, &attach, &names, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "longer than"));
}
END_TEST

START_TEST(at_most_64_addresses)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};

	(void) hoy_buf_adds(&text, "allow=10.0.0.0");
	for (unsigned int i = 1; i < HOY_NET_MAX_ALLOWED; i++)
		(void) hoy_buf_addf(&text, ",10.0.0.%u", i);
	ck_assert_int_eq(hoy_egress_parse(text.data, &attach, &names, NULL), 0);
	(void) hoy_buf_adds(&text, ",10.0.1.1");
	ck_assert_int_lt(hoy_egress_parse(text.data, &attach, &names, NULL), 0);
}
END_TEST

START_TEST(a_resolver_needs_port_53)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach attach = {};

	ck_assert_int_eq(hoy_egress_parse("allow=10.0.0.2:53,10.0.0.3:80,10.1.0.0/16", &attach, &names, NULL), 0);
	ck_assert(hoy_egress_allows_resolver(&attach, "10.0.0.2"));
	ck_assert(!hoy_egress_allows_resolver(&attach, "10.0.0.3"));
	ck_assert(hoy_egress_allows_resolver(&attach, "10.1.7.7"));
	ck_assert(!hoy_egress_allows_resolver(&attach, "fd00::1"));
	ck_assert(!hoy_egress_allows_resolver(&attach, "nonsense"));
}
END_TEST

Suite *suite_egress(void)
{
	const TTest *const tests[] = { an_address_may_have_bits_and_a_port, what_lies_in_another_is_dropped,
		none_allows_nothing_and_the_empty_text_everything, what_cannot_be_a_rule_is_refused,
		names_are_lines_for_others, a_star_stands_for_what_is_below_a_name, names_have_an_end,
		at_most_64_addresses, a_resolver_needs_port_53 };

	return hoy_unit_suite("egress", tests, ARRAY_LEN(tests));
}
