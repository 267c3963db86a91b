/*
 * POSIX extended regular expressions, as --regex takes them for ids of containers. libc's regcomp() would be a tenth of
 * hoyrun; this is what a match without groups takes, in time that grows with pattern times text and never faster.
 */
#ifndef HOY_RUNTIME_PATTERN_H
#define HOY_RUNTIME_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_pattern {
	struct hoy_pattern_step *steps;
	size_t n;
};

/*
 * IEEE 1003.1, 9.4, on bytes: literals, . [...] with ranges and classes, ^ $ * + ? {m,n} | ( ). A pattern that is none,
 * is too large (4,096 steps, repetitions of more than 255), or has GNU's escapes (\w, \<, \1) or collating elements is
 * refused.
 */
int hoy_pattern_compile(const char *text, struct hoy_pattern *ret, struct hoy_err *err);
void hoy_pattern_done(struct hoy_pattern *pattern);

/* Does it match anywhere in the text? Negative: out of memory. */
int hoy_pattern_matches(const struct hoy_pattern *pattern, const char *text);

#endif
