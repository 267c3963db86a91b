/*
 * Any bytes as a signature policy: a repository ("docker.io/library/busybox", then what stands before a NUL of the
 * input) gets a rule or the text an error, the same every time; a key has an absolute path.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/image/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const char *text, const char *repository)
{
	enum hoy_signature_rule rule = HOY_SIGNATURE_REJECT, again = HOY_SIGNATURE_REJECT;
	auto_free char *key = NULL, *key_again = NULL;
	struct hoy_err err = { 0 };
	int r = hoy_signature_policy_find(text, repository, &rule, &key, &err);

	assert(r == 0 || (r < 0 && *err.msg));
	assert((hoy_signature_policy_find(text, repository, &again, &key_again, /* err= */ NULL) < 0) == (r < 0));
	if (r < 0)
		return;
	assert(rule == again && hoy_str_eq(key, key_again));
	assert((rule == HOY_SIGNATURE_COSIGN) == (key != NULL));
	assert(!key || key[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *whole = strndup((const char *) data, size), *rest = NULL;
	size_t len = whole ? strlen(whole) : 0;

	if (!whole)
		return 0;
	find(whole, "docker.io/library/busybox");
	if (len == size)
		return 0;
	rest = strndup((const char *) data + len + 1, size - len - 1);
	if (rest)
		find(rest, whole);
	return 0;
}
