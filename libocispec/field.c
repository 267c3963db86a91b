/*
 * Field tables, reading: JSON values into structs, with strict types and the path of what is wrong. What happens to a
 * struct afterwards (free, copy, check, list) is in field_value.c, printing in field_print.c.
 */
#include "libocispec/field.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "libocispec/field_internal.h"

#define MAX_FIELDS 256
#define MAX_UNKNOWN 100

struct reader {
	const struct hoy_field_options *options;
	struct hoy_err *err;
};

static int read_object(struct reader *rd, const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_path *at, void *into);

/* --- errors ------------------------------------------------------------------------------------------------ */

static const char *with_article(enum hoy_json_type type)
{
	static const char *const names[] = { "null", "a boolean", "a number", "a string", "a list", "an object" };

	return names[type];
}

HOY_PRINTF(3, 4)
static int refuse(struct reader *rd, const struct hoy_field_path *at, const char *fmt, ...)
{
	char path[HOY_FIELD_PATH_MAX], text[400];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!*hoy_field_path_text(at, path))
		return hoy_err_invalid(rd->err, "%s", text);
	return hoy_err_invalid(rd->err, "%s: %s", path, text);
}

static int expect(
	struct reader *rd, const struct hoy_json *value, enum hoy_json_type type, const struct hoy_field_path *at)
{
	if (hoy_json_type(value) == type)
		return 0;
	return refuse(rd, at, "expected %s, got %s", with_article(type), with_article(hoy_json_type(value)));
}

/* --- scalars ----------------------------------------------------------------------------------------------- */

static int read_string(struct reader *rd, const struct hoy_json *value, const struct hoy_field_path *at, char **ret)
{
	int r = expect(rd, value, HOY_JSON_STRING, at);

	if (r < 0)
		return r;
	*ret = strdup(hoy_json_string(value));
	return *ret ? 0 : hoy_err_oom(rd->err);
}

static int number_error(struct reader *rd, const struct hoy_json *value, const struct hoy_field_path *at, int code)
{
	const char *text = hoy_json_number_text(value);

	if (code == -ERANGE)
		return refuse(rd, at, "%.40s is out of range", text);
	return refuse(rd, at, "%.40s is not an integer", text);
}

static int read_signed(struct reader *rd, const struct hoy_json *value, const struct hoy_field_path *at, int64_t min,
	int64_t max, int64_t *ret)
{
	int64_t number;
	int r = expect(rd, value, HOY_JSON_NUMBER, at);

	if (r < 0)
		return r;
	r = hoy_json_to_i64(value, &number);
	if (r == 0 && (number < min || number > max))
		r = -ERANGE;
	if (r < 0)
		return number_error(rd, value, at, r);
	*ret = number;
	return 0;
}

static int read_unsigned(
	struct reader *rd, const struct hoy_json *value, const struct hoy_field_path *at, uint64_t max, uint64_t *ret)
{
	uint64_t number;
	int r = expect(rd, value, HOY_JSON_NUMBER, at);

	if (r < 0)
		return r;
	r = hoy_json_to_u64(value, &number);
	if (r == 0 && number > max)
		r = -ERANGE;
	if (r < 0)
		return number_error(rd, value, at, r);
	*ret = number;
	return 0;
}

static int note_unknown(struct reader *rd, const struct hoy_field_path *at)
{
	char path[HOY_FIELD_PATH_MAX];

	if (!rd->options || !rd->options->unknown || hoy_strv_len(*rd->options->unknown) >= MAX_UNKNOWN)
		return 0;
	if (hoy_strv_add(rd->options->unknown, hoy_field_path_text(at, path)) < 0)
		return hoy_err_oom(rd->err);
	return 0;
}

/* "" is absent, *ret 0; as an element of a list it is unknown. */
static int read_enum(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, int *ret)
{
	const char *name;
	int r = expect(rd, value, HOY_JSON_STRING, at);

	if (r < 0)
		return r;
	*ret = 0;
	name = hoy_json_string(value);
	if (!*name && field->kind == HOY_KIND_ENUM && !(field->flags & HOY_FIELD_REQUIRED))
		return 0;
	r = hoy_enum_from_string(field->values, name);
	if (r < 0)
		return refuse(rd, at, "unknown value \"%.100s\"", name);
	*ret = r;
	return 0;
}

static int read_raw(struct reader *rd, const struct hoy_json *value, char **ret)
{
	struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_add_value(&w, NULL, value);
	*ret = hoy_buf_take(&buf);
	return *ret ? 0 : hoy_err_oom(rd->err);
}

/* A number or bool of a pointer member is read into `number` first and then moved to the heap. */
union number {
	bool boolean;
	uint16_t u16;
	int32_t i32;
	uint32_t u32;
	int64_t i64;
	uint64_t u64;
};

static int read_number(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, union number *ret)
{
	uint64_t u = 0;
	int64_t i = 0;
	int r;

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_BOOL:
	case HOY_KIND_BOOL_PTR:
		r = expect(rd, value, HOY_JSON_BOOL, at);
		ret->boolean = hoy_json_bool(value);
		return r;
	case HOY_KIND_I32:
	case HOY_KIND_I32_PTR:
		r = read_signed(rd, value, at, INT32_MIN, INT32_MAX, &i);
		ret->i32 = (int32_t) i;
		return r;
	case HOY_KIND_I64:
	case HOY_KIND_I64_PTR:
		r = read_signed(rd, value, at, INT64_MIN, INT64_MAX, &i);
		ret->i64 = i;
		return r;
	case HOY_KIND_U16_PTR:
		r = read_unsigned(rd, value, at, UINT16_MAX, &u);
		ret->u16 = (uint16_t) u;
		return r;
	case HOY_KIND_U32:
	case HOY_KIND_U32_PTR:
		r = read_unsigned(rd, value, at, UINT32_MAX, &u);
		ret->u32 = (uint32_t) u;
		return r;
	case HOY_KIND_U64:
	case HOY_KIND_U64_PTR:
		r = read_unsigned(rd, value, at, UINT64_MAX, &u);
		ret->u64 = u;
		return r;
	default:
		assert(!"not a number kind");
		return -EINVAL;
	}
}

static int read_plain(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base, size_t size)
{
	union number number = {};
	int r = read_number(rd, field, value, at, &number);

	if (r < 0)
		return r;
	memcpy((char *) base + field->offset, &number, size);
	return 0;
}

static int read_pointer(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	size_t size = hoy_field_pointee_size(field);
	union number number = {};
	void *copy;
	int r = read_number(rd, field, value, at, &number);

	if (r < 0)
		return r;
	copy = malloc(size);
	if (!copy)
		return hoy_err_oom(rd->err);
	memcpy(copy, &number, size);
	FIELD_VALUE(void *, field, base) = copy;
	return 0;
}

/* --- lists and maps ---------------------------------------------------------------------------------------- */

static int read_strv(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	bool single = (field->flags & HOY_FIELD_STRING_OK) && hoy_json_type(value) == HOY_JSON_STRING;
	char **strings;
	size_t i = 0;
	int r = single ? 0 : expect(rd, value, HOY_JSON_ARRAY, at);

	if (r < 0)
		return r;
	strings = calloc((single ? 1 : hoy_json_len(value)) + 1, sizeof *strings);
	if (!strings)
		return hoy_err_oom(rd->err);
	FIELD_VALUE(char **, field, base) = strings;
	if (single)
		return read_string(rd, value, at, strings);
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .index = i };

		r = read_string(rd, child, &here, &strings[i++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_keys(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	char **keys;
	size_t i = 0;
	int r = expect(rd, value, HOY_JSON_OBJECT, at);

	if (r < 0)
		return r;
	keys = calloc(hoy_json_len(value) + 1, sizeof *keys);
	if (!keys)
		return hoy_err_oom(rd->err);
	FIELD_VALUE(char **, field, base) = keys;
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .name = hoy_json_key(child) };

		r = hoy_json_type(child) == HOY_JSON_NULL ? 0 : expect(rd, child, HOY_JSON_OBJECT, &here);
		if (r < 0)
			return r;
		keys[i] = strdup(hoy_json_key(child));
		if (!keys[i++])
			return hoy_err_oom(rd->err);
	}
	return 0;
}

/* The zeroed memory of a list; an empty one has memory too, which tells it from an absent one. */
static void *list_alloc(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value, void *base)
{
	size_t n = hoy_json_len(value);
	void *list = calloc(n ? n : 1, hoy_field_element_size(field));

	if (!list) {
		hoy_err_oom(rd->err);
		return NULL;
	}
	FIELD_VALUE(void *, field, base) = list;
	FIELD_COUNT(field, base) = n;
	return list;
}

static int read_pairs(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	struct hoy_oci_kv *pairs;
	size_t i = 0;
	int r = expect(rd, value, HOY_JSON_OBJECT, at);

	if (r < 0)
		return r;
	pairs = list_alloc(rd, field, value, base);
	if (!pairs)
		return -ENOMEM;
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .name = hoy_json_key(child) };

		r = read_string(rd, child, &here, &pairs[i].value);
		if (r < 0)
			return r;
		pairs[i].key = strdup(hoy_json_key(child));
		if (!pairs[i++].key)
			return hoy_err_oom(rd->err);
	}
	return 0;
}

/* Lists of numbers and of enum values: four bytes each. */
static int read_words(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	size_t i = 0;
	uint32_t *words;
	int r = expect(rd, value, HOY_JSON_ARRAY, at);

	if (r < 0)
		return r;
	words = list_alloc(rd, field, value, base);
	if (!words)
		return -ENOMEM;
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .index = i++ };
		uint64_t number = 0;
		int choice = 0;

		if (field->kind == HOY_KIND_ENUMS) {
			r = read_enum(rd, field, child, &here, &choice);
			number = (uint64_t) choice;
		} else {
			r = read_unsigned(rd, child, &here, UINT32_MAX, &number);
		}
		if (r < 0)
			return r;
		words[here.index] = (uint32_t) number;
	}
	return 0;
}

static int read_objects(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	bool is_map = field->kind == HOY_KIND_OBJECT_MAP;
	char *element;
	size_t i = 0;
	int r = expect(rd, value, is_map ? HOY_JSON_OBJECT : HOY_JSON_ARRAY, at);

	if (r < 0)
		return r;
	element = list_alloc(rd, field, value, base);
	if (!element)
		return -ENOMEM;
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .name = hoy_json_key(child), .index = i++ };

		if (is_map) {
			*(char **) element = strdup(hoy_json_key(child));
			if (!*(char **) element)
				return hoy_err_oom(rd->err);
		}
		r = read_object(rd, field->object, child, &here, element);
		if (r < 0)
			return r;
		element += field->object->size;
	}
	return 0;
}

/* --- objects ----------------------------------------------------------------------------------------------- */

static int read_object_pointer(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	void **member = &FIELD_VALUE(void *, field, base);

	if (!*member)
		*member = calloc(1, field->object->size);
	if (!*member)
		return hoy_err_oom(rd->err);
	return read_object(rd, field->object, value, at, *member);
}

static int read_text(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	if ((field->flags & HOY_FIELD_OMIT_EMPTY) && hoy_json_type(value) == HOY_JSON_STRING &&
		!*hoy_json_string(value))
		return 0;
	return read_string(rd, value, at, &FIELD_VALUE(char *, field, base));
}

static int read_field(struct reader *rd, const struct hoy_field *field, const struct hoy_json *value,
	const struct hoy_field_path *at, void *base)
{
	if (field->kind != HOY_KIND_OBJECT && field->kind != HOY_KIND_OBJECT_PTR)
		hoy_field_clear(field, base);

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_STRING:
		return read_text(rd, field, value, at, base);
	case HOY_KIND_STRV:
		return read_strv(rd, field, value, at, base);
	case HOY_KIND_BOOL:
		return read_plain(rd, field, value, at, base, sizeof(bool));
	case HOY_KIND_I32:
	case HOY_KIND_U32:
		return read_plain(rd, field, value, at, base, sizeof(uint32_t));
	case HOY_KIND_I64:
	case HOY_KIND_U64:
		return read_plain(rd, field, value, at, base, sizeof(uint64_t));
	case HOY_KIND_BOOL_PTR:
	case HOY_KIND_I32_PTR:
	case HOY_KIND_I64_PTR:
	case HOY_KIND_U16_PTR:
	case HOY_KIND_U32_PTR:
	case HOY_KIND_U64_PTR:
		return read_pointer(rd, field, value, at, base);
	case HOY_KIND_ENUM:
		return read_enum(rd, field, value, at, &FIELD_VALUE(int, field, base));
	case HOY_KIND_U32S:
	case HOY_KIND_ENUMS:
		return read_words(rd, field, value, at, base);
	case HOY_KIND_KV:
		return read_pairs(rd, field, value, at, base);
	case HOY_KIND_KEYS:
		return read_keys(rd, field, value, at, base);
	case HOY_KIND_OBJECT:
		return read_object(rd, field->object, value, at, (char *) base + field->offset);
	case HOY_KIND_OBJECT_PTR:
		return read_object_pointer(rd, field, value, at, base);
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		return read_objects(rd, field, value, at, base);
	case HOY_KIND_RAW:
		return read_raw(rd, value, &FIELD_VALUE(char *, field, base));
	case HOY_KIND_DROP:
		return 0;
	}
	return 0;
}

/* Documents mostly have the order of the table: the search starts behind the field found before. */
static const struct hoy_field *find_field(
	const struct reader *rd, const struct hoy_object *object, const char *name, size_t from)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct hoy_field *field = &object->fields[(from + i) % object->n_fields];

		if (strcmp(field->name, name) == 0)
			return field;
	}
	if (rd->options && rd->options->any_case)
		for (size_t i = 0; i < object->n_fields; i++)
			if (strcasecmp(object->fields[i].name, name) == 0)
				return &object->fields[i];
	return NULL;
}

static int check_required(
	struct reader *rd, const struct hoy_object *object, const uint64_t *seen, const struct hoy_field_path *at)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct hoy_field_path here = { .parent = at, .name = object->fields[i].name };

		if ((object->fields[i].flags & HOY_FIELD_REQUIRED) && !(seen[i / 64] >> (i % 64) & 1))
			return refuse(rd, &here, "missing");
	}
	return 0;
}

static int read_object(struct reader *rd, const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_path *at, void *into)
{
	uint64_t seen[MAX_FIELDS / 64] = {};
	size_t next = 0;
	int r = expect(rd, value, HOY_JSON_OBJECT, at);

	assert(object->n_fields <= MAX_FIELDS);
	if (r < 0)
		return r;
	hoy_json_each(child, value)
	{
		const struct hoy_field_path here = { .parent = at, .name = hoy_json_key(child) };
		const struct hoy_field *field = find_field(rd, object, hoy_json_key(child), next);

		if (!field) {
			r = note_unknown(rd, &here);
			if (r < 0)
				return r;
			continue;
		}
		next = (size_t) (field - object->fields);
		if (hoy_json_type(child) == HOY_JSON_NULL)
			continue;
		if (seen[next / 64] >> (next % 64) & 1)
			return refuse(rd, &here, "given twice");
		seen[next / 64] |= UINT64_C(1) << (next % 64);
		r = read_field(rd, field, child, &here, into);
		if (r < 0)
			return r;
		next++;
	}
	return check_required(rd, object, seen, at);
}

/* --- entry points ------------------------------------------------------------------------------------------ */

int hoy_field_merge(const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_options *options, void *into, struct hoy_err *err)
{
	struct reader rd = { .options = options, .err = err };

	return read_object(&rd, object, value, /* at= */ NULL, into);
}

int hoy_field_parse_value(const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_path *at, const struct hoy_field_options *options, void **ret, struct hoy_err *err)
{
	struct reader rd = { .options = options, .err = err };
	void *into = calloc(1, object->size);
	int r;

	if (!into)
		return hoy_err_oom(err);
	r = read_object(&rd, object, value, at, into);
	if (r < 0) {
		hoy_field_free(object, into);
		return r;
	}
	*ret = into;
	return 0;
}

int hoy_field_parse(const struct hoy_object *object, const char *text, size_t len,
	const struct hoy_field_options *options, void **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = hoy_json_parse(text, len, options ? options->limits : NULL, &doc, err);

	if (r < 0)
		return r;
	return hoy_field_parse_value(object, doc, /* at= */ NULL, options, ret, err);
}
