/* Items of lists that are the same thing. */
#ifndef HOY_COMPOSE_UNIQUE_H
#define HOY_COMPOSE_UNIQUE_H

#include "supervisor/compose/shape.h"

/* Lets a later item of `list` take the place of an earlier one that is the same by the field's rule. */
int hoy_unique(
	struct hoy_arena *arena, const struct hoy_shape_field *field, struct hoy_node *list, struct hoy_err *err);

#endif
