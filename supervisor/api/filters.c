/* Filters. */
#include "supervisor/api/filters.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/str.h"

static int add(struct hoy_filters *filters, const char *key, const char *value, struct hoy_err *err)
{
	struct hoy_filter_item *item = realloc(filters->items, (filters->n_items + 1) * sizeof *item);

	if (!item)
		return hoy_err_oom(err);
	filters->items = item;
	item += filters->n_items;
	item->key = strdup(key);
	item->value = strdup(value);
	filters->n_items++;
	return item->key && item->value ? 0 : hoy_err_oom(err);
}

/* The values of one key: names of an object's members, or the strings of an array. */
static int add_values(struct hoy_filters *filters, const struct hoy_json *values, struct hoy_err *err)
{
	const char *key = hoy_json_key(values);
	enum hoy_json_type type = hoy_json_type(values);
	int r = 0;

	if (type != HOY_JSON_OBJECT && type != HOY_JSON_ARRAY)
		return hoy_err_invalid(err, "invalid filter '%s': want a list of strings", key);
	hoy_json_each(value, values)
	{
		const char *text = type == HOY_JSON_OBJECT ? hoy_json_key(value) : hoy_json_string(value);

		if (!text)
			return hoy_err_invalid(err, "invalid filter '%s': want a list of strings", key);
		r = add(filters, key, text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++)
		if (!strcmp(*known, key))
			return true;
	return false;
}

int hoy_filters_parse(struct hoy_filters *filters, const char *text, const char *const *known, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r;

	*filters = (struct hoy_filters){ 0 };
	if (!text || !*text)
		return 0;
	r = hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, err);
	if (r < 0)
		return hoy_err_wrap(err, "invalid filters");
	if (hoy_json_type(doc) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "invalid filters: want an object");
	hoy_json_each(values, doc)
	{
		if (is_known(hoy_json_key(values), known))
			r = add_values(filters, values, err);
		else
			r = hoy_err_invalid(err, "invalid filter '%s'", hoy_json_key(values));
		if (r < 0) {
			hoy_filters_done(filters);
			return r;
		}
	}
	return 0;
}

void hoy_filters_done(struct hoy_filters *filters)
{
	for (size_t i = 0; i < filters->n_items; i++) {
		free(filters->items[i].key);
		free(filters->items[i].value);
	}
	free(filters->items);
	*filters = (struct hoy_filters){ 0 };
}

bool hoy_filters_has(const struct hoy_filters *filters, const char *key)
{
	for (size_t i = 0; i < filters->n_items; i++)
		if (!strcmp(filters->items[i].key, key))
			return true;
	return false;
}

int hoy_filters_values(const struct hoy_filters *filters, const char *key, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **v = NULL;

	for (size_t i = 0; i < filters->n_items; i++)
		if (!strcmp(filters->items[i].key, key) && hoy_strv_add(&v, filters->items[i].value) < 0)
			return hoy_err_oom(err);
	*ret = TAKE_PTR(v);
	return 0;
}

bool hoy_filters_match(const struct hoy_filters *filters, const char *key, const char *text)
{
	for (size_t i = 0; i < filters->n_items; i++)
		if (!strcmp(filters->items[i].key, key) && !strcmp(filters->items[i].value, text))
			return true;
	return !hoy_filters_has(filters, key);
}

bool hoy_filters_match_prefix(const struct hoy_filters *filters, const char *key, const char *text)
{
	for (size_t i = 0; i < filters->n_items; i++)
		if (!strcmp(filters->items[i].key, key) && hoy_str_starts(text, filters->items[i].value))
			return true;
	return !hoy_filters_has(filters, key);
}

int hoy_filters_bool(const struct hoy_filters *filters, const char *key, int *ret, struct hoy_err *err)
{
	static const char *const names[] = { "false", "0", "true", "1" };

	*ret = -1;
	for (size_t i = 0; i < filters->n_items; i++) {
		const struct hoy_filter_item *item = &filters->items[i];
		int value = -1;

		if (strcmp(item->key, key) != 0)
			continue;
		for (size_t n = 0; n < ARRAY_LEN(names); n++)
			if (!strcasecmp(item->value, names[n]))
				value = n >= 2;
		if (value < 0 || (*ret >= 0 && *ret != value))
			return hoy_err_invalid(err, "invalid filter '%s=%s'", key, item->value);
		*ret = value;
	}
	return 0;
}
