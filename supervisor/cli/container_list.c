/* ps: containers as rows. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/ports.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/text.h"

struct ps_options {
	bool all, latest, no_trunc, quiet, size;
	int64_t last;
	char **filter;
	const char *format;
};
static const struct ps_options ps_defaults = { .last = -1 };
static const struct hoy_option ps_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct ps_options, all,
		"Show all containers (default shows just running)"),
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct ps_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ps_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('n', "last", HOY_OPTION_INT, "int", struct ps_options, last,
		"Show n last created containers (includes all states) (default -1)"),
	HOY_OPTION('l', "latest", HOY_OPTION_BOOL, NULL, struct ps_options, latest,
		"Show the latest created container (includes all states)"),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct ps_options, no_trunc, "Don't truncate output"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ps_options, quiet, "Only display container IDs"),
	HOY_OPTION('s', "size", HOY_OPTION_BOOL, NULL, struct ps_options, size, "Display total file sizes"),
	HOY_OPTION_END,
};

static const struct hoy_format_field fields[] = {
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Labels", "LABELS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Mounts", "MOUNTS" },
	{ "Names", "NAMES" },
	{ "Networks", "NETWORKS" },
	{ "Platform", "PLATFORM" },
	{ "Ports", "PORTS" },
	{ "RunningFor", "CREATED" },
	{ "Size", "SIZE" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{},
};

#define PS_TABLE "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

/* Links of other containers ("/other/alias") are names only when nothing is cut. */
static char *names_text(const struct hoy_json *names, bool no_trunc)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	hoy_json_each(name, names)
	{
		const char *text = hoy_json_string(name);

		if (!text)
			continue;
		text += text[0] == '/';
		if (no_trunc || !strchr(text, '/'))
			(void) hoy_buf_addf(&out, "%s%s", out.len ? "," : "", text);
	}
	return hoy_buf_take(&out);
}

static char *image_text(const struct hoy_json *c, bool no_trunc)
{
	const char *image = hoy_cli_text(c, "Image");
	auto_free char *id = hoy_text_short_id(hoy_cli_text(c, "ImageID")), *same = hoy_text_short_id(image);

	if (!*image)
		return strdup("<no image>");
	if (no_trunc)
		return strdup(image);
	if (hoy_str_starts(image, "sha256:") || (id && same && *id && strcmp(id, same) == 0))
		return TAKE_PTR(same);
	image = hoy_text_familiar(image);
	return strndup(image, strcspn(image, "@"));
}

static char *command_text(const char *command, bool no_trunc)
{
	auto_free char *cut = no_trunc ? strdup(command) : hoy_text_ellipsis(command, 20);

	return cut ? hoy_text_quote(cut) : NULL;
}

static char *size_text(const struct hoy_json *c, bool with_image)
{
	auto_free char *rw = hoy_human_size((double) hoy_cli_number(c, "SizeRw"));
	auto_free char *whole = hoy_human_size((double) hoy_cli_number(c, "SizeRootFs"));

	if (!rw || !whole)
		return NULL;
	return with_image && hoy_cli_number(c, "SizeRootFs") > 0 ? hoy_str_printf("%s (virtual %s)", rw, whole)
								 : TAKE_PTR(rw);
}

static char *mounts_text(const struct hoy_json *mounts, bool no_trunc)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	hoy_json_each(mount, mounts)
	{
		const char *name = hoy_cli_text(mount, "Name");
		const char *text = *name ? name : hoy_cli_text(mount, "Source");
		auto_free char *cut = no_trunc ? strdup(text) : hoy_text_ellipsis(text, 15);

		(void) hoy_buf_addf(&out, "%s%s", out.len ? "," : "", cut ? cut : "");
	}
	return hoy_buf_take(&out);
}

static char *local_volumes(const struct hoy_json *mounts)
{
	int n = 0;

	hoy_json_each(mount, mounts) n += strcmp(hoy_cli_text(mount, "Driver"), "local") == 0;
	return hoy_str_printf("%d", n);
}

static char *networks_text(const struct hoy_json *c)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	hoy_json_each(network, hoy_json_get(hoy_json_get(c, "NetworkSettings"), "Networks"))(void)
		hoy_buf_addf(&out, "%s%s", out.len ? "," : "", hoy_json_key(network));
	return hoy_buf_take(&out);
}

static int add_container(struct hoy_json_writer *w, const struct hoy_json *c, bool no_trunc, bool with_image)
{
	const struct hoy_json *mounts = hoy_json_get(c, "Mounts");
	int64_t created = hoy_cli_number(c, "Created");
	const char *id = hoy_cli_text(c, "Id");
	int r = 0;

	hoy_json_object(w, NULL);
	r |= hoy_rows_add(w, "ID", no_trunc ? strdup(id) : hoy_text_short_id(id));
	r |= hoy_rows_add(w, "Image", image_text(c, no_trunc));
	r |= hoy_rows_add(w, "Command", command_text(hoy_cli_text(c, "Command"), no_trunc));
	r |= hoy_rows_add(w, "CreatedAt", hoy_text_time(created));
	r |= hoy_rows_add(w, "RunningFor", hoy_human_ago((time_t) created));
	r |= hoy_rows_add(w, "Ports", hoy_ports_text(hoy_json_get(c, "Ports")));
	r |= hoy_rows_add(w, "Names", names_text(hoy_json_get(c, "Names"), no_trunc));
	r |= hoy_rows_add(w, "Size", size_text(c, with_image));
	r |= hoy_rows_add(w, "Labels", hoy_text_map(hoy_json_get(c, "Labels")));
	r |= hoy_rows_add(w, "Mounts", mounts_text(mounts, no_trunc));
	r |= hoy_rows_add(w, "LocalVolumes", local_volumes(mounts));
	r |= hoy_rows_add(w, "Networks", networks_text(c));
	hoy_json_add_null(w, "Platform");
	hoy_json_add_string(w, "State", hoy_cli_text(c, "State"));
	hoy_json_add_string(w, "Status", hoy_cli_text(c, "Status"));
	if (hoy_json_get(c, "Labels"))
		hoy_json_add_value(w, "Label", hoy_json_get(c, "Labels"));
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

int hoy_rows_add_container(struct hoy_json_writer *w, const struct hoy_json *c)
{
	return add_container(w, c, /* no_trunc= */ false, /* with_image= */ false);
}

static int print_containers(
	const struct hoy_cli *cli, const struct hoy_json *list, const struct ps_options *o, struct hoy_err *err)
{
	const struct hoy_format_list kind = { .fields = fields,
		.table = o->size ? PS_TABLE "\t{{.Size}}" : PS_TABLE,
		.quiet = "{{.ID}}",
		.config_key = "psFormat" };
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 256 << 20 };
	struct hoy_json_writer w = { .buf = &rows };

	hoy_json_array(&w, NULL);
	hoy_json_each(c, list) if (add_container(&w, c, o->no_trunc, /* with_image= */ true) < 0) return hoy_err_oom(
		err);
	hoy_json_end(&w);
	return hoy_format_list(cli, &kind, o->format, o->quiet, &rows, err);
}

static int cmd_ps(struct hoy_cli *cli)
{
	const struct ps_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	const char *format = o->format ? o->format : hoy_config_text(&cli->config, "psFormat");
	bool size = o->size || (format && strstr(format, ".Size"));
	int64_t last = o->latest ? 1 : o->last;
	struct hoy_err err;
	int r;

	(void) hoy_buf_addf(&path, "/containers/json?all=%d&size=%d", o->all, size);
	if (last > 0)
		(void) hoy_buf_addf(&path, "&limit=%lld", (long long) last);
	r = hoy_filter_call(cli, "GET", &path, o->filter, &list, &err);
	if (r == 0)
		r = print_containers(cli, list, o, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_ps = {
	.name = "ps",
	.alias = "container ls, container list, container ps",
	.args = "",
	.summary = "List containers",
	.options = ps_options,
	.values_size = sizeof(struct ps_options),
	.defaults = &ps_defaults,
	.run = cmd_ps,
};
