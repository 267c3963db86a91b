#include "base/base64.h"

#include <errno.h>
#include <string.h>

int hoy_base64_encode(struct hoy_buf *buf, const void *data, size_t len, bool url_safe)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned char *in = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = MIN(len - i, (size_t) 3);
		uint32_t bits = (uint32_t) in[i] << 16 | (n > 1 ? (uint32_t) in[i + 1] << 8 : 0) |
				(n > 2 ? in[i + 2] : 0U);

		for (size_t k = 0; k < 4; k++) {
			uint32_t value = bits >> (18 - 6 * k) & 63;
			char c = value < 62    ? digits[value]
				 : value == 62 ? (url_safe ? '-' : '+')
				 : url_safe    ? '_'
					       : '/';

			(void) hoy_buf_addc(buf, k <= n ? c : '=');
		}
	}
	return buf->failed;
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

int hoy_base64_decode(struct hoy_buf *buf, const char *text)
{
	uint32_t bits = 0;
	int n_bits = 0;

	for (; *text && *text != '='; text++) {
		int value = digit(*text);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t) value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		(void) hoy_buf_addc(buf, (char) (bits >> n_bits & 0xff));
	}
	return text[strspn(text, "=")] ? -EINVAL : buf->failed;
}
