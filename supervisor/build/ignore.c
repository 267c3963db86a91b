/*
 * A pattern becomes a row of tokens, and matching keeps the set of tokens that may come next: one pass over the path,
 * so no pattern of a stranger takes longer than its length times the path's. The same pass sees whether a parent
 * directory matches.
 */
#include "supervisor/build/ignore.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "base/utf8.h"

enum token_kind {
	TOKEN_CHAR,      /* this one */
	TOKEN_ANY,       /* '?': any but '/' */
	TOKEN_STAR,      /* '*': any number of them */
	TOKEN_CLASS,     /* '[...]': one of its ranges */
	TOKEN_ALL,       /* "**" at the end: all that follows */
	TOKEN_DEEP,      /* "**": nothing, or ... */
	TOKEN_DEEP_REST, /* ... all up to some '/' */
};

struct range {
	uint32_t from, to;
};

struct token {
	enum token_kind kind;
	uint32_t c;    /* CHAR */
	size_t ranges; /* CLASS: index of the first in struct glob, and how many */
	size_t n_ranges;
	bool negated;
};

struct glob {
	struct token *tokens;
	size_t n;
	struct range *ranges;
	size_t n_ranges;
};

struct pattern {
	char *text; /* without "!" */
	bool exception, plain;
	struct glob glob; /* unless plain */
};

struct hoy_ignore {
	struct pattern *patterns;
	size_t n;
	char **texts;
	bool has_exceptions;
};

/* A character as one number that sorts as its bytes do. */
static uint32_t next_char(const char **p)
{
	size_t len = strlen(*p) < 4 ? strlen(*p) : 4, n = hoy_utf8_char_len(*p, len);
	uint32_t c = 0;

	n = n > 0 ? n : 1;
	for (size_t i = 0; i < n; i++)
		c = c << 8 | (unsigned char) (*p)[i];
	*p += n;
	return c;
}

/* --- compiling --- */

static void glob_done(struct glob *glob)
{
	free(glob->tokens);
	free(glob->ranges);
}

/* Behind '[': the ranges, up to ']'. -EINVAL for a class that is none. */
static int compile_class(struct glob *glob, struct token *token, const char **p)
{
	token->kind = TOKEN_CLASS;
	token->ranges = glob->n_ranges;
	token->negated = **p == '^';
	if (token->negated)
		(*p)++;
	while (**p != ']' || token->n_ranges == 0) {
		struct range range;

		if (**p == '\\')
			(*p)++;
		else if (**p == '-' || **p == ']')
			return -EINVAL;
		if (!**p)
			return -EINVAL;
		range.from = range.to = next_char(p);
		if (**p == '-') {
			(*p)++;
			if (**p == '\\')
				(*p)++;
			if (!**p || **p == ']')
				return -EINVAL;
			range.to = next_char(p);
		}
		glob->ranges[glob->n_ranges++] = range;
		token->n_ranges++;
	}
	(*p)++;
	return 0;
}

static int compile(const char *text, bool deep, struct glob *ret)
{
	size_t len = strlen(text);

	*ret = (struct glob){
		.tokens = calloc(2 * len + 1, sizeof *ret->tokens),
		.ranges = calloc(len + 1, sizeof *ret->ranges),
	};
	if (!ret->tokens || !ret->ranges)
		return -ENOMEM;
	for (const char *p = text; *p;) {
		struct token *token = &ret->tokens[ret->n++];
		bool double_star = p[0] == '*' && p[1] == '*';

		if (double_star && deep) {
			p += 2;
			while (*p == '*')
				p++;
			if (*p == '/')
				p++;
			token->kind = *p ? TOKEN_DEEP : TOKEN_ALL;
			if (*p)
				ret->tokens[ret->n++].kind = TOKEN_DEEP_REST;
		} else if (*p == '*') {
			token->kind = TOKEN_STAR;
			p += strspn(p, "*");
		} else if (*p == '?') {
			token->kind = TOKEN_ANY;
			p++;
		} else if (*p == '[') {
			p++;
			if (compile_class(ret, token, &p) < 0)
				return -EINVAL;
		} else {
			if (*p == '\\' && !*++p)
				return -EINVAL;
			token->kind = TOKEN_CHAR;
			token->c = next_char(&p);
		}
	}
	return 0;
}

/* --- matching --- */

/* A token may come next, and with it those behind what can match nothing. */
static void enter(const struct glob *glob, bool *on, size_t i)
{
	while (!on[i]) {
		on[i] = true;
		if (i >= glob->n)
			return;
		switch (glob->tokens[i].kind) {
		case TOKEN_STAR:
		case TOKEN_ALL:
			i++;
			break;
		case TOKEN_DEEP:
			i += 2;
			break;
		default:
			return;
		}
	}
}

static bool in_class(const struct glob *glob, const struct token *token, uint32_t c)
{
	bool found = false;

	for (size_t i = 0; i < token->n_ranges && !found; i++) {
		const struct range *range = &glob->ranges[token->ranges + i];

		found = c >= range->from && c <= range->to;
	}
	return found != token->negated;
}

static void take(const struct glob *glob, size_t i, uint32_t c, bool *next)
{
	const struct token *token = &glob->tokens[i];

	switch (token->kind) {
	case TOKEN_CHAR:
		if (token->c == c)
			enter(glob, next, i + 1);
		return;
	case TOKEN_ANY:
		if (c != '/')
			enter(glob, next, i + 1);
		return;
	case TOKEN_CLASS:
		if (c != '/' && in_class(glob, token, c))
			enter(glob, next, i + 1);
		return;
	case TOKEN_STAR:
		if (c != '/')
			enter(glob, next, i);
		return;
	case TOKEN_ALL:
		enter(glob, next, i);
		return;
	case TOKEN_DEEP:
		enter(glob, next, i + 1);
		if (c == '/')
			enter(glob, next, i + 2);
		return;
	case TOKEN_DEEP_REST:
		enter(glob, next, i);
		if (c == '/')
			enter(glob, next, i + 1);
		return;
	}
}

/* The whole of the name, or (`parents`) one of the directories it is in. */
static bool match(const struct glob *glob, const char *name, bool parents)
{
	size_t size = glob->n + 1;
	bool small[2 * 128], *large = NULL, *on = small, *next = small + 128, found = false;

	if (size > 128) {
		large = calloc(2, size);
		if (!large)
			return false;
		on = large;
		next = large + size;
	}
	memset(on, 0, size);
	enter(glob, on, 0);
	for (const char *p = name; *p && !found;) {
		bool *kept = on;
		uint32_t c;

		if (parents && *p == '/' && on[glob->n]) {
			found = true;
			break;
		}
		c = next_char(&p);
		memset(next, 0, size);
		for (size_t i = 0; i < glob->n; i++)
			if (on[i])
				take(glob, i, c, next);
		on = next;
		next = kept;
	}
	found = found || on[glob->n];
	free(large);
	return found;
}

/* Compiled for one use. */
static bool match_once(const char *pattern, const char *name, bool deep)
{
	struct glob glob;
	bool matches = compile(pattern, deep, &glob) == 0 && match(&glob, name, /* parents= */ false);

	glob_done(&glob);
	return matches;
}

bool hoy_glob_matches(const char *pattern, const char *name)
{
	return match_once(pattern, name, /* deep= */ false);
}

bool hoy_glob_matches_deep(const char *pattern, const char *name)
{
	return match_once(pattern, name, /* deep= */ true);
}

bool hoy_glob_is_valid(const char *pattern)
{
	struct glob glob;
	bool valid = compile(pattern, /* deep= */ true, &glob) == 0;

	glob_done(&glob);
	return valid;
}

bool hoy_glob_is_pattern(const char *text)
{
	return text[strcspn(text, "*?[\\")] != '\0';
}

/* --- ignore files --- */

void hoy_ignore_free(struct hoy_ignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->n; i++) {
		free(ignore->patterns[i].text);
		glob_done(&ignore->patterns[i].glob);
	}
	free(ignore->patterns);
	hoy_strv_free(ignore->texts);
	free(ignore);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text without white space at its ends. */
static char *trim(const char *text, size_t len)
{
	while (len > 0 && is_space(*text)) {
		text++;
		len--;
	}
	while (len > 0 && is_space(text[len - 1]))
		len--;
	return strndup(text, len);
}

/* "/a//b/" is "a/b"; "." stays. */
static char *clean(const char *text)
{
	auto_free char *path = hoy_path_clean(text);

	if (!path)
		return NULL;
	return strdup(path[0] == '/' && path[1] ? path + 1 : path);
}

static struct pattern *add_pattern(struct hoy_ignore *ignore)
{
	/* Powers of two are when the list is full. */
	if ((ignore->n & (ignore->n - 1)) == 0) {
		size_t size = ignore->n > 0 ? 2 * ignore->n : 1;
		struct pattern *patterns = reallocarray(ignore->patterns, size, sizeof *patterns);

		if (!patterns)
			return NULL;
		ignore->patterns = patterns;
	}
	ignore->patterns[ignore->n] = (struct pattern){ 0 };
	return &ignore->patterns[ignore->n++];
}

/* One pattern, trimmed and not empty. -EINVAL: it is none. */
static int add(struct hoy_ignore *ignore, const char *text)
{
	auto_free char *inner = NULL;
	struct pattern *pattern;

	if (ignore->n >= HOY_IGNORE_MAX_PATTERNS)
		return -E2BIG;
	pattern = add_pattern(ignore);
	if (!pattern)
		return -ENOMEM;
	pattern->exception = *text == '!';
	ignore->has_exceptions |= pattern->exception;
	inner = trim(text + pattern->exception, strlen(text + pattern->exception));
	if (!inner)
		return -ENOMEM;
	if (!*inner)
		return -EINVAL;
	pattern->text = clean(inner);
	if (!pattern->text || hoy_strv_addf(&ignore->texts, "%s%s", pattern->exception ? "!" : "", pattern->text) < 0)
		return -ENOMEM;
	pattern->plain = !hoy_glob_is_pattern(pattern->text);
	return pattern->plain ? 0 : compile(pattern->text, /* deep= */ true, &pattern->glob);
}

static int add_failed(int code, const char *where, const char *text, struct hoy_err *err)
{
	if (code == -E2BIG)
		return hoy_err_invalid(err, "%s: more than %d patterns", where, HOY_IGNORE_MAX_PATTERNS);
	if (code == -EINVAL)
		return hoy_err_invalid(err, "%s: '%.100s' is no valid pattern", where, text);
	return hoy_err_oom(err);
}

static int parse_lines(struct hoy_ignore *ignore, const char *name, const char *text, size_t len, struct hoy_err *err)
{
	const char *end = text + len;

	for (size_t number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t) (end - text));
		size_t line = newline ? (size_t) (newline - text) : (size_t) (end - text);
		auto_free char *trimmed = *text == '#' ? strdup("") : trim(text, line);
		int r = !trimmed ? -ENOMEM : *trimmed ? add(ignore, trimmed) : 0;

		if (r < 0) {
			auto_free char *where = hoy_str_printf("%s:%zu", name, number);

			return add_failed(r, where ? where : name, trimmed ? trimmed : "", err);
		}
		text += line + 1;
	}
	return 0;
}

static int create(struct hoy_ignore **ret, struct hoy_err *err)
{
	struct hoy_ignore *ignore = calloc(1, sizeof *ignore);

	*ret = ignore;
	if (ignore)
		ignore->texts = calloc(1, sizeof *ignore->texts);
	return ignore && ignore->texts ? 0 : hoy_err_oom(err);
}

int hoy_ignore_parse(const char *name, const char *text, size_t len, struct hoy_ignore **ret, struct hoy_err *err)
{
	auto_ptr(hoy_ignore_free) struct hoy_ignore *ignore = NULL;
	int r;

	*ret = NULL;
	if (len > HOY_IGNORE_MAX_SIZE)
		return hoy_err_invalid(err, "%s: larger than %d bytes", name, HOY_IGNORE_MAX_SIZE);
	if (memchr(text, '\0', len))
		return hoy_err_invalid(err, "%s: a NUL byte: this is no text file", name);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	r = create(&ignore, err);
	if (r == 0)
		r = parse_lines(ignore, name, text, len, err);
	if (r == 0)
		*ret = TAKE_PTR(ignore);
	return r;
}

int hoy_ignore_from_list(char *const *patterns, struct hoy_ignore **ret, struct hoy_err *err)
{
	auto_ptr(hoy_ignore_free) struct hoy_ignore *ignore = NULL;
	int r = create(&ignore, err);

	*ret = NULL;
	for (size_t i = 0; r == 0 && patterns && patterns[i]; i++) {
		auto_free char *trimmed = trim(patterns[i], strlen(patterns[i]));

		r = !trimmed ? -ENOMEM : *trimmed ? add(ignore, trimmed) : 0;
		if (r < 0)
			return add_failed(r, "exclude", patterns[i], err);
	}
	if (r == 0)
		*ret = TAKE_PTR(ignore);
	return r;
}

/* `path` is `directory` or below it. */
static bool is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool pattern_matches(const struct pattern *pattern, const char *path)
{
	if (pattern->plain)
		return is_below(path, pattern->text);
	return match(&pattern->glob, path, /* parents= */ true);
}

bool hoy_ignore_excludes(const struct hoy_ignore *ignore, const char *path)
{
	bool excluded = false;

	for (size_t i = 0; ignore && i < ignore->n; i++)
		if (ignore->patterns[i].exception == excluded && pattern_matches(&ignore->patterns[i], path))
			excluded = !excluded;
	return excluded;
}

bool hoy_ignore_prunes(const struct hoy_ignore *ignore, const char *directory)
{
	size_t len = strlen(directory);

	if (!hoy_ignore_excludes(ignore, directory))
		return false;
	for (size_t i = 0; ignore->has_exceptions && i < ignore->n; i++) {
		const char *text = ignore->patterns[i].text;
		size_t fixed = strcspn(text, "*?[\\");

		/* What comes back may be below, as far as its fixed part tells. */
		if (ignore->patterns[i].exception && strncmp(text, directory, fixed < len ? fixed : len) == 0)
			return false;
	}
	return true;
}

char *const *hoy_ignore_patterns(const struct hoy_ignore *ignore)
{
	return ignore->texts;
}
