/* secret and config: create, inspect, ls, rm. Both are the same to us but for what is told of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"

#define CONTENT_MAX ((size_t) 1100 << 10) /* more than the engine takes */

/* "secrets" or "configs", as the path of the API has it. */
static const char *family(const struct hoy_cli *cli)
{
	return hoy_str_starts(cli->command->name, "secret") ? "secrets" : "configs";
}

static int path_of(const struct hoy_cli *cli, const char *name, struct hoy_buf *ret, struct hoy_err *err)
{
	(void) hoy_buf_addf(ret, "/%s/", family(cli));
	hoy_http_escape(ret, name);
	return hoy_buf_check(ret, "the request", err);
}

/* --- create ------------------------------------------------------------------------------------------------------- */

struct create_options {
	const char *driver, *template_driver;
	char **label;
};
#define LABEL(help)                                                                                                    \
	HOY_OPTION('l', "label", HOY_OPTION_LIST, "list", struct create_options, label, help),                         \
		HOY_OPTION(0, "template-driver", HOY_OPTION_STRING, "string", struct create_options, template_driver,  \
			"Template driver: the engine has none")
static const struct hoy_option secret_create_options[] = {
	HOY_OPTION('d', "driver", HOY_OPTION_STRING, "string", struct create_options, driver,
		"Secret driver: the engine has none"),
	LABEL("Secret labels"),
	HOY_OPTION_END,
};
static const struct hoy_option config_create_options[] = { LABEL("Config labels"), HOY_OPTION_END };

/* NULL and "-": standard input. */
static int read_content(const char *file, struct hoy_buf *ret, struct hoy_err *err)
{
	bool is_stdin = !file || !strcmp(file, "-");
	auto_fd int fd = is_stdin ? hoy_fd_dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return is_stdin ? hoy_err_code(err, fd, "read standard input") : hoy_err_sys(err, "open %s", file);
	return hoy_file_read_fd(fd, is_stdin ? "standard input" : file, ret, err);
}

static void add_driver(struct hoy_json_writer *w, const char *key, const char *name)
{
	if (!name)
		return;
	hoy_json_object(w, key);
	hoy_json_add_string(w, "Name", name);
	hoy_json_end(w);
}

static int print_request(const struct hoy_cli *cli, struct hoy_buf *ret, struct hoy_err *err)
{
	const struct create_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf content = { .cap = CONTENT_MAX }, text = {};
	struct hoy_json_writer w = { .buf = ret };
	int r = o->driver && cli->n_args > 1 ? hoy_err_invalid(err, "no file is read when a driver is given")
		: o->driver                  ? 0
					     : read_content(cli->n_args > 1 ? cli->args[1] : NULL, &content, err);

	if (r < 0)
		return r;
	(void) hoy_base64_encode(&text, content.data ? content.data : "", content.len, /* url_safe= */ false);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", cli->args[0]);
	hoy_json_object(&w, "Labels");
	for (char **label = o->label; label && *label; label++) {
		size_t len = strcspn(*label, "=");
		auto_free char *name = strndup(*label, len);

		hoy_json_add_string(&w, name ? name : "", (*label)[len] ? *label + len + 1 : "");
	}
	hoy_json_end(&w);
	hoy_json_add_stringn(&w, "Data", text.data ? text.data : "", text.len);
	add_driver(&w, "Driver", o->driver);
	add_driver(&w, "Templating", o->template_driver);
	hoy_json_end(&w);
	return hoy_buf_check(ret, "the request", err);
}

static int cmd_create(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf body = {}, path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	struct hoy_err err;

	(void) hoy_buf_addf(&path, "/%s/create", family(cli));
	if (hoy_buf_check(&path, "the request", &err) < 0 || print_request(cli, &body, &err) < 0 ||
		hoy_cli_call(cli, "POST", path.data, body.data, &answer, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) printf("%s\n", hoy_cli_text(answer, "ID"));
	return 0;
}

const struct hoy_command hoy_cmd_secret_create = {
	.name = "secret create",
	.args = "SECRET [file|-]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Create a secret from a file or STDIN as content",
	.options = secret_create_options,
	.values_size = sizeof(struct create_options),
	.run = cmd_create,
};

const struct hoy_command hoy_cmd_config_create = {
	.name = "config create",
	.args = "CONFIG file|-",
	.min_args = 2,
	.max_args = 2,
	.summary = "Create a config from a file or STDIN",
	.options = config_create_options,
	.values_size = sizeof(struct create_options),
	.run = cmd_create,
};

/* --- ls --------------------------------------------------------------------------------------- */

struct ls_options {
	char **filter;
	const char *format;
	bool quiet;
};
static const struct hoy_option ls_options[] = {
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct ls_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ls_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ls_options, quiet, "Only display IDs"),
	HOY_OPTION_END,
};
static const struct hoy_format_field ls_fields[] = {
	{ "CreatedAt", "CREATED" },
	{ "Driver", "DRIVER" },
	{ "ID", "ID" },
	{ "Labels", "LABELS" },
	{ "Name", "NAME" },
	{ "UpdatedAt", "UPDATED" },
	{},
};
static const struct hoy_format_list secret_kind = {
	.fields = ls_fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
	.quiet = "{{.ID}}",
	.config_key = "secretFormat",
};
static const struct hoy_format_list config_kind = {
	.fields = ls_fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
	.quiet = "{{.ID}}",
	.config_key = "configFormat",
};

static char *ago(const char *text)
{
	struct timespec ts;

	return hoy_time_parse(text, &ts) < 0 ? strdup(text) : hoy_human_ago(ts.tv_sec);
}

static int add_row(struct hoy_json_writer *w, const struct hoy_json *secret)
{
	const struct hoy_json *spec = hoy_json_get(secret, "Spec"), *labels = hoy_json_get(spec, "Labels");
	int r = 0;

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "ID", hoy_cli_text(secret, "ID"));
	hoy_json_add_string(w, "Name", hoy_cli_text(spec, "Name"));
	hoy_json_add_string(w, "Driver", hoy_cli_text(hoy_json_get(spec, "Driver"), "Name"));
	r |= hoy_rows_add(w, "CreatedAt", ago(hoy_cli_text(secret, "CreatedAt")));
	r |= hoy_rows_add(w, "UpdatedAt", ago(hoy_cli_text(secret, "UpdatedAt")));
	r |= hoy_rows_add(w, "Labels", hoy_text_map(labels));
	if (labels)
		hoy_json_add_value(w, "Label", labels);
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

static int list(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct ls_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {}, rows = { .cap = (size_t) 64 << 20 };
	struct hoy_json_writer w = { .buf = &rows };
	int r;

	(void) hoy_buf_addf(&path, "/%s", family(cli));
	r = hoy_filter_call(cli, "GET", &path, o->filter, &answer, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	hoy_json_each(secret, answer)
	{
		if (add_row(&w, secret) < 0)
			return hoy_err_oom(err);
	}
	hoy_json_end(&w);
	return hoy_format_list(cli, *family(cli) == 's' ? &secret_kind : &config_kind, o->format, o->quiet, &rows, err);
}

static int cmd_ls(struct hoy_cli *cli)
{
	struct hoy_err err;

	return list(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_secret_ls = {
	.name = "secret ls",
	.alias = "secret list",
	.args = "",
	.summary = "List secrets",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.run = cmd_ls,
};

const struct hoy_command hoy_cmd_config_ls = {
	.name = "config ls",
	.alias = "config list",
	.args = "",
	.summary = "List configs",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.run = cmd_ls,
};

/* --- inspect ---------------------------------------------------------------------------------- */

struct inspect_options {
	const char *format;
	bool pretty;
};
static const struct hoy_option inspect_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct inspect_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION(0, "pretty", HOY_OPTION_BOOL, NULL, struct inspect_options, pretty,
		"Print the information in a human friendly format"),
	HOY_OPTION_END,
};

static int get_one(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, family(cli), name, "", ret, err);
}

static int print_pretty(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *secret = NULL;
	auto_(hoy_buf_done) struct hoy_buf data = {};
	int r = get_one(cli, name, &secret, err);
	const struct hoy_json *spec = hoy_json_get(secret, "Spec"), *labels = hoy_json_get(spec, "Labels");

	if (r < 0)
		return r;
	(void) printf("ID:\t\t\t%s\nName:\t\t\t%s\n", hoy_cli_text(secret, "ID"), hoy_cli_text(spec, "Name"));
	if (hoy_json_len(labels))
		(void) printf("Labels:\n");
	hoy_json_each(label, labels)
	{
		const char *value = hoy_json_string(label);

		(void) printf(" - %s=%s\n", hoy_json_key(label), value ? value : "");
	}
	(void) printf("Created at:            \t%s\nUpdated at:            \t%s\n", hoy_cli_text(secret, "CreatedAt"),
		hoy_cli_text(secret, "UpdatedAt"));
	if (*family(cli) == 'c' && hoy_base64_decode(&data, hoy_cli_text(spec, "Data")) >= 0)
		(void) printf("Data:\n%.*s\n", (int) data.len, data.data ? data.data : "");
	return 0;
}

static int cmd_inspect(struct hoy_cli *cli)
{
	const struct inspect_options *o = cli->values;
	struct hoy_err err;

	if (!o->pretty)
		return hoy_format_inspect(cli, o->format, get_one);
	if (o->format) {
		(void) hoy_err_invalid(&err, "--format is incompatible with human friendly format");
		return hoy_cli_fail(cli, 1, &err);
	}
	return hoy_cli_each_arg(cli, print_pretty, /* print= */ false);
}

const struct hoy_command hoy_cmd_secret_inspect = {
	.name = "secret inspect",
	.args = "SECRET [SECRET...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more secrets",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_inspect,
};

const struct hoy_command hoy_cmd_config_inspect = {
	.name = "config inspect",
	.args = "CONFIG [CONFIG...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more configs",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_inspect,
};

/* --- rm --------------------------------------------------------------------------------------- */

static int remove_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r = path_of(cli, name, &path, err);

	return r < 0 ? r : hoy_cli_call(cli, "DELETE", path.data, NULL, NULL, err);
}

static int cmd_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, remove_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_secret_rm = {
	.name = "secret rm",
	.alias = "secret remove",
	.args = "SECRET [SECRET...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more secrets",
	.run = cmd_rm,
};

const struct hoy_command hoy_cmd_config_rm = {
	.name = "config rm",
	.alias = "config remove",
	.args = "CONFIG [CONFIG...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more configs",
	.run = cmd_rm,
};
