/* volume create, ls, inspect, rm, prune. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/prune.h"
#include "supervisor/cli/human.h"

/* --- create ------------------------------------------------------------------------------------------------ */

struct create_options {
	const char *driver, *name;
	char **label, **opt;
};
static const struct hoy_option create_options[] = {
	HOY_OPTION('d', "driver", HOY_OPTION_STRING, "string", struct create_options, driver,
		"Specify volume driver name (default \"local\")"),
	HOY_OPTION(0, "label", HOY_OPTION_LIST, "list", struct create_options, label, "Set metadata for a volume"),
	HOY_OPTION_HIDDEN(0, "name", HOY_OPTION_STRING, "string", struct create_options, name),
	HOY_OPTION('o', "opt", HOY_OPTION_LIST, "map", struct create_options, opt, "Set driver specific options"),
	HOY_OPTION_REFUSE(0, "availability", "string", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "group", "string", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "limit-bytes", "bytes", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "required-bytes", "bytes", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "scope", "string", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "secret", "map", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "sharing", "string", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "topology-preferred", "list", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "topology-required", "list", "cluster volumes need a swarm"),
	HOY_OPTION_REFUSE(0, "type", "string", "cluster volumes need a swarm"),
	HOY_OPTION_END,
};

static void add_map(struct hoy_json_writer *w, const char *key, char *const *entries)
{
	if (!entries)
		return;
	hoy_json_object(w, key);
	for (; *entries; entries++) {
		size_t len = strcspn(*entries, "=");
		auto_free char *name = strndup(*entries, len);

		hoy_json_add_string(w, name ? name : "", (*entries)[len] ? *entries + len + 1 : "");
	}
	hoy_json_end(w);
}

static int cmd_create(struct hoy_cli *cli)
{
	const struct create_options *o = cli->values;
	const char *name = cli->n_args ? cli->args[0] : o->name;
	auto_ptr(hoy_json_free) struct hoy_json *volume = NULL;
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_json_writer w = { .buf = &body };
	struct hoy_err err;

	if (cli->n_args && o->name) {
		(void) hoy_err_invalid(&err,
			"conflicting options: cannot specify a volume name through both --name and as a "
			"positional arg");
		return hoy_cli_fail(cli, 1, &err);
	}
	hoy_json_object(&w, NULL);
	if (name)
		hoy_json_add_string(&w, "Name", name);
	hoy_json_add_string(&w, "Driver", o->driver ? o->driver : "local");
	add_map(&w, "DriverOpts", o->opt);
	add_map(&w, "Labels", o->label);
	hoy_json_end(&w);
	if (hoy_buf_check(&body, "the request", &err) < 0 ||
		hoy_cli_call(cli, "POST", "/volumes/create", body.data, &volume, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) printf("%s\n", hoy_cli_text(volume, "Name"));
	return 0;
}

const struct hoy_command hoy_cmd_volume_create = {
	.name = "volume create",
	.args = "[VOLUME]",
	.max_args = 1,
	.summary = "Create a volume",
	.options = create_options,
	.values_size = sizeof(struct create_options),
	.run = cmd_create,
};

/* --- ls --------------------------------------------------------------------------------------------------------- */

struct ls_options {
	bool quiet, kept;
	const char *format;
	char **filter;
};
static const struct hoy_option ls_options[] = {
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct ls_options, filter,
		"Provide filter values (e.g. \"dangling=true\")"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ls_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "kept", HOY_OPTION_BOOL, NULL, struct ls_options, kept,
		"Only display removed volumes that \"hoy volume restore\" can bring back"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ls_options, quiet, "Only display volume names"),
	HOY_OPTION_REFUSE(0, "cluster", NULL, "cluster volumes need a swarm"),
	HOY_OPTION_END,
};

static const struct hoy_format_field ls_fields[] = { { "Driver", "DRIVER" }, { "Labels", "LABELS" },
	{ "Links", "LINKS" }, { "Mountpoint", "MOUNTPOINT" }, { "Name", "VOLUME NAME" }, { "Scope", "SCOPE" },
	{ "Size", "SIZE" }, {} };
static const struct hoy_format_list ls_kind = {
	.fields = ls_fields,
	.table = "{{.Driver}}\t{{.Name}}",
	.quiet = "{{.Name}}",
	.config_key = "volumesFormat",
};

/* "k=v,k=v" */
static void add_labels(struct hoy_json_writer *w, const struct hoy_json *labels)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_adds(&text, "");
	hoy_json_each(label, labels)
	{
		const char *value = hoy_json_string(label);

		(void) hoy_buf_addf(&text, "%s%s=%s", text.len ? "," : "", hoy_json_key(label), value ? value : "");
	}
	hoy_json_add_string(w, "Labels", text.data);
	hoy_json_add_value(w, "Label", labels);
}

static void add_row(struct hoy_json_writer *w, const struct hoy_json *volume)
{
	static const char *const members[] = { "Driver", "Mountpoint", "Name", "Scope" };
	const struct hoy_json *usage = hoy_json_get(volume, "UsageData");
	auto_free char *links = hoy_str_printf("%lld", (long long) hoy_cli_number(usage, "RefCount"));
	auto_free char *size = hoy_human_size((double) hoy_cli_number(usage, "Size"));

	hoy_json_object(w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		hoy_json_add_string(w, members[i], hoy_cli_text(volume, members[i]));
	add_labels(w, hoy_json_get(volume, "Labels"));
	hoy_json_add_string(w, "Links", usage ? links : "N/A");
	hoy_json_add_string(w, "Size", usage ? size : "N/A");
	hoy_json_end(w);
}

static int list(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct ls_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {}, rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	int r;

	(void) hoy_buf_addf(&path, "/volumes%s%s", o->kept || o->filter ? "?" : "",
		o->kept && o->filter ? "kept=1&"
		: o->kept            ? "kept=1"
				     : "");
	r = hoy_filter_call(cli, "GET", &path, o->filter, &answer, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	hoy_json_each(volume, hoy_json_get(answer, "Volumes")) add_row(&w, volume);
	hoy_json_end(&w);
	return hoy_format_list(cli, &ls_kind, o->format, o->quiet, &rows, err);
}

static int cmd_ls(struct hoy_cli *cli)
{
	struct hoy_err err;

	return list(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_volume_ls = {
	.name = "volume ls",
	.alias = "volume list",
	.args = "",
	.summary = "List volumes",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.run = cmd_ls,
};

/* --- inspect ------------------------------------------------------------------------------------------------------ */

struct inspect_options {
	const char *format;
};
static const struct hoy_option inspect_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct inspect_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION_END,
};

static int get_volume(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, "volumes", name, "", ret, err);
}

static int cmd_inspect(struct hoy_cli *cli)
{
	const struct inspect_options *o = cli->values;

	return hoy_format_inspect(cli, o->format, get_volume);
}

const struct hoy_command hoy_cmd_volume_inspect = {
	.name = "volume inspect",
	.args = "VOLUME [VOLUME...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more volumes",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_inspect,
};

/* --- rm --------------------------------------------------------------------------------------- */

struct rm_options {
	bool force;
};
static const struct hoy_option rm_options[] = {
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct rm_options, force,
		"Force the removal of one or more volumes"),
	HOY_OPTION_END,
};

static int remove_volume(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct rm_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/volumes/");
	hoy_http_escape(&path, name);
	if (o->force)
		(void) hoy_buf_adds(&path, "?force=1");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "DELETE", path.data, NULL, NULL, err);
}

static int cmd_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, remove_volume, /* print= */ true);
}

const struct hoy_command hoy_cmd_volume_rm = {
	.name = "volume rm",
	.alias = "volume remove",
	.args = "VOLUME [VOLUME...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more volumes. You cannot remove a volume that is in use by a container",
	.options = rm_options,
	.values_size = sizeof(struct rm_options),
	.run = cmd_rm,
};

/* --- restore ---------------------------------------------------------------------------------- */

static int restore_volume(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/volumes/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/restore");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, NULL, NULL, err);
}

static int cmd_restore(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, restore_volume, /* print= */ true);
}

const struct hoy_command hoy_cmd_volume_restore = {
	.name = "volume restore",
	.args = "VOLUME [VOLUME...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Bring back volumes that \"hoy compose down -v\" has removed within the last hour",
	.run = cmd_restore,
};

/* --- prune ------------------------------------------------------------------------------------ */

struct prune_options {
	bool all, force;
	char **filter;
};
static const struct hoy_option prune_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct prune_options, all,
		"Remove all unused volumes, not just anonymous ones"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct prune_options, filter,
		"Provide filter values (e.g. \"label=<label>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct prune_options, force, "Do not prompt for confirmation"),
	HOY_OPTION_END,
};

static int cmd_prune(struct hoy_cli *cli)
{
	static char all[] = "all=1";
	const struct prune_options *o = cli->values;
	auto_ptr(hoy_strv_free) char **filter = o->filter ? hoy_strv_copy(o->filter) : NULL;
	struct hoy_err err;
	int64_t bytes = 0;

	if (!o->force &&
		!hoy_prune_confirm(
			o->all ? "WARNING! This will remove all local volumes not used by at least one container."
			       : "WARNING! This will remove anonymous local volumes not used by at least one "
				 "container."))
		return hoy_prune_cancelled(cli, "volume prune");
	if (o->all && hoy_strv_add(&filter, all) < 0)
		(void) fprintf(stderr, "out of memory\n");
	if (hoy_prune_one(cli, &hoy_prune_volumes, filter, &bytes, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_prune_print_total(bytes);
	return 0;
}

const struct hoy_command hoy_cmd_volume_prune = {
	.name = "volume prune",
	.args = "",
	.summary = "Remove unused local volumes",
	.options = prune_options,
	.values_size = sizeof(struct prune_options),
	.run = cmd_prune,
};
