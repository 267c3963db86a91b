/*
 * exec, attach, cp, export, commit, stats, port, top, wait, events: what they do to a container the command line's
 * other commands do already; here the service becomes its container's name.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/stats.h"
#include "supervisor/cli/tabs.h"
#include "supervisor/cli/text.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/work.h"

/* The other command's words. */
struct words {
	char **list;
	bool failed;
};

static void words_done(struct words *words)
{
	hoy_strv_free(words->list);
}

static void add(struct words *words, const char *word)
{
	if (hoy_strv_add(&words->list, word) < 0)
		words->failed = true;
}

static void add_value(struct words *words, const char *flag, const char *value)
{
	if (value && hoy_strv_addf(&words->list, "%s=%s", flag, value) < 0)
		words->failed = true;
}

static void add_values(struct words *words, const char *flag, char *const *values)
{
	for (; values && *values; values++)
		add_value(words, flag, *values);
}

/* Runs "hoy NAME WORDS...": its exit status. */
static int run_other(struct hoy_cli *cli, struct words *words)
{
	struct hoy_err err;
	const struct hoy_command *command = words->list ? hoy_command_find(words->list, &(int){ 0 }) : NULL;

	if (words->failed || !words->list)
		return hoy_cli_fail(cli, 1, (hoy_err_oom(&err), &err));
	if (!command) {
		(void) hoy_err_unsupported(&err, "'hoy %s' is not supported by this version", words->list[0]);
		return hoy_cli_fail(cli, 1, &err);
	}
	return hoy_command_run(cli, command, (int) hoy_strv_len(words->list), words->list);
}

/* The name of the service's container; the project is closed again. Owned by the caller. */
static int name_for(
	struct hoy_cli *cli, const char *service, int64_t index, bool running, char **ret, struct hoy_err *err)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	char *const services[] = { (char *) service, NULL };
	struct hoy_compose_container *c = NULL;
	int r = hoy_compose_open(cli, 0, services, &app, err);

	if (r == 0)
		r = hoy_compose_container_for(&app, service, index, running, &c, err);
	if (r < 0)
		return r;
	*ret = strdup(c->id);
	return *ret ? 0 : hoy_err_oom(err);
}

/* --- exec -------------------------------------------------------------------- */

struct exec_options {
	bool detach, interactive, no_tty, no_tty_given, tty, privileged;
	char **env;
	const char *user, *workdir;
	int64_t index;
};
static const struct exec_options exec_defaults = { .interactive = true, .tty = true };
static const struct hoy_option exec_options[] = {
	HOY_OPTION('d', "detach", HOY_OPTION_BOOL, NULL, struct exec_options, detach,
		"Detached mode: Run command in the background"),
	HOY_OPTION('e', "env", HOY_OPTION_LIST, "stringArray", struct exec_options, env, "Set environment variables"),
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct exec_options, index,
		"Index of the container if service has multiple replicas"),
	HOY_OPTION_HIDDEN('i', "interactive", HOY_OPTION_BOOL, NULL, struct exec_options, interactive),
	HOY_OPTION_WITH_SET('T', "no-tty", HOY_OPTION_BOOL, NULL, struct exec_options, no_tty, no_tty_given,
		"Disable pseudo-TTY allocation. By default a TTY is allocated when stdout is one"),
	HOY_OPTION(0, "privileged", HOY_OPTION_BOOL, NULL, struct exec_options, privileged,
		"Give extended privileges to the process"),
	HOY_OPTION_HIDDEN('t', "tty", HOY_OPTION_BOOL, NULL, struct exec_options, tty),
	HOY_OPTION('u', "user", HOY_OPTION_STRING, "string", struct exec_options, user, "Run the command as this user"),
	HOY_OPTION('w', "workdir", HOY_OPTION_STRING, "string", struct exec_options, workdir,
		"Path to workdir directory for this command"),
	HOY_OPTION_END,
};

static int cmd_exec(struct hoy_cli *cli)
{
	const struct exec_options *o = cli->values;
	auto_(words_done) struct words words = {};
	auto_free char *id = NULL;
	struct hoy_err err;
	bool tty = o->no_tty_given ? !o->no_tty : o->tty && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (name_for(cli, cli->args[0], o->index, /* running= */ true, &id, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	add(&words, "exec");
	if (o->detach)
		add(&words, "-d");
	if (o->interactive && !o->detach)
		add(&words, "-i");
	if (tty && !o->detach)
		add(&words, "-t");
	if (o->privileged)
		add(&words, "--privileged");
	add_values(&words, "--env", o->env);
	add_value(&words, "--user", o->user);
	add_value(&words, "--workdir", o->workdir);
	add(&words, id);
	for (size_t i = 1; i < cli->n_args; i++)
		add(&words, cli->args[i]);
	return run_other(cli, &words);
}

const struct hoy_command hoy_cmd_compose_exec = {
	.name = "compose exec",
	.args = "SERVICE COMMAND [ARG...]",
	.min_args = 2,
	.max_args = SIZE_MAX,
	.summary = "Execute a command in a running container",
	.options = exec_options,
	.values_size = sizeof(struct exec_options),
	.defaults = &exec_defaults,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_exec,
};

/* --- attach ------------------------------------------------------------------ */

struct attach_options {
	const char *detach_keys;
	bool no_stdin, sig_proxy;
	int64_t index;
};
static const struct attach_options attach_defaults = { .sig_proxy = true };
static const struct hoy_option attach_options[] = {
	HOY_OPTION(0, "detach-keys", HOY_OPTION_STRING, "string", struct attach_options, detach_keys,
		"Override the key sequence for detaching from a container."),
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct attach_options, index,
		"Index of the container if service has multiple replicas."),
	HOY_OPTION(0, "no-stdin", HOY_OPTION_BOOL, NULL, struct attach_options, no_stdin, "Do not attach STDIN"),
	HOY_OPTION(0, "sig-proxy", HOY_OPTION_BOOL, NULL, struct attach_options, sig_proxy,
		"Proxy all received signals to the process (default true)"),
	HOY_OPTION_END,
};

static int cmd_attach(struct hoy_cli *cli)
{
	const struct attach_options *o = cli->values;
	auto_(words_done) struct words words = {};
	auto_free char *id = NULL;
	struct hoy_err err;

	if (name_for(cli, cli->args[0], o->index, /* running= */ true, &id, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	add(&words, "attach");
	add_value(&words, "--detach-keys", o->detach_keys);
	if (o->no_stdin)
		add(&words, "--no-stdin");
	add_value(&words, "--sig-proxy", o->sig_proxy ? "true" : "false");
	add(&words, id);
	return run_other(cli, &words);
}

const struct hoy_command hoy_cmd_compose_attach = {
	.name = "compose attach",
	.args = "SERVICE",
	.min_args = 1,
	.max_args = 1,
	.summary = "Attach local standard input, output, and error streams to a service's running container",
	.options = attach_options,
	.values_size = sizeof(struct attach_options),
	.defaults = &attach_defaults,
	.run = cmd_attach,
};

/* --- cp ---------------------------------------------------------------------- */

struct cp_options {
	bool all, archive, follow_link;
	int64_t index;
};
static const struct hoy_option cp_options[] = {
	HOY_OPTION_REFUSE(0, "all", NULL, "cp looks at no containers of run: name the container with hoy cp"),
	HOY_OPTION('a', "archive", HOY_OPTION_BOOL, NULL, struct cp_options, archive,
		"Archive mode (copy all uid/gid information)"),
	HOY_OPTION('L', "follow-link", HOY_OPTION_BOOL, NULL, struct cp_options, follow_link,
		"Always follow symbol link in SRC_PATH"),
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct cp_options, index,
		"Index of the container if service has multiple replicas"),
	HOY_OPTION_END,
};

/* "SERVICE:PATH": where the colon is, NULL for a local path. */
static const char *colon_of(const char *arg)
{
	size_t len = strcspn(arg, ":/");

	return len && arg[len] == ':' ? arg + len : NULL;
}

/* Copies one way; into a service: to each of its containers, as docker compose does. */
static int copy(struct hoy_cli *cli, const struct cp_options *o, const char *id, const char *from, const char *to)
{
	auto_(words_done) struct words words = {};
	const char *colon = colon_of(from);

	add(&words, "cp");
	if (o->archive)
		add(&words, "--archive");
	if (o->follow_link)
		add(&words, "--follow-link");
	if (hoy_strv_addf(&words.list, "%s%s", colon ? id : "", colon ? colon : from) < 0)
		words.failed = true;
	colon = colon_of(to);
	if (hoy_strv_addf(&words.list, "%s%s", colon ? id : "", colon ? colon : to) < 0)
		words.failed = true;
	return run_other(cli, &words);
}

static int cp(struct hoy_cli *cli, struct hoy_compose *app, const char *service, struct hoy_err *err)
{
	const struct cp_options *o = cli->values;
	const char *from = cli->args[0], *to = cli->args[1];
	struct hoy_compose_container *c = NULL;
	int status = 0, r;

	if (colon_of(from) || o->index) {
		r = hoy_compose_container_for(app, service, o->index, /* running= */ false, &c, err);
		return r < 0 ? r : copy(cli, o, c->id, from, to);
	}
	for (size_t i = 0; i < app->containers.n; i++) {
		struct hoy_compose_container *one = &app->containers.all[i];

		if (one->oneoff || strcmp(one->service, service) != 0)
			continue;
		c = one;
		status = MAX(status, copy(cli, o, one->id, from, to));
	}
	return c ? status : hoy_err_not_found(err, "no container found for service \"%s\"", service);
}

static int cmd_cp(struct hoy_cli *cli)
{
	char *args[] = { cli->args[0], cli->args[1] };
	const char *from = colon_of(args[0]), *to = colon_of(args[1]);
	auto_free char *service = NULL;
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r;

	if (!from == !to)
		r = hoy_err_invalid(&err, from ? "copying between services is not supported"
					       : "unknown copy direction: SERVICE:PATH is wanted on one side");
	else if (!(service = from ? strndup(args[0], (size_t) (from - args[0]))
				  : strndup(args[1], (size_t) (to - args[1]))))
		r = hoy_err_oom(&err);
	else
		r = hoy_compose_open(cli, 0, (char *[]){ service, NULL }, &app, &err);
	if (r == 0)
		r = cp(cli, &app, service, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_compose_cp = {
	.name = "compose cp",
	.args = "SERVICE:SRC_PATH DEST_PATH | SRC_PATH SERVICE:DEST_PATH",
	.min_args = 2,
	.max_args = 2,
	.summary = "Copy files/folders between a service container and the local filesystem",
	.options = cp_options,
	.values_size = sizeof(struct cp_options),
	.run = cmd_cp,
};

/* --- export, commit ---------------------------------------------------------- */

struct export_options {
	int64_t index;
	const char *output;
};
static const struct hoy_option export_options[] = {
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct export_options, index,
		"index of the container if service has multiple replicas."),
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct export_options, output,
		"Write to a file, instead of STDOUT"),
	HOY_OPTION_END,
};

static int cmd_export(struct hoy_cli *cli)
{
	const struct export_options *o = cli->values;
	auto_(words_done) struct words words = {};
	auto_free char *id = NULL;
	struct hoy_err err;

	if (name_for(cli, cli->args[0], o->index, /* running= */ false, &id, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	add(&words, "export");
	add_value(&words, "--output", o->output);
	add(&words, id);
	return run_other(cli, &words);
}

const struct hoy_command hoy_cmd_compose_export = {
	.name = "compose export",
	.args = "SERVICE",
	.min_args = 1,
	.max_args = 1,
	.summary = "Export a service container's filesystem as a tar archive",
	.options = export_options,
	.values_size = sizeof(struct export_options),
	.run = cmd_export,
};

struct commit_options {
	int64_t index;
	const char *author, *message;
	char **change;
	bool pause;
};
static const struct commit_options commit_defaults = { .pause = true };
static const struct hoy_option commit_options[] = {
	HOY_OPTION('a', "author", HOY_OPTION_STRING, "string", struct commit_options, author,
		"Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
	HOY_OPTION('c', "change", HOY_OPTION_LIST, "list", struct commit_options, change,
		"Apply Dockerfile instruction to the created image"),
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct commit_options, index,
		"index of the container if service has multiple replicas."),
	HOY_OPTION('m', "message", HOY_OPTION_STRING, "string", struct commit_options, message, "Commit message"),
	HOY_OPTION('p', "pause", HOY_OPTION_BOOL, NULL, struct commit_options, pause,
		"Pause container during commit (default true)"),
	HOY_OPTION_END,
};

static int cmd_commit(struct hoy_cli *cli)
{
	const struct commit_options *o = cli->values;
	auto_(words_done) struct words words = {};
	auto_free char *id = NULL;
	struct hoy_err err;

	if (name_for(cli, cli->args[0], o->index, /* running= */ false, &id, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	add(&words, "commit");
	add_value(&words, "--author", o->author);
	add_value(&words, "--message", o->message);
	add_values(&words, "--change", o->change);
	add_value(&words, "--pause", o->pause ? "true" : "false");
	add(&words, id);
	if (cli->n_args > 1)
		add(&words, cli->args[1]);
	return run_other(cli, &words);
}

const struct hoy_command hoy_cmd_compose_commit = {
	.name = "compose commit",
	.args = "SERVICE [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Create a new image from a service container's changes",
	.options = commit_options,
	.values_size = sizeof(struct commit_options),
	.defaults = &commit_defaults,
	.run = cmd_commit,
};

/* --- stats ------------------------------------------------------------------- */

static int cmd_stats(struct hoy_cli *cli)
{
	const struct hoy_stats_options *o = cli->values;
	auto_(words_done) struct words words = {};
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	size_t n = 0;

	if (hoy_compose_open(cli, 0, cli->args, &app, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	add(&words, "stats");
	add_value(&words, "--format", o->format);
	if (o->no_stream)
		add(&words, "--no-stream");
	if (o->no_trunc)
		add(&words, "--no-trunc");
	for (size_t i = 0; i < app.containers.n; i++) {
		const struct hoy_compose_container *c = &app.containers.all[i];

		if (!hoy_compose_container_of(c, cli->args) || (!o->all && !hoy_compose_container_runs(c)))
			continue;
		add(&words, c->name);
		n++;
	}
	if (!n) {
		(void) hoy_err_not_found(&err, "no container of the project is running");
		return hoy_cli_fail(cli, 1, &err);
	}
	return run_other(cli, &words);
}

const struct hoy_command hoy_cmd_compose_stats = {
	.name = "compose stats",
	.args = "[SERVICE]",
	.max_args = SIZE_MAX,
	.summary = "Display a live stream of container(s) resource usage statistics",
	.options = hoy_stats_options,
	.values_size = sizeof(struct hoy_stats_options),
	.run = cmd_stats,
};
