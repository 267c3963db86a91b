/* The canonical tree fills the structs of project.h, by the table's offsets. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/shape.h"
#include "supervisor/compose/shape_scalar.h"

/* What every object's struct begins with. */
struct object {
	const char *name;
	const struct hoy_node *node;
};

static int64_t to_int(const struct hoy_shape_field *field, const struct hoy_node *node)
{
	int64_t value = 0;

	switch (field->kind) {
	case HOY_SHAPE_DURATION:
	case HOY_SHAPE_DURATION_PTR:
		(void) hoy_shape_parse_duration(node->text, &value);
		return value;
	case HOY_SHAPE_MODE_PTR:
		return strtoll(node->text, NULL, 8);
	default:
		(void) hoy_str_to_i64(node->text, &value);
		return value;
	}
}

static int put_int_ptr(struct hoy_arena *arena, void *at, int64_t value)
{
	int64_t *copy = hoy_arena_alloc(arena, sizeof *copy);

	if (!copy)
		return -1;
	*copy = value;
	*(const int64_t **) at = copy;
	return 0;
}

static int put_bool_ptr(struct hoy_arena *arena, void *at, bool value)
{
	bool *copy = hoy_arena_alloc(arena, sizeof *copy);

	if (!copy)
		return -1;
	*copy = value;
	*(const bool **) at = copy;
	return 0;
}

static char **strings_of(struct hoy_arena *arena, const struct hoy_node *list)
{
	char **strings = hoy_arena_alloc(arena, (list->len + 2) * sizeof *strings);
	size_t n = 0;

	if (strings && list->type != HOY_NODE_LIST)
		strings[n++] = (char *) list->text;
	if (strings)
		hoy_node_each(item, list) strings[n++] = (char *) item->text;
	return strings;
}

static int put_pairs(struct hoy_arena *arena, void *at, const struct hoy_node *map)
{
	struct hoy_compose_pair *pairs = hoy_arena_alloc(arena, (map->len + 1) * sizeof *pairs);
	size_t n = 0;

	if (!pairs)
		return -1;
	hoy_node_each(value, map) pairs[n++] = (struct hoy_compose_pair){ value->key, value->text };
	*(struct hoy_compose_pair **) at = pairs;
	return 0;
}

static int put_multi(struct hoy_arena *arena, void *at, const struct hoy_node *map)
{
	struct hoy_compose_multi **list = hoy_arena_alloc(arena, (map->len + 1) * sizeof *list);
	size_t n = 0;

	if (!list)
		return -1;
	hoy_node_each(value, map)
	{
		struct hoy_compose_multi *one = hoy_arena_alloc(arena, sizeof *one);

		if (!one || !(one->values = strings_of(arena, value)))
			return -1;
		one->name = value->key;
		one->node = value;
		list[n++] = one;
	}
	*(struct hoy_compose_multi ***) at = list;
	return 0;
}

static void *new_object(
	struct hoy_arena *arena, const struct hoy_shape *shape, const struct hoy_node *node, struct hoy_err *err)
{
	struct object *object = hoy_arena_alloc(arena, shape->size);

	if (!object)
		return NULL;
	if (hoy_shape_decode(arena, shape, node, object, err) < 0)
		return NULL;
	object->name = node->key;
	return object;
}

static int put_objects(struct hoy_arena *arena, const struct hoy_shape_field *field, void *at,
	const struct hoy_node *node, struct hoy_err *err)
{
	void **list = hoy_arena_alloc(arena, (node->len + 1) * sizeof *list);
	size_t n = 0;

	if (!list)
		return -1;
	hoy_node_each(item, node)
	{
		/* With --no-interpolate an item may still be its short form. */
		if (item->type != HOY_NODE_MAP && item->type != HOY_NODE_NULL)
			continue;
		list[n] = new_object(arena, field->shape, item, err);
		if (!list[n++])
			return -1;
	}
	*(void ***) at = list;
	return 0;
}

static int decode_field(struct hoy_arena *arena, const struct hoy_shape_field *field, const struct hoy_node *node,
	void *at, struct hoy_err *err)
{
	bool scalar = hoy_node_is_scalar(node);

	switch (field->kind) {
	case HOY_SHAPE_STRING:
	case HOY_SHAPE_TEXT:
		if (scalar)
			*(const char **) at = node->text;
		return 0;
	case HOY_SHAPE_BOOL:
	case HOY_SHAPE_OPT_OUT:
		*(bool *) at = scalar && !strcmp(node->text, "true");
		return 0;
	case HOY_SHAPE_BOOL_PTR:
		return scalar ? put_bool_ptr(arena, at, !strcmp(node->text, "true")) : 0;
	case HOY_SHAPE_INT:
	case HOY_SHAPE_BYTES:
	case HOY_SHAPE_DURATION:
	case HOY_SHAPE_MODE:
	case HOY_SHAPE_COUNT:
		if (scalar)
			*(int64_t *) at = to_int(field, node);
		return 0;
	case HOY_SHAPE_INT_PTR:
	case HOY_SHAPE_DURATION_PTR:
	case HOY_SHAPE_MODE_PTR:
		return scalar ? put_int_ptr(arena, at, to_int(field, node)) : 0;
	case HOY_SHAPE_FLOAT:
		if (scalar)
			*(double *) at = strtod(node->text, NULL);
		return 0;
	case HOY_SHAPE_STRINGS:
	case HOY_SHAPE_STRING_OR_LIST:
	case HOY_SHAPE_TEXTS:
	case HOY_SHAPE_COMMAND:
	case HOY_SHAPE_TEST:
	case HOY_SHAPE_HOSTS:
	case HOY_SHAPE_SSH:
		if (node->type == HOY_NODE_NULL)
			return 0;
		*(char ***) at = strings_of(arena, node);
		return *(char ***) at ? 0 : -1;
	case HOY_SHAPE_ENV:
	case HOY_SHAPE_LABELS:
	case HOY_SHAPE_OPTIONS:
		return node->type == HOY_NODE_MAP ? put_pairs(arena, at, node) : 0;
	case HOY_SHAPE_MULTI:
		return node->type == HOY_NODE_MAP ? put_multi(arena, at, node) : 0;
	case HOY_SHAPE_OBJECT:
		if (scalar)
			return 0;
		*(void **) at = new_object(arena, field->shape, node, err);
		return *(void **) at ? 0 : -1;
	case HOY_SHAPE_OBJECTS:
	case HOY_SHAPE_MAP:
		return scalar ? 0 : put_objects(arena, field, at, node, err);
	case HOY_SHAPE_LEGACY:
		return 0;
	}
	return 0;
}

/* A ulimit's single value is both of its limits. */
static void finish_ulimit(const struct hoy_node *node, struct hoy_compose_ulimit *ulimit)
{
	ulimit->single = hoy_node_get(node, "single") != NULL;
	if (ulimit->single)
		ulimit->hard = ulimit->soft;
}

int hoy_shape_decode(struct hoy_arena *arena, const struct hoy_shape *shape, const struct hoy_node *node, void *object,
	struct hoy_err *err)
{
	((struct object *) object)->node = node;
	for (size_t i = 0; i < shape->n; i++) {
		const struct hoy_shape_field *field = &shape->fields[i];
		const struct hoy_node *value = hoy_node_get(node, field->name);
		char *at = (char *) object + field->offset;

		if (!value && field->kind == HOY_SHAPE_OPT_OUT)
			*(bool *) at = true;
		if (value && decode_field(arena, field, value, at, err) < 0)
			return hoy_err_oom(err);
	}
	if (hoy_shape_field_find(shape, "single"))
		finish_ulimit(node, object);
	return 0;
}
