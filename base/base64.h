/* Base64, RFC 4648: written in the plain or the URL-safe alphabet with padding, read in both with or without. */
#ifndef HOY_BASE_BASE64_H
#define HOY_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Append; 0 or -errno, which the buffer remembers. */
int hoy_base64_encode(struct hoy_buf *buf, const void *data, size_t len, bool url_safe);
int hoy_base64_decode(struct hoy_buf *buf, const char *text); /* -EINVAL: not base64 */

#endif
