/* hoy's main: global options, which command, help. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/context.h"

struct globals {
	const char *host, *context, *config, *log_level;
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
	HOY_OPTION_REFUSE(0, "tls", NULL, "TLS hosts are not served yet; use ssh -L or a unix socket"),
	HOY_OPTION_REFUSE(0, "tlscacert", "string", "TLS hosts are not served yet; use ssh -L or a unix socket"),
	HOY_OPTION_REFUSE(0, "tlscert", "string", "TLS hosts are not served yet; use ssh -L or a unix socket"),
	HOY_OPTION_REFUSE(0, "tlskey", "string", "TLS hosts are not served yet; use ssh -L or a unix socket"),
	HOY_OPTION_REFUSE(0, "tlsverify", NULL, "TLS hosts are not served yet; use ssh -L or a unix socket"),
	HOY_OPTION(
		'v', "version", HOY_OPTION_BOOL, NULL, struct globals, version, "Print version information and quit"),
	HOY_OPTION_END,
};

static int run_command(struct hoy_cli *cli, int argc, char **argv)
{
	static const struct hoy_option none[] = { HOY_OPTION_END };
	const struct hoy_command *command = cli->command;
	const struct hoy_option *options = command->options ? command->options : none;
	auto_free char **args = calloc((size_t) argc + 1, sizeof *args);
	auto_free void *values = calloc(1, command->values_size + 1);
	struct hoy_err err;
	bool help;
	int r;

	if (!args || !values) {
		(void) hoy_err_oom(&err);
		return hoy_cli_fail(cli, 1, &err);
	}
	if (command->defaults)
		memcpy(values, command->defaults, command->values_size);
	r = hoy_options_parse(options, argc, argv, command->flags, values, args, &help, &err);
	if (help) {
		hoy_command_help(command, cli->called, stdout);
		r = 0;
	} else if (r < 0) {
		hoy_command_usage_error(command, cli->called, hoy_err_str(&err));
		r = HOY_EXIT_ENGINE;
	} else {
		cli->args = args;
		cli->n_args = hoy_strv_len(args);
		cli->values = cli->values_rw = values;
		if (hoy_command_check_args(command, cli->called, cli->n_args, &err) < 0) {
			auto_free char *text = hoy_str_printf("hoy: %s", hoy_err_str(&err));

			hoy_command_usage_error(command, cli->called, text ? text : "");
			r = 1;
		} else {
			r = command->run(cli);
		}
	}
	hoy_options_done(options, values);
	return r;
}

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

/* What stands where a command should: a group's help, or a word that names nothing. */
static int no_command(char *const *words, bool help)
{
	const struct hoy_command_group *group = words[0] ? hoy_command_group_find(words[0]) : NULL;
	const char *next = group ? words[1] : NULL;

	if (!words[0]) {
		hoy_commands_help(global_options, stdout);
		return 0;
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

static int help_for(char *const *words)
{
	int used = 0;
	const struct hoy_command *command = words[0] ? hoy_command_find(words, &used) : NULL;

	if (!command)
		return no_command(words, /* help= */ true);
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
	if (r == 0)
		r = add_headers(cli, err);
	return r;
}

int main(int argc, char **argv)
{
	auto_free char **words = calloc((size_t) argc + 1, sizeof *words);
	auto_free char *called = NULL;
	struct hoy_cli cli = { .program = "hoy" };
	struct globals globals = {};
	struct hoy_err err;
	int used = 0, r;
	bool help;

	if (!words || hoy_fd_ensure_stdio() < 0)
		return 1;
	(void) signal(SIGPIPE, SIG_IGN);
	r = hoy_options_parse(global_options, argc, argv, HOY_OPTIONS_STOP_AT_ARGUMENT, &globals, words, &help, &err);
	if (r < 0) {
		(void) fprintf(stderr,
			"%s\n\nUsage:  hoy [OPTIONS] COMMAND [ARG...]\n\nRun 'hoy --help' for more information\n",
			hoy_err_str(&err));
		return HOY_EXIT_ENGINE;
	}
	if (globals.version) {
		(void) puts("Hoy version " PACKAGE_VERSION);
		return 0;
	}
	if (help || (words[0] && strcmp(words[0], "help") == 0))
		return help_for(help ? words : words + 1);
	cli.debug = globals.debug;
	cli.command = words[0] ? hoy_command_find(words, &used) : NULL;
	if (!cli.command)
		return no_command(words, /* help= */ false);
	cli.called = called = used == 1 ? strdup(words[0]) : hoy_str_printf("%s %s", words[0], words[1]);
	r = called ? prepare(&cli, &globals, &err) : hoy_err_oom(&err);
	/* The command's own words start with its (last) name. */
	r = r < 0 ? hoy_cli_fail(&cli, 1, &err)
		  : run_command(&cli, (int) hoy_strv_len(words) - used + 1, words + used - 1);
	hoy_http_host_done(&cli.host);
	hoy_config_done(&cli.config);
	return r;
}
