/* Log entries as bytes: docker's JSON lines, and the frames of its local driver. Pure. */
#include "shim/log_format.h"

#include <endian.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "base/utf8.h"

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Encodes the character at `p`, which is not plain; returns its length. */
static size_t encode_special(struct hoy_buf *out, const unsigned char *p, size_t len)
{
	size_t n;

	switch (*p) {
	case '"':
	case '\\':
		(void) hoy_buf_addc(out, '\\');
		(void) hoy_buf_addc(out, (char) *p);
		return 1;
	case '\n':
		(void) hoy_buf_adds(out, "\\n");
		return 1;
	case '\r':
		(void) hoy_buf_adds(out, "\\r");
		return 1;
	default:
		break;
	}
	if (*p < 0x80) {
		(void) hoy_buf_addf(out, "\\u%04x", *p);
		return 1;
	}
	n = hoy_utf8_char_len((const char *) p, len);
	if (n == 0) {
		(void) hoy_buf_adds(out, "\\ufffd");
		return 1;
	}
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) /* line and paragraph separator */
		(void) hoy_buf_adds(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
	else
		(void) hoy_buf_add(out, p, n);
	return n;
}

static void encode_text(struct hoy_buf *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text, *end = p + len;

	while (p < end) {
		const unsigned char *run = p;

		while (p < end && is_plain(*p))
			p++;
		if (p > run)
			(void) hoy_buf_add(out, run, (size_t) (p - run));
		if (p < end)
			p += encode_special(out, p, (size_t) (end - p));
	}
}

/* RFC 3339 with as many digits as it needs. */
static void encode_time(struct hoy_buf *out, const struct timespec *time)
{
	char text[HOY_TIME_MAX];
	size_t len;

	hoy_time_format(time, text);
	len = strlen(text) - 1; /* without the Z */
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	(void) hoy_buf_add(out, text, len);
	(void) hoy_buf_addc(out, 'Z');
}

void hoy_outlog_encode_json(struct hoy_buf *out, const struct hoy_outlog_part *part)
{
	(void) hoy_buf_adds(out, "{\"log\":\"");
	encode_text(out, part->text, part->len);
	if (part->newline)
		(void) hoy_buf_adds(out, "\\n");
	(void) hoy_buf_adds(out, "\",\"stream\":\"");
	(void) hoy_buf_adds(out, part->stream);
	(void) hoy_buf_adds(out, "\",\"time\":\"");
	encode_time(out, part->time);
	(void) hoy_buf_adds(out, "\"}\n");
}

/* --- local -------------------------------------------------------------------------------------------------------- */

static size_t varint_size(uint64_t n)
{
	size_t size = 1;

	while (n >>= 7)
		size++;
	return size;
}

static void add_varint(struct hoy_buf *out, uint64_t n)
{
	for (; n > 0x7f; n >>= 7)
		(void) hoy_buf_addc(out, (char) (n | 0x80));
	(void) hoy_buf_addc(out, (char) n);
}

static void add_number(struct hoy_buf *out, unsigned int field, uint64_t n)
{
	add_varint(out, field << 3);
	add_varint(out, n);
}

static void add_bytes(struct hoy_buf *out, unsigned int field, const void *data, size_t len)
{
	add_varint(out, field << 3 | 2);
	add_varint(out, len);
	(void) hoy_buf_add(out, data, len);
}

/* Source 1, time 2, line 3, partial 4, and of a line in parts 5: last 1, id 2, ordinal 3. Fields have one byte of key.
 */
void hoy_outlog_encode_local(struct hoy_buf *out, const struct hoy_outlog_part *part)
{
	uint64_t time = (uint64_t) part->time->tv_sec * 1000000000 + (uint64_t) part->time->tv_nsec;
	auto_(hoy_buf_done) struct hoy_buf meta = {};
	size_t stream_len = strlen(part->stream), size;
	bool partial = part->ordinal && !part->last;
	uint32_t be;

	if (part->ordinal) {
		if (part->last)
			add_number(&meta, 1, 1);
		add_bytes(&meta, 2, part->line_id, strlen(part->line_id));
		add_number(&meta, 3, part->ordinal);
	}
	size = 1 + varint_size(stream_len) + stream_len + 1 + varint_size(time) + (partial ? 2 : 0);
	if (part->len)
		size += 1 + varint_size(part->len) + part->len;
	if (meta.len)
		size += 1 + varint_size(meta.len) + meta.len;
	be = htobe32((uint32_t) size);
	(void) hoy_buf_add(out, &be, sizeof be);
	add_bytes(out, 1, part->stream, stream_len);
	add_number(out, 2, time);
	if (part->len)
		add_bytes(out, 3, part->text, part->len);
	if (partial)
		add_number(out, 4, 1);
	if (meta.len)
		add_bytes(out, 5, meta.data, meta.len);
	(void) hoy_buf_add(out, &be, sizeof be);
}
