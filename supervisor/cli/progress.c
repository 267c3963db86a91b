/* Progress messages as plain lines. */
#include "supervisor/cli/progress.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"

#define LINE_MAX_BYTES ((size_t) 4 << 20)

static int print_message(const char *line, size_t len, FILE *out, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *message = NULL;
	const char *text, *id;
	int r = hoy_json_parse(line, len, NULL, &message, err);

	if (r < 0)
		return hoy_err_wrap(err, "the engine's progress");
	text = hoy_json_string(hoy_json_get(hoy_json_get(message, "errorDetail"), "message"));
	if (!text)
		text = hoy_json_string(hoy_json_get(message, "error"));
	if (text)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", text);
	if (!out)
		return 0;
	text = hoy_json_string(hoy_json_get(message, "stream"));
	if (text) {
		(void) fputs(text, out);
		return 0;
	}
	text = hoy_json_string(hoy_json_get(message, "status"));
	id = hoy_json_string(hoy_json_get(message, "id"));
	/* Without a terminal to redraw, a line for every step of a bar would be noise. */
	if (text && !hoy_json_get(hoy_json_get(message, "progressDetail"), "current"))
		(void) fprintf(out, "%s%s%s\n", id ? id : "", id ? ": " : "", text);
	return 0;
}

int hoy_progress_copy(struct hoy_http *http, FILE *out, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { .cap = LINE_MAX_BYTES };
	char piece[4096];
	ssize_t n;

	while ((n = hoy_http_read(http, piece, sizeof piece, err)) != 0) {
		char *end;

		if (n < 0)
			return (int) n;
		if (hoy_buf_add(&buf, piece, (size_t) n) < 0)
			return hoy_buf_check(&buf, "one line of the engine's progress", err);
		while ((end = buf.len ? memchr(buf.data, '\n', buf.len) : NULL)) {
			size_t len = (size_t) (end - buf.data);
			int r = len > 1 ? print_message(buf.data, len, out, err) : 0;

			if (r < 0)
				return r;
			hoy_buf_consume(&buf, len + 1);
		}
	}
	return buf.len ? print_message(buf.data, buf.len, out, err) : 0;
}
