/* ttrpc framing. Length fields are never trusted: nothing larger than the cap is allocated or kept. */
#include "base/ttrpc/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static uint32_t get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static void put_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof v);
}

void hoy_ttrpc_reader_done(struct hoy_ttrpc_reader *reader)
{
	hoy_buf_done(&reader->buf);
	reader->skip = 0;
}

static void set_header(struct hoy_ttrpc_frame *frame, const uint8_t *header)
{
	*frame = (struct hoy_ttrpc_frame){
		.stream = get_be32(header + 4),
		.type = header[8],
		.flags = header[9],
		.len = get_be32(header),
	};
	frame->oversize = frame->len > HOY_TTRPC_MAX_DATA;
}

/* Moves bytes from *data into the reader until it holds `want`. 1: it does. */
static int collect(struct hoy_ttrpc_reader *reader, const uint8_t **data, size_t *len, size_t want)
{
	size_t n = reader->buf.len < want ? MIN(want - reader->buf.len, *len) : 0;
	int r = n ? hoy_buf_add(&reader->buf, *data, n) : 0;

	if (r < 0)
		return r;
	*data += n;
	*len -= n;
	return reader->buf.len >= want;
}

static void skip(struct hoy_ttrpc_reader *reader, const uint8_t **data, size_t *len)
{
	size_t n = MIN(reader->skip, *len);

	reader->skip -= n;
	*data += n;
	*len -= n;
}

static int next_buffered(
	struct hoy_ttrpc_reader *reader, const uint8_t **data, size_t *len, struct hoy_ttrpc_frame *frame)
{
	int r = collect(reader, data, len, HOY_TTRPC_HEADER);

	if (r <= 0)
		return r;
	set_header(frame, (uint8_t *) reader->buf.data);
	if (frame->oversize) {
		hoy_buf_done(&reader->buf);
		reader->skip = frame->len;
		return 1;
	}
	r = collect(reader, data, len, HOY_TTRPC_HEADER + frame->len);
	if (r <= 0)
		return r;
	frame->data = (uint8_t *) reader->buf.data + HOY_TTRPC_HEADER;
	return 1;
}

int hoy_ttrpc_reader_next(
	struct hoy_ttrpc_reader *reader, const uint8_t **data, size_t *len, struct hoy_ttrpc_frame *frame)
{
	if (reader->buf.len >= HOY_TTRPC_HEADER) { /* the frame that the previous call gave out? */
		struct hoy_ttrpc_frame last;

		set_header(&last, (uint8_t *) reader->buf.data);
		if (reader->buf.len == HOY_TTRPC_HEADER + last.len)
			hoy_buf_done(&reader->buf);
	}
	skip(reader, data, len);
	if (reader->buf.len)
		return next_buffered(reader, data, len, frame);
	if (*len < HOY_TTRPC_HEADER)
		return *len ? next_buffered(reader, data, len, frame) : 0;

	set_header(frame, *data);
	if (!frame->oversize && *len - HOY_TTRPC_HEADER < frame->len)
		return next_buffered(reader, data, len, frame);
	if (!frame->oversize) {
		frame->data = *data + HOY_TTRPC_HEADER;
		*data += HOY_TTRPC_HEADER + frame->len;
		*len -= HOY_TTRPC_HEADER + frame->len;
		return 1;
	}
	*data += HOY_TTRPC_HEADER;
	*len -= HOY_TTRPC_HEADER;
	reader->skip = frame->len;
	return 1;
}

uint8_t *hoy_ttrpc_frame_add(struct hoy_buf *out, uint32_t stream, enum hoy_ttrpc_type type, uint8_t flags, size_t len)
{
	uint8_t *p = len <= HOY_TTRPC_MAX_DATA ? hoy_buf_reserve(out, HOY_TTRPC_HEADER + len) : NULL;

	if (!p)
		return NULL;
	put_be32(p, (uint32_t) len);
	put_be32(p + 4, stream);
	p[8] = (uint8_t) type;
	p[9] = flags;
	hoy_buf_commit(out, HOY_TTRPC_HEADER + len);
	return p + HOY_TTRPC_HEADER;
}
