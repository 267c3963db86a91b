/* A pattern and, in the second line, a text: what we take libc takes as well, and both see the same. */
#include <assert.h>
#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/pattern.h"

#define PATTERN_MAX 100
#define REPEATS_MAX 10
#define TEXT_MAX 100 /* that libc ends today */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libc copies what '+' and '{m,n}' repeat: each one above another multiplies the pattern, until there is no memory left. */
static bool is_too_much_for_libc(const char *expression)
{
	size_t n = 0;

	for (const char *c = expression; *c; c++)
		n += *c == '+' ? 1 : *c == '{' ? 8 : 0;
	return n > REPEATS_MAX;
}

static void compare(const char *expression, const char *text)
{
	auto_(hoy_pattern_done) struct hoy_pattern pattern = {};
	regex_t theirs;
	int r = hoy_pattern_compile(expression, &pattern, NULL);

	assert(r == 0 || r == -EINVAL);
	if (r < 0 || is_too_much_for_libc(expression))
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
