/* Any bytes as each of the image documents: what parses is valid, and printed and read again to the same text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "libocispec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEFINE_ROUND_TRIP(type)                                                                                        \
	static void round_trip_##type(const char *text, size_t len)                                                    \
	{                                                                                                              \
		auto_(hoy_buf_done) struct hoy_buf first = {}, second = {};                                            \
		auto_ptr(hoy_oci_##type##_free) struct hoy_oci_##type *value = NULL, *again = NULL;                    \
                                                                                                                       \
		if (hoy_oci_##type##_parse(text, len, &value, NULL) < 0)                                               \
			return;                                                                                        \
		assert(hoy_oci_##type##_print(value, &first, 0, NULL) == 0);                                           \
		assert(hoy_oci_##type##_parse(first.data, first.len, &again, NULL) == 0);                              \
		assert(hoy_oci_##type##_print(again, &second, 0, NULL) == 0);                                          \
		assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);                    \
	}

DEFINE_ROUND_TRIP(descriptor)
DEFINE_ROUND_TRIP(manifest)
DEFINE_ROUND_TRIP(image_config)
DEFINE_ROUND_TRIP(index)

static void select_entry(const char *text, size_t len)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	const struct hoy_oci_descriptor *entry;

	if (hoy_oci_index_parse(text, len, &index, NULL) < 0)
		return;
	(void) hoy_oci_index_select(index, NULL, NULL, NULL, &entry, NULL);
	if (hoy_oci_index_select(index, "linux", "arm", "v6", &entry, NULL) == 0)
		assert(hoy_oci_digest_is_valid(entry->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	enum hoy_oci_media kind;

	round_trip_descriptor(text, size);
	round_trip_manifest(text, size);
	round_trip_image_config(text, size);
	round_trip_index(text, size);
	select_entry(text, size);
	(void) hoy_oci_document_kind(text, size, &kind, NULL);
	(void) hoy_oci_layout_check(text, size, NULL);
	return 0;
}
