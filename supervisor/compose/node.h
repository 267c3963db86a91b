/*
 * The tree that a compose file becomes: scalars, maps and lists, each with the place it came from. All nodes of a
 * project lie in one arena. Between the steps of the loader (YAML, interpolation, canonical form, merge, defaults) the
 * tree is the only form; project.h is decoded from the finished one.
 */
#ifndef HOY_COMPOSE_NODE_H
#define HOY_COMPOSE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/compose/arena.h"

enum hoy_node_type {
	HOY_NODE_NULL,
	HOY_NODE_BOOL,   /* text "true" or "false" */
	HOY_NODE_INT,    /* text as YAML's core schema has it: 12, 0x1f, 0o17, 0440 (old octal) */
	HOY_NODE_FLOAT,  /* 1.5, 1e3 */
	HOY_NODE_STRING, /* quoted, or plain and nothing else */
	HOY_NODE_MAP,
	HOY_NODE_LIST,
};

/* How a value meets the one it is merged on. */
enum hoy_node_merge { HOY_NODE_MERGE, HOY_NODE_RESET /* !reset */, HOY_NODE_OVERRIDE /* !override */ };

struct hoy_node {
	enum hoy_node_type type;
	enum hoy_node_merge merge;
	bool canonical;    /* loader: already in the long form */
	const char *text;  /* scalars: never NULL; maps and lists: NULL */
	const char *key;   /* as a member of a map: its name; else NULL */
	const char *file;  /* as the user named it; never NULL */
	unsigned int line; /* from 1; of the value (of the key when the value is empty) */
	unsigned int column;
	unsigned int key_line, key_column; /* of its name; 0: it has none, or a later step gave it */
	size_t len;                        /* children */
	struct hoy_node *first, *last;     /* children, in the file's order */
	struct hoy_node *next;             /* next child of the same parent */
};

#define hoy_node_each(child, parent)                                                                                   \
	for (struct hoy_node *child = (parent) ? (parent)->first : NULL; child; child = child->next)

/* "a map", "a list", "a string" ... as error texts say it. */
const char *hoy_node_type_name(const struct hoy_node *node);
bool hoy_node_is_scalar(const struct hoy_node *node); /* null is none */

/* The member `key` of a map; NULL: absent, or `map` is NULL or no map. */
struct hoy_node *hoy_node_get(const struct hoy_node *map, const char *key);
const char *hoy_node_text(const struct hoy_node *map, const char *key); /* its text; NULL: absent or no scalar */

/* New nodes take their place (file, line, column) from `at`. NULL when out of memory. */
struct hoy_node *hoy_node_new(struct hoy_arena *arena, enum hoy_node_type type, const struct hoy_node *at);
struct hoy_node *hoy_node_string(struct hoy_arena *arena, const char *text, const struct hoy_node *at);
/* Deep; the copy has no key and no next. */
struct hoy_node *hoy_node_copy(struct hoy_arena *arena, const struct hoy_node *node);

/* A child of nobody else goes to the end of a list, or of a map under `key` (not copied), replacing a member of that
 * name in its place. */
void hoy_node_add(struct hoy_node *list, struct hoy_node *child);
void hoy_node_set(struct hoy_node *map, const char *key, struct hoy_node *child);
bool hoy_node_remove(struct hoy_node *map, const char *key);
/* Sorts the members of a map by name. */
void hoy_node_sort(struct hoy_node *map);

/* "file:line:column: text" as an invalid-input error; the second one's place is that of the node's name. -EINVAL. */
int hoy_node_invalid(const struct hoy_node *node, struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(3, 4);

int hoy_node_invalid_key(const struct hoy_node *node, struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(3, 4);

#endif
