/* Finding a command by the words that were typed, and the help that comes out of the table. */
#ifndef HOY_CLI_COMMANDS_H
#define HOY_CLI_COMMANDS_H

#include <stdio.h>

#include "supervisor/cli/cli.h"
#include "supervisor/cli/plugin.h"

/* "network": a word that is followed by one of its commands. */
struct hoy_command_group {
	const char *name, *summary;
};

/* NULL-terminated, in the order of commands.def. */
extern const struct hoy_command *const hoy_commands[];
/* Ends with a NULL name. */
extern const struct hoy_command_group hoy_command_groups[];

/* The command for the first one or two of `words`; *ret_words tells how many it took. NULL: none. */
const struct hoy_command *hoy_command_find(char *const *words, int *ret_words);
const struct hoy_command_group *hoy_command_group_find(const char *word);

/* The word under which `command` stands in `group` ("ls" for ps in container), or NULL. `group` NULL: at the top. The
 * word is *ret_len bytes of the row, not terminated. */
const char *hoy_command_name_in(const struct hoy_command *command, const char *group, size_t *ret_len);

/* Of all commands, and of plugins, which stand with a star. */
void hoy_commands_help(const struct hoy_option *globals, const struct hoy_plugins *plugins, FILE *out);
void hoy_command_group_help(const struct hoy_command_group *group, FILE *out);
/* `called`: the words that were typed. */
void hoy_command_help(const struct hoy_command *command, const char *called, FILE *out);

/* A word that names nothing: the text and the exit status for it. `group` NULL: at the top. */
int hoy_command_unknown(const struct hoy_command_group *group, const char *word);

/* Refused numbers of arguments, in docker's words. */
int hoy_command_check_args(const struct hoy_command *command, const char *called, size_t n, struct hoy_err *err);

/* Parses the words of `command` (the first is its name) and runs it: its exit status. */
int hoy_command_run(struct hoy_cli *cli, const struct hoy_command *command, int argc, char **argv);

/* Tells what is wrong with a command line, and the usage. */
void hoy_command_usage_error(const struct hoy_command *command, const char *called, const char *text);

#endif
