/* Percent decoding. */
#include "shim/uri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *hoy_uri_decode(const char *from, size_t len)
{
	char *out = malloc(len + 1), *to = out;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (from[i] == '%' && len - i > 2) {
			high = hex_digit(from[i + 1]);
			low = hex_digit(from[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			*to++ = (char) (high << 4 | low);
			i += 2;
		} else {
			*to++ = from[i];
		}
	}
	*to = '\0';
	return out;
}

int hoy_uri_query(const char *uri, char ***ret)
{
	auto_ptr(hoy_strv_free) char **pairs = calloc(1, sizeof(char *));

	if (!pairs)
		return -ENOMEM;
	for (const char *pair = strchr(uri, '?'); pair && pair[1]; pair = strchr(pair + 1, '&')) {
		size_t len = strcspn(pair + 1, "&"), key_len = strcspn(pair + 1, "=&");
		auto_free char *key = hoy_uri_decode(pair + 1, key_len);
		auto_free char *value = hoy_uri_decode(pair + 1 + key_len + 1, len > key_len ? len - key_len - 1 : 0);

		if (!key || !value || hoy_strv_add(&pairs, key) < 0 || hoy_strv_add(&pairs, value) < 0)
			return -ENOMEM;
	}
	*ret = TAKE_PTR(pairs);
	return 0;
}
