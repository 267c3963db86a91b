/* Progress streams. A client that does not read loses messages, never the last one unless memory is short. */
#include "supervisor/api/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/api/server.h"

#define BAR_WIDTH 50
#define UNREAD_MAX ((size_t) 1 << 20) /* above this, progress is not sent any more; results are */

static void send(struct hoy_http_exchange *x, struct hoy_buf *buf)
{
	(void) hoy_buf_adds(buf, "\r\n");
	if (hoy_buf_check(buf, "progress", NULL) >= 0)
		(void) hoy_http_stream_write(x, buf->data, buf->len);
	hoy_buf_done(buf);
}

/* "[=====>      ]  1.5MB/10MB", which older clients show as it is. */
static void add_bar(struct hoy_json_writer *w, int64_t current, int64_t total)
{
	char bar[BAR_WIDTH + 3], text[BAR_WIDTH + 64];
	int filled = (int) (MIN(current, total) * BAR_WIDTH / total);

	memset(bar, ' ', sizeof bar);
	bar[0] = '[';
	memset(bar + 1, '=', (size_t) filled);
	if (filled < BAR_WIDTH)
		bar[1 + filled] = '>';
	bar[BAR_WIDTH + 1] = ']';
	bar[BAR_WIDTH + 2] = '\0';
	(void) snprintf(text, sizeof text, "%s %.4gMB/%.4gMB", bar, (double) current / 1e6, (double) total / 1e6);
	hoy_json_add_string(w, "progress", text);
}

void hoy_progress_status(
	struct hoy_http_exchange *x, const char *id, const char *status, int64_t current, int64_t total)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (total > 0 && hoy_http_stream_pending(x) > UNREAD_MAX)
		return;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "status", status);
	if (total > 0) {
		hoy_json_object(&w, "progressDetail");
		hoy_json_add_i64(&w, "current", current);
		hoy_json_add_i64(&w, "total", total);
		hoy_json_end(&w);
		add_bar(&w, current, total);
	}
	if (id)
		hoy_json_add_string(&w, "id", id);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_stream(struct hoy_http_exchange *x, const char *fmt, ...)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	auto_free char *text = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return;
	}
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "stream", text);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_error(struct hoy_http_exchange *x, const struct hoy_err *err)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const char *text = hoy_err_str(err);

	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "errorDetail");
	hoy_json_add_string(&w, "message", text);
	hoy_json_end(&w);
	hoy_json_add_string(&w, "error", text);
	hoy_json_end(&w);
	send(x, &buf);
}
