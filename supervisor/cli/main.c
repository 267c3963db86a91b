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
#include "supervisor/cli/context.h"

static const struct hoy_command *const commands[] = {
	&hoy_cmd_run,
	&hoy_cmd_create,
	&hoy_cmd_start,
	&hoy_cmd_ps,
	&hoy_cmd_pull,
	&hoy_cmd_logs,
	&hoy_cmd_attach,
	&hoy_cmd_stop,
	&hoy_cmd_kill,
	&hoy_cmd_wait,
	&hoy_cmd_rm,
	&hoy_cmd_inspect,
	&hoy_cmd_images,
	&hoy_cmd_load,
	&hoy_cmd_import,
	&hoy_cmd_rmi,
	&hoy_cmd_version,
	&hoy_cmd_info,
};

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

static void print_help(FILE *out)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_adds(&text,
		"Usage:  hoy [OPTIONS] COMMAND\n\nContainers, images and networks on this machine\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void) hoy_buf_addf(&text, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	hoy_options_help(global_options, &text);
	(void) hoy_buf_adds(&text, "\nRun 'hoy COMMAND --help' for more information on a command.\n");
	(void) fputs(text.data, out);
}

static void print_command_help(const struct hoy_command *command)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	(void) hoy_buf_addf(&text, "Usage:  hoy %s%s %s\n\n%s\n", command->name,
		command->options->name ? " [OPTIONS]" : "", command->args, command->summary);
	if (command->alias)
		(void) hoy_buf_addf(&text, "\nAliases:\n  hoy %s, hoy %s\n", command->alias, command->name);
	hoy_options_help(command->options, &text);
	(void) fputs(text.data, stdout);
}

/* "container ls" takes two words, "ps" one; *ret_words tells how many. */
static const struct hoy_command *find_command(char *const *words, int n, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		auto_ptr(hoy_strv_free) char **alias = commands[i]->alias ? hoy_str_split(commands[i]->alias, ' ')
									  : NULL;
		int len = (int) hoy_strv_len(alias);
		bool same = alias && len <= n;

		for (int w = 0; same && w < len; w++)
			same = strcmp(alias[w], words[w]) == 0;
		if (same) {
			*ret_words = len;
			return commands[i];
		}
		if (strcmp(commands[i]->name, words[0]) == 0) {
			*ret_words = 1;
			return commands[i];
		}
	}
	return NULL;
}

/* Levenshtein distance, for "did you mean". Words are short. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[64];

	if (la > 60 || lb > 60)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			best = MIN(best, above + 1);
			row[j] = MIN(best, row[j - 1] + 1);
			diagonal = above;
		}
	}
	return row[lb];
}

/* Commands of docker's that this version has not: a clear word instead of "unknown". */
static const char *const unsupported[] = { "build", "builder", "buildx", "checkpoint", "commit", "compose", "config",
	"container", "context", "cp", "diff", "events", "exec", "export", "history", "image", "login", "logout",
	"manifest", "network", "node", "pause", "plugin", "port", "push", "rename", "restart", "save", "search",
	"secret", "service", "stack", "stats", "swarm", "system", "tag", "top", "trust", "unpause", "update", "volume",
	NULL };

static int unknown_command(const char *word)
{
	const char *near = NULL;
	size_t best = 3;

	if (hoy_strv_has((char *const *) unsupported, word)) {
		(void) fprintf(stderr, "hoy: 'hoy %s' is not supported by this version\n", word);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t d = distance(word, commands[i]->name);

		if (d < best) {
			best = d;
			near = commands[i]->name;
		}
	}
	(void) fprintf(stderr, "hoy: unknown command: hoy %s\n", word);
	if (near)
		(void) fprintf(stderr, "\nDid you mean this?\n        %s\n", near);
	(void) fprintf(stderr, "\nRun 'hoy --help' for the commands there are\n");
	return 1;
}

static int check_arg_count(const struct hoy_command *command, size_t n, struct hoy_err *err)
{
	if (n >= command->min_args && n <= command->max_args)
		return 0;
	if (command->max_args == 0)
		return hoy_err_invalid(err, "'hoy %s' accepts no arguments", command->name);
	if (command->min_args == command->max_args)
		return hoy_err_invalid(err, "'hoy %s' requires %zu argument%s", command->name, command->min_args,
			command->min_args == 1 ? "" : "s");
	return hoy_err_invalid(err, "'hoy %s' requires at %s %zu argument%s", command->name,
		n < command->min_args ? "least" : "most", n < command->min_args ? command->min_args : command->max_args,
		(n < command->min_args ? command->min_args : command->max_args) == 1 ? "" : "s");
}

/* A wrong command line exits with 125, as docker's. */
static int usage_error(const struct hoy_command *command, const struct hoy_err *err)
{
	(void) fprintf(stderr, "%s\n\nUsage:  hoy %s%s %s\n\nRun 'hoy %s --help' for more information\n",
		hoy_err_str(err), command->name, command->options->name ? " [OPTIONS]" : "", command->args,
		command->name);
	return HOY_EXIT_ENGINE;
}

static int run_command(struct hoy_cli *cli, int argc, char **argv)
{
	const struct hoy_command *command = cli->command;
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
	r = hoy_options_parse(command->options, argc, argv, command->flags, values, args, &help, &err);
	if (help) {
		print_command_help(command);
		r = 0;
	} else {
		if (r == 0) {
			cli->args = args;
			cli->n_args = hoy_strv_len(args);
			cli->values = cli->values_rw = values;
			r = check_arg_count(command, cli->n_args, &err);
		}
		r = r < 0 ? usage_error(command, &err) : command->run(cli);
	}
	hoy_options_done(command->options, values);
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

int main(int argc, char **argv)
{
	auto_free char **words = calloc((size_t) argc + 1, sizeof *words);
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
		(void) fprintf(stderr, "hoy: %s\n\nRun 'hoy --help' for more information\n", hoy_err_str(&err));
		return HOY_EXIT_ENGINE;
	}
	if (globals.version) {
		(void) puts("Hoy version " PACKAGE_VERSION);
		return 0;
	}
	if (help || !words[0]) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(words[0], "help") == 0) {
		cli.command = words[1] ? find_command(words + 1, (int) hoy_strv_len(words + 1), &used) : NULL;
		if (words[1] && !cli.command)
			return unknown_command(words[1]);
		if (cli.command)
			print_command_help(cli.command);
		else
			print_help(stdout);
		return 0;
	}
	r = hoy_context_resolve(globals.host, globals.context, globals.config, &cli.host, &cli.default_host, &err);
	if (r < 0)
		return hoy_cli_fail(&cli, 1, &err);
	r = set_log_level(&globals, &err);
	if (r < 0)
		return hoy_cli_fail(&cli, 1, &err);
	cli.command = find_command(words, (int) hoy_strv_len(words), &used);
	/* The command's own words start with its (last) name. */
	r = cli.command ? run_command(&cli, (int) hoy_strv_len(words) - used + 1, words + used - 1)
			: unknown_command(words[0]);
	hoy_http_host_done(&cli.host);
	return r;
}
