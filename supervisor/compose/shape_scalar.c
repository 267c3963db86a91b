/* Strings, booleans, numbers, sizes, times and modes. */
#include "supervisor/compose/shape_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"

enum { MAX_PATH_TEXT = 300 };

static void add_path(const struct hoy_shape_path *path, struct hoy_buf *out)
{
	if (!path || out->len > MAX_PATH_TEXT)
		return;
	add_path(path->parent, out);
	if (path->key && *path->key)
		(void) hoy_buf_addf(out, "%s%.100s", out->len ? "." : "", path->key);
	else if (!path->key)
		(void) hoy_buf_addf(out, "[%zu]", path->index);
}

const char *hoy_shape_path_text(struct hoy_arena *arena, const struct hoy_shape_path *path)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const char *copy;

	add_path(path, &text);
	copy = hoy_arena_strdup(arena, text.data ? text.data : "");
	return copy ? copy : "";
}

bool hoy_shape_parse_int(const char *text, int64_t *ret)
{
	char digits[72];
	size_t n = 0;
	int base = 10;
	bool negative = *text == '-';
	char *end;

	text += *text == '-' || *text == '+';
	if (text[0] == '0' && text[1]) {
		base = strchr("xX", text[1]) ? 16 : strchr("bB", text[1]) ? 2 : 8;
		text += strchr("xXbBoO", text[1]) ? 2 : 1;
	}
	if (negative)
		digits[n++] = '-';
	for (; *text; text++) {
		if (*text == '_')
			continue;
		if (n == sizeof digits - 1 || *text == '-' || *text == '+' || *text == ' ')
			return false;
		digits[n++] = *text;
	}
	digits[n] = '\0';
	if (n == (size_t) negative)
		return false;
	errno = 0;
	*ret = strtoll(digits, &end, base);
	return !errno && !*end;
}

bool hoy_shape_parse_duration(const char *text, int64_t *ret_ns)
{
	static const int64_t day = 86400LL * 1000000000LL;
	bool negative = *text == '-';
	int64_t sum = 0, rest = 0;

	text += *text == '-' || *text == '+';
	for (;;) {
		size_t len = strspn(text, "0123456789");
		char number[20];
		uint64_t n;

		if (!len || len >= sizeof number || (text[len] != 'd' && text[len] != 'w'))
			break;
		memcpy(number, text, len);
		number[len] = '\0';
		if (hoy_str_to_u64(number, &n) < 0 || n > 100000)
			return false;
		sum += (int64_t) n * (text[len] == 'w' ? 7 : 1);
		if (sum > 100000)
			return false;
		text += len + 1;
		if (!*text) {
			*ret_ns = (negative ? -1 : 1) * sum * day;
			return true;
		}
	}
	if (hoy_str_to_duration(text, &rest) < 0 || __builtin_add_overflow(sum * day, rest, &sum))
		return false;
	*ret_ns = negative ? -sum : sum;
	return true;
}

/* The fraction of a number of 10^-digits units, without zeros at its end. */
static void add_fraction(struct hoy_buf *out, uint64_t whole, uint64_t fraction, int digits)
{
	char text[32];
	size_t len;

	(void) snprintf(text, sizeof text, "%0*llu", digits, (unsigned long long) fraction);
	len = strlen(text);
	while (len && text[len - 1] == '0')
		text[--len] = '\0';
	(void) hoy_buf_addf(out, "%llu%s%s", (unsigned long long) whole, len ? "." : "", text);
}

const char *hoy_shape_duration_text(struct hoy_arena *arena, int64_t ns)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	uint64_t rest = ns < 0 ? 0 - (uint64_t) ns : (uint64_t) ns;

	if (ns < 0)
		(void) hoy_buf_addc(&out, '-');
	if (!rest) {
		(void) hoy_buf_adds(&out, "0s");
	} else if (rest < 1000) {
		(void) hoy_buf_addf(&out, "%lluns", (unsigned long long) rest);
	} else if (rest < 1000000) {
		add_fraction(&out, rest / 1000, rest % 1000, 3);
		(void) hoy_buf_adds(&out, "µs");
	} else if (rest < 1000000000) {
		add_fraction(&out, rest / 1000000, rest % 1000000, 6);
		(void) hoy_buf_adds(&out, "ms");
	} else {
		uint64_t seconds = rest / 1000000000;

		if (seconds >= 3600)
			(void) hoy_buf_addf(&out, "%lluh", (unsigned long long) seconds / 3600);
		if (seconds >= 60)
			(void) hoy_buf_addf(&out, "%llum", (unsigned long long) seconds / 60 % 60);
		add_fraction(&out, seconds % 60, rest % 1000000000, 9);
		(void) hoy_buf_addc(&out, 's');
	}
	return out.data ? hoy_arena_strdup(arena, out.data) : NULL;
}

const char *hoy_shape_float_text(struct hoy_arena *arena, double value, bool single)
{
	char text[64];

	if (!isfinite(value))
		return isnan(value) ? ".nan" : value < 0 ? "-.inf" : ".inf";
	if (fabs(value) < 1e15 && value == (double) (int64_t) value)
		return hoy_arena_printf(arena, "%lld", (long long) value);
	for (int precision = 1; precision <= 17; precision++) {
		(void) snprintf(text, sizeof text, "%.*g", precision, value);
		if (single ? strtof(text, NULL) == (float) value : strtod(text, NULL) == value)
			break;
	}
	return hoy_arena_strdup(arena, text);
}

/* Integers above int64_t have no kind of their own; Go's reader keeps those that fit its uint64. */
static bool is_uint64(const char *text)
{
	char *end;

	errno = 0;
	(void) strtoull(text, &end, 10);
	return text[0] >= '1' && text[0] <= '9' && !*end && errno == 0;
}

const char *hoy_shape_text_of(struct hoy_arena *arena, const struct hoy_node *node)
{
	int64_t number;

	if (node->type == HOY_NODE_INT && hoy_shape_parse_int(node->text, &number))
		return hoy_arena_printf(arena, "%lld", (long long) number);
	if (node->type == HOY_NODE_FLOAT && is_uint64(node->text))
		return node->text;
	if (node->type == HOY_NODE_FLOAT && strcspn(node->text, "nN") == strlen(node->text))
		return hoy_shape_float_text(arena, strtod(node->text, NULL), /* single= */ false);
	return node->text;
}

/* --- Kinds ------------------------------------------------------------------------------------ */

struct scalar {
	struct hoy_arena *arena;
	const struct hoy_shape_field *field;
	struct hoy_node *node;
	const struct hoy_shape_path *path;
	struct hoy_err *err;
};

static int must_be(const struct scalar *s, const char *what)
{
	const char *path = hoy_shape_path_text(s->arena, s->path);

	if (s->node->type == HOY_NODE_STRING)
		return hoy_node_invalid(s->node, s->err, "%s: \"%.200s\" is not %s", path, s->node->text, what);
	if (hoy_node_is_scalar(s->node))
		return hoy_node_invalid(s->node, s->err, "%s must be %s, not %s: \"%.200s\"", path, what,
			hoy_node_type_name(s->node), s->node->text);
	return hoy_node_invalid(s->node, s->err, "%s must be %s, not %s", path, what, hoy_node_type_name(s->node));
}

static int rewrite(const struct scalar *s, enum hoy_node_type type, const char *text)
{
	if (!text)
		return hoy_err_oom(s->err);
	s->node->type = type;
	s->node->text = text;
	return 0;
}

static int rewrite_int(const struct scalar *s, enum hoy_node_type type, int64_t value)
{
	return rewrite(s, type, hoy_arena_printf(s->arena, "%lld", (long long) value));
}

/* "a|b|every_*": the star is a duration. */
static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	while (*choices) {
		size_t n = strcspn(choices, "|");
		int64_t duration;

		if (n == len && !strncmp(choices, text, n))
			return true;
		if (choices[n - 1] == '*' && len >= n && !strncmp(choices, text, n - 1) &&
			hoy_shape_parse_duration(text + n - 1, &duration) && duration > 0)
			return true;
		choices += n + (choices[n] == '|');
	}
	return false;
}

static int scalar_string(const struct scalar *s)
{
	const char *choices = s->field->choices;
	auto_free char *all = NULL;

	if (s->node->type != HOY_NODE_STRING)
		return must_be(s, "a string");
	if (!choices || is_choice(choices, s->node->text))
		return 0;
	all = strdup(choices);
	if (!all)
		return hoy_err_oom(s->err);
	for (char *bar = all; (bar = strchr(bar, '|'));)
		*bar = ' ';
	return hoy_node_invalid(s->node, s->err, "%s: \"%.200s\" is none of: %s",
		hoy_shape_path_text(s->arena, s->path), s->node->text, all);
}

static int scalar_bool(const struct scalar *s)
{
	static const char *const yes[] = { "true", "yes", "on", "y", "1", "t" };
	static const char *const no[] = { "false", "no", "off", "n", "0", "f" };

	if (s->node->type == HOY_NODE_BOOL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(yes) && s->node->type == HOY_NODE_STRING; i++) {
		if (!strcasecmp(s->node->text, yes[i]))
			return rewrite(s, HOY_NODE_BOOL, "true");
		if (!strcasecmp(s->node->text, no[i]))
			return rewrite(s, HOY_NODE_BOOL, "false");
	}
	return must_be(s, "a boolean");
}

static int scalar_int(const struct scalar *s)
{
	const struct hoy_shape_field *field = s->field;
	int64_t value = 0;
	bool fine = false;

	if (s->node->type == HOY_NODE_INT || s->node->type == HOY_NODE_STRING)
		fine = hoy_shape_parse_int(s->node->text, &value);
	if (!fine && s->node->type == HOY_NODE_FLOAT) {
		double number = strtod(s->node->text, NULL);

		fine = fabs(number) < 1e15 && number == (double) (int64_t) number;
		value = fine ? (int64_t) number : 0;
	}
	/* Real-time shares may be times; microseconds otherwise. */
	if (!fine && s->node->type == HOY_NODE_STRING && hoy_str_starts(field->name, "cpu_rt_")) {
		fine = hoy_shape_parse_duration(s->node->text, &value);
		value /= 1000;
	}
	if (!fine)
		return must_be(s, "an integer");
	if (field->max > field->min && (value < field->min || value > field->max))
		return hoy_node_invalid(s->node, s->err, "%s: %lld is not between %lld and %lld",
			hoy_shape_path_text(s->arena, s->path), (long long) value, (long long) field->min,
			(long long) field->max);
	return rewrite_int(s, HOY_NODE_INT, value);
}

static int scalar_float(const struct scalar *s)
{
	char *end = NULL;
	double value;
	int64_t whole;

	if (s->node->type == HOY_NODE_INT && hoy_shape_parse_int(s->node->text, &whole))
		return rewrite_int(s, HOY_NODE_FLOAT, whole);
	if (s->node->type == HOY_NODE_BOOL || !*s->node->text || strchr(" \t\n", *s->node->text))
		return must_be(s, "a number");
	value = strtod(s->node->text, &end);
	if (*end || !isfinite(value))
		return must_be(s, "a number");
	return rewrite(s, HOY_NODE_FLOAT, hoy_shape_float_text(s->arena, value, /* single= */ true));
}

static int scalar_bytes(const struct scalar *s)
{
	int64_t value;
	bool fine = false;

	if (s->node->type == HOY_NODE_INT)
		fine = hoy_shape_parse_int(s->node->text, &value);
	else if (s->node->type == HOY_NODE_STRING)
		fine = hoy_str_to_bytes(s->node->text, &value) >= 0 || hoy_str_to_i64(s->node->text, &value) >= 0;
	else if (s->node->type == HOY_NODE_FLOAT) {
		double number = strtod(s->node->text, NULL);

		fine = number >= 0 && number < 9e18;
		value = fine ? (int64_t) number : 0;
	}
	if (!fine)
		return must_be(s, "a size (\"512m\", \"1.5g\" or a number of bytes)");
	return rewrite_int(s, HOY_NODE_STRING, value);
}

static int scalar_duration(const struct scalar *s)
{
	int64_t value;

	if (s->node->type != HOY_NODE_STRING || !hoy_shape_parse_duration(s->node->text, &value))
		return must_be(s, "a duration (\"1m30s\", \"500ms\")");
	return rewrite(s, HOY_NODE_STRING, hoy_shape_duration_text(s->arena, value));
}

static int scalar_mode(const struct scalar *s)
{
	bool pointer = s->field->kind == HOY_SHAPE_MODE_PTR;
	int64_t value = 0;
	bool fine = false;

	if (s->node->type == HOY_NODE_INT) {
		fine = hoy_shape_parse_int(s->node->text, &value);
	} else if (s->node->type == HOY_NODE_STRING) {
		const char *text = s->node->text + (s->node->text[0] == '0' && s->node->text[1] == 'o' ? 2 : 0);

		fine = *text && text[strspn(text, "01234567")] == '\0' && strlen(text) < 12;
		value = fine ? strtoll(text, NULL, 8) : 0;
	}
	if (!fine || value < 0 || value > 0xffffffff)
		return must_be(s, "a file mode in octal (\"0440\")");
	if (!pointer)
		return rewrite_int(s, HOY_NODE_INT, value);
	return rewrite(s, HOY_NODE_STRING, hoy_arena_printf(s->arena, "0%llo", (unsigned long long) value));
}

static int scalar_count(const struct scalar *s)
{
	int64_t value;

	if (s->node->type == HOY_NODE_STRING && !strcasecmp(s->node->text, "all"))
		return rewrite(s, HOY_NODE_INT, "-1");
	if (s->node->type == HOY_NODE_BOOL || s->node->type == HOY_NODE_FLOAT ||
		!hoy_shape_parse_int(s->node->text, &value))
		return must_be(s, "a number or \"all\"");
	return rewrite_int(s, HOY_NODE_INT, value);
}

int hoy_shape_scalar(struct hoy_arena *arena, const struct hoy_shape_field *field, struct hoy_node *node,
	const struct hoy_shape_path *path, struct hoy_err *err)
{
	const struct scalar s = { arena, field, node, path, err };

	if (!hoy_node_is_scalar(node)) {
		switch (field->kind) {
		case HOY_SHAPE_BOOL:
		case HOY_SHAPE_BOOL_PTR:
		case HOY_SHAPE_OPT_OUT:
			return must_be(&s, "a boolean");
		case HOY_SHAPE_STRING:
			return must_be(&s, "a string");
		default:
			return must_be(&s, "a single value");
		}
	}
	switch (field->kind) {
	case HOY_SHAPE_STRING:
		return scalar_string(&s);
	case HOY_SHAPE_TEXT:
		return rewrite(&s, HOY_NODE_STRING, hoy_shape_text_of(arena, node));
	case HOY_SHAPE_BOOL:
	case HOY_SHAPE_BOOL_PTR:
	case HOY_SHAPE_OPT_OUT:
		return scalar_bool(&s);
	case HOY_SHAPE_INT:
	case HOY_SHAPE_INT_PTR:
		return scalar_int(&s);
	case HOY_SHAPE_FLOAT:
		return scalar_float(&s);
	case HOY_SHAPE_BYTES:
		return scalar_bytes(&s);
	case HOY_SHAPE_DURATION:
	case HOY_SHAPE_DURATION_PTR:
		return scalar_duration(&s);
	case HOY_SHAPE_MODE:
	case HOY_SHAPE_MODE_PTR:
		return scalar_mode(&s);
	case HOY_SHAPE_COUNT:
		return scalar_count(&s);
	default:
		return 0;
	}
}
