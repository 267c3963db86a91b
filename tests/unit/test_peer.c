/* supervisor/worker/peer: what etcd answers, what hosts write into it, and what follows from all of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/worker/peer/answer.h"
#include "supervisor/worker/peer/mirror.h"
#include "tests/unit/unit.h"

Suite *suite_peer(void);

#define ID_A "0000000000000000000000000000000000000000000000000000000000000001"
#define ID_B "0000000000000000000000000000000000000000000000000000000000000002"
#define NETWORK(name, subnet, prefix, gateway, vni)                                                                    \
	"{\"name\":\"" name "\",\"subnet\":\"" subnet "\",\"prefix\":" prefix ",\"gateway\":" gateway ",\"vni\":" vni  \
	",\"flags\":0,\"created\":1,\"range\":\"\",\"options\":{},\"labels\":{}}"
#define MEMBER(address, vtep, mac, names)                                                                              \
	"{\"host\":\"" ID_A "\",\"address\":\"" address "\",\"vtep\":\"" vtep "\",\"mac\":\"" mac                      \
	"\",\"names\":" names "}"

static int parse(const char *text, struct hoy_etcd_answer *ret)
{
	return hoy_etcd_answer_parse(text, strlen(text), ret, NULL);
}

START_TEST(answers_of_etcd_are_read)
{
	struct hoy_etcd_answer a = {};
	struct hoy_err err = {};
	const char error[] = "{\"error\":{\"message\":\"lease not found\"}}";

	ck_assert_int_eq(
		parse("{\"header\":{\"cluster_id\":\"3\",\"revision\":\"18446744073709551615\"},\"ID\":\"9\",\"TTL\":\"30\"}",
			&a),
		0);
	ck_assert(a.revision == UINT64_MAX && a.cluster == 3 && a.lease == 9 && a.ttl == 30 && a.n_kvs == 0);
	ck_assert_int_eq(
		parse("{\"result\":{\"header\":{\"revision\":\"9\"},\"events\":[{\"kv\":{\"key\":\"YQ==\",\"value\":\"YmM=\",\"mod_revision\":\"9\"}},"
		      "{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yg==\"}},{\"kv\":{\"key\":\"AA==\",\"value\":\"\"}}]}}",
			&a),
		0);
	ck_assert_int_eq(a.n_kvs, 2); /* a key with a zero byte is none of ours */
	ck_assert_str_eq(a.kvs[0].key, "a");
	ck_assert_str_eq(a.kvs[0].value, "bc");
	ck_assert(a.kvs[0].revision == 9 && !a.kvs[1].value);
	hoy_etcd_answer_done(&a);
	ck_assert_int_eq(parse("{\"result\":{\"canceled\":true,\"compact_revision\":\"5\"}}", &a), 0);
	ck_assert(a.canceled && a.compact_revision == 5);
	ck_assert_int_eq(hoy_etcd_answer_parse(error, strlen(error), &a, &err), -EREMOTEIO);
	ck_assert_str_eq(err.msg, "etcd: lease not found");
	ck_assert_int_lt(parse("[]", &a), 0);
	ck_assert_int_lt(parse("{", &a), 0);
}
END_TEST

START_TEST(what_a_host_writes_is_checked)
{
	static const char network[] = HOY_RECORD_PREFIX "network/" ID_A,
			  member[] = HOY_RECORD_PREFIX "member/" ID_A "/" ID_B;
	static const char *const bad_networks[] = { NETWORK("", "10.0.0.0", "24", "1", "5"),
		NETWORK("a b;", "10.0.0.0", "24", "1", "5"), NETWORK("a", "10.0.0.1", "24", "1", "5"),
		NETWORK("a", "10.0.0.0", "31", "1", "5"), NETWORK("a", "10.0.0.0", "7", "1", "5"),
		NETWORK("a", "10.0.0.0", "24", "255", "5"), NETWORK("a", "10.0.0.0", "24", "0", "5"),
		NETWORK("a", "10.0.0.0", "24", "1", "0"), NETWORK("a", "10.0.0.0", "24", "1", "16777216"), "{}", "[]" };
	static const char *const bad_members[] = { MEMBER("10.0.0", "192.0.2.1", "02:42:0a:00:00:02", "[]"),
		MEMBER("10.0.0.2", "0.0.0.0", "02:42:0a:00:00:02", "[]"),
		MEMBER("10.0.0.2", "192.0.2.1", "03:42:0a:00:00:02", "[]"),
		MEMBER("10.0.0.2", "192.0.2.1", "02:42:0a:00:00:0", "[]"), "{}" };
	struct hoy_record r;

	ck_assert_int_eq(hoy_record_parse(network, NETWORK("a", "10.0.0.0", "24", "1", "5"), &r, NULL), 0);
	ck_assert(r.network.subnet == 0x0a000000 && r.network.vni == 5);
	for (size_t i = 0; i < ARRAY_LEN(bad_networks); i++)
		ck_assert_int_lt(hoy_record_parse(network, bad_networks[i], &r, NULL), 0);
	ck_assert_int_eq(
		hoy_record_parse(member,
			MEMBER("10.0.0.2", "192.0.2.1", "02:42:0a:00:00:02", "[\"web\",\"a b\",\"\\n\"]"), &r, NULL),
		0);
	ck_assert_str_eq(r.member.names, " web"); /* no line of hoy-dns's text can be made of a name */
	for (size_t i = 0; i < ARRAY_LEN(bad_members); i++)
		ck_assert_int_lt(hoy_record_parse(member, bad_members[i], &r, NULL), 0);
	ck_assert_int_lt(
		hoy_record_parse(HOY_RECORD_PREFIX "network/../x", NETWORK("a", "10.0.0.0", "24", "1", "5"), &r, NULL),
		0);
	ck_assert_int_lt(hoy_record_parse(HOY_RECORD_PREFIX "address/" ID_A "/0",
				 "{\"host\":\"" ID_A "\",\"endpoint\":\"" ID_B "\"}", &r, NULL),
		0);
	ck_assert_int_eq(hoy_record_parse(HOY_RECORD_PREFIX "address/" ID_A "/7",
				 "{\"host\":\"" ID_A "\",\"endpoint\":\"" ID_B "\"}", &r, NULL),
		0);
	ck_assert_uint_eq(r.address.place, 7);
}
END_TEST

static void put(struct hoy_mirror *mirror, const char *key, const char *value)
{
	struct hoy_record record;

	ck_assert_int_eq(hoy_record_parse(key, value, &record, NULL), 0);
	ck_assert_int_eq(hoy_mirror_put(mirror, &record, NULL), 1);
	ck_assert_int_eq(hoy_mirror_put(mirror, &record, NULL), 0); /* nothing new */
}

START_TEST(the_mirror_says_what_is_free)
{
	struct hoy_mirror mirror = {};
	struct hoy_peer_address want = { .network = ID_A, .endpoint = ID_A, .first = 1, .last = 4, .gateway = 1 };
	struct hoy_peer_network network = { .name = "c", .subnet = 0x0a000000, .prefix_len = 16 };

	put(&mirror, HOY_RECORD_PREFIX "network/" ID_A, NETWORK("a", "10.0.1.0", "24", "1", "4097"));
	put(&mirror, HOY_RECORD_PREFIX "network/" ID_B, NETWORK("b", "10.1.0.0", "24", "1", "4098"));
	ck_assert_uint_eq(hoy_mirror_free_vni(&mirror), 4099);
	ck_assert_str_eq(hoy_mirror_conflict(&mirror, &network)->name, "a");
	network.subnet = 0x0a020000;
	ck_assert_ptr_null(hoy_mirror_conflict(&mirror, &network));
	(void) snprintf(network.name, sizeof network.name, "b");
	ck_assert_str_eq(hoy_mirror_conflict(&mirror, &network)->name, "b");
	ck_assert_uint_eq(hoy_mirror_free_place(&mirror, &want), 2);
	put(&mirror, HOY_RECORD_PREFIX "address/" ID_A "/2", "{\"host\":\"" ID_A "\",\"endpoint\":\"" ID_B "\"}");
	put(&mirror, HOY_RECORD_PREFIX "address/" ID_B "/3", "{\"host\":\"" ID_A "\",\"endpoint\":\"" ID_B "\"}");
	ck_assert_uint_eq(hoy_mirror_free_place(&mirror, &want), 3);
	want.last = 2;
	ck_assert_uint_eq(hoy_mirror_free_place(&mirror, &want), 0);
	(void) snprintf(want.endpoint, sizeof want.endpoint, "%s", ID_B);
	ck_assert_uint_eq(hoy_mirror_place_of(&mirror, &want), 2);
	hoy_mirror_done(&mirror);
}
END_TEST

Suite *suite_peer(void)
{
	const TTest *const tests[] = {
		answers_of_etcd_are_read,
		what_a_host_writes_is_checked,
		the_mirror_says_what_is_free,
	};

	return hoy_unit_suite("peer", tests, ARRAY_LEN(tests));
}

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_peer };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
