/* The words inside {{ }}. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "supervisor/cli/template_internal.h"

int hoy_template_parse_error(const char *source, size_t pos, struct hoy_err *err, const char *fmt, ...)
{
	char text[400];
	size_t line = 1;
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	for (size_t i = 0; i < pos && source[i]; i++)
		line += source[i] == '\n';
	return hoy_err_invalid(err, "template: :%zu: %s", line, text);
}

static bool is_name(char c)
{
	return isalnum((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80;
}

static void add_utf8(struct hoy_buf *out, unsigned long c)
{
	if (c < 0x80) {
		(void) hoy_buf_addc(out, (char) c);
	} else if (c < 0x800) {
		(void) hoy_buf_addc(out, (char) (0xc0 | c >> 6));
		(void) hoy_buf_addc(out, (char) (0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		(void) hoy_buf_addc(out, (char) (0xe0 | c >> 12));
		(void) hoy_buf_addc(out, (char) (0x80 | (c >> 6 & 0x3f)));
		(void) hoy_buf_addc(out, (char) (0x80 | (c & 0x3f)));
	} else {
		(void) hoy_buf_addc(out, (char) (0xf0 | c >> 18));
		(void) hoy_buf_addc(out, (char) (0x80 | (c >> 12 & 0x3f)));
		(void) hoy_buf_addc(out, (char) (0x80 | (c >> 6 & 0x3f)));
		(void) hoy_buf_addc(out, (char) (0x80 | (c & 0x3f)));
	}
}

/* `digits` digits of `base` at *at; -EINVAL when there are fewer. */
static int escape_number(const char *source, size_t *at, int digits, int base, unsigned long *ret)
{
	char text[16] = "", *end;

	for (int i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char) source[*at]))
			return -EINVAL;
		text[i] = source[(*at)++];
	}
	*ret = strtoul(text, &end, base);
	return *end || *ret > 0x10ffff || *ret == 0 ? -EINVAL : 0;
}

/* What stands behind a backslash, *at on its first character. */
static int escape(const char *source, size_t *at, struct hoy_buf *out)
{
	static const char names[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
	const char *name = source[*at] ? strchr(names, source[*at]) : NULL;
	unsigned long c;
	int r;

	if (name) {
		(*at)++;
		return hoy_buf_addc(out, values[name - names]);
	}
	switch (source[*at]) {
	case 'x':
		(*at)++;
		r = escape_number(source, at, 2, 16, &c);
		return r < 0 ? r : hoy_buf_addc(out, (char) c);
	case 'u':
	case 'U':
		r = source[(*at)++] == 'u' ? escape_number(source, at, 4, 16, &c)
					   : escape_number(source, at, 8, 16, &c);
		break;
	default:
		r = escape_number(source, at, 3, 8, &c);
		return r < 0 || c > 255 ? -EINVAL : hoy_buf_addc(out, (char) c);
	}
	if (r == 0)
		add_utf8(out, c);
	return r;
}

/* "..." or '.', *at on the quote. */
static int lex_quoted(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char quote = source[*at];
	size_t pos = (*at)++;

	(void) hoy_buf_adds(&text, "");
	while (source[*at] != quote) {
		if (!source[*at] || source[*at] == '\n')
			return hoy_template_parse_error(source, pos, err,
				quote == '"' ? "unterminated quoted string" : "unterminated character constant");
		if (source[*at] == '\\') {
			(*at)++;
			if (escape(source, at, &text) < 0)
				return hoy_template_parse_error(source, pos, err, "invalid syntax");
		} else {
			(void) hoy_buf_addc(&text, source[(*at)++]);
		}
	}
	(*at)++;
	ret->type = quote == '"' ? TOKEN_STRING : TOKEN_CHAR;
	if (quote == '\'') {
		const unsigned char *c = (const unsigned char *) (text.data ? text.data : "");
		size_t len = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

		if (!text.len || len != text.len)
			return hoy_template_parse_error(source, pos, err, "malformed character constant");
		ret->number = len == 1 ? c[0] : c[0] & (0x7f >> len);
		for (size_t i = 1; i < len; i++)
			ret->number = ret->number << 6 | (c[i] & 0x3f);
	}
	ret->text = hoy_buf_take(&text);
	return ret->text ? 0 : hoy_err_oom(err);
}

static int take_text(const char *from, size_t len, struct hoy_template_token *ret, struct hoy_err *err)
{
	ret->text = strndup(from, len);
	return ret->text ? 0 : hoy_err_oom(err);
}

static int lex_raw(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err)
{
	const char *end = strchr(source + *at + 1, '`');
	size_t from = *at + 1;

	if (!end)
		return hoy_template_parse_error(source, *at, err, "unterminated raw quoted string");
	*at = (size_t) (end - source) + 1;
	ret->type = TOKEN_STRING;
	return take_text(source + from, (size_t) (end - source) - from, ret, err);
}

static int lex_number(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err)
{
	size_t from = *at;

	*at += source[*at] == '+' || source[*at] == '-';
	while (isalnum((unsigned char) source[*at]) || source[*at] == '.' || source[*at] == '_' ||
		((source[*at] == '+' || source[*at] == '-') && strchr("eEpP", source[*at - 1])))
		(*at)++;
	ret->type = TOKEN_NUMBER;
	return take_text(source + from, *at - from, ret, err);
}

/* ".Name", "$name" or "name" at *at; the sign is `skip` bytes that don't belong to the text. */
static int lex_word(const char *source, size_t *at, enum hoy_template_token_type type, size_t skip,
	struct hoy_template_token *ret, struct hoy_err *err)
{
	size_t from = *at + skip;

	(*at)++;
	while (is_name(source[*at]))
		(*at)++;
	ret->type = type;
	return take_text(source + from, *at - from, ret, err);
}

static bool closes(const char *p)
{
	return (p[0] == '}' && p[1] == '}') ||
	       (isspace((unsigned char) p[0]) && p[1] == '-' && p[2] == '}' && p[3] == '}');
}

static int lex_mark(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err)
{
	static const struct {
		const char *text;
		enum hoy_template_token_type type;
	} marks[] = { { ":=", TOKEN_DECLARE }, { "=", TOKEN_ASSIGN }, { "|", TOKEN_PIPE }, { ",", TOKEN_COMMA },
		{ "(", TOKEN_OPEN_PAREN }, { ")", TOKEN_CLOSE_PAREN }, { ".", TOKEN_DOT } };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (hoy_str_starts(source + *at, marks[i].text)) {
			*at += strlen(marks[i].text);
			ret->type = marks[i].type;
			return 0;
		}
	}
	return hoy_template_parse_error(source, *at, err, "unexpected \"%c\" in operand", source[*at]);
}

int hoy_template_lex(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err)
{
	struct hoy_template_token token = {};
	const char *p;
	int r;

	while (isspace((unsigned char) source[*at]) && !closes(source + *at)) {
		token.spaced = true;
		(*at)++;
	}
	p = source + *at;
	token.pos = *at;
	if (!*p)
		return hoy_template_parse_error(source, *at, err, "unclosed action");
	if (closes(p)) {
		token.type = TOKEN_CLOSE;
		*at += *p == '}' ? 2 : 4;
		if (*p != '}')
			*at += strspn(source + *at, " \t\r\n");
		r = 0;
	} else if (*p == '"' || *p == '\'') {
		r = lex_quoted(source, at, &token, err);
	} else if (*p == '`') {
		r = lex_raw(source, at, &token, err);
	} else if (isdigit((unsigned char) *p) ||
		   ((*p == '+' || *p == '-' || *p == '.') && isdigit((unsigned char) p[1]))) {
		r = lex_number(source, at, &token, err);
	} else if (*p == '.' && is_name(p[1])) {
		r = lex_word(source, at, TOKEN_FIELD, 1, &token, err);
	} else if (*p == '$') {
		r = lex_word(source, at, TOKEN_VARIABLE, 0, &token, err);
	} else if (is_name(*p)) {
		r = lex_word(source, at, TOKEN_NAME, 0, &token, err);
	} else {
		r = lex_mark(source, at, &token, err);
	}
	token.end = *at;
	if (r < 0)
		free(token.text);
	else
		*ret = token;
	return r;
}
