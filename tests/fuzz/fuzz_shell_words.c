/* Words of a Dockerfile's instruction: the text becomes one word, or several, or an error. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/build/shell_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *get(void *userdata, const char *name, size_t len)
{
	(void) userdata;
	return len == 1 && *name == 'a' ? "some/path.tar.gz" : len == 1 && *name == 'b' ? "\xc3\xa4 b" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *) data, size), *word = NULL;
	auto_ptr(hoy_strv_free) char **words = NULL;
	struct hoy_shell shell = { .get = get };
	struct hoy_err err = { 0 };

	if (!text || size == 0)
		return 0;
	shell.escape = data[0] & 1 ? '\\' : '`';
	shell.keep_quotes = data[0] & 2;
	shell.keep_escapes = data[0] & 4;
	shell.keep_unset = data[0] & 8;
	shell.ignore_quotes = data[0] & 16;
	if (hoy_shell_word(&shell, text, &word, &err) == 0)
		assert(strlen(word) <= HOY_SHELL_MAX_RESULT);
	else
		assert(err.msg[0]);
	if (hoy_shell_words(&shell, text, &words, &err) == 0)
		assert(hoy_strv_len(words) <= HOY_SHELL_MAX_WORDS);
	return 0;
}
