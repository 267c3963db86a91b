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

/* "1.5MB", four digits at most, as docker's HumanSize. */
static const char *human(int64_t bytes, char ret[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double size = (double) bytes;
	size_t unit = 0;

	for (; size >= 1000 && unit + 1 < ARRAY_LEN(units); unit++)
		size /= 1000;
	(void) snprintf(ret, 32, "%.4g%s", size, units[unit]);
	return ret;
}

/* "[=====>      ]   1.5MB/10MB", which older clients show as it is. */
static void add_bar(struct hoy_json_writer *w, int64_t current, int64_t total)
{
	char bar[BAR_WIDTH + 8], text[BAR_WIDTH + 80], now[32], all[32];
	int filled = (int) ((double) MIN(current, total) / (double) total * 100) / 2;

	memset(bar, '=', (size_t) filled);
	bar[filled] = '>';
	memset(bar + filled + 1, ' ', (size_t) (BAR_WIDTH - filled));
	bar[BAR_WIDTH + 1] = '\0';
	if (current > total)
		(void) snprintf(text, sizeof text, "[%s]  %8s", bar, human(current, now));
	else
		(void) snprintf(text, sizeof text, "[%s]  %8s/%s", bar, human(current, now), human(total, all));
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
	hoy_json_object(&w, "progressDetail");
	if (total > 0) {
		hoy_json_add_i64(&w, "current", current);
		hoy_json_add_i64(&w, "total", total);
	}
	hoy_json_end(&w);
	if (total > 0)
		add_bar(&w, current, total);
	if (id)
		hoy_json_add_string(&w, "id", id);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_message(struct hoy_http_exchange *x, const char *id, const char *text)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "status", text);
	if (id)
		hoy_json_add_string(&w, "id", id);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_aux(struct hoy_http_exchange *x, const char *json)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "progressDetail");
	hoy_json_end(&w);
	hoy_json_add_raw(&w, "aux", json);
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

void hoy_progress_plain_aux(struct hoy_http_exchange *x, const char *json)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_raw(&w, "aux", json);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_failure(struct hoy_http_exchange *x, const struct hoy_err *err, int exit_code)
{
	hoy_progress_failed_at(x, err, exit_code, 0, 0);
}

void hoy_progress_failed_at(
	struct hoy_http_exchange *x, const struct hoy_err *err, int exit_code, unsigned int line, unsigned int end_line)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const char *text = hoy_err_str(err);

	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "errorDetail");
	if (exit_code != 0)
		hoy_json_add_i64(&w, "code", exit_code);
	hoy_json_add_string(&w, "message", text);
	if (line > 0) {
		hoy_json_add_i64(&w, "line", line);
		hoy_json_add_i64(&w, "endLine", end_line);
	}
	hoy_json_end(&w);
	hoy_json_add_string(&w, "error", text);
	hoy_json_end(&w);
	send(x, &buf);
}

void hoy_progress_error(struct hoy_http_exchange *x, const struct hoy_err *err)
{
	hoy_progress_failure(x, err, /* exit_code= */ 0);
}
