/* The functions a template may call: Go's own and those docker adds. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "supervisor/cli/template_internal.h"

typedef struct hoy_template_run run_t;
typedef struct hoy_template_value value_t;

static int want_string(run_t *run, const value_t *v)
{
	if (v->type == VALUE_STRING)
		return 0;
	return hoy_err_invalid(run->err, "wrong type for value; expected string; got %s", hoy_template_value_type(v));
}

static int want_int(run_t *run, const value_t *v)
{
	if (v->type == VALUE_INT)
		return 0;
	return hoy_err_invalid(run->err, "wrong type for value; expected int; got %s", hoy_template_value_type(v));
}

static void set_bool(value_t *ret, bool value)
{
	*ret = (value_t){ .type = VALUE_BOOL, .boolean = value };
}

static void set_int(value_t *ret, int64_t value)
{
	*ret = (value_t){ .type = VALUE_INT, .number = value };
}

static int keep_buf(run_t *run, struct hoy_buf *buf, value_t *ret)
{
	(void) hoy_buf_adds(buf, "");
	return hoy_template_keep(run, hoy_buf_take(buf), ret);
}

/* --- comparing --------------------------------------------------------------- */

static bool is_number(const value_t *v)
{
	return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

static double as_double(const value_t *v)
{
	return v->type == VALUE_INT ? (double) v->number : v->decimal;
}

/* *ret below, at or above 0. */
static int compare(run_t *run, const value_t *a, const value_t *b, int *ret)
{
	if (a->type == VALUE_STRING && b->type == VALUE_STRING)
		*ret = strcmp(a->string, b->string);
	else if (a->type == VALUE_INT && b->type == VALUE_INT)
		*ret = (a->number > b->number) - (a->number < b->number);
	else if (is_number(a) && is_number(b))
		*ret = (as_double(a) > as_double(b)) - (as_double(a) < as_double(b));
	else if (a->type == VALUE_TREE || b->type == VALUE_TREE || (a->type == VALUE_BOOL && b->type == VALUE_BOOL))
		return hoy_err_invalid(run->err, "invalid type for comparison");
	else
		return hoy_err_invalid(run->err, "incompatible types for comparison");
	return 0;
}

static int equal(run_t *run, const value_t *a, const value_t *b, bool *ret)
{
	bool none = a->type == VALUE_NIL || a->type == VALUE_NONE,
	     other = b->type == VALUE_NIL || b->type == VALUE_NONE;
	int order, r;

	if (none || other) {
		*ret = none && other;
		return 0;
	}
	if (a->type == VALUE_BOOL && b->type == VALUE_BOOL) {
		*ret = a->boolean == b->boolean;
		return 0;
	}
	r = compare(run, a, b, &order);
	*ret = r == 0 && order == 0;
	return r;
}

static int call_eq(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	bool same = false;

	for (size_t i = 1; i < n && !same; i++) {
		int r = equal(run, &args[0], &args[i], &same);

		if (r < 0)
			return r;
	}
	set_bool(ret, same);
	return 0;
}

static int call_ne(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	bool same;
	int r = equal(run, &args[0], &args[n - 1], &same);

	set_bool(ret, !same);
	return r;
}

/* The four orders share a look: `below`, `at` tell which results are true. */
static int call_order(run_t *run, const value_t *args, bool below, bool at, bool above, value_t *ret)
{
	int order = 0, r = compare(run, &args[0], &args[1], &order);

	set_bool(ret, order < 0 ? below : order > 0 ? above : at);
	return r;
}

static int call_lt(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return call_order(run, args, true, false, false, ret);
}

static int call_le(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return call_order(run, args, true, true, false, ret);
}

static int call_gt(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return call_order(run, args, false, false, true, ret);
}

static int call_ge(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return call_order(run, args, false, true, true, ret);
}

static int call_not(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) run;
	(void) n;
	set_bool(ret, !hoy_template_value_true(&args[0]));
	return 0;
}

/* and, or are evaluated by the run itself; this is for the table. */
static int call_last(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) run;
	*ret = args[n - 1];
	return 0;
}

/* --- lists and maps ---------------------------------------------------------- */

static int call_len(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	if (args->type == VALUE_STRING)
		set_int(ret, (int64_t) strlen(args->string));
	else if (args->type == VALUE_TREE)
		set_int(ret, (int64_t) hoy_json_len(args->tree));
	else if (args->type == VALUE_NIL || args->type == VALUE_NONE)
		return hoy_err_invalid(run->err, "len of untyped nil");
	else
		return hoy_err_invalid(run->err, "len of type %s", hoy_template_value_type(args));
	return 0;
}

static const struct hoy_json *nth(const struct hoy_json *list, int64_t i)
{
	const struct hoy_json *at = hoy_json_first(list);

	while (at && i-- > 0)
		at = hoy_json_next(at);
	return at;
}

/* A map whose values are texts gives "" for a key it has not, as Go's map[string]string. */
static bool has_texts(const struct hoy_json *map)
{
	hoy_json_each(member, map) if (hoy_json_type(member) != HOY_JSON_STRING) return false;
	return true;
}

static int index_one(run_t *run, const value_t *key, value_t *at)
{
	if (at->type == VALUE_TREE && hoy_json_type(at->tree) == HOY_JSON_OBJECT) {
		const struct hoy_json *map = at->tree;
		int r = want_string(run, key);

		if (r < 0)
			return r;
		*at = hoy_template_value_of(hoy_json_get(map, key->string));
		if (at->type == VALUE_NONE && has_texts(map))
			*at = hoy_template_value_text("");
		return 0;
	}
	if (at->type == VALUE_NIL || at->type == VALUE_NONE)
		return hoy_err_invalid(run->err, "index of untyped nil");
	if (at->type != VALUE_TREE && at->type != VALUE_STRING)
		return hoy_err_invalid(run->err, "can't index item of type %s", hoy_template_value_type(at));
	if (key->type != VALUE_INT)
		return hoy_err_invalid(run->err, "cannot index slice/array with type %s", hoy_template_value_type(key));
	if (key->number < 0 ||
		(uint64_t) key->number >= (at->type == VALUE_TREE ? hoy_json_len(at->tree) : strlen(at->string)))
		return hoy_err_invalid(run->err, "index out of range: %lld", (long long) key->number);
	if (at->type == VALUE_TREE)
		*at = hoy_template_value_of(nth(at->tree, key->number));
	else
		set_int(at, (unsigned char) at->string[key->number]);
	return 0;
}

static int call_index(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	value_t at = args[0];

	for (size_t i = 1; i < n; i++) {
		int r = index_one(run, &args[i], &at);

		if (r < 0)
			return r;
	}
	*ret = at;
	return 0;
}

static int slice_list(run_t *run, const struct hoy_json *list, int64_t from, int64_t to, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	const struct hoy_json *at = nth(list, from);

	hoy_json_array(&w, NULL);
	for (int64_t i = from; i < to && at; i++, at = hoy_json_next(at))
		hoy_json_add_value(&w, NULL, at);
	hoy_json_end(&w);
	return hoy_template_keep_tree(run, &text, ret);
}

static int call_slice(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	bool text = args->type == VALUE_STRING;
	int64_t len, from = 0, to;

	if (!text && (args->type != VALUE_TREE || hoy_json_type(args->tree) != HOY_JSON_ARRAY))
		return hoy_err_invalid(run->err, "can't slice item of type %s", hoy_template_value_type(args));
	len = to = text ? (int64_t) strlen(args->string) : (int64_t) hoy_json_len(args->tree);
	for (size_t i = 1; i < n; i++) {
		int r = want_int(run, &args[i]);

		if (r < 0)
			return r;
		if (args[i].number < 0 || args[i].number > len)
			return hoy_err_invalid(run->err, "index out of range: %lld", (long long) args[i].number);
		if (i == 1)
			from = args[i].number;
		else if (i == 2)
			to = args[i].number;
	}
	if (from > to)
		return hoy_err_invalid(run->err, "invalid slice index: %lld > %lld", (long long) from, (long long) to);
	if (text)
		return hoy_template_keep(run, strndup(args->string + from, (size_t) (to - from)), ret);
	return slice_list(run, args->tree, from, to, ret);
}

static int call_split(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	const char *at, *sep;
	size_t len;
	int r = want_string(run, &args[0]);

	(void) n;
	if (r == 0)
		r = want_string(run, &args[1]);
	if (r < 0)
		return r;
	if (run->options->heads) {
		*ret = args[0];
		return 0;
	}
	at = args[0].string;
	sep = args[1].string;
	len = strlen(sep);
	hoy_json_array(&w, NULL);
	while (len || *at) {
		const char *next = len ? strstr(at, sep) : at + MAX(hoy_utf8_char_len(at, strlen(at)), (size_t) 1);
		size_t part = next ? (size_t) (next - at) : strlen(at);

		hoy_json_add_stringn(&w, NULL, at, part);
		if (!next)
			break;
		at = next + len;
	}
	hoy_json_end(&w);
	return hoy_template_keep_tree(run, &text, ret);
}

static int call_join(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	bool first = true;

	(void) n;
	if (run->options->heads || args->type == VALUE_NIL || args->type == VALUE_NONE) {
		*ret = args->type == VALUE_STRING ? args[0] : hoy_template_value_text("");
		return 0;
	}
	if (args->type != VALUE_TREE || hoy_json_type(args->tree) != HOY_JSON_ARRAY)
		return hoy_err_invalid(
			run->err, "wrong type for value; expected []string; got %s", hoy_template_value_type(args));
	if (want_string(run, &args[1]) < 0)
		return -EINVAL;
	hoy_json_each(entry, args->tree)
	{
		value_t value = hoy_template_value_of(entry);

		if (!first)
			(void) hoy_buf_adds(&text, args[1].string);
		first = false;
		hoy_template_value_print(&value, /* inside= */ true, &text);
	}
	return keep_buf(run, &text, ret);
}

/* --- texts ------------------------------------------------------------------- */

/* Letters of ASCII; others stay as they are. `title`: the first of each word. */
static int change_case(run_t *run, const value_t *arg, int (*change)(int), bool title, value_t *ret)
{
	char *text;
	int r = want_string(run, arg);

	if (r < 0)
		return r;
	text = strdup(arg->string);
	for (char *c = run->options->heads ? NULL : text; c && *c; c++)
		if (!title || c == text || isspace((unsigned char) c[-1]))
			*c = (unsigned char) *c < 0x80 ? (char) change((unsigned char) *c) : *c;
	return hoy_template_keep(run, text, ret);
}

static int call_lower(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return change_case(run, args, tolower, /* title= */ false, ret);
}

static int call_upper(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return change_case(run, args, toupper, /* title= */ false, ret);
}

static int call_title(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	(void) n;
	return change_case(run, args, toupper, /* title= */ true, ret);
}

#define PAD_MAX 10000

static int call_pad(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	int r = want_string(run, &args[0]);

	(void) n;
	if (r == 0)
		r = want_int(run, &args[1]);
	if (r == 0)
		r = want_int(run, &args[2]);
	if (r < 0)
		return r;
	if (args[1].number < 0 || args[2].number < 0 || args[1].number > PAD_MAX || args[2].number > PAD_MAX)
		return hoy_err_invalid(run->err, "negative or too large repeat count");
	if (run->options->heads || !*args[0].string) {
		*ret = args[0];
		return 0;
	}
	return hoy_template_keep(run,
		hoy_str_printf("%*s%s%*s", (int) args[1].number, "", args[0].string, (int) args[2].number, ""), ret);
}

static int call_truncate(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	const char *end;
	int r = want_string(run, &args[0]);

	(void) n;
	if (r == 0)
		r = want_int(run, &args[1]);
	if (r < 0)
		return r;
	end = args[0].string;
	for (int64_t i = 0; *end && (run->options->heads || i < args[1].number); i++)
		end += MAX(hoy_utf8_char_len(end, strlen(end)), (size_t) 1);
	return hoy_template_keep(run, strndup(args[0].string, (size_t) (end - args[0].string)), ret);
}

/* Rows of docker's lists come through Go's own writer, which escapes what is special in HTML. */
static int json_of_row(run_t *run, const struct hoy_json *row, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, escaped = {};
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_add_value(&w, NULL, row);
	for (const char *c = text.data ? text.data : ""; *c; c++) {
		if (strchr("<>&", *c))
			(void) hoy_buf_addf(&escaped, "\\u%04x", (unsigned int) *c);
		else
			(void) hoy_buf_addc(&escaped, *c);
	}
	return keep_buf(run, &escaped, ret);
}

static int call_json(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	(void) n;
	switch (args->type) {
	case VALUE_STRING:
		if (run->options->heads) {
			*ret = args[0];
			return 0;
		}
		hoy_json_add_string(&w, NULL, args->string);
		break;
	case VALUE_TREE:
		if (args->tree == run->data && run->options->as_json)
			return json_of_row(run, run->options->as_json, ret);
		hoy_json_add_value(&w, NULL, args->tree);
		break;
	case VALUE_NIL:
	case VALUE_NONE:
		hoy_json_add_null(&w, NULL);
		break;
	default:
		hoy_template_value_print(args, /* inside= */ true, &text);
		break;
	}
	return keep_buf(run, &text, ret);
}

/* Go's Sprint: a space between operands when neither is a string. */
static int call_print(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	for (size_t i = 0; i < n; i++) {
		if (i && args[i].type != VALUE_STRING && args[i - 1].type != VALUE_STRING)
			(void) hoy_buf_addc(&text, ' ');
		hoy_template_value_print(&args[i], /* inside= */ true, &text);
	}
	return keep_buf(run, &text, ret);
}

static int call_println(run_t *run, const value_t *args, size_t n, value_t *ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	for (size_t i = 0; i < n; i++) {
		if (i)
			(void) hoy_buf_addc(&text, ' ');
		hoy_template_value_print(&args[i], /* inside= */ true, &text);
	}
	(void) hoy_buf_addc(&text, '\n');
	return keep_buf(run, &text, ret);
}

#define MANY HOY_TEMPLATE_MAX_ARGS

const struct hoy_template_function *hoy_template_function_find(const char *name)
{
	static const struct hoy_template_function functions[] = {
		{ "and", 1, MANY, call_last },
		{ "eq", 2, MANY, call_eq },
		{ "ge", 2, 2, call_ge },
		{ "gt", 2, 2, call_gt },
		{ "index", 1, MANY, call_index },
		{ "join", 2, 2, call_join },
		{ "json", 1, 1, call_json },
		{ "le", 2, 2, call_le },
		{ "len", 1, 1, call_len },
		{ "lower", 1, 1, call_lower },
		{ "lt", 2, 2, call_lt },
		{ "ne", 2, 2, call_ne },
		{ "not", 1, 1, call_not },
		{ "or", 1, MANY, call_last },
		{ "pad", 3, 3, call_pad },
		{ "print", 0, MANY, call_print },
		{ "printf", 1, MANY, hoy_template_printf },
		{ "println", 0, MANY, call_println },
		{ "slice", 1, 3, call_slice },
		{ "split", 2, 2, call_split },
		{ "title", 1, 1, call_title },
		{ "truncate", 2, 2, call_truncate },
		{ "upper", 1, 1, call_upper },
	};

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}
