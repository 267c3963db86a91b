/* diff: what a container has changed. */
#include <stdio.h>

#include "supervisor/cli/cli.h"

static const struct hoy_option options[] = { HOY_OPTION_END };

static int cmd_diff(struct hoy_cli *cli)
{
	auto_ptr(hoy_json_free) struct hoy_json *changes = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, cli->args[0]);
	(void) hoy_buf_adds(&path, "/changes");
	if (hoy_buf_check(&path, "the request", &err) < 0 ||
		hoy_cli_call(cli, "GET", path.data, NULL, &changes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_json_each(change, changes)
	{
		int64_t kind = hoy_cli_number(change, "Kind");

		(void) printf("%c %s\n", kind >= 0 && kind <= 2 ? "CAD"[kind] : '?', hoy_cli_text(change, "Path"));
	}
	return 0;
}

const struct hoy_command hoy_cmd_diff = {
	.name = "diff",
	.alias = "container diff",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "Inspect changes to files or directories on a container's filesystem",
	.options = options,
	.run = cmd_diff,
};
