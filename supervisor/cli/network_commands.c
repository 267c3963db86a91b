/* network ls, rm, connect, disconnect, prune. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/confirm.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"

/* --- ls ---------------------------------------------------------------------- */

struct ls_options {
	char **filter;
	const char *format;
	bool no_trunc, quiet;
};
static const struct hoy_option ls_options[] = {
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct ls_options, filter,
		"Provide filter values (e.g. \"driver=bridge\")"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ls_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct ls_options, no_trunc, "Do not truncate the output"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ls_options, quiet, "Only display network IDs"),
	HOY_OPTION_END,
};
static const struct hoy_format_field ls_fields[] = {
	{ "CreatedAt", "CREATED AT" },
	{ "Driver", "DRIVER" },
	{ "ID", "NETWORK ID" },
	{ "IPv4", "IPV4" },
	{ "IPv6", "IPV6" },
	{ "Internal", "INTERNAL" },
	{ "Labels", "LABELS" },
	{ "Name", "NAME" },
	{ "Scope", "SCOPE" },
	{},
};
static const struct hoy_format_list ls_kind = {
	.fields = ls_fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.quiet = "{{.ID}}",
	.config_key = "networksFormat",
};

/* Go prints the time of a network with its fraction, without zeros at its end. */
static char *created_text(const char *text)
{
	struct timespec ts;
	struct tm tm;
	char date[64], zone[32], fraction[16] = "";

	if (hoy_time_parse(text, &ts) < 0 || !localtime_r(&ts.tv_sec, &tm) ||
		!strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm) || !strftime(zone, sizeof zone, "%z %Z", &tm))
		return strdup(text);
	if (ts.tv_nsec) {
		(void) snprintf(fraction, sizeof fraction, ".%09ld", ts.tv_nsec % 1000000000);
		for (char *end = fraction + strlen(fraction) - 1; *end == '0'; end--)
			*end = '\0';
	}
	return hoy_str_printf("%s%s %s", date, fraction, zone);
}

static const char *bool_text(bool value)
{
	return value ? "true" : "false";
}

static int add_network(struct hoy_json_writer *w, const struct hoy_json *n, bool no_trunc)
{
	const char *id = hoy_cli_text(n, "Id");
	const struct hoy_json *ipv4 = hoy_json_get(n, "EnableIPv4");
	int r = 0;

	hoy_json_object(w, NULL);
	r |= hoy_rows_add(w, "ID", no_trunc ? strdup(id) : hoy_text_short_id(id));
	r |= hoy_rows_add(w, "CreatedAt", created_text(hoy_cli_text(n, "Created")));
	r |= hoy_rows_add(w, "Labels", hoy_text_map(hoy_json_get(n, "Labels")));
	hoy_json_add_string(w, "Name", hoy_cli_text(n, "Name"));
	hoy_json_add_string(w, "Driver", hoy_cli_text(n, "Driver"));
	hoy_json_add_string(w, "Scope", hoy_cli_text(n, "Scope"));
	hoy_json_add_string(w, "IPv4", bool_text(!ipv4 || hoy_json_bool(ipv4)));
	hoy_json_add_string(w, "IPv6", bool_text(hoy_cli_bool(n, "EnableIPv6")));
	hoy_json_add_string(w, "Internal", bool_text(hoy_cli_bool(n, "Internal")));
	if (hoy_json_get(n, "Labels"))
		hoy_json_add_value(w, "Label", hoy_json_get(n, "Labels"));
	hoy_json_end(w);
	return r ? -ENOMEM : 0;
}

static int by_network_name(const void *a, const void *b)
{
	const struct hoy_json *const *x = a, *const *y = b;

	return strcmp(hoy_cli_text(*x, "Name"), hoy_cli_text(*y, "Name"));
}

static int print_networks(
	const struct hoy_cli *cli, const struct hoy_json *list, const struct ls_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 64 << 20 };
	struct hoy_json_writer w = { .buf = &rows };
	auto_free const struct hoy_json **sorted = calloc(hoy_json_len(list) + 1, sizeof *sorted);
	size_t n = 0;

	if (!sorted)
		return hoy_err_oom(err);
	hoy_json_each(network, list) sorted[n++] = network;
	qsort(sorted, n, sizeof *sorted, by_network_name);
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		if (add_network(&w, sorted[i], o->no_trunc) < 0)
			return hoy_err_oom(err);
	hoy_json_end(&w);
	return hoy_format_list(cli, &ls_kind, o->format, o->quiet, &rows, err);
}

static int cmd_network_ls(struct hoy_cli *cli)
{
	const struct ls_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	struct hoy_err err;
	int r;

	(void) hoy_buf_adds(&path, "/networks");
	r = hoy_filter_call(cli, "GET", &path, o->filter, &list, &err);
	if (r == 0)
		r = print_networks(cli, list, o, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_network_ls = {
	.name = "network ls",
	.alias = "network list",
	.args = "",
	.summary = "List networks",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.run = cmd_network_ls,
};

/* --- rm ---------------------------------------------------------------------- */

struct rm_options {
	bool force;
};
static const struct hoy_option rm_options[] = {
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct rm_options, force,
		"Do not error if the network does not exist"),
	HOY_OPTION_END,
};

static int network_path(const char *name, const char *tail, struct hoy_buf *ret, struct hoy_err *err)
{
	(void) hoy_buf_adds(ret, "/networks/");
	hoy_http_escape(ret, name);
	(void) hoy_buf_adds(ret, tail);
	return hoy_buf_check(ret, "the request", err);
}

static int rm_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct rm_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r = network_path(name, "", &path, err);

	if (r == 0)
		r = hoy_cli_call(cli, "DELETE", path.data, NULL, NULL, err);
	if (r == -ENOENT && o->force)
		return 0;
	if (r == 0)
		(void) puts(name);
	return r;
}

static int cmd_network_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, rm_one, /* print= */ false);
}

const struct hoy_command hoy_cmd_network_rm = {
	.name = "network rm",
	.alias = "network remove",
	.args = "NETWORK [NETWORK...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more networks",
	.options = rm_options,
	.values_size = sizeof(struct rm_options),
	.run = cmd_network_rm,
};

/* --- connect, disconnect ----------------------------------------------------- */

struct connect_options {
	char **alias, **driver_opt, **link, **link_local;
	const char *ip, *ip6;
	int64_t priority;
	bool force;
};
#define O(name, type, value, member, help)                                                                             \
	HOY_OPTION(0, name, HOY_OPTION_##type, value, struct connect_options, member, help)
static const struct hoy_option connect_options[] = {
	O("alias", STRINGS, "strings", alias, "Add network-scoped alias for the container"),
	O("driver-opt", STRINGS, "strings", driver_opt, "Options of the driver for this container"),
	O("gw-priority", INT, "int", priority, "The network with the highest one has the default gateway"),
	O("ip", STRING, "string", ip, "IPv4 address (e.g., \"172.30.100.104\")"),
	O("ip6", STRING, "string", ip6, "IPv6 address (e.g., \"2001:db8::33\")"),
	O("link", LIST, "list", link, "Add link to another container"),
	O("link-local-ip", STRINGS, "strings", link_local, "Add a link-local address for the container"),
	HOY_OPTION_END,
};

static void print_endpoint(struct hoy_json_writer *w, const struct connect_options *o)
{
	hoy_json_object(w, "EndpointConfig");
	if (o->ip || o->ip6 || o->link_local) {
		hoy_json_object(w, "IPAMConfig");
		hoy_create_add_text(w, "IPv4Address", o->ip);
		hoy_create_add_text(w, "IPv6Address", o->ip6);
		hoy_create_add_list(w, "LinkLocalIPs", o->link_local);
		hoy_json_end(w);
	}
	hoy_create_add_list(w, "Links", o->link);
	hoy_create_add_list(w, "Aliases", o->alias);
	hoy_create_add_map(w, "DriverOpts", o->driver_opt);
	hoy_create_add_number(w, "GwPriority", o->priority);
	hoy_json_end(w);
}

/* POST /networks/NETWORK/{connect,disconnect} with the container. */
static int post(struct hoy_cli *cli, const char *tail, bool connect)
{
	const struct connect_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	struct hoy_json_writer w = { .buf = &body };
	struct hoy_err err;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Container", cli->args[1]);
	if (connect)
		print_endpoint(&w, o);
	else
		hoy_json_add_bool(&w, "Force", o->force);
	hoy_json_end(&w);
	if (hoy_buf_check(&body, "the request", &err) < 0 || network_path(cli->args[0], tail, &path, &err) < 0 ||
		hoy_cli_call(cli, "POST", path.data, body.data, NULL, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

static int cmd_network_connect(struct hoy_cli *cli)
{
	return post(cli, "/connect", /* connect= */ true);
}

const struct hoy_command hoy_cmd_network_connect = {
	.name = "network connect",
	.args = "NETWORK CONTAINER",
	.min_args = 2,
	.max_args = 2,
	.summary = "Connect a container to a network",
	.options = connect_options,
	.values_size = sizeof(struct connect_options),
	.run = cmd_network_connect,
};

static const struct hoy_option disconnect_options[] = {
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct connect_options, force,
		"Force the container to disconnect from a network"),
	HOY_OPTION_END,
};

static int cmd_network_disconnect(struct hoy_cli *cli)
{
	return post(cli, "/disconnect", /* connect= */ false);
}

const struct hoy_command hoy_cmd_network_disconnect = {
	.name = "network disconnect",
	.args = "NETWORK CONTAINER",
	.min_args = 2,
	.max_args = 2,
	.summary = "Disconnect a container from a network",
	.options = disconnect_options,
	.values_size = sizeof(struct connect_options),
	.run = cmd_network_disconnect,
};

/* --- prune ------------------------------------------------------------------- */

struct prune_options {
	char **filter;
	bool force;
};
static const struct hoy_option prune_options[] = {
	HOY_OPTION(0, "filter", HOY_OPTION_LIST, "filter", struct prune_options, filter,
		"Provide filter values (e.g. \"until=<timestamp>\")"),
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct prune_options, force, "Do not prompt for confirmation"),
	HOY_OPTION_END,
};

static int cmd_network_prune(struct hoy_cli *cli)
{
	const struct prune_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	const struct hoy_json *deleted;
	struct hoy_err err;
	int r;

	if (!o->force &&
		!hoy_confirm("WARNING! This will remove all custom networks not used by at least one container."))
		return 0;
	(void) hoy_buf_adds(&path, "/networks/prune");
	r = hoy_filter_call(cli, "POST", &path, o->filter, &answer, &err);
	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	deleted = hoy_json_get(answer, "NetworksDeleted");
	if (!hoy_json_first(deleted))
		return 0;
	(void) puts("Deleted Networks:");
	hoy_json_each(name, deleted) if (hoy_json_string(name))(void) puts(hoy_json_string(name));
	(void) putchar('\n');
	return 0;
}

const struct hoy_command hoy_cmd_network_prune = {
	.name = "network prune",
	.args = "",
	.summary = "Remove all unused networks",
	.options = prune_options,
	.values_size = sizeof(struct prune_options),
	.run = cmd_network_prune,
};
