/* Small encoders and decoders that several API families use. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "libocispec/runtime.h"
#include "supervisor/api/internal.h"

void hoy_api_add_time(struct hoy_json_writer *w, const char *key, const struct timespec *ts)
{
	char text[HOY_TIME_MAX];

	if (!ts->tv_sec && !ts->tv_nsec) {
		hoy_json_add_string(w, key, "0001-01-01T00:00:00Z");
		return;
	}
	hoy_time_format(ts, text);
	hoy_json_add_string(w, key, text);
}

void hoy_api_add_strings(struct hoy_json_writer *w, const char *key, char *const *values)
{
	hoy_json_array(w, key);
	for (; values && *values; values++)
		hoy_json_add_string(w, NULL, *values);
	hoy_json_end(w);
}

void hoy_api_add_kv(struct hoy_json_writer *w, const char *key, const struct hoy_oci_kv *kv, size_t n)
{
	hoy_json_object(w, key);
	for (size_t i = 0; i < n; i++)
		hoy_json_add_string(w, kv[i].key, kv[i].value);
	hoy_json_end(w);
}

/* "123456789" behind the point: nanoseconds, padded on the right. */
static int parse_fraction(const char *text, long *ret)
{
	long ns = 0;
	size_t n = strspn(text, "0123456789");

	if (!n || text[n] || n > 9)
		return -EINVAL;
	for (size_t i = 0; i < 9; i++)
		ns = ns * 10 + (i < n ? text[i] - '0' : 0);
	*ret = ns;
	return 0;
}

int hoy_api_parse_time(const char *text, const char *what, struct timespec *ret, struct hoy_err *err)
{
	auto_free char *seconds = NULL;
	const char *point;
	int64_t n;

	*ret = (struct timespec){ 0 };
	if (!text || !*text)
		return 0;
	if (hoy_time_parse(text, ret) >= 0)
		return 0;
	*ret = (struct timespec){ 0 };
	point = strchr(text, '.');
	seconds = strndup(text, point ? (size_t) (point - text) : strlen(text));
	if (!seconds)
		return hoy_err_oom(err);
	if (hoy_str_to_i64(seconds, &n) < 0 || (point && parse_fraction(point + 1, &ret->tv_nsec) < 0))
		return hoy_err_invalid(err, "invalid value for '%s': '%s' is not a time", what, text);
	ret->tv_sec = n;
	return 0;
}

/* A point in time, or a duration before now ("24h"). */
int hoy_api_parse_until(const char *text, int64_t *ret, struct hoy_err *err)
{
	struct timespec ts, now;
	int64_t before;
	int r;

	if (hoy_str_to_duration(text, &before) >= 0) {
		clock_gettime(CLOCK_REALTIME, &now);
		*ret = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec - before;
		return 0;
	}
	r = hoy_api_parse_time(text, "until", &ts, err);
	*ret = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
	return r;
}
