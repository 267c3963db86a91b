/* Parsing and finding detach keys. */
#include "base/detach_keys.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static int parse_key(const char *text)
{
	const char *which = text + strlen("ctrl-");

	if (strlen(text) == 1)
		return (unsigned char) *text;
	if (!hoy_str_starts(text, "ctrl-") || strlen(which) != 1)
		return -EINVAL;
	if (*which >= 'a' && *which <= 'z')
		return *which - 'a' + 1;
	if (*which == '@' || (*which >= '[' && *which <= '_'))
		return *which - '@';
	return -EINVAL;
}

int hoy_detach_keys_parse(const char *text, struct hoy_detach_keys *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, ',');
	struct hoy_detach_keys keys = { .n = 0 };

	if (!parts)
		return hoy_err_oom(err);
	for (char **part = parts; *part; part++) {
		int key = parse_key(*part);

		if (key < 0)
			return hoy_err_invalid(err, "Unknown character: '%s'", *part);
		if (keys.n == HOY_DETACH_KEYS_MAX)
			return hoy_err_invalid(err, "more than %d detach keys", HOY_DETACH_KEYS_MAX);
		keys.keys[keys.n++] = (unsigned char) key;
	}
	*ret = keys;
	return 0;
}

bool hoy_detach_keys_filter(struct hoy_detach_keys *keys, const char *data, size_t len, struct hoy_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char) data[i];

		if (keys->n && c == keys->keys[keys->matched]) {
			if (++keys->matched == keys->n)
				return true;
			continue;
		}
		(void) hoy_buf_add(out, keys->keys, keys->matched);
		keys->matched = 0;
		if (keys->n && c == keys->keys[0])
			keys->matched = 1;
		else
			(void) hoy_buf_add(out, &c, 1);
	}
	return false;
}
