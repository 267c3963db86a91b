/* Any bytes as a template of --format: it parses or tells why, runs to an end over data of every kind. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/cli/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tree[] =
	"{\"A\":{\"B\":[{\"C\":\"x\"},null,1,-2.5,true]},\"S\":\"a\\u00e9b\",\"N\":7,\"L\":[1,2,3],\"Z\":null}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hoy_template_options options[] = { { .strict = true }, { .heads = true } };
	auto_ptr(hoy_template_free) struct hoy_template *template = NULL;
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;
	auto_free char *text = strndup((const char *) data, size);
	struct hoy_err err = {};

	if (!text || hoy_json_parse(tree, strlen(tree), NULL, &json, NULL) < 0)
		return 0;
	if (hoy_template_parse(text, &template, &err) < 0) {
		assert(err.errnum > 0 && err.msg[0]);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		auto_(hoy_buf_done) struct hoy_buf out = { .cap = (size_t) 1 << 20 };

		(void) hoy_template_run(template, json, &options[i], &out, &err);
	}
	return 0;
}
