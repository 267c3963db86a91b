/* The canonical form as docker compose shows it: members in the table's order, what is empty left out, maps sorted. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/compose/emit.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/shape.h"

struct printer {
	struct hoy_arena arena; /* of the tree that is emitted */
	bool json;
	bool escape; /* dollar signs of strings are doubled */
	bool failed;
};

static struct hoy_node *print_object(
	struct printer *p, const struct hoy_shape *shape, const struct hoy_node *node, const char *const *without);

static struct hoy_node *make(struct printer *p, enum hoy_node_type type, const char *text)
{
	struct hoy_node *node = hoy_node_new(&p->arena, type, NULL);

	if (!node) {
		p->failed = true;
		return NULL;
	}
	node->text = text;
	return node;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct hoy_node *const *) a)->key, (*(const struct hoy_node *const *) b)->key);
}

static int by_yaml_order(const void *a, const void *b)
{
	return hoy_emit_compare_keys(
		(*(const struct hoy_node *const *) a)->key, (*(const struct hoy_node *const *) b)->key);
}

static int by_text(const void *a, const void *b)
{
	return strcmp((*(const struct hoy_node *const *) a)->text, (*(const struct hoy_node *const *) b)->text);
}

static void sort(struct printer *p, struct hoy_node *node, int (*compare)(const void *, const void *))
{
	struct hoy_node **children = node->len > 1 ? calloc(node->len, sizeof *children) : NULL;
	size_t n = 0;

	if (!children) {
		p->failed = p->failed || node->len > 1;
		return;
	}
	hoy_node_each(child, node) children[n++] = child;
	qsort(children, n, sizeof *children, compare);
	node->first = node->last = NULL;
	node->len = 0;
	for (size_t i = 0; i < n; i++)
		hoy_node_add(node, children[i]);
	free(children);
}

static const char *doubled_dollars(struct printer *p, const char *text)
{
	char *copy = hoy_arena_alloc(&p->arena, 2 * strlen(text) + 1), *out = copy;

	for (; copy && *text; text++) {
		*out++ = *text;
		if (*text == '$')
			*out++ = '$';
	}
	p->failed = p->failed || !copy;
	return copy;
}

/* A value as it stands, its maps sorted. */
static struct hoy_node *print_any(struct printer *p, const struct hoy_node *node)
{
	struct hoy_node *copy = make(p, node->type, node->text);

	if (!copy)
		return NULL;
	if (p->escape && node->type == HOY_NODE_STRING && strchr(node->text, '$'))
		copy->text = doubled_dollars(p, node->text);
	hoy_node_each(child, node)
	{
		struct hoy_node *one = print_any(p, child);

		if (!one)
			return NULL;
		hoy_node_add(copy, one);
		one->key = child->key;
	}
	if (node->type == HOY_NODE_MAP)
		sort(p, copy, p->json ? by_name : by_yaml_order);
	return copy;
}

static struct hoy_node *print_ssh(struct printer *p, const struct hoy_node *list)
{
	struct hoy_node *copy = print_any(p, list);

	hoy_node_each(item, copy)
	{
		const char *equals = item->text ? strchr(item->text, '=') : NULL;

		if (equals)
			item->text = hoy_arena_printf(
				&p->arena, "%.*s: %s", (int) (equals - item->text), item->text, equals + 1);
	}
	return copy;
}

static struct hoy_node *print_item(struct printer *p, const struct hoy_shape *shape, const struct hoy_node *item)
{
	const struct hoy_node *single = hoy_node_get(item, "single");

	if (single)
		return print_any(p, single);
	return item->type == HOY_NODE_MAP ? print_object(p, shape, item, NULL) : print_any(p, item);
}

static struct hoy_node *print_children(
	struct printer *p, const struct hoy_shape_field *field, const struct hoy_node *node)
{
	struct hoy_node *copy = make(p, node->type, NULL);

	if (!copy)
		return NULL;
	hoy_node_each(item, node)
	{
		struct hoy_node *one = print_item(p, field->shape, item);

		if (!one)
			return NULL;
		hoy_node_add(copy, one);
		one->key = item->key;
	}
	if (field->kind == HOY_SHAPE_MAP)
		sort(p, copy, p->json ? by_name : by_yaml_order);
	return copy;
}

/* What Go leaves out: zero values, unless they are pointers. */
static bool is_left_out(const struct hoy_shape_field *field, const struct hoy_node *node)
{
	switch (field->kind) {
	case HOY_SHAPE_STRING:
	case HOY_SHAPE_TEXT:
		return hoy_node_is_scalar(node) && !*node->text;
	case HOY_SHAPE_BOOL:
		return node->text && !strcmp(node->text, "false");
	case HOY_SHAPE_OPT_OUT:
		return node->text && !strcmp(node->text, "true");
	case HOY_SHAPE_INT:
	case HOY_SHAPE_FLOAT:
	case HOY_SHAPE_BYTES:
	case HOY_SHAPE_MODE:
	case HOY_SHAPE_COUNT:
		return node->text && !strcmp(node->text, "0");
	case HOY_SHAPE_DURATION:
		return node->text && !strcmp(node->text, "0s");
	case HOY_SHAPE_COMMAND:
		return node->type == HOY_NODE_NULL;
	case HOY_SHAPE_BOOL_PTR:
	case HOY_SHAPE_INT_PTR:
	case HOY_SHAPE_DURATION_PTR:
	case HOY_SHAPE_MODE_PTR:
		return false;
	case HOY_SHAPE_OBJECT:
		return field->flags & HOY_SHAPE_ALWAYS_JSON && !node->len;
	default:
		return !hoy_node_is_scalar(node) && !node->len;
	}
}

/* A member that the file lacks, or has empty, and that is shown all the same. NULL: none. */
static struct hoy_node *print_absent(struct printer *p, const struct hoy_shape_field *field)
{
	if (field->flags & HOY_SHAPE_ALWAYS_JSON && p->json) {
		if (field->kind == HOY_SHAPE_OBJECT)
			return print_object(p, field->shape, &(struct hoy_node){ .type = HOY_NODE_MAP }, NULL);
		return make(p, HOY_NODE_NULL, NULL);
	}
	if (!(field->flags & HOY_SHAPE_ALWAYS))
		return NULL;
	switch (field->kind) {
	case HOY_SHAPE_OPT_OUT:
		return make(p, HOY_NODE_BOOL, "true");
	case HOY_SHAPE_MAP:
		return make(p, HOY_NODE_MAP, NULL);
	case HOY_SHAPE_STRING:
		return make(p, HOY_NODE_STRING, "");
	case HOY_SHAPE_BYTES:
		return make(p, HOY_NODE_STRING, "0");
	default:
		return make(p, HOY_NODE_INT, "0");
	}
}

static struct hoy_node *print_field(struct printer *p, const struct hoy_shape_field *field, const struct hoy_node *node)
{
	struct hoy_node *copy;

	if (!node || (is_left_out(field, node) && !(field->flags & HOY_SHAPE_ALWAYS)))
		return print_absent(p, field);
	switch (field->kind) {
	case HOY_SHAPE_SSH:
		return print_ssh(p, node);
	case HOY_SHAPE_HOSTS:
		copy = print_any(p, node);
		if (copy && copy->type == HOY_NODE_LIST)
			sort(p, copy, by_text);
		return copy;
	case HOY_SHAPE_OBJECT:
		return node->type == HOY_NODE_MAP ? print_object(p, field->shape, node, NULL) : print_any(p, node);
	case HOY_SHAPE_OBJECTS:
	case HOY_SHAPE_MAP:
		return hoy_node_is_scalar(node) ? print_any(p, node) : print_children(p, field, node);
	default:
		return print_any(p, node);
	}
}

static const char *printed_key(struct printer *p, const struct hoy_shape_field *field)
{
	char *key;

	if (!p->json || !(field->flags & HOY_SHAPE_CAPITAL))
		return field->name;
	key = hoy_arena_strdup(&p->arena, field->name);
	if (key)
		key[0] = (char) toupper((unsigned char) key[0]);
	return key;
}

/* x- members, sorted, behind the others; Go's JSON has them at the top only. */
static void print_extensions(struct printer *p, const struct hoy_node *node, struct hoy_node *out)
{
	struct hoy_node *all = make(p, HOY_NODE_MAP, NULL), *next;

	hoy_node_each(member, node)
	{
		struct hoy_node *copy = hoy_shape_is_extension(member->key) && all ? print_any(p, member) : NULL;

		if (!copy)
			continue;
		hoy_node_add(all, copy);
		copy->key = member->key;
	}
	if (!all)
		return;
	sort(p, all, p->json ? by_name : by_yaml_order);
	for (struct hoy_node *one = all->first; one; one = next) {
		next = one->next;
		hoy_node_add(out, one);
	}
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static struct hoy_node *print_object(
	struct printer *p, const struct hoy_shape *shape, const struct hoy_node *node, const char *const *without)
{
	struct hoy_node *out = make(p, HOY_NODE_MAP, NULL);

	for (size_t i = 0; i < shape->n && out; i++) {
		const struct hoy_shape_field *field = &shape->fields[i];
		struct hoy_node *value;

		if (field->flags & HOY_SHAPE_NOT_PRINTED || field->kind == HOY_SHAPE_LEGACY ||
			is_one_of(field->name, without))
			continue;
		value = print_field(p, field, hoy_node_get(node, field->name));
		if (!value)
			continue;
		hoy_node_add(out, value);
		value->key = printed_key(p, field);
		if (!value->key)
			p->failed = true;
	}
	if (!p->json && out)
		print_extensions(p, node, out);
	return out;
}

/* --- Projects --------------------------------------------------------------------------------- */

/* The objects of one kind that the project has left; each struct begins with its name and node. */
static void print_vector(struct printer *p, const struct hoy_shape_field *field, void *list, struct hoy_node *out)
{
	struct {
		const char *name;
		const struct hoy_node *node;
	} *const *items = list;
	struct hoy_node *map = make(p, HOY_NODE_MAP, NULL);

	for (; items && *items && map; items++) {
		struct hoy_node *one = print_item(p, field->shape, (*items)->node);

		if (!one)
			return;
		hoy_node_add(map, one);
		one->key = (*items)->name;
	}
	if (!map || (!map->len && !(field->flags & HOY_SHAPE_ALWAYS)))
		return;
	sort(p, map, p->json ? by_name : by_yaml_order);
	hoy_node_add(out, map);
	map->key = field->name;
}

static struct hoy_node *print_project(struct printer *p, const struct hoy_compose_project *project)
{
	const struct hoy_shape *shape = &hoy_shape_project;
	struct hoy_node *out = make(p, HOY_NODE_MAP, NULL), *name = make(p, HOY_NODE_STRING, project->name);

	if (!out || !name)
		return NULL;
	hoy_node_add(out, name);
	name->key = "name";
	for (size_t i = 0; i < shape->n; i++)
		if (shape->fields[i].kind == HOY_SHAPE_MAP)
			print_vector(p, &shape->fields[i],
				*(void *const *) ((const char *) project + shape->fields[i].offset), out);
	print_extensions(p, project->node, out);
	if (p->json)
		sort(p, out, by_name);
	return out;
}

static int print(const struct hoy_compose_project *project, bool json, bool escape, struct hoy_buf *out)
{
	struct printer p = { .json = json, .escape = escape };
	struct hoy_node *tree = print_project(&p, project);
	int r = tree && !p.failed ? 0 : -ENOMEM;

	if (r == 0 && json) {
		hoy_emit_json(tree, /* indented= */ true, out);
		(void) hoy_buf_addc(out, '\n');
	} else if (r == 0) {
		hoy_emit_yaml(tree, out);
	}
	hoy_arena_done(&p.arena);
	return r < 0 ? r : hoy_buf_check(out, "the project's text", NULL);
}

int hoy_compose_print_yaml(const struct hoy_compose_project *project, bool escape, struct hoy_buf *out)
{
	return print(project, /* json= */ false, escape, out);
}

int hoy_compose_print_json(const struct hoy_compose_project *project, bool escape, struct hoy_buf *out)
{
	return print(project, /* json= */ true, escape, out);
}

/* --- Services
 * -------------------------------------------------------------------------------------------------------------------
 */

static int print_service(const struct hoy_compose_service *service, const char *const *without, struct hoy_buf *out)
{
	struct printer p = { .json = true };
	struct hoy_node *tree = print_object(&p, &hoy_shape_service, service->node, without);
	int r = tree && !p.failed ? 0 : -ENOMEM;
	struct hoy_node *deploy = hoy_node_get(tree, "deploy");

	if (without && deploy)
		(void) hoy_node_remove(deploy, "replicas");
	if (r == 0)
		hoy_emit_json(tree, /* indented= */ false, out);
	hoy_arena_done(&p.arena);
	return r < 0 ? r : hoy_buf_check(out, "the service's text", NULL);
}

int hoy_compose_print_service_json(const struct hoy_compose_service *service, struct hoy_buf *out)
{
	return print_service(service, NULL, out);
}

static void hash(const struct hoy_buf *text, char ret[HOY_COMPOSE_HASH_SIZE])
{
	unsigned char digest[32];

	hoy_sha256(text->data, text->len, digest);
	hoy_hex(digest, sizeof digest, ret);
}

int hoy_compose_service_hash(
	const struct hoy_compose_service *service, char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err)
{
	static const char *const without[] = { "build", "pull_policy", "scale", "depends_on", "profiles", NULL };
	auto_(hoy_buf_done) struct hoy_buf text = {};

	if (print_service(service, without, &text) < 0)
		return hoy_err_oom(err);
	hash(&text, ret);
	return 0;
}

/* A volume's driver counts as said where it isn't; it stands behind the name. */
static struct hoy_node *print_resource(struct printer *p, const char *section, const struct hoy_node *node)
{
	const struct hoy_shape_field *field = hoy_shape_field_find(&hoy_shape_project, section);
	struct hoy_node *printed = print_object(p, field->shape, node, NULL), *all, *next;

	if (!printed || strcmp(section, "volumes") != 0 || hoy_node_get(printed, "driver"))
		return printed;
	all = make(p, HOY_NODE_MAP, NULL);
	for (struct hoy_node *one = printed->first; one && all; one = next) {
		struct hoy_node *driver = strcmp(one->key, "name") == 0 ? make(p, HOY_NODE_STRING, "local") : NULL;

		next = one->next;
		hoy_node_add(all, one);
		if (!driver)
			continue;
		driver->key = "driver";
		hoy_node_add(all, driver);
	}
	return all;
}

int hoy_compose_resource_hash(
	const char *section, const struct hoy_node *node, char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err)
{
	struct printer p = { .json = true };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_node *tree = print_resource(&p, section, node);
	bool failed = !tree || p.failed;

	if (!failed)
		hoy_emit_json(tree, /* indented= */ false, &text);
	hoy_arena_done(&p.arena);
	if (failed || hoy_buf_check(&text, "the definition's text", NULL) < 0)
		return hoy_err_oom(err);
	hash(&text, ret);
	return 0;
}
