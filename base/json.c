/*
 * JSON text to a tree, on yajl's SAX parser; the only file that knows yajl. Nodes and strings of a document lie in one
 * arena, so that a tree costs a handful of mallocs. Writing is in json_write.c.
 */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yajl_parse.h>

#include "base/str.h"
#include "base/utf8.h"

#define DEFAULT_MAX_SIZE ((size_t) 16 << 20)
#define DEFAULT_MAX_DEPTH 128
#define DEFAULT_MAX_NODES 1000000
#define CHUNK_MIN ((size_t) 15 << 10)
#define CHUNK_MAX ((size_t) 1 << 20)
/* Up to this many members, pairs are compared; above, a hash table finds duplicate keys. */
#define FEW_MEMBERS 16

struct hoy_json {
	enum hoy_json_type type;
	uint32_t key_hash;
	const char *key; /* NULL unless a member of an object */
	struct hoy_json *next;
	union {
		bool boolean;
		const char *text; /* string, number */
		struct {
			struct hoy_json *first, *last;
			size_t len;
		};
	};
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

struct document {
	struct hoy_json root; /* first: a root is its document */
	struct chunk *chunks;
};

struct level {
	struct hoy_json *container;
	struct level *up;
};

struct parser {
	struct document *doc;
	struct level *top, *spare; /* open containers; closed levels are used again */
	size_t depth, nodes;
	struct hoy_json_limits limits;
	const char *key; /* of the value that comes next */
	uint32_t key_hash;
	int code; /* -errno once a callback has filled err */
	struct hoy_err *err;
};

/* --- arena ------------------------------------------------------------------------------------------------- */

static int add_chunk(struct document *doc, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk + size);

	if (!chunk)
		return -ENOMEM;
	chunk->next = doc->chunks;
	chunk->used = 0;
	chunk->size = size;
	doc->chunks = chunk;
	return 0;
}

static void *arena_alloc(struct document *doc, size_t size, size_t align)
{
	struct chunk *chunk = doc->chunks;
	size_t at = (chunk->used + align - 1) & ~(align - 1);

	if (at > chunk->size || size > chunk->size - at) {
		size_t next = chunk->size * 2 < CHUNK_MAX ? chunk->size * 2 : CHUNK_MAX;

		if (add_chunk(doc, size > next ? size : next) < 0)
			return NULL;
		chunk = doc->chunks;
		at = 0;
	}
	chunk->used = at + size;
	return chunk->data + at;
}

static char *arena_string(struct document *doc, const void *text, size_t len)
{
	char *copy = arena_alloc(doc, len + 1, 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static struct document *document_new(size_t text_len)
{
	/* A tree takes about four times its text; small documents then need one chunk. */
	size_t size = text_len < CHUNK_MAX / 4 ? text_len * 4 : CHUNK_MAX;
	struct document *doc = calloc(1, sizeof *doc);

	if (!doc)
		return NULL;
	if (add_chunk(doc, size < CHUNK_MIN ? CHUNK_MIN : size) < 0) {
		free(doc);
		return NULL;
	}
	return doc;
}

void hoy_json_free(struct hoy_json *root)
{
	struct document *doc = (struct document *) root;

	if (!doc)
		return;
	for (struct chunk *chunk = doc->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(doc);
}

/* --- building the tree ------------------------------------------------------------------------------------- */

static int stop(struct parser *p, int code)
{
	p->code = code;
	return 0; /* tells yajl to give up */
}

static struct hoy_json *add_node(struct parser *p, enum hoy_json_type type)
{
	struct hoy_json *node;

	if (++p->nodes > p->limits.max_nodes) {
		stop(p, hoy_err_invalid(p->err, "more than %zu values", p->limits.max_nodes));
		return NULL;
	}
	if (!p->top) {
		node = &p->doc->root;
	} else {
		struct hoy_json *up = p->top->container;

		node = arena_alloc(p->doc, sizeof *node, _Alignof(struct hoy_json));
		if (!node) {
			stop(p, hoy_err_oom(p->err));
			return NULL;
		}
		if (up->last)
			up->last->next = node;
		else
			up->first = node;
		up->last = node;
		up->len++;
	}
	*node = (struct hoy_json){ .type = type, .key = p->key, .key_hash = p->key_hash };
	p->key = NULL;
	return node;
}

static int push(struct parser *p, enum hoy_json_type type)
{
	struct hoy_json *node;
	struct level *level = p->spare;

	if (p->depth >= p->limits.max_depth)
		return stop(p, hoy_err_invalid(p->err, "nested deeper than %zu levels", p->limits.max_depth));
	node = add_node(p, type);
	if (!node)
		return 0;
	if (level)
		p->spare = level->up;
	else
		level = arena_alloc(p->doc, sizeof *level, _Alignof(struct level));
	if (!level)
		return stop(p, hoy_err_oom(p->err));
	*level = (struct level){ .container = node, .up = p->top };
	p->top = level;
	p->depth++;
	return 1;
}

static struct hoy_json *pop(struct parser *p)
{
	struct level *level = p->top;

	p->top = level->up;
	level->up = p->spare;
	p->spare = level;
	p->depth--;
	return level->container;
}

/* Copies what yajl has decoded; refuses what it lets through: NUL and surrogates encoded as characters. */
static const char *take_string(struct parser *p, const unsigned char *text, size_t len)
{
	const char *copy;

	if (memchr(text, '\0', len)) {
		stop(p, hoy_err_invalid(p->err, "a string holds a NUL character"));
		return NULL;
	}
	if (!hoy_utf8_is_valid((const char *) text, len)) {
		stop(p, hoy_err_invalid(p->err, "a string is not valid UTF-8"));
		return NULL;
	}
	copy = arena_string(p->doc, text, len);
	if (!copy)
		stop(p, hoy_err_oom(p->err));
	return copy;
}

static int on_null(void *ctx)
{
	return add_node(ctx, HOY_JSON_NULL) != NULL;
}

static int on_boolean(void *ctx, int value)
{
	struct hoy_json *node = add_node(ctx, HOY_JSON_BOOL);

	if (node)
		node->boolean = value;
	return node != NULL;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct parser *p = ctx;
	struct hoy_json *node = add_node(p, HOY_JSON_NUMBER);

	if (!node)
		return 0;
	node->text = arena_string(p->doc, text, len);
	return node->text ? 1 : stop(p, hoy_err_oom(p->err));
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;
	struct hoy_json *node = add_node(p, HOY_JSON_STRING);

	if (!node)
		return 0;
	node->text = take_string(p, text, len);
	return node->text != NULL;
}

static int on_start_map(void *ctx)
{
	return push(ctx, HOY_JSON_OBJECT);
}

static uint32_t hash_of(const unsigned char *text, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ text[i]) * 16777619u;
	return hash;
}

static int on_map_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;

	p->key = take_string(p, text, len);
	p->key_hash = hash_of(text, len);
	return p->key != NULL;
}

static bool same_key(const struct hoy_json *a, const struct hoy_json *b)
{
	return a->key_hash == b->key_hash && strcmp(a->key, b->key) == 0;
}

/* Returns 0 with the second one of a pair, or NULL, in *ret. */
static int find_duplicate(const struct hoy_json *object, const struct hoy_json **ret)
{
	auto_free const struct hoy_json **table = NULL;
	size_t size = 4 * FEW_MEMBERS;

	*ret = NULL;
	if (object->len <= FEW_MEMBERS) {
		for (const struct hoy_json *a = object->first; a; a = a->next)
			for (const struct hoy_json *b = a->next; b; b = b->next)
				if (same_key(a, b)) {
					*ret = b;
					return 0;
				}
		return 0;
	}

	while (size < object->len * 2)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (const struct hoy_json *a = object->first; a; a = a->next) {
		size_t i = (a->key_hash * 2654435769u) & (size - 1);

		while (table[i] && !same_key(table[i], a))
			i = (i + 1) & (size - 1);
		if (table[i]) {
			*ret = a;
			return 0;
		}
		table[i] = a;
	}
	return 0;
}

static int path_of_duplicate(struct parser *p, const struct level *level, struct hoy_buf *buf)
{
	if (!level)
		return 0;
	path_of_duplicate(p, level->up, buf);
	if (level->container->key)
		return hoy_buf_addf(buf, "%s%s", buf->len ? "." : "", level->container->key);
	return level->up ? hoy_buf_addf(buf, "[%zu]", level->up->container->len - 1) : 0;
}

static int refuse_duplicate(struct parser *p, const struct hoy_json *object, const struct hoy_json *twice)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};

	hoy_buf_init(&path, 300);
	path_of_duplicate(p, p->top, &path);
	if (object->key)
		hoy_buf_addf(&path, "%s%s", path.len ? "." : "", object->key);
	else if (p->top)
		hoy_buf_addf(&path, "[%zu]", p->top->container->len - 1);
	hoy_buf_addf(&path, "%s%s", path.len ? "." : "", twice->key);
	if (path.failed)
		return stop(p, hoy_err_invalid(p->err, "\"%.100s\": given twice", twice->key));
	return stop(p, hoy_err_invalid(p->err, "%s: given twice", path.data));
}

static int on_end_map(void *ctx)
{
	struct parser *p = ctx;
	const struct hoy_json *object = pop(p), *twice;

	if (find_duplicate(object, &twice) < 0)
		return stop(p, hoy_err_oom(p->err));
	return twice ? refuse_duplicate(p, object, twice) : 1;
}

static int on_start_array(void *ctx)
{
	return push(ctx, HOY_JSON_ARRAY);
}

static int on_end_array(void *ctx)
{
	(void) pop(ctx);
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_map_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* --- parsing ----------------------------------------------------------------------------------------------- */

/* yajl's own words ("parse error: premature EOF") behind the place. */
static int syntax_error(yajl_handle yajl, const char *text, size_t len, struct hoy_err *err)
{
	size_t at = yajl_get_bytes_consumed(yajl), line = 1, column = 1;
	unsigned char *words = yajl_get_error(yajl, /* verbose= */ 0, NULL, 0);
	int code;

	for (size_t i = 0; i < at && i < len; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	if (words)
		words[strcspn((char *) words, "\n")] = '\0';
	code = hoy_err_invalid(err, "line %zu, column %zu: %s", line, column, words ? (char *) words : "not JSON");
	if (words)
		yajl_free_error(yajl, words);
	return code;
}

static int run_parser(struct parser *p, const char *text, size_t len)
{
	yajl_handle yajl = yajl_alloc(&callbacks, NULL, p);
	yajl_status status;
	int code = 0;

	if (!yajl)
		return hoy_err_oom(p->err);
	status = yajl_parse(yajl, (const unsigned char *) text, len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	if (p->code < 0)
		code = p->code;
	else if (status != yajl_status_ok)
		code = syntax_error(yajl, text, len, p->err);
	yajl_free(yajl);
	return code;
}

int hoy_json_parse(
	const char *text, size_t len, const struct hoy_json_limits *limits, struct hoy_json **ret, struct hoy_err *err)
{
	struct parser p = { .err = err };
	int r;

	if (limits)
		p.limits = *limits;
	if (!p.limits.max_size)
		p.limits.max_size = DEFAULT_MAX_SIZE;
	if (!p.limits.max_depth)
		p.limits.max_depth = DEFAULT_MAX_DEPTH;
	if (!p.limits.max_nodes)
		p.limits.max_nodes = DEFAULT_MAX_NODES;
	if (len > p.limits.max_size)
		return hoy_err_set(err, HOY_ERR_INVALID, EMSGSIZE, "JSON text of %zu bytes is larger than %zu bytes",
			len, p.limits.max_size);

	p.doc = document_new(len);
	if (!p.doc)
		return hoy_err_oom(err);
	r = run_parser(&p, text, len);
	if (r < 0) {
		hoy_json_free(&p.doc->root);
		return r;
	}
	*ret = &p.doc->root;
	return 0;
}

/* --- reading the tree -------------------------------------------------------------------------------------- */

enum hoy_json_type hoy_json_type(const struct hoy_json *value)
{
	return value ? value->type : HOY_JSON_NULL;
}

const char *hoy_json_type_name(enum hoy_json_type type)
{
	static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };

	return names[type];
}

bool hoy_json_bool(const struct hoy_json *value)
{
	return hoy_json_type(value) == HOY_JSON_BOOL && value->boolean;
}

const char *hoy_json_string(const struct hoy_json *value)
{
	return hoy_json_type(value) == HOY_JSON_STRING ? value->text : NULL;
}

const char *hoy_json_number_text(const struct hoy_json *value)
{
	return hoy_json_type(value) == HOY_JSON_NUMBER ? value->text : NULL;
}

int hoy_json_to_i64(const struct hoy_json *value, int64_t *ret)
{
	return hoy_json_type(value) == HOY_JSON_NUMBER ? hoy_str_to_i64(value->text, ret) : -EINVAL;
}

int hoy_json_to_u64(const struct hoy_json *value, uint64_t *ret)
{
	int64_t negative;
	int r;

	if (hoy_json_type(value) != HOY_JSON_NUMBER)
		return -EINVAL;
	if (value->text[0] != '-')
		return hoy_str_to_u64(value->text, ret);
	/* A negative integer is out of range, anything else with a sign is no integer; -0 is 0. */
	r = hoy_str_to_i64(value->text, &negative);
	if (r < 0 || negative)
		return r < 0 ? r : -ERANGE;
	*ret = 0;
	return 0;
}

int hoy_json_to_double(const struct hoy_json *value, double *ret)
{
	double number;
	char *end;

	if (hoy_json_type(value) != HOY_JSON_NUMBER)
		return -EINVAL;
	number = strtod(value->text, &end);
	if (*end)
		return -EINVAL;
	if (number - number != 0) /* infinite: the text was a number, its value is none */
		return -ERANGE;
	*ret = number;
	return 0;
}

static bool is_container(const struct hoy_json *value)
{
	return hoy_json_type(value) >= HOY_JSON_ARRAY;
}

bool hoy_json_is_neutral(const struct hoy_json *value)
{
	double number;

	switch (hoy_json_type(value)) {
	case HOY_JSON_NULL:
		return true;
	case HOY_JSON_BOOL:
		return !hoy_json_bool(value);
	case HOY_JSON_NUMBER:
		return hoy_json_to_double(value, &number) >= 0 && number == 0;
	case HOY_JSON_STRING:
		return *hoy_json_string(value) == '\0';
	case HOY_JSON_ARRAY:
	case HOY_JSON_OBJECT:
		return hoy_json_len(value) == 0;
	}
	return false;
}

size_t hoy_json_len(const struct hoy_json *value)
{
	return is_container(value) ? value->len : 0;
}

const struct hoy_json *hoy_json_first(const struct hoy_json *value)
{
	return is_container(value) ? value->first : NULL;
}

const struct hoy_json *hoy_json_next(const struct hoy_json *child)
{
	return child->next;
}

const char *hoy_json_key(const struct hoy_json *child)
{
	return child->key;
}

const struct hoy_json *hoy_json_get(const struct hoy_json *object, const char *key)
{
	if (hoy_json_type(object) == HOY_JSON_OBJECT)
		for (const struct hoy_json *child = object->first; child; child = child->next)
			if (strcmp(child->key, key) == 0)
				return child;
	return NULL;
}

const struct hoy_json *hoy_json_get_ci(const struct hoy_json *object, const char *key)
{
	const struct hoy_json *exact = hoy_json_get(object, key);

	if (exact || hoy_json_type(object) != HOY_JSON_OBJECT)
		return exact;
	for (const struct hoy_json *child = object->first; child; child = child->next)
		if (strcasecmp(child->key, key) == 0)
			return child;
	return NULL;
}
