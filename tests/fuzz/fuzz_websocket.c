/* Any bytes as a client's frames: cut in any way they give the same messages and the same end. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/api/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All events as a text: "data" joined, others by their names. */
static void feed(const uint8_t *data, size_t size, size_t step, struct hoy_buf *messages, struct hoy_buf *others)
{
	auto_free unsigned char *bytes = malloc(size + 1);
	struct hoy_ws ws = { 0 };
	struct hoy_ws_event event;

	if (!bytes)
		return;
	memcpy(bytes, data, size);
	for (size_t at = 0; at < size;) {
		size_t n = size - at < step ? size - at : step;
		size_t used = hoy_ws_next(&ws, bytes + at, n, &event);

		assert(used <= n && (used > 0 || n == 0));
		at += used;
		if (event.what == HOY_WS_HAS_DATA)
			assert(event.len > 0 && event.data >= bytes && event.data + event.len <= bytes + at);
		if (event.what == HOY_WS_HAS_DATA && !ws.text)
			(void) hoy_buf_add(messages, event.data, event.len);
		else if (event.what != HOY_WS_NEEDS_MORE && event.what != HOY_WS_HAS_DATA)
			(void) hoy_buf_addf(others, "%d %d %zu;", event.what, event.code, ws.control_len);
		if (event.what == HOY_WS_IS_WRONG)
			return;
		assert(ws.control_len <= HOY_WS_CONTROL_MAX && ws.head_len <= sizeof ws.head);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_buf_done) struct hoy_buf whole = { 0 }, cut = { 0 }, whole_others = { 0 }, cut_others = { 0 };

	if (size < 1)
		return 0;
	feed(data + 1, size - 1, size, &whole, &whole_others);
	feed(data + 1, size - 1, (size_t) (data[0] % 7) + 1, &cut, &cut_others);
	assert(whole.len == cut.len && (!whole.len || memcmp(whole.data, cut.data, whole.len) == 0));
	assert(whole_others.len == cut_others.len &&
		(!cut_others.len || memcmp(whole_others.data, cut_others.data, cut_others.len) == 0));
	return 0;
}
