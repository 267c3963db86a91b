/* supervisor/worker/dns/: packets, names, views. */
#include <arpa/inet.h>
#include <string.h>

#include "supervisor/worker/dns/addresses.h"
#include "supervisor/worker/dns/view.h"
#include "tests/unit/unit.h"

Suite *suite_dns(void);

static const char snapshot[] = "network one\n"
			       "host 10.0.0.2 - web 0123456789ab api api\n"
			       "host 10.0.0.3 fd00::3 db ba9876543210 api\n";

/* A query for `name` (labels in DNS form) with what is behind the question. */
static size_t make_query(uint8_t *out, const char *labels, size_t labels_len, uint16_t type, const char *tail, size_t n)
{
	static const uint8_t head[] = { 0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0 };

	memcpy(out, head, sizeof head);
	out[11] = n > 0;
	memcpy(out + 12, labels, labels_len);
	memcpy(out + 12 + labels_len, (const uint8_t[]){ 0, 0, (uint8_t) type, 0, 1 }, 5);
	memcpy(out + 17 + labels_len, tail, n);
	return 17 + labels_len + n;
}

static struct hoy_dns_names *told(void)
{
	struct hoy_dns_names *names = NULL;

	ck_assert_int_eq(hoy_dns_names_new(&names, NULL), 0);
	ck_assert_int_eq(hoy_dns_names_tell(names, "n1", 1, snapshot, strlen(snapshot), NULL), 0);
	return names;
}

START_TEST(a_query_is_read_in_lower_case)
{
	uint8_t packet[512];
	size_t len = make_query(packet, "\3WeB\3One", 8, HOY_DNS_A, "", 0);
	struct hoy_dns_query query;

	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert_str_eq(query.name, "web.one");
	ck_assert(query.is_plain && !query.has_edns);
	ck_assert_uint_eq(query.udp_size, 512);
	ck_assert_int_eq(hoy_dns_parse(packet, len - 1, &query), HOY_DNS_FORMERR);
	ck_assert_int_lt(hoy_dns_parse(packet, 11, &query), 0);
	packet[2] |= 0x80; /* an answer */
	ck_assert_int_lt(hoy_dns_parse(packet, len, &query), 0);
}
END_TEST

START_TEST(edns_says_how_much_fits_and_its_version)
{
	static const char opt[] = "\0\0\x29\x20\0\0\0\x80\0\0\0", later[] = "\0\0\x29\x02\0\0\1\0\0\0\0";
	uint8_t packet[512];
	size_t len = make_query(packet, "\3web", 4, HOY_DNS_A, opt, 11);
	struct hoy_dns_query query;

	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert(query.has_edns && query.dnssec_ok);
	ck_assert_uint_eq(query.udp_size, 4096);
	len = make_query(packet, "\3web", 4, HOY_DNS_A, later, 11);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_BADVERS);
}
END_TEST

START_TEST(names_that_no_container_has_are_refused_or_not_plain)
{
	uint8_t packet[512];
	struct hoy_dns_query query;
	size_t len = make_query(packet, "\xc0\x0c", 2, HOY_DNS_A, "", 0);

	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_FORMERR); /* points to itself */
	len = make_query(packet, "\3w.b", 4, HOY_DNS_A, "", 0);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert(!query.is_plain);
}
END_TEST

START_TEST(answers_that_do_not_fit_are_truncated)
{
	uint8_t packet[512], out[512];
	struct hoy_dns_query query;
	struct hoy_dns_answer answers[64];
	size_t len = make_query(packet, "\3web", 4, HOY_DNS_A, "", 0);

	for (size_t i = 0; i < 64; i++)
		answers[i] = (struct hoy_dns_answer){ .type = HOY_DNS_A, .address = 0x0a000001 };
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	len = hoy_dns_reply(&query, packet, HOY_DNS_NOERROR, answers, 2, out, sizeof out);
	ck_assert_uint_eq(out[7], 2);
	ck_assert(!(out[2] & 2));
	ck_assert(hoy_dns_is_reply_to(out, len, packet, query.question_len));
	len = hoy_dns_reply(&query, packet, HOY_DNS_NOERROR, answers, 64, out, sizeof out);
	ck_assert_uint_le(len, 512);
	ck_assert(out[2] & 2);
	ck_assert_uint_eq(out[7], (512 - 12 - query.question_len) / 16);
}
END_TEST

START_TEST(addresses_are_read_from_their_names)
{
	uint32_t v4 = 0;
	struct in6_addr v6 = {};

	ck_assert_int_eq(hoy_dns_reverse("3.0.0.10.in-addr.arpa", &v4, &v6), 4);
	ck_assert_uint_eq(v4, 0x0a000003);
	ck_assert_int_eq(hoy_dns_reverse("0.0.10.in-addr.arpa", &v4, &v6), 0);
	ck_assert_int_eq(hoy_dns_reverse("300.0.0.10.in-addr.arpa", &v4, &v6), 0);
	ck_assert_int_eq(hoy_dns_reverse(".in-addr.arpa", &v4, &v6), 0);
	ck_assert_int_eq(
		hoy_dns_reverse("3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", &v4, &v6),
		6);
	ck_assert(v6.s6_addr[0] == 0xfd && v6.s6_addr[15] == 3);
}
END_TEST

START_TEST(a_snapshot_replaces_the_one_before)
{
	auto_ptr(hoy_dns_names_free) struct hoy_dns_names *names = told();
	struct hoy_dns_network *network = hoy_dns_network_get(names, "n1");
	const struct hoy_dns_host *hosts[4];
	static const char next[] = "network one\nhost 10.0.0.9 - web\n", bad[] = "network one\nhost x - web\n";

	ck_assert_uint_eq(hoy_dns_network_find(network, "api", hosts, 4), 2);
	ck_assert_uint_eq(hoy_dns_network_find(network, "ap", hosts, 4), 0);
	ck_assert_int_lt(hoy_dns_names_tell(names, "n1", 2, bad, strlen(bad), NULL), 0);
	ck_assert_uint_eq(hoy_dns_network_find(network, "db", hosts, 4), 1);
	ck_assert_int_eq(hoy_dns_names_tell(names, "n1", 3, next, strlen(next), NULL), 0);
	ck_assert_uint_eq(hoy_dns_network_find(network, "db", hosts, 4), 0);
	ck_assert_uint_eq(hoy_dns_network_find(network, "web", hosts, 4), 1);
	ck_assert_uint_eq(hosts[0]->v4, 0x0a000009);
	hoy_dns_names_mark(names);
	hoy_dns_names_sweep(names);
	ck_assert_uint_eq(hoy_dns_network_find(network, "web", hosts, 4), 0);
	hoy_dns_network_drop(network);
}
END_TEST

/* A reply to A of www.x, whose question is 11 bytes long, with these records. */
static size_t make_reply(uint8_t *out, unsigned int n, const char *records, size_t len)
{
	size_t head = make_query(out, "\3wWw\1x", 6, HOY_DNS_A, "", 0);

	out[2] = 0x81;
	out[7] = (uint8_t) n;
	memcpy(out + head, records, len);
	return head + len;
}

#define RECORDS(n, text) make_reply(packet, n, text, sizeof(text) - 1)
#define QUESTION_LEN 11

START_TEST(addresses_are_those_of_the_name_or_of_what_it_stands_for)
{
	struct in6_addr to[4];
	uint8_t packet[512];
	uint32_t ttl = 0;
	char text[INET6_ADDRSTRLEN];
	size_t len = RECORDS(2, "\xc0\x0c\0\1\0\1\0\0\0\x64\0\4\1\2\3\4"
				"\3www\1X\0\0\1\0\1\0\0\0\x32\0\4\1\2\3\5");

	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 2);
	ck_assert_uint_eq(ttl, 50);
	ck_assert_str_eq(inet_ntop(AF_INET, &to[1].s6_addr[12], text, sizeof text), "1.2.3.5");
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 1, &ttl), 1);
	/* AAAA of b.x, for which www.x stands by way of a.x; told in the wrong order; what other.x has is nobody's */
	len = RECORDS(4, "\1b\xc0\x10\0\x1c\0\1\0\0\0\x50\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
			 "\1a\xc0\x10\0\5\0\1\0\0\0\x09\0\4\1B\xc0\x10"
			 "\xc0\x0c\0\5\0\1\0\0\0\x78\0\4\1A\xc0\x10"
			 "\5other\xc0\x10\0\1\0\1\0\0\0\1\0\4\6\6\6\6");
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 1);
	ck_assert_str_eq(inet_ntop(AF_INET6, &to[0], text, sizeof text), "2001:db8::1");
	ck_assert_uint_eq(ttl, 9);
}
END_TEST

START_TEST(hostile_replies_have_no_addresses)
{
	struct in6_addr to[4];
	uint8_t packet[512];
	uint32_t ttl = 0;
	size_t len = RECORDS(1, "\xc0\x0c\0\5\0\1\0\0\0\1\0\2\xc0\x0c"); /* its own CNAME */

	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 0);
	len = RECORDS(1, "\xc0\x17\0\1\0\1\0\0\0\1\0\4\1\2\3\4"); /* a pointer to itself */
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 0);
	len = RECORDS(1, "\xc0\xff\0\1\0\1\0\0\0\1\0\4\1\2\3\4"); /* and forward */
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 0);
	len = RECORDS(1, "\xc0\x0c\0\1\0\1\0\0\0\1\0\x10\1\2\3\4"); /* more than there is */
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 0);
	len = RECORDS(2, "\xc0\x0c\0\1\0\1\0\0\0\1\0\3\1\2\3" /* no address has three bytes */
			 "\xc0\x0c\0\x1c\0\1\0\0\0\1\0\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4");
	ck_assert_uint_eq(hoy_dns_addresses(packet, len, QUESTION_LEN, to, 4, &ttl), 0);
	for (size_t i = HOY_DNS_HEADER; i < len; i++)
		(void) hoy_dns_addresses(packet, i, MIN(i - HOY_DNS_HEADER, (size_t) QUESTION_LEN), to, 4, &ttl);
}
END_TEST

START_TEST(a_view_has_rules_of_its_endpoints)
{
	static const char settings[] =
		"internal\nnamed 192.0.2.53\n"
		"egress 00000000000000000000000000000000000000000000000000000000000000a1\n"
		"allow www.x\nallow *.x\n"
		"egress 00000000000000000000000000000000000000000000000000000000000000a2\nallow *.x\n";
	static const char bad[] = "egress a1\nallow www.x\n";
	auto_ptr(hoy_dns_names_free) struct hoy_dns_names *names = told();
	auto_(hoy_dns_view_done) struct hoy_dns_view view = {}, none = {};
	struct hoy_dns_query query;
	uint8_t packet[512], out[512];
	size_t at = 0, len = make_query(packet, "\3wWw\1x", 6, HOY_DNS_A, "", 0);

	ck_assert_int_eq(hoy_dns_view_parse(names, settings, strlen(settings), &view, NULL), 0);
	ck_assert_int_lt(hoy_dns_view_parse(names, bad, strlen(bad), &none, NULL), 0);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert_uint_eq(hoy_dns_view_rule(&view, &query, &at)->endpoint[31], 0xa1);
	ck_assert_uint_eq(hoy_dns_view_rule(&view, &query, &at)->endpoint[31], 0xa2);
	ck_assert_ptr_null(hoy_dns_view_rule(&view, &query, &at));
	ck_assert_uint_eq(hoy_dns_view_answer(&view, &query, 0, packet, out, 512), 0); /* for others */
	len = make_query(packet, "\3www\1y", 6, HOY_DNS_A, "", 0);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert_uint_gt(hoy_dns_view_answer(&view, &query, 0, packet, out, 512), 0);
	ck_assert_int_eq(hoy_dns_rcode(out), HOY_DNS_NXDOMAIN);
}
END_TEST

START_TEST(a_view_answers_names_of_its_networks)
{
	static const char text[] = "network n1\nserver 10.0.0.1 container\n", closed[] = "network n1\ninternal\n";
	auto_ptr(hoy_dns_names_free) struct hoy_dns_names *names = told();
	struct hoy_dns_view view = {};
	struct hoy_dns_query query;
	uint8_t packet[512], out[512];
	size_t len = make_query(packet, "\2db\3one", 7, HOY_DNS_AAAA, "", 0);

	ck_assert_int_eq(hoy_dns_view_parse(names, text, strlen(text), &view, NULL), 0);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert_uint_gt(hoy_dns_view_answer(&view, &query, HOY_DNS_NOERROR, packet, out, sizeof out), 0);
	ck_assert_uint_eq(out[7], 1);
	len = make_query(packet, "\5other", 6, HOY_DNS_A, "", 0);
	ck_assert_int_eq(hoy_dns_parse(packet, len, &query), HOY_DNS_NOERROR);
	ck_assert_uint_eq(hoy_dns_view_answer(&view, &query, HOY_DNS_NOERROR, packet, out, sizeof out), 0);
	hoy_dns_view_done(&view);
	ck_assert_int_eq(hoy_dns_view_parse(names, closed, strlen(closed), &view, NULL), 0);
	ck_assert_uint_gt(hoy_dns_view_answer(&view, &query, HOY_DNS_NOERROR, packet, out, sizeof out), 0);
	ck_assert_int_eq(hoy_dns_rcode(out), HOY_DNS_NXDOMAIN);
	hoy_dns_view_done(&view);
	ck_assert_int_lt(hoy_dns_view_parse(names, "server nowhere host", 19, &view, NULL), 0);
}
END_TEST

Suite *suite_dns(void)
{
	const TTest *const tests[] = { a_query_is_read_in_lower_case, edns_says_how_much_fits_and_its_version,
		names_that_no_container_has_are_refused_or_not_plain, answers_that_do_not_fit_are_truncated,
		addresses_are_read_from_their_names, a_snapshot_replaces_the_one_before,
		a_view_answers_names_of_its_networks, addresses_are_those_of_the_name_or_of_what_it_stands_for,
		hostile_replies_have_no_addresses, a_view_has_rules_of_its_endpoints };

	return hoy_unit_suite("dns", tests, ARRAY_LEN(tests));
}
