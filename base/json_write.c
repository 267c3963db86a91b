/* JSON writing: straight into a buffer. Parsing is in json.c. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define MAX_DEPTH (64 * ARRAY_LEN(((struct hoy_json_writer *) 0)->is_array))

static bool in_array(const struct hoy_json_writer *w)
{
	return w->depth && (w->is_array[(w->depth - 1) / 64] >> ((w->depth - 1) % 64) & 1);
}

static void new_line(struct hoy_json_writer *w)
{
	size_t n = (size_t) w->indent * w->depth;
	char *to;

	if (!w->indent)
		return;
	to = hoy_buf_reserve(w->buf, n + 1);
	if (!to)
		return;
	to[0] = '\n';
	memset(to + 1, ' ', n);
	hoy_buf_commit(w->buf, n + 1);
}

/* Bytes that go out as they are: all but quote, backslash, control characters and what is not ASCII. */
static size_t plain_prefix(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (unsigned char) text[n] >= 0x20 && (unsigned char) text[n] < 0x80 && text[n] != '"' &&
		text[n] != '\\')
		n++;
	return n;
}

static void write_escape(struct hoy_buf *buf, unsigned char c)
{
	static const char short_forms[] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };

	if (c == '"' || c == '\\')
		hoy_buf_add(buf, (char[]){ '\\', (char) c }, 2);
	else if (c < sizeof short_forms && short_forms[c])
		hoy_buf_add(buf, (char[]){ '\\', short_forms[c] }, 2);
	else
		hoy_buf_addf(buf, "\\u%04x", c);
}

static void write_string(struct hoy_buf *buf, const char *text, size_t len)
{
	hoy_buf_addc(buf, '"');
	while (len) {
		size_t n = plain_prefix(text, len);

		if (n) {
			hoy_buf_add(buf, text, n);
		} else if ((unsigned char) text[0] < 0x80) {
			write_escape(buf, (unsigned char) text[0]);
			n = 1;
		} else {
			n = hoy_utf8_char_len(text, len);
			hoy_buf_add(buf, n ? text : "\xef\xbf\xbd", n ? n : 3);
			n = n ? n : 1;
		}
		text += n;
		len -= n;
	}
	hoy_buf_addc(buf, '"');
}

/* Everything that stands before a value: comma, new line, key. */
static void begin(struct hoy_json_writer *w, const char *key)
{
	assert(w->depth == 0 || in_array(w) == !key);
	assert(w->depth > 0 || !key);
	if (w->depth) {
		if (w->has_member)
			hoy_buf_addc(w->buf, ',');
		new_line(w);
	}
	w->has_member = true;
	if (key) {
		write_string(w->buf, key, strlen(key));
		hoy_buf_add(w->buf, ": ", w->indent ? 2 : 1);
	}
}

static void open_container(struct hoy_json_writer *w, const char *key, bool is_array)
{
	begin(w, key);
	assert(w->depth < MAX_DEPTH);
	hoy_buf_addc(w->buf, is_array ? '[' : '{');
	if (is_array)
		w->is_array[w->depth / 64] |= UINT64_C(1) << (w->depth % 64);
	else
		w->is_array[w->depth / 64] &= ~(UINT64_C(1) << (w->depth % 64));
	w->depth++;
	w->has_member = false;
}

void hoy_json_object(struct hoy_json_writer *w, const char *key)
{
	open_container(w, key, /* is_array= */ false);
}

void hoy_json_array(struct hoy_json_writer *w, const char *key)
{
	open_container(w, key, /* is_array= */ true);
}

void hoy_json_end(struct hoy_json_writer *w)
{
	bool is_array = in_array(w);

	assert(w->depth > 0);
	w->depth--;
	if (w->has_member)
		new_line(w);
	hoy_buf_addc(w->buf, is_array ? ']' : '}');
	w->has_member = true;
}

void hoy_json_add_raw(struct hoy_json_writer *w, const char *key, const char *text)
{
	begin(w, key);
	hoy_buf_adds(w->buf, text);
}

void hoy_json_add_null(struct hoy_json_writer *w, const char *key)
{
	hoy_json_add_raw(w, key, "null");
}

void hoy_json_add_bool(struct hoy_json_writer *w, const char *key, bool value)
{
	hoy_json_add_raw(w, key, value ? "true" : "false");
}

void hoy_json_add_i64(struct hoy_json_writer *w, const char *key, int64_t value)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%" PRId64, value);
	hoy_json_add_raw(w, key, text);
}

void hoy_json_add_u64(struct hoy_json_writer *w, const char *key, uint64_t value)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%" PRIu64, value);
	hoy_json_add_raw(w, key, text);
}

/* The shortest text that reads back as the same number; what JSON can't say (infinity, NaN) is null. */
void hoy_json_add_double(struct hoy_json_writer *w, const char *key, double value)
{
	char text[40];

	if (!isfinite(value)) {
		hoy_json_add_null(w, key);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		(void) snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	hoy_json_add_raw(w, key, text);
}

void hoy_json_add_stringn(struct hoy_json_writer *w, const char *key, const char *value, size_t len)
{
	begin(w, key);
	write_string(w->buf, value, len);
}

void hoy_json_add_string(struct hoy_json_writer *w, const char *key, const char *value)
{
	if (value)
		hoy_json_add_stringn(w, key, value, strlen(value));
	else
		hoy_json_add_null(w, key);
}

void hoy_json_add_strv(struct hoy_json_writer *w, const char *key, char *const *values)
{
	if (!values) {
		hoy_json_add_null(w, key);
		return;
	}
	hoy_json_array(w, key);
	for (; *values; values++)
		hoy_json_add_string(w, NULL, *values);
	hoy_json_end(w);
}

void hoy_json_add_value(struct hoy_json_writer *w, const char *key, const struct hoy_json *value)
{
	switch (hoy_json_type(value)) {
	case HOY_JSON_NULL:
		hoy_json_add_null(w, key);
		break;
	case HOY_JSON_BOOL:
		hoy_json_add_bool(w, key, hoy_json_bool(value));
		break;
	case HOY_JSON_NUMBER:
		hoy_json_add_raw(w, key, hoy_json_number_text(value));
		break;
	case HOY_JSON_STRING:
		hoy_json_add_string(w, key, hoy_json_string(value));
		break;
	case HOY_JSON_ARRAY:
		hoy_json_array(w, key);
		hoy_json_each(child, value) hoy_json_add_value(w, NULL, child);
		hoy_json_end(w);
		break;
	case HOY_JSON_OBJECT:
		hoy_json_object(w, key);
		hoy_json_each(child, value) hoy_json_add_value(w, hoy_json_key(child), child);
		hoy_json_end(w);
		break;
	}
}
