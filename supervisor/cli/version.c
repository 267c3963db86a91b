/* version: client and engine. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/text.h"

struct version_options {
	const char *format;
};
static const struct hoy_option version_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct version_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION_END,
};

#define API_VERSION "1.50"

static const char *machine(void)
{
	static struct utsname host;

	(void) uname(&host);
	if (strcmp(host.machine, "x86_64") == 0)
		return "amd64";
	return strcmp(host.machine, "aarch64") == 0 ? "arm64" : host.machine;
}

/* "Wed Jul  2 10:00:00 2025" of RFC 3339; what is no such time is kept. */
static char *build_time(const char *text)
{
	struct tm tm = {};
	char out[64];

	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) || !strftime(out, sizeof out, "%a %b %e %H:%M:%S %Y", &tm))
		return strdup(text);
	return strdup(out);
}

/* One tree of both ends, with docker's names. */
static int whole(struct hoy_cli *cli, const struct hoy_json *server, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	auto_free char *context = hoy_context_current(NULL, &cli->config);
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_object(&w, "Client");
	hoy_json_object(&w, "Platform");
	hoy_json_add_string(&w, "Name", "Hoy");
	hoy_json_end(&w);
	hoy_json_add_string(&w, "Version", PACKAGE_VERSION);
	hoy_json_add_string(&w, "ApiVersion", API_VERSION);
	hoy_json_add_string(&w, "DefaultAPIVersion", API_VERSION);
	hoy_json_add_string(&w, "GitCommit", "");
	hoy_json_add_string(&w, "GoVersion", "");
	hoy_json_add_string(&w, "Os", "linux");
	hoy_json_add_string(&w, "Arch", machine());
	hoy_json_add_string(&w, "BuildTime", "");
	hoy_json_add_string(&w, "Context", context ? context : "default");
	hoy_json_end(&w);
	if (server)
		hoy_json_add_value(&w, "Server", server);
	else
		hoy_json_add_null(&w, "Server");
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the versions", err);
	return r < 0 ? r : hoy_json_parse(text.data, text.len, NULL, ret, err);
}

static void print_line(const char *indent, const char *label, const char *value)
{
	if (*value)
		(void) printf("%s%-18s%s\n", indent, label, value);
}

static void print_client(const struct hoy_json *client)
{
	auto_free char *platform = hoy_str_printf("%s/%s", hoy_cli_text(client, "Os"), hoy_cli_text(client, "Arch"));

	(void) printf("Client: %s\n", hoy_cli_text(hoy_json_get(client, "Platform"), "Name"));
	print_line(" ", "Version:", hoy_cli_text(client, "Version"));
	print_line(" ", "API version:", hoy_cli_text(client, "ApiVersion"));
	print_line(" ", "OS/Arch:", platform ? platform : "");
	print_line(" ", "Context:", hoy_cli_text(client, "Context"));
}

/* The engine itself has lines of its own, in docker's order; other components tell version and commit. */
static void print_component(const struct hoy_json *component, bool engine)
{
	static const char *const lines[][2] = { { "Version:", NULL }, { "API version:", "ApiVersion" },
		{ "Go version:", "GoVersion" }, { "Git commit:", "GitCommit" }, { "Built:", "BuildTime" },
		{ "OS/Arch:", "Os" } };
	const struct hoy_json *details = hoy_json_get(component, "Details");

	(void) printf(" %s:\n", hoy_cli_text(component, "Name"));
	if (!engine) {
		print_line("  ", "Version:", hoy_cli_text(component, "Version"));
		hoy_json_each(detail, details)
		{
			auto_free char *label = hoy_str_printf("%s:", hoy_json_key(detail));

			if (label && hoy_json_string(detail))
				print_line("  ", label, hoy_json_string(detail));
		}
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *key = lines[i][1];
		auto_free char *value = NULL;

		if (!key)
			value = strdup(hoy_cli_text(component, "Version"));
		else if (strcmp(key, "ApiVersion") == 0)
			value = hoy_str_printf("%s (minimum version %s)", hoy_cli_text(details, "ApiVersion"),
				hoy_cli_text(details, "MinAPIVersion"));
		else if (strcmp(key, "Os") == 0)
			value = hoy_str_printf("%s/%s", hoy_cli_text(details, "Os"), hoy_cli_text(details, "Arch"));
		else if (strcmp(key, "BuildTime") == 0)
			value = build_time(hoy_cli_text(details, key));
		else
			value = strdup(hoy_cli_text(details, key));
		print_line("  ", lines[i][0], value ? value : "");
	}
	print_line("  ", "Experimental:",
		*hoy_cli_text(details, "Experimental") ? hoy_cli_text(details, "Experimental") : "false");
}

static void print_versions(const struct hoy_json *versions)
{
	const struct hoy_json *server = hoy_json_get(versions, "Server");
	const char *platform = hoy_cli_text(hoy_json_get(server, "Platform"), "Name");

	print_client(hoy_json_get(versions, "Client"));
	if (hoy_json_type(server) != HOY_JSON_OBJECT)
		return;
	(void) printf("\nServer:%s%s\n", *platform ? " " : "", platform);
	hoy_json_each(component, hoy_json_get(server, "Components"))
		print_component(component, strcmp(hoy_cli_text(component, "Name"), "Engine") == 0);
}

static int cmd_version(struct hoy_cli *cli)
{
	const struct version_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *server = NULL, *versions = NULL;
	struct hoy_err err, problem;
	int r = hoy_cli_call(cli, "GET", "/version", NULL, &server, &problem);

	/* What is known of the client is told even when nobody answers. */
	if (whole(cli, r < 0 ? NULL : server, &versions, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (!o->format || !*o->format)
		print_versions(versions);
	else if (hoy_format_object(o->format, versions, &err) < 0)
		return hoy_cli_fail(cli, r < 0 ? 1 : 64, r < 0 ? &problem : &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &problem) : 0;
}

const struct hoy_command hoy_cmd_version = {
	.name = "version",
	.args = "",
	.summary = "Show the version information of client and engine",
	.options = version_options,
	.values_size = sizeof(struct version_options),
	.run = cmd_version,
};
