/* --cache-from and --cache-to: their texts into the list that the engine takes. Which types there are, it says. */
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/build_internal.h"
#include "supervisor/cli/csv.h"

static bool are_references(char *const *fields)
{
	for (; *fields; fields++)
		if (strchr(*fields, '='))
			return false;
	return true;
}

/* {"Type": "registry", "Attrs": {"ref": "x"}} */
static int add_cache(struct hoy_json_writer *w, const char *flag, const char *text, char **fields, struct hoy_err *err)
{
	const char *type = NULL;

	for (char **field = fields; *field; field++) {
		char *value = hoy_csv_value(*field);

		if (!value)
			return hoy_err_invalid(err, "--%s: \"%s\" is not of the form KEY=VALUE", flag, *field);
		if (strcmp(*field, "type") == 0)
			type = value;
	}
	if (!type)
		return hoy_err_invalid(err, "--%s: \"%s\" says no type (type=registry,ref=NAME)", flag, text);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Type", type);
	hoy_json_object(w, "Attrs");
	for (char **field = fields; *field; field++)
		if (strcmp(*field, "type") != 0)
			hoy_json_add_string(w, *field, *field + strlen(*field) + 1);
	hoy_json_end(w);
	hoy_json_end(w);
	return 0;
}

int hoy_build_caches_print(const char *flag, char *const *values, struct hoy_buf *ret, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = ret };
	int r = 0;

	if (!values || !*values)
		return 0;
	hoy_json_array(&w, NULL);
	for (; r == 0 && *values; values++) {
		auto_ptr(hoy_strv_free) char **fields = NULL;

		r = hoy_csv_split(*values, &fields, err);
		if (r == 0 && are_references(fields))
			for (char **field = fields; *field; field++)
				hoy_json_add_string(&w, NULL, *field);
		else if (r == 0)
			r = add_cache(&w, flag, *values, fields, err);
	}
	if (r < 0)
		return r;
	hoy_json_end(&w);
	return hoy_buf_check(ret, flag, err);
}
