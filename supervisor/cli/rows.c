/* Rows of a list. */
#include "supervisor/cli/rows.h"

#include <stdlib.h>

int hoy_rows_add(struct hoy_json_writer *w, const char *key, char *text)
{
	if (!text)
		return 1;
	hoy_json_add_string(w, key, text);
	free(text);
	return 0;
}
