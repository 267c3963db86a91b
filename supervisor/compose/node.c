/* Trees of scalars, maps and lists, all in one arena. */
#include "supervisor/compose/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *hoy_node_type_name(const struct hoy_node *node)
{
	static const char *const names[] = {
		[HOY_NODE_NULL] = "null",
		[HOY_NODE_BOOL] = "a boolean",
		[HOY_NODE_INT] = "a number",
		[HOY_NODE_FLOAT] = "a number",
		[HOY_NODE_STRING] = "a string",
		[HOY_NODE_MAP] = "a mapping",
		[HOY_NODE_LIST] = "a list",
	};

	return node ? names[node->type] : "nothing";
}

bool hoy_node_is_scalar(const struct hoy_node *node)
{
	return node && node->type != HOY_NODE_NULL && node->type < HOY_NODE_MAP;
}

struct hoy_node *hoy_node_get(const struct hoy_node *map, const char *key)
{
	if (!map || map->type != HOY_NODE_MAP)
		return NULL;
	hoy_node_each(child, map) if (!strcmp(child->key, key)) return child;
	return NULL;
}

const char *hoy_node_text(const struct hoy_node *map, const char *key)
{
	const struct hoy_node *child = hoy_node_get(map, key);

	return hoy_node_is_scalar(child) ? child->text : NULL;
}

struct hoy_node *hoy_node_new(struct hoy_arena *arena, enum hoy_node_type type, const struct hoy_node *at)
{
	struct hoy_node *node = hoy_arena_alloc(arena, sizeof *node);

	if (!node)
		return NULL;
	node->type = type;
	node->file = at ? at->file : "";
	node->line = at ? at->line : 0;
	node->column = at ? at->column : 0;
	return node;
}

struct hoy_node *hoy_node_string(struct hoy_arena *arena, const char *text, const struct hoy_node *at)
{
	struct hoy_node *node = hoy_node_new(arena, HOY_NODE_STRING, at);

	if (!node)
		return NULL;
	node->text = hoy_arena_strdup(arena, text);
	return node->text ? node : NULL;
}

struct hoy_node *hoy_node_copy(struct hoy_arena *arena, const struct hoy_node *node)
{
	struct hoy_node *copy = hoy_arena_alloc(arena, sizeof *copy);

	if (!copy)
		return NULL;
	*copy = *node;
	copy->key = NULL;
	copy->next = copy->first = copy->last = NULL;
	copy->len = 0;
	hoy_node_each(child, node)
	{
		struct hoy_node *child_copy = hoy_node_copy(arena, child);

		if (!child_copy)
			return NULL;
		hoy_node_add(copy, child_copy);
		child_copy->key = child->key;
	}
	return copy;
}

void hoy_node_add(struct hoy_node *list, struct hoy_node *child)
{
	child->next = NULL;
	if (list->last)
		list->last->next = child;
	else
		list->first = child;
	list->last = child;
	list->len++;
}

void hoy_node_set(struct hoy_node *map, const char *key, struct hoy_node *child)
{
	struct hoy_node **at = &map->first;

	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	child->key = key;
	if (!*at) {
		hoy_node_add(map, child);
		return;
	}
	if (*at == child)
		return;
	child->next = (*at)->next;
	if (map->last == *at)
		map->last = child;
	*at = child;
}

bool hoy_node_remove(struct hoy_node *map, const char *key)
{
	struct hoy_node *before = NULL;

	hoy_node_each(child, map)
	{
		if (!strcmp(child->key, key)) {
			if (before)
				before->next = child->next;
			else
				map->first = child->next;
			if (map->last == child)
				map->last = before;
			map->len--;
			return true;
		}
		before = child;
	}
	return false;
}

static int by_key(const void *a, const void *b)
{
	const struct hoy_node *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

void hoy_node_sort(struct hoy_node *map)
{
	struct hoy_node **children;
	size_t n = 0;

	if (map->len < 2)
		return;
	children = calloc(map->len, sizeof *children);
	if (!children)
		return;
	hoy_node_each(child, map) children[n++] = child;
	qsort(children, n, sizeof *children, by_key);
	map->first = map->last = NULL;
	map->len = 0;
	for (size_t i = 0; i < n; i++)
		hoy_node_add(map, children[i]);
	free(children);
}

HOY_PRINTF(5, 0)
static int invalid_at(
	const char *file, unsigned int line, unsigned int column, struct hoy_err *err, const char *fmt, va_list args)
{
	char text[sizeof err->msg];

	(void) vsnprintf(text, sizeof text, fmt, args);
	if (!line)
		return hoy_err_invalid(err, "%s%s%s", file, *file ? ": " : "", text);
	return hoy_err_invalid(err, "%s:%u:%u: %s", file, line, column, text);
}

int hoy_node_invalid(const struct hoy_node *node, struct hoy_err *err, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = invalid_at(node ? node->file : "", node ? node->line : 0, node ? node->column : 0, err, fmt, args);
	va_end(args);
	return r;
}

int hoy_node_invalid_key(const struct hoy_node *node, struct hoy_err *err, const char *fmt, ...)
{
	bool known = node->key_line > 0;
	va_list args;
	int r;

	va_start(args, fmt);
	r = invalid_at(node->file, known ? node->key_line : node->line, known ? node->key_column : node->column, err,
		fmt, args);
	va_end(args);
	return r;
}
