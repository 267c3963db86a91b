/* version and info. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/table.h"

static const struct hoy_option version_options[] = {
	HOY_OPTION_REFUSE('f', "format", "string", "this version prints text"),
	HOY_OPTION_END,
};

static void print_components(const struct hoy_json *version)
{
	hoy_json_each(component, hoy_json_get(version, "Components"))
	{
		(void) printf(" %s:\n  %-17s %s\n", hoy_cli_text(component, "Name"),
			"Version:", hoy_cli_text(component, "Version"));
		hoy_json_each(detail, hoy_json_get(component, "Details")) if (hoy_json_string(detail))(void) printf(
			"  %s:%*s %s\n", hoy_json_key(detail),
			(int) MAX((size_t) 16, strlen(hoy_json_key(detail))) - (int) strlen(hoy_json_key(detail)), "",
			hoy_json_string(detail));
	}
}

static int cmd_version(struct hoy_cli *cli)
{
	auto_ptr(hoy_json_free) struct hoy_json *version = NULL;
	struct utsname host;
	struct hoy_err err;

	(void) uname(&host);
	(void) printf("Client:\n %-18s %s\n %-18s linux/%s\n", "Version:", PACKAGE_VERSION,
		"OS/Arch:", strcmp(host.machine, "x86_64") == 0 ? "amd64" : host.machine);
	if (hoy_cli_call(cli, "GET", "/version", NULL, &version, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) printf("\nServer: %s\n", hoy_cli_text(hoy_json_get(version, "Platform"), "Name"));
	print_components(version);
	return 0;
}

const struct hoy_command hoy_cmd_version = {
	.name = "version",
	.args = "",
	.summary = "Show the version information of client and daemon",
	.options = version_options,
	.run = cmd_version,
};

static const struct hoy_option info_options[] = {
	HOY_OPTION_REFUSE('f', "format", "string", "this version prints text"),
	HOY_OPTION_END,
};

static void print_info(const struct hoy_cli *cli, const struct hoy_json *info)
{
	static const struct {
		const char *label, *key;
	} lines[] = {
		{ "Server Version", "ServerVersion" },
		{ "Storage Driver", "Driver" },
		{ "Logging Driver", "LoggingDriver" },
		{ "Cgroup Driver", "CgroupDriver" },
		{ "Cgroup Version", "CgroupVersion" },
		{ "Default Runtime", "DefaultRuntime" },
		{ "Kernel Version", "KernelVersion" },
		{ "Operating System", "OperatingSystem" },
		{ "OSType", "OSType" },
		{ "Architecture", "Architecture" },
		{ "Name", "Name" },
		{ "ID", "ID" },
		{ "Docker Root Dir", "DockerRootDir" },
	};
	auto_free char *memory = hoy_human_size_binary((double) hoy_cli_number(info, "MemTotal"));

	(void) printf("Client:\n Version:    %s\n Host:       %s\n\nServer:\n", PACKAGE_VERSION,
		cli->host.path ? cli->host.path : cli->host.name);
	(void) printf(" Containers: %lld\n  Running: %lld\n  Paused: %lld\n  Stopped: %lld\n Images: %lld\n",
		(long long) hoy_cli_number(info, "Containers"), (long long) hoy_cli_number(info, "ContainersRunning"),
		(long long) hoy_cli_number(info, "ContainersPaused"),
		(long long) hoy_cli_number(info, "ContainersStopped"), (long long) hoy_cli_number(info, "Images"));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (*hoy_cli_text(info, lines[i].key))
			(void) printf(" %s: %s\n", lines[i].label, hoy_cli_text(info, lines[i].key));
	(void) printf(
		" CPUs: %lld\n Total Memory: %s\n", (long long) hoy_cli_number(info, "NCPU"), memory ? memory : "");
	hoy_json_each(warning, hoy_json_get(info, "Warnings"))(void)
		fprintf(stderr, "%s\n", hoy_json_string(warning) ? hoy_json_string(warning) : "");
}

static int cmd_info(struct hoy_cli *cli)
{
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	struct hoy_err err;

	if (hoy_cli_call(cli, "GET", "/info", NULL, &info, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	print_info(cli, info);
	return 0;
}

const struct hoy_command hoy_cmd_info = {
	.name = "info",
	.alias = "system info",
	.args = "",
	.summary = "Display system-wide information",
	.options = info_options,
	.run = cmd_info,
};
