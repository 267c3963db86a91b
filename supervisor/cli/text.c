/* Texts of lists. */
#include "supervisor/cli/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "base/utf8.h"

char *hoy_text_ellipsis(const char *text, size_t width)
{
	const char *end = text, *cut = text;

	for (size_t n = 0; *end; n++) {
		if (n == width)
			return hoy_str_printf("%.*s…", (int) (cut - text), text);
		end += MAX(hoy_utf8_char_len(end, strlen(end)), (size_t) 1);
		if (n + 2 == width)
			cut = end;
	}
	return strdup(text);
}

char *hoy_text_quote(const char *text)
{
	static const char named[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_addc(&out, '"');
	for (; *text; text++) {
		const char *at = strchr(named, *text);

		if (at)
			(void) hoy_buf_addf(&out, "\\%c", names[at - named]);
		else if ((unsigned char) *text < 0x20 || *text == 0x7f)
			(void) hoy_buf_addf(&out, "\\x%02x", (unsigned char) *text);
		else
			(void) hoy_buf_addc(&out, *text);
	}
	(void) hoy_buf_addc(&out, '"');
	return hoy_buf_take(&out);
}

char *hoy_text_short_id(const char *id)
{
	if (hoy_str_starts(id, "sha256:"))
		id += strlen("sha256:");
	return strndup(id, 12);
}

static int by_key(const void *a, const void *b)
{
	const struct hoy_json *const *x = a, *const *y = b;

	return strcmp(hoy_json_key(*x), hoy_json_key(*y));
}

char *hoy_text_map(const struct hoy_json *map)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	auto_free const struct hoy_json **members = calloc(hoy_json_len(map) + 1, sizeof *members);
	size_t n = 0;

	if (!members)
		return NULL;
	hoy_json_each(member, map) members[n++] = member;
	qsort(members, n, sizeof *members, by_key);
	(void) hoy_buf_adds(&out, "");
	for (size_t i = 0; i < n; i++) {
		const char *value = hoy_json_string(members[i]);

		(void) hoy_buf_addf(&out, "%s%s=%s", i ? "," : "", hoy_json_key(members[i]), value ? value : "");
	}
	return hoy_buf_take(&out);
}

char *hoy_text_time(int64_t seconds)
{
	time_t when = (time_t) seconds;
	struct tm tm;
	char text[64];

	if (!localtime_r(&when, &tm) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &tm))
		return strdup("");
	return strdup(text);
}

const char *hoy_text_familiar(const char *image)
{
	if (hoy_str_starts(image, "docker.io/library/"))
		return image + strlen("docker.io/library/");
	return hoy_str_starts(image, "docker.io/") ? image + strlen("docker.io/") : image;
}

/* The shorter forms of a date, in local time. */
static int parse_local(const char *text, struct timespec *ret)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, formats[i], &tm);

		if (end && !*end) {
			*ret = (struct timespec){ .tv_sec = mktime(&tm) };
			return 0;
		}
	}
	return -EINVAL;
}

int hoy_text_since(const char *text, struct hoy_buf *out)
{
	struct timespec ts;
	int64_t back;

	if (hoy_time_parse(text, &ts) == 0 || parse_local(text, &ts) == 0)
		return hoy_buf_addf(out, "%lld.%09ld", (long long) ts.tv_sec, ts.tv_nsec);
	if (hoy_str_to_duration(text, &back) == 0 && strcmp(text, "0") != 0) {
		int64_t at;

		clock_gettime(CLOCK_REALTIME, &ts);
		at = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec - back;
		return hoy_buf_addf(out, "%lld.%09lld", (long long) (at / 1000000000), (long long) (at % 1000000000));
	}
	if (*text && strspn(text, "0123456789.") == strlen(text))
		return hoy_buf_adds(out, text);
	return -EINVAL;
}
