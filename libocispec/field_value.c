/* Field tables, values: freeing, copying and checking structs, walking the tables, building documents in code. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/field_internal.h"

/* --- enumerations ------------------------------------------------------------------------------------------ */

const char *hoy_enum_to_string(const struct hoy_enum *e, int value)
{
	return value > 0 && (size_t) value < e->n ? e->names[value] : NULL;
}

int hoy_enum_from_string(const struct hoy_enum *e, const char *name)
{
	for (size_t i = 1; i < e->n; i++)
		if (e->names[i] && strcmp(e->names[i], name) == 0)
			return (int) i;
	return -EINVAL;
}

/* --- sizes ------------------------------------------------------------------------------------------------- */

size_t hoy_field_pointee_size(const struct hoy_field *field)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_BOOL_PTR:
		return sizeof(bool);
	case HOY_KIND_U16_PTR:
		return sizeof(uint16_t);
	case HOY_KIND_I32_PTR:
	case HOY_KIND_U32_PTR:
		return sizeof(uint32_t);
	case HOY_KIND_I64_PTR:
	case HOY_KIND_U64_PTR:
		return sizeof(uint64_t);
	default:
		return 0;
	}
}

size_t hoy_field_element_size(const struct hoy_field *field)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_U32S:
	case HOY_KIND_ENUMS:
		return sizeof(uint32_t);
	case HOY_KIND_KV:
		return sizeof(struct hoy_oci_kv);
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		return field->object->size;
	default:
		return 0;
	}
}

/* --- freeing ----------------------------------------------------------------------------------------------- */

static void free_elements(const struct hoy_field *field, void *list, size_t n)
{
	char *element = list;

	for (size_t i = 0; list && i < n; i++, element += hoy_field_element_size(field)) {
		if (field->kind == HOY_KIND_KV) {
			free(((struct hoy_oci_kv *) element)->key);
			free(((struct hoy_oci_kv *) element)->value);
		}
		if (field->kind == HOY_KIND_OBJECT_MAP)
			free(*(char **) element);
		if (field->kind == HOY_KIND_OBJECTS || field->kind == HOY_KIND_OBJECT_MAP)
			hoy_field_done(field->object, element);
	}
	free(list);
}

void hoy_field_clear(const struct hoy_field *field, void *base)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_BOOL:
		FIELD_VALUE(bool, field, base) = false;
		break;
	case HOY_KIND_I32:
	case HOY_KIND_U32:
	case HOY_KIND_ENUM:
		FIELD_VALUE(uint32_t, field, base) = 0;
		break;
	case HOY_KIND_I64:
	case HOY_KIND_U64:
		FIELD_VALUE(uint64_t, field, base) = 0;
		break;
	case HOY_KIND_STRV:
	case HOY_KIND_KEYS:
		hoy_strv_free(FIELD_VALUE(char **, field, base));
		FIELD_VALUE(char **, field, base) = NULL;
		break;
	case HOY_KIND_STRING:
	case HOY_KIND_RAW:
	case HOY_KIND_BOOL_PTR:
	case HOY_KIND_I32_PTR:
	case HOY_KIND_I64_PTR:
	case HOY_KIND_U16_PTR:
	case HOY_KIND_U32_PTR:
	case HOY_KIND_U64_PTR:
		free(FIELD_VALUE(void *, field, base));
		FIELD_VALUE(void *, field, base) = NULL;
		break;
	case HOY_KIND_U32S:
	case HOY_KIND_ENUMS:
	case HOY_KIND_KV:
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		free_elements(field, FIELD_VALUE(void *, field, base), FIELD_COUNT(field, base));
		FIELD_VALUE(void *, field, base) = NULL;
		FIELD_COUNT(field, base) = 0;
		break;
	case HOY_KIND_OBJECT:
		hoy_field_done(field->object, (char *) base + field->offset);
		break;
	case HOY_KIND_OBJECT_PTR:
		hoy_field_free(field->object, FIELD_VALUE(void *, field, base));
		FIELD_VALUE(void *, field, base) = NULL;
		break;
	case HOY_KIND_DROP:
		break;
	}
}

void hoy_field_done(const struct hoy_object *object, void *value)
{
	for (size_t i = 0; i < object->n_fields; i++)
		hoy_field_clear(&object->fields[i], value);
}

void hoy_field_free(const struct hoy_object *object, void *value)
{
	if (!value)
		return;
	hoy_field_done(object, value);
	free(value);
}

/* --- copying ----------------------------------------------------------------------------------------------- */

static int copy_into(const struct hoy_object *object, const void *from, void *to);

static int copy_bytes(const struct hoy_field *field, const void *from, void *to, size_t size)
{
	const void *value = FIELD_VALUE(void *const, field, from);
	void *copy;

	if (!value)
		return 0;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, value, size);
	FIELD_VALUE(void *, field, to) = copy;
	return 0;
}

static int copy_strv(const struct hoy_field *field, const void *from, void *to)
{
	char *const *strings = FIELD_VALUE(char **const, field, from);

	if (!strings)
		return 0;
	FIELD_VALUE(char **, field, to) = hoy_strv_copy(strings);
	return FIELD_VALUE(char **, field, to) ? 0 : -ENOMEM;
}

static int copy_element(const struct hoy_field *field, const void *from, void *to)
{
	const struct hoy_oci_kv *pair = from;
	struct hoy_oci_kv *copy = to;

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_KV:
		copy->key = strdup(pair->key);
		copy->value = strdup(pair->value);
		return copy->key && copy->value ? 0 : -ENOMEM;
	case HOY_KIND_OBJECT_MAP:
		*(char **) to = strdup(*(char *const *) from);
		return *(char **) to ? copy_into(field->object, from, to) : -ENOMEM;
	case HOY_KIND_OBJECTS:
		return copy_into(field->object, from, to);
	default:
		memcpy(to, from, hoy_field_element_size(field));
		return 0;
	}
}

static int copy_list(const struct hoy_field *field, const void *from, void *to)
{
	const char *element = FIELD_VALUE(char *const, field, from);
	size_t n = FIELD_COUNT(field, from), size = hoy_field_element_size(field);
	char *copy;

	if (!element)
		return 0;
	copy = calloc(n ? n : 1, size);
	if (!copy)
		return -ENOMEM;
	FIELD_VALUE(void *, field, to) = copy;
	FIELD_COUNT(field, to) = n;
	for (size_t i = 0; i < n; i++)
		if (copy_element(field, element + i * size, copy + i * size) < 0)
			return -ENOMEM;
	return 0;
}

static int copy_field(const struct hoy_field *field, const void *from, void *to)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_BOOL:
		FIELD_VALUE(bool, field, to) = FIELD_VALUE(const bool, field, from);
		return 0;
	case HOY_KIND_I32:
	case HOY_KIND_U32:
	case HOY_KIND_ENUM:
		FIELD_VALUE(uint32_t, field, to) = FIELD_VALUE(const uint32_t, field, from);
		return 0;
	case HOY_KIND_I64:
	case HOY_KIND_U64:
		FIELD_VALUE(uint64_t, field, to) = FIELD_VALUE(const uint64_t, field, from);
		return 0;
	case HOY_KIND_STRING:
	case HOY_KIND_RAW:
		if (!FIELD_VALUE(const char *const, field, from))
			return 0;
		return copy_bytes(field, from, to, strlen(FIELD_VALUE(const char *const, field, from)) + 1);
	case HOY_KIND_STRV:
	case HOY_KIND_KEYS:
		return copy_strv(field, from, to);
	case HOY_KIND_BOOL_PTR:
	case HOY_KIND_I32_PTR:
	case HOY_KIND_I64_PTR:
	case HOY_KIND_U16_PTR:
	case HOY_KIND_U32_PTR:
	case HOY_KIND_U64_PTR:
		return copy_bytes(field, from, to, hoy_field_pointee_size(field));
	case HOY_KIND_U32S:
	case HOY_KIND_ENUMS:
	case HOY_KIND_KV:
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		return copy_list(field, from, to);
	case HOY_KIND_OBJECT:
		return copy_into(field->object, (const char *) from + field->offset, (char *) to + field->offset);
	case HOY_KIND_OBJECT_PTR:
		if (!FIELD_VALUE(void *const, field, from))
			return 0;
		FIELD_VALUE(void *, field, to) = hoy_field_copy(field->object, FIELD_VALUE(void *const, field, from));
		return FIELD_VALUE(void *, field, to) ? 0 : -ENOMEM;
	case HOY_KIND_DROP:
		return 0;
	}
	return 0;
}

static int copy_into(const struct hoy_object *object, const void *from, void *to)
{
	for (size_t i = 0; i < object->n_fields; i++)
		if (copy_field(&object->fields[i], from, to) < 0)
			return -ENOMEM;
	return 0;
}

void *hoy_field_copy(const struct hoy_object *object, const void *value)
{
	void *copy = calloc(1, object->size);

	if (copy && copy_into(object, value, copy) < 0) {
		hoy_field_free(object, copy);
		return NULL;
	}
	return copy;
}

/* --- checking ---------------------------------------------------------------------------------------------- */

static int validate_object(
	const struct hoy_object *object, const void *value, const struct hoy_field_path *at, struct hoy_err *err);

static int validate_list(
	const struct hoy_field *field, const void *base, const struct hoy_field_path *at, struct hoy_err *err)
{
	const char *element = FIELD_VALUE(char *const, field, base);

	for (size_t i = 0; element && i < FIELD_COUNT(field, base); i++, element += field->object->size) {
		const struct hoy_field_path here = { .parent = at,
			.name = field->kind == HOY_KIND_OBJECT_MAP ? *(char *const *) element : NULL,
			.index = i };
		int r = validate_object(field->object, element, &here, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int validate_field(
	const struct hoy_field *field, const void *base, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_field_path here = { .parent = at, .name = field->name };

	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_OBJECT:
		return validate_object(field->object, (const char *) base + field->offset, &here, err);
	case HOY_KIND_OBJECT_PTR:
		if (!FIELD_VALUE(void *const, field, base))
			return 0;
		return validate_object(field->object, FIELD_VALUE(void *const, field, base), &here, err);
	case HOY_KIND_OBJECTS:
	case HOY_KIND_OBJECT_MAP:
		return validate_list(field, base, &here, err);
	default:
		return 0;
	}
}

static bool is_absent(const struct hoy_field *field, const void *base)
{
	switch ((enum hoy_field_kind) field->kind) {
	case HOY_KIND_STRING:
	case HOY_KIND_STRV:
	case HOY_KIND_RAW:
	case HOY_KIND_KEYS:
	case HOY_KIND_OBJECT_PTR:
		return !FIELD_VALUE(void *const, field, base);
	case HOY_KIND_ENUM:
		return !FIELD_VALUE(const int, field, base);
	default:
		return false;
	}
}

/* What the parser has seen to; a document that was built in code may lack it. */
static int validate_required(
	const struct hoy_object *object, const void *value, const struct hoy_field_path *at, struct hoy_err *err)
{
	for (size_t i = 0; i < object->n_fields; i++)
		if ((object->fields[i].flags & HOY_FIELD_REQUIRED) && is_absent(&object->fields[i], value))
			return hoy_field_invalid(at, err, object->fields[i].name, "missing");
	return 0;
}

static int validate_object(
	const struct hoy_object *object, const void *value, const struct hoy_field_path *at, struct hoy_err *err)
{
	int r = validate_required(object, value, at, err);

	if (r >= 0 && object->check)
		r = object->check(value, at, err);
	for (size_t i = 0; r >= 0 && i < object->n_fields; i++)
		r = validate_field(&object->fields[i], value, at, err);
	return r;
}

int hoy_field_validate(const struct hoy_object *object, const void *value, struct hoy_err *err)
{
	return validate_object(object, value, /* at= */ NULL, err);
}

/* --- paths ------------------------------------------------------------------------------------------------- */

static size_t path_append(const struct hoy_field_path *at, char *buf, size_t size)
{
	size_t len;
	int n;

	if (!at)
		return 0;
	len = path_append(at->parent, buf, size);
	if (len >= size - 1)
		return len;
	if (at->name)
		n = snprintf(buf + len, size - len, "%s%s", len ? "." : "", at->name);
	else
		n = snprintf(buf + len, size - len, "[%zu]", at->index);
	return n < 0 || (size_t) n >= size - len ? size - 1 : len + (size_t) n;
}

const char *hoy_field_path_text(const struct hoy_field_path *at, char buf[HOY_FIELD_PATH_MAX])
{
	buf[0] = '\0';
	(void) path_append(at, buf, HOY_FIELD_PATH_MAX);
	return buf;
}

int hoy_field_invalid(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *fmt, ...)
{
	const struct hoy_field_path here = { .parent = at, .name = member };
	char path[HOY_FIELD_PATH_MAX], text[400];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!*hoy_field_path_text(member ? &here : at, path))
		return hoy_err_invalid(err, "%s", text);
	return hoy_err_invalid(err, "%s: %s", path, text);
}

/* --- walking the tables ------------------------------------------------------------------------------------ */

bool hoy_field_is_leaf(const struct hoy_field *field)
{
	return field->kind != HOY_KIND_OBJECT && field->kind != HOY_KIND_OBJECT_PTR &&
	       field->kind != HOY_KIND_OBJECTS && field->kind != HOY_KIND_OBJECT_MAP;
}

struct walker {
	void (*fn)(const char *path, const struct hoy_field *field, void *userdata);
	void *userdata;
};

static void walk(const struct hoy_object *object, const char *prefix, const struct walker *walker)
{
	for (size_t i = 0; i < object->n_fields; i++) {
		const struct hoy_field *field = &object->fields[i];
		char path[HOY_FIELD_PATH_MAX];
		const char *tail = "";

		(void) snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", field->name);
		walker->fn(path, field, walker->userdata);
		if (hoy_field_is_leaf(field))
			continue;
		if (field->kind == HOY_KIND_OBJECTS)
			tail = "[]";
		else if (field->kind == HOY_KIND_OBJECT_MAP)
			tail = ".*";
		(void) snprintf(path, sizeof path, "%s%s%s%s", prefix, *prefix ? "." : "", field->name, tail);
		walk(field->object, path, walker);
	}
}

void hoy_field_walk(const struct hoy_object *object,
	void (*fn)(const char *path, const struct hoy_field *field, void *userdata), void *userdata)
{
	walk(object, "", &(struct walker){ .fn = fn, .userdata = userdata });
}

/* --- building ---------------------------------------------------------------------------------------------- */

void *hoy_field_add_(void *list, size_t *count, size_t size)
{
	char *elements;

	elements = reallocarray(*(void **) list, *count + 1, size);
	if (!elements)
		return NULL;
	*(void **) list = elements;
	memset(elements + *count * size, 0, size);
	return elements + (*count)++ * size;
}

int hoy_oci_kv_add(struct hoy_oci_kv **list, size_t *count, const char *key, const char *value)
{
	auto_free char *key_copy = strdup(key), *value_copy = strdup(value);
	struct hoy_oci_kv *pair;

	if (!key_copy || !value_copy)
		return -ENOMEM;
	pair = hoy_field_add(list, count);
	if (!pair)
		return -ENOMEM;
	*pair = (struct hoy_oci_kv){ .key = TAKE_PTR(key_copy), .value = TAKE_PTR(value_copy) };
	return 0;
}

const char *hoy_oci_kv_get(const struct hoy_oci_kv *list, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].key, key) == 0)
			return list[i].value;
	return NULL;
}

int hoy_oci_kv_set(struct hoy_oci_kv **list, size_t *count, const char *key, const char *value)
{
	for (size_t i = 0; i < *count; i++) {
		char *copy;

		if (strcmp((*list)[i].key, key) != 0)
			continue;
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free((*list)[i].value);
		(*list)[i].value = copy;
		return 0;
	}
	return hoy_oci_kv_add(list, count, key, value);
}
