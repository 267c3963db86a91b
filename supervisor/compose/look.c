/* port, top, events, wait, volumes, version: looking at a project. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/tabs.h"
#include "supervisor/cli/text.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/resources.h"
#include "supervisor/compose/work.h"

/* --- port -------------------------------------------------------------------- */

struct port_options {
	int64_t index;
	const char *protocol;
};
static const struct port_options port_defaults = { .protocol = "tcp" };
static const struct hoy_option port_options[] = {
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct port_options, index,
		"Index of the container if service has multiple replicas"),
	HOY_OPTION(0, "protocol", HOY_OPTION_STRING, "string", struct port_options, protocol,
		"tcp or udp (default \"tcp\")"),
	HOY_OPTION_END,
};

static int port(struct hoy_compose *app, const struct port_options *o, struct hoy_err *err)
{
	const char *service = app->cli->args[0];
	struct hoy_compose_container *c = NULL;
	unsigned int number;
	int r = hoy_compose_container_for(app, service, o->index, /* running= */ false, &c, err);

	if (r < 0)
		return r;
	if (hoy_str_to_uint(app->cli->args[1], &number) < 0)
		return hoy_err_invalid(err, "invalid port \"%s\"", app->cli->args[1]);
	hoy_json_each(p, hoy_json_get(c->json, "Ports"))
	{
		const char *ip = hoy_cli_text(p, "IP");

		if (hoy_cli_number(p, "PrivatePort") != number || strcmp(hoy_cli_text(p, "Type"), o->protocol) != 0 ||
			!hoy_cli_number(p, "PublicPort"))
			continue;
		(void) printf(
			strchr(ip, ':') ? "[%s]:%lld\n" : "%s:%lld\n", ip, (long long) hoy_cli_number(p, "PublicPort"));
		return 0;
	}
	return hoy_err_not_found(err, "no port %u/%s for container %s", number, o->protocol, c->name);
}

static int cmd_port(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, (char *[]){ cli->args[0], NULL }, &app, &err);

	if (r == 0)
		r = port(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_port = {
	.name = "compose port",
	.args = "SERVICE PRIVATE_PORT",
	.min_args = 2,
	.max_args = 2,
	.summary = "Print the public port for a port binding",
	.options = port_options,
	.values_size = sizeof(struct port_options),
	.defaults = &port_defaults,
	.run = cmd_port,
};

/* --- top --------------------------------------------------------------------- */

static void add_processes(struct hoy_buf *out, const struct hoy_compose_container *c, const struct hoy_json *answer)
{
	if (!out->len) {
		(void) hoy_buf_adds(out, "SERVICE\t#");
		hoy_json_each(title, hoy_json_get(answer, "Titles"))(void)
			hoy_buf_addf(out, "\t%s", hoy_json_string(title) ? hoy_json_string(title) : "");
		(void) hoy_buf_addc(out, '\n');
	}
	hoy_json_each(process, hoy_json_get(answer, "Processes"))
	{
		(void) hoy_buf_addf(out, "%s\t%lld", c->service, c->number);
		hoy_json_each(field, process)(void)
			hoy_buf_addf(out, "\t%s", hoy_json_string(field) ? hoy_json_string(field) : "");
		(void) hoy_buf_addc(out, '\n');
	}
}

static int top(struct hoy_compose *app, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = {}, aligned = {};

	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];
		auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
		auto_free char *path = hoy_str_printf("/containers/%s/top", c->id);
		int r;

		if (!hoy_compose_container_of(c, app->cli->args) || !hoy_compose_container_runs(c))
			continue;
		r = path ? hoy_cli_call(app->cli, "GET", path, NULL, &answer, err) : hoy_err_oom(err);
		if (r < 0)
			return r;
		add_processes(&out, c, answer);
	}
	if (!out.len)
		return 0;
	if (out.failed)
		return hoy_buf_check(&out, "the list", err);
	hoy_tabs_align(out.data, &aligned);
	(void) fputs(aligned.data ? aligned.data : "", stdout);
	return 0;
}

static int cmd_top(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = top(&app, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_top = {
	.name = "compose top",
	.args = "[SERVICES...]",
	.max_args = SIZE_MAX,
	.summary = "Display the running processes",
	.run = cmd_top,
};

/* --- events ------------------------------------------------------------------ */

struct events_options {
	bool json;
	const char *since, *until;
};
static const struct hoy_option events_options[] = {
	HOY_OPTION(0, "json", HOY_OPTION_BOOL, NULL, struct events_options, json,
		"Output events as a stream of json objects"),
	HOY_OPTION(0, "since", HOY_OPTION_STRING, "string", struct events_options, since,
		"Show all events created since timestamp"),
	HOY_OPTION(0, "until", HOY_OPTION_STRING, "string", struct events_options, until,
		"Stream events until this timestamp"),
	HOY_OPTION_END,
};

static void print_attributes(const struct hoy_json *attributes, bool json, struct hoy_json_writer *w)
{
	bool first = true;

	hoy_json_each(attribute, attributes)
	{
		const char *value = hoy_json_string(attribute);

		if (hoy_str_starts(hoy_json_key(attribute), HOY_COMPOSE_LABEL))
			continue;
		if (json)
			hoy_json_add_string(w, hoy_json_key(attribute), value ? value : "");
		else
			(void) printf("%s%s=%s", first ? " (" : ", ", hoy_json_key(attribute), value ? value : "");
		first = false;
	}
	if (!json && !first)
		(void) fputs(")", stdout);
}

static void stamp(const struct hoy_json *event, char *out, size_t size, bool json)
{
	int64_t nano = hoy_cli_number(event, "timeNano");
	time_t seconds = (time_t) (nano / 1000000000);
	char text[32];
	struct tm tm;

	(void) localtime_r(&seconds, &tm);
	(void) strftime(text, sizeof text, json ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	(void) snprintf(out, size, "%s.%06lld", text, (long long) (nano / 1000 % 1000000));
}

static int on_event(const struct hoy_json *event, void *userdata, struct hoy_err *err)
{
	const struct hoy_cli *cli = userdata;
	const struct events_options *o = cli->values;
	const struct hoy_json *actor = hoy_json_get(event, "Actor"), *attributes = hoy_json_get(actor, "Attributes");
	const char *service = hoy_cli_text(attributes, HOY_COMPOSE_SERVICE);
	auto_(hoy_buf_done) struct hoy_buf line = {};
	struct hoy_json_writer w = { .buf = &line };
	char when[64];

	if (!*service || (cli->n_args && !hoy_strv_has(cli->args, service)))
		return 0;
	stamp(event, when, sizeof when, o->json);
	if (o->json) {
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "time", when);
		hoy_json_add_string(&w, "type", "container");
		hoy_json_add_string(&w, "service", service);
		hoy_json_add_string(&w, "id", hoy_cli_text(actor, "ID"));
		hoy_json_add_string(&w, "action", hoy_cli_text(event, "Action"));
		hoy_json_object(&w, "attributes");
		print_attributes(attributes, /* json= */ true, &w);
		hoy_json_end(&w);
		hoy_json_end(&w);
		if (hoy_buf_check(&line, "the event", err) < 0)
			return -ENOMEM;
		(void) puts(line.data);
	} else {
		(void) printf("%s container %s %s", when, hoy_cli_text(event, "Action"), hoy_cli_text(actor, "ID"));
		print_attributes(attributes, /* json= */ false, NULL);
		(void) putchar('\n');
	}
	(void) fflush(stdout);
	return 0;
}

static int add_time(struct hoy_buf *path, const char *key, const char *text, struct hoy_err *err)
{
	if (!text)
		return 0;
	(void) hoy_buf_addf(path, "&%s=", key);
	if (hoy_text_since(text, path) == -EINVAL)
		return hoy_err_invalid(err, "--%s: \"%s\" is no time", key, text);
	return 0;
}

static int events(struct hoy_compose *app, const struct events_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_free char *filters = hoy_str_printf(
		"{\"type\":[\"container\"],\"label\":[\"%s=%s\"]}", HOY_COMPOSE_PROJECT, app->name);
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r;

	if (!filters)
		return hoy_err_oom(err);
	(void) hoy_buf_adds(&path, "/events?filters=");
	hoy_http_escape(&path, filters);
	r = add_time(&path, "since", o->since, err);
	if (r == 0)
		r = add_time(&path, "until", o->until, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(app->cli, &request, &http, err);
	return r < 0 ? r : hoy_lines_read(&http, on_event, app->cli, err);
}

static int cmd_events(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = events(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_events = {
	.name = "compose events",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Receive real time events from containers",
	.options = events_options,
	.values_size = sizeof(struct events_options),
	.run = cmd_events,
};

/* --- wait -------------------------------------------------------------------- */

struct wait_options {
	bool down;
};
static const struct hoy_option wait_options[] = {
	HOY_OPTION_REFUSE(0, "down-project", NULL, "wait takes no project down: use up --abort-on-container-exit"),
	HOY_OPTION_END,
};

/* The status of the last service's container. */
static int wait_services(struct hoy_compose *app, struct hoy_err *err)
{
	int status = 0;

	for (size_t i = 0; i < app->cli->n_args; i++) {
		auto_(hoy_http_done) struct hoy_http wait = { .fd = -EBADF };
		struct hoy_compose_container *c = hoy_compose_containers_find(&app->containers, app->cli->args[i], 0);
		int r;

		if (!c)
			return hoy_err_not_found(err, "no containers for service \"%s\"", app->cli->args[i]);
		r = hoy_wait_open(app->cli, c->id, "not-running", &wait, err);
		if (r == 0)
			r = hoy_wait_read(&wait, &status, err);
		if (r < 0)
			return r;
		(void) printf("container \"%s\" exited with status code %d\n", c->id, status);
	}
	return status;
}

static int cmd_wait(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = wait_services(&app, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_compose_wait = {
	.name = "compose wait",
	.args = "SERVICE [SERVICE...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Block until containers of all (or specified) services stop.",
	.options = wait_options,
	.values_size = sizeof(struct wait_options),
	.run = cmd_wait,
};

/* --- volumes ----------------------------------------------------------------- */

struct volumes_options {
	bool quiet;
	const char *format;
};
static const struct hoy_option volumes_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct volumes_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct volumes_options, quiet, "Only display volume names"),
	HOY_OPTION_END,
};
static const struct hoy_format_field volume_fields[] = { { "Driver", "DRIVER" }, { "Labels", "LABELS" },
	{ "Mountpoint", "MOUNTPOINT" }, { "Name", "VOLUME NAME" }, { "Scope", "SCOPE" }, {} };
static const struct hoy_format_list volume_kind = {
	.fields = volume_fields, .table = "{{.Driver}}\t{{.Name}}", .quiet = "{{.Name}}"
};

/* Does a container of one of the services mount it? */
static bool is_mounted(const struct hoy_compose *app, const char *volume)
{
	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!hoy_strv_has(app->cli->args, c->service))
			continue;
		hoy_json_each(mount, hoy_json_get(c->json, "Mounts")) if (strcmp(hoy_cli_text(mount, "Name"), volume) ==
									  0) return true;
	}
	return false;
}

static int volumes(struct hoy_compose *app, const struct volumes_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	int r = hoy_compose_list_volumes(app, &answer, err);

	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	hoy_json_each(volume, hoy_json_get(answer, "Volumes"))
	{
		auto_free char *labels = hoy_text_map(hoy_json_get(volume, "Labels"));

		if (app->cli->n_args && !is_mounted(app, hoy_cli_text(volume, "Name")))
			continue;
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Driver", hoy_cli_text(volume, "Driver"));
		hoy_json_add_string(&w, "Labels", labels ? labels : "");
		hoy_json_add_string(&w, "Mountpoint", hoy_cli_text(volume, "Mountpoint"));
		hoy_json_add_string(&w, "Name", hoy_cli_text(volume, "Name"));
		hoy_json_add_string(&w, "Scope", hoy_cli_text(volume, "Scope"));
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	return hoy_format_list(app->cli, &volume_kind, o->format, o->quiet, &rows, err);
}

static int cmd_volumes(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = volumes(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_volumes = {
	.name = "compose volumes",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "List volumes",
	.options = volumes_options,
	.values_size = sizeof(struct volumes_options),
	.run = cmd_volumes,
};

/* --- version ----------------------------------------------------------------- */

struct version_options {
	const char *format;
	bool brief;
};
static const struct hoy_option version_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct version_options, format,
		"Format the output. Values: [pretty | json]. (Default: pretty)"),
	HOY_OPTION(0, "short", HOY_OPTION_BOOL, NULL, struct version_options, brief, "Shows only the version number"),
	HOY_OPTION_END,
};

static int cmd_version(struct hoy_cli *cli)
{
	const struct version_options *o = cli->values;
	struct hoy_err err;

	if (o->brief)
		(void) puts(PACKAGE_VERSION);
	else if (!o->format || strcmp(o->format, "pretty") == 0)
		(void) puts("Hoy Compose version v" PACKAGE_VERSION);
	else if (strcmp(o->format, "json") == 0)
		(void) puts("{\"version\":\"v" PACKAGE_VERSION "\"}");
	else
		return hoy_cli_fail(
			cli, 1, (hoy_err_invalid(&err, "unsupported format \"%s\": pretty or json", o->format), &err));
	return 0;
}

const struct hoy_command hoy_cmd_compose_version = {
	.name = "compose version",
	.args = "",
	.summary = "Show the version information",
	.options = version_options,
	.values_size = sizeof(struct version_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_version,
};
