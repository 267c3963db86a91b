/*
 * Go's encoders, as users of docker compose know their output: a string is plain where it reads back as itself, double
 * quotes where it would be something else, single quotes where characters forbid it plain, a literal block when it has
 * lines.
 */
#include "supervisor/compose/emit.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "supervisor/compose/shape_scalar.h"
#include "supervisor/compose/yaml.h"

/* --- Keys
 * -------------------------------------------------------------------------------------------------------------------
 */

static bool is_letter(unsigned char c)
{
	return isalpha(c) || c >= 0x80;
}

/* Zeros in front of a number that follows other digits are part of that number. */
static bool continues_number(const char *start, const char *at)
{
	while (at > start && isdigit((unsigned char) at[-1]))
		if (*--at != '0')
			return true;
	return false;
}

int hoy_emit_compare_keys(const char *a, const char *b)
{
	const char *start = a;
	bool digits = false;
	uint64_t number_a, number_b;
	size_t len_a, len_b;

	while (*a && *a == *b) {
		digits = isdigit((unsigned char) *a);
		a++;
		b++;
	}
	if (!*a || !*b)
		return (*a != 0) - (*b != 0);
	if (is_letter((unsigned char) *a) && is_letter((unsigned char) *b))
		return (unsigned char) *a < (unsigned char) *b ? -1 : 1;
	if (is_letter((unsigned char) *a) || is_letter((unsigned char) *b))
		return is_letter((unsigned char) *a) == digits ? -1 : 1;
	number_a = number_b = (*a == '0' || *b == '0') && continues_number(start, a);
	for (len_a = 0; isdigit((unsigned char) a[len_a]); len_a++)
		number_a = number_a * 10 + (uint64_t) (a[len_a] - '0');
	for (len_b = 0; isdigit((unsigned char) b[len_b]); len_b++)
		number_b = number_b * 10 + (uint64_t) (b[len_b] - '0');
	if (number_a != number_b)
		return number_a < number_b ? -1 : 1;
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return (unsigned char) *a < (unsigned char) *b ? -1 : 1;
}

/* --- YAML
 * --------------------------------------------------------------------------------------------------------------------
 */

/* What characters a string has decides in which styles it can stand. */
struct looks {
	bool plain, single, literal;
};

static bool is_printable(unsigned char c)
{
	return c == '\n' || (c >= 0x20 && c != 0x7f);
}

/* Unicode's own ends of lines, which YAML takes for such too: the letter of the escape, and their length. */
static char line_end(const char *text, size_t *ret_len)
{
	static const struct {
		const char *text;
		char escape;
	} ends[] = { { "\xc2\x85", 'N' }, { "\xe2\x80\xa8", 'L' }, { "\xe2\x80\xa9", 'P' } };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		*ret_len = strlen(ends[i].text);
		if (!strncmp(text, ends[i].text, *ret_len))
			return ends[i].escape;
	}
	return '\0';
}

static struct looks look(const char *text)
{
	struct looks looks = { true, true, true };
	size_t len = strlen(text), n;

	if (!len)
		return (struct looks){ false, true, false };
	if (strchr("#,[]{}&*!|>'\"%@`", text[0]) ||
		(strchr("-?:", text[0]) && (!text[1] || isspace((unsigned char) text[1]))) ||
		!strncmp(text, "---", 3) || !strncmp(text, "...", 3))
		looks.plain = false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char) text[i];

		if ((!is_printable(c) && c != '\t') || line_end(text + i, &n))
			looks = (struct looks){ false, false, false };
		if (c == '\t')
			looks.plain = looks.single = false;
		if (c == ':' && (!text[i + 1] || isspace((unsigned char) text[i + 1])))
			looks.plain = false;
		if (c == '#' && i && isspace((unsigned char) text[i - 1]))
			looks.plain = false;
		if (c == '\n')
			looks.plain = looks.single = false;
		if (c == ' ' && text[i + 1] == '\n')
			looks.literal = false;
	}
	if (isspace((unsigned char) text[0]) || isspace((unsigned char) text[len - 1]))
		looks.plain = false;
	if (text[len - 1] == ' ' || strspn(text, "\n") == len || (len > 1 && !strcmp(text + len - 2, "\n\n")))
		looks.literal = false; /* empty lines at its end are quoted: they could be taken for the document's */
	return looks;
}

/* What YAML 1.1 would read as a boolean or a number of base 60. */
static bool is_old_type(const char *text)
{
	static const char *const words[] = { "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No",
		"NO", "off", "Off", "OFF" };
	const char *at = text + (*text == '-' || *text == '+');
	bool colon = false;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i]))
			return true;
	if (!isdigit((unsigned char) *at))
		return false;
	while (isdigit((unsigned char) *at) || *at == '_')
		at++;
	while (*at == ':') {
		size_t len = strspn(at + 1, "0123456789");

		if (!len || len > 2 || (len == 2 && at[1] > '5'))
			return false;
		colon = true;
		at += len + 1;
	}
	if (*at == '.')
		at += 1 + strspn(at + 1, "0123456789_");
	return colon && !*at;
}

/* 2001-12-14, and what follows it, is a time. */
static bool is_date(const char *text)
{
	int digits[3] = {};
	const char *at = text;

	for (int i = 0; i < 3; i++) {
		while (isdigit((unsigned char) *at)) {
			digits[i]++;
			at++;
		}
		if (i < 2 && *at++ != '-')
			return false;
	}
	return digits[0] == 4 && digits[1] >= 1 && digits[1] <= 2 && digits[2] >= 1 && digits[2] <= 2 &&
	       (!*at || *at == 'T' || *at == 't' || *at == ' ');
}

static void add_double_quoted(const char *text, struct hoy_buf *out)
{
	static const char from[] = "\a\b\t\n\v\f\r\x1b\"\\", to[] = "abtnvfre\"\\";

	(void) hoy_buf_addc(out, '"');
	for (size_t n; *text; text++) {
		const char *escape = strchr(from, *text);
		char end = line_end(text, &n);

		if (end) {
			(void) hoy_buf_addf(out, "\\%c", end);
			text += n - 1;
		} else if (escape)
			(void) hoy_buf_addf(out, "\\%c", to[escape - from]);
		else if ((unsigned char) *text < 0x20 || *text == 0x7f)
			(void) hoy_buf_addf(out, "\\x%02X", (unsigned char) *text);
		else
			(void) hoy_buf_addc(out, *text);
	}
	(void) hoy_buf_addc(out, '"');
}

static void add_single_quoted(const char *text, struct hoy_buf *out)
{
	(void) hoy_buf_addc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			(void) hoy_buf_addc(out, '\'');
		(void) hoy_buf_addc(out, *text);
	}
	(void) hoy_buf_addc(out, '\'');
}

static void add_string(const char *text, struct hoy_buf *out)
{
	struct looks looks = look(text);

	if (hoy_yaml_plain_type(text) != HOY_NODE_STRING || is_old_type(text) || is_date(text) || !strcmp(text, "<<") ||
		!strcmp(text, "="))
		add_double_quoted(text, out);
	else if (looks.plain)
		(void) hoy_buf_adds(out, text);
	else if (looks.single)
		add_single_quoted(text, out);
	else
		add_double_quoted(text, out);
}

static void add_number(const struct hoy_node *node, struct hoy_buf *out)
{
	struct hoy_arena arena = {};
	const char *text = hoy_shape_text_of(&arena, node);

	(void) hoy_buf_adds(out, text ? text : node->text);
	hoy_arena_done(&arena);
}

void hoy_emit_yaml_scalar(const struct hoy_node *node, struct hoy_buf *out)
{
	switch (node->type) {
	case HOY_NODE_NULL:
		(void) hoy_buf_adds(out, "null");
		break;
	case HOY_NODE_STRING:
		add_string(node->text, out);
		break;
	case HOY_NODE_BOOL:
		(void) hoy_buf_adds(out, node->text);
		break;
	default:
		add_number(node, out);
		break;
	}
}

static void add_indent(unsigned int level, struct hoy_buf *out)
{
	for (unsigned int i = 0; i < level; i++)
		(void) hoy_buf_adds(out, "  ");
}

/* "|", how its end is kept, and the lines. */
static void add_literal(const char *text, unsigned int level, struct hoy_buf *out)
{
	size_t len = strlen(text);
	bool ends = text[len - 1] == '\n';

	(void) hoy_buf_addc(out, '|');
	if (text[0] == ' ' || text[0] == '\n')
		(void) hoy_buf_addc(out, '2');
	(void) hoy_buf_adds(out, ends ? "" : "-");
	while (*text) {
		size_t line = strcspn(text, "\n");

		(void) hoy_buf_addc(out, '\n');
		if (line)
			add_indent(level, out);
		(void) hoy_buf_add(out, text, line);
		text += line + (text[line] == '\n');
	}
}

static void add_node(const struct hoy_node *node, unsigned int level, bool in_list, struct hoy_buf *out);

static void add_members(const struct hoy_node *node, unsigned int level, bool in_list, struct hoy_buf *out)
{
	bool first = true;

	hoy_node_each(child, node)
	{
		if (!first || !in_list) {
			(void) hoy_buf_addc(out, '\n');
			add_indent(level, out);
		}
		first = false;
		if (node->type == HOY_NODE_LIST) {
			(void) hoy_buf_adds(out, "- ");
			add_node(child, level + 1, /* in_list= */ true, out);
			continue;
		}
		add_string(child->key, out);
		(void) hoy_buf_addc(out, ':');
		if (!child->len)
			(void) hoy_buf_addc(out, ' ');
		add_node(child, level + 1, /* in_list= */ false, out);
	}
}

/* `in_list`: the first line stands behind a dash already. */
static void add_node(const struct hoy_node *node, unsigned int level, bool in_list, struct hoy_buf *out)
{
	if (node->type < HOY_NODE_MAP) {
		if (node->type == HOY_NODE_STRING && strchr(node->text, '\n') && look(node->text).literal)
			add_literal(node->text, level, out);
		else
			hoy_emit_yaml_scalar(node, out);
	} else if (!node->len) {
		(void) hoy_buf_adds(out, node->type == HOY_NODE_MAP ? "{}" : "[]");
	} else {
		add_members(node, level, in_list, out);
	}
}

void hoy_emit_yaml(const struct hoy_node *node, struct hoy_buf *out)
{
	add_node(node, 0, /* in_list= */ true, out);
	if (!out->len || out->data[out->len - 1] != '\n')
		(void) hoy_buf_addc(out, '\n');
}

/* --- JSON
 * -------------------------------------------------------------------------------------------------------------------
 */

static void add_json_string(const char *text, struct hoy_buf *out)
{
	(void) hoy_buf_addc(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char) *text;

		if (c == '"' || c == '\\')
			(void) hoy_buf_addf(out, "\\%c", c);
		else if (c == '\n')
			(void) hoy_buf_adds(out, "\\n");
		else if (c == '\r')
			(void) hoy_buf_adds(out, "\\r");
		else if (c == '\t')
			(void) hoy_buf_adds(out, "\\t");
		else if (c == '\b')
			(void) hoy_buf_adds(out, "\\b");
		else if (c == '\f')
			(void) hoy_buf_adds(out, "\\f");
		else if (c < 0x20 || strchr("<>&", c))
			(void) hoy_buf_addf(out, "\\u%04x", c);
		else if (c == 0xe2 && (unsigned char) text[1] == 0x80 && ((unsigned char) text[2] & 0xfe) == 0xa8) {
			(void) hoy_buf_addf(out, "\\u20%02x", (unsigned char) text[2] - 0x80);
			text += 2;
		} else
			(void) hoy_buf_addc(out, (char) c);
	}
	(void) hoy_buf_addc(out, '"');
}

static void new_line(bool indented, unsigned int level, struct hoy_buf *out)
{
	if (!indented)
		return;
	(void) hoy_buf_addc(out, '\n');
	add_indent(level, out);
}

static void add_json(const struct hoy_node *node, bool indented, unsigned int level, struct hoy_buf *out)
{
	bool map = node->type == HOY_NODE_MAP;

	if (node->type == HOY_NODE_STRING) {
		add_json_string(node->text, out);
	} else if (node->type < HOY_NODE_MAP) {
		hoy_emit_yaml_scalar(node, out);
	} else if (!node->len) {
		(void) hoy_buf_adds(out, map ? "{}" : "[]");
	} else {
		(void) hoy_buf_addc(out, map ? '{' : '[');
		hoy_node_each(child, node)
		{
			if (child != node->first)
				(void) hoy_buf_addc(out, ',');
			new_line(indented, level + 1, out);
			if (map) {
				add_json_string(child->key, out);
				(void) hoy_buf_adds(out, indented ? ": " : ":");
			}
			add_json(child, indented, level + 1, out);
		}
		new_line(indented, level, out);
		(void) hoy_buf_addc(out, map ? '}' : ']');
	}
}

void hoy_emit_json(const struct hoy_node *node, bool indented, struct hoy_buf *out)
{
	add_json(node, indented, 0, out);
}
