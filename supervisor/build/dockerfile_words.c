/* The ways an instruction's arguments are split; quotes stay where they are, because variables are expanded later. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/build/dockerfile_internal.h"

/* A list of words that grows in the document. */
struct word_list {
	const char **words;
	size_t n, size;
};

static int add_word(struct document *doc, struct word_list *list, const char *text, size_t len, struct hoy_err *err)
{
	if (list->n >= HOY_DOCKERFILE_MAX_WORDS)
		return hoy_err_invalid(
			err, "%s: more than %d words in one instruction", doc->file.name, HOY_DOCKERFILE_MAX_WORDS);
	if (list->n >= list->size) {
		size_t size = 2 * list->size + 4;
		const char **words = hoy_arena_grow(&doc->arena, list->words, list->n, size, sizeof *words);

		if (!words)
			return hoy_err_oom(err);
		list->words = words;
		list->size = size;
	}
	list->words[list->n] = hoy_arena_strndup(&doc->arena, text, len);
	return list->words[list->n++] ? 0 : hoy_err_oom(err);
}

int hoy_dockerfile_split(struct document *doc, const char *text, struct hoy_dockerfile_words *ret, struct hoy_err *err)
{
	struct word_list list = { 0 };
	int r = 0;

	while (r == 0) {
		size_t len;

		text += strspn(text, " \t\v\f\r");
		len = strcspn(text, " \t\v\f\r");
		if (len == 0)
			break;
		r = add_word(doc, &list, text, len, err);
		text += len;
	}
	*ret = (struct hoy_dockerfile_words){ .words = list.words, .n = list.n };
	return r;
}

int hoy_dockerfile_json(struct document *doc, const char *text, struct hoy_dockerfile_words *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;
	struct word_list list = { 0 };

	*ret = (struct hoy_dockerfile_words){ 0 };
	if (*text != '[' || hoy_json_parse(text, strlen(text), /* limits= */ NULL, &json, /* err= */ NULL) < 0)
		return 0;
	hoy_json_each(item, json)
	{
		const char *word = hoy_json_string(item);
		int r = word ? add_word(doc, &list, word, strlen(word), err) : -EINVAL;

		if (!word)
			return hoy_err_invalid(
				err, "when using JSON array syntax, arrays must be comprised of strings only");
		if (r < 0)
			return r;
	}
	*ret = (struct hoy_dockerfile_words){ .words = list.words, .n = list.n };
	return 1;
}

/* --- flags --- */

/* One word from *p on without its quotes and escapes, up to white space. */
static void unquote_word(const char **p, char escape, struct hoy_buf *word)
{
	char quote = '\0';

	for (; **p && (quote || !hoy_dockerfile_is_space(**p)); (*p)++) {
		char c = **p;

		if (quote ? c == quote : c == '\'' || c == '"') {
			quote = quote ? '\0' : c;
			continue;
		}
		if (c == escape && !(*p)[1])
			continue;
		if (c == escape)
			c = *++*p;
		(void) hoy_buf_addc(word, c);
	}
}

int hoy_dockerfile_split_flags(struct document *doc, const struct logical_line *line, size_t *offset,
	const struct hoy_dockerfile_flag **ret, size_t *ret_n, struct hoy_err *err)
{
	const char *p = line->text + *offset;
	struct hoy_dockerfile_flag *flags = NULL;
	size_t n = 0;

	while (true) {
		auto_(hoy_buf_done) struct hoy_buf word = { 0 };
		const char *start, *equals;
		size_t name_len;

		p += strspn(p, " \t\v\f\r");
		start = p;
		if (p[0] != '-' || p[1] != '-')
			break;
		(void) hoy_buf_adds(&word, "");
		unquote_word(&p, doc->file.escape, &word);
		if (hoy_buf_check(&word, "a flag", err) < 0)
			return -EMSGSIZE;
		if (strcmp(word.data, "--") == 0)
			break;
		flags = hoy_arena_grow(&doc->arena, flags, n, n + 1, sizeof *flags);
		if (!flags)
			return hoy_err_oom(err);
		equals = strchr(word.data, '=');
		name_len = (equals ? (size_t) (equals - word.data) : word.len) - 2;
		flags[n].name = hoy_arena_strndup(&doc->arena, word.data + 2, name_len);
		flags[n].value = hoy_arena_strdup(&doc->arena, equals ? equals + 1 : "");
		flags[n].bare = !equals;
		flags[n].at = hoy_dockerfile_line_place(line, (size_t) (start - line->text), (size_t) (p - line->text));
		if (!flags[n].name || !flags[n].value)
			return hoy_err_oom(err);
		n++;
	}
	p += strspn(p, " \t\v\f\r");
	*offset = (size_t) (p - line->text);
	*ret = flags;
	*ret_n = n;
	return 0;
}

/* --- pairs --- */

/* The end of the word that starts at p: white space inside quotes or behind an escape belongs to it. */
static const char *word_end(const char *p, char escape)
{
	char quote = '\0';

	for (; *p && (quote || !hoy_dockerfile_is_space(*p)); p++) {
		if (*p == escape) {
			if (!p[1])
				return p; /* a lone escape at the end is dropped */
			p++;
		} else if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
		}
	}
	return p;
}

static int add_pair(struct document *doc, struct hoy_dockerfile_pairs *pairs, const char *key, size_t key_len,
	const char *value, size_t value_len, const struct hoy_dockerfile_place *at, struct hoy_err *err)
{
	struct hoy_dockerfile_pair *list;

	if (pairs->n >= HOY_DOCKERFILE_MAX_WORDS)
		return hoy_dockerfile_err(
			&doc->file, at, err, "more than %d pairs in one instruction", HOY_DOCKERFILE_MAX_WORDS);
	/* Powers of two are when the list is full. */
	list = (struct hoy_dockerfile_pair *) (uintptr_t) pairs->list;
	if ((pairs->n & (pairs->n - 1)) == 0)
		list = hoy_arena_grow(&doc->arena, list, pairs->n, pairs->n > 0 ? 2 * pairs->n : 1, sizeof *list);
	if (!list)
		return hoy_err_oom(err);
	pairs->list = list;
	list[pairs->n] = (struct hoy_dockerfile_pair){
		.key = hoy_arena_strndup(&doc->arena, key, key_len),
		.value = value ? hoy_arena_strndup(&doc->arena, value, value_len) : NULL,
		.at = *at,
	};
	if (!list[pairs->n].key || (value && !list[pairs->n].value))
		return hoy_err_oom(err);
	pairs->n++;
	return 0;
}

static int add_legacy(struct document *doc, const struct logical_line *line, const char *p, const char *keyword,
	struct hoy_dockerfile_pairs *ret, struct hoy_err *err)
{
	size_t key_len = strcspn(p, " \t\v\f\r");
	const char *value = p + key_len + strspn(p + key_len, " \t\v\f\r");
	struct hoy_dockerfile_place at = hoy_dockerfile_line_place(line, (size_t) (p - line->text), line->len);

	ret->legacy = true;
	if (!*value)
		return hoy_dockerfile_err(&doc->file, &at, err, "%s must have two arguments", keyword);
	return add_pair(doc, ret, p, key_len, value, strlen(value), &at, err);
}

int hoy_dockerfile_split_pairs(struct document *doc, const struct logical_line *line, size_t offset, bool bare,
	const char *keyword, struct hoy_dockerfile_pairs *ret, struct hoy_err *err)
{
	const char *p = line->text + offset;
	int r = 0;

	*ret = (struct hoy_dockerfile_pairs){ 0 };
	while (r == 0 && *(p += strspn(p, " \t\v\f\r"))) {
		const char *end = word_end(p, doc->file.escape);
		const char *equals = memchr(p, '=', (size_t) (end - p));
		struct hoy_dockerfile_place at = hoy_dockerfile_line_place(
			line, (size_t) (p - line->text), (size_t) (end - line->text));

		if (!equals && ret->n == 0 && !bare)
			return add_legacy(doc, line, p, keyword, ret, err);
		if (!equals && !bare)
			return hoy_dockerfile_err(&doc->file, &at, err,
				"can't find = in '%.*s': must be of the form name=value",
				(int) MIN(end - p, (ptrdiff_t) 100), p);
		if (end > p && equals == p)
			return hoy_dockerfile_err(&doc->file, &at, err, "%s names can not be blank", keyword);
		if (end > p)
			r = add_pair(doc, ret, p, (size_t) ((equals ? equals : end) - p), equals ? equals + 1 : NULL,
				equals ? (size_t) (end - equals - 1) : 0, &at, err);
		p = *end == doc->file.escape ? end + 1 : end;
	}
	return r;
}
