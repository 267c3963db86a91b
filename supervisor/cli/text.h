/* Texts of lists as docker's users know them. What is returned is heap memory, NULL when it ran out. */
#ifndef HOY_CLI_TEXT_H
#define HOY_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* At most `width` characters, the last of them "…" when something was cut. */
char *hoy_text_ellipsis(const char *text, size_t width);
/* In double quotes, with Go's escapes. */
char *hoy_text_quote(const char *text);
/* The first 12 digits of an id, without "sha256:". */
char *hoy_text_short_id(const char *id);
/* "a=1,b=2", sorted, of an object of texts. */
char *hoy_text_map(const struct hoy_json *map);
/* "2026-11-29 20:15:00 +0000 UTC" of seconds since 1970, in local time. */
char *hoy_text_time(int64_t seconds);
/* Of an image's name what is shown: without "docker.io/library/". Points into the name. */
const char *hoy_text_familiar(const char *image);

/* --since and --until as the API wants them, "SECONDS.NANOS": a point in time, seconds since 1970, or a duration back
 * from now. -EINVAL when it is none of them. */
struct hoy_buf;
int hoy_text_since(const char *text, struct hoy_buf *out);

#endif
