/* Field tables, writing: structs to JSON text, members in the order of the table, absent ones left out. */
#include "libocispec/field_internal.h"

/* A list or map that has no memory: left out, or written as the flags want it. */
static void write_absent(const struct hoy_field *field, struct hoy_json_writer *w)
{
	bool is_list = field->kind == HOY_KIND_STRV || field->kind == HOY_KIND_OBJECTS ||
		       field->kind == HOY_KIND_U32S || field->kind == HOY_KIND_ENUMS;

	if (field->flags & HOY_FIELD_EMPTY_LIST)
		hoy_json_add_raw(w, field->name, is_list ? "[]" : "{}");
	else if (field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED))
		hoy_json_add_null(w, field->name);
}

static void write_text(const struct hoy_field *field, const char *text, struct hoy_json_writer *w)
{
	bool always = field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED);

	if (always)
		hoy_json_add_string(w, field->name, text ? text : "");
	else if (text && (*text || !(field->flags & HOY_FIELD_OMIT_EMPTY)))
		hoy_json_add_string(w, field->name, text);
}

static void write_signed(const struct hoy_field *field, int64_t number, struct hoy_json_writer *w)
{
	if (number || (field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED)))
		hoy_json_add_i64(w, field->name, number);
}

static void write_unsigned(const struct hoy_field *field, uint64_t number, struct hoy_json_writer *w)
{
	if (number || (field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED)))
		hoy_json_add_u64(w, field->name, number);
}

/* Members that point to one number or bool; they are there when the pointer is. */
static void write_pointee(const struct hoy_field *field, const void *value, struct hoy_json_writer *w)
{
	if (!value)
		return;
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_BOOL_PTR:
		hoy_json_add_bool(w, field->name, *(const bool *) value);
		break;
	case HOY_KIND_I32_PTR:
		hoy_json_add_i64(w, field->name, *(const int32_t *) value);
		break;
	case HOY_KIND_I64_PTR:
		hoy_json_add_i64(w, field->name, *(const int64_t *) value);
		break;
	case HOY_KIND_U16_PTR:
		hoy_json_add_u64(w, field->name, *(const uint16_t *) value);
		break;
	case HOY_KIND_U32_PTR:
		hoy_json_add_u64(w, field->name, *(const uint32_t *) value);
		break;
	default:
		hoy_json_add_u64(w, field->name, *(const uint64_t *) value);
		break;
	}
}

static void write_enum(const struct hoy_field *field, int value, struct hoy_json_writer *w)
{
	const char *name = hoy_enum_to_string(field->values, value);

	if (name)
		hoy_json_add_string(w, field->name, name);
	else if (field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED))
		hoy_json_add_string(w, field->name, "");
}

static void write_strv(const struct hoy_field *field, char *const *strings, struct hoy_json_writer *w)
{
	if (!strings)
		write_absent(field, w);
	else if (*strings || !(field->flags & HOY_FIELD_OMIT_EMPTY))
		hoy_json_add_strv(w, field->name, strings);
}

static void write_keys(const struct hoy_field *field, char *const *keys, struct hoy_json_writer *w)
{
	if (!keys) {
		write_absent(field, w);
		return;
	}
	if (!*keys && (field->flags & HOY_FIELD_OMIT_EMPTY))
		return;
	hoy_json_object(w, field->name);
	for (; *keys; keys++)
		hoy_json_add_raw(w, *keys, "{}");
	hoy_json_end(w);
}

static void write_element(const struct hoy_field *field, const void *element, struct hoy_json_writer *w)
{
	const struct hoy_oci_kv *pair = element;

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_U32S:
		hoy_json_add_u64(w, NULL, *(const uint32_t *) element);
		break;
	case HOY_KIND_ENUMS:
		hoy_json_add_string(w, NULL, hoy_enum_to_string(field->values, *(const int *) element));
		break;
	case HOY_KIND_KV:
		hoy_json_add_string(w, pair->key, pair->value);
		break;
	case HOY_KIND_OBJECT_MAP:
		hoy_field_write(field->object, element, w, *(char *const *) element);
		break;
	default:
		hoy_field_write(field->object, element, w, NULL);
		break;
	}
}

static void write_list(const struct hoy_field *field, const void *base, struct hoy_json_writer *w)
{
	const char *element = FIELD_VALUE(char *const, field, base);
	size_t n = FIELD_COUNT(field, base), size = hoy_field_element_size(field);

	if (!element) {
		write_absent(field, w);
		return;
	}
	if (!n && (field->flags & HOY_FIELD_OMIT_EMPTY))
		return;
	if (field->kind == HOY_KIND_KV || field->kind == HOY_KIND_OBJECT_MAP)
		hoy_json_object(w, field->name);
	else
		hoy_json_array(w, field->name);
	for (size_t i = 0; i < n; i++)
		write_element(field, element + i * size, w);
	hoy_json_end(w);
}

static void write_field(const struct hoy_field *field, const void *base, struct hoy_json_writer *w)
{
	const char *raw;

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_STRING:
		write_text(field, FIELD_VALUE(const char *const, field, base), w);
		break;
	case HOY_KIND_STRV:
		write_strv(field, FIELD_VALUE(char **const, field, base), w);
		break;
	case HOY_KIND_BOOL:
		if (FIELD_VALUE(const bool, field, base) || (field->flags & (HOY_FIELD_ALWAYS | HOY_FIELD_REQUIRED)))
			hoy_json_add_bool(w, field->name, FIELD_VALUE(const bool, field, base));
		break;
	case HOY_KIND_I32:
		write_signed(field, FIELD_VALUE(const int32_t, field, base), w);
		break;
	case HOY_KIND_I64:
		write_signed(field, FIELD_VALUE(const int64_t, field, base), w);
		break;
	case HOY_KIND_U32:
		write_unsigned(field, FIELD_VALUE(const uint32_t, field, base), w);
		break;
	case HOY_KIND_U64:
		write_unsigned(field, FIELD_VALUE(const uint64_t, field, base), w);
		break;
	case HOY_KIND_BOOL_PTR:
	case HOY_KIND_I32_PTR:
	case HOY_KIND_I64_PTR:
	case HOY_KIND_U16_PTR:
	case HOY_KIND_U32_PTR:
	case HOY_KIND_U64_PTR:
		write_pointee(field, FIELD_VALUE(void *const, field, base), w);
		break;
	case HOY_KIND_ENUM:
		write_enum(field, FIELD_VALUE(const int, field, base), w);
		break;
	case HOY_KIND_KEYS:
		write_keys(field, FIELD_VALUE(char **const, field, base), w);
		break;
	case HOY_KIND_U32S:
	case HOY_KIND_ENUMS:
	case HOY_KIND_KV:
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		write_list(field, base, w);
		break;
	case HOY_KIND_OBJECT:
		hoy_field_write(field->object, (const char *) base + field->offset, w, field->name);
		break;
	case HOY_KIND_OBJECT_PTR:
		if (FIELD_VALUE(void *const, field, base))
			hoy_field_write(field->object, FIELD_VALUE(void *const, field, base), w, field->name);
		else if (field->flags & HOY_FIELD_ALWAYS)
			hoy_json_add_null(w, field->name);
		break;
	case HOY_KIND_RAW:
		raw = FIELD_VALUE(const char *const, field, base);
		if (raw)
			hoy_json_add_raw(w, field->name, raw);
		break;
	case HOY_KIND_DROP:
		break;
	}
}

void hoy_field_write(const struct hoy_object *object, const void *value, struct hoy_json_writer *w, const char *key)
{
	hoy_json_object(w, key);
	for (size_t i = 0; i < object->n_fields; i++)
		write_field(&object->fields[i], value, w);
	hoy_json_end(w);
}

int hoy_field_print(const struct hoy_object *object, const void *value, struct hoy_buf *buf, unsigned int indent,
	struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = buf, .indent = indent };

	hoy_field_write(object, value, &w, NULL);
	return hoy_buf_check(buf, object->what ? object->what : "document", err);
}
