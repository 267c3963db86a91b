/* supervisor/worker/fetch/signature.c: what cosign signs, and whether it is signed. */
#include "supervisor/worker/fetch/signature.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_signature(void);

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000007"
#define CRITICAL(identity, digest, type)                                                                               \
	"\"critical\":{\"identity\":" identity ",\"image\":{\"docker-manifest-digest\":\"" digest                      \
	"\"},\"type\":\"" type "\"}"
#define NAME "{\"docker-reference\":\"r.test/web\"}"
#define TYPE "cosign container image signature"

static const char payload[] = "{" CRITICAL(NAME, DIGEST, TYPE) ",\"optional\":null}";
static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/7EKYj39JYlJJD1Mh+kHZu1wObKy\n"
			  "fy/ohdkyc0o64XeAhl8f4YCwjc+1xlWqy9NA6l0WGQ943Fsc1KdAk6Fdxg==\n"
			  "-----END PUBLIC KEY-----\n";
/* openssl dgst -sha256 -sign KEY payload | base64 */
static const char signature[] =
	"MEUCIQCc9AYR68nDBt+qH6LnsSVmUkq80y6FFeBkqMK+zDSRTwIgPfdCB6TOXcND0Cx1tj5N4V91cyl3zOackSOUNWiu4q0=";

static int check(const char *text)
{
	struct hoy_err err;

	return hoy_signature_check_payload(text, strlen(text), DIGEST, &err);
}

START_TEST(a_payload_says_the_digest_and_nothing_unknown)
{
	ck_assert_int_eq(check(payload), 0);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, TYPE) "}"), 0);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, TYPE) ",\"optional\":{\"creator\":\"me\"}}"), 0);
	ck_assert_int_eq(check("{" CRITICAL(NAME, "sha256:8", TYPE) "}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, "atomic container signature") "}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL("{}", DIGEST, TYPE) "}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL("[]", DIGEST, TYPE) "}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, TYPE) ",\"optional\":1}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, TYPE) ",\"other\":1}"), -EINVAL);
	ck_assert_int_eq(check("{" CRITICAL(NAME, DIGEST, TYPE) "," CRITICAL(NAME, DIGEST, TYPE) "}"), -EINVAL);
	ck_assert_int_eq(check("{\"critical\":{}}"), -EINVAL);
	ck_assert_int_eq(check("[]"), -EINVAL);
	ck_assert_int_eq(check(""), -EINVAL);
}
END_TEST

START_TEST(a_signature_is_of_these_bytes_by_this_key)
{
	char other[sizeof payload];

	ck_assert_int_eq(hoy_signature_verify(key, payload, strlen(payload), signature, NULL), 0);
	memcpy(other, payload, sizeof other);
	other[strlen(other) - 2] ^= 1;
	ck_assert_int_eq(hoy_signature_verify(key, other, strlen(other), signature, NULL), -EINVAL);
	ck_assert_int_eq(hoy_signature_verify(key, payload, strlen(payload), "AAAA", NULL), -EINVAL);
	ck_assert_int_eq(hoy_signature_verify(key, payload, strlen(payload), "", NULL), -EINVAL);
	ck_assert_int_eq(hoy_signature_verify(key, payload, strlen(payload), "no base64!", NULL), -EINVAL);
	ck_assert_int_eq(hoy_signature_verify("no key", payload, strlen(payload), signature, NULL), -EOPNOTSUPP);
}
END_TEST

Suite *suite_signature(void)
{
	const TTest *const tests[] = {
		a_payload_says_the_digest_and_nothing_unknown,
		a_signature_is_of_these_bytes_by_this_key,
	};

	return hoy_unit_suite("signature", tests, ARRAY_LEN(tests));
}
