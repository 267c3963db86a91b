/* hoyrun: global options, the table of commands, the log, the one place that reports errors. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/cli/command.h"

#define SYSLOG_SOCKET "/dev/log"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOG_NAME_MAX 200

static const struct hoy_command *const commands[] = {
	&hoy_cmd_checkpoint,
	&hoy_cmd_create,
	&hoy_cmd_delete,
	&hoy_cmd_events,
	&hoy_cmd_exec,
	&hoy_cmd_features,
	&hoy_cmd_kill,
	&hoy_cmd_list,
	&hoy_cmd_mounts,
	&hoy_cmd_pause,
	&hoy_cmd_ps,
	&hoy_cmd_restore,
	&hoy_cmd_resume,
	&hoy_cmd_run,
	&hoy_cmd_spec,
	&hoy_cmd_start,
	&hoy_cmd_state,
	&hoy_cmd_update,
};

struct global_options {
	bool debug, help, usage, version, systemd_cgroup;
	const char *root, *log, *log_format, *log_level, *rootless, *cgroup_manager;
};

static const struct hoy_option global_table[] = {
	HOY_OPTION(struct global_options, "root", 0, STRING, root, "directory of the containers' state"),
	HOY_OPTION(struct global_options, "log", 0, STRING, log,
		"file to append log messages to, or syslog:NAME, journald:NAME"),
	HOY_OPTION(struct global_options, "log-format", 0, STRING, log_format, "text or json"),
	HOY_OPTION(struct global_options, "log-level", 0, STRING, log_level, "error, warning (default) or debug"),
	HOY_OPTION(struct global_options, "debug", 0, FLAG, debug, "log more"),
	HOY_OPTION(struct global_options, "systemd-cgroup", 0, FLAG, systemd_cgroup, "cgroups are units of systemd"),
	HOY_OPTION(struct global_options, "cgroup-manager", 0, STRING, cgroup_manager,
		"cgroupfs, systemd or disabled (no cgroup is made)"),
	HOY_OPTION(struct global_options, "rootless", 0, STRING, rootless, "auto, true or false"),
	HOY_OPTION(struct global_options, "help", 'h', FLAG, help, "show this help"),
	HOY_OPTION(struct global_options, "usage", 0, FLAG, usage, "show the form of a command line"),
	HOY_OPTION(struct global_options, "version", 'v', FLAG, version, "show the version"),
	/* crun's letters for two of them */
	HOY_OPTION(struct global_options, "?", 0, FLAG, help, NULL),
	HOY_OPTION(struct global_options, "V", 0, FLAG, version, NULL),
};

/* In the form of runc's, for scripts that read it. */
static void show_help(const struct hoy_globals *g)
{
	(void) printf("NAME:\n   %s - Open Container Initiative runtime\n\n"
		      "USAGE:\n   %s [global options] COMMAND [options] [arguments]\n\nCOMMANDS:\n",
		g->program, g->program);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void) printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	(void) printf("\nGLOBAL OPTIONS:\n");
	hoy_options_help(global_table, ARRAY_LEN(global_table));
}

static void show_command_help(const struct hoy_globals *g, const struct hoy_command *c)
{
	(void) printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s [options] %s\n\nOPTIONS:\n", g->program, c->name,
		c->summary, g->program, c->name, c->args);
	hoy_options_help(c->options, c->n_options);
}

/* As dockerd reads it: it asks for a commit, which a release is its own name for. */
static void show_version(const struct hoy_globals *g)
{
	(void) printf("%s version " PACKAGE_VERSION "\ncommit: v" PACKAGE_VERSION "\nspec: " HOY_OCI_VERSION_MAX "\n",
		g->program);
}

static int find_log_level(const struct global_options *o, enum hoy_log_level *ret, struct hoy_err *err)
{
	static const struct {
		const char *name;
		enum hoy_log_level level;
	} levels[] = { { "error", HOY_LOG_ERROR }, { "warning", HOY_LOG_WARN }, { "debug", HOY_LOG_DEBUG } };

	*ret = o->debug ? HOY_LOG_DEBUG : HOY_LOG_WARN;
	if (!o->log_level)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i].name, o->log_level) == 0) {
			*ret = o->debug ? HOY_LOG_DEBUG : levels[i].level;
			return 0;
		}
	return hoy_err_invalid(err, "invalid log-level: %s", o->log_level);
}

/* A path, or crun's BACKEND:SPECIFIER, of which the last two name who speaks to the system's logger. */
static int open_log_target(const char *target, struct hoy_err *err)
{
	const char *name = strchr(target, ':') ? strchr(target, ':') + 1 : target;
	bool journal = hoy_str_starts(target, "journald:");
	int fd;

	if (!journal && !hoy_str_starts(target, "syslog:")) {
		fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
		return fd < 0 ? hoy_err_sys(err, "open log '%s'", target) : fd;
	}
	if (!*name || strlen(name) > LOG_NAME_MAX || strchr(name, '\n'))
		return hoy_err_invalid(
			err, "--log: '%s': a name for the log is needed, of at most %d bytes", target, LOG_NAME_MAX);
	fd = hoy_fd_unix_connect(journal ? JOURNAL_SOCKET : SYSLOG_SOCKET, SOCK_DGRAM, err);
	if (fd < 0)
		return hoy_err_wrap(err, "--log: '%s'", target);
	hoy_log_setup_sink(journal ? HOY_LOG_TO_JOURNAL : HOY_LOG_TO_SYSLOG, name);
	return fd;
}

static int open_log(const struct global_options *o, struct hoy_globals *g, struct hoy_err *err)
{
	enum hoy_log_level level;
	int fd = STDERR_FILENO, r;

	if (o->log_format && strcmp(o->log_format, "json") == 0)
		g->log_json = true;
	else if (o->log_format && strcmp(o->log_format, "text") != 0)
		return hoy_err_invalid(err, "invalid log-format: %s", o->log_format);
	r = find_log_level(o, &level, err);
	if (r < 0)
		return r;
	g->log = o->log && hoy_str_starts(o->log, "file:") ? o->log + strlen("file:") : o->log;
	if (g->log && !*g->log)
		g->log = NULL;
	if (g->log)
		fd = open_log_target(g->log, err);
	if (fd < 0)
		return fd;
	hoy_log_setup(fd, g->log_json ? HOY_LOG_JSON : HOY_LOG_TEXT, level);
	return 0;
}

static int parse_rootless(const char *text, int *ret, struct hoy_err *err)
{
	if (!text || strcmp(text, "auto") == 0)
		*ret = -1;
	else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		*ret = text[0] == 't';
	else
		return hoy_err_invalid(err, "invalid value for --rootless: '%s'", text);
	return 0;
}

/* crun's name for what runc's --systemd-cgroup says, and more. */
static int parse_cgroup_manager(const char *text, struct hoy_globals *g, struct hoy_err *err)
{
	if (!text)
		return 0;
	g->systemd_cgroup = strcmp(text, "systemd") == 0;
	g->no_cgroup = strcmp(text, "disabled") == 0;
	if (g->systemd_cgroup || g->no_cgroup || strcmp(text, "cgroupfs") == 0)
		return 0;
	return hoy_err_invalid(err, "unknown cgroup manager specified: '%s'", text);
}

static int find_root(const struct global_options *o, struct hoy_globals *g, struct hoy_err *err)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	auto_free char *cwd = NULL;

	if (o->root && o->root[0]) {
		cwd = o->root[0] == '/' ? strdup("/") : getcwd(NULL, 0);
		g->root_owned = cwd ? hoy_path_join(cwd, o->root) : NULL;
	} else if (run && run[0] && (geteuid() != 0 || hoy_globals_rootless(g))) {
		/* podman calls us for a user as root of a user namespace; the machine's root has one place */
		g->root_owned = hoy_path_join(run, "hoyrun");
	} else {
		g->root_owned = strdup("/run/hoyrun");
	}
	g->root = g->root_owned;
	g->root_given = o->root && o->root[0];
	return g->root ? 0 : hoy_err_oom(err);
}

static const struct hoy_command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* Of one command, or NULL: of all. */
static int help(const struct hoy_globals *g, const char *name, struct hoy_err *err)
{
	const struct hoy_command *c = name ? find_command(name) : NULL;

	if (name && !c)
		return hoy_err_invalid(err, "unknown command: No help topic for '%s'", name);
	if (c)
		show_command_help(g, c);
	else
		show_help(g);
	return 0;
}

/* Where options end at the container's id, what follows is another program's. */
static bool asks_for_help(char **args, bool end_at_id)
{
	for (; *args && strcmp(*args, "--") != 0 && !(end_at_id && **args != '-'); args++)
		if (strcmp(*args, "--help") == 0 || strcmp(*args, "-h") == 0)
			return true;
	return false;
}

static int run_command(struct hoy_globals *g, const struct hoy_command *c, char **argv, struct hoy_err *err)
{
	auto_free void *options = calloc(1, c->options_size + 1);
	unsigned int n = 0;
	char **args;
	int r;

	if (!options)
		return hoy_err_oom(err);
	if (asks_for_help(argv, c->options_end_at_id)) {
		show_command_help(g, c);
		return 0;
	}
	r = hoy_options_parse(c->options, c->n_options, c->options_end_at_id, argv, options, &args, err);
	if (r < 0)
		return hoy_err_wrap(err, "%s", c->name);
	while (args[n])
		n++;
	if (n < c->min_args || (c->max_args && n > c->max_args) || (!c->max_args && !c->min_args && n))
		return hoy_err_invalid(err, "%s: requires %s%u argument(s): %s", c->name,
			c->min_args == c->max_args ? "exactly "
			: n < c->min_args          ? "at least "
						   : "at most ",
			n < c->min_args ? c->min_args : c->max_args, c->args[0] ? c->args : "none");
	return c->run(g, options, args, err);
}

/* The log gets the line that containerd and others read; a human sees it on stderr as well. Callers of runc know the
 * kernel's reasons in lower case. */
static void report(const struct hoy_globals *g, const struct hoy_err *err)
{
	char text[sizeof err->msg + 256];
	size_t reason = strlen(err->msg) + strlen(": ");

	(void) hoy_err_text(err, text, sizeof text);
	if (!err->stated && reason < strlen(text))
		text[reason] = (char) tolower((unsigned char) text[reason]);
	hoy_log_error("%s", text);
	if (g->log)
		(void) dprintf(STDERR_FILENO, "%s: %s\n", g->program, text);
}

static int start(int argc, char **argv, struct hoy_globals *g, int *error_status, struct hoy_err *err)
{
	struct global_options o = {};
	const struct hoy_command *c;
	char **args;
	int r;

	if (argc < 1)
		return hoy_err_invalid(err, "no arguments at all");
	r = hoy_options_parse(
		global_table, ARRAY_LEN(global_table), /* stop_at_argument= */ true, argv + 1, &o, &args, err);
	if (r < 0)
		return r;
	if (o.version) {
		show_version(g);
		return 0;
	}
	if (o.usage) {
		(void) printf("Usage: %s [global options] COMMAND [options] [arguments]\n", g->program);
		return 0;
	}
	if (o.help || !args[0])
		return help(g, NULL, err);
	if (strcmp(args[0], "help") == 0 || strcmp(args[0], "h") == 0)
		return help(g, args[1], err);
	r = open_log(&o, g, err);
	if (r < 0)
		return r;
	g->systemd_cgroup = o.systemd_cgroup;
	r = parse_cgroup_manager(o.cgroup_manager, g, err);
	if (r == 0)
		r = parse_rootless(o.rootless, &g->rootless_option, err);
	if (r == 0)
		r = find_root(&o, g, err);
	if (r < 0)
		return r;
	c = find_command(args[0]);
	if (!c)
		return hoy_err_invalid(err, "unknown command: No help topic for '%s'", args[0]);
	g->command = c->name;
	*error_status = c->error_status ? c->error_status : 1;
	return run_command(g, c, args + 1, err);
}

int main(int argc, char **argv)
{
	struct hoy_globals globals = {};
	struct hoy_err err = {};
	int status, error_status = 1;

	if (hoy_fd_ensure_stdio() < 0)
		return 1;
	globals.program = argc > 0 ? hoy_path_base(argv[0]) : PACKAGE_NAME;
	status = start(argc, argv, &globals, &error_status, &err);
	if (status < 0) {
		report(&globals, &err);
		status = error_status;
	}
	free(globals.root_owned);
	return status;
}
