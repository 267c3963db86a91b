/* Frames of RFC 6455. */
#include "supervisor/api/websocket.h"

#include <endian.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define KEY_BYTES 16

/* --- the handshake: SHA-1 (RFC 3174) of the key and a constant ---------------------------------------------------- */

static uint32_t rotate(uint32_t value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static void sha1_block(uint32_t h[5], const unsigned char block[64])
{
	static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 |
		       (uint32_t) block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
		uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* Of a text of 56 to 119 bytes: two blocks. */
static void sha1_of_two_blocks(const char *text, size_t len, unsigned char digest[20])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char blocks[128] = { 0 };
	uint64_t bits = htobe64((uint64_t) len * 8);

	memcpy(blocks, text, len);
	blocks[len] = 0x80;
	memcpy(blocks + 120, &bits, sizeof bits);
	sha1_block(h, blocks);
	sha1_block(h, blocks + 64);
	for (int i = 0; i < 5; i++) {
		uint32_t be = htobe32(h[i]);

		memcpy(digest + 4 * i, &be, sizeof be);
	}
}

bool hoy_ws_accept(const char *key, char ret[HOY_WS_ACCEPT_SIZE])
{
	static const char constant[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	auto_(hoy_buf_done) struct hoy_buf bytes = { 0 }, text = { 0 }, accept = { 0 };
	unsigned char digest[20];

	if (strlen(key) != 24 || hoy_base64_decode(&bytes, key) < 0 || bytes.len != KEY_BYTES)
		return false;
	(void) hoy_buf_addf(&text, "%s%s", key, constant);
	if (text.failed)
		return false;
	sha1_of_two_blocks(text.data, text.len, digest);
	if (hoy_base64_encode(&accept, digest, sizeof digest, /* url_safe= */ false) < 0 ||
		accept.len != HOY_WS_ACCEPT_SIZE - 1)
		return false;
	memcpy(ret, accept.data, HOY_WS_ACCEPT_SIZE - 1);
	ret[HOY_WS_ACCEPT_SIZE - 1] = '\0';
	return true;
}

size_t hoy_ws_head(unsigned char head[HOY_WS_HEAD_MAX], enum hoy_ws_opcode opcode, uint64_t len)
{
	head[0] = (unsigned char) (FIN | opcode);
	if (len < 126) {
		head[1] = (unsigned char) len;
		return 2;
	}
	if (len <= UINT16_MAX) {
		head[1] = 126;
		head[2] = (unsigned char) (len >> 8);
		head[3] = (unsigned char) len;
		return 4;
	}
	head[1] = 127;
	for (int i = 0; i < 8; i++)
		head[2 + i] = (unsigned char) (len >> (56 - 8 * i));
	return 10;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Goes on with UTF-8 that is cut anywhere. False: it is none. */
static bool check_text(struct hoy_ws *ws, const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		if (ws->follow > 0) {
			if ((c & 0xc0) != 0x80)
				return false;
			ws->codepoint = ws->codepoint << 6 | (c & 0x3f);
			if (--ws->follow == 0 && (ws->codepoint < ws->least || ws->codepoint > 0x10ffff ||
							 (ws->codepoint & ~0x7ffU) == 0xd800))
				return false;
		} else if (c >= 0xf8 || (c & 0xc0) == 0x80) {
			return false;
		} else if (c >= 0xc0) {
			ws->follow = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
			ws->least = c >= 0xf0 ? 0x10000 : c >= 0xe0 ? 0x800 : 0x80;
			ws->codepoint = c & (0x3fU >> ws->follow);
		}
	}
	return true;
}

/* --- frames ----------------------------------------------------------------------------------- */

static bool is_control(unsigned char opcode)
{
	return opcode & 8;
}

static size_t head_size(const struct hoy_ws *ws)
{
	unsigned char length = ws->head_len >= 2 ? ws->head[1] & 0x7f : 0;

	return ws->head_len < 2 ? 2 : 2 + sizeof ws->mask + (length == 126 ? 2 : length == 127 ? 8 : 0);
}

/* What the first two bytes say is known before the rest has come. */
static bool is_head_good(const struct hoy_ws *ws)
{
	unsigned char opcode = ws->head[0] & OPCODE, length = ws->head[1] & 0x7f;

	if ((ws->head[0] & RESERVED) || !(ws->head[1] & MASKED) || (opcode & 7) > 2)
		return false;
	if (is_control(opcode))
		return (ws->head[0] & FIN) && length <= HOY_WS_CONTROL_MAX;
	return ws->in_message == (opcode == HOY_WS_CONTINUATION);
}

/* The whole head is there. False: its length is not written in the shortest way. */
static bool begin_frame(struct hoy_ws *ws)
{
	unsigned char length = ws->head[1] & 0x7f;
	size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;

	ws->opcode = ws->head[0] & OPCODE;
	ws->left = extra ? 0 : length;
	for (size_t i = 0; i < extra; i++)
		ws->left = ws->left << 8 | ws->head[2 + i];
	if ((extra == 2 && ws->left < 126) || (extra == 8 && (ws->left <= UINT16_MAX || ws->left >> 63)))
		return false;
	memcpy(ws->mask, ws->head + 2 + extra, sizeof ws->mask);
	ws->at = 0;
	ws->in_frame = true;
	if (is_control(ws->opcode)) {
		ws->control_len = 0;
		return true;
	}
	if (ws->opcode != HOY_WS_CONTINUATION)
		ws->text = ws->opcode == HOY_WS_TEXT;
	ws->in_message = !(ws->head[0] & FIN);
	return true;
}

static void wrong(struct hoy_ws_event *ret, int code)
{
	ret->what = HOY_WS_IS_WRONG;
	ret->code = code;
}

/* RFC 6455, 7.4: those that may be sent. */
static bool is_close_code(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void end_close(struct hoy_ws *ws, struct hoy_ws_event *ret)
{
	struct hoy_ws reason = { 0 };

	ret->code = ws->control_len >= 2 ? ws->control[0] << 8 | ws->control[1] : HOY_WS_NO_STATUS;
	if (ws->control_len == 1 || (ws->control_len >= 2 && !is_close_code(ret->code)))
		wrong(ret, HOY_WS_PROTOCOL_ERROR);
	else if (ws->control_len > 2 &&
		 (!check_text(&reason, ws->control + 2, ws->control_len - 2) || reason.follow > 0))
		wrong(ret, HOY_WS_BAD_TEXT);
	else
		ret->what = HOY_WS_HAS_CLOSE;
}

/* The frame's last byte was taken. */
static void end_frame(struct hoy_ws *ws, struct hoy_ws_event *ret)
{
	ws->in_frame = false;
	ws->head_len = 0;
	if (ws->opcode == HOY_WS_CLOSE) {
		end_close(ws, ret);
	} else if (is_control(ws->opcode)) {
		ret->what = ws->opcode == HOY_WS_PING ? HOY_WS_HAS_PING : HOY_WS_HAS_PONG;
		ret->data = ws->control;
		ret->len = ws->control_len;
	} else if (!ws->in_message && ws->text && ws->follow > 0) {
		wrong(ret, HOY_WS_BAD_TEXT);
	}
}

static size_t take_head(struct hoy_ws *ws, const unsigned char *bytes, size_t len, struct hoy_ws_event *ret)
{
	size_t used = 0;

	while (used < len && !ws->in_frame && ret->what == HOY_WS_NEEDS_MORE) {
		ws->head[ws->head_len++] = bytes[used++];
		if ((ws->head_len == 2 && !is_head_good(ws)) || (ws->head_len == head_size(ws) && !begin_frame(ws)))
			wrong(ret, HOY_WS_PROTOCOL_ERROR);
	}
	return used;
}

static size_t take_payload(struct hoy_ws *ws, unsigned char *bytes, size_t len, struct hoy_ws_event *ret)
{
	if (len > ws->left)
		len = (size_t) ws->left;
	for (size_t i = 0; i < len; i++)
		bytes[i] ^= ws->mask[(ws->at + i) % sizeof ws->mask];
	ws->at += len;
	ws->left -= len;
	if (is_control(ws->opcode)) {
		memcpy(ws->control + ws->control_len, bytes, len);
		ws->control_len += len;
	} else if (ws->text && !check_text(ws, bytes, len)) {
		wrong(ret, HOY_WS_BAD_TEXT);
		return len;
	} else if (len > 0) {
		ret->what = HOY_WS_HAS_DATA;
		ret->data = bytes;
		ret->len = len;
	}
	if (ws->left == 0)
		end_frame(ws, ret);
	return len;
}

size_t hoy_ws_next(struct hoy_ws *ws, unsigned char *bytes, size_t len, struct hoy_ws_event *ret)
{
	size_t used = 0;

	*ret = (struct hoy_ws_event){ .what = HOY_WS_NEEDS_MORE };
	while (ret->what == HOY_WS_NEEDS_MORE) {
		used += take_head(ws, bytes + used, len - used, ret);
		if (!ws->in_frame || ret->what != HOY_WS_NEEDS_MORE || (used == len && ws->left > 0))
			break;
		used += take_payload(ws, bytes + used, len - used, ret);
	}
	return used;
}
