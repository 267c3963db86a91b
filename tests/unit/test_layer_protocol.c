/* supervisor/worker/layer/protocol.c: what a worker gone wrong may send. */
#include "supervisor/worker/layer/protocol.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_layer_protocol(void);

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct hoy_layer_reply reply; /* large */

static size_t make_entry(uint32_t type, const char *names, size_t len)
{
	memset(&reply, 0, sizeof reply);
	reply.type = HOY_LAYER_ENTRY;
	reply.entry.type = type;
	memcpy(reply.entry.digest, "sha256:" HEX64, HOY_LAYER_DIGEST_MAX);
	memcpy(reply.entry.names, names, len);
	return offsetof(struct hoy_layer_reply, entry.names) + len;
}

START_TEST(entries_have_one_name_or_two)
{
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_FILE, "a", 2), NULL), 0);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_LINK, "a\0b", 4), NULL), 0);
	ck_assert_str_eq(hoy_layer_reply_target(&reply), "b");
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_FILE, "a\0b", 4), NULL), -EPROTO);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_LINK, "a", 2), NULL), -EPROTO);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_LINK, "a\0b\0c", 6), NULL), -EPROTO);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_FILE, "abc", 3), NULL), -EPROTO);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(HOY_LAYER_ENTRY_FILE, "", 0), NULL), -EPROTO);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, make_entry(7, "a", 2), NULL), -EPROTO);
}
END_TEST

START_TEST(digests_have_their_form)
{
	size_t len = make_entry(HOY_LAYER_ENTRY_FILE, "a", 2);

	reply.entry.digest[10] = 'G';
	ck_assert_int_eq(hoy_layer_reply_check(&reply, len, NULL), -EPROTO);
	len = make_entry(HOY_LAYER_ENTRY_FILE, "a", 2);
	memset(reply.entry.digest, '0', sizeof reply.entry.digest);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, len, NULL), -EPROTO);

	memset(&reply, 0, sizeof reply);
	reply.type = HOY_LAYER_DONE;
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(done), NULL), 0);
	memcpy(reply.done.digest, "sha256:" HEX64, 72);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(done), NULL), -EPROTO);
	memcpy(reply.done.diff_id, "sha256:" HEX64, 72);
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(done), NULL), 0);
	reply.done.unpacked = UINT64_MAX;
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(done), NULL), -EPROTO);
}
END_TEST

START_TEST(packets_of_other_types_and_sizes_are_refused)
{
	memset(&reply, 0, sizeof reply);
	for (uint32_t type = 0; type < 10; type++) {
		reply.type = type;
		ck_assert_int_eq(hoy_layer_reply_check(&reply, 3, NULL), -EPROTO);
		ck_assert_int_eq(hoy_layer_reply_check(&reply, sizeof reply.type, NULL), -EPROTO);
	}
	reply.type = HOY_LAYER_PROGRESS;
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(progress), NULL), 0);
	reply.type = 9;
	ck_assert_int_eq(hoy_layer_reply_check(&reply, HOY_LAYER_REPLY_SIZE(progress), NULL), -EPROTO);
}
END_TEST

Suite *suite_layer_protocol(void)
{
	const TTest *const tests[] = { entries_have_one_name_or_two, digests_have_their_form,
		packets_of_other_types_and_sizes_are_refused };

	return hoy_unit_suite("layer protocol", tests, ARRAY_LEN(tests));
}
