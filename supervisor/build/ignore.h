/*
 * .dockerignore and the patterns of COPY --exclude. One pattern a line, `#` comments, `!` brings back; `*`, `?`,
 * `[a-z]` stop at '/', `**` does not; a pattern that matches a directory matches all below it; the last match wins.
 */
#ifndef HOY_SUPERVISOR_BUILD_IGNORE_H
#define HOY_SUPERVISOR_BUILD_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_ignore;

enum {
	HOY_IGNORE_MAX_SIZE = 1 << 20, /* bytes of a file */
	HOY_IGNORE_MAX_PATTERNS = 10000,
};

/* The text of an ignore file. `name` is for messages. Errors name the line of a pattern that is none. */
int hoy_ignore_parse(const char *name, const char *text, size_t len, struct hoy_ignore **ret, struct hoy_err *err);
/* The same from a NULL-terminated list of patterns (no comments). */
int hoy_ignore_from_list(char *const *patterns, struct hoy_ignore **ret, struct hoy_err *err);
void hoy_ignore_free(struct hoy_ignore *ignore);
HOY_DEFINE_AUTO_PTR(struct hoy_ignore, hoy_ignore_free);

/* Is `path` left out? Relative to the context's top, '/' between parts, clean ("a/b", no "./" or ".."). NULL ignore:
 * nothing is. */
bool hoy_ignore_excludes(const struct hoy_ignore *ignore, const char *path);

/* A directory that hoy_ignore_excludes(): can nothing below it come back by a `!`? Then a walk need not enter it. */
bool hoy_ignore_prunes(const struct hoy_ignore *ignore, const char *directory);

/* The patterns as cleaned, "!" in front of exceptions; NULL-terminated, owned by `ignore`. */
char *const *hoy_ignore_patterns(const struct hoy_ignore *ignore);

/* Shell pattern as Go's filepath.Match, the one of COPY's sources: the whole of `name`; `*` and `?` stop at '/'. False
 * for a pattern that is none. */
bool hoy_glob_matches(const char *pattern, const char *name);
/* The same with `**` for any number of directories, as COPY --parents and ignore files have it. */
bool hoy_glob_matches_deep(const char *pattern, const char *name);
bool hoy_glob_is_valid(const char *pattern);
/* Has it a '*', '?', '[' or '\'? */
bool hoy_glob_is_pattern(const char *text);

#endif
