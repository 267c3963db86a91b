/* exec: one more process in a running container. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/create_request.h"
#include "supervisor/cli/stream.h"

struct exec_options {
	bool detach, interactive, tty, privileged;
	const char *detach_keys, *user, *workdir;
	char **env, **env_file;
};
#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct exec_options, member, help)
static const struct hoy_option exec_options[] = {
	O('d', "detach", BOOL, NULL, detach, "Detached mode: run command in the background"),
	O(0, "detach-keys", STRING, "string", detach_keys, "Override the key sequence for detaching a container"),
	O('e', "env", LIST, "list", env, "Set environment variables"),
	O(0, "env-file", LIST, "list", env_file, "Read in a file of environment variables"),
	O('i', "interactive", BOOL, NULL, interactive, "Keep STDIN open even if not attached"),
	O(0, "privileged", BOOL, NULL, privileged, "Give extended privileges to the command"),
	O('t', "tty", BOOL, NULL, tty, "Allocate a pseudo-TTY"),
	O('u', "user", STRING, "string", user, "Username or UID (format: \"<name|uid>[:<group|gid>]\")"),
	O('w', "workdir", STRING, "string", workdir, "Working directory inside the container"),
	HOY_OPTION_END,
};
#undef O

static int request_body(const struct hoy_cli *cli, struct hoy_buf *body, struct hoy_err *err)
{
	const struct exec_options *o = cli->values;
	struct hoy_json_writer w = { .buf = body };
	auto_ptr(hoy_strv_free) char **env = NULL;
	int r = hoy_create_request_env(o->env, o->env_file, &env, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_bool(&w, "AttachStdin", o->interactive && !o->detach);
	hoy_json_add_bool(&w, "AttachStdout", !o->detach);
	hoy_json_add_bool(&w, "AttachStderr", !o->detach);
	hoy_json_add_bool(&w, "Tty", o->tty);
	hoy_json_add_bool(&w, "Privileged", o->privileged);
	hoy_json_add_string(&w, "User", o->user ? o->user : "");
	hoy_json_add_string(&w, "WorkingDir", o->workdir ? o->workdir : "");
	hoy_json_add_string(&w, "DetachKeys", o->detach_keys ? o->detach_keys : "");
	hoy_json_add_strv(&w, "Env", env);
	hoy_json_add_strv(&w, "Cmd", cli->args + 1);
	hoy_json_end(&w);
	return hoy_buf_check(body, "the request", err);
}

static int make(const struct hoy_cli *cli, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	int r = request_body(cli, &body, err);

	if (r < 0)
		return r;
	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, cli->args[0]);
	(void) hoy_buf_adds(&path, "/exec");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, body.data, ret, err);
}

/* The exit code of an exec whose stream has ended. */
static int exit_code(const struct hoy_cli *cli, const char *id, int *ret, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/exec/%s/json", id);
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	int r = path ? hoy_cli_call(cli, "GET", path, NULL, &info, err) : hoy_err_oom(err);

	if (r >= 0)
		*ret = (int) hoy_cli_number(info, "ExitCode");
	return r;
}

static int run_attached(struct hoy_cli *cli, const char *id, struct hoy_err *err)
{
	const struct exec_options *o = cli->values;
	auto_(hoy_stream_done) struct hoy_stream stream = {
		.cli = cli,
		.container = cli->args[0],
		.exec = id,
		.tty = o->tty,
		.stdin_open = o->interactive,
		.stdout_open = true,
		.stderr_open = true,
		.fd = -EBADF,
	};
	int status = 0, r = hoy_stream_exec(&stream, o->detach_keys, err);

	if (r < 0)
		return r;
	if (o->tty)
		hoy_stream_send_size(&stream);
	r = hoy_stream_run(&stream, err);
	if (r < 0 || stream.detached)
		return r;
	r = exit_code(cli, id, &status, err);
	return r < 0 ? r : status;
}

static int cmd_exec(struct hoy_cli *cli)
{
	const struct exec_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_free char *path = NULL;
	struct hoy_err err;
	const char *id;
	int r = hoy_stream_check_tty(o->tty && !o->detach, o->interactive, &err);

	if (r >= 0)
		r = make(cli, &answer, &err);
	if (r < 0)
		return hoy_cli_fail(cli, 1, &err);
	id = hoy_cli_text(answer, "Id");
	if (o->detach) {
		path = hoy_str_printf("/exec/%s/start", id);
		r = path ? hoy_cli_call(cli, "POST", path, "{\"Detach\":true}", NULL, &err) : hoy_err_oom(&err);
	} else {
		r = run_attached(cli, id, &err);
	}
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_exec = {
	.name = "exec",
	.alias = "container exec",
	.args = "CONTAINER COMMAND [ARG...]",
	.min_args = 2,
	.max_args = SIZE_MAX,
	.summary = "Execute a command in a running container",
	.options = exec_options,
	.values_size = sizeof(struct exec_options),
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_exec,
};
