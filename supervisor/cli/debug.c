/*
 * debug: a shell from a toolbox image beside a container that has none. It is a container of its own, removed at its
 * end, that shares the other one's processes and network (and its IPC, where that one lets it); the other's files are
 * /target, which is /proc/1/root. It ends with this client, however that one ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/run.h"

#define LABEL "hoy.debug"
#define TOOLBOX "busybox"

struct debug_options {
	const char *image, *pull, *user;
	char **env;
};
static const struct debug_options debug_defaults = { .image = TOOLBOX };
static const struct hoy_option debug_options[] = {
	HOY_OPTION('e', "env", HOY_OPTION_LIST, "list", struct debug_options, env,
		"Set environment variables of the shell"),
	HOY_OPTION(0, "image", HOY_OPTION_STRING, "string", struct debug_options, image,
		"Image with the tools, a shell among them (default \"" TOOLBOX "\")"),
	HOY_OPTION(0, "pull", HOY_OPTION_STRING, "string", struct debug_options, pull,
		"Pull the image before running (\"always\", \"missing\", \"never\")"),
	HOY_OPTION('u', "user", HOY_OPTION_STRING, "string", struct debug_options, user,
		"Username or UID (format: <name|uid>[:<group|gid>])"),
	HOY_OPTION_END,
};

/* --- the container ---------------------------------------------------------------------------- */

struct target {
	char *id, *mode, *label;
	char *networks[2], *labels[2], *caps[2];
	bool shares_ipc;
	int64_t pid;
	bool on_host_pids;
};

static void target_done(struct target *t)
{
	free(t->id);
	free(t->mode);
	free(t->label);
}

static int look(struct hoy_cli *cli, const char *name, struct target *t, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const struct hoy_json *host, *state;
	const char *ipc;
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/json");
	r = hoy_buf_check(&path, "the request", err);
	if (r >= 0)
		r = hoy_cli_call(cli, "GET", path.data, NULL, &info, err);
	if (r < 0)
		return r;
	state = hoy_json_get(info, "State");
	host = hoy_json_get(info, "HostConfig");
	if (!hoy_cli_bool(state, "Running"))
		return hoy_err_conflict(err, "container %s is not running: there is nothing to look at", name);
	ipc = hoy_cli_text(host, "IpcMode");
	t->shares_ipc = strcmp(ipc, "shareable") == 0 || hoy_str_starts(ipc, "container:");
	t->on_host_pids = strcmp(hoy_cli_text(host, "PidMode"), "host") == 0;
	t->pid = hoy_cli_number(state, "Pid");
	t->id = strdup(hoy_cli_text(info, "Id"));
	t->mode = hoy_str_printf("container:%s", t->id ? t->id : "");
	t->label = hoy_str_printf(LABEL "=%s", t->id ? t->id : "");
	if (!t->id || !t->mode || !t->label)
		return hoy_err_oom(err);
	t->networks[0] = t->mode;
	t->labels[0] = t->label;
	t->caps[0] = (char *) "SYS_PTRACE"; /* without it the root of who runs as somebody else is closed */
	return 0;
}

static struct hoy_run_options as_run(const struct debug_options *o, struct target *t)
{
	struct hoy_run_options run = hoy_run_option_defaults;

	run.rm = true;
	run.interactive = true;
	run.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	run.sig_proxy = true;
	run.pid = t->mode;
	run.network = t->networks;
	run.ipc = t->shares_ipc ? t->mode : NULL;
	run.label = t->labels;
	run.cap_add = t->caps;
	run.env = o->env;
	run.user = o->user;
	run.pull = o->pull;
	run.entrypoint = "sh";
	run.entrypoint_given = true;
	return run;
}

/* "IMAGE -c SCRIPT sh COMMAND...": /target first, then what was asked for. NULL: no memory. */
static char **command_of(const struct debug_options *o, const struct target *t, char *const *words)
{
	auto_ptr(hoy_strv_free) char **args = calloc(1, sizeof *args);
	long long pid = t->on_host_pids ? (long long) t->pid : 1;
	int r = args ? hoy_strv_add(&args, o->image) : -ENOMEM;

	if (r >= 0)
		r = hoy_strv_add(&args, "-c");
	if (r >= 0)
		r = hoy_strv_addf(&args, "ln -s /proc/%lld/root /target 2>/dev/null; exec \"$@\"", pid);
	if (r >= 0)
		r = hoy_strv_add(&args, "sh");
	for (; r >= 0 && *words; words++)
		r = hoy_strv_add(&args, *words);
	return r < 0 ? NULL : TAKE_PTR(args);
}

/* --- its end ---------------------------------------------------------------------------------- */

/* A process that outlives us by as much as it takes to remove the container: it hears of our end by a pipe, also when
 * we are killed. Without it (no memory) the container ends with its shell. The write end, or -errno. */
static int start_keeper(struct hoy_cli *cli, const char *id)
{
	auto_free char *path = hoy_str_printf("/containers/%s?force=1&v=1", id);
	auto_fd int reads = -EBADF, writes = -EBADF;
	int pair[2];
	pid_t pid;

	if (!path || pipe2(pair, O_CLOEXEC) < 0)
		return -ENOMEM;
	reads = pair[0];
	writes = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		auto_fd int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
		char c;

		hoy_fd_close(&writes);
		(void) setsid();
		(void) signal(SIGHUP, SIG_IGN);
		for (int fd = STDIN_FILENO; nowhere >= 0 && fd <= STDERR_FILENO; fd++)
			(void) dup2(nowhere, fd);
		while (read(reads, &c, 1) < 0 && errno == EINTR)
			;
		(void) hoy_cli_call(cli, "DELETE", path, NULL, NULL, NULL);
		_exit(0);
	}
	return TAKE_FD(writes);
}

static int run(struct hoy_cli *cli, const struct debug_options *o, struct target *t)
{
	auto_ptr(hoy_strv_free) char **args = NULL;
	auto_free char *id = NULL;
	const struct hoy_run_options options = as_run(o, t);
	static char shell[] = "sh";
	char *const words[] = { shell, NULL };
	char **own_args = cli->args, **asked = cli->args + 1;
	auto_fd int keeper = -EBADF;
	struct hoy_err err;
	int r;

	if (*asked && strcmp(*asked, "--") == 0)
		asked++;
	args = command_of(o, t, *asked ? asked : words);
	if (!args) {
		(void) hoy_err_oom(&err);
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	}
	cli->args = args;
	r = hoy_run_create(cli, &options, &id, &err);
	cli->args = own_args;
	if (r < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	keeper = start_keeper(cli, id);
	if (options.tty)
		(void) fprintf(stderr, "The container's files are in /target.\n");
	return hoy_run_attached(cli, &options, id);
}

static int cmd_debug(struct hoy_cli *cli)
{
	auto_(target_done) struct target target = {};
	struct hoy_err err;

	if (look(cli, cli->args[0], &target, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	return run(cli, cli->values, &target);
}

const struct hoy_command hoy_cmd_debug = {
	.name = "debug",
	.alias = "container debug",
	.args = "CONTAINER [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Open a shell from a toolbox image beside a running container",
	.options = debug_options,
	.values_size = sizeof(struct debug_options),
	.defaults = &debug_defaults,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_debug,
};
