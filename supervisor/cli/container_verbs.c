/* restart, pause, unpause, rename, port, top: a call or two per container named. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/tabs.h"

/* METHOD "/containers/NAME<tail>" with the name escaped. */
static int call(struct hoy_cli *cli, const char *method, const char *name, const char *tail, struct hoy_json **ret,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, tail);
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, method, path.data, NULL, ret, err);
}

static const struct hoy_option no_options[] = { HOY_OPTION_END };

/* --- restart -------------------------------------------------------------------------------------------- */

struct restart_options {
	bool timeout_given;
	int64_t timeout;
	const char *signal;
};
static const struct hoy_option restart_options[] = {
	HOY_OPTION('s', "signal", HOY_OPTION_STRING, "string", struct restart_options, signal,
		"Signal to send to the container"),
	HOY_OPTION_WITH_SET('t', "timeout", HOY_OPTION_INT, "int", struct restart_options, timeout, timeout_given,
		"Seconds to wait before killing the container"),
	HOY_OPTION_WITH_SET(
		0, "time", HOY_OPTION_INT, "int", struct restart_options, timeout, timeout_given, "Same as --timeout"),
	HOY_OPTION_END,
};

static int restart_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct restart_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf tail = {};

	(void) hoy_buf_adds(&tail, "/restart?");
	if (o->timeout_given)
		(void) hoy_buf_addf(&tail, "t=%lld&", (long long) o->timeout);
	if (o->signal) {
		(void) hoy_buf_adds(&tail, "signal=");
		hoy_http_escape(&tail, o->signal);
	}
	return tail.failed ? hoy_buf_check(&tail, "the request", err) : call(cli, "POST", name, tail.data, NULL, err);
}

static int cmd_restart(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, restart_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_restart = {
	.name = "restart",
	.alias = "container restart",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Restart one or more containers",
	.options = restart_options,
	.values_size = sizeof(struct restart_options),
	.run = cmd_restart,
};

/* --- pause, unpause --------------------------------------------------------------------------------------- */

static int pause_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	return call(cli, "POST", name, "/pause", NULL, err);
}

static int cmd_pause(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, pause_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_pause = {
	.name = "pause",
	.alias = "container pause",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Pause all processes within one or more containers",
	.options = no_options,
	.run = cmd_pause,
};

static int unpause_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	return call(cli, "POST", name, "/unpause", NULL, err);
}

static int cmd_unpause(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, unpause_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_unpause = {
	.name = "unpause",
	.alias = "container unpause",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Unpause all processes within one or more containers",
	.options = no_options,
	.run = cmd_unpause,
};

/* --- rename --------------------------------------------------------------------------------------------------- */

static int cmd_rename(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf tail = {};
	struct hoy_err err;

	(void) hoy_buf_adds(&tail, "/rename?name=");
	hoy_http_escape(&tail, cli->args[1]);
	if (hoy_buf_check(&tail, "the request", &err) < 0 || call(cli, "POST", cli->args[0], tail.data, NULL, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_rename = {
	.name = "rename",
	.alias = "container rename",
	.args = "CONTAINER NEW_NAME",
	.min_args = 2,
	.max_args = 2,
	.summary = "Rename a container",
	.options = no_options,
	.run = cmd_rename,
};

/* --- port ------------------------------------------------------------------------------------------------------- */

static void print_binding(const char *port, const struct hoy_json *binding)
{
	const char *ip = hoy_cli_text(binding, "HostIp"), *host = hoy_cli_text(binding, "HostPort");
	bool v6 = strchr(ip, ':') != NULL;

	if (port)
		(void) printf("%s -> ", port);
	(void) printf("%s%s%s:%s\n", v6 ? "[" : "", ip, v6 ? "]" : "", host);
}

/* "80" is 80/tcp. */
static bool is_asked(const char *asked, const char *key)
{
	auto_free char *full = strchr(asked, '/') ? strdup(asked) : hoy_str_printf("%s/tcp", asked);

	return full && !strcmp(full, key);
}

static int cmd_port(struct hoy_cli *cli)
{
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const char *asked = cli->args[1];
	const struct hoy_json *ports;
	bool found = false;
	struct hoy_err err;

	if (call(cli, "GET", cli->args[0], "/json", &info, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	ports = hoy_json_get(hoy_json_get(info, "NetworkSettings"), "Ports");
	if (ports && hoy_json_type(ports) == HOY_JSON_OBJECT)
		hoy_json_each(bindings, ports)
		{
			const char *key = hoy_json_key(bindings);

			if ((asked && !is_asked(asked, key)) || hoy_json_type(bindings) != HOY_JSON_ARRAY)
				continue;
			hoy_json_each(binding, bindings)
			{
				print_binding(asked ? NULL : key, binding);
				found = true;
			}
		}
	if (!asked || found)
		return 0;
	(void) hoy_err_not_found(&err, "no public port '%s' published for %s", asked, cli->args[0]);
	return hoy_cli_fail(cli, 1, &err);
}

const struct hoy_command hoy_cmd_port = {
	.name = "port",
	.alias = "container port",
	.args = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.min_args = 1,
	.max_args = 2,
	.summary = "List port mappings or a specific mapping for the container",
	.options = no_options,
	.run = cmd_port,
};

/* --- top -------------------------------------------------------------------------------------------------------- */

/* One line of cells, tabs between. */
static void add_cells(struct hoy_buf *text, const struct hoy_json *cells)
{
	bool first = true;

	if (!cells || hoy_json_type(cells) != HOY_JSON_ARRAY)
		return;
	hoy_json_each(cell, cells)
	{
		(void) hoy_buf_adds(text, first ? "" : "\t");
		(void) hoy_buf_adds(text, hoy_json_string(cell) ? hoy_json_string(cell) : "");
		first = false;
	}
	(void) hoy_buf_addc(text, '\n');
}

static int print_top(const struct hoy_json *answer, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, aligned = {};
	const struct hoy_json *rows = hoy_json_get(answer, "Processes");
	int r;

	add_cells(&text, hoy_json_get(answer, "Titles"));
	if (rows && hoy_json_type(rows) == HOY_JSON_ARRAY)
		hoy_json_each(row, rows) add_cells(&text, row);
	r = hoy_buf_check(&text, "the table", err);
	if (r >= 0 && text.len > 0) {
		hoy_tabs_align(text.data, &aligned);
		r = hoy_buf_check(&aligned, "the table", err);
	}
	if (r >= 0 && aligned.len > 0)
		(void) fputs(aligned.data, stdout);
	return r;
}

static int cmd_top(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf tail = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	struct hoy_err err;

	(void) hoy_buf_adds(&tail, "/top");
	for (size_t i = 1; i < cli->n_args; i++) {
		(void) hoy_buf_adds(&tail, i == 1 ? "?ps_args=" : "%20");
		hoy_http_escape(&tail, cli->args[i]);
	}
	if (hoy_buf_check(&tail, "the request", &err) < 0 ||
		call(cli, "GET", cli->args[0], tail.data, &answer, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return print_top(answer, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_top = {
	.name = "top",
	.alias = "container top",
	.args = "CONTAINER [ps OPTIONS]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display the running processes of a container",
	.options = no_options,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_top,
};
