/* Completion: scripts for shells, and what they ask: `hoy __complete -- WORD...`, the last word being typed. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/commands.h"
#include "supervisor/compose/globals.h"

static const char bash_script[] =
	"# bash completion for hoy\n"
	"_hoy()\n"
	"{\n"
	"    local line word=${COMP_WORDS[COMP_CWORD]}\n"
	"    COMPREPLY=()\n"
	"    while IFS= read -r line; do\n"
	"        COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
	"    done < <(\"${COMP_WORDS[0]}\" __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"    [ ${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null\n"
	"    : \"$word\"\n"
	"}\n"
	"complete -F _hoy hoy\n";

static const char zsh_script[] = "#compdef hoy\n"
				 "_hoy()\n"
				 "{\n"
				 "    local line\n"
				 "    local -a found\n"
				 "    while IFS= read -r line; do\n"
				 "        found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
				 "    done < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
				 "    if (( ${#found} )); then _describe hoy found; else _files; fi\n"
				 "}\n"
				 "compdef _hoy hoy\n";

static const char fish_script[] = "# fish completion for hoy\n"
				  "function __hoy_complete\n"
				  "    set -l words (commandline -opc) (commandline -ct)\n"
				  "    hoy __complete -- $words[2..-1] 2>/dev/null\n"
				  "end\n"
				  "complete -c hoy -f -a '(__hoy_complete)'\n";

static int cmd_completion(struct hoy_cli *cli)
{
	static const struct {
		const char *shell, *script;
	} rows[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };
	struct hoy_err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(cli->args[0], rows[i].shell) == 0) {
			(void) fputs(rows[i].script, stdout);
			return 0;
		}
	}
	(void) hoy_err_invalid(&err, "there is no completion for '%s': bash, zsh or fish", cli->args[0]);
	return hoy_cli_fail(cli, 1, &err);
}

const struct hoy_command hoy_cmd_completion = {
	.name = "completion",
	.args = "SHELL",
	.min_args = 1,
	.max_args = 1,
	.summary = "Print the completion script for bash, zsh or fish",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_completion,
};

/* --- what is asked ----------------------------------------------------------- */

static void offer(const char *name, size_t len, const char *about, const char *typed)
{
	size_t first = strcspn(about, "\n");

	if (strncmp(name, typed, MIN(strlen(typed), len)) == 0 && strlen(typed) <= len)
		(void) printf("%.*s\t%.*s\n", (int) len, name, (int) first, about);
}

static void offer_commands(const char *group, const char *typed)
{
	for (size_t i = 0; hoy_commands[i]; i++) {
		size_t len;
		const char *name = hoy_commands[i]->flags & HOY_COMMAND_HIDDEN
					   ? NULL
					   : hoy_command_name_in(hoy_commands[i], group, &len);

		if (name)
			offer(name, len, hoy_commands[i]->summary, typed);
	}
	for (const struct hoy_command_group *g = group ? NULL : hoy_command_groups; g && g->name; g++)
		offer(g->name, strlen(g->name), g->summary, typed);
}

static void offer_options(const struct hoy_option *o, const char *typed)
{
	for (; o && o->name; o++) {
		auto_free char *flag = hoy_str_printf("--%s", o->name);

		if (flag && !o->hidden)
			offer(flag, strlen(flag), o->help, typed);
	}
	offer("--help", strlen("--help"), "Print usage", typed);
}

/* The names of a list of objects: those at `member`, a text or a list of them; or in the list at `inside`. */
static void offer_names(
	struct hoy_cli *cli, const char *path, const char *inside, const char *member, const char *typed)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	const struct hoy_json *list;

	if (hoy_cli_call(cli, "GET", path, NULL, &answer, NULL) < 0)
		return;
	list = inside ? hoy_json_get(answer, inside) : answer;
	hoy_json_each(object, list)
	{
		const struct hoy_json *names = hoy_json_get(object, member);
		const char *one = hoy_json_string(names);

		if (one)
			offer(one, strlen(one), "", typed);
		hoy_json_each(name, names)
		{
			const char *text = hoy_json_string(name);

			text = text && text[0] == '/' ? text + 1 : text;
			if (text && !strchr(text, '<'))
				offer(text, strlen(text), "", typed);
		}
	}
}

/* The names of secrets or configs: inside "Spec". */
static void offer_specs(struct hoy_cli *cli, const char *path, const char *typed)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;

	if (hoy_cli_call(cli, "GET", path, NULL, &answer, NULL) < 0)
		return;
	hoy_json_each(object, answer)
	{
		const char *name = hoy_json_string(hoy_json_get(hoy_json_get(object, "Spec"), "Name"));

		if (name)
			offer(name, strlen(name), "", typed);
	}
}

/* The objects that stand where the word is: by the command's own words for its arguments. */
static void offer_objects(struct hoy_cli *cli, const struct hoy_command *command, size_t nth, const char *typed)
{
	auto_ptr(hoy_strv_free) char **names = hoy_str_split(command->args, ' ');
	size_t n = hoy_strv_len(names);
	const char *what = n ? names[MIN(nth, n - 1)] : "";

	if (nth >= command->max_args && command->max_args != SIZE_MAX)
		return;
	if (strstr(what, "CONTAINER") || strstr(what, "NAME|ID"))
		offer_names(cli, "/containers/json?all=1", NULL, "Names", typed);
	if (strstr(what, "IMAGE") || strstr(what, "REPOSITORY") || strstr(what, "NAME|ID"))
		offer_names(cli, "/images/json", NULL, "RepoTags", typed);
	if (strstr(what, "NETWORK"))
		offer_names(cli, "/networks", NULL, "Name", typed);
	if (strstr(what, "VOLUME"))
		offer_names(cli, "/volumes", "Volumes", "Name", typed);
	if (strstr(what, "SECRET"))
		offer_specs(cli, "/secrets", typed);
	if (strstr(what, "CONFIG"))
		offer_specs(cli, "/configs", typed);
}

/* Arguments before the word that is being typed; options with their values don't count. */
static size_t count_arguments(const struct hoy_command *command, char *const *words, size_t n)
{
	size_t arguments = 0;

	for (size_t i = 0; i < n; i++) {
		const struct hoy_option *o = command->options;

		if (words[i][0] != '-') {
			arguments++;
			continue;
		}
		while (o && o->name &&
			!(words[i][1] == '-' ? strcmp(o->name, words[i] + 2) == 0
					     : o->letter == words[i][strlen(words[i]) - 1]))
			o++;
		i += o && o->name && o->value;
	}
	return arguments;
}

static int cmd_complete(struct hoy_cli *cli)
{
	static char nothing[] = "";
	size_t n = cli->n_args;
	char *typed = n ? cli->args[n - 1] : nothing;
	auto_(hoy_compose_globals_done) struct hoy_compose_globals compose = {};
	const struct hoy_command *command;
	bool help = false;
	int used = 0;

	if (n)
		cli->args[n - 1] = NULL; /* the words before it */
	n = n ? n - 1 : 0;
	/* What stands between "compose" and its command is no part of its name. */
	if (n > 1 && strcmp(cli->args[0], "compose") == 0 &&
		hoy_compose_globals_take(cli->args, &compose, &help, NULL) == 0)
		n = hoy_strv_len(cli->args);
	command = n ? hoy_command_find(cli->args, &used) : NULL;
	if (!n)
		offer_commands(NULL, typed);
	else if (!command && n == 1 && hoy_command_group_find(cli->args[0]))
		offer_commands(cli->args[0], typed);
	else if (command && typed[0] == '-')
		offer_options(command->options, typed);
	else if (command)
		offer_objects(cli, command, count_arguments(command, cli->args + used, n - (size_t) used), typed);
	return 0;
}

const struct hoy_command hoy_cmd_complete = {
	.name = "__complete",
	.args = "[WORD...]",
	.max_args = SIZE_MAX,
	.summary = "Words that may stand where the last one is typed",
	.flags = HOY_COMMAND_HIDDEN | HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_complete,
};
