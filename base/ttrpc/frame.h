/*
 * ttrpc framing: a header of ten bytes (length, stream id, type, flags; big endian) and at most 4 MiB of data. Pure:
 * bytes in, frames out, no sockets.
 */
#ifndef HOY_BASE_TTRPC_FRAME_H
#define HOY_BASE_TTRPC_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define HOY_TTRPC_HEADER 10
#define HOY_TTRPC_MAX_DATA ((uint32_t) 4 << 20)

/* Flags of a request and of data: the sender sends no more; it will send data; there is no message in this frame. */
enum hoy_ttrpc_flags { HOY_TTRPC_CLOSED = 1, HOY_TTRPC_OPEN = 2, HOY_TTRPC_NO_DATA = 4 };

enum hoy_ttrpc_type { HOY_TTRPC_REQUEST = 1, HOY_TTRPC_RESPONSE = 2, HOY_TTRPC_DATA = 3 };

struct hoy_ttrpc_frame {
	uint32_t stream;
	uint8_t type, flags;
	bool oversize; /* the data was longer than the cap: it is thrown away, data is NULL */
	const uint8_t *data;
	size_t len;
};

/* Collects what a socket gave; zero-initialised. Holds memory only while a frame is incomplete. */
struct hoy_ttrpc_reader {
	struct hoy_buf buf;
	size_t skip; /* bytes of an oversize frame still to throw away */
};
void hoy_ttrpc_reader_done(struct hoy_ttrpc_reader *reader);

/*
 * Takes frames out of `data`; call until it returns 0, each time with the same pointers: they advance. 1: *frame is
 * filled, its data valid until the next call. 0: all bytes are consumed, the start of an incomplete frame is kept.
 * -ENOMEM.
 */
int hoy_ttrpc_reader_next(
	struct hoy_ttrpc_reader *reader, const uint8_t **data, size_t *len, struct hoy_ttrpc_frame *frame);

/* Appends a frame with room for `len` bytes of data and returns where to write them; NULL when the buffer is full. */
uint8_t *hoy_ttrpc_frame_add(struct hoy_buf *out, uint32_t stream, enum hoy_ttrpc_type type, uint8_t flags, size_t len);

#endif
