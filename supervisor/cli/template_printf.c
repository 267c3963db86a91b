/* Go's printf: %v %s %q %d %b %o %x %X %c %U %t %e %f %g %%, with flags, width and precision. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "supervisor/cli/template_internal.h"

#define MAX_WIDTH 10000

struct verb {
	bool minus, plus, sharp, space, zero, has_width, has_precision;
	int width, precision;
	char c;
};

struct args {
	const struct hoy_template_value *list;
	size_t n, next;
};

/* A number or "*". Too large ones are cut: no output needs them. */
static const char *parse_number(const char *p, struct args *args, bool *ret_has, int *ret)
{
	*ret = 0;
	if (*p == '*') {
		if (args->next < args->n && args->list[args->next].type == VALUE_INT) {
			int64_t n = args->list[args->next].number;

			*ret = (int) (n < -MAX_WIDTH ? -MAX_WIDTH : MIN(n, (int64_t) MAX_WIDTH));
			*ret_has = true;
		}
		args->next++;
		return p + 1;
	}
	while (isdigit((unsigned char) *p)) {
		*ret = MIN(*ret * 10 + (*p++ - '0'), MAX_WIDTH);
		*ret_has = true;
	}
	return p;
}

static const char *parse_verb(const char *p, struct args *args, struct verb *v)
{
	for (;; p++) {
		if (*p == '-')
			v->minus = true;
		else if (*p == '+')
			v->plus = true;
		else if (*p == '#')
			v->sharp = true;
		else if (*p == ' ')
			v->space = true;
		else if (*p == '0')
			v->zero = true;
		else
			break;
	}
	p = parse_number(p, args, &v->has_width, &v->width);
	if (v->width < 0) {
		v->minus = true;
		v->width = -v->width;
	}
	if (*p == '.') {
		v->has_precision = true;
		p = parse_number(p + 1, args, &v->has_precision, &v->precision);
	}
	v->c = *p;
	return *p ? p + 1 : p;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; n++)
		text += MAX(hoy_utf8_char_len(text, strlen(text)), (size_t) 1);
	return n;
}

static void add_padded(const struct verb *v, const char *text, struct hoy_buf *out)
{
	size_t len = characters(text), pad = v->has_width && (size_t) v->width > len ? (size_t) v->width - len : 0;
	bool zeros = v->zero && !v->minus;

	if (zeros && pad && (*text == '-' || *text == '+'))
		(void) hoy_buf_addc(out, *text++);
	for (size_t i = 0; i < pad && !v->minus; i++)
		(void) hoy_buf_addc(out, zeros ? '0' : ' ');
	(void) hoy_buf_adds(out, text);
	for (size_t i = 0; i < pad && v->minus; i++)
		(void) hoy_buf_addc(out, ' ');
}

static void add_quoted(const char *text, struct hoy_buf *out)
{
	(void) hoy_buf_addc(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char) *text;
		static const char named[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";
		const char *at = strchr(named, c);

		if (at)
			(void) hoy_buf_addf(out, "\\%c", names[at - named]);
		else if (c < 0x20 || c == 0x7f)
			(void) hoy_buf_addf(out, "\\x%02x", c);
		else
			(void) hoy_buf_addc(out, (char) c);
	}
	(void) hoy_buf_addc(out, '"');
}

static void print_text(const struct verb *v, const char *text, struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf made = {};
	const char *end = text;

	for (int i = 0; *end && (!v->has_precision || i < v->precision); i++)
		end += MAX(hoy_utf8_char_len(end, strlen(end)), (size_t) 1);
	(void) hoy_buf_adds(&made, "");
	if (v->c == 'x' || v->c == 'X') {
		for (; *text; text++)
			(void) hoy_buf_addf(&made, v->c == 'x' ? "%02x" : "%02X", (unsigned char) *text);
	} else if (v->c == 'q' || (v->c == 'v' && v->sharp)) {
		auto_free char *cut = strndup(text, (size_t) (end - text));

		add_quoted(cut ? cut : "", &made);
	} else {
		(void) hoy_buf_add(&made, text, (size_t) (end - text));
	}
	add_padded(v, made.data ? made.data : "", out);
}

static void add_binary(uint64_t n, struct hoy_buf *out)
{
	int bit = 63;

	while (bit > 0 && !(n >> bit & 1))
		bit--;
	for (; bit >= 0; bit--)
		(void) hoy_buf_addc(out, n >> bit & 1 ? '1' : '0');
}

static void add_character(int64_t c, struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;

	/* JSON's own escapes know how a code point is written. */
	if (c > 0xffff && c <= 0x10ffff)
		(void) hoy_buf_addf(&text, "\"\\u%04x\\u%04x\"", 0xd800 + (unsigned int) ((c - 0x10000) >> 10),
			0xdc00 + (unsigned int) ((c - 0x10000) & 0x3ff));
	else
		(void) hoy_buf_addf(&text, "\"\\u%04x\"", c > 0 && c <= 0xffff ? (unsigned int) c : 0xfffd);
	if (!text.failed && hoy_json_parse(text.data, text.len, NULL, &json, NULL) == 0)
		(void) hoy_buf_adds(out, hoy_json_string(json));
	else
		(void) hoy_buf_adds(out, "\xef\xbf\xbd");
}

static void print_int(const struct verb *v, int64_t n, struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf made = {};
	uint64_t size = n < 0 ? -(uint64_t) n : (uint64_t) n;
	const char *sign = n < 0 ? "-" : v->plus ? "+" : v->space ? " " : "";

	if (v->c == 'c' || v->c == 'q') {
		(void) hoy_buf_adds(&made, v->c == 'q' ? "'" : "");
		add_character(n, &made);
		(void) hoy_buf_adds(&made, v->c == 'q' ? "'" : "");
	} else if (v->c == 'U') {
		(void) hoy_buf_addf(&made, "U+%04llX", (unsigned long long) size);
	} else {
		(void) hoy_buf_adds(&made, sign);
		if (v->c == 'b')
			add_binary(size, &made);
		else if (v->c == 'o')
			(void) hoy_buf_addf(&made, "%s%llo", v->sharp ? "0" : "", (unsigned long long) size);
		else if (v->c == 'x' || v->c == 'X')
			(void) hoy_buf_addf(&made, v->c == 'x' ? "%s%llx" : "%s%llX",
				!v->sharp     ? ""
				: v->c == 'x' ? "0x"
					      : "0X",
				(unsigned long long) size);
		else
			(void) hoy_buf_addf(
				&made, "%0*llu", v->has_precision ? v->precision : 1, (unsigned long long) size);
	}
	add_padded(v, made.data ? made.data : "", out);
}

static void print_float(const struct verb *v, double value, struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf made = {};

	if (v->plus && value >= 0)
		(void) hoy_buf_addc(&made, '+');
	switch (v->c) {
	case 'e':
		(void) hoy_buf_addf(&made, "%.*e", v->has_precision ? v->precision : 6, value);
		break;
	case 'f':
	case 'F':
		(void) hoy_buf_addf(&made, "%.*f", v->has_precision ? v->precision : 6, value);
		break;
	default:
		if (v->has_precision)
			(void) hoy_buf_addf(&made, "%.*g", v->precision, value);
		else
			hoy_template_float_print(value, &made);
		break;
	}
	add_padded(v, made.data ? made.data : "", out);
}

static bool verb_fits(const struct verb *v, const struct hoy_template_value *value)
{
	switch (value->type) {
	case VALUE_STRING:
		return strchr("vsqxX", v->c);
	case VALUE_INT:
		return strchr("vdboxXcqU", v->c);
	case VALUE_FLOAT:
		return strchr("veEfFgG", v->c);
	case VALUE_BOOL:
		return strchr("vt", v->c);
	case VALUE_TREE:
		return strchr("vsq", v->c);
	default:
		return v->c == 'v';
	}
}

static void print_value(const struct verb *v, const struct hoy_template_value *value, struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	if (!v->c || !verb_fits(v, value)) {
		bool nil = value->type == VALUE_NIL || value->type == VALUE_NONE;

		hoy_template_value_print(value, /* inside= */ true, &text);
		(void) hoy_buf_addf(out, "%%!%c(%s%s%s)", v->c ? v->c : '!', nil ? "" : hoy_template_value_type(value),
			nil ? "" : "=", text.data ? text.data : "");
		return;
	}
	if (value->type == VALUE_STRING) {
		print_text(v, value->string, out);
	} else if (value->type == VALUE_INT) {
		print_int(v, value->number, out);
	} else if (value->type == VALUE_FLOAT) {
		print_float(v, value->decimal, out);
	} else {
		hoy_template_value_print(value, /* inside= */ true, &text);
		add_padded(v, text.data ? text.data : "", out);
	}
}

int hoy_template_printf(
	struct hoy_template_run *run, const struct hoy_template_value *list, size_t n, struct hoy_template_value *ret)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct args args = { .list = list, .n = n, .next = 1 };

	if (list[0].type != VALUE_STRING)
		return hoy_err_invalid(
			run->err, "wrong type for value; expected string; got %s", hoy_template_value_type(&list[0]));
	(void) hoy_buf_adds(&out, "");
	for (const char *p = list[0].string; *p;) {
		struct verb verb = {};

		if (*p != '%') {
			(void) hoy_buf_addc(&out, *p++);
			continue;
		}
		p = parse_verb(p + 1, &args, &verb);
		if (verb.c == '%')
			(void) hoy_buf_addc(&out, '%');
		else if (!verb.c)
			(void) hoy_buf_adds(&out, "%!(NOVERB)");
		else if (args.next >= args.n)
			(void) hoy_buf_addf(&out, "%%!%c(MISSING)", verb.c);
		else
			print_value(&verb, &args.list[args.next++], &out);
	}
	for (bool first = true; args.next < args.n; args.next++, first = false) {
		const struct hoy_template_value *value = &args.list[args.next];

		(void) hoy_buf_addf(&out, "%s%s=", first ? "%!(EXTRA " : ", ", hoy_template_value_type(value));
		hoy_template_value_print(value, /* inside= */ true, &out);
		if (args.next + 1 == args.n)
			(void) hoy_buf_addc(&out, ')');
	}
	return hoy_template_keep(run, hoy_buf_take(&out), ret);
}
