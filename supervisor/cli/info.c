/* info: what the engine says of itself, in docker's order. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/plugin.h"

struct info_options {
	const char *format;
};
static const struct hoy_option info_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct info_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION_END,
};

static void print_text(const struct hoy_json *info, const char *label, const char *key)
{
	if (hoy_json_get(info, key))
		(void) printf(" %s: %s\n", label, hoy_cli_text(info, key));
}

/* A line only when there is something to say. */
static void print_if(const struct hoy_json *info, const char *label, const char *key)
{
	if (*hoy_cli_text(info, key))
		(void) printf(" %s: %s\n", label, hoy_cli_text(info, key));
}

static void print_flag(const struct hoy_json *info, const char *label, const char *key)
{
	(void) printf(" %s: %s\n", label, hoy_cli_bool(info, key) ? "true" : "false");
}

static void print_number(const struct hoy_json *info, const char *label, const char *key)
{
	(void) printf(" %s: %lld\n", label, (long long) hoy_cli_number(info, key));
}

static void print_counts(const struct hoy_json *info)
{
	print_number(info, "Containers", "Containers");
	print_number(info, " Running", "ContainersRunning");
	print_number(info, " Paused", "ContainersPaused");
	print_number(info, " Stopped", "ContainersStopped");
	print_number(info, "Images", "Images");
}

static void print_storage(const struct hoy_json *info)
{
	print_text(info, "Server Version", "ServerVersion");
	print_text(info, "Storage Driver", "Driver");
	hoy_json_each(pair, hoy_json_get(info, "DriverStatus"))
	{
		const struct hoy_json *key = hoy_json_first(pair), *value = hoy_json_next(key);

		(void) printf("  %s: %s\n", hoy_json_string(key) ? hoy_json_string(key) : "",
			hoy_json_string(value) ? hoy_json_string(value) : "");
	}
}

static void print_list(const char *label, const struct hoy_json *list)
{
	(void) printf(" %s:", label);
	hoy_json_each(entry, list) if (hoy_json_string(entry))(void) printf(" %s", hoy_json_string(entry));
	(void) putchar('\n');
}

static void print_plugins(const struct hoy_json *info)
{
	const struct hoy_json *plugins = hoy_json_get(info, "Plugins");

	(void) puts(" Plugins:");
	print_list(" Volume", hoy_json_get(plugins, "Volume"));
	print_list(" Network", hoy_json_get(plugins, "Network"));
	if (hoy_json_first(hoy_json_get(plugins, "Authorization")))
		print_list(" Authorization", hoy_json_get(plugins, "Authorization"));
	print_list(" Log", hoy_json_get(plugins, "Log"));
}

static void print_runtimes(const struct hoy_json *info)
{
	const struct hoy_json *swarm = hoy_json_get(info, "Swarm"), *runtimes = hoy_json_get(info, "Runtimes");

	print_text(swarm, "Swarm", "LocalNodeState");
	if (hoy_json_first(runtimes)) {
		(void) printf(" Runtimes:");
		hoy_json_each(runtime, runtimes)(void) printf(" %s", hoy_json_key(runtime));
		(void) putchar('\n');
	}
	print_text(info, "Default Runtime", "DefaultRuntime");
	print_text(info, "Init Binary", "InitBinary");
	print_text(hoy_json_get(info, "ContainerdCommit"), "containerd version", "ID");
	print_text(hoy_json_get(info, "RuncCommit"), "runc version", "ID");
	print_text(hoy_json_get(info, "InitCommit"), "init version", "ID");
}

/* "name=seccomp,profile=builtin" */
static void print_security(const struct hoy_json *info)
{
	const struct hoy_json *options = hoy_json_get(info, "SecurityOptions");

	if (!hoy_json_first(options))
		return;
	(void) puts(" Security Options:");
	hoy_json_each(option, options)
	{
		auto_ptr(hoy_strv_free) char **parts = hoy_str_split(
			hoy_json_string(option) ? hoy_json_string(option) : "", ',');

		for (size_t i = 0; parts && parts[i]; i++) {
			if (hoy_str_starts(parts[i], "name="))
				(void) printf("  %s\n", parts[i] + strlen("name="));
			else if (hoy_str_starts(parts[i], "profile="))
				(void) printf("   Profile: %s\n", parts[i] + strlen("profile="));
		}
	}
}

static void print_host(const struct hoy_json *info)
{
	auto_free char *memory = hoy_human_size_binary((double) hoy_cli_number(info, "MemTotal"));

	print_text(info, "Kernel Version", "KernelVersion");
	print_text(info, "Operating System", "OperatingSystem");
	print_text(info, "OSType", "OSType");
	print_text(info, "Architecture", "Architecture");
	print_number(info, "CPUs", "NCPU");
	(void) printf(" Total Memory: %s\n", memory ? memory : "");
	print_text(info, "Name", "Name");
	print_text(info, "ID", "ID");
	print_text(info, "Docker Root Dir", "DockerRootDir");
	print_flag(info, "Debug Mode", "Debug");
	print_if(info, "HTTP Proxy", "HttpProxy");
	print_if(info, "HTTPS Proxy", "HttpsProxy");
	print_if(info, "No Proxy", "NoProxy");
	if (hoy_json_first(hoy_json_get(info, "Labels"))) {
		(void) puts(" Labels:");
		hoy_json_each(label, hoy_json_get(info, "Labels")) if (hoy_json_string(label))(void)
			printf("  %s\n", hoy_json_string(label));
	}
	print_flag(info, "Experimental", "ExperimentalBuild");
}

static void print_registries(const struct hoy_json *info)
{
	const struct hoy_json *config = hoy_json_get(info, "RegistryConfig");
	const struct hoy_json *ranges = hoy_json_get(config, "InsecureRegistryCIDRs");
	const struct hoy_json *mirrors = hoy_json_get(config, "Mirrors");
	bool any = hoy_json_first(ranges);

	hoy_json_each(index, hoy_json_get(config, "IndexConfigs")) any = any || !hoy_cli_bool(index, "Secure");
	if (any)
		(void) puts(" Insecure Registries:");
	hoy_json_each(index, hoy_json_get(config, "IndexConfigs")) if (!hoy_cli_bool(index, "Secure"))(void)
		printf("  %s\n", hoy_json_key(index));
	hoy_json_each(range, ranges) if (hoy_json_string(range))(void) printf("  %s\n", hoy_json_string(range));
	if (hoy_json_first(mirrors)) {
		(void) puts(" Registry Mirrors:");
		hoy_json_each(mirror, mirrors) if (hoy_json_string(mirror))(void)
			printf("  %s\n", hoy_json_string(mirror));
	}
	print_flag(info, "Live Restore Enabled", "LiveRestoreEnabled");
}

static void print_client(struct hoy_cli *cli)
{
	auto_free char *context = hoy_context_current(NULL, &cli->config);
	auto_(hoy_plugins_done) struct hoy_plugins plugins = {};
	struct hoy_err err;

	(void) printf("Client:\n Version:    %s\n Context:    %s\n Debug Mode: %s\n", PACKAGE_VERSION,
		context ? context : "default", cli->debug ? "true" : "false");
	if (hoy_plugins_load(&cli->config, &plugins, &err) < 0)
		hoy_log_err(&err, "look for plugins");
	if (plugins.n)
		(void) puts(" Plugins:");
	for (size_t i = 0; i < plugins.n; i++) {
		const struct hoy_plugin *p = &plugins.list[i];

		(void) printf("  %s: %s (%s)\n", p->name, p->summary, p->vendor);
		if (*p->version)
			(void) printf("    Version:  %s\n", p->version);
		(void) printf("    Path:     %s\n", p->path);
	}
}

static int add_client_plugins(struct hoy_json_writer *w, const struct hoy_config *config, struct hoy_err *err)
{
	auto_(hoy_plugins_done) struct hoy_plugins plugins = {};
	int r = hoy_plugins_load(config, &plugins, err);

	hoy_json_array(w, "Plugins");
	for (size_t i = 0; i < plugins.n; i++) {
		const struct hoy_plugin *p = &plugins.list[i];

		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "SchemaVersion", "0.1.0");
		hoy_json_add_string(w, "Vendor", p->vendor);
		hoy_json_add_string(w, "Version", p->version);
		hoy_json_add_string(w, "ShortDescription", p->summary);
		hoy_json_add_string(w, "Name", p->name);
		hoy_json_add_string(w, "Path", p->path);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return r;
}

static void print_info(struct hoy_cli *cli, const struct hoy_json *info)
{
	print_client(cli);
	(void) puts("\nServer:");
	print_counts(info);
	print_storage(info);
	print_text(info, "Logging Driver", "LoggingDriver");
	print_text(info, "Cgroup Driver", "CgroupDriver");
	print_if(info, "Cgroup Version", "CgroupVersion");
	print_plugins(info);
	print_runtimes(info);
	print_security(info);
	print_host(info);
	print_registries(info);
	(void) putchar('\n');
	(void) fflush(stdout);
	hoy_json_each(warning, hoy_json_get(info, "Warnings")) if (hoy_json_string(warning))(void)
		fprintf(stderr, "%s\n", hoy_json_string(warning));
}

/* The engine's members with ours behind them. */
static int with_client(struct hoy_cli *cli, const struct hoy_json *info, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	auto_free char *context = hoy_context_current(NULL, &cli->config);
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_each(member, info) hoy_json_add_value(&w, hoy_json_key(member), member);
	hoy_json_object(&w, "ClientInfo");
	hoy_json_add_bool(&w, "Debug", cli->debug);
	hoy_json_add_string(&w, "Version", PACKAGE_VERSION);
	hoy_json_add_string(&w, "Context", context ? context : "default");
	r = add_client_plugins(&w, &cli->config, err);
	if (r < 0)
		return r;
	hoy_json_add_null(&w, "Warnings");
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the engine's information", err);
	return r < 0 ? r : hoy_json_parse(text.data, text.len, NULL, ret, err);
}

static int cmd_info(struct hoy_cli *cli)
{
	const struct info_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL, *whole = NULL;
	struct hoy_err err;

	if (hoy_cli_call(cli, "GET", "/info", NULL, &info, &err) < 0) {
		if (!o->format)
			print_client(cli);
		return hoy_cli_fail(cli, 1, &err);
	}
	if (!o->format || !*o->format) {
		print_info(cli, info);
		return 0;
	}
	if (with_client(cli, info, &whole, &err) < 0 || hoy_format_object(o->format, whole, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_info = {
	.name = "info",
	.alias = "system info",
	.args = "",
	.summary = "Display system-wide information",
	.options = info_options,
	.values_size = sizeof(struct info_options),
	.run = cmd_info,
};
