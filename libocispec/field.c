/* The field-table engine. */
#include "libocispec/field.h"
#include "libocispec/image.h"
#include "libocispec/runtime.h"

#include <errno.h>
#include <string.h>

const char *hoy_enum_to_string(const struct hoy_enum *e, int value)
{
	return value > 0 && (size_t) value < e->n ? e->names[value] : NULL;
}

int hoy_enum_from_string(const struct hoy_enum *e, const char *name)
{
	for (size_t i = 1; i < e->n; i++)
		if (e->names[i] && strcmp(e->names[i], name) == 0)
			return (int) i;
	for (size_t i = 0; i < e->n_aliases; i++)
		if (strcmp(e->aliases[i].name, name) == 0)
			return e->aliases[i].value;
	return -EINVAL;
}
