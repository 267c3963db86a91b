/* ps, logs, inspect: looking at containers. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/stream.h"
#include "supervisor/cli/table.h"

/* --- ps ---------------------------------------------------------------------- */

struct ps_options {
	bool all, latest, no_trunc, quiet, size;
	int64_t last;
	char **filter;
	const char *format;
};
static const struct hoy_option ps_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct ps_options, all,
		"Show all containers (default shows just running)"),
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct ps_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION_REFUSE(0, "format", "string", "only the table is printed by this version; inspect gives JSON"),
	HOY_OPTION('n', "last", HOY_OPTION_INT, "int", struct ps_options, last,
		"Show n last created containers (includes all states)"),
	HOY_OPTION('l', "latest", HOY_OPTION_BOOL, NULL, struct ps_options, latest,
		"Show the latest created container (includes all states)"),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct ps_options, no_trunc, "Don't truncate output"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ps_options, quiet, "Only display container IDs"),
	HOY_OPTION('s', "size", HOY_OPTION_BOOL, NULL, struct ps_options, size, "Display total file sizes"),
	HOY_OPTION_END,
};

/* "0.0.0.0:8080->80/tcp, 90/tcp" */
static char *ports_text(const struct hoy_json *ports)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	hoy_json_each(port, ports)
	{
		const char *ip = hoy_cli_text(port, "IP");

		if (out.len)
			(void) hoy_buf_adds(&out, ", ");
		if (hoy_cli_number(port, "PublicPort")) {
			bool v6 = strchr(ip, ':') != NULL;

			(void) hoy_buf_addf(&out, "%s%s%s:%lld->", v6 ? "[" : "", ip, v6 ? "]" : "",
				(long long) hoy_cli_number(port, "PublicPort"));
		}
		(void) hoy_buf_addf(
			&out, "%lld/%s", (long long) hoy_cli_number(port, "PrivatePort"), hoy_cli_text(port, "Type"));
	}
	return hoy_buf_take(&out);
}

static char *names_text(const struct hoy_json *names)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	hoy_json_each(name, names)
	{
		const char *text = hoy_json_string(name);

		if (text)
			(void) hoy_buf_addf(&out, "%s%s", out.len ? "," : "", text + (text[0] == '/'));
	}
	return hoy_buf_take(&out);
}

static char *size_text(const struct hoy_json *c)
{
	auto_free char *rw = hoy_human_size((double) hoy_cli_number(c, "SizeRw"));
	auto_free char *virtual = hoy_human_size((double) hoy_cli_number(c, "SizeRootFs"));

	return rw && virtual ? hoy_str_printf("%s (virtual %s)", rw, virtual) : NULL;
}

static int add_owned(struct hoy_table *table, char *cell)
{
	int r = cell ? hoy_table_add(table, cell) : -ENOMEM;

	free(cell);
	return r;
}

/* Quoted, at most 20 columns with "…" unless no_trunc. */
static char *command_text(const char *command, bool no_trunc)
{
	if (no_trunc || strlen(command) <= 20)
		return hoy_str_printf("\"%s\"", command);
	return hoy_str_printf("\"%.19s…\"", command);
}

static int add_container(struct hoy_table *table, const struct hoy_json *c, const struct ps_options *o)
{
	const char *image = hoy_cli_text(c, "Image");
	int r;

	r = add_owned(table, hoy_str_printf(o->no_trunc ? "%s" : "%.12s", hoy_cli_text(c, "Id")));
	if (r == 0)
		r = hoy_str_starts(image, "sha256:") && !o->no_trunc
			    ? add_owned(table, hoy_str_printf("%.12s", image + 7))
			    : hoy_table_add(table, image);
	if (r == 0)
		r = add_owned(table, command_text(hoy_cli_text(c, "Command"), o->no_trunc));
	if (r == 0)
		r = add_owned(table, hoy_human_ago((time_t) hoy_cli_number(c, "Created")));
	if (r == 0)
		r = hoy_table_add(table, hoy_cli_text(c, "Status"));
	if (r == 0)
		r = add_owned(table, ports_text(hoy_json_get(c, "Ports")));
	if (r == 0)
		r = add_owned(table, names_text(hoy_json_get(c, "Names")));
	if (r == 0 && o->size)
		r = add_owned(table, size_text(c));
	return r;
}

static int print_containers(const struct hoy_json *list, const struct ps_options *o, struct hoy_err *err)
{
	static const char *const titles[] = { "CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES",
		"SIZE" };
	auto_(hoy_table_done) struct hoy_table table = { .columns = o->size ? 8 : 7 };

	if (o->quiet) {
		hoy_json_each(c, list)(void) printf(o->no_trunc ? "%s\n" : "%.12s\n", hoy_cli_text(c, "Id"));
		return 0;
	}
	for (size_t i = 0; i < table.columns; i++)
		if (hoy_table_add(&table, titles[i]) < 0)
			return hoy_err_oom(err);
	hoy_json_each(c, list) if (add_container(&table, c, o) < 0) return hoy_err_oom(err);
	hoy_table_print(&table);
	return 0;
}

static int cmd_ps(struct hoy_cli *cli)
{
	const struct ps_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	int64_t last = o->latest ? 1 : o->last;
	struct hoy_err err;
	int r;

	(void) hoy_buf_addf(&path, "/containers/json?all=%d&size=%d", o->all, o->size);
	if (last > 0)
		(void) hoy_buf_addf(&path, "&limit=%lld", (long long) last);
	r = hoy_filter_add_query(&path, o->filter, &err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", &err);
	if (r == 0)
		r = hoy_cli_call(cli, "GET", path.data, NULL, &list, &err);
	if (r == 0)
		r = print_containers(list, o, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_ps = {
	.name = "ps",
	.alias = "container ls",
	.args = "",
	.summary = "List containers",
	.options = ps_options,
	.values_size = sizeof(struct ps_options),
	.run = cmd_ps,
};

/* --- logs -------------------------------------------------------------------- */

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

/* A timestamp, seconds since 1970 or a duration back from now, as "SECONDS.NANOS" for the query. */
static int add_time(struct hoy_buf *path, const char *key, const char *text, struct hoy_err *err)
{
	struct timespec ts;
	int64_t back;

	if (!text)
		return 0;
	if (hoy_time_parse(text, &ts) == 0) {
		(void) hoy_buf_addf(path, "&%s=%lld.%09ld", key, (long long) ts.tv_sec, ts.tv_nsec);
	} else if (hoy_str_to_duration(text, &back) == 0 && strcmp(text, "0") != 0) {
		clock_gettime(CLOCK_REALTIME, &ts);
		(void) hoy_buf_addf(
			path, "&%s=%lld.%09ld", key, (long long) (ts.tv_sec - back / 1000000000), ts.tv_nsec);
	} else if (*text && strspn(text, "0123456789.") == strlen(text)) {
		(void) hoy_buf_addf(path, "&%s=%s", key, text);
	} else {
		return hoy_err_invalid(
			err, "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"", key, text);
	}
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

/* --- inspect ----------------------------------------------------------------- */

struct inspect_options {
	const char *type;
	bool size;
};
static const struct hoy_option inspect_options[] = {
	HOY_OPTION_REFUSE(
		'f', "format", "string", "this version prints the whole object as JSON; use jq to take parts"),
	HOY_OPTION('s', "size", HOY_OPTION_BOOL, NULL, struct inspect_options, size,
		"Display total file sizes if the type is container"),
	HOY_OPTION(0, "type", HOY_OPTION_STRING, "string", struct inspect_options, type,
		"Only inspect objects of the given type (container, image)"),
	HOY_OPTION_END,
};

static int try_inspect(struct hoy_cli *cli, const char *kind, const char *name, const char *tail, struct hoy_json **ret,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_addf(&path, "/%s/", kind);
	hoy_http_escape(&path, name);
	(void) hoy_buf_addf(&path, "/json%s", tail);
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "GET", path.data, NULL, ret, err);
}

static int inspect_one(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;
	int r = -ENOENT;

	if (o->type && strcmp(o->type, "container") != 0 && strcmp(o->type, "image") != 0)
		return hoy_err_invalid(err, "unknown type: \"%s\": must be one of \"container\", \"image\"", o->type);
	if (!o->type || strcmp(o->type, "container") == 0)
		r = try_inspect(cli, "containers", name, o->size ? "?size=1" : "", ret, err);
	if (r == -ENOENT && (!o->type || strcmp(o->type, "image") == 0))
		r = try_inspect(cli, "images", name, "", ret, err);
	if (r == -ENOENT && !o->type)
		return hoy_err_not_found(err, "Error: No such object: %s", name);
	return r;
}

static int cmd_inspect(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_json_writer w = { .buf = &out, .indent = 4 };
	int status = 0;

	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < cli->n_args; i++) {
		auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
		struct hoy_err err;

		if (inspect_one(cli, cli->args[i], &info, &err) < 0) {
			(void) fprintf(stderr, "%s\n", hoy_err_str(&err));
			status = 1;
		} else {
			hoy_json_add_value(&w, NULL, info);
		}
	}
	hoy_json_end(&w);
	(void) puts(out.data ? out.data : "[]");
	return status;
}

const struct hoy_command hoy_cmd_inspect = {
	.name = "inspect",
	.alias = "container inspect",
	.args = "NAME|ID [NAME|ID...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Return low-level information on containers and images",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_inspect,
};
