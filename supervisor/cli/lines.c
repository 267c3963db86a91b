/* JSON line by line. */
#include "supervisor/cli/lines.h"

#include <string.h>

static int take_line(const char *text, size_t len, int (*on_line)(const struct hoy_json *, void *, struct hoy_err *),
	void *userdata, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *line = NULL;
	int r;

	if (strspn(text, " \t\r\n") >= len)
		return 0;
	r = hoy_json_parse(text, len, NULL, &line, err);
	return r < 0 ? hoy_err_wrap(err, "the engine's answer") : on_line(line, userdata, err);
}

int hoy_lines_feed(struct hoy_buf *buf, const char *piece, size_t len,
	int (*on_line)(const struct hoy_json *line, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	char *end;

	if (hoy_buf_add(buf, piece, len) < 0)
		return hoy_buf_check(buf, "one line of the engine's answer", err);
	while ((end = buf->len ? memchr(buf->data, '\n', buf->len) : NULL)) {
		size_t line = (size_t) (end - buf->data);
		int r = take_line(buf->data, line, on_line, userdata, err);

		if (r < 0)
			return r;
		hoy_buf_consume(buf, line + 1);
	}
	return 0;
}

int hoy_lines_read(struct hoy_http *http,
	int (*on_line)(const struct hoy_json *line, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { .cap = HOY_LINE_MAX };
	char piece[4096];
	ssize_t n;

	while ((n = hoy_http_read(http, piece, sizeof piece, err)) != 0) {
		int r = n < 0 ? (int) n : hoy_lines_feed(&buf, piece, (size_t) n, on_line, userdata, err);

		if (r < 0)
			return r;
	}
	return buf.len ? take_line(buf.data, buf.len, on_line, userdata, err) : 0;
}
