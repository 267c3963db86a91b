/* Comma-separated fields. */
#include "supervisor/cli/csv.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

/* A quoted field, *p behind its first quote. */
static int take_quoted(const char **p, struct hoy_buf *field, struct hoy_err *err)
{
	for (;; (*p)++) {
		if (!**p)
			return hoy_err_invalid(err, "extraneous or missing \" in quoted-field");
		if (**p == '"' && (*p)[1] == '"')
			(*p)++;
		else if (**p == '"')
			break;
		(void) hoy_buf_addc(field, **p);
	}
	(*p)++;
	if (**p && **p != ',')
		return hoy_err_invalid(err, "extraneous or missing \" in quoted-field");
	return 0;
}

int hoy_csv_split(const char *text, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = NULL;
	const char *p = text;

	for (;; p++) {
		auto_(hoy_buf_done) struct hoy_buf field = {};
		size_t len = strcspn(p, ",");

		(void) hoy_buf_adds(&field, "");
		if (*p == '"') {
			int r;

			p++;
			r = take_quoted(&p, &field, err);
			if (r < 0)
				return r;
		} else if (memchr(p, '"', len)) {
			return hoy_err_invalid(err, "bare \" in non-quoted-field");
		} else {
			(void) hoy_buf_add(&field, p, len);
			p += len;
		}
		if (field.failed || hoy_strv_add(&list, field.data) < 0)
			return hoy_err_oom(err);
		if (!*p)
			break;
	}
	*ret = TAKE_PTR(list);
	return 0;
}

char *hoy_csv_value(char *field)
{
	char *equals = strchr(field, '=');

	if (!equals)
		return NULL;
	*equals = '\0';
	return equals + 1;
}
