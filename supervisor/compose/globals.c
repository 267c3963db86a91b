/* The options of `compose` itself. */
#include "supervisor/compose/globals.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

const struct hoy_option hoy_compose_global_options[] = {
	HOY_OPTION(0, "all-resources", HOY_OPTION_BOOL, NULL, struct hoy_compose_globals, all_resources,
		"Include all resources, even those not used by services"),
	HOY_OPTION(0, "ansi", HOY_OPTION_STRING, "string", struct hoy_compose_globals, ansi,
		"Control when to print ANSI control characters (\"never\"|\"always\"|\"auto\")"),
	HOY_OPTION(0, "compatibility", HOY_OPTION_BOOL, NULL, struct hoy_compose_globals, compatibility,
		"Names of containers with underscores, as docker-compose 1 gave them"),
	HOY_OPTION(0, "dry-run", HOY_OPTION_BOOL, NULL, struct hoy_compose_globals, dry_run,
		"Execute command in dry run mode"),
	HOY_OPTION(0, "env-file", HOY_OPTION_LIST, "stringArray", struct hoy_compose_globals, env_files,
		"Specify an alternate environment file"),
	HOY_OPTION('f', "file", HOY_OPTION_LIST, "stringArray", struct hoy_compose_globals, files,
		"Compose configuration files"),
	HOY_OPTION_REFUSE(0, "insecure-registry", "stringArray", "compose files don't come from registries here"),
	HOY_OPTION_HIDDEN(0, "no-ansi", HOY_OPTION_BOOL, NULL, struct hoy_compose_globals, no_ansi),
	HOY_OPTION(0, "parallel", HOY_OPTION_INT, "int", struct hoy_compose_globals, parallel,
		"Control max parallelism, -1 for unlimited (default -1)"),
	HOY_OPTION(0, "profile", HOY_OPTION_LIST, "stringArray", struct hoy_compose_globals, profiles,
		"Specify a profile to enable"),
	HOY_OPTION(0, "progress", HOY_OPTION_STRING, "string", struct hoy_compose_globals, progress,
		"Set type of progress output (auto, tty, plain, json, quiet)"),
	HOY_OPTION(0, "project-directory", HOY_OPTION_STRING, "string", struct hoy_compose_globals, project_directory,
		"Specify an alternate working directory\n(default: the path of the first specified Compose file)"),
	HOY_OPTION('p', "project-name", HOY_OPTION_STRING, "string", struct hoy_compose_globals, project_name,
		"Project name"),
	HOY_OPTION_REFUSE(0, "verbose", NULL, "use hoy -D compose: it tells every request"),
	HOY_OPTION('v', "version", HOY_OPTION_BOOL, NULL, struct hoy_compose_globals, version,
		"Show the version information"),
	HOY_OPTION_HIDDEN(0, "workdir", HOY_OPTION_STRING, "string", struct hoy_compose_globals, project_directory),
	HOY_OPTION_END,
};

int hoy_compose_globals_take(char **words, struct hoy_compose_globals *ret, bool *ret_help, struct hoy_err *err)
{
	struct hoy_compose_globals globals = { .parallel = -1 };
	auto_free char **rest = calloc(hoy_strv_len(words) + 1, sizeof *rest);
	size_t n;
	int r;

	if (!rest)
		return hoy_err_oom(err);
	r = hoy_options_parse(hoy_compose_global_options, (int) hoy_strv_len(words), words,
		HOY_OPTIONS_STOP_AT_ARGUMENT, &globals, rest, ret_help, err);
	if (r < 0) {
		hoy_compose_globals_done(&globals);
		return r;
	}
	n = hoy_strv_len(rest);
	memmove(words + 1, rest, (n + 1) * sizeof *rest);
	*ret = globals;
	return 0;
}

void hoy_compose_globals_done(struct hoy_compose_globals *globals)
{
	hoy_options_done(hoy_compose_global_options, globals);
}

bool hoy_compose_is_program(const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;
	const char *name = slash ? slash + 1 : program ? program : "";

	return strcmp(name, "docker-compose") == 0 || strcmp(name, "hoy-compose") == 0;
}

void hoy_compose_print_plugin(void)
{
	(void) puts("{\"SchemaVersion\":\"0.1.0\",\"Vendor\":\"Hoy\",\"Version\":\"" PACKAGE_VERSION
		    "\",\"ShortDescription\":\"Define and run multi-container applications\"}");
}
