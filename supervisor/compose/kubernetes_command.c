/* convert kubernetes: the project for a cluster. It reads files and asks no engine. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/kubernetes.h"

struct convert_options {
	const char *output;
	struct hoy_kubernetes_options kubernetes;
};
static const struct convert_options convert_defaults = { .kubernetes = {
								 .runtime_class = "hoy", .volume_size = "1Gi" } };
static const struct hoy_option convert_options[] = {
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct convert_options, output,
		"Save to file (default to stdout)"),
	HOY_OPTION(0, "runtime-class", HOY_OPTION_STRING, "string", struct convert_options, kubernetes.runtime_class,
		"RuntimeClass of the pods; an empty one is the cluster's own (default \"hoy\")"),
	HOY_OPTION(0, "volume-size", HOY_OPTION_STRING, "string", struct convert_options, kubernetes.volume_size,
		"Size that is claimed for each volume (default \"1Gi\")"),
	HOY_OPTION_END,
};

static int convert(struct hoy_compose *app, struct hoy_err *err)
{
	const struct convert_options *o = app->cli->values;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_strv_free) char **warnings = NULL;
	int r = hoy_compose_select(app->project, app->cli->args, /* no_deps= */ false, err);

	if (r < 0)
		return r;
	if (!app->globals->all_resources)
		hoy_compose_prune(app->project);
	r = hoy_compose_kubernetes(app->project, &o->kubernetes, &text, &warnings, err);
	if (r < 0)
		return r;
	for (char **warning = warnings; warning && *warning; warning++)
		(void) fprintf(stderr, "WARN: %s\n", *warning);
	if (o->output) /* with secrets in it */
		return hoy_file_write(AT_FDCWD, o->output, text.data ? text.data : "", text.len, 0600, 0, err);
	if (text.len && (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0))
		return hoy_err_sys(err, "write to stdout");
	return 0;
}

static int cmd_convert(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0)
		r = convert(&app, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_convert_kubernetes = {
	.name = "compose convert kubernetes",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Write the project as objects of Kubernetes",
	.options = convert_options,
	.values_size = sizeof(struct convert_options),
	.defaults = &convert_defaults,
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_convert,
};
