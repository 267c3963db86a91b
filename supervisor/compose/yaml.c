/*
 * libyaml's events become nodes. An alias copies the anchor's tree, so that later steps may change each copy; copies
 * are counted, since a few lines can ask for billions of them. Merge keys are dissolved when their map ends.
 */
#include "supervisor/compose/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "supervisor/compose/shape_scalar.h"
/* The key under which maps wait that a "<<" merges; told from a quoted one by its address. */
static const char merge_key[] = "<<";

struct anchor {
	const char *name;
	struct hoy_node *node;
	bool open; /* its end has not been seen */
	struct anchor *next;
};

struct reader {
	struct hoy_arena *arena;
	const char *file;
	struct hoy_node *documents;
	struct hoy_node *open[HOY_YAML_MAX_DEPTH]; /* maps and lists whose end is to come */
	const char *keys[HOY_YAML_MAX_DEPTH];      /* of open maps: the key whose value comes next */
	yaml_mark_t key_marks[HOY_YAML_MAX_DEPTH]; /* where it stands */
	bool merging[HOY_YAML_MAX_DEPTH];          /* that key is "<<" */
	size_t depth;
	struct anchor *anchors;
	size_t nodes, aliased;
	struct hoy_err *err;
};

static bool all_of(const char *text, const char *set)
{
	return *text && text[strspn(text, set)] == '\0';
}

static bool looks_like_int(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		return all_of(digits + 2, "0123456789abcdefABCDEF_");
	if (digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'O'))
		return all_of(digits + 2, "01234567_");
	if (digits[0] == '0' && (digits[1] == 'b' || digits[1] == 'B'))
		return all_of(digits + 2, "01_");
	return digits[0] >= '0' && digits[0] <= '9' && all_of(digits, "0123456789_");
}

/* One that a number of 64 bits holds, so that it can be written out again. */
static bool is_int(const char *text)
{
	int64_t value;

	return looks_like_int(text) && hoy_shape_parse_int(text, &value);
}

/* A finite one: JSON has no others, so .inf and .nan are texts here. */
static bool is_float(const char *text)
{
	const char *at = text + (*text == '-' || *text == '+');
	size_t whole = strspn(at, "0123456789"), part = 0;

	at += whole;
	if (*at == '.') {
		part = strspn(++at, "0123456789");
		at += part;
	}
	if (!whole && !part)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '-' || *at == '+';
		if (!all_of(at, "0123456789"))
			return false;
		at = "";
	}
	return *at == '\0' && isfinite(strtod(text, NULL));
}

static bool is_one_of(const char *text, const char *const words[])
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

enum hoy_node_type hoy_yaml_plain_type(const char *text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const bools[] = { "true", "True", "TRUE", "false", "False", "FALSE", NULL };

	if (is_one_of(text, nulls))
		return HOY_NODE_NULL;
	if (is_one_of(text, bools))
		return HOY_NODE_BOOL;
	if (is_int(text))
		return HOY_NODE_INT;
	return is_float(text) ? HOY_NODE_FLOAT : HOY_NODE_STRING;
}

static struct hoy_node at_mark(const struct reader *reader, yaml_mark_t mark)
{
	return (struct hoy_node){
		.file = reader->file, .line = (unsigned int) mark.line + 1, .column = (unsigned int) mark.column + 1
	};
}

static int cannot_parse(const struct reader *reader, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	struct hoy_node at;

	if (parser->error == YAML_MEMORY_ERROR)
		return hoy_err_oom(reader->err);
	/* A reader's problem (bytes that are no UTF-8) comes with an offset only. */
	if (parser->error == YAML_READER_ERROR)
		mark = parser->mark;
	at = at_mark(reader, mark);
	return hoy_node_invalid(&at, reader->err, "yaml: %s%s%s", parser->problem ? parser->problem : "cannot be read",
		parser->context ? ", " : "", parser->context ? parser->context : "");
}

static struct hoy_node *new_node(struct reader *reader, enum hoy_node_type type, const yaml_event_t *event)
{
	struct hoy_node at = at_mark(reader, event->start_mark), *node;

	if (++reader->nodes > HOY_YAML_MAX_NODES) {
		hoy_node_invalid(&at, reader->err, "more than %d values in one file", HOY_YAML_MAX_NODES);
		return NULL;
	}
	node = hoy_node_new(reader->arena, type, &at);
	if (!node)
		hoy_err_oom(reader->err);
	return node;
}

static size_t count_nodes(const struct hoy_node *node, size_t most)
{
	size_t n = 1;

	hoy_node_each(child, node)
	{
		if (n > most)
			break;
		n += count_nodes(child, most - n);
	}
	return n;
}

static struct hoy_node *copy_counted(struct reader *reader, const struct hoy_node *node, const struct hoy_node *at)
{
	struct hoy_node *copy;

	reader->aliased += count_nodes(node, HOY_YAML_MAX_ALIASED);
	if (reader->aliased > HOY_YAML_MAX_ALIASED) {
		hoy_node_invalid(at, reader->err, "aliases expand to more than %d values", HOY_YAML_MAX_ALIASED);
		return NULL;
	}
	copy = hoy_node_copy(reader->arena, node);
	if (!copy)
		hoy_err_oom(reader->err);
	return copy;
}

/* --- Anchors ---------------------------------------------------------------------------------------------------- */

static int add_anchor(struct reader *reader, const yaml_char_t *name, struct hoy_node *node)
{
	struct anchor *anchor;

	if (!name)
		return 0;
	anchor = hoy_arena_alloc(reader->arena, sizeof *anchor);
	if (!anchor || !(anchor->name = hoy_arena_strdup(reader->arena, (const char *) name)))
		return hoy_err_oom(reader->err);
	anchor->node = node;
	anchor->open = node->type >= HOY_NODE_MAP;
	anchor->next = reader->anchors;
	reader->anchors = anchor;
	return 0;
}

static void close_anchor(struct reader *reader, const struct hoy_node *node)
{
	for (struct anchor *anchor = reader->anchors; anchor; anchor = anchor->next)
		if (anchor->node == node)
			anchor->open = false;
}

static struct hoy_node *resolve_alias(struct reader *reader, const yaml_event_t *event)
{
	const char *name = (const char *) event->data.alias.anchor;
	struct hoy_node at = at_mark(reader, event->start_mark);
	struct anchor *anchor = reader->anchors;

	while (anchor && strcmp(anchor->name, name) != 0)
		anchor = anchor->next;
	if (!anchor) {
		hoy_node_invalid(&at, reader->err, "unknown anchor '%s'", name);
		return NULL;
	}
	if (anchor->open) {
		hoy_node_invalid(&at, reader->err, "anchor '%s' contains itself", name);
		return NULL;
	}
	return copy_counted(reader, anchor->node, &at);
}

/* --- Values ----------------------------------------------------------------------------------------------------- */

/* Tags of ours and YAML's own; *ret_type is changed where the tag names a scalar type. */
static int apply_tag(struct reader *reader, const yaml_char_t *tag, struct hoy_node *node, enum hoy_node_type *ret_type)
{
	static const struct {
		const char *name;
		enum hoy_node_type type;
	} types[] = {
		{ "tag:yaml.org,2002:str", HOY_NODE_STRING },
		{ "tag:yaml.org,2002:int", HOY_NODE_INT },
		{ "tag:yaml.org,2002:float", HOY_NODE_FLOAT },
		{ "tag:yaml.org,2002:bool", HOY_NODE_BOOL },
		{ "tag:yaml.org,2002:null", HOY_NODE_NULL },
		{ "tag:yaml.org,2002:map", HOY_NODE_MAP },
		{ "tag:yaml.org,2002:seq", HOY_NODE_LIST },
	};
	const char *text = (const char *) tag;

	if (!text || !strcmp(text, "!"))
		return 0;
	if (!strcmp(text, "!reset") || !strcmp(text, "!override")) {
		node->merge = text[1] == 'r' ? HOY_NODE_RESET : HOY_NODE_OVERRIDE;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(text, types[i].name) != 0)
			continue;
		if ((types[i].type >= HOY_NODE_MAP || node->type >= HOY_NODE_MAP) && types[i].type != node->type)
			break;
		if (ret_type)
			*ret_type = types[i].type;
		return 0;
	}
	return hoy_node_invalid(node, reader->err,
		"tag '%s' is not for %s here: !reset, !override and YAML's own are known", text,
		hoy_node_type_name(node));
}

static int type_scalar(struct reader *reader, const yaml_event_t *event, struct hoy_node *node)
{
	const char *text = (const char *) event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	enum hoy_node_type meant = plain ? hoy_yaml_plain_type(text) : HOY_NODE_STRING;
	enum hoy_node_type type = meant;
	int r;

	if (strlen(text) != event->data.scalar.length)
		return hoy_node_invalid(node, reader->err, "a NUL character");
	/* "!" alone says: a string. */
	if (event->data.scalar.tag && !strcmp((const char *) event->data.scalar.tag, "!"))
		type = meant = HOY_NODE_STRING;
	node->type = HOY_NODE_STRING;
	r = apply_tag(reader, event->data.scalar.tag, node, &type);
	if (r < 0)
		return r;
	if (type != meant && type != HOY_NODE_STRING && type != hoy_yaml_plain_type(text) &&
		!(type == HOY_NODE_FLOAT && is_int(text)))
		return hoy_node_invalid(node, reader->err, "'%.100s' is not what its tag says", text);
	node->type = type;
	if (type == HOY_NODE_BOOL)
		text = *text == 't' || *text == 'T' ? "true" : "false";
	node->text = type == HOY_NODE_NULL ? NULL : hoy_arena_strdup(reader->arena, text);
	return type == HOY_NODE_NULL || node->text ? 0 : hoy_err_oom(reader->err);
}

/* The maps of a "<<" wait, under that name, for the end of their map. */
static int merge_later(struct reader *reader, struct hoy_node *map, struct hoy_node *value)
{
	bool fine = value->type == HOY_NODE_MAP || value->type == HOY_NODE_LIST;

	if (value->type == HOY_NODE_LIST)
		hoy_node_each(item, value) fine = fine && item->type == HOY_NODE_MAP;
	if (!fine)
		return hoy_node_invalid(value, reader->err, "a merge key wants a mapping or a list of them, not %s",
			hoy_node_type_name(value));
	value->key = merge_key;
	hoy_node_add(map, value);
	return 0;
}

/* Puts a finished value where it belongs. */
static int place(struct reader *reader, struct hoy_node *node)
{
	struct hoy_node *parent = reader->depth ? reader->open[reader->depth - 1] : reader->documents;
	size_t level = reader->depth - 1;

	if (parent->type == HOY_NODE_LIST) {
		hoy_node_add(parent, node);
		return 0;
	}
	if (reader->merging[level]) {
		reader->keys[level] = NULL;
		reader->merging[level] = false;
		return merge_later(reader, parent, node);
	}
	if (parent->len >= HOY_YAML_MAX_KEYS)
		return hoy_node_invalid(node, reader->err, "more than %d keys in one mapping", HOY_YAML_MAX_KEYS);
	node->key = reader->keys[level];
	node->key_line = (unsigned int) reader->key_marks[level].line + 1;
	node->key_column = (unsigned int) reader->key_marks[level].column + 1;
	reader->keys[level] = NULL;
	hoy_node_add(parent, node);
	return 0;
}

static bool wants_key(const struct reader *reader)
{
	return reader->depth && reader->open[reader->depth - 1]->type == HOY_NODE_MAP &&
	       !reader->keys[reader->depth - 1];
}

static int read_key(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *) event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct hoy_node at = at_mark(reader, event->start_mark);
	size_t level = reader->depth - 1;

	if (strlen(text) != event->data.scalar.length)
		return hoy_node_invalid(&at, reader->err, "a NUL character in a key");
	reader->merging[level] = plain && !strcmp(text, "<<");
	reader->key_marks[level] = event->start_mark;
	if (plain && !reader->merging[level] && hoy_yaml_plain_type(text) != HOY_NODE_STRING)
		return hoy_node_invalid(
			&at, reader->err, "non-string key %.100s: put it in quotes", *text ? text : "(empty)");
	reader->keys[level] = hoy_arena_strdup(reader->arena, text);
	if (!reader->keys[level])
		return hoy_err_oom(reader->err);
	return 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event)
{
	struct hoy_node *node;
	int r;

	if (wants_key(reader))
		return read_key(reader, event);
	node = new_node(reader, HOY_NODE_STRING, event);
	if (!node)
		return -EINVAL;
	r = type_scalar(reader, event, node);
	if (r < 0)
		return r;
	r = add_anchor(reader, event->data.scalar.anchor, node);
	return r < 0 ? r : place(reader, node);
}

static int start(struct reader *reader, const yaml_event_t *event, enum hoy_node_type type)
{
	bool map = type == HOY_NODE_MAP;
	struct hoy_node *node = new_node(reader, type, event);
	int r;

	if (!node)
		return -EINVAL;
	if (wants_key(reader))
		return hoy_node_invalid(node, reader->err, "non-string key: %s", hoy_node_type_name(node));
	if (reader->depth == HOY_YAML_MAX_DEPTH)
		return hoy_node_invalid(node, reader->err, "nested deeper than %d levels", HOY_YAML_MAX_DEPTH);
	r = apply_tag(reader, map ? event->data.mapping_start.tag : event->data.sequence_start.tag, node, NULL);
	if (r < 0)
		return r;
	r = add_anchor(reader, map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor, node);
	if (r < 0)
		return r;
	reader->open[reader->depth] = node;
	reader->keys[reader->depth] = NULL;
	reader->merging[reader->depth++] = false;
	return 0;
}

/* --- The end of a map: duplicates, merge keys --------------------------------------------------------------------- */

static int by_key_then_place(const void *a, const void *b)
{
	const struct hoy_node *left = *(const struct hoy_node *const *) a, *right = *(const struct hoy_node *const *) b;
	int r = strcmp(left->key, right->key);

	if (r)
		return r;
	return left->line != right->line
		       ? (left->line > right->line ? 1 : -1)
		       : (int) (left->key_column > right->key_column) - (int) (left->key_column < right->key_column);
}

static int check_unique(struct reader *reader, const struct hoy_node *map)
{
	const struct hoy_node **members;
	size_t n = 0;
	int r = 0;

	if (map->len < 2)
		return 0;
	members = calloc(map->len, sizeof *members);
	if (!members)
		return hoy_err_oom(reader->err);
	hoy_node_each(child, map) members[n++] = child;
	qsort(members, n, sizeof *members, by_key_then_place);
	for (size_t i = 1; i < n && r == 0; i++)
		if (!strcmp(members[i]->key, members[i - 1]->key))
			r = hoy_node_invalid_key(members[i], reader->err,
				"mapping key \"%s\" already defined at line %u", members[i]->key,
				members[i - 1]->key_line);
	free(members);
	return r;
}

/* Adds what `map` lacks of `from`. */
static int merge_map(struct reader *reader, struct hoy_node *map, const struct hoy_node *from)
{
	hoy_node_each(member, from)
	{
		struct hoy_node *copy;

		if (hoy_node_get(map, member->key))
			continue;
		if (map->len >= HOY_YAML_MAX_KEYS)
			return hoy_node_invalid(
				from, reader->err, "more than %d keys in one mapping", HOY_YAML_MAX_KEYS);
		copy = copy_counted(reader, member, from);
		if (!copy)
			return -EINVAL;
		copy->key = member->key;
		hoy_node_add(map, copy);
	}
	return 0;
}

static int dissolve_merge_keys(struct reader *reader, struct hoy_node *map)
{
	struct hoy_node *members = map->first, *merges = NULL, **merges_end = &merges;
	int r = 0;

	map->first = map->last = NULL;
	map->len = 0;
	while (members) {
		struct hoy_node *member = members;

		members = member->next;
		if (member->key != merge_key) {
			hoy_node_add(map, member);
			continue;
		}
		member->next = NULL;
		*merges_end = member;
		merges_end = &member->next;
	}
	r = check_unique(reader, map);
	for (struct hoy_node *merge = merges; merge && r >= 0; merge = merge->next) {
		if (merge->type == HOY_NODE_MAP)
			r = merge_map(reader, map, merge);
		else
			for (struct hoy_node *item = merge->first; item && r >= 0; item = item->next)
				r = merge_map(reader, map, item);
	}
	return r;
}

static int end(struct reader *reader)
{
	struct hoy_node *node = reader->open[--reader->depth];
	int r = node->type == HOY_NODE_MAP ? dissolve_merge_keys(reader, node) : 0;

	if (r < 0)
		return r;
	close_anchor(reader, node);
	return place(reader, node);
}

static int on_event(struct reader *reader, const yaml_event_t *event)
{
	struct hoy_node *node;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(reader, event);
	case YAML_ALIAS_EVENT:
		node = resolve_alias(reader, event);
		if (!node)
			return -EINVAL;
		if (!wants_key(reader))
			return place(reader, node);
		if (node->type != HOY_NODE_STRING)
			return hoy_node_invalid(node, reader->err, "non-string key: %s", hoy_node_type_name(node));
		reader->keys[reader->depth - 1] = node->text;
		reader->key_marks[reader->depth - 1] = event->start_mark;
		return 0;
	case YAML_MAPPING_START_EVENT:
		return start(reader, event, HOY_NODE_MAP);
	case YAML_SEQUENCE_START_EVENT:
		return start(reader, event, HOY_NODE_LIST);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return end(reader);
	case YAML_DOCUMENT_END_EVENT:
		reader->anchors = NULL;
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct reader *reader, yaml_parser_t *parser)
{
	for (;;) {
		yaml_event_t event;
		bool last;
		int r;

		if (!yaml_parser_parse(parser, &event))
			return cannot_parse(reader, parser);
		last = event.type == YAML_STREAM_END_EVENT;
		r = on_event(reader, &event);
		yaml_event_delete(&event);
		if (r < 0 || last)
			return r;
	}
}

int hoy_yaml_parse(struct hoy_arena *arena, const char *file, const char *text, size_t len, struct hoy_node **ret,
	struct hoy_err *err)
{
	struct reader *reader;
	yaml_parser_t parser;
	int r;

	if (len > HOY_YAML_MAX_SIZE)
		return hoy_err_invalid(err, "%s: larger than %d MiB", file, HOY_YAML_MAX_SIZE >> 20);
	reader = hoy_arena_alloc(arena, sizeof *reader);
	if (!reader)
		return hoy_err_oom(err);
	reader->arena = arena;
	reader->err = err;
	reader->file = hoy_arena_strdup(arena, file);
	reader->documents = hoy_node_new(arena, HOY_NODE_LIST, &(struct hoy_node){ .file = reader->file });
	if (!reader->file || !reader->documents)
		return hoy_err_oom(err);
	if (!yaml_parser_initialize(&parser))
		return hoy_err_oom(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
	r = read_events(reader, &parser);
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	*ret = reader->documents;
	return 0;
}
