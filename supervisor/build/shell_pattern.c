/*
 * A pattern is a row of tokens. Those between two stars are matched as a piece: a shortest match takes each piece where
 * it comes first; for a longest one only the last piece moves, to where it comes last. Nothing backtracks further.
 */
#include "supervisor/build/shell_pattern.h"

#include <limits.h>
#include <string.h>

#include "base/utf8.h"

enum { ANY = UCHAR_MAX + 1, STAR = UCHAR_MAX + 2 };
enum { MAX_WORK = 20 * 1000 * 1000 }; /* tokens compared by one replacement */

struct pattern {
	unsigned short *tokens; /* a byte, ANY, STAR */
	size_t n;
	size_t work;
};

static bool compile(const char *text, bool reversed, struct pattern *ret)
{
	size_t n = 0;

	*ret = (struct pattern){ .tokens = calloc(strlen(text) + 1, sizeof *ret->tokens) };
	if (!ret->tokens)
		return false;
	for (const char *p = text; *p; p++) {
		unsigned short token = (unsigned char) *p;

		if (*p == '*')
			token = STAR;
		else if (*p == '?')
			token = ANY;
		else if (*p == '\\' && p[1])
			token = (unsigned char) *++p;
		if (token != STAR || n == 0 || ret->tokens[n - 1] != STAR)
			ret->tokens[n++] = token;
	}
	ret->n = n;
	for (size_t i = 0; reversed && i < n / 2; i++) {
		unsigned short kept = ret->tokens[i];

		ret->tokens[i] = ret->tokens[n - 1 - i];
		ret->tokens[n - 1 - i] = kept;
	}
	return true;
}

/* The text, read forwards or from its end. */
struct cursor {
	const char *text;
	size_t len;
	bool reversed;
};

static unsigned char at(const struct cursor *cursor, size_t i)
{
	return (unsigned char) cursor->text[cursor->reversed ? cursor->len - 1 - i : i];
}

/* The bytes of the character at i. */
static size_t character(const struct cursor *cursor, size_t i)
{
	size_t len;

	if (!cursor->reversed) {
		len = hoy_utf8_char_len(cursor->text + i, cursor->len - i);
		return len > 0 ? len : 1;
	}
	for (size_t back = 1; back <= 4 && i + back <= cursor->len; back++) {
		const char *start = cursor->text + cursor->len - i - back;

		if (hoy_utf8_char_len(start, back) == back)
			return back;
	}
	return 1;
}

/* A piece at exactly i: the end, or -1. */
static ptrdiff_t piece_at(struct pattern *pattern, size_t from, size_t to, const struct cursor *cursor, size_t i)
{
	for (size_t t = from; t < to; t++) {
		pattern->work++;
		if (i >= cursor->len)
			return -1;
		if (pattern->tokens[t] == ANY)
			i += character(cursor, i);
		else if (pattern->tokens[t] == at(cursor, i))
			i++;
		else
			return -1;
	}
	return i <= cursor->len ? (ptrdiff_t) i : -1;
}

static bool too_much(const struct pattern *pattern)
{
	return pattern->work > MAX_WORK;
}

/* Where the piece comes first at or behind i, or last (`last`): its end, or -1. */
static ptrdiff_t find_piece(
	struct pattern *pattern, size_t from, size_t to, const struct cursor *cursor, size_t i, bool last)
{
	ptrdiff_t found = -1;

	if (last) {
		for (size_t p = cursor->len + 1; found < 0 && p-- > i && !too_much(pattern);)
			found = piece_at(pattern, from, to, cursor, p);
		return found;
	}
	for (size_t p = i; found < 0 && p <= cursor->len && !too_much(pattern); p++)
		found = piece_at(pattern, from, to, cursor, p);
	return found;
}

/* A match that begins at `start`: its end, or -1. */
static ptrdiff_t match_from(struct pattern *pattern, const struct cursor *cursor, size_t start, bool longest)
{
	ptrdiff_t i = (ptrdiff_t) start;
	bool anchored = true;

	for (size_t t = 0; t < pattern->n && i >= 0;) {
		size_t end = t;
		bool is_last;

		if (pattern->tokens[t] == STAR) {
			anchored = false;
			if (++t == pattern->n)
				return longest ? (ptrdiff_t) cursor->len : i;
			continue;
		}
		while (end < pattern->n && pattern->tokens[end] != STAR)
			end++;
		is_last = end == pattern->n;
		i = anchored ? piece_at(pattern, t, end, cursor, (size_t) i)
			     : find_piece(pattern, t, end, cursor, (size_t) i, longest && is_last);
		t = end;
	}
	return i;
}

static size_t match_edge(const char *text_of_pattern, const char *text, bool longest, bool reversed)
{
	struct cursor cursor = { .text = text, .len = strlen(text), .reversed = reversed };
	struct pattern pattern;
	ptrdiff_t end;

	if (!compile(text_of_pattern, reversed, &pattern))
		return 0;
	end = match_from(&pattern, &cursor, 0, longest);
	free(pattern.tokens);
	return end > 0 ? (size_t) end : 0;
}

size_t hoy_shell_pattern_prefix(const char *pattern, const char *text, bool longest)
{
	return match_edge(pattern, text, longest, /* reversed= */ false);
}

size_t hoy_shell_pattern_suffix(const char *pattern, const char *text, bool longest)
{
	return strlen(text) - match_edge(pattern, text, longest, /* reversed= */ true);
}

int hoy_shell_pattern_replace(const char *text_of_pattern, const char *text, const char *replacement, bool all,
	struct hoy_buf *out, struct hoy_err *err)
{
	struct cursor cursor = { .text = text, .len = strlen(text) };
	struct pattern pattern;
	size_t i = 0;
	int r = 0;

	if (!compile(text_of_pattern, /* reversed= */ false, &pattern))
		return hoy_err_oom(err);
	while (i < cursor.len) {
		ptrdiff_t end = match_from(&pattern, &cursor, i, /* longest= */ true);

		if (too_much(&pattern)) {
			r = hoy_err_invalid(err, "the pattern '%.100s' takes too long", text_of_pattern);
			break;
		}
		if (end > (ptrdiff_t) i) {
			(void) hoy_buf_adds(out, replacement);
			i = (size_t) end;
			if (!all)
				break;
			continue;
		}
		(void) hoy_buf_addc(out, text[i++]);
	}
	(void) hoy_buf_add(out, text + i, cursor.len - i);
	free(pattern.tokens);
	return r;
}
