/* Any bytes as a string with variables, as a dotenv file and as a command line: a result, or an error that says why. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/env_file.h"
#include "supervisor/compose/interpolate.h"
#include "supervisor/compose/short_forms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get(const char *name, void *userdata)
{
	(void) userdata;
	return name[0] == 'A' ? "a$b" : name[0] == 'E' ? "" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hoy_interpolation how = { .get = get };
	auto_free char *text = strndup((const char *) data, size), *result = NULL;
	auto_ptr(hoy_strv_free) char **entries = NULL;
	char *environment[] = { "A=1", "E=", NULL };
	const struct hoy_node at = { .type = HOY_NODE_STRING, .file = "f", .line = 1, .column = 1, .text = text };
	struct hoy_arena arena = {};
	struct hoy_err err = {};

	if (!text || size > 1 << 16)
		return 0;
	if (hoy_interpolate(text, &how, &result, &err) < 0)
		assert(err.errnum > 0 && err.msg[0]);
	if (hoy_env_file_parse("f", text, environment, &entries, /* warnings= */ NULL, &err) < 0)
		assert(err.errnum > 0 && err.msg[0]);
	for (char **entry = entries; entry && *entry; entry++)
		assert(strchr(*entry, '='));
	(void) hoy_split_words(&arena, &at, text, &err);
	(void) hoy_expand_port(&arena, &at, &err);
	(void) hoy_expand_volume(&arena, &at, &err);
	(void) hoy_expand_device(&arena, &at, &err);
	hoy_arena_done(&arena);
	return 0;
}
