/* Any bytes as an image reference: what parses has a normal form that parses to itself, in full and in short. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(const struct hoy_reference *ref, const char *text)
{
	auto_(hoy_reference_done) struct hoy_reference again = { 0 };

	assert(text && hoy_reference_parse(text, &again, NULL) == 0);
	assert(strcmp(ref->domain, again.domain) == 0 && strcmp(ref->path, again.path) == 0);
	assert(hoy_str_eq(ref->tag, again.tag) && hoy_str_eq(ref->digest, again.digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *text = strndup((const char *) data, size), *whole = NULL, *familiar = NULL;

	if (!text || hoy_reference_parse(text, &ref, NULL) < 0)
		return 0;
	whole = hoy_reference_to_string(&ref);
	familiar = hoy_reference_familiar(&ref);
	assert_same(&ref, whole);
	assert_same(&ref, familiar);
	(void) hoy_reference_matches(&ref, text);
	return 0;
}
