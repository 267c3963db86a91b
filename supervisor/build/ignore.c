/* Patterns of ignore files. */
#include "supervisor/build/ignore.h"

int hoy_ignore_parse(const char *name, const char *text, size_t len, struct hoy_ignore **ret, struct hoy_err *err)
{
	(void) text;
	(void) len;
	*ret = NULL;
	return hoy_err_unsupported(err, "%s: ignore files are not built yet", name);
}
