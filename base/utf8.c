/* UTF-8 by the table of well-formed byte sequences in the Unicode standard. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t hoy_utf8_char_len(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *) text;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return len >= 2 && is_tail(s[1]) ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		if (len < 3 || !is_tail(s[1]) || !is_tail(s[2]))
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (len < 4 || !is_tail(s[1]) || !is_tail(s[2]) || !is_tail(s[3]))
			return 0;
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool hoy_utf8_is_valid(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t eight;
		size_t n;

		/* Nearly all text is ASCII: eight bytes at a time. */
		if (len - i >= sizeof eight) {
			memcpy(&eight, text + i, sizeof eight);
			if (!(eight & UINT64_C(0x8080808080808080))) {
				i += sizeof eight;
				continue;
			}
		}
		n = hoy_utf8_char_len(text + i, len - i);
		if (!n)
			return false;
		i += n;
	}
	return true;
}
