/* The values of a template: what they are in JSON, when they are true, how Go prints them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/cli/template_internal.h"

struct hoy_template_value hoy_template_value_text(const char *text)
{
	return (struct hoy_template_value){ .type = VALUE_STRING, .string = text };
}

static struct hoy_template_value number_of(const struct hoy_json *json)
{
	struct hoy_template_value value = { .type = VALUE_INT };

	if (hoy_json_to_i64(json, &value.number) == 0)
		return value;
	value.type = VALUE_FLOAT;
	if (hoy_json_to_double(json, &value.decimal) < 0)
		value.decimal = NAN;
	return value;
}

struct hoy_template_value hoy_template_value_of(const struct hoy_json *json)
{
	if (!json)
		return (struct hoy_template_value){ .type = VALUE_NONE };
	switch (hoy_json_type(json)) {
	case HOY_JSON_NULL:
		return (struct hoy_template_value){ .type = VALUE_NIL };
	case HOY_JSON_BOOL:
		return (struct hoy_template_value){ .type = VALUE_BOOL, .boolean = hoy_json_bool(json) };
	case HOY_JSON_NUMBER:
		return number_of(json);
	case HOY_JSON_STRING:
		return hoy_template_value_text(hoy_json_string(json));
	default:
		return (struct hoy_template_value){ .type = VALUE_TREE, .tree = json };
	}
}

bool hoy_template_value_true(const struct hoy_template_value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_INT:
		return v->number != 0;
	case VALUE_FLOAT:
		return v->decimal != 0;
	case VALUE_STRING:
		return *v->string != '\0';
	case VALUE_TREE:
		return hoy_json_first(v->tree) != NULL;
	default:
		return false;
	}
}

const char *hoy_template_value_type(const struct hoy_template_value *v)
{
	switch (v->type) {
	case VALUE_BOOL:
		return "bool";
	case VALUE_INT:
		return "int";
	case VALUE_FLOAT:
		return "float64";
	case VALUE_STRING:
		return "string";
	case VALUE_TREE:
		return hoy_json_type(v->tree) == HOY_JSON_ARRAY ? "[]interface {}" : "map[string]interface {}";
	default:
		return "nil";
	}
}

/* The shortest digits that read back as the same number; an exponent below 1e-4 and from 1e21 on, as Go's %v. */
void hoy_template_float_print(double value, struct hoy_buf *out)
{
	char text[64];
	int precision = 1;
	double size = fabs(value);

	if (isnan(value) || isinf(value)) {
		(void) hoy_buf_adds(out, isnan(value) ? "NaN" : value < 0 ? "-Inf" : "+Inf");
		return;
	}
	do
		(void) snprintf(text, sizeof text, "%.*e", precision - 1, value);
	while (strtod(text, NULL) != value && ++precision <= 17);
	if (size == 0 || (size >= 1e-4 && size < 1e21)) {
		int exponent = (int) strtol(strchr(text, 'e') + 1, NULL, 10);
		int decimals = precision - 1 - exponent;

		(void) hoy_buf_addf(out, "%.*f", decimals > 0 ? decimals : 0, value);
	} else {
		(void) hoy_buf_adds(out, text);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct hoy_json *const *x = a, *const *y = b;

	return strcmp(hoy_json_key(*x), hoy_json_key(*y));
}

static void print_map(const struct hoy_json *map, struct hoy_buf *out)
{
	size_t n = 0;
	auto_free const struct hoy_json **members = calloc(hoy_json_len(map) + 1, sizeof *members);

	if (!members)
		return;
	hoy_json_each(member, map) members[n++] = member;
	qsort(members, n, sizeof *members, by_key);
	(void) hoy_buf_adds(out, "map[");
	for (size_t i = 0; i < n; i++) {
		struct hoy_template_value value = hoy_template_value_of(members[i]);

		(void) hoy_buf_addf(out, "%s%s:", i ? " " : "", hoy_json_key(members[i]));
		hoy_template_value_print(&value, /* inside= */ true, out);
	}
	(void) hoy_buf_addc(out, ']');
}

static void print_list(const struct hoy_json *list, struct hoy_buf *out)
{
	bool first = true;

	(void) hoy_buf_addc(out, '[');
	hoy_json_each(entry, list)
	{
		struct hoy_template_value value = hoy_template_value_of(entry);

		if (!first)
			(void) hoy_buf_addc(out, ' ');
		first = false;
		hoy_template_value_print(&value, /* inside= */ true, out);
	}
	(void) hoy_buf_addc(out, ']');
}

void hoy_template_value_print(const struct hoy_template_value *v, bool inside, struct hoy_buf *out)
{
	switch (v->type) {
	case VALUE_BOOL:
		(void) hoy_buf_adds(out, v->boolean ? "true" : "false");
		break;
	case VALUE_INT:
		(void) hoy_buf_addf(out, "%lld", (long long) v->number);
		break;
	case VALUE_FLOAT:
		hoy_template_float_print(v->decimal, out);
		break;
	case VALUE_STRING:
		(void) hoy_buf_adds(out, v->string);
		break;
	case VALUE_TREE:
		if (hoy_json_type(v->tree) == HOY_JSON_ARRAY)
			print_list(v->tree, out);
		else
			print_map(v->tree, out);
		break;
	default:
		(void) hoy_buf_adds(out, inside ? "<nil>" : "<no value>");
		break;
	}
}
