/* Any bytes as each of the runtime-spec documents: what parses is printed and read again to the same text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "libocispec/runtime_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct hoy_object *object, const char *text, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf first = {}, second = {}, third = {};
	void *value, *again, *copy;
	struct hoy_err err;
	int valid;

	if (hoy_field_parse(object, text, len, NULL, &value, &err) < 0)
		return;
	valid = hoy_field_validate(object, value, &err);
	assert(hoy_field_print(object, value, &first, 0, &err) == 0);
	assert(hoy_field_parse(object, first.data, first.len, NULL, &again, &err) == 0);
	assert(hoy_field_validate(object, again, &err) == valid);
	assert(hoy_field_print(object, again, &second, 0, &err) == 0);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	copy = hoy_field_copy(object, value);
	hoy_field_free(object, value);
	assert(copy && hoy_field_print(object, copy, &third, 0, &err) == 0);
	assert(first.len == third.len && memcmp(first.data, third.data, first.len) == 0);
	hoy_field_free(object, again);
	hoy_field_free(object, copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hoy_object *const objects[] = { &hoy_oci_spec_object, &hoy_oci_process_object,
		&hoy_oci_resources_object, &hoy_oci_seccomp_object, &hoy_oci_state_object, &hoy_oci_features_object };
	struct hoy_oci_spec *spec = NULL;

	for (size_t i = 0; i < ARRAY_LEN(objects); i++)
		round_trip(objects[i], (const char *) data, size);
	(void) hoy_oci_spec_parse((const char *) data, size, &spec, NULL);
	hoy_oci_spec_free(spec);
	return 0;
}
