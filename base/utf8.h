/* UTF-8: checking, and stepping over what is not. */
#ifndef HOY_BASE_UTF8_H
#define HOY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the character that starts at `text` (1 to 4), 0 when it is not valid: overlong, a surrogate, above
 * U+10FFFF, cut off. `len` > 0. */
size_t hoy_utf8_char_len(const char *text, size_t len);

bool hoy_utf8_is_valid(const char *text, size_t len);

#endif
