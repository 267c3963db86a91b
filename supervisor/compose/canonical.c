/*
 * One file's tree becomes canonical: every key is known, every value has its type, short forms are long. What may only
 * be said of the merged whole (required keys, references) is left to check.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/shape.h"
#include "supervisor/compose/shape_scalar.h"
#include "supervisor/compose/short_forms.h"
#include "supervisor/compose/unique.h"

struct canon {
	struct hoy_arena *arena;
	bool open; /* strings with variables are let be */
	struct hoy_err *err;
};

static int canon_object(
	struct canon *c, const struct hoy_shape *shape, struct hoy_node *node, const struct hoy_shape_path *path);

static int must_be(struct canon *c, const struct hoy_node *node, const struct hoy_shape_path *path, const char *what)
{
	const char *text = hoy_node_is_scalar(node) ? node->text : "";

	return hoy_node_invalid(node, c->err, "%s must be %s, not %s%s%.200s%s", hoy_shape_path_text(c->arena, path),
		what, hoy_node_type_name(node), *text ? ": \"" : "", text, *text ? "\"" : "");
}

static int oom(struct canon *c)
{
	return hoy_err_oom(c->err);
}

/* `to` takes over the value of `from`; it stays where it stands in its parent. */
static void become(struct hoy_node *node, const struct hoy_node *from)
{
	node->type = from->type;
	node->text = from->text;
	node->first = from->first;
	node->last = from->last;
	node->len = from->len;
}

static int expand(struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node,
	const struct hoy_shape_path *path, struct hoy_node **ret)
{
	struct hoy_err why = {};
	struct hoy_node *expanded = field->expand(c->arena, node, &why);
	size_t place;

	if (expanded) {
		*ret = expanded;
		return 0;
	}
	if (!why.errnum || why.errnum == ENOMEM)
		return oom(c);
	/* The place is in front already; the path goes between it and the text. */
	place = node->line ? strcspn(why.msg, " ") : 0;
	return hoy_err_invalid(c->err, "%.*s%s%s: %s", (int) place, why.msg, place ? " " : "",
		hoy_shape_path_text(c->arena, path), why.msg + place + (place > 0));
}

/* --- Lists of strings ------------------------------------------------------------------------- */

static int canon_strings(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	static const struct hoy_shape_field as_string = { .kind = HOY_SHAPE_STRING },
					    as_text = { .kind = HOY_SHAPE_TEXT };
	struct hoy_shape_path item_path = { .parent = path };

	if (node->type == HOY_NODE_STRING && field->kind == HOY_SHAPE_STRING_OR_LIST) {
		struct hoy_node *item = hoy_node_string(c->arena, node->text, node);

		if (!item)
			return oom(c);
		node->type = HOY_NODE_LIST;
		node->text = NULL;
		hoy_node_add(node, item);
	}
	if (node->type != HOY_NODE_LIST)
		return must_be(
			c, node, path, field->kind == HOY_SHAPE_STRING_OR_LIST ? "a string or a list" : "a list");
	hoy_node_each(item, node)
	{
		int r = hoy_shape_scalar(
			c->arena, field->kind == HOY_SHAPE_TEXTS ? &as_text : &as_string, item, &item_path, c->err);

		if (r < 0)
			return r;
		item_path.index++;
	}
	return hoy_unique(c->arena, field, node, c->err);
}

static int canon_command(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	char **words;
	struct hoy_node *list;

	if (node->type == HOY_NODE_NULL)
		return 0;
	if (node->type == HOY_NODE_LIST)
		return canon_strings(c, field, node, path);
	if (node->type != HOY_NODE_STRING)
		return must_be(c, node, path, "a string or a list");
	list = hoy_node_new(c->arena, HOY_NODE_LIST, node);
	if (!list)
		return oom(c);
	if (field->kind == HOY_SHAPE_TEST) {
		struct hoy_node *first = hoy_node_string(c->arena, "CMD-SHELL", node);
		struct hoy_node *second = hoy_node_string(c->arena, node->text, node);

		if (!first || !second)
			return oom(c);
		hoy_node_add(list, first);
		hoy_node_add(list, second);
		become(node, list);
		return 0;
	}
	words = hoy_split_words(c->arena, node, node->text, c->err);
	if (!words)
		return -EINVAL;
	for (; *words; words++) {
		struct hoy_node *word = hoy_node_string(c->arena, *words, node);

		if (!word)
			return oom(c);
		hoy_node_add(list, word);
	}
	become(node, list);
	return 0;
}

/* --- Maps of strings -------------------------------------------------------------------------- */

static int canon_pair_value(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *value, const struct hoy_shape_path *path)
{
	if (value->merge == HOY_NODE_RESET)
		return 0;
	if (value->type == HOY_NODE_NULL) {
		if (field->kind == HOY_SHAPE_ENV)
			return 0;
		value->type = HOY_NODE_STRING;
		value->text = "";
		return 0;
	}
	if (!hoy_node_is_scalar(value) || (field->kind == HOY_SHAPE_OPTIONS && value->type == HOY_NODE_BOOL))
		return must_be(c, value, path,
			field->kind == HOY_SHAPE_OPTIONS ? "a string or a number"
							 : "a string, a number, a boolean or null");
	value->text = hoy_shape_text_of(c->arena, value);
	value->type = HOY_NODE_STRING;
	return value->text ? 0 : oom(c);
}

/* "K=V" of a list becomes a member of `map`. */
static int add_pair(struct canon *c, const struct hoy_shape_field *field, struct hoy_node *map,
	const struct hoy_node *item, const struct hoy_shape_path *path)
{
	const char *equals = strchr(item->text, '=');
	size_t len = equals ? (size_t) (equals - item->text) : strlen(item->text);
	char *key = hoy_arena_strndup(c->arena, item->text, len);
	struct hoy_node *value = hoy_node_new(c->arena, HOY_NODE_NULL, item);

	if (!key || !value)
		return oom(c);
	if (!len)
		return hoy_node_invalid(
			item, c->err, "%s: \"%.200s\" has no name", hoy_shape_path_text(c->arena, path), item->text);
	if (isspace((unsigned char) key[len - 1]) && field->kind == HOY_SHAPE_ENV)
		return hoy_node_invalid(item, c->err,
			"%s: environment variable %.200s is declared with a trailing space",
			hoy_shape_path_text(c->arena, path), key);
	if (equals || field->kind != HOY_SHAPE_ENV) {
		value->type = HOY_NODE_STRING;
		value->text = equals ? equals + 1 : "";
	}
	hoy_node_set(map, key, value);
	return 0;
}

static int canon_pairs(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_shape_path item_path = { .parent = path };
	struct hoy_node *map;

	if (node->type == HOY_NODE_MAP) {
		hoy_node_each(value, node)
		{
			int r;

			item_path.key = value->key;
			r = canon_pair_value(c, field, value, &item_path);
			if (r < 0)
				return r;
		}
		return 0;
	}
	if (node->type != HOY_NODE_LIST || field->kind == HOY_SHAPE_OPTIONS)
		return must_be(c, node, path, field->kind == HOY_SHAPE_OPTIONS ? "a mapping" : "a mapping or a list");
	map = hoy_node_new(c->arena, HOY_NODE_MAP, node);
	if (!map)
		return oom(c);
	hoy_node_each(item, node)
	{
		int r = item->type == HOY_NODE_STRING ? add_pair(c, field, map, item, &item_path)
						      : must_be(c, item, &item_path, "a string");

		if (r < 0)
			return r;
		item_path.index++;
	}
	become(node, map);
	return 0;
}

/* --- extra_hosts, ssh ------------------------------------------------------------------------- */

/* "host=ip" for each of the addresses `ips` ("a,b"; brackets go). */
static int add_hosts(
	struct canon *c, struct hoy_node *list, const char *host, const char *ips, const struct hoy_node *at)
{
	for (;;) {
		size_t len = strcspn(ips, ",");
		bool brackets = len > 1 && ips[0] == '[' && ips[len - 1] == ']';
		const char *text = hoy_arena_printf(
			c->arena, "%s=%.*s", host, (int) (len - (brackets ? 2 : 0)), ips + (brackets ? 1 : 0));
		struct hoy_node *item = text ? hoy_node_string(c->arena, text, at) : NULL;

		if (!item)
			return oom(c);
		hoy_node_add(list, item);
		if (!ips[len])
			return 0;
		ips += len + 1;
	}
}

static int canon_host_line(
	struct canon *c, struct hoy_node *list, const struct hoy_node *item, const struct hoy_shape_path *path)
{
	const char *separator = item->type == HOY_NODE_STRING ? strchr(item->text, '=') : NULL;
	char *host;

	if (item->type != HOY_NODE_STRING)
		return must_be(c, item, path, "a string");
	if (!separator)
		separator = strchr(item->text, ':');
	if (!separator || !separator[1] || separator == item->text)
		return hoy_node_invalid(item, c->err, "%s: invalid additional host, missing IP: %.200s",
			hoy_shape_path_text(c->arena, path), item->text);
	host = hoy_arena_strndup(c->arena, item->text, (size_t) (separator - item->text));
	return host ? add_hosts(c, list, host, separator + 1, item) : oom(c);
}

static int canon_host_member(
	struct canon *c, struct hoy_node *list, const struct hoy_node *value, const struct hoy_shape_path *path)
{
	if (value->type == HOY_NODE_STRING)
		return add_hosts(c, list, value->key, value->text, value);
	if (value->type != HOY_NODE_LIST)
		return must_be(c, value, path, "a string or a list");
	hoy_node_each(ip, value)
	{
		int r = ip->type == HOY_NODE_STRING ? add_hosts(c, list, value->key, ip->text, ip)
						    : must_be(c, ip, path, "a list of strings");

		if (r < 0)
			return r;
	}
	return 0;
}

static int canon_hosts(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_shape_path item_path = { .parent = path };
	struct hoy_node *list = hoy_node_new(c->arena, HOY_NODE_LIST, node);
	int r = 0;

	if (!list)
		return oom(c);
	if (node->type != HOY_NODE_MAP && node->type != HOY_NODE_LIST)
		return must_be(c, node, path, "a mapping or a list");
	hoy_node_each(item, node)
	{
		item_path.key = node->type == HOY_NODE_MAP ? item->key : NULL;
		r = item_path.key ? canon_host_member(c, list, item, &item_path)
				  : canon_host_line(c, list, item, &item_path);
		if (r < 0)
			return r;
		item_path.index++;
	}
	become(node, list);
	return hoy_unique(c->arena, field, node, c->err);
}

/* "default", "id=path"; a map's value may be null. */
static int canon_ssh(struct canon *c, struct hoy_node *node, const struct hoy_shape_path *path)
{
	static const struct hoy_shape_field as_list = { .kind = HOY_SHAPE_STRING_OR_LIST };
	struct hoy_node *list;

	if (node->type != HOY_NODE_MAP)
		return canon_strings(c, &as_list, node, path);
	list = hoy_node_new(c->arena, HOY_NODE_LIST, node);
	if (!list)
		return oom(c);
	hoy_node_each(value, node)
	{
		bool alone = value->type == HOY_NODE_NULL;
		const char *text;
		struct hoy_node *item;

		if (!alone && value->type != HOY_NODE_STRING)
			return must_be(c, value, path, "a mapping of strings");
		text = alone ? value->key : hoy_arena_printf(c->arena, "%s=%s", value->key, value->text);
		item = text ? hoy_node_string(c->arena, text, value) : NULL;
		if (!item)
			return oom(c);
		hoy_node_add(list, item);
	}
	become(node, list);
	return 0;
}

static int canon_multi(struct canon *c, struct hoy_node *node, const struct hoy_shape_path *path)
{
	static const struct hoy_shape_field as_texts = { .kind = HOY_SHAPE_TEXTS },
					    as_text = { .kind = HOY_SHAPE_TEXT };

	if (node->type != HOY_NODE_MAP)
		return must_be(c, node, path, "a mapping");
	hoy_node_each(value, node)
	{
		struct hoy_shape_path value_path = { .parent = path, .key = value->key };
		int r = value->type == HOY_NODE_LIST ? canon_strings(c, &as_texts, value, &value_path)
						     : hoy_shape_scalar(c->arena, &as_text, value, &value_path, c->err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- Objects ---------------------------------------------------------------------------------- */

static bool is_user_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char) *key) && !strchr("._-", *key))
			return false;
	return true;
}

static int canon_item(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	if (node->type == HOY_NODE_NULL && field->flags & HOY_SHAPE_NULL_OK)
		return 0;
	if (node->type != HOY_NODE_MAP)
		return must_be(c, node, path, "a mapping");
	return canon_object(c, field->shape, node, path);
}

static int canon_map(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_shape_path item_path = { .parent = path };
	int r;

	if (node->type == HOY_NODE_LIST && field->expand && field->expand != hoy_expand_ulimit) {
		struct hoy_node *map = NULL;

		r = expand(c, field, node, path, &map);
		if (r < 0)
			return r;
		become(node, map);
	}
	if (node->type != HOY_NODE_MAP)
		return must_be(c, node, path,
			field->expand && field->expand != hoy_expand_ulimit ? "a mapping or a list" : "a mapping");
	hoy_node_each(item, node)
	{
		item_path.key = item->key;
		if (field->flags & HOY_SHAPE_USER_KEYS && !is_user_key(item->key))
			return hoy_node_invalid_key(item, c->err,
				"%s: \"%.200s\" is no name: letters, digits, '.', '_' and '-'",
				hoy_shape_path_text(c->arena, path), item->key);
		if (item->merge == HOY_NODE_RESET)
			continue;
		if (field->expand == hoy_expand_ulimit &&
			(item->type == HOY_NODE_INT || item->type == HOY_NODE_STRING)) {
			struct hoy_node *map = NULL;

			r = expand(c, field, item, &item_path, &map);
			if (r < 0)
				return r;
			become(item, map);
		}
		r = canon_item(c, field, item, &item_path);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A list's item in its short form makes one object, or several that take its place. */
static int canon_short_item(struct canon *c, const struct hoy_shape_field *field, struct hoy_node *list,
	struct hoy_node *item, const struct hoy_shape_path *path)
{
	struct hoy_node *made = NULL, *next;
	int r;

	if (c->open && hoy_shape_is_open(item)) {
		hoy_node_add(list, item);
		return 0;
	}
	r = expand(c, field, item, path, &made);
	if (r < 0)
		return r;
	for (struct hoy_node *one = made->type == HOY_NODE_LIST ? made->first : made; one; one = next) {
		next = made->type == HOY_NODE_LIST ? one->next : NULL;
		r = canon_item(c, field, one, path);
		if (r < 0)
			return r;
		hoy_node_add(list, one);
	}
	return 0;
}

static int canon_objects(
	struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_shape_path item_path = { .parent = path };
	struct hoy_node *list = hoy_node_new(c->arena, HOY_NODE_LIST, node), *next;
	bool whole = field->expand == hoy_expand_gpus;

	if (!list)
		return oom(c);
	if (node->type == HOY_NODE_STRING && (whole || field->expand == hoy_expand_env_file)) {
		struct hoy_node *made = NULL;
		int r = 0;

		made = whole ? NULL : hoy_expand_env_files(c->arena, node, c->err);
		if (whole)
			r = expand(c, field, node, path, &made);
		if (r < 0 || !made)
			return r < 0 ? r : -ENOMEM;
		become(node, made);
	}
	if (node->type != HOY_NODE_LIST)
		return must_be(c, node, path, "a list");
	for (struct hoy_node *item = node->first; item; item = next) {
		bool is_short = item->type == HOY_NODE_STRING ||
				(field->expand == hoy_expand_port && item->type == HOY_NODE_INT);
		int r;

		next = item->next;
		if (is_short && field->expand && !whole) {
			r = canon_short_item(c, field, list, item, &item_path);
		} else {
			r = item->type == HOY_NODE_MAP || !field->expand || whole
				    ? canon_item(c, field, item, &item_path)
				    : must_be(c, item, &item_path, "a string or a mapping");
			if (r >= 0)
				hoy_node_add(list, item);
		}
		if (r < 0)
			return r;
		item_path.index++;
	}
	become(node, list);
	return hoy_unique(c->arena, field, node, c->err);
}

/* external: {name: X} of old files; the name moves up. */
static int canon_external(
	struct canon *c, struct hoy_node *parent, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_node *name = hoy_node_get(node, "name");

	hoy_node_each(member, node) if (strcmp(member->key, "name") != 0 &&
					!hoy_shape_is_extension(member->key)) return hoy_node_invalid_key(member,
		c->err, "%s: additional property \"%.200s\" is not allowed, \"name\" is",
		hoy_shape_path_text(c->arena, path), member->key);
	if (name && name->type != HOY_NODE_STRING)
		return must_be(c, name, path, "a mapping with a name that is a string");
	if (name && hoy_node_get(parent, "name"))
		return hoy_node_invalid(name, c->err, "%s: name and external.name conflict; only use name",
			hoy_shape_path_text(c->arena, path->parent));
	if (name) {
		struct hoy_node *copy = hoy_node_string(c->arena, name->text, name);

		if (!copy)
			return oom(c);
		hoy_node_set(parent, "name", copy);
	}
	node->type = HOY_NODE_BOOL;
	node->text = "true";
	node->first = node->last = NULL;
	node->len = 0;
	return 0;
}

static int canon_field(struct canon *c, const struct hoy_shape_field *field, struct hoy_node *node,
	struct hoy_node *parent, const struct hoy_shape_path *path)
{
	if (c->open && hoy_shape_is_open(node))
		return 0;
	switch (field->kind) {
	case HOY_SHAPE_STRINGS:
	case HOY_SHAPE_STRING_OR_LIST:
	case HOY_SHAPE_TEXTS:
		return canon_strings(c, field, node, path);
	case HOY_SHAPE_COMMAND:
	case HOY_SHAPE_TEST:
		return canon_command(c, field, node, path);
	case HOY_SHAPE_HOSTS:
		return canon_hosts(c, field, node, path);
	case HOY_SHAPE_SSH:
		return canon_ssh(c, node, path);
	case HOY_SHAPE_ENV:
	case HOY_SHAPE_LABELS:
	case HOY_SHAPE_OPTIONS:
		return canon_pairs(c, field, node, path);
	case HOY_SHAPE_MULTI:
		return canon_multi(c, node, path);
	case HOY_SHAPE_MAP:
		return canon_map(c, field, node, path);
	case HOY_SHAPE_OBJECTS:
		return canon_objects(c, field, node, path);
	case HOY_SHAPE_OBJECT:
		if (node->type == HOY_NODE_STRING && field->expand) {
			struct hoy_node *made = NULL;
			int r = expand(c, field, node, path, &made);

			if (r < 0)
				return r;
			become(node, made);
		}
		if (node->type != HOY_NODE_MAP && field->expand)
			return must_be(c, node, path, "a string or a mapping");
		return canon_item(c, field, node, path);
	default:
		if (field->expand == hoy_expand_external && node->type == HOY_NODE_MAP)
			return canon_external(c, parent, node, path);
		return hoy_shape_scalar(c->arena, field, node, path, c->err);
	}
}

static int unknown_key(
	struct canon *c, const struct hoy_shape *shape, const struct hoy_node *node, const struct hoy_shape_path *path)
{
	const char *where = hoy_shape_path_text(c->arena, path), *nearest = hoy_shape_nearest(shape, node->key);

	return hoy_node_invalid_key(node, c->err, "%s%sadditional property \"%.200s\" is not allowed%s%s%s", where,
		*where ? ": " : "", node->key, nearest ? ", did you mean \"" : "", nearest ? nearest : "",
		nearest ? "\"?" : "");
}

static int legacy_key(struct canon *c, const struct hoy_node *node, const struct hoy_shape_path *path)
{
	static const struct {
		const char *old, *now;
	} keys[] = {
		{ "net", "network_mode" },
		{ "log_driver", "logging.driver" },
		{ "log_opt", "logging.options" },
		{ "volume_driver", "driver of the volume" },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].old, node->key))
			return hoy_node_invalid_key(node, c->err, "%s: \"%s\" belongs to version 1 files: use %s",
				hoy_shape_path_text(c->arena, path), node->key, keys[i].now);
	return 0;
}

static int canon_object(
	struct canon *c, const struct hoy_shape *shape, struct hoy_node *node, const struct hoy_shape_path *path)
{
	struct hoy_node *next;

	for (struct hoy_node *member = node->first; member; member = next) {
		const struct hoy_shape_path member_path = { .parent = path, .key = member->key };
		const struct hoy_shape_field *field = hoy_shape_field_find(shape, member->key);
		int r = 0;

		next = member->next;
		if (!field) {
			if (!shape->closed && hoy_shape_is_extension(member->key))
				continue;
			return unknown_key(c, shape, member, path);
		}
		if (member->merge == HOY_NODE_RESET)
			continue;
		if (field->kind == HOY_SHAPE_LEGACY) {
			r = legacy_key(c, member, path);
			(void) hoy_node_remove(node, member->key);
		} else if (member->type != HOY_NODE_NULL || field->kind == HOY_SHAPE_COMMAND) {
			r = canon_field(c, field, member, node, &member_path);
		} else if (member->merge == HOY_NODE_MERGE) {
			/* Nothing stands there: as if the key did not. */
			(void) hoy_node_remove(node, member->key);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_shape_canonical(struct hoy_arena *arena, const struct hoy_shape *shape, struct hoy_node *node, const char *path,
	bool open, struct hoy_err *err)
{
	struct canon c = { .arena = arena, .open = open, .err = err };
	const struct hoy_shape_path start = { .key = path };

	if (node->type != HOY_NODE_MAP)
		return must_be(&c, node, &start, "a mapping");
	return canon_object(&c, shape, node, *path ? &start : NULL);
}
