/* down: containers stopped and removed against the dependencies, then networks, volumes, images. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/images.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/resources.h"

struct down_options {
	struct hoy_compose_stop_options stop; /* first: the action's own */
	bool remove_orphans, volumes;
	const char *rmi;
	struct hoy_compose *app; /* for the action: whose services count */
};
static const struct down_options down_defaults = { .stop.timeout = -1 };
static const struct hoy_option down_options[] = {
	HOY_OPTION(0, "remove-orphans", HOY_OPTION_BOOL, NULL, struct down_options, remove_orphans,
		"Remove containers for services not defined in the Compose file"),
	HOY_OPTION(0, "rmi", HOY_OPTION_STRING, "string", struct down_options, rmi,
		"Remove images used by services. \"local\" remove only images that don't have a custom tag (\"local\"|\"all\")"),
	HOY_OPTION('t', "timeout", HOY_OPTION_INT, "int", struct down_options, stop.timeout,
		"Specify a shutdown timeout in seconds"),
	HOY_OPTION('v', "volumes", HOY_OPTION_BOOL, NULL, struct down_options, volumes,
		"Remove named volumes declared in the \"volumes\" section of the Compose file and anonymous volumes attached to containers"),
	HOY_OPTION_END,
};

/* One-offs of declared services go too; orphans only when asked for. Without a file all are the project's. */
static bool wants_down(const struct hoy_compose_container *c, const void *options)
{
	const struct down_options *o = options;

	return o->remove_orphans || !o->app->project || hoy_compose_declares(o->app, c->service);
}

static int down_one(struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	const struct down_options *o = options;
	int r;

	if (hoy_compose_container_runs(c)) {
		r = hoy_compose_stop_action.run(app, c, &o->stop, err);
		if (r < 0)
			return r;
		hoy_compose_tell(app, HOY_REPORT_WORKING, "Container", c->name, "Stopped");
	}
	hoy_compose_tell(app, HOY_REPORT_WORKING, "Container", c->name, "Removing");
	r = hoy_compose_post(app, "DELETE", c->id, err, "?force=1&v=%d", o->volumes);
	return r == -ENOENT ? 0 : r;
}

static const struct hoy_compose_action down_action = {
	.begun = "Stopping",
	.ended = "Removed",
	.order = HOY_COMPOSE_REVERSE,
	.wanted = wants_down,
	.run = down_one,
};

void hoy_compose_warn_orphans(const struct hoy_compose *app)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};

	for (size_t i = 0; app->project && i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!c->oneoff && !hoy_compose_declares(app, c->service))
			(void) hoy_buf_addf(&names, "%s%s", names.len ? " " : "", c->name);
	}
	if (names.len && !names.failed)
		(void) fprintf(stderr,
			"WARN: Found orphan containers ([%s]) for this project. If you removed or renamed this service in your "
			"compose file, you can run this command with the --remove-orphans flag to clean it up.\n",
			names.data);
}

/* What is deleted is said before it is, and before the time that stopping takes: ctrl-c still saves it. Volumes with
 * driver options have their data elsewhere, and it stays there. */
static int tell_volumes(struct hoy_compose *app, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *volumes = NULL;
	auto_(hoy_buf_done) struct hoy_buf names = {}, kept = {};
	bool keeps = false;
	int r = hoy_compose_list_volumes(app, &volumes, err);

	if (r == 0 && hoy_json_len(hoy_json_get(volumes, "Volumes")) > 0)
		r = hoy_compose_is_hoyd(app, &keeps, err);
	if (r < 0)
		return r;
	hoy_json_each(volume, hoy_json_get(volumes, "Volumes"))
	{
		const char *name = hoy_cli_text(volume, "Name");

		(void) hoy_buf_addf(&names, "%s%s", names.len ? ", " : "", name);
		if (keeps && hoy_json_len(hoy_json_get(volume, "Options")) == 0)
			(void) hoy_buf_addf(&kept, " %s", name);
	}
	if (names.len && !names.failed)
		(void) fprintf(stderr, "These volumes are deleted with their data: %s\n", names.data);
	if (kept.len && !kept.failed)
		(void) fprintf(stderr, "For an hour they can be brought back: hoy volume restore%s\n", kept.data);
	return 0;
}

static int down(struct hoy_compose *app, struct down_options *o, struct hoy_err *err)
{
	bool all = !app->cli->n_args;
	int r;

	if (o->rmi && strcmp(o->rmi, "local") != 0 && strcmp(o->rmi, "all") != 0)
		return hoy_err_invalid(err, "invalid value for --rmi: %s: local or all", o->rmi);
	o->app = app;
	if (!o->remove_orphans && all)
		hoy_compose_warn_orphans(app);
	r = hoy_compose_begin_report(app, "Running", err);
	if (r == 0 && all && o->volumes)
		r = tell_volumes(app, err);
	if (r == 0)
		r = hoy_compose_act(app, &down_action, app->cli->args, o, err);
	if (r == 0 && all)
		r = hoy_compose_remove_networks(app, err);
	if (r == 0 && all && o->volumes)
		r = hoy_compose_remove_volumes(app, err);
	if (r == 0 && o->rmi)
		r = hoy_compose_remove_images(app, strcmp(o->rmi, "local") == 0, err);
	return r;
}

static int cmd_down(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = down(&app, cli->values_rw, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_down = {
	.name = "compose down",
	.args = "[SERVICES]",
	.max_args = SIZE_MAX,
	.summary = "Stop and remove containers, networks",
	.options = down_options,
	.values_size = sizeof(struct down_options),
	.defaults = &down_defaults,
	.run = cmd_down,
};
