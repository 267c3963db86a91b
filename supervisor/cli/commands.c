/* The table of commands: look-up, help, what is told about wrong command lines. */
#include "supervisor/cli/commands.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/globals.h"

const struct hoy_command *const hoy_commands[] = {
#define HOY_COMMAND(name) &hoy_cmd_##name,
#include "supervisor/cli/commands.def"
#undef HOY_COMMAND
	NULL,
};

const struct hoy_command_group hoy_command_groups[] = {
	{ "builder", "Manage builds" },
	{ "buildx", "Docker Buildx" },
	{ "checkpoint", "Manage checkpoints" },
	{ "compose", "Define and run multi-container applications" },
	{ "config", "Manage configs" },
	{ "container", "Manage containers" },
	{ "context", "Manage contexts" },
	{ "image", "Manage images" },
	{ "manifest", "Manage image manifests and manifest lists" },
	{ "network", "Manage networks" },
	{ "plugin", "Manage plugins" },
	{ "secret", "Manage secrets" },
	{ "system", "Manage the engine" },
	{ "volume", "Manage volumes" },
	{},
};

/* What docker's users do most, in the order they know it. */
static const char *const common[] = { "run", "exec", "ps", "build", "pull", "push", "images", "login", "logout",
	"search", "version", "info", NULL };

/* Commands of docker's that this version has not: a clear word instead of "unknown". */
static const char *const unsupported[] = { "compose", "cp", "diff", "exec", "node", "pause", "plugin", "port", "rename",
	"restart", "service", "stack", "swarm", "top", "trust", "unpause", "update", NULL };

/* One of the names of a row: they are separated by ", ". */
static bool next_name(const char **rest, const char **name, size_t *len)
{
	if (!*rest || !**rest)
		return false;
	*name = *rest;
	*len = strcspn(*rest, ",");
	*rest += *len;
	*rest += strspn(*rest, ", ");
	return true;
}

/* Does the name consist of the first words? Returns how many it has, else 0. */
static int matches(const char *name, size_t len, char *const *words)
{
	int n = 0;

	while (len) {
		size_t word = 0;

		if (!words[n])
			return 0;
		while (word < len && name[word] != ' ')
			word++;
		if (strncmp(words[n], name, word) != 0 || words[n][word])
			return 0;
		n++;
		name += word + (word < len);
		len -= word + (word < len);
	}
	return n;
}

static int row_matches(const struct hoy_command *command, char *const *words)
{
	const char *rest = command->alias, *name;
	size_t len;
	int n = matches(command->name, strlen(command->name), words);

	while (!n && next_name(&rest, &name, &len))
		n = matches(name, len, words);
	return n;
}

/* The longest name counts: "compose convert kubernetes" before "compose convert". */
const struct hoy_command *hoy_command_find(char *const *words, int *ret_words)
{
	const struct hoy_command *found = NULL;

	*ret_words = 0;
	for (size_t i = 0; hoy_commands[i]; i++) {
		int n = row_matches(hoy_commands[i], words);

		if (n > *ret_words) {
			*ret_words = n;
			found = hoy_commands[i];
		}
	}
	return found;
}

const struct hoy_command_group *hoy_command_group_find(const char *word)
{
	for (const struct hoy_command_group *g = hoy_command_groups; g->name; g++)
		if (strcmp(g->name, word) == 0)
			return g;
	return NULL;
}

static const char *part_in(const char *name, size_t len, const char *group, size_t *ret_len)
{
	size_t skip = group ? strlen(group) + 1 : 0;

	if (group && (len <= skip || strncmp(name, group, skip - 1) != 0 || name[skip - 1] != ' '))
		return NULL;
	if (memchr(name + skip, ' ', len - skip))
		return NULL;
	*ret_len = len - skip;
	return name + skip;
}

const char *hoy_command_name_in(const struct hoy_command *command, const char *group, size_t *ret_len)
{
	const char *rest = command->alias, *name, *part;
	size_t len;

	part = part_in(command->name, strlen(command->name), group, ret_len);
	while (!part && next_name(&rest, &name, &len))
		part = part_in(name, len, group, ret_len);
	return part;
}

/* --- help -------------------------------------------------------------------- */

struct line {
	const char *name, *summary;
	size_t len;
};

static int by_line_name(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strncmp(x->name, y->name, MIN(x->len, y->len));

	return order ? order : (int) x->len - (int) y->len;
}

static void print_lines(struct line *lines, size_t n, bool sort, FILE *out)
{
	if (sort)
		qsort(lines, n, sizeof *lines, by_line_name);
	for (size_t i = 0; i < n; i++)
		(void) fprintf(out, "  %.*s%*s%s\n", (int) lines[i].len, lines[i].name,
			(int) MAX((size_t) 12, lines[i].len + 1) - (int) lines[i].len, "", lines[i].summary);
}

#define MAX_LINES 256

static size_t lines_of(const char *group, struct line *lines)
{
	size_t n = 0;

	for (size_t i = 0; hoy_commands[i] && n < MAX_LINES; i++) {
		struct line line = { .summary = hoy_commands[i]->summary };

		if (hoy_commands[i]->flags & HOY_COMMAND_HIDDEN)
			continue;
		line.name = hoy_command_name_in(hoy_commands[i], group, &line.len);
		if (line.name)
			lines[n++] = line;
	}
	return n;
}

static bool is_common(const struct line *line)
{
	for (size_t i = 0; common[i]; i++)
		if (strlen(common[i]) == line->len && strncmp(common[i], line->name, line->len) == 0)
			return true;
	return false;
}

static void print_plugins(const struct hoy_plugins *plugins, FILE *out)
{
	if (plugins->n)
		(void) fputs("\nPlugins:\n", out);
	for (size_t i = 0; i < plugins->n; i++) {
		const struct hoy_plugin *p = &plugins->list[i];

		(void) fprintf(out, "  %s*%*s%s (%s%s%s)\n", p->name, MAX(11 - (int) strlen(p->name), 1), "",
			p->summary, p->vendor, *p->version ? ", " : "", p->version);
	}
}

void hoy_commands_help(const struct hoy_option *globals, const struct hoy_plugins *plugins, FILE *out)
{
	auto_(hoy_buf_done) struct hoy_buf options = {};
	struct line lines[MAX_LINES], group_lines[32], inside[MAX_LINES];
	size_t n = lines_of(NULL, lines), n_groups = 0, rest = 0;

	(void) fputs(
		"Usage:  hoy [OPTIONS] COMMAND\n\nContainers, images and networks on this machine\n\nCommon Commands:\n",
		out);
	for (size_t c = 0; common[c]; c++)
		for (size_t i = 0; i < n; i++)
			if (strlen(common[c]) == lines[i].len && strncmp(common[c], lines[i].name, lines[i].len) == 0)
				print_lines(&lines[i], 1, /* sort= */ false, out);
	(void) fputs("\nManagement Commands:\n", out);
	for (const struct hoy_command_group *g = hoy_command_groups; g->name; g++)
		if (lines_of(g->name, inside))
			group_lines[n_groups++] = (struct line){ g->name, g->summary, strlen(g->name) };
	print_lines(group_lines, n_groups, /* sort= */ true, out);
	(void) fputs("\nCommands:\n", out);
	for (size_t i = 0; i < n; i++)
		if (!is_common(&lines[i]))
			lines[rest++] = lines[i];
	print_lines(lines, rest, /* sort= */ true, out);
	print_plugins(plugins, out);
	hoy_options_help(globals, "Global Options", &options);
	(void) fputs(options.data ? options.data : "", out);
	(void) fputs("\nRun 'hoy COMMAND --help' for more information on a command.\n", out);
}

void hoy_command_group_help(const struct hoy_command_group *group, FILE *out)
{
	struct line lines[MAX_LINES];
	size_t n = lines_of(group->name, lines);
	const struct hoy_option *own = strcmp(group->name, "compose") == 0 ? hoy_compose_global_options : NULL;
	auto_(hoy_buf_done) struct hoy_buf options = {};

	(void) fprintf(out, "Usage:  hoy %s %sCOMMAND\n\n%s\n\nCommands:\n", group->name, own ? "[OPTIONS] " : "",
		group->summary);
	print_lines(lines, n, /* sort= */ true, out);
	if (own)
		hoy_options_help(own, "Options", &options);
	(void) fputs(options.data ? options.data : "", out);
	(void) fprintf(out, "\nRun 'hoy %s COMMAND --help' for more information on a command.\n", group->name);
}

static void print_usage(const struct hoy_command *command, const char *called, FILE *out)
{
	(void) fprintf(out, "Usage:  hoy %s%s%s%s\n", called,
		command->options && command->options->name ? " [OPTIONS]" : "", *command->args ? " " : "",
		command->args);
}

/* A command of the top stands behind its longer names, one of a group before its other ones. */
static void print_aliases(const struct hoy_command *command, FILE *out)
{
	bool top = !strchr(command->name, ' ');
	const char *rest = command->alias, *name;
	size_t len;

	if (!rest)
		return;
	(void) fprintf(out, "\nAliases:\n  %s%s", top ? "" : "hoy ", top ? "" : command->name);
	for (bool first = top; next_name(&rest, &name, &len); first = false)
		(void) fprintf(out, "%shoy %.*s", first ? "" : ", ", (int) len, name);
	(void) fprintf(out, "%s%s\n", top ? ", hoy " : "", top ? command->name : "");
}

void hoy_command_help(const struct hoy_command *command, const char *called, FILE *out)
{
	auto_(hoy_buf_done) struct hoy_buf options = {};

	print_usage(command, called, out);
	(void) fprintf(out, "\n%s\n", command->summary);
	print_aliases(command, out);
	if (command->options)
		hoy_options_help(command->options, "Options", &options);
	(void) fputs(options.data ? options.data : "", out);
}

/* --- wrong command lines ----------------------------------------------------- */

/* Levenshtein distance, for "did you mean". Words are short. */
static size_t distance(const char *a, const char *b, size_t lb)
{
	size_t la = strlen(a), row[64];

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

int hoy_command_unknown(const struct hoy_command_group *group, const char *word)
{
	const char *in = group ? group->name : NULL;
	struct line lines[MAX_LINES], near = {};
	size_t n = lines_of(in, lines), best = 3;

	if (!group && hoy_strv_has((char *const *) unsupported, word)) {
		(void) fprintf(stderr, "hoy: 'hoy %s' is not supported by this version\n", word);
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, lines[i].name, lines[i].len);

		if (d < best) {
			best = d;
			near = lines[i];
		}
	}
	(void) fprintf(stderr, "hoy: unknown command: hoy %s%s%s\n", group ? in : "", group ? " " : "", word);
	if (near.name)
		(void) fprintf(stderr, "\nDid you mean this?\n        %.*s\n", (int) near.len, near.name);
	if (group)
		(void) fprintf(stderr, "\nUsage:  hoy %s\n", in);
	(void) fprintf(stderr, "\nRun 'hoy %s%s--help' for more information\n", group ? in : "", group ? " " : "");
	return 1;
}

int hoy_command_check_args(const struct hoy_command *command, const char *called, size_t n, struct hoy_err *err)
{
	size_t bound = n < command->min_args ? command->min_args : command->max_args;

	if (n >= command->min_args && n <= command->max_args)
		return 0;
	if (command->max_args == 0)
		return hoy_err_invalid(err, "'hoy %s' accepts no arguments", called);
	if (command->min_args == command->max_args)
		return hoy_err_invalid(err, "'hoy %s' requires %zu argument%s", called, bound, bound == 1 ? "" : "s");
	return hoy_err_invalid(err, "'hoy %s' requires at %s %zu argument%s", called,
		n < command->min_args ? "least" : "most", bound, bound == 1 ? "" : "s");
}

void hoy_command_usage_error(const struct hoy_command *command, const char *called, const char *text)
{
	(void) fflush(stdout);
	(void) fprintf(stderr, "%s\n\n", text);
	print_usage(command, called, stderr);
	(void) fprintf(stderr, "\nRun 'hoy %s --help' for more information\n", called);
}

/* --- running ----------------------------------------------------------------- */

int hoy_command_run(struct hoy_cli *cli, const struct hoy_command *command, int argc, char **argv)
{
	static const struct hoy_option none[] = { HOY_OPTION_END };
	const struct hoy_option *options = command->options ? command->options : none;
	auto_free char **args = calloc((size_t) argc + 1, sizeof *args);
	auto_free void *values = calloc(1, command->values_size + 1);
	const struct hoy_cli outer = *cli;
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
		cli->command = command;
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
	/* A command may run another with the same engine. */
	cli->args = outer.args;
	cli->n_args = outer.n_args;
	cli->values = outer.values;
	cli->values_rw = outer.values_rw;
	cli->command = outer.command;
	return r;
}
