/* Filters as the API wants them: {"key":{"value":true}}. */
#include "supervisor/cli/filter.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"

int hoy_filter_add_query(struct hoy_buf *path, char *const *entries, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_strv_free) char **done = NULL;
	struct hoy_json_writer w = { .buf = &text };
	int r;

	if (!entries)
		return 0;
	hoy_json_object(&w, NULL);
	for (char *const *e = entries; *e; e++) {
		size_t len = strcspn(*e, "=");
		auto_free char *key = strndup(*e, len);

		if (!key)
			return hoy_err_oom(err);
		if (!(*e)[len] || !len)
			return hoy_err_invalid(err,
				"invalid argument \"%s\" for \"-f, --filter\" flag: bad format of filter (expected name=value)",
				*e);
		if (hoy_strv_has(done, key))
			continue;
		if (hoy_strv_add(&done, key) < 0)
			return hoy_err_oom(err);
		hoy_json_object(&w, key);
		for (char *const *same = e; *same; same++)
			if (strncmp(*same, *e, len + 1) == 0)
				hoy_json_add_bool(&w, *same + len + 1, true);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the filters", err);
	if (r < 0)
		return r;
	(void) hoy_buf_adds(path, strchr(path->data, '?') ? "&filters=" : "?filters=");
	hoy_http_escape(path, text.data);
	return 0;
}

int hoy_filter_call(const struct hoy_cli *cli, const char *method, struct hoy_buf *path, char *const *entries,
	struct hoy_json **ret, struct hoy_err *err)
{
	int r = hoy_filter_add_query(path, entries, err);

	if (r >= 0)
		r = hoy_buf_check(path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, method, path->data, NULL, ret, err);
}
