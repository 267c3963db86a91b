/* Prints the path of every field of config.json that holds a value, one a line: the rows runtime-spec.tsv must have. */
#include <stdio.h>

#include "libocispec/runtime_internal.h"

static void print(const char *path, const struct hoy_field *field, void *userdata)
{
	(void) userdata;
	if (hoy_field_is_leaf(field))
		puts(path);
}

int main(void)
{
	hoy_field_walk(&hoy_oci_spec_object, print, NULL);
	return 0;
}
