/*
 * RFC 6455 as a server sees it: the key's answer, frames that come, heads of frames that go. No I/O. Strict: what the
 * RFC forbids ends the connection with the code it names.
 */
#ifndef HOY_API_WEBSOCKET_H
#define HOY_API_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hoy_ws_opcode {
	HOY_WS_CONTINUATION = 0,
	HOY_WS_TEXT = 1,
	HOY_WS_BINARY = 2,
	HOY_WS_CLOSE = 8,
	HOY_WS_PING = 9,
	HOY_WS_PONG = 10,
};
/* Of the close frame. */
enum {
	HOY_WS_NORMAL = 1000,
	HOY_WS_GOING_AWAY = 1001,
	HOY_WS_PROTOCOL_ERROR = 1002,
	HOY_WS_NO_STATUS = 1005, /* a close frame without one; never sent */
	HOY_WS_BAD_TEXT = 1007,
};

#define HOY_WS_CONTROL_MAX 125
#define HOY_WS_HEAD_MAX 10
#define HOY_WS_ACCEPT_SIZE 29 /* with its NUL */

/* Sec-WebSocket-Accept for a client's Sec-WebSocket-Key; false when that is not 16 bytes in base64. */
bool hoy_ws_accept(const char *key, char ret[HOY_WS_ACCEPT_SIZE]);

/* The head of a whole, unmasked frame; returns its length. */
size_t hoy_ws_head(unsigned char head[HOY_WS_HEAD_MAX], enum hoy_ws_opcode opcode, uint64_t len);

/* What has come so far; all zero at first. */
struct hoy_ws {
	unsigned char head[14];
	size_t head_len;
	uint64_t left; /* of the frame's payload */
	uint64_t at;   /* in it: the mask's phase */
	bool in_frame, in_message, text;
	unsigned char opcode, mask[4];
	uint32_t codepoint, least; /* of text: a character under way */
	int follow;                /* bytes of it that are missing */
	unsigned char control[HOY_WS_CONTROL_MAX];
	size_t control_len;
};

enum hoy_ws_what {
	HOY_WS_NEEDS_MORE, /* everything was taken */
	HOY_WS_HAS_DATA,   /* a piece of a message */
	HOY_WS_HAS_PING,   /* answer with a pong of ws->control */
	HOY_WS_HAS_PONG,
	HOY_WS_HAS_CLOSE, /* `code`: what to answer with */
	HOY_WS_IS_WRONG,  /* `code`: why; nothing more may be read */
};
struct hoy_ws_event {
	enum hoy_ws_what what;
	const unsigned char *data; /* unmasked in place */
	size_t len;
	int code;
};

/* Takes bytes up to the next event; returns how many. */
size_t hoy_ws_next(struct hoy_ws *ws, unsigned char *bytes, size_t len, struct hoy_ws_event *ret);

#endif
