/* supervisor/network/pool.c */
#include "supervisor/network/pool.h"

#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_pool(void);

static struct hoy_prefix prefix(const char *text)
{
	struct hoy_prefix p;

	ck_assert_int_eq(hoy_prefix_parse(text, &p), 0);
	return p;
}

static void check_choice(const char *used_text, unsigned int start, const char *want)
{
	const struct hoy_prefix used = prefix(used_text);
	struct hoy_prefix got;
	char text[INET_ADDRSTRLEN];

	ck_assert(hoy_pool_choose(&used, 1, start, &got));
	ck_assert_str_eq(hoy_ipv4_format(got.address, text), want);
}

START_TEST(prefixes_are_parsed_strictly)
{
	struct hoy_prefix p;

	ck_assert_int_eq(hoy_prefix_parse("172.30.0.5/16", &p), 0);
	ck_assert_uint_eq(p.address, 0xac1e0005);
	ck_assert_uint_eq(p.len, 16);
	ck_assert_int_eq(hoy_prefix_parse("172.30.0.5", &p), -EINVAL);
	ck_assert_int_eq(hoy_prefix_parse("172.30.0.5/33", &p), -EINVAL);
	ck_assert_int_eq(hoy_prefix_parse("172.30.0/16", &p), -EINVAL);
	ck_assert_int_eq(hoy_prefix_parse("172.30.0.5/+8", &p), -EINVAL);
	ck_assert_int_eq(hoy_prefix_parse("fd00::1/64", &p), -EINVAL);
}
END_TEST

START_TEST(the_first_pool_without_a_route_is_chosen)
{
	check_choice("10.0.0.0/8", 0, "172.17.0.0");
	check_choice("172.17.5.0/24", 0, "172.18.0.0");  /* a smaller route inside */
	check_choice("172.16.0.0/12", 0, "192.168.0.0"); /* a larger one around */
	check_choice("172.20.0.0/16", 3, "172.21.0.0");
	check_choice("172.31.0.0/16", 14, "172.17.0.0"); /* the start goes round */
}
END_TEST

START_TEST(when_all_pools_are_taken_there_is_none)
{
	const struct hoy_prefix used[] = { prefix("172.16.0.0/12"), prefix("192.168.0.0/16") };
	const struct hoy_prefix most[] = { prefix("172.16.0.0/12"), prefix("192.168.0.0/17") };
	struct hoy_prefix got;
	char text[INET_ADDRSTRLEN];

	ck_assert(!hoy_pool_choose(used, ARRAY_LEN(used), 7, &got));
	ck_assert(hoy_pool_choose(most, ARRAY_LEN(most), 0, &got));
	ck_assert_str_eq(hoy_ipv4_format(got.address, text), "192.168.128.0");
	ck_assert_uint_eq(got.len, 20);
}
END_TEST

START_TEST(prefixes_of_ipv6)
{
	struct hoy_prefix6 p, q;
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(hoy_prefix6_parse("fd00:0:0:1f::5/60", &p), 0);
	address = hoy_prefix6_base(&p);
	ck_assert_str_eq(hoy_ipv6_format(&address, text), "fd00:0:0:10::");
	ck_assert(hoy_prefix6_at(&p, 0x1234, &address));
	ck_assert_str_eq(hoy_ipv6_format(&address, text), "fd00:0:0:10::1234");
	ck_assert(hoy_prefix6_contains(&p, &address));
	ck_assert_int_eq(hoy_prefix6_parse("fd00:0:0:20::/64", &q), 0);
	ck_assert(!hoy_prefix6_overlaps(&p, &q));
	ck_assert_int_eq(hoy_prefix6_parse("fd00::/16", &q), 0);
	ck_assert(hoy_prefix6_overlaps(&p, &q));
	ck_assert_int_eq(hoy_prefix6_parse("fd00::/120", &q), 0);
	ck_assert(hoy_prefix6_at(&q, 255, &address));
	ck_assert(!hoy_prefix6_at(&q, 256, &address));
	ck_assert_int_eq(hoy_prefix6_parse("fd00::/129", &q), -EINVAL);
	ck_assert_int_eq(hoy_prefix6_parse("fd00::", &q), -EINVAL);
	ck_assert_int_eq(hoy_prefix6_parse("::ffff:10.0.0.1/128", &q), -EINVAL);
	ck_assert_int_eq(hoy_prefix6_parse("10.0.0.0/8", &q), -EINVAL);
}
END_TEST

Suite *suite_pool(void)
{
	const TTest *const tests[] = { prefixes_are_parsed_strictly, the_first_pool_without_a_route_is_chosen,
		when_all_pools_are_taken_there_is_none, prefixes_of_ipv6 };

	return hoy_unit_suite("pool", tests, ARRAY_LEN(tests));
}
