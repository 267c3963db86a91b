/* checkpoint: create, ls, rm. */
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/format.h"

struct options {
	const char *dir;
	bool leave_running;
};
#define DIRECTORY                                                                                                      \
	HOY_OPTION(0, "checkpoint-dir", HOY_OPTION_STRING, "string", struct options, dir,                              \
		"Use a custom checkpoint storage directory")
static const struct hoy_option create_options[] = {
	DIRECTORY,
	HOY_OPTION(0, "leave-running", HOY_OPTION_BOOL, NULL, struct options, leave_running,
		"Leave the container running after checkpoint"),
	HOY_OPTION_END,
};
static const struct hoy_option other_options[] = { DIRECTORY, HOY_OPTION_END };

/* "/containers/NAME/checkpoints[/CHECKPOINT]", with the directory as its query where the body does not have it. */
static int path_of(
	const struct hoy_cli *cli, const char *checkpoint, const char *dir, struct hoy_buf *ret, struct hoy_err *err)
{
	(void) hoy_buf_adds(ret, "/containers/");
	hoy_http_escape(ret, cli->args[0]);
	(void) hoy_buf_adds(ret, "/checkpoints");
	if (checkpoint) {
		(void) hoy_buf_addc(ret, '/');
		hoy_http_escape(ret, checkpoint);
	}
	if (dir) {
		(void) hoy_buf_adds(ret, "?dir=");
		hoy_http_escape(ret, dir);
	}
	return hoy_buf_check(ret, "the request", err);
}

static int cmd_create(struct hoy_cli *cli)
{
	const struct options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	struct hoy_json_writer w = { .buf = &body };
	struct hoy_err err;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "CheckpointID", cli->args[1]);
	hoy_json_add_string(&w, "CheckpointDir", o->dir ? o->dir : "");
	hoy_json_add_bool(&w, "Exit", !o->leave_running);
	hoy_json_end(&w);
	if (hoy_buf_check(&body, "the request", &err) < 0 || path_of(cli, NULL, NULL, &path, &err) < 0 ||
		hoy_cli_call(cli, "POST", path.data, body.data, NULL, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) puts(cli->args[1]);
	return 0;
}

const struct hoy_command hoy_cmd_checkpoint_create = {
	.name = "checkpoint create",
	.args = "CONTAINER CHECKPOINT",
	.min_args = 2,
	.max_args = 2,
	.summary = "Create a checkpoint from a running container",
	.options = create_options,
	.values_size = sizeof(struct options),
	.run = cmd_create,
};

static int list(struct hoy_cli *cli, struct hoy_err *err)
{
	static const struct hoy_format_field fields[] = { { "Name", "CHECKPOINT NAME" }, {} };
	static const struct hoy_format_list kind = { .fields = fields, .table = "{{.Name}}" };
	const struct options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, rows = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	struct hoy_json_writer w = { .buf = &rows };
	int r = path_of(cli, NULL, o->dir, &path, err);

	if (r >= 0)
		r = hoy_cli_call(cli, "GET", path.data, NULL, &answer, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	hoy_json_each(checkpoint, answer)
	{
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", hoy_cli_text(checkpoint, "Name"));
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	return hoy_format_list(cli, &kind, NULL, /* quiet= */ false, &rows, err);
}

static int cmd_ls(struct hoy_cli *cli)
{
	struct hoy_err err;

	return list(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_checkpoint_ls = {
	.name = "checkpoint ls",
	.alias = "checkpoint list",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "List checkpoints for a container",
	.options = other_options,
	.values_size = sizeof(struct options),
	.run = cmd_ls,
};

static int cmd_rm(struct hoy_cli *cli)
{
	const struct options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;

	if (path_of(cli, cli->args[1], o->dir, &path, &err) < 0 ||
		hoy_cli_call(cli, "DELETE", path.data, NULL, NULL, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_checkpoint_rm = {
	.name = "checkpoint rm",
	.alias = "checkpoint remove",
	.args = "CONTAINER CHECKPOINT",
	.min_args = 2,
	.max_args = 2,
	.summary = "Remove a checkpoint",
	.options = other_options,
	.values_size = sizeof(struct options),
	.run = cmd_rm,
};
