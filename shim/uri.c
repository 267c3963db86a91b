/* Percent decoding. */
#include "shim/uri.h"

#include <stdlib.h>

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
