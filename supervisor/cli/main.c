/* hoy's main: global options, which command, help. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/plugin.h"
#include "supervisor/cli/tls.h"
#include "supervisor/compose/globals.h"

struct globals {
	const char *host, *context, *config, *log_level;
	struct hoy_tls_flags tls;
	bool debug, version;
};

static const struct hoy_option global_options[] = {
	HOY_OPTION(0, "config", HOY_OPTION_STRING, "string", struct globals, config,
		"Directory of the client's configuration (default ~/.docker)"),
	HOY_OPTION('c', "context", HOY_OPTION_STRING, "string", struct globals, context, "Name of the context to use"),
	HOY_OPTION('D', "debug", HOY_OPTION_BOOL, NULL, struct globals, debug, "Enable debug mode"),
	HOY_OPTION('H', "host", HOY_OPTION_STRING, "string", struct globals, host, "Daemon socket to connect to"),
	HOY_OPTION('l', "log-level", HOY_OPTION_STRING, "string", struct globals, log_level,
		"Logging level: debug, info, warn, error (default info)"),
	HOY_OPTION(0, "tls", HOY_OPTION_BOOL, NULL, struct globals, tls.tls, "Use TLS; implied by --tlsverify"),
	HOY_OPTION(0, "tlscacert", HOY_OPTION_STRING, "string", struct globals, tls.ca,
		"Trust certs signed only by this CA (default ~/.docker/ca.pem)"),
	HOY_OPTION(0, "tlscert", HOY_OPTION_STRING, "string", struct globals, tls.cert,
		"Path to TLS certificate file (default ~/.docker/cert.pem)"),
	HOY_OPTION(0, "tlskey", HOY_OPTION_STRING, "string", struct globals, tls.key,
		"Path to TLS key file (default ~/.docker/key.pem)"),
	HOY_OPTION(0, "tlsverify", HOY_OPTION_BOOL, NULL, struct globals, tls.verify, "Use TLS and verify the remote"),
	HOY_OPTION(
		'v', "version", HOY_OPTION_BOOL, NULL, struct globals, version, "Print version information and quit"),
	HOY_OPTION_END,
};

/* At level debug every request is told with its status. */
static int set_log_level(const struct globals *globals, struct hoy_err *err)
{
	static const struct {
		const char *name;
		enum hoy_log_level level;
	} levels[] = { { "debug", HOY_LOG_DEBUG }, { "info", HOY_LOG_INFO }, { "warn", HOY_LOG_WARN },
		{ "error", HOY_LOG_ERROR }, { "fatal", HOY_LOG_ERROR } };
	const char *name = globals->debug ? "debug" : globals->log_level ? globals->log_level : "info";

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			hoy_log_setup(STDERR_FILENO, HOY_LOG_TEXT, levels[i].level);
			return 0;
		}
	}
	return hoy_err_invalid(err, "unable to parse logging level: %s (debug, info, warn, error)", name);
}

/* The line as it was typed, for those who get all of it. */
struct invocation {
	const struct globals *globals;
	char **argv;
};

static int help_of_all(const struct hoy_config *config)
{
	auto_(hoy_plugins_done) struct hoy_plugins plugins = {};
	struct hoy_err err;

	if (hoy_plugins_load(config, &plugins, &err) < 0)
		hoy_log_err(&err, "look for plugins");
	hoy_commands_help(global_options, &plugins, stdout);
	return 0;
}

/* Becomes the plugin of that name, if there is one: it reads the configuration itself, but does not know our default
 * socket. */
static void become_plugin(const struct invocation *invocation, const char *name, const struct hoy_config *config)
{
	const struct globals *globals = invocation->globals;
	auto_free char *path = hoy_plugin_find(config, name);
	auto_free char *context = hoy_context_current(globals->context, config);
	bool is_default = !globals->host && !getenv("DOCKER_HOST") && context && strcmp(context, "default") == 0;
	auto_free char *socket = is_default ? hoy_context_default_socket() : NULL;
	auto_free char *url = socket ? hoy_str_printf("unix://%s", socket) : NULL;
	struct hoy_err err;

	if (path && hoy_plugin_exec(path, invocation->argv, url, &err) < 0)
		hoy_log_err(&err, "plugin '%s'", name);
}

/* What stands where a command should: a plugin's name, a group's help, or a word that names nothing. */
static int no_command(const struct invocation *invocation, char *const *words, bool help)
{
	const struct hoy_command_group *group = words[0] ? hoy_command_group_find(words[0]) : NULL;
	const char *next = group ? words[1] : NULL;

	if (!group) {
		auto_(hoy_config_done) struct hoy_config config = {};
		struct hoy_err err;

		if (hoy_config_load(invocation->globals->config, &config, &err) < 0)
			hoy_log_err(&err, "plugins are not looked for");
		else if (words[0])
			become_plugin(invocation, words[0], &config);
		if (!words[0])
			return help_of_all(&config);
	}
	if (!group || (next && next[0] != '-'))
		return hoy_command_unknown(group, group ? next : words[0]);
	if (next && !help && strcmp(next, "--help") != 0 && strcmp(next, "-h") != 0) {
		(void) fprintf(stderr,
			"unknown flag: %s\n\nUsage:  hoy %s COMMAND\n\nRun 'hoy %s --help' for more information\n",
			next, group->name, group->name);
		return HOY_EXIT_ENGINE;
	}
	hoy_command_group_help(group, stdout);
	return 0;
}

static int help_for(const struct invocation *invocation, char *const *words)
{
	int used = 0;
	const struct hoy_command *command = words[0] ? hoy_command_find(words, &used) : NULL;

	if (!command)
		return no_command(invocation, words, /* help= */ true);
	hoy_command_help(command, command->name, stdout);
	return 0;
}

/* HttpHeaders of config.json go with every request. Names and values that would break out of a header are refused. */
static int add_headers(struct hoy_cli *cli, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_json_each(header, hoy_json_get(cli->config.root, "HttpHeaders"))
	{
		const char *value = hoy_json_string(header);

		if (!value || strpbrk(value, "\r\n") || strpbrk(hoy_json_key(header), "\r\n: "))
			return hoy_err_invalid(
				err, "HttpHeaders of config.json: '%s' is no header", hoy_json_key(header));
		(void) hoy_buf_addf(&text, "%s: %s\r\n", hoy_json_key(header), value);
	}
	if (!text.len)
		return 0;
	cli->host.headers = hoy_buf_take(&text);
	return cli->host.headers ? 0 : hoy_err_oom(err);
}

static int prepare(struct hoy_cli *cli, const struct globals *globals, struct hoy_err *err)
{
	int r = set_log_level(globals, err);

	if (r == 0)
		r = hoy_config_load(globals->config, &cli->config, err);
	if (r == 0 && !(cli->command->flags & HOY_COMMAND_NO_HOST))
		r = hoy_context_resolve(
			globals->host, globals->context, &cli->config, &cli->host, &cli->default_host, err);
	if (r == 0 && !(cli->command->flags & HOY_COMMAND_NO_HOST))
		r = hoy_tls_configure(&cli->host, &globals->tls, cli->config.dir, err);
	if (r == 0)
		r = add_headers(cli, err);
	return r;
}

/* The words of `hoy`, or of `docker-compose`, whose name stands for the first of them. -1: told what was wrong. */
static int take_words(int argc, char **argv, struct globals *globals, char **words, bool *help)
{
	static char compose[] = "compose";
	bool program = hoy_compose_is_program(argc ? argv[0] : NULL);
	struct hoy_err err;

	if (hoy_options_parse(global_options, argc, argv, HOY_OPTIONS_STOP_AT_ARGUMENT, globals, words, help, &err) <
		0) {
		if (!program) {
			(void) fprintf(stderr,
				"%s\n\nUsage:  hoy [OPTIONS] COMMAND [ARG...]\n\nRun 'hoy --help' for more information\n",
				hoy_err_str(&err));
			return -1;
		}
		/* It is one of compose's. */
		*globals = (struct globals){ 0 };
		memcpy(words, argv + 1, (size_t) argc * sizeof *words);
	}
	if (program && (*help || !words[0] || strcmp(words[0], compose) != 0)) {
		memmove(words + 1, words, hoy_strv_len(words) * sizeof *words);
		words[0] = compose;
	}
	return 0;
}

/* The options between "compose" and its command. -1: told what was wrong; 1: told what was asked. */
static int take_compose(struct hoy_cli *cli, char **words, struct hoy_compose_globals *compose, bool *help)
{
	struct hoy_err err;

	if (hoy_compose_globals_take(words, compose, help, &err) < 0) {
		(void) fprintf(stderr,
			"%s\n\nUsage:  hoy compose [OPTIONS] COMMAND\n\nRun 'hoy compose --help' for more information\n",
			hoy_err_str(&err));
		return -1;
	}
	cli->compose = compose;
	if (compose->version)
		(void) puts("Hoy Compose version v" PACKAGE_VERSION);
	else if (words[1] && strcmp(words[1], "docker-cli-plugin-metadata") == 0)
		hoy_compose_print_plugin();
	else
		return 0;
	return 1;
}

static int run(struct hoy_cli *cli, const struct invocation *invocation, char **words)
{
	const struct globals *globals = invocation->globals;
	auto_free char *called = NULL;
	struct hoy_err err;
	int used = 0, r;

	cli->debug = globals->debug;
	cli->command = words[0] ? hoy_command_find(words, &used) : NULL;
	if (!cli->command)
		return no_command(invocation, words, /* help= */ false);
	cli->called = called = used == 1 ? strdup(words[0]) : hoy_str_printf("%s %s", words[0], words[1]);
	r = called ? prepare(cli, globals, &err) : hoy_err_oom(&err);
	/* The command's own words start with its (last) name. */
	return r < 0 ? hoy_cli_fail(cli, 1, &err)
		     : hoy_command_run(cli, cli->command, (int) hoy_strv_len(words) - used + 1, words + used - 1);
}

int main(int argc, char **argv)
{
	auto_free char **words = calloc((size_t) argc + 2, sizeof *words);
	auto_(hoy_compose_globals_done) struct hoy_compose_globals compose = {};
	struct hoy_cli cli = { .program = "hoy" };
	struct globals globals = {};
	const struct invocation invocation = { &globals, argv };
	bool help = false;
	int r;

	if (!words || hoy_fd_ensure_stdio() < 0)
		return 1;
	(void) signal(SIGPIPE, SIG_IGN);
	if (take_words(argc, argv, &globals, words, &help) < 0)
		return HOY_EXIT_ENGINE;
	if (globals.version) {
		(void) puts("Hoy version " PACKAGE_VERSION);
		return 0;
	}
	if (!help && words[0] && strcmp(words[0], "compose") == 0) {
		r = take_compose(&cli, words, &compose, &help);
		if (r != 0)
			return r < 0 ? HOY_EXIT_ENGINE : 0;
	}
	if (help || (words[0] && strcmp(words[0], "help") == 0))
		return help_for(&invocation, help ? words : words + 1);
	r = run(&cli, &invocation, words);
	hoy_http_host_done(&cli.host);
	hoy_config_done(&cli.config);
	return r;
}
