/* A pattern and, in the second line, a text: what we take libc takes as well, and both see the same. */
#include <assert.h>
#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/pattern.h"

#define PATTERN_MAX 100
#define TEXT_MAX 100 /* that libc ends today */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const char *expression, const char *text)
{
	auto_(hoy_pattern_done) struct hoy_pattern pattern = {};
	regex_t theirs;
	int r = hoy_pattern_compile(expression, &pattern, NULL);

	assert(r == 0 || r == -EINVAL);
	if (r < 0)
		return;
	assert(regcomp(&theirs, expression, REG_EXTENDED | REG_NOSUB) == 0);
	assert(hoy_pattern_matches(&pattern, text) == (regexec(&theirs, text, 0, NULL, 0) == 0));
	regfree(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *expression = strndup((const char *) data, size);
	char *text = strchr(expression, '\n');

	if (text)
		*text++ = '\0';
	if (strlen(expression) <= PATTERN_MAX && strlen(text ? text : "") <= TEXT_MAX)
		compare(expression, text ? text : "");
	return 0;
}
