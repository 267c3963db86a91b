/* shim/flags.c, detach_keys.c, sha256.c */
#include <errno.h>
#include <string.h>

#include "base/detach_keys.h"
#include "base/str.h"
#include "shim/flags.h"
#include "shim/logger.h"
#include "shim/sha256.h"
#include "shim/socket.h"
#include "tests/unit/unit.h"

Suite *suite_shim_text(void);

#define PARSE(flags, err, ...)                                                                                         \
	({                                                                                                             \
		const char *argv[] = { "shim", __VA_ARGS__ };                                                          \
		hoy_shim_flags_parse((int) ARRAY_LEN(argv), (char *const *) argv, flags, err);                         \
	})

START_TEST(flags_in_every_go_style)
{
	struct hoy_shim_flags flags;

	ck_assert_int_eq(PARSE(&flags, NULL, "-namespace", "ns", "--address=/a.sock", "-publish-binary=", "--id", "x",
				 "-debug", "start"),
		0);
	ck_assert_str_eq(flags.namespace_, "ns");
	ck_assert_str_eq(flags.address, "/a.sock");
	ck_assert_str_eq(flags.publish_binary, "");
	ck_assert_str_eq(flags.id, "x");
	ck_assert(flags.debug);
	ck_assert_str_eq(flags.action, "start");
}
END_TEST

START_TEST(unknown_flags_of_newer_callers_are_stepped_over)
{
	struct hoy_shim_flags flags;

	ck_assert_int_eq(PARSE(&flags, NULL, "-new", "value", "-other=1", "-last", "-id", "x", "-bool", "delete"), 0);
	ck_assert_str_eq(flags.id, "x");
	ck_assert_str_eq(flags.action, "delete");
}
END_TEST

START_TEST(booleans_and_missing_values)
{
	struct hoy_shim_flags flags;
	struct hoy_err err;

	ck_assert_int_eq(PARSE(&flags, &err, "-debug=false", "-v"), 0);
	ck_assert(!flags.debug && flags.version);
	ck_assert_ptr_null(flags.action);
	ck_assert_int_eq(PARSE(&flags, &err, "-debug=maybe"), -EINVAL);
	ck_assert_str_eq(err.msg, "flag -debug: 'maybe' is neither true nor false");
	ck_assert_int_eq(PARSE(&flags, &err, "-id"), -EINVAL);
	ck_assert_int_eq(PARSE(&flags, &err, "start", "more"), -EINVAL);
}
END_TEST

START_TEST(detach_keys_are_parsed)
{
	struct hoy_detach_keys keys;
	struct hoy_err err;

	ck_assert_int_eq(hoy_detach_keys_parse("ctrl-p,ctrl-q", &keys, NULL), 0);
	ck_assert_uint_eq(keys.n, 2);
	ck_assert_mem_eq(keys.keys, "\x10\x11", 2);
	ck_assert_int_eq(hoy_detach_keys_parse("a,ctrl-@,ctrl-_,ctrl-[", &keys, NULL), 0);
	ck_assert_mem_eq(keys.keys, "a\0\x1f\x1b", 4);
	ck_assert_int_eq(hoy_detach_keys_parse("ctrl-A", &keys, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "Unknown character: 'ctrl-A'");
	ck_assert_int_eq(hoy_detach_keys_parse("", &keys, NULL), -EINVAL);
	ck_assert_int_eq(hoy_detach_keys_parse("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", &keys, NULL), -EINVAL);
}
END_TEST

static bool filter(struct hoy_detach_keys *keys, const char *in, const char *expected)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	bool detached = hoy_detach_keys_filter(keys, in, strlen(in), &out);

	ck_assert_str_eq(out.data ? out.data : "", expected);
	return detached;
}

START_TEST(detach_keys_are_found_across_reads_and_given_back_when_not)
{
	struct hoy_detach_keys keys;

	ck_assert_int_eq(hoy_detach_keys_parse("ctrl-p,ctrl-q", &keys, NULL), 0);
	ck_assert(!filter(&keys, "ls\x10", "ls"));
	ck_assert(!filter(&keys, "x", "\x10x"));
	ck_assert(!filter(&keys, "\x10\x10", "\x10"));
	ck_assert(filter(&keys, "\x11rest", ""));
}
END_TEST

START_TEST(log_driver_uris)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	struct hoy_err err;

	ck_assert_int_eq(hoy_logger_parse("binary:///a%2fb?one=1&two=a%20=b&three", &argv, NULL), 0);
	ck_assert_uint_eq(hoy_strv_len(argv), 7);
	ck_assert_str_eq(argv[0], "/a/b");
	ck_assert_str_eq(argv[2], "1");
	ck_assert_str_eq(argv[4], "a =b");
	ck_assert_str_eq(argv[5], "three");
	ck_assert_str_eq(argv[6], "");
	hoy_strv_free(TAKE_PTR(argv));
	ck_assert_int_eq(hoy_logger_parse("binary://relative", &argv, &err), -EINVAL);
}
END_TEST

START_TEST(sha256_of_known_texts)
{
	static const struct {
		const char *text, *hex;
	} known[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[HOY_SHA256_HEX];

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		hoy_sha256_hex(known[i].text, strlen(known[i].text), hex);
		ck_assert_str_eq(hex, known[i].hex);
	}
}
END_TEST

START_TEST(the_socket_is_named_after_address_namespace_and_group)
{
	auto_free char *path = hoy_shim_socket_path("/s", "/run/c.sock", "ns", "a");
	auto_free char *same = hoy_shim_socket_path("/s", "/run//x/../c.sock", "ns", "a");
	auto_free char *other = hoy_shim_socket_path("/s", "/run/c.sock", "ns", "b");
	char hex[HOY_SHA256_HEX];

	hoy_sha256_hex("/run/c.sock/ns/a", strlen("/run/c.sock/ns/a"), hex);
	ck_assert_str_eq(path + 3, hex);
	ck_assert_str_eq(path, same);
	ck_assert_str_ne(path, other);
}
END_TEST

Suite *suite_shim_text(void)
{
	const TTest *const tests[] = { flags_in_every_go_style, unknown_flags_of_newer_callers_are_stepped_over,
		booleans_and_missing_values, detach_keys_are_parsed,
		detach_keys_are_found_across_reads_and_given_back_when_not, log_driver_uris, sha256_of_known_texts,
		the_socket_is_named_after_address_namespace_and_group };

	return hoy_unit_suite("shim text", tests, ARRAY_LEN(tests));
}
