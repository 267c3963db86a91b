/* logs. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/stream.h"
#include "supervisor/cli/text.h"

struct logs_options {
	bool details, follow, timestamps;
	const char *since, *until, *tail;
};
static const struct logs_options logs_defaults = { .tail = "all" };
static const struct hoy_option logs_options[] = {
	HOY_OPTION(0, "details", HOY_OPTION_BOOL, NULL, struct logs_options, details,
		"Show extra details provided to logs"),
	HOY_OPTION('f', "follow", HOY_OPTION_BOOL, NULL, struct logs_options, follow, "Follow log output"),
	HOY_OPTION(0, "since", HOY_OPTION_STRING, "string", struct logs_options, since,
		"Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)"),
	HOY_OPTION('n', "tail", HOY_OPTION_STRING, "string", struct logs_options, tail,
		"Number of lines to show from the end of the logs (default \"all\")"),
	HOY_OPTION('t', "timestamps", HOY_OPTION_BOOL, NULL, struct logs_options, timestamps, "Show timestamps"),
	HOY_OPTION(0, "until", HOY_OPTION_STRING, "string", struct logs_options, until,
		"Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)"),
	HOY_OPTION_END,
};

/* A time for the query. */
static int add_time(struct hoy_buf *path, const char *key, const char *text, struct hoy_err *err)
{
	if (!text)
		return 0;
	(void) hoy_buf_addf(path, "&%s=", key);
	if (hoy_text_since(text, path) == -EINVAL)
		return hoy_err_invalid(
			err, "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"", key, text);
	return 0;
}

static int logs(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct logs_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf info_path = {}, path = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r;

	(void) hoy_buf_adds(&info_path, "/containers/");
	hoy_http_escape(&info_path, cli->args[0]);
	(void) hoy_buf_adds(&info_path, "/json");
	r = hoy_buf_check(&info_path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "GET", info_path.data, NULL, &info, err);
	if (r < 0)
		return r;
	(void) hoy_buf_addf(&path, "/containers/%s/logs?stdout=1&stderr=1&follow=%d&timestamps=%d&details=%d&tail=",
		hoy_cli_text(info, "Id"), o->follow, o->timestamps, o->details);
	hoy_http_escape(&path, o->tail);
	r = add_time(&path, "since", o->since, err);
	if (r == 0)
		r = add_time(&path, "until", o->until, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(cli, &request, &http, err);
	return r < 0 ? r : hoy_stream_copy_body(&http, hoy_cli_bool(hoy_json_get(info, "Config"), "Tty"), err);
}

static int cmd_logs(struct hoy_cli *cli)
{
	struct hoy_err err;

	return logs(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_logs = {
	.name = "logs",
	.alias = "container logs",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "Fetch the logs of a container",
	.options = logs_options,
	.values_size = sizeof(struct logs_options),
	.defaults = &logs_defaults,
	.run = cmd_logs,
};
