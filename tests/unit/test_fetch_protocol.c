/* supervisor/worker/fetch/protocol.c: the request there and back, and packets of a worker gone wrong. */
#include "supervisor/worker/fetch/protocol.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_fetch_protocol(void);

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(a_request_is_what_it_was)
{
	struct hoy_fetch_request rq = { .host = (char *) "localhost:5000",
		.repository = (char *) "a/b",
		.reference = (char *) "latest",
		.familiar = (char *) "localhost:5000/a/b:latest",
		.name = (char *) "localhost:5000/a/b",
		.password = (char *) "s\"\\ecret",
		.insecure = true };
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *again = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	ck_assert_int_ge(hoy_fetch_request_print(&rq, &text, NULL), 0);
	ck_assert_int_eq(hoy_fetch_request_parse(text.data, text.len, &again, NULL), 0);
	ck_assert_str_eq(again->host, rq.host);
	ck_assert_str_eq(again->password, rq.password);
	ck_assert_ptr_null(again->username);
	ck_assert(again->insecure);
}
END_TEST

START_TEST(a_request_needs_its_members)
{
	struct hoy_fetch_request *rq = NULL;

	ck_assert_int_eq(hoy_fetch_request_parse("{\"host\":\"a\"}", 12, &rq, NULL), -EINVAL);
}
END_TEST

static struct hoy_fetch_packet blob(uint32_t type)
{
	struct hoy_fetch_packet packet = { .type = type, .blob = { .current = 1, .size = 2 } };

	memcpy(packet.blob.digest, "sha256:" HEX64, HOY_FETCH_DIGEST_MAX);
	return packet;
}

START_TEST(packets_are_checked)
{
	struct hoy_fetch_packet packet = blob(HOY_FETCH_WANT);

	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), 0);
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet - 1, NULL), -EPROTO);
	packet.blob.digest[10] = 'G';
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
	packet = blob(HOY_FETCH_PROGRESS);
	packet.blob.current = 3;
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
	packet = blob(HOY_FETCH_DONE);
	memset(packet.blob.media_type, 'x', sizeof packet.blob.media_type);
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
	packet = blob(HOY_FETCH_GOT);
	packet.blob.size = UINT64_MAX;
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
	packet = blob(HOY_FETCH_WANT);
	packet.kind = 2;
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
	packet = blob(9);
	ck_assert_int_eq(hoy_fetch_packet_check(&packet, sizeof packet, NULL), -EPROTO);
}
END_TEST

Suite *suite_fetch_protocol(void)
{
	const TTest *const tests[] = { a_request_is_what_it_was, a_request_needs_its_members, packets_are_checked };

	return hoy_unit_suite("fetch protocol", tests, ARRAY_LEN(tests));
}
