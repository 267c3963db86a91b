/* Two canonical trees become one, by the rules of the table: maps meet key by key, lists are appended, same items and
 * single values are replaced; !reset takes away, !override takes the place. */
#include <string.h>

#include "supervisor/compose/shape.h"
#include "supervisor/compose/unique.h"

struct merger {
	struct hoy_arena *arena;
	struct hoy_err *err;
};

static int merge_object(struct merger *m, const struct hoy_shape *shape, struct hoy_node *base, struct hoy_node *over);

/* Extensions, and maps of plain values. */
static int merge_plain(struct merger *m, struct hoy_node *base, struct hoy_node *over)
{
	struct hoy_node *next;

	for (struct hoy_node *member = over->first; member; member = next) {
		struct hoy_node *mine = hoy_node_get(base, member->key);

		next = member->next;
		if (member->merge == HOY_NODE_RESET)
			(void) hoy_node_remove(base, member->key);
		else if (mine && mine->type == HOY_NODE_MAP && member->type == HOY_NODE_MAP &&
			 member->merge == HOY_NODE_MERGE) {
			int r = merge_plain(m, mine, member);

			if (r < 0)
				return r;
		} else
			hoy_node_set(base, member->key, member);
	}
	return 0;
}

static int merge_list(
	struct merger *m, const struct hoy_shape_field *field, struct hoy_node *base, struct hoy_node *over)
{
	struct hoy_node *next;

	for (struct hoy_node *item = over->first; item; item = next) {
		next = item->next;
		hoy_node_add(base, item);
	}
	return hoy_unique(m->arena, field, base, m->err);
}

static int merge_map(
	struct merger *m, const struct hoy_shape_field *field, struct hoy_node *base, struct hoy_node *over)
{
	struct hoy_node *next;

	for (struct hoy_node *member = over->first; member; member = next) {
		struct hoy_node *mine = hoy_node_get(base, member->key);
		int r = 0;

		next = member->next;
		if (member->merge == HOY_NODE_RESET)
			(void) hoy_node_remove(base, member->key);
		else if (!mine || mine->type != HOY_NODE_MAP || field->flags & HOY_SHAPE_REPLACE ||
			 member->merge == HOY_NODE_OVERRIDE)
			hoy_node_set(base, member->key, member);
		else if (member->type == HOY_NODE_MAP)
			r = merge_object(m, field->shape, mine, member);
		if (r < 0)
			return r;
	}
	return 0;
}

/* logging: the options of another driver are of no use. */
static bool drivers_differ(const struct hoy_node *base, const struct hoy_node *over)
{
	const char *mine = hoy_node_text(base, "driver"), *theirs = hoy_node_text(over, "driver");

	return mine && theirs && strcmp(mine, theirs) != 0;
}

static int merge_field(struct merger *m, const struct hoy_shape_field *field, struct hoy_node *base,
	struct hoy_node *mine, struct hoy_node *value)
{
	bool same = mine->type == value->type;

	if (field->flags & HOY_SHAPE_REPLACE && field->kind != HOY_SHAPE_MAP)
		same = false;
	if (same && field->kind == HOY_SHAPE_OBJECT &&
		!(field->flags & HOY_SHAPE_NEEDS_SAME_DRIVER && drivers_differ(mine, value)))
		return merge_object(m, field->shape, mine, value);
	if (same && field->kind == HOY_SHAPE_MAP)
		return merge_map(m, field, mine, value);
	if (same && value->type == HOY_NODE_MAP && field->kind != HOY_SHAPE_OBJECT)
		return merge_plain(m, mine, value);
	if (same && value->type == HOY_NODE_LIST)
		return merge_list(m, field, mine, value);
	hoy_node_set(base, field->name, value);
	return 0;
}

static int merge_object(struct merger *m, const struct hoy_shape *shape, struct hoy_node *base, struct hoy_node *over)
{
	struct hoy_node *next;

	for (struct hoy_node *member = over->first; member; member = next) {
		const struct hoy_shape_field *field = hoy_shape_field_find(shape, member->key);
		struct hoy_node *mine = hoy_node_get(base, member->key);
		int r = 0;

		next = member->next;
		if (member->merge == HOY_NODE_RESET)
			(void) hoy_node_remove(base, member->key);
		else if (!mine || member->merge == HOY_NODE_OVERRIDE)
			hoy_node_set(base, member->key, member);
		else if (field)
			r = merge_field(m, field, base, mine, member);
		else if (mine->type == HOY_NODE_MAP && member->type == HOY_NODE_MAP)
			r = merge_plain(m, mine, member);
		else if (mine->type == HOY_NODE_LIST && member->type == HOY_NODE_LIST)
			r = merge_list(m, &(struct hoy_shape_field){ .unique = HOY_UNIQUE_NONE }, mine, member);
		else
			hoy_node_set(base, member->key, member);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_shape_merge(struct hoy_arena *arena, const struct hoy_shape *shape, struct hoy_node *base,
	struct hoy_node *over, struct hoy_err *err)
{
	struct merger m = { .arena = arena, .err = err };

	return merge_object(&m, shape, base, over);
}

void hoy_shape_finish_merge(struct hoy_node *node)
{
	struct hoy_node *next;

	for (struct hoy_node *child = node->first; child; child = next) {
		next = child->next;
		if (child->merge == HOY_NODE_RESET && node->type == HOY_NODE_MAP)
			(void) hoy_node_remove(node, child->key);
		else
			hoy_shape_finish_merge(child);
	}
}
