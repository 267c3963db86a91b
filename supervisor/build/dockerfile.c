/* The parser's public functions. */
#include "supervisor/build/dockerfile.h"

int hoy_dockerfile_parse(
	const char *name, const char *text, size_t len, struct hoy_dockerfile **ret, struct hoy_err *err)
{
	(void) text;
	(void) len;
	*ret = NULL;
	return hoy_err_unsupported(err, "%s: reading a Dockerfile is not built yet", name);
}

void hoy_dockerfile_free(struct hoy_dockerfile *file)
{
	free(file);
}
