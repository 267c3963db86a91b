/* What the files of the field engine share. */
#ifndef HOY_LIBOCISPEC_FIELD_INTERNAL_H
#define HOY_LIBOCISPEC_FIELD_INTERNAL_H

#include "libocispec/field.h"

/* The C member of a field inside its struct, as a value of `type`. */
#define FIELD_VALUE(type, field, base) (*(type *) ((char *) (base) + (field)->offset))
#define FIELD_COUNT(field, base) (*(size_t *) ((char *) (base) + (field)->count_offset))

/* Frees what a member holds and leaves it zero. */
void hoy_field_clear(const struct hoy_field *field, void *base);

/* For kinds whose member points to one number or bool: the size of what it points to; else 0. */
size_t hoy_field_pointee_size(const struct hoy_field *field);

/* For lists of numbers, enums and pairs: the size of one element; for lists of objects that of the struct; else 0. */
size_t hoy_field_element_size(const struct hoy_field *field);

#endif
