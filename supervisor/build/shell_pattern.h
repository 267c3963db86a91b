/* Patterns of ${x#p} and its kin: `*` any characters, `?` one, a backslash for themselves; no brackets. */
#ifndef HOY_SUPERVISOR_BUILD_SHELL_PATTERN_H
#define HOY_SUPERVISOR_BUILD_SHELL_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Where the text goes on behind what the pattern matches at its start (0: nothing), the shortest or longest match. */
size_t hoy_shell_pattern_prefix(const char *pattern, const char *text, bool longest);
/* Where what the pattern matches at the end begins (the text's length: nothing). */
size_t hoy_shell_pattern_suffix(const char *pattern, const char *text, bool longest);

/* Appends `text` with the first, or each, longest match replaced. An empty pattern matches nowhere. HOY_ERR_INVALID
 * when the pattern takes too long on the text. */
int hoy_shell_pattern_replace(const char *pattern, const char *text, const char *replacement, bool all,
	struct hoy_buf *out, struct hoy_err *err);

#endif
