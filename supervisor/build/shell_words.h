/*
 * Words of a Dockerfile instruction: quotes, escapes and variables as BuildKit's instructions see them, a subset of the
 * shell: $x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?m} ${x?m} ${x#p} ${x##p} ${x%p} ${x%%p} ${x/p/r} ${x//p/r}. Pure;
 * nothing is executed. Text comes from strangers: results, nesting and the work of patterns are limited.
 */
#ifndef HOY_SUPERVISOR_BUILD_SHELL_WORDS_H
#define HOY_SUPERVISOR_BUILD_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	HOY_SHELL_MAX_RESULT = 1 << 20, /* bytes of one expanded word */
	HOY_SHELL_MAX_WORDS = 10000,
	HOY_SHELL_MAX_DEPTH = 50, /* ${a:-${b:-...}} */
};

struct hoy_shell {
	char escape;         /* '\\' or '`' */
	bool keep_quotes;    /* quotes stay in the result (they still protect white space) */
	bool keep_escapes;   /* so do escapes */
	bool ignore_quotes;  /* quotes are ordinary characters: heredocs */
	bool keep_unset;     /* so do variables that are not set */
	bool ignore_dollars; /* variables stay as written */
	/* The value of a variable, NULL when unset. `name` is not NUL-terminated. May be NULL: nothing is set. */
	const char *(*get)(void *userdata, const char *name, size_t len);
	/* Told of a variable that is unset and has no default. May be NULL. */
	void (*unset)(void *userdata, const char *name, size_t len);
	void *userdata;
};

/* The text as one word; *ret is heap. HOY_ERR_INVALID: an unterminated quote or brace, a bad modifier, a variable that
 * ${x:?} wants. */
int hoy_shell_word(const struct hoy_shell *shell, const char *text, char **ret, struct hoy_err *err);

/* The text split at white space that is neither quoted nor escaped, that of values included. Empty words vanish, even
 * quoted ones. *ret is a NULL-terminated vector, never NULL on success. */
int hoy_shell_words(const struct hoy_shell *shell, const char *text, char ***ret, struct hoy_err *err);

#endif
