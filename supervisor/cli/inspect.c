/* inspect: objects of all kinds, and of one kind each. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/format.h"

struct inspect_options {
	const char *format, *type, *platform;
	bool size, verbose;
};

typedef int get_fn(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err);

static int get_container(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;

	return hoy_format_get(cli, "containers", name, o->size ? "/json?size=1" : "/json", ret, err);
}

static int get_image(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf tail = {};

	(void) hoy_buf_adds(&tail, "/json");
	if (o->platform) {
		(void) hoy_buf_adds(&tail, "?platform=");
		hoy_http_escape(&tail, o->platform);
	}
	return tail.failed ? hoy_err_oom(err) : hoy_format_get(cli, "images", name, tail.data, ret, err);
}

static int get_network(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;

	return hoy_format_get(cli, "networks", name, o->verbose ? "?verbose=true" : "", ret, err);
}

static int get_volume(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, "volumes", name, "", ret, err);
}

static int get_plugin(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, "plugins", name, "/json", ret, err);
}

static int get_secret(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, "secrets", name, "", ret, err);
}

static int get_config(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	return hoy_format_get(cli, "configs", name, "", ret, err);
}

/* In the order in which docker looks. Swarm's kinds are asked for by --type only: no engine of ours has them. */
static const struct kind {
	const char *name;
	get_fn *get;
	bool by_name;
} kinds[] = { { "container", get_container, true }, { "image", get_image, true }, { "network", get_network, true },
	{ "volume", get_volume, true }, { "plugin", get_plugin, false }, { "secret", get_secret, false },
	{ "config", get_config, false } };

/* What an engine says that does not know the kind at all is no reason to stop looking. */
static bool look_on(int r)
{
	return r == -ENOENT || r == -EOPNOTSUPP;
}

static int get_any(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	const struct inspect_options *o = cli->values;
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && look_on(r); i++) {
		if (o->type && *o->type) {
			if (strcmp(kinds[i].name, o->type) == 0)
				return kinds[i].get(cli, name, ret, err);
		} else if (kinds[i].by_name) {
			r = kinds[i].get(cli, name, ret, err);
		}
	}
	return look_on(r) ? hoy_err_not_found(err, "Error: No such object: %s", name) : r;
}

static int check_type(const struct inspect_options *o, struct hoy_err *err)
{
	static const char *const swarm[] = { "node", "service", "task", NULL };

	if (!o->type || !*o->type)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, o->type) == 0)
			return 0;
	if (hoy_strv_has((char *const *) swarm, o->type))
		return hoy_err_unsupported(
			err, "inspect --type %s is not supported: there is no swarm in this version", o->type);
	return hoy_err_invalid(err,
		"unknown type: \"%s\": must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", "
		"\"secret\", \"service\", \"task\", \"volume\"",
		o->type);
}

static int cmd_inspect(struct hoy_cli *cli)
{
	const struct inspect_options *o = cli->values;
	struct hoy_err err;

	if (check_type(o, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return hoy_format_inspect(cli, o->format, get_any);
}

#define FORMAT_OPTION                                                                                                  \
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct inspect_options, format, HOY_FORMAT_OBJECT_HELP)
#define SIZE_OPTION(help) HOY_OPTION('s', "size", HOY_OPTION_BOOL, NULL, struct inspect_options, size, help)

static const struct hoy_option inspect_options[] = {
	FORMAT_OPTION,
	SIZE_OPTION("Display total file sizes if the type is container"),
	HOY_OPTION(0, "type", HOY_OPTION_STRING, "string", struct inspect_options, type,
		"Only inspect objects of the given type"),
	HOY_OPTION_END,
};
static const struct hoy_option container_options[] = {
	FORMAT_OPTION,
	SIZE_OPTION("Display total file sizes"),
	HOY_OPTION_END,
};
static const struct hoy_option image_options[] = {
	FORMAT_OPTION,
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct inspect_options, platform,
		"Inspect a specific platform of the multi-platform image (os[/arch[/variant]])"),
	HOY_OPTION_END,
};
static const struct hoy_option network_options[] = {
	FORMAT_OPTION,
	HOY_OPTION('v', "verbose", HOY_OPTION_BOOL, NULL, struct inspect_options, verbose,
		"Verbose output for diagnostics"),
	HOY_OPTION_END,
};
const struct hoy_command hoy_cmd_inspect = {
	.name = "inspect",
	.args = "NAME|ID [NAME|ID...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Return low-level information on objects of the engine",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_inspect,
};

static int cmd_container_inspect(struct hoy_cli *cli)
{
	return hoy_format_inspect(cli, ((const struct inspect_options *) cli->values)->format, get_container);
}

const struct hoy_command hoy_cmd_container_inspect = {
	.name = "container inspect",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more containers",
	.options = container_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_container_inspect,
};

static int cmd_image_inspect(struct hoy_cli *cli)
{
	return hoy_format_inspect(cli, ((const struct inspect_options *) cli->values)->format, get_image);
}

const struct hoy_command hoy_cmd_image_inspect = {
	.name = "image inspect",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more images",
	.options = image_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_image_inspect,
};

static int cmd_network_inspect(struct hoy_cli *cli)
{
	return hoy_format_inspect(cli, ((const struct inspect_options *) cli->values)->format, get_network);
}

const struct hoy_command hoy_cmd_network_inspect = {
	.name = "network inspect",
	.args = "NETWORK [NETWORK...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more networks",
	.options = network_options,
	.values_size = sizeof(struct inspect_options),
	.run = cmd_network_inspect,
};
