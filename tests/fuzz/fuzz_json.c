/* Any bytes as JSON text: what parses is written and read again to the same text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct hoy_json *value)
{
	uint64_t u;
	int64_t i;
	double d;

	(void) hoy_json_to_i64(value, &i);
	(void) hoy_json_to_u64(value, &u);
	(void) hoy_json_to_double(value, &d);
	hoy_json_each(child, value)
	{
		if (hoy_json_key(child))
			assert(hoy_json_get(value, hoy_json_key(child)) == child);
		touch(child);
	}
}

static void write_tree(const struct hoy_json *doc, unsigned int indent, struct hoy_buf *buf)
{
	struct hoy_json_writer w = { .buf = buf, .indent = indent };

	hoy_json_add_value(&w, NULL, doc);
	assert(hoy_buf_check(buf, "text", NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hoy_json_limits limits = { .max_nodes = 2000 };
	auto_(hoy_buf_done) struct hoy_buf first = {}, second = {}, indented = {};
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL, *again = NULL;
	struct hoy_err err;

	if (hoy_json_parse((const char *) data, size, &limits, &doc, &err) < 0)
		return 0;
	touch(doc);
	write_tree(doc, 2, &indented);
	write_tree(doc, 0, &first);
	assert(hoy_json_parse(indented.data, indented.len, &limits, &again, &err) == 0);
	write_tree(again, 0, &second);
	assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	return 0;
}
