/* up, create, scale. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/health.h"
#include "supervisor/compose/resources.h"
#include "supervisor/compose/up.h"
#include "supervisor/compose/watch.h"

struct up_options {
	bool detach, build, no_build, force_recreate, no_recreate, always_recreate_deps, no_deps, no_start,
		remove_orphans, renew_volumes, wait, quiet_pull, quiet_build, yes, watch;
	const char *pull;
	char **scale;
	int64_t wait_timeout;
	struct hoy_compose_attach_options attached;
};
static const struct up_options up_defaults = { .attached.timeout = -1 };

#define UP_SHARED_OPTIONS                                                                                                 \
	HOY_OPTION(0, "build", HOY_OPTION_BOOL, NULL, struct up_options, build,                                           \
		"Build images before starting containers"),                                                               \
		HOY_OPTION(0, "force-recreate", HOY_OPTION_BOOL, NULL, struct up_options, force_recreate,                 \
			"Recreate containers even if their configuration and image haven't changed"),                     \
		HOY_OPTION(0, "no-build", HOY_OPTION_BOOL, NULL, struct up_options, no_build,                             \
			"Don't build an image, even if it's policy"),                                                     \
		HOY_OPTION(0, "no-recreate", HOY_OPTION_BOOL, NULL, struct up_options, no_recreate,                       \
			"If containers already exist, don't recreate them. Incompatible with --force-recreate."),         \
		HOY_OPTION(0, "pull", HOY_OPTION_STRING, "string", struct up_options, pull,                               \
			"Pull image before running (\"always\"|\"missing\"|\"never\")"),                                  \
		HOY_OPTION(0, "quiet-pull", HOY_OPTION_BOOL, NULL, struct up_options, quiet_pull,                         \
			"Pull without printing progress information"),                                                    \
		HOY_OPTION(0, "remove-orphans", HOY_OPTION_BOOL, NULL, struct up_options, remove_orphans,                 \
			"Remove containers for services not defined in the Compose file"),                                \
		HOY_OPTION(0, "scale", HOY_OPTION_LIST, "stringArray", struct up_options, scale,                          \
			"Scale SERVICE to NUM instances. Overrides the `scale` setting in the Compose file if present."), \
		HOY_OPTION('y', "yes", HOY_OPTION_BOOL, NULL, struct up_options, yes,                                     \
			"Assume \"yes\" as answer to all prompts and run non-interactively")

static const struct hoy_option up_options[] = {
	UP_SHARED_OPTIONS,
	HOY_OPTION(0, "abort-on-container-exit", HOY_OPTION_BOOL, NULL, struct up_options, attached.abort_on_exit,
		"Stops all containers if any container was stopped. Incompatible with -d"),
	HOY_OPTION(0, "abort-on-container-failure", HOY_OPTION_BOOL, NULL, struct up_options, attached.abort_on_failure,
		"Stops all containers if any container exited with failure. Incompatible with -d"),
	HOY_OPTION(0, "always-recreate-deps", HOY_OPTION_BOOL, NULL, struct up_options, always_recreate_deps,
		"Recreate dependent containers. Incompatible with --no-recreate."),
	HOY_OPTION(0, "attach", HOY_OPTION_LIST, "stringArray", struct up_options, attached.attach,
		"Restrict attaching to the specified services."),
	HOY_OPTION_REFUSE(
		0, "attach-dependencies", NULL, "up attaches to named services only: name those to attach by --attach"),
	HOY_OPTION('d', "detach", HOY_OPTION_BOOL, NULL, struct up_options, detach,
		"Detached mode: Run containers in the background"),
	HOY_OPTION(0, "exit-code-from", HOY_OPTION_STRING, "string", struct up_options, attached.exit_code_from,
		"Return the exit code of the selected service container. Implies --abort-on-container-exit"),
	HOY_OPTION_REFUSE(0, "menu", NULL, "up has no menu in this version"),
	HOY_OPTION(0, "no-attach", HOY_OPTION_LIST, "stringArray", struct up_options, attached.no_attach,
		"Do not attach (stream logs) to the specified services"),
	HOY_OPTION(0, "no-color", HOY_OPTION_BOOL, NULL, struct up_options, attached.no_color,
		"Produce monochrome output"),
	HOY_OPTION(0, "no-deps", HOY_OPTION_BOOL, NULL, struct up_options, no_deps, "Don't start linked services"),
	HOY_OPTION(0, "no-log-prefix", HOY_OPTION_BOOL, NULL, struct up_options, attached.no_prefix,
		"Don't print prefix in logs"),
	HOY_OPTION(0, "no-start", HOY_OPTION_BOOL, NULL, struct up_options, no_start,
		"Don't start the services after creating them"),
	HOY_OPTION(
		0, "quiet-build", HOY_OPTION_BOOL, NULL, struct up_options, quiet_build, "Suppress the build output"),
	HOY_OPTION('V', "renew-anon-volumes", HOY_OPTION_BOOL, NULL, struct up_options, renew_volumes,
		"Recreate anonymous volumes instead of retrieving data from the previous containers"),
	HOY_OPTION('t', "timeout", HOY_OPTION_INT, "int", struct up_options, attached.timeout,
		"Use this timeout in seconds for container shutdown when attached or when containers are already running"),
	HOY_OPTION(0, "timestamps", HOY_OPTION_BOOL, NULL, struct up_options, attached.timestamps, "Show timestamps"),
	HOY_OPTION(0, "wait", HOY_OPTION_BOOL, NULL, struct up_options, wait,
		"Wait for services to be running|healthy. Implies detached mode."),
	HOY_OPTION(0, "wait-timeout", HOY_OPTION_INT, "int", struct up_options, wait_timeout,
		"Maximum duration in seconds to wait for the project to be running|healthy"),
	HOY_OPTION('w', "watch", HOY_OPTION_BOOL, NULL, struct up_options, watch,
		"Watch source code and rebuild/refresh containers when files are updated."),
	HOY_OPTION_END,
};

static int check(const struct up_options *o, struct hoy_err *err)
{
	bool aborts = o->attached.abort_on_exit || o->attached.abort_on_failure || o->attached.exit_code_from;
	static const char *const pulls[] = { "always", "missing", "never", "build", "policy", NULL };

	if (o->build && o->no_build)
		return hoy_err_invalid(err, "--build and --no-build are incompatible");
	if (o->force_recreate && o->no_recreate)
		return hoy_err_invalid(err, "--force-recreate and --no-recreate are incompatible");
	if (o->always_recreate_deps && o->no_recreate)
		return hoy_err_invalid(err, "--always-recreate-deps and --no-recreate are incompatible");
	if ((o->detach || o->wait) && (aborts || o->attached.attach))
		return hoy_err_invalid(err,
			"--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --exit-code-from or --attach");
	if (o->attached.abort_on_exit && o->attached.abort_on_failure)
		return hoy_err_invalid(err,
			"--abort-on-container-failure cannot be combined with --abort-on-container-exit as it stops all containers if any container was stopped");
	if (o->pull && !hoy_strv_has((char *const *) pulls, o->pull))
		return hoy_err_invalid(err, "--pull \"%s\": always, missing, never or build", o->pull);
	if (o->watch && (o->detach || o->wait || o->no_start || aborts))
		return hoy_err_invalid(err,
			"--watch cannot be combined with --detach, --wait, --no-start, --abort-on-container-exit, --abort-on-container-failure or --exit-code-from");
	if (o->wait && o->no_start)
		return hoy_err_invalid(err, "--wait and --no-start are incompatible");
	return 0;
}

static int select_services(struct hoy_compose *app, const struct up_options *o, struct hoy_err *err)
{
	const char *from = o->attached.exit_code_from;

	if (from && !hoy_compose_service_find(app->project, from))
		return hoy_err_not_found(err, "no such service: %s", from);
	return hoy_compose_select(app->project, app->cli->args, o->no_deps, err);
}

static struct hoy_compose_converge_options converge_options(const struct hoy_compose *app, const struct up_options *o)
{
	struct hoy_compose_converge_options c = {
		.renew_volumes = o->renew_volumes,
		.remove_orphans = o->remove_orphans,
		.yes = o->yes,
		.timeout = o->attached.timeout,
		.scale = o->scale,
		.services = app->cli->args,
	};

	c.recreate = o->force_recreate ? HOY_COMPOSE_ALWAYS
		     : o->no_recreate  ? HOY_COMPOSE_NEVER
				       : HOY_COMPOSE_IF_CHANGED;
	c.recreate_dependencies = o->always_recreate_deps ? HOY_COMPOSE_ALWAYS
				  : o->no_recreate        ? HOY_COMPOSE_NEVER
							  : HOY_COMPOSE_IF_CHANGED;
	return c;
}

static int run_plan(struct hoy_compose_plan *plan, const struct up_options *o, struct hoy_compose_watcher **watcher,
	struct hoy_err *err)
{
	struct hoy_compose *app = plan->app;
	struct hoy_compose_attach_options attached = o->attached;
	int r = hoy_compose_plan_create(plan, err);

	if (r < 0 || o->no_start)
		return r;
	if (!o->detach && !o->wait && !app->globals->dry_run) {
		attached.services = app->cli->args;
		attached.watcher = TAKE_PTR(*watcher);
		attached.abort_on_exit = attached.abort_on_exit ||
					 (attached.exit_code_from && !attached.abort_on_failure);
		return hoy_compose_run_attached(plan, &attached, err);
	}
	r = hoy_compose_plan_start(plan, err);
	if (r == 0 && o->wait)
		r = hoy_compose_refresh(app, err);
	if (r == 0 && o->wait)
		r = hoy_compose_await_ready(app, app->cli->n_args ? app->cli->args : NULL, o->wait_timeout, err);
	return r;
}

/* The exit status or -errno. */
static int up(struct hoy_compose *app, const struct up_options *o, struct hoy_err *err)
{
	const struct hoy_compose_image_options images = { .pull = o->pull,
		.build = o->build,
		.no_build = o->no_build,
		.quiet_pull = o->quiet_pull,
		.quiet_build = o->quiet_build };
	struct hoy_compose_converge_options options = converge_options(app, o);
	struct hoy_compose_plan plan = {};
	auto_ptr(hoy_compose_watcher_free) struct hoy_compose_watcher *watcher = NULL;
	int r = select_services(app, o, err);

	if (r == 0 && o->watch)
		r = hoy_compose_watcher_new(app->cli, &watcher, err);
	if (r == 0 && !app->project->n_services)
		r = hoy_err_invalid(err, "no service selected");
	if (r == 0)
		r = hoy_compose_begin_report(app, "Running", err);
	if (r == 0)
		r = hoy_compose_plan_make(app, &options, &images, &plan, err);
	if (r == 0)
		r = run_plan(&plan, o, &watcher, err);
	hoy_compose_end_report(app);
	hoy_compose_plan_done(&plan);
	return r;
}

static int cmd_up(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = check(cli->values, &err);

	if (r == 0)
		r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE, cli->args, &app, &err);
	if (r == 0)
		r = up(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

int hoy_compose_up_services(struct hoy_cli *cli, char **services, bool no_deps, bool quiet_build, struct hoy_err *err)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct up_options as = up_defaults;
	char **args = cli->args;
	size_t n_args = cli->n_args;
	int r;

	as.detach = as.build = true;
	as.no_deps = no_deps;
	as.quiet_build = quiet_build;
	cli->args = services;
	cli->n_args = hoy_strv_len(services);
	r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE, services, &app, err);
	if (r == 0)
		r = up(&app, &as, err);
	cli->args = args;
	cli->n_args = n_args;
	return r;
}

const struct hoy_command hoy_cmd_compose_up = {
	.name = "compose up",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Create and start containers",
	.options = up_options,
	.values_size = sizeof(struct up_options),
	.defaults = &up_defaults,
	.run = cmd_up,
};

/* --- create, scale ----------------------------------------------------------- */

static const struct up_options create_defaults = { .detach = true, .no_start = true, .attached.timeout = -1 };
static const struct hoy_option create_options[] = { UP_SHARED_OPTIONS, HOY_OPTION_END };

const struct hoy_command hoy_cmd_compose_create = {
	.name = "compose create",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Creates containers for a service",
	.options = create_options,
	.values_size = sizeof(struct up_options),
	.defaults = &create_defaults,
	.run = cmd_up,
};

struct scale_options {
	bool no_deps;
};
static const struct hoy_option scale_options[] = {
	HOY_OPTION(0, "no-deps", HOY_OPTION_BOOL, NULL, struct scale_options, no_deps, "Don't start linked services"),
	HOY_OPTION_END,
};

/* "web=3 db=1": up of these services alone. */
static int cmd_scale(struct hoy_cli *cli)
{
	const struct scale_options *o = cli->values;
	struct up_options as = up_defaults;
	auto_ptr(hoy_strv_free) char **services = NULL;
	auto_(hoy_compose_done) struct hoy_compose app = {};
	char **args = cli->args;
	struct hoy_err err;
	int r = 0;

	for (size_t i = 0; r == 0 && i < cli->n_args; i++) {
		size_t len = strcspn(args[i], "=");

		if (!args[i][len])
			r = hoy_err_invalid(&err, "invalid scale specifier: %s: expected SERVICE=REPLICAS", args[i]);
		else if (hoy_strv_addf(&services, "%.*s", (int) len, args[i]) < 0)
			r = hoy_err_oom(&err);
	}
	as.detach = as.no_recreate = true;
	as.no_deps = o->no_deps;
	as.scale = args;
	cli->args = services;
	if (r == 0)
		r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE, services, &app, &err);
	if (r == 0)
		r = up(&app, &as, &err);
	cli->args = args;
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_compose_scale = {
	.name = "compose scale",
	.args = "[SERVICE=REPLICAS...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Scale services",
	.options = scale_options,
	.values_size = sizeof(struct scale_options),
	.run = cmd_scale,
};
