/* stop, start, restart, kill, pause, unpause, rm: one call for each container of the project. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/confirm.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/health.h"

/* Opens the project, does it, tells what went wrong. */
static int act(struct hoy_cli *cli, const char *title, const struct hoy_compose_action *action, const void *options)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = hoy_compose_begin_report(&app, title, &err);
	if (r == 0)
		r = hoy_compose_act(&app, action, cli->args, options, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

/* --- stop -------------------------------------------------------------------- */

static const struct hoy_compose_stop_options stop_defaults = { .timeout = -1 };
static const struct hoy_option stop_options[] = {
	HOY_OPTION('t', "timeout", HOY_OPTION_INT, "int", struct hoy_compose_stop_options, timeout,
		"Specify a shutdown timeout in seconds"),
	HOY_OPTION_END,
};

static int cmd_stop(struct hoy_cli *cli)
{
	return act(cli, "Stopping", &hoy_compose_stop_action, cli->values);
}

const struct hoy_command hoy_cmd_compose_stop = {
	.name = "compose stop",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Stop services",
	.options = stop_options,
	.values_size = sizeof(struct hoy_compose_stop_options),
	.defaults = &stop_defaults,
	.run = cmd_stop,
};

/* --- kill -------------------------------------------------------------------- */

struct kill_options {
	struct hoy_compose_stop_options stop; /* first: the action's own */
	bool remove_orphans;
};
static const struct hoy_option kill_options[] = {
	HOY_OPTION_REFUSE(0, "remove-orphans", NULL, "kill removes no orphans: use down --remove-orphans"),
	HOY_OPTION('s', "signal", HOY_OPTION_STRING, "string", struct kill_options, stop.signal,
		"SIGNAL to send to the container (default \"SIGKILL\")"),
	HOY_OPTION_END,
};

static int cmd_kill(struct hoy_cli *cli)
{
	return act(cli, "Killing", &hoy_compose_kill_action, cli->values);
}

const struct hoy_command hoy_cmd_compose_kill = {
	.name = "compose kill",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Force stop service containers",
	.options = kill_options,
	.values_size = sizeof(struct kill_options),
	.run = cmd_kill,
};

/* --- start ------------------------------------------------------------------- */

struct start_options {
	bool wait;
	int64_t wait_timeout;
};
static const struct hoy_option start_options[] = {
	HOY_OPTION(0, "wait", HOY_OPTION_BOOL, NULL, struct start_options, wait,
		"Wait for services to be running|healthy. Implies detached mode."),
	HOY_OPTION(0, "wait-timeout", HOY_OPTION_INT, "int", struct start_options, wait_timeout,
		"Maximum duration in seconds to wait for the project to be running|healthy"),
	HOY_OPTION_END,
};

static bool wants_start(const struct hoy_compose_container *c, const void *options)
{
	(void) options;
	return !c->oneoff && !hoy_compose_container_runs(c);
}

static int start(struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	int r = hoy_compose_await_dependencies(app, c->depends, err);

	(void) options;
	return r < 0 ? r : hoy_compose_post(app, "POST", c->id, err, "/start");
}

static const struct hoy_compose_action start_action = {
	.begun = "Starting",
	.ended = "Started",
	.order = HOY_COMPOSE_FORWARD,
	.wanted = wants_start,
	.run = start,
};

static int start_services(struct hoy_compose *app, const struct start_options *o, struct hoy_err *err)
{
	char *const *services = app->cli->args;
	int r;

	for (size_t i = 0; i < app->cli->n_args; i++)
		if (!hoy_compose_containers_find(&app->containers, services[i], 0))
			return hoy_err_not_found(err, "service \"%s\" has no container to start", services[i]);
	r = hoy_compose_act(app, &start_action, services, o, err);
	if (r == 0 && o->wait)
		r = hoy_compose_await_ready(app, services, o->wait_timeout, err);
	return r;
}

static int cmd_start(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = hoy_compose_begin_report(&app, "Starting", &err);
	if (r == 0)
		r = start_services(&app, cli->values, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_start = {
	.name = "compose start",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Start services",
	.options = start_options,
	.values_size = sizeof(struct start_options),
	.run = cmd_start,
};

/* --- restart ----------------------------------------------------------------- */

struct restart_options {
	int64_t timeout;
	bool no_deps;
};
static const struct restart_options restart_defaults = { .timeout = -1 };
static const struct hoy_option restart_options[] = {
	HOY_OPTION(0, "no-deps", HOY_OPTION_BOOL, NULL, struct restart_options, no_deps,
		"Don't restart dependent services"),
	HOY_OPTION('t', "timeout", HOY_OPTION_INT, "int", struct restart_options, timeout,
		"Specify a shutdown timeout in seconds"),
	HOY_OPTION_END,
};

static bool wants_restart(const struct hoy_compose_container *c, const void *options)
{
	(void) options;
	return !c->oneoff;
}

static int restart(struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	const struct restart_options *o = options;

	if (o->timeout >= 0)
		return hoy_compose_post(app, "POST", c->id, err, "/restart?t=%lld", (long long) o->timeout);
	return hoy_compose_post(app, "POST", c->id, err, "/restart");
}

static const struct hoy_compose_action restart_action = {
	.begun = "Restarting",
	.ended = "Started",
	.order = HOY_COMPOSE_FORWARD,
	.wanted = wants_restart,
	.run = restart,
};

/* Adds the services whose containers say "NAME:...:true" of one in the list: they restart with it. */
static int add_dependents(struct hoy_compose *app, char ***services)
{
	for (bool grown = true; grown;) {
		grown = false;
		for (size_t i = 0; i < app->containers.n; i++) {
			const struct hoy_compose_container *c = &app->containers.all[i];

			if (!c->oneoff && !hoy_strv_has(*services, c->service) &&
				hoy_compose_restarts_with(c->depends, *services)) {
				if (hoy_strv_add(services, c->service) < 0)
					return -ENOMEM;
				grown = true;
			}
		}
	}
	return 0;
}

static int cmd_restart(struct hoy_cli *cli)
{
	const struct restart_options *o = cli->values;
	auto_(hoy_compose_done) struct hoy_compose app = {};
	auto_ptr(hoy_strv_free) char **services = hoy_strv_copy(cli->args);
	struct hoy_err err;
	int r = services ? hoy_compose_open(cli, 0, cli->args, &app, &err) : hoy_err_oom(&err);

	if (r == 0 && cli->n_args && !o->no_deps && add_dependents(&app, &services) < 0)
		r = hoy_err_oom(&err);
	if (r == 0)
		r = hoy_compose_begin_report(&app, "Restarting", &err);
	if (r == 0)
		r = hoy_compose_act(&app, &restart_action, services, o, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_restart = {
	.name = "compose restart",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Restart service containers",
	.options = restart_options,
	.values_size = sizeof(struct restart_options),
	.defaults = &restart_defaults,
	.run = cmd_restart,
};

/* --- pause, unpause ---------------------------------------------------------- */

static bool wants_pause(const struct hoy_compose_container *c, const void *options)
{
	(void) options;
	return !c->oneoff && strcmp(c->state, "running") == 0;
}

static int pause_container(
	struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	(void) options;
	return hoy_compose_post(app, "POST", c->id, err, "/pause");
}

static bool wants_unpause(const struct hoy_compose_container *c, const void *options)
{
	(void) options;
	return !c->oneoff && strcmp(c->state, "paused") == 0;
}

static int unpause(struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	(void) options;
	return hoy_compose_post(app, "POST", c->id, err, "/unpause");
}

static const struct hoy_compose_action pause_action = {
	.begun = "Pausing", .ended = "Paused", .wanted = wants_pause, .run = pause_container
};
static const struct hoy_compose_action unpause_action = {
	.begun = "Unpausing", .ended = "Unpaused", .wanted = wants_unpause, .run = unpause
};

static int cmd_pause(struct hoy_cli *cli)
{
	return act(cli, "Pausing", &pause_action, NULL);
}

static int cmd_unpause(struct hoy_cli *cli)
{
	return act(cli, "Unpausing", &unpause_action, NULL);
}

const struct hoy_command hoy_cmd_compose_pause = {
	.name = "compose pause",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Pause services",
	.run = cmd_pause,
};

const struct hoy_command hoy_cmd_compose_unpause = {
	.name = "compose unpause",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Unpause services",
	.run = cmd_unpause,
};

/* --- rm ---------------------------------------------------------------------- */

struct rm_options {
	bool force, stop, volumes, all;
};
static const struct hoy_option rm_options[] = {
	HOY_OPTION_HIDDEN('a', "all", HOY_OPTION_BOOL, NULL, struct rm_options, all),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct rm_options, force, "Don't ask to confirm removal"),
	HOY_OPTION('s', "stop", HOY_OPTION_BOOL, NULL, struct rm_options, stop,
		"Stop the containers, if required, before removing"),
	HOY_OPTION('v', "volumes", HOY_OPTION_BOOL, NULL, struct rm_options, volumes,
		"Remove any anonymous volumes attached to containers"),
	HOY_OPTION_END,
};

/* The question names what would go. 1: there is something and it may go. */
static int confirm_removal(struct hoy_compose *app, const struct rm_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};

	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!c->oneoff && !hoy_compose_container_runs(c) && hoy_compose_container_of(c, app->cli->args))
			(void) hoy_buf_addf(&names, "%s%s", names.len ? ", " : "Going to remove ", c->name);
	}
	if (!names.len) {
		(void) fputs("No stopped containers\n", stderr);
		return 0;
	}
	if (names.failed)
		return hoy_buf_check(&names, "the question", err);
	return o->force || hoy_confirm(names.data);
}

static int rm_services(struct hoy_compose *app, const struct rm_options *o, struct hoy_err *err)
{
	const struct hoy_compose_remove_options remove = { .volumes = o->volumes };
	int r = 0;

	if (o->stop) {
		r = hoy_compose_begin_report(app, "Stopping", err);
		if (r == 0)
			r = hoy_compose_act(app, &hoy_compose_stop_action, app->cli->args, &stop_defaults, err);
		hoy_compose_end_report(app);
		if (r == 0)
			r = hoy_compose_refresh(app, err);
	}
	if (r == 0)
		r = confirm_removal(app, o, err);
	if (r <= 0)
		return r;
	r = hoy_compose_begin_report(app, "Removing", err);
	return r < 0 ? r : hoy_compose_act(app, &hoy_compose_remove_action, app->cli->args, &remove, err);
}

static int cmd_rm(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = rm_services(&app, cli->values, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_rm = {
	.name = "compose rm",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Removes stopped service containers",
	.options = rm_options,
	.values_size = sizeof(struct rm_options),
	.run = cmd_rm,
};
