/* Request targets. */
#include "supervisor/api/uri.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes `len` bytes to a heap string. NULL with errno EINVAL (bad escape, NUL byte) or ENOMEM. */
static char *decode(const char *text, size_t len, bool plus_is_space)
{
	auto_free char *out = malloc(len + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

			if (low < 0 || !(high | low)) {
				errno = EINVAL;
				return NULL;
			}
			c = (char) (high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return TAKE_PTR(out);
}

/* Bytes of the UTF-8 sequence at `s`, 0 when it is none. */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead, low;
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0xc2 }, { 0xf0, 0xe0, 0xe0 }, { 0xf8, 0xf0, 0xf0 } };

	for (size_t n = 0; n < ARRAY_LEN(forms); n++) {
		if ((s[0] & forms[n].mask) != forms[n].lead)
			continue;
		if (s[0] < forms[n].low || s[0] > 0xf4)
			return 0;
		for (size_t i = 1; i <= n; i++)
			if ((s[i] & 0xc0) != 0x80)
				return 0;
		return n + 1;
	}
	return 0;
}

static bool is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *) text;

	while (*s) {
		size_t n = utf8_len(s);

		if (!n)
			return false;
		s += n;
	}
	return true;
}

static int add_item(struct hoy_uri *uri, const char *item, size_t len, struct hoy_err *err)
{
	const char *eq = memchr(item, '=', len);
	size_t name_len = eq ? (size_t) (eq - item) : len;
	struct hoy_query_item *q;

	if (uri->n_query == HOY_URI_QUERY_MAX)
		return hoy_err_invalid(err, "more than %d query parameters", HOY_URI_QUERY_MAX);
	q = realloc(uri->query, (uri->n_query + 1) * sizeof *q);
	if (!q)
		return hoy_err_oom(err);
	uri->query = q;
	q += uri->n_query;
	q->name = decode(item, name_len, true);
	q->value = decode(eq ? eq + 1 : "", eq ? len - name_len - 1 : 0, true);
	if (q->name && q->value) {
		uri->n_query++;
		return 0;
	}
	free(q->name);
	free(q->value);
	return hoy_err_invalid(err, "invalid URL escape in query parameter '%.*s'", (int) MIN(len, (size_t) 100), item);
}

static int parse_query(struct hoy_uri *uri, const char *query, struct hoy_err *err)
{
	while (*query) {
		size_t len = strcspn(query, "&");
		int r = len ? add_item(uri, query, len, err) : 0;

		if (r < 0)
			return r;
		query += len;
		query += *query == '&';
	}
	return 0;
}

int hoy_uri_parse(struct hoy_uri *uri, const char *target, struct hoy_err *err)
{
	size_t len;
	int r;

	*uri = (struct hoy_uri){ 0 };
	if (!strncasecmp(target, "http://", 7)) {
		target += 7;
		target += strcspn(target, "/?");
	}
	len = strcspn(target, "?#");
	if (len == 0 || target[0] != '/')
		return hoy_err_invalid(err, "invalid request path");
	uri->path = decode(target, len, false);
	if (!uri->path || !is_utf8(uri->path)) {
		hoy_uri_done(uri);
		return hoy_err_invalid(err, "invalid request path");
	}
	target += len;
	r = *target == '?' ? parse_query(uri, target + 1, err) : 0;
	if (r < 0)
		hoy_uri_done(uri);
	return r;
}

void hoy_uri_done(struct hoy_uri *uri)
{
	for (size_t i = 0; i < uri->n_query; i++) {
		free(uri->query[i].name);
		free(uri->query[i].value);
	}
	free(uri->query);
	free(uri->path);
	*uri = (struct hoy_uri){ 0 };
}

const char *hoy_uri_query(const struct hoy_uri *uri, const char *name)
{
	for (size_t i = 0; i < uri->n_query; i++)
		if (!strcmp(uri->query[i].name, name))
			return uri->query[i].value;
	return NULL;
}

int hoy_uri_query_set(struct hoy_uri *uri, const char *name, const char *value, struct hoy_err *err)
{
	struct hoy_query_item item = { .name = strdup(name), .value = strdup(value) };
	size_t kept = 0;
	void *grown = realloc(uri->query, (uri->n_query + 1) * sizeof item);

	if (grown)
		uri->query = grown;
	if (!grown || !item.name || !item.value) {
		free(item.name);
		free(item.value);
		return hoy_err_oom(err);
	}
	for (size_t i = 0; i < uri->n_query; i++) {
		if (strcmp(uri->query[i].name, name) != 0) {
			uri->query[kept++] = uri->query[i];
			continue;
		}
		free(uri->query[i].name);
		free(uri->query[i].value);
	}
	uri->query[kept++] = item;
	uri->n_query = kept;
	return 0;
}

const char **hoy_uri_query_all(const struct hoy_uri *uri, const char *name)
{
	const char **v = calloc(uri->n_query + 1, sizeof *v);
	size_t n = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; i < uri->n_query; i++)
		if (!strcmp(uri->query[i].name, name))
			v[n++] = uri->query[i].value;
	return v;
}

bool hoy_uri_query_bool(const struct hoy_uri *uri, const char *name, bool otherwise)
{
	static const char *const falses[] = { "", "0", "no", "false", "none" };
	const char *value = hoy_uri_query(uri, name);

	if (!value)
		return otherwise;
	for (size_t i = 0; i < ARRAY_LEN(falses); i++)
		if (!strcasecmp(value, falses[i]))
			return false;
	return true;
}

int hoy_uri_query_i64(
	const struct hoy_uri *uri, const char *name, long long otherwise, long long *ret, struct hoy_err *err)
{
	const char *value = hoy_uri_query(uri, name);
	int64_t n;

	if (!value || !*value) {
		*ret = otherwise;
		return 0;
	}
	if (hoy_str_to_i64(value, &n) < 0)
		return hoy_err_invalid(
			err, "invalid value for query parameter '%s': '%s' is not a number", name, value);
	*ret = n;
	return 0;
}
