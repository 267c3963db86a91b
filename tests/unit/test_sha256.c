/* base/sha256.c: the standard's examples and every length around a block's end. */
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_sha256(void);

static void assert_digest(const void *data, size_t len, const char *want)
{
	char got[HOY_SHA256_DIGEST_MAX];

	hoy_sha256_digest(data, len, got);
	ck_assert_str_eq(got, want);
}

START_TEST(the_standard_s_examples)
{
	auto_free char *million = malloc(1000000);

	assert_digest("", 0, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_digest("abc", 3, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		"sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	ck_assert_ptr_nonnull(million);
	memset(million, 'a', 1000000);
	assert_digest(million, 1000000, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* Digest of the digests of "", "a", "aa", ... up to 130 times "a"; computed with Python's hashlib. */
START_TEST(every_length_around_a_block)
{
	char text[131], all[131 * (HOY_SHA256_DIGEST_MAX - 1) + 1];

	memset(text, 'a', sizeof text);
	for (size_t i = 0; i <= 130; i++)
		hoy_sha256_digest(text, i, all + i * (HOY_SHA256_DIGEST_MAX - 1));
	assert_digest(all, 131 * (HOY_SHA256_DIGEST_MAX - 1),
		"sha256:91a7cd0f975ec2b9a10740bdb865cd26670f78a3d4b397f61660c299b4eec2a6");
}
END_TEST

Suite *suite_sha256(void)
{
	const TTest *const tests[] = { the_standard_s_examples, every_length_around_a_block };

	return hoy_unit_suite("sha256", tests, ARRAY_LEN(tests));
}
