/* events: as they come, or between two times. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/text.h"

struct events_options {
	const char *since, *until, *format;
	int64_t after;
	char **filter;
};
static const struct hoy_option events_options[] = {
	HOY_OPTION(0, "after", HOY_OPTION_UINT, "number", struct events_options, after,
		"Go on behind the event with this number (eventId), without a gap"),
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct events_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct events_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION(0, "since", HOY_OPTION_STRING, "string", struct events_options, since,
		"Show all events created since timestamp"),
	HOY_OPTION(0, "until", HOY_OPTION_STRING, "string", struct events_options, until,
		"Stream events until this timestamp"),
	HOY_OPTION_END,
};

/* "2026-11-29T20:33:39.271469938Z" in local time, always nine digits. */
static void print_time(const struct hoy_json *event)
{
	int64_t nanos = hoy_cli_number(event, "timeNano");
	time_t seconds = (time_t) (nanos ? nanos / 1000000000 : hoy_cli_number(event, "time"));
	char date[32], zone[16];
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) ||
		!strftime(zone, sizeof zone, "%z", &tm))
		return;
	(void) printf("%s.%09lld", date, (long long) (nanos % 1000000000));
	if (strcmp(zone, "+0000") == 0)
		(void) putchar('Z');
	else
		(void) printf("%.3s:%s", zone, zone + 3);
}

static int by_key(const void *a, const void *b)
{
	const struct hoy_json *const *x = a, *const *y = b;

	return strcmp(hoy_json_key(*x), hoy_json_key(*y));
}

/* "... container start ID (image=busybox, name=web)" */
static int print_event(const struct hoy_json *event, struct hoy_err *err)
{
	const struct hoy_json *actor = hoy_json_get(event, "Actor"), *attributes = hoy_json_get(actor, "Attributes");
	auto_free const struct hoy_json **sorted = calloc(hoy_json_len(attributes) + 1, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return hoy_err_oom(err);
	hoy_json_each(attribute, attributes) sorted[n++] = attribute;
	qsort(sorted, n, sizeof *sorted, by_key);
	print_time(event);
	(void) printf(
		" %s %s %s", hoy_cli_text(event, "Type"), hoy_cli_text(event, "Action"), hoy_cli_text(actor, "ID"));
	for (size_t i = 0; i < n; i++)
		(void) printf("%s%s=%s", i ? ", " : " (", hoy_json_key(sorted[i]),
			hoy_json_string(sorted[i]) ? hoy_json_string(sorted[i]) : "");
	(void) printf("%s\n", n ? ")" : "");
	(void) fflush(stdout);
	return 0;
}

static int on_event(const struct hoy_json *event, void *userdata, struct hoy_err *err)
{
	struct hoy_format_stream *format = userdata;

	return format ? hoy_format_stream_row(format, event, err) : print_event(event, err);
}

static int add_time(struct hoy_buf *path, const char *key, const char *text, struct hoy_err *err)
{
	if (!text)
		return 0;
	(void) hoy_buf_addf(path, "%c%s=", strchr(path->data, '?') ? '&' : '?', key);
	if (hoy_text_since(text, path) == -EINVAL)
		return hoy_err_invalid(err, "failed to parse value as time or duration: \"%s\"", text);
	return 0;
}

static int events(struct hoy_cli *cli, const struct events_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_format_stream_free) struct hoy_format_stream *format = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r = o->format && *o->format ? hoy_format_stream_new(o->format, &format, err) : 0;

	(void) hoy_buf_adds(&path, "/events");
	if (r == 0)
		r = add_time(&path, "since", o->since, err);
	if (r == 0)
		r = add_time(&path, "until", o->until, err);
	if (o->after)
		(void) hoy_buf_addf(&path, "%cafter=%lld", strchr(path.data, '?') ? '&' : '?', (long long) o->after);
	if (r == 0)
		r = hoy_filter_add_query(&path, o->filter, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(cli, &request, &http, err);
	return r < 0 ? r : hoy_lines_read(&http, on_event, format, err);
}

static int cmd_events(struct hoy_cli *cli)
{
	struct hoy_err err;

	return events(cli, cli->values, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_events = {
	.name = "events",
	.alias = "system events",
	.args = "",
	.summary = "Get real time events from the engine",
	.options = events_options,
	.values_size = sizeof(struct events_options),
	.run = cmd_events,
};
