/* YAML text to trees, through libyaml; the only file that knows it is yaml.c. */
#ifndef HOY_COMPOSE_YAML_H
#define HOY_COMPOSE_YAML_H

#include "supervisor/compose/node.h"

/* What a file may cost. */
enum {
	HOY_YAML_MAX_SIZE = 16 << 20, /* bytes of text */
	HOY_YAML_MAX_DEPTH = 100,
	HOY_YAML_MAX_NODES = 400000,   /* that stand in the file */
	HOY_YAML_MAX_ALIASED = 100000, /* that aliases and merge keys add */
	HOY_YAML_MAX_KEYS = 20000,     /* of one map */
};

/*
 * Parses all documents of `text` (YAML 1.2 core schema, 1.1's octal numbers, anchors, aliases and `<<`; the tags
 * !reset and !override). *ret is a list of their roots. A key is a string and unique in its map. `file` is the name in
 * messages; it is copied. Errors: HOY_ERR_INVALID "file:line:column: text".
 */
int hoy_yaml_parse(struct hoy_arena *arena, const char *file, const char *text, size_t len, struct hoy_node **ret,
	struct hoy_err *err);

/* What a plain scalar means: its type, as hoy_yaml_parse() gives it. */
enum hoy_node_type hoy_yaml_plain_type(const char *text);

#endif
