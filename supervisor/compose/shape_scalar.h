/* The scalar kinds of shape.h: a value checked, and brought to its canonical text and type. */
#ifndef HOY_COMPOSE_SHAPE_SCALAR_H
#define HOY_COMPOSE_SHAPE_SCALAR_H

#include "supervisor/compose/shape.h"

/* Where a value stands: "services.web.ports[1]". */
struct hoy_shape_path {
	const struct hoy_shape_path *parent;
	const char *key; /* NULL: an item of a list */
	size_t index;
};

/* The path as text, in the arena; "" when out of memory. */
const char *hoy_shape_path_text(struct hoy_arena *arena, const struct hoy_shape_path *path);

/* Checks a scalar and rewrites its type and text. `path` is for messages. */
int hoy_shape_scalar(struct hoy_arena *arena, const struct hoy_shape_field *field, struct hoy_node *node,
	const struct hoy_shape_path *path, struct hoy_err *err);

/* A scalar as text, as Go prints it: 0440 is 288, 1.50 is 1.5. NULL when out of memory. */
const char *hoy_shape_text_of(struct hoy_arena *arena, const struct hoy_node *node);

/* An integer as YAML's core schema and 1.1's octal have it. */
bool hoy_shape_parse_int(const char *text, int64_t *ret);
/* Go's duration, with days and weeks in front: "1w2d3h". */
bool hoy_shape_parse_duration(const char *text, int64_t *ret_ns);
/* "1m30s" as Go prints a duration. */
const char *hoy_shape_duration_text(struct hoy_arena *arena, int64_t ns);
/* The shortest decimal that reads back as the same float (32 bits) or double. */
const char *hoy_shape_float_text(struct hoy_arena *arena, double value, bool single);

#endif
