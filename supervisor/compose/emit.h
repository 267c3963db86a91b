/* Trees as text: YAML and JSON as Go's encoders lay them out. */
#ifndef HOY_COMPOSE_EMIT_H
#define HOY_COMPOSE_EMIT_H

#include "base/buf.h"
#include "supervisor/compose/node.h"

/* Block style, two spaces a level; members in the tree's order. Check the buffer at the end. */
void hoy_emit_yaml(const struct hoy_node *node, struct hoy_buf *out);
/* One scalar as YAML writes it on one line. */
void hoy_emit_yaml_scalar(const struct hoy_node *node, struct hoy_buf *out);
/* Compact, or with two spaces a level; <, > and & are escaped as Go does. */
void hoy_emit_json(const struct hoy_node *node, bool indented, struct hoy_buf *out);

/* The order of keys in Go's YAML encoder: numbers within them count as numbers. */
int hoy_emit_compare_keys(const char *a, const char *b);

#endif
