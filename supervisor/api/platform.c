#include "supervisor/api/platform.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

static const char *member(const struct hoy_json *object, const char *key)
{
	const struct hoy_json *value = hoy_json_get_ci(object, key);
	const char *text = value ? hoy_json_string(value) : NULL;

	return text ? text : "";
}

int hoy_api_platform(const char *text, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *object;
	const char *variant;

	*ret = NULL;
	if (!text || !*text || strcmp(text, "[]") == 0)
		return 0;
	if (*text != '{' && *text != '[') {
		*ret = strdup(text);
		return *ret ? 0 : hoy_err_oom(err);
	}
	if (hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, err) < 0)
		return hoy_err_wrap(err, "failed to parse platform");
	object = hoy_json_type(doc) == HOY_JSON_ARRAY ? hoy_json_first(doc) : doc;
	if (hoy_json_type(doc) == HOY_JSON_ARRAY && hoy_json_len(doc) > 1)
		return hoy_err_unsupported(err, "more than one platform at a time is not supported");
	if (!*member(object, "os") || !*member(object, "architecture"))
		return hoy_err_invalid(err, "failed to parse platform: both OS and Architecture must be provided");
	variant = member(object, "variant");
	*ret = hoy_str_printf(
		"%s/%s%s%s", member(object, "os"), member(object, "architecture"), *variant ? "/" : "", variant);
	return *ret ? 0 : hoy_err_oom(err);
}
