/* The man pages of the commands, from the same table as their help: `hoy __man` lists the pages with their commands,
 * `hoy __man COMMAND` prints one as scdoc. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/commands.h"

/* Text with what scdoc would read escaped; a new line stays one. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			(void) fputs("++\n\t", stdout);
		else if (strchr("_*\\~`", *text))
			(void) printf("\\%c", *text);
		else
			(void) putchar(*text);
	}
}

static void print_page_name(const char *name)
{
	(void) fputs("hoy-", stdout);
	for (; *name; name++)
		(void) putchar(*name == ' ' ? '-' : *name);
}

static void print_option(const struct hoy_option *o)
{
	if (o->letter)
		(void) printf("*-%c*, ", o->letter);
	(void) printf("*--%s*", o->name);
	if (o->value) {
		(void) fputs(" _", stdout);
		print_text(o->value);
		(void) putchar('_');
	}
	(void) fputs("\n\t", stdout);
	print_text(o->help);
	(void) fputs("\n\n", stdout);
}

static int by_name(const void *a, const void *b)
{
	const struct hoy_option *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int print_options(const struct hoy_option *options)
{
	auto_free const struct hoy_option **sorted = NULL;
	size_t n = 0, all = 0;

	while (options[all].name)
		all++;
	sorted = calloc(all + 1, sizeof *sorted);
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < all; i++)
		if (!options[i].hidden)
			sorted[n++] = &options[i];
	if (!n)
		return 0;
	qsort(sorted, n, sizeof *sorted, by_name);
	(void) fputs("# OPTIONS\n\n", stdout);
	for (size_t i = 0; i < n; i++)
		print_option(sorted[i]);
	return 0;
}

static int print_page(const struct hoy_command *command)
{
	int r = 0;

	print_page_name(command->name);
	(void) printf("(1)\n\n# NAME\n\nhoy %s - %c", command->name, tolower((unsigned char) command->summary[0]));
	print_text(command->summary + 1);
	(void) printf("\n\n# SYNOPSIS\n\n*hoy %s*%s ", command->name,
		command->options && command->options->name ? " [_OPTIONS_]" : "");
	print_text(command->args);
	(void) fputs("\n\n# DESCRIPTION\n\n", stdout);
	print_text(command->summary);
	(void) fputs(".", stdout);
	if (command->alias)
		(void) printf(" Other names: *hoy* with *%s*.", command->alias);
	(void) fputs(" The engine is chosen as *hoy*(1) tells.\n\n", stdout);
	if (command->options)
		r = print_options(command->options);
	(void) fputs("# SEE ALSO\n\n*hoy*(1), *hoyd*(8)\n", stdout);
	return r;
}

static int cmd_man(struct hoy_cli *cli)
{
	const struct hoy_command *command;
	struct hoy_err err;
	int used;

	if (!cli->n_args) {
		for (size_t i = 0; hoy_commands[i]; i++) {
			if (hoy_commands[i]->flags & HOY_COMMAND_HIDDEN)
				continue;
			print_page_name(hoy_commands[i]->name);
			(void) printf(".1 %s\n", hoy_commands[i]->name);
		}
		return 0;
	}
	command = hoy_command_find(cli->args, &used);
	if (!command)
		return hoy_command_unknown(NULL, cli->args[0]);
	if (print_page(command) == 0)
		return 0;
	(void) hoy_err_oom(&err);
	return hoy_cli_fail(cli, 1, &err);
}

const struct hoy_command hoy_cmd_man = {
	.name = "__man",
	.args = "[COMMAND...]",
	.max_args = SIZE_MAX,
	.summary = "Print the manual of a command as scdoc",
	.flags = HOY_COMMAND_HIDDEN | HOY_COMMAND_NO_HOST,
	.run = cmd_man,
};
