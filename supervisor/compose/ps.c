/* ps and ls: the containers of a project, the projects of an engine. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/ports.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/labels.h"

struct ps_options {
	bool all, no_trunc, quiet, services, orphans;
	char **filter, **status;
	const char *format;
};
static const struct ps_options ps_defaults = { .orphans = true };
static const struct hoy_option ps_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct ps_options, all,
		"Show all stopped containers (including those created by the run command)"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "string", struct ps_options, filter,
		"Filter services by a property (supported filters: status)"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ps_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct ps_options, no_trunc, "Don't truncate output"),
	HOY_OPTION(0, "orphans", HOY_OPTION_BOOL, NULL, struct ps_options, orphans,
		"Include orphaned services (not declared by project) (default true)"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ps_options, quiet, "Only display IDs"),
	HOY_OPTION(0, "services", HOY_OPTION_BOOL, NULL, struct ps_options, services, "Display services"),
	HOY_OPTION(0, "status", HOY_OPTION_LIST, "stringArray", struct ps_options, status,
		"Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]"),
	HOY_OPTION_END,
};

static const struct hoy_format_field ps_fields[] = {
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "ExitCode", "EXIT CODE" },
	{ "Health", "HEALTH" },
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Labels", "LABELS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Mounts", "MOUNTS" },
	{ "Name", "NAME" },
	{ "Names", "NAMES" },
	{ "Networks", "NETWORKS" },
	{ "Ports", "PORTS" },
	{ "Project", "PROJECT" },
	{ "Publishers", "PUBLISHERS" },
	{ "RunningFor", "CREATED" },
	{ "Service", "SERVICE" },
	{ "Size", "SIZE" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{},
};
static const struct hoy_format_list ps_kind = {
	.fields = ps_fields,
	.table = "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
};

static void add_publishers(struct hoy_json_writer *w, const struct hoy_json *ports)
{
	hoy_json_array(w, "Publishers");
	hoy_json_each(port, ports)
	{
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "URL", hoy_cli_text(port, "IP"));
		hoy_json_add_i64(w, "TargetPort", hoy_cli_number(port, "PrivatePort"));
		hoy_json_add_i64(w, "PublishedPort", hoy_cli_number(port, "PublicPort"));
		hoy_json_add_string(w, "Protocol", hoy_cli_text(port, "Type"));
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static char *command_text(const char *command, bool no_trunc)
{
	auto_free char *cut = no_trunc ? strdup(command) : hoy_text_ellipsis(command, 20);

	return cut ? hoy_text_quote(cut) : NULL;
}

/* "a,b" of members `key` of the list's objects; with `key` NULL the members' names. */
static char *joined(const struct hoy_json *list, const char *key, const char *other)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	hoy_json_each(one, list)
	{
		const char *text = key ? hoy_cli_text(one, key) : hoy_json_key(one);

		if (!*text && other)
			text = hoy_cli_text(one, other);
		(void) hoy_buf_addf(&out, "%s%s", out.len ? "," : "", text);
	}
	return hoy_buf_take(&out);
}

static char *local_volumes(const struct hoy_json *mounts)
{
	int n = 0;

	hoy_json_each(mount, mounts) n += strcmp(hoy_cli_text(mount, "Driver"), "local") == 0;
	return hoy_str_printf("%d", n);
}

static int add_row(struct hoy_json_writer *w, const struct hoy_compose_container *c, const struct ps_options *o)
{
	const struct hoy_json *row = c->json, *labels = hoy_json_get(row, "Labels");
	int64_t created = hoy_cli_number(row, "Created");
	int r = 0;

	hoy_json_object(w, NULL);
	r |= hoy_rows_add(w, "Command", command_text(hoy_cli_text(row, "Command"), o->no_trunc));
	r |= hoy_rows_add(w, "CreatedAt", hoy_text_time(created));
	hoy_json_add_i64(w, "ExitCode", c->exit_code);
	hoy_json_add_string(w, "Health", c->health);
	r |= hoy_rows_add(w, "ID", o->no_trunc || o->quiet ? strdup(c->id) : hoy_text_short_id(c->id));
	hoy_json_add_string(w, "Image", hoy_text_familiar(c->image));
	r |= hoy_rows_add(w, "Labels", hoy_text_map(labels));
	r |= hoy_rows_add(w, "LocalVolumes", local_volumes(hoy_json_get(row, "Mounts")));
	r |= hoy_rows_add(w, "Mounts", joined(hoy_json_get(row, "Mounts"), "Name", "Source"));
	hoy_json_add_string(w, "Name", c->name);
	hoy_json_add_string(w, "Names", c->name);
	r |= hoy_rows_add(
		w, "Networks", joined(hoy_json_get(hoy_json_get(row, "NetworkSettings"), "Networks"), NULL, NULL));
	r |= hoy_rows_add(w, "Ports", hoy_ports_text(hoy_json_get(row, "Ports")));
	hoy_json_add_string(w, "Project", hoy_cli_text(labels, HOY_COMPOSE_PROJECT));
	add_publishers(w, hoy_json_get(row, "Ports"));
	r |= hoy_rows_add(w, "RunningFor", hoy_human_ago((time_t) created));
	hoy_json_add_string(w, "Service", c->service);
	hoy_json_add_string(w, "Size", "0B");
	hoy_json_add_string(w, "State", c->state);
	hoy_json_add_string(w, "Status", c->status);
	hoy_json_add_value(w, "Label", labels);
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

/* Of "status=running" filters the wanted states are added to those of --status. */
static int take_filters(const struct ps_options *o, char ***states, struct hoy_err *err)
{
	static const char *const known[] = { "paused", "restarting", "removing", "running", "dead", "created", "exited",
		NULL };

	for (char **s = o->status; s && *s; s++)
		if (hoy_strv_add(states, *s) < 0)
			return hoy_err_oom(err);
	for (char **f = o->filter; f && *f; f++) {
		if (!hoy_str_starts(*f, "status="))
			return hoy_err_invalid(err, "unknown filter \"%s\": status=STATE is supported", *f);
		if (hoy_strv_add(states, *f + strlen("status=")) < 0)
			return hoy_err_oom(err);
	}
	for (char **s = *states; s && *s; s++)
		if (!hoy_strv_has((char *const *) known, *s))
			return hoy_err_invalid(err,
				"unknown status \"%s\": paused, restarting, removing, running, dead, created or exited",
				*s);
	return 0;
}

static bool is_orphan(const struct hoy_compose *app, const struct hoy_compose_container *c)
{
	return app->project && !c->oneoff && !hoy_compose_declares(app, c->service);
}

static bool is_shown(const struct hoy_compose *app, const struct hoy_compose_container *c, const struct ps_options *o,
	char *const *states)
{
	if (!hoy_compose_container_of(c, app->cli->args) || (!o->orphans && is_orphan(app, c)))
		return false;
	if (states)
		return hoy_strv_has(states, c->state) && (o->all || !c->oneoff);
	return o->all || (hoy_compose_container_runs(c));
}

static void print_services(struct hoy_compose *app, const struct ps_options *o, char *const *states)
{
	const char *last = NULL;

	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!is_shown(app, c, o, states) || hoy_str_eq(last, c->service))
			continue;
		(void) puts(c->service);
		last = c->service;
	}
}

static int ps(struct hoy_compose *app, struct hoy_err *err)
{
	const struct ps_options *o = app->cli->values;
	auto_ptr(hoy_strv_free) char **states = NULL;
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 256 << 20 };
	struct hoy_json_writer w = { .buf = &rows };
	int r = take_filters(o, &states, err);

	if (r < 0)
		return r;
	if (o->services) {
		print_services(app, o, states);
		return 0;
	}
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!is_shown(app, c, o, states))
			continue;
		if (o->quiet)
			(void) puts(c->id);
		else if (add_row(&w, c, o) < 0)
			return hoy_err_oom(err);
	}
	hoy_json_end(&w);
	return o->quiet ? 0 : hoy_format_list(app->cli, &ps_kind, o->format, /* quiet= */ false, &rows, err);
}

static int cmd_ps(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = ps(&app, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_ps = {
	.name = "compose ps",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "List containers",
	.options = ps_options,
	.values_size = sizeof(struct ps_options),
	.defaults = &ps_defaults,
	.run = cmd_ps,
};

/* --- ls ---------------------------------------------------------------------- */

struct ls_options {
	bool all, quiet;
	char **filter;
	const char *format;
};
static const struct hoy_option ls_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct ls_options, all, "Show all stopped Compose projects"),
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct ls_options, filter,
		"Filter output based on conditions provided (name=PREFIX)"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ls_options, format,
		"Format the output. Values: [table | json] (default table)"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ls_options, quiet, "Only display project names"),
	HOY_OPTION_END,
};

static const struct hoy_format_field ls_fields[] = {
	{ "Name", "NAME" },
	{ "Status", "STATUS" },
	{ "ConfigFiles", "CONFIG FILES" },
	{},
};
static const struct hoy_format_list ls_kind = {
	.fields = ls_fields,
	.table = "{{.Name}}\t{{.Status}}\t{{.ConfigFiles}}",
	.quiet = "{{.Name}}",
};

static const char *project_of(const struct hoy_compose_container *c)
{
	return hoy_cli_text(hoy_json_get(c->json, "Labels"), HOY_COMPOSE_PROJECT);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_wanted(const char *name, const struct ls_options *o)
{
	for (char **f = o->filter; f && *f; f++)
		if (!strstr(name, *f + strlen("name=")))
			return false;
	return true;
}

/* "exited(1), running(2)", and the files that its containers say. */
static int add_project(struct hoy_json_writer *w, const struct hoy_compose_containers *all, const char *name,
	const struct ls_options *o)
{
	static const char *const states[] = { "created", "dead", "exited", "paused", "removing", "restarting",
		"running" };
	auto_(hoy_buf_done) struct hoy_buf status = {};
	const char *files = "";
	bool runs = false;

	for (size_t s = 0; s < ARRAY_LEN(states); s++) {
		size_t n = 0;

		for (size_t i = 0; i < all->n; i++) {
			const struct hoy_compose_container *c = &all->all[i];

			if (c->oneoff || strcmp(project_of(c), name) != 0 || strcmp(c->state, states[s]) != 0)
				continue;
			n++;
			runs = runs || hoy_compose_container_runs(c);
			files = hoy_cli_text(hoy_json_get(c->json, "Labels"), HOY_COMPOSE_FILES);
		}
		if (n)
			(void) hoy_buf_addf(&status, "%s%s(%zu)", status.len ? ", " : "", states[s], n);
	}
	if (!status.len || (!o->all && !runs))
		return 0;
	if (status.failed)
		return -ENOMEM;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Name", name);
	hoy_json_add_string(w, "Status", status.data);
	hoy_json_add_string(w, "ConfigFiles", *files ? files : "N/A");
	hoy_json_end(w);
	return 0;
}

static int add_projects(struct hoy_json_writer *w, const struct hoy_compose_containers *all, const struct ls_options *o,
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;

	for (size_t i = 0; i < all->n; i++)
		if (!hoy_strv_has(names, project_of(&all->all[i])) &&
			hoy_strv_add(&names, project_of(&all->all[i])) < 0)
			return hoy_err_oom(err);
	if (names)
		qsort(names, hoy_strv_len(names), sizeof *names, by_text);
	for (char **name = names; name && *name; name++)
		if (is_wanted(*name, o) && add_project(w, all, *name, o) < 0)
			return hoy_err_oom(err);
	return 0;
}

static int ls(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct ls_options *o = cli->values;
	auto_(hoy_compose_containers_done) struct hoy_compose_containers all = {};
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 64 << 20 };
	struct hoy_json_writer w = { .buf = &rows };
	bool json = o->format && strcmp(o->format, "json") == 0;
	int r;

	if (o->format && !json && strcmp(o->format, "table") != 0)
		return hoy_err_invalid(err, "unsupported format \"%s\": table or json", o->format);
	for (char **f = o->filter; f && *f; f++)
		if (!hoy_str_starts(*f, "name="))
			return hoy_err_invalid(err, "unknown filter \"%s\": name=TEXT is supported", *f);
	r = hoy_compose_containers_load(cli, /* project= */ NULL, &all, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	r = add_projects(&w, &all, o, err);
	hoy_json_end(&w);
	if (r < 0)
		return r;
	if (!json || o->quiet)
		return hoy_format_list(cli, &ls_kind, NULL, o->quiet, &rows, err);
	(void) puts(rows.data);
	return 0;
}

static int cmd_ls(struct hoy_cli *cli)
{
	struct hoy_err err;

	return ls(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_ls = {
	.name = "compose ls",
	.args = "",
	.summary = "List running compose projects",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.run = cmd_ls,
};
