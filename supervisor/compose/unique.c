/* What makes two items of a list the same, and the merging of two lists by it. */
#include "supervisor/compose/unique.h"

#include <stdlib.h>
#include <string.h>

static const char *part(const struct hoy_node *item, const char *key, const char *otherwise)
{
	const char *text = hoy_node_text(item, key);

	return text ? text : otherwise;
}

/* Where a config or secret lies when its target is not said. */
static const char *mount_target(struct hoy_arena *arena, const struct hoy_shape_field *field, const char *source)
{
	return hoy_arena_printf(arena, "%s/%s", !strcmp(field->name, "secrets") ? "/run/secrets" : "", source);
}

/* NULL when out of memory; "" means: like no other. */
static const char *key_of(struct hoy_arena *arena, const struct hoy_shape_field *field, const struct hoy_node *item)
{
	const char *source;

	if (item->type == HOY_NODE_STRING)
		return item->text;
	switch (field->unique) {
	case HOY_UNIQUE_TARGET:
		return part(item, "target", "");
	case HOY_UNIQUE_MOUNT:
		source = hoy_node_text(item, "source");
		return part(item, "target", source ? mount_target(arena, field, source) : "");
	case HOY_UNIQUE_PATH:
		return part(item, "path", "");
	case HOY_UNIQUE_SUBNET:
		return part(item, "subnet", "");
	case HOY_UNIQUE_PORT:
		return hoy_arena_printf(arena, "%s:%s:%s/%s", part(item, "host_ip", "0.0.0.0"),
			part(item, "published", ""), part(item, "target", ""), part(item, "protocol", "tcp"));
	default:
		return "";
	}
}

struct entry {
	const char *key;
	struct hoy_node *node;
	size_t index;
	bool gone;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *left = *(const struct entry *const *) a, *right = *(const struct entry *const *) b;
	int r = strcmp(left->key, right->key);

	return r ? r : (int) (left->index > right->index) - (int) (left->index < right->index);
}

/* The later of two takes the place of the earlier; of two subnets the later's members are added. */
static void take_place(struct entry *first, struct entry *later, enum hoy_shape_unique unique)
{
	struct hoy_node *next;

	later->gone = true;
	if (unique != HOY_UNIQUE_SUBNET) {
		first->node = later->node;
		return;
	}
	for (struct hoy_node *member = later->node->first; member; member = next) {
		next = member->next;
		hoy_node_set(first->node, member->key, member);
	}
}

int hoy_unique(struct hoy_arena *arena, const struct hoy_shape_field *field, struct hoy_node *list, struct hoy_err *err)
{
	struct entry *entries;
	struct entry **sorted;
	size_t n = 0, first = 0;
	int r = 0;

	if (field->unique == HOY_UNIQUE_NONE || list->len < 2)
		return 0;
	entries = calloc(list->len, sizeof *entries);
	sorted = calloc(list->len, sizeof *sorted);
	if (!entries || !sorted)
		r = hoy_err_oom(err);
	for (struct hoy_node *item = list->first; item && r == 0; item = item->next) {
		entries[n] = (struct entry){ .key = key_of(arena, field, item), .node = item, .index = n };
		if (!entries[n].key)
			r = hoy_err_oom(err);
		sorted[n] = &entries[n];
		n++;
	}
	if (r == 0) {
		qsort(sorted, n, sizeof *sorted, by_key);
		for (size_t i = 1; i < n; i++) {
			if (*sorted[i]->key && !strcmp(sorted[i]->key, sorted[first]->key))
				take_place(sorted[first], sorted[i], field->unique);
			else
				first = i;
		}
		list->first = list->last = NULL;
		list->len = 0;
		for (size_t i = 0; i < n; i++)
			if (!entries[i].gone)
				hoy_node_add(list, entries[i].node);
	}
	free(sorted);
	free(entries);
	return r;
}
