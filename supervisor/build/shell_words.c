/* A recursive reader: a stretch of text up to a stop character, a quoted part, a variable. */
#include "supervisor/build/shell_words.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/build/shell_pattern.h"

struct reader {
	const struct hoy_shell *shell;
	const char *p; /* the rest */
	unsigned int depth;
	bool keep_escapes;
	struct hoy_err *err;
};

/* What a stretch of text becomes: the whole, and (when `split`) the words. */
struct result {
	struct hoy_buf text;
	bool split;
	struct hoy_buf word;
	bool in_word;
	char **words;
	size_t n, size;
};

static void result_done(struct result *result)
{
	hoy_buf_done(&result->text);
	hoy_buf_done(&result->word);
	hoy_strv_free(result->words);
}

static void result_init(struct result *result, bool split)
{
	*result = (struct result){ .split = split };
	hoy_buf_init(&result->text, HOY_SHELL_MAX_RESULT);
	hoy_buf_init(&result->word, HOY_SHELL_MAX_RESULT);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int end_word(struct reader *reader, struct result *result)
{
	result->in_word = false;
	if (result->word.len == 0)
		return 0;
	if (result->n >= HOY_SHELL_MAX_WORDS)
		return hoy_err_invalid(reader->err, "more than %d words", HOY_SHELL_MAX_WORDS);
	if (result->n + 1 >= result->size) {
		size_t size = 2 * result->size + 8;
		char **words = reallocarray(result->words, size, sizeof *words);

		if (!words)
			return hoy_err_oom(reader->err);
		result->words = words;
		result->size = size;
	}
	result->words[result->n] = strdup(result->word.data);
	if (!result->words[result->n])
		return hoy_err_oom(reader->err);
	result->words[++result->n] = NULL;
	hoy_buf_clear(&result->word);
	return 0;
}

/* Text that is quoted or escaped. */
static void add_raw(struct result *result, const char *text, size_t len)
{
	(void) hoy_buf_add(&result->text, text, len);
	if (!result->split)
		return;
	(void) hoy_buf_add(&result->word, text, len);
	result->in_word = true;
}

/* Text that is neither: white space in it ends a word. */
static int add(struct reader *reader, struct result *result, const char *text, size_t len)
{
	int r = 0;

	(void) hoy_buf_add(&result->text, text, len);
	for (size_t i = 0; result->split && r == 0 && i < len; i++) {
		if (!is_space(text[i])) {
			(void) hoy_buf_addc(&result->word, text[i]);
			result->in_word = true;
		} else if (result->in_word) {
			r = end_word(reader, result);
		}
	}
	return r;
}

static int read_dollar(struct reader *reader, struct hoy_buf *out);

/* Behind a stretch's first character up to `stop`; '\0': up to the end. */
static int read_until(struct reader *reader, char stop, struct result *result);

/* The same as a value only. */
static int read_value(struct reader *reader, char stop, bool keep_escapes, char **ret)
{
	auto_(result_done) struct result result;
	bool kept = reader->keep_escapes;
	int r;

	result_init(&result, /* split= */ false);
	if (++reader->depth > HOY_SHELL_MAX_DEPTH)
		return hoy_err_invalid(reader->err, "more than %d nested substitutions", HOY_SHELL_MAX_DEPTH);
	reader->keep_escapes = kept || keep_escapes;
	r = read_until(reader, stop, &result);
	reader->keep_escapes = kept;
	reader->depth--;
	if (r == 0)
		r = hoy_buf_check(&result.text, "the word", reader->err);
	if (r < 0)
		return r;
	*ret = result.text.data ? hoy_buf_take(&result.text) : strdup("");
	return *ret ? 0 : hoy_err_oom(reader->err);
}

static int read_single_quotes(struct reader *reader, struct result *result)
{
	const char *start = reader->p + 1, *end = strchr(start, '\'');

	if (!end)
		return hoy_err_invalid(
			reader->err, "unexpected end of statement while looking for matching single-quote");
	reader->p = end + 1;
	if (reader->shell->keep_quotes)
		add_raw(result, start - 1, (size_t) (end - start) + 2);
	else
		add_raw(result, start, (size_t) (end - start));
	return 0;
}

static int add_dollar(struct reader *reader, struct result *result, bool quoted)
{
	auto_(hoy_buf_done) struct hoy_buf value = { 0 };
	int r;

	hoy_buf_init(&value, HOY_SHELL_MAX_RESULT);
	r = read_dollar(reader, &value);
	if (r == 0)
		r = hoy_buf_check(&value, "the word", reader->err);
	if (r < 0 || !value.data)
		return r;
	if (!quoted)
		return add(reader, result, value.data, value.len);
	add_raw(result, value.data, value.len);
	return 0;
}

static int read_double_quotes(struct reader *reader, struct result *result)
{
	const struct hoy_shell *shell = reader->shell;
	int r = 0;

	reader->p++;
	add_raw(result, "\"", shell->keep_quotes);
	while (r == 0 && *reader->p != '"') {
		char c = *reader->p;

		if (c == '\0')
			return hoy_err_invalid(
				reader->err, "unexpected end of statement while looking for matching double-quote");
		if (c == '$' && !shell->ignore_dollars) {
			r = add_dollar(reader, result, /* quoted= */ true);
			continue;
		}
		reader->p++;
		if (c == shell->escape) {
			char next = *reader->p;
			bool special = next == '"' || next == '$' || next == shell->escape;

			if (next == '\0')
				continue;
			if (!special || reader->keep_escapes)
				add_raw(result, &c, 1);
			c = next;
			if (!special)
				continue; /* an ordinary backslash; what follows is read as usual */
			reader->p++;
		}
		add_raw(result, &c, 1);
	}
	if (r == 0) {
		reader->p++;
		add_raw(result, "\"", shell->keep_quotes);
	}
	return r;
}

static int read_until(struct reader *reader, char stop, struct result *result)
{
	const struct hoy_shell *shell = reader->shell;
	int r = 0;

	while (r == 0 && *reader->p && (stop == '\0' || *reader->p != stop)) {
		char c = *reader->p;

		if (c == '\'' && !shell->ignore_quotes) {
			r = read_single_quotes(reader, result);
		} else if (c == '"' && !shell->ignore_quotes) {
			r = read_double_quotes(reader, result);
		} else if (c == '$' && !shell->ignore_dollars) {
			r = add_dollar(reader, result, /* quoted= */ false);
		} else if (c == '<' && reader->p[1] == '<') { /* `<< EOF` is one word */
			size_t len = 2 + strspn(reader->p + 2, " \t");

			add_raw(result, reader->p, len);
			reader->p += len;
		} else if (c == shell->escape) {
			if (reader->keep_escapes)
				add_raw(result, reader->p, 1);
			reader->p++;
			if (*reader->p)
				add_raw(result, reader->p++, 1);
		} else {
			r = add(reader, result, reader->p++, 1);
		}
	}
	if (r < 0)
		return r;
	if (stop != '\0' && *reader->p != stop)
		return hoy_err_invalid(
			reader->err, "unexpected end of statement while looking for matching '%c'", stop);
	if (stop != '\0')
		reader->p++;
	return 0;
}

/* --- variables --- */

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name, a number, or one of the shell's special parameters; 0: none of them. */
static size_t name_length(const char *p)
{
	size_t len = 0;

	if (is_name_start(*p)) {
		while (is_name_start(p[len]) || is_digit(p[len]))
			len++;
		return len;
	}
	if (is_digit(*p))
		return strspn(p, "0123456789");
	return *p && strchr("@*#?-$!", *p) ? 1 : 0;
}

static const char *look_up(const struct reader *reader, const char *name, size_t len)
{
	return reader->shell->get ? reader->shell->get(reader->shell->userdata, name, len) : NULL;
}

/* Behind `${name` and the modifier's first colon, if it has one: - + ? and their word. */
static int default_modifier(
	struct reader *reader, const char *name, size_t len, const char *value, bool empty_counts, struct hoy_buf *out)
{
	auto_free char *word = NULL;
	char modifier = *reader->p++;
	bool set = value && (!empty_counts || *value);
	int r = read_value(reader, '}', /* keep_escapes= */ false, &word);

	if (r < 0)
		return r;
	if (modifier == '?' && !set)
		return hoy_err_invalid(reader->err, "%.*s: %s", (int) MIN(len, (size_t) 100), name,
			*word   ? word
			: value ? "is not allowed to be empty"
				: "is not allowed to be unset");
	if (modifier == '-' && !set)
		value = word;
	else if (modifier == '+')
		value = set ? word : "";
	(void) hoy_buf_adds(out, value);
	return 0;
}

static int trim_modifier(struct reader *reader, const char *value, struct hoy_buf *out)
{
	auto_free char *pattern = NULL;
	char modifier = *reader->p++;
	bool greedy = *reader->p == modifier;
	size_t start = 0, end = value ? strlen(value) : 0;
	int r;

	if (greedy)
		reader->p++;
	r = read_value(reader, '}', /* keep_escapes= */ true, &pattern);
	if (r < 0 || !value)
		return r;
	if (modifier == '#')
		start = hoy_shell_pattern_prefix(pattern, value, greedy);
	else
		end = hoy_shell_pattern_suffix(pattern, value, greedy);
	(void) hoy_buf_add(out, value + start, end - start);
	return 0;
}

static int replace_modifier(struct reader *reader, const char *value, struct hoy_buf *out)
{
	auto_free char *pattern = NULL, *replacement = NULL;
	bool all = *++reader->p == '/';
	int r;

	if (all)
		reader->p++;
	r = read_value(reader, '/', /* keep_escapes= */ true, &pattern);
	if (r == 0)
		r = read_value(reader, '}', /* keep_escapes= */ true, &replacement);
	if (r < 0 || !value)
		return r;
	return hoy_shell_pattern_replace(pattern, value, replacement, all, out, reader->err);
}

static void tell_unset(const struct reader *reader, const char *name, size_t len, const char *value)
{
	if (!value && reader->shell->unset)
		reader->shell->unset(reader->shell->userdata, name, len);
}

static int read_modifier(struct reader *reader, const char *name, size_t len, const char *value, struct hoy_buf *out);

/* At the '{' of "${". */
static int read_braces(struct reader *reader, struct hoy_buf *out)
{
	const char *start = reader->p - 1;
	const char *name = ++reader->p, *value;
	size_t len = name_length(name);

	if (*name == '\0')
		return hoy_err_invalid(reader->err, "syntax error: missing '}'");
	if (len == 0)
		return hoy_err_invalid(reader->err, "syntax error: bad substitution");
	reader->p += len;
	value = look_up(reader, name, len);
	if (!*reader->p || !strchr("-+?:", *reader->p))
		tell_unset(reader, name, len, value);
	if (!value && reader->shell->keep_unset) {
		auto_(hoy_buf_done) struct hoy_buf dropped = { 0 };
		int r = read_modifier(reader, name, len, "", &dropped);

		(void) hoy_buf_add(out, start, (size_t) (reader->p - start));
		return r;
	}
	return read_modifier(reader, name, len, value, out);
}

/* Behind the name: '}', or a modifier and what belongs to it. */
static int read_modifier(struct reader *reader, const char *name, size_t len, const char *value, struct hoy_buf *out)
{
	switch (*reader->p) {
	case '}':
		reader->p++;
		(void) hoy_buf_adds(out, value ? value : "");
		return 0;
	case '-':
	case '+':
	case '?':
		return default_modifier(reader, name, len, value, /* empty_counts= */ false, out);
	case ':':
		reader->p++;
		if (*reader->p != '\0' && strchr("-+?", *reader->p))
			return default_modifier(reader, name, len, value, /* empty_counts= */ true, out);
		break;
	case '#':
	case '%':
		return trim_modifier(reader, value, out);
	case '/':
		return replace_modifier(reader, value, out);
	case '\0':
		return hoy_err_invalid(reader->err, "syntax error: missing '}'");
	}
	if (*reader->p == '\0')
		return hoy_err_invalid(reader->err, "syntax error: missing '}'");
	return hoy_err_invalid(reader->err, "unsupported modifier '%c' in the substitution of '%.*s'", *reader->p,
		(int) MIN(len, (size_t) 100), name);
}

/* At a '$': the value. One that starts nothing stands for itself. */
static int read_dollar(struct reader *reader, struct hoy_buf *out)
{
	const char *value;
	size_t len;

	reader->p++;
	if (*reader->p == '{')
		return read_braces(reader, out);
	len = name_length(reader->p);
	if (len == 0) {
		(void) hoy_buf_addc(out, '$');
		return 0;
	}
	value = look_up(reader, reader->p, len);
	tell_unset(reader, reader->p, len, value);
	reader->p += len;
	if (!value && reader->shell->keep_unset)
		(void) hoy_buf_add(out, reader->p - len - 1, len + 1);
	else
		(void) hoy_buf_adds(out, value ? value : "");
	return 0;
}

/* --- the whole --- */

static int read_all(const struct hoy_shell *shell, const char *text, struct result *result, struct hoy_err *err)
{
	struct reader reader = { .shell = shell, .p = text, .keep_escapes = shell->keep_escapes, .err = err };
	int r = read_until(&reader, '\0', result);

	if (r == 0)
		r = hoy_buf_check(&result->text, "the text", err);
	return r;
}

int hoy_shell_word(const struct hoy_shell *shell, const char *text, char **ret, struct hoy_err *err)
{
	auto_(result_done) struct result result;
	int r;

	result_init(&result, /* split= */ false);
	r = read_all(shell, text, &result, err);
	if (r < 0)
		return r;
	*ret = result.text.data ? hoy_buf_take(&result.text) : strdup("");
	return *ret ? 0 : hoy_err_oom(err);
}

int hoy_shell_words(const struct hoy_shell *shell, const char *text, char ***ret, struct hoy_err *err)
{
	auto_(result_done) struct result result;
	struct reader end = { .err = err };
	int r;

	result_init(&result, /* split= */ true);
	r = read_all(shell, text, &result, err);
	if (r == 0)
		r = end_word(&end, &result);
	if (r < 0)
		return r;
	if (!result.words)
		result.words = calloc(1, sizeof(char *));
	*ret = TAKE_PTR(result.words);
	return *ret ? 0 : hoy_err_oom(err);
}
