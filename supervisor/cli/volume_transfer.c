/* volume export, import, clone, rename: beyond docker's commands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/fetch_tar.h"

static int path_of(const char *name, const char *tail, struct hoy_buf *ret, struct hoy_err *err)
{
	(void) hoy_buf_adds(ret, "/volumes/");
	hoy_http_escape(ret, name);
	(void) hoy_buf_adds(ret, tail);
	return hoy_buf_check(ret, "the request", err);
}

static void add_labels(struct hoy_json_writer *w, const char *key, char *const *labels)
{
	hoy_json_object(w, key);
	for (; labels && *labels; labels++) {
		size_t len = strcspn(*labels, "=");
		auto_free char *name = strndup(*labels, len);

		hoy_json_add_string(w, name ? name : "", (*labels)[len] ? *labels + len + 1 : "");
	}
	hoy_json_end(w);
}

/* --- export ----------------------------------------------------------------------------------- */

struct export_options {
	const char *output;
};
static const struct hoy_option export_options[] = {
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct export_options, output,
		"Write to a file, instead of STDOUT"),
	HOY_OPTION_END,
};

static int cmd_export(struct hoy_cli *cli)
{
	const struct export_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;
	int r = path_of(cli->args[0], "/export", &path, &err);

	if (r == 0)
		r = hoy_fetch_tar(cli, path.data, o->output, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_volume_export = {
	.name = "volume export",
	.args = "VOLUME",
	.min_args = 1,
	.max_args = 1,
	.summary = "Export the content of a volume as a tar archive",
	.options = export_options,
	.values_size = sizeof(struct export_options),
	.run = cmd_export,
};

/* --- import ----------------------------------------------------------------------------------- */

struct label_options {
	char **label;
};
static const struct hoy_option label_options[] = {
	HOY_OPTION(0, "label", HOY_OPTION_LIST, "list", struct label_options, label, "Set metadata for the new volume"),
	HOY_OPTION_END,
};

static int import(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct label_options *o = cli->values;
	bool is_stdin = cli->n_args < 2 || !strcmp(cli->args[1], "-");
	auto_fd int fd = is_stdin ? hoy_fd_dup(STDIN_FILENO) : open(cli->args[1], O_RDONLY | O_CLOEXEC);
	auto_(hoy_buf_done) struct hoy_buf path = {}, labels = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	struct hoy_json_writer w = { .buf = &labels };
	int r;

	if (fd < 0)
		return is_stdin ? hoy_err_code(err, fd, "read standard input")
				: hoy_err_sys(err, "open %s", cli->args[1]);
	add_labels(&w, NULL, o->label);
	r = path_of(cli->args[0], "/import?labels=", &path, err);
	if (r == 0)
		r = hoy_buf_check(&labels, "the labels", err);
	if (r < 0)
		return r;
	hoy_http_escape(&path, labels.data);
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_open(cli,
			&(struct hoy_http_request){ .method = "POST",
				.path = path.data,
				.content_type = "application/x-tar",
				.body_fd = fd },
			&http, err);
	if (r == 0)
		(void) puts(cli->args[0]);
	return r;
}

static int cmd_import(struct hoy_cli *cli)
{
	struct hoy_err err;

	return import(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_volume_import = {
	.name = "volume import",
	.args = "VOLUME [file|-]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Make a volume of a tar archive, or fill an empty one",
	.options = label_options,
	.values_size = sizeof(struct label_options),
	.run = cmd_import,
};

/* --- clone ------------------------------------------------------------------------------------ */

static int cmd_clone(struct hoy_cli *cli)
{
	const struct label_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	struct hoy_json_writer w = { .buf = &body };
	struct hoy_err err;
	int r = path_of(cli->args[0], "/clone", &path, &err);

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", cli->args[1]);
	add_labels(&w, "Labels", o->label);
	hoy_json_end(&w);
	if (r == 0)
		r = hoy_buf_check(&body, "the request", &err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, body.data, NULL, &err);
	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) puts(cli->args[1]);
	return 0;
}

const struct hoy_command hoy_cmd_volume_clone = {
	.name = "volume clone",
	.args = "VOLUME NEW_NAME",
	.min_args = 2,
	.max_args = 2,
	.summary = "Copy the content of a volume into a new one",
	.options = label_options,
	.values_size = sizeof(struct label_options),
	.run = cmd_clone,
};

/* --- rename ----------------------------------------------------------------------------------- */

static int cmd_rename(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;
	int r = path_of(cli->args[0], "/rename?name=", &path, &err);

	hoy_http_escape(&path, cli->args[1]);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", &err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, NULL, NULL, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_volume_rename = {
	.name = "volume rename",
	.args = "VOLUME NEW_NAME",
	.min_args = 2,
	.max_args = 2,
	.summary = "Rename a volume that no container has",
	.run = cmd_rename,
};
