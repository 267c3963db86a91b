/* An ignore file: the first line is a path, the rest is the file. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/build/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);
	auto_ptr(hoy_ignore_free) struct hoy_ignore *ignore = NULL;
	auto_free char *path = newline ? strndup((const char *) data, (size_t) (newline - data)) : NULL;
	struct hoy_err err = { 0 };
	int r;

	if (!path)
		return 0;
	newline++;
	r = hoy_ignore_parse("x", (const char *) newline, size - (size_t) (newline - data), &ignore, &err);
	assert(r == 0 ? ignore != NULL : !ignore && err.msg[0]);
	if (r == 0 && hoy_ignore_prunes(ignore, path))
		assert(hoy_ignore_excludes(ignore, path));
	(void) hoy_glob_matches(path, path);
	return 0;
}
