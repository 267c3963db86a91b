/* stop, kill, rm, wait, attach: one call per container named. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/stream.h"
#include "supervisor/cli/wait.h"

/* "/containers/NAME<tail>" with the name escaped. */
static int container_path(const char *name, const char *tail, struct hoy_buf *ret, struct hoy_err *err)
{
	(void) hoy_buf_adds(ret, "/containers/");
	hoy_http_escape(ret, name);
	(void) hoy_buf_adds(ret, tail);
	return hoy_buf_check(ret, "the request", err);
}

static int post(struct hoy_cli *cli, const char *method, const char *name, const char *tail, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r = container_path(name, tail, &path, err);

	return r < 0 ? r : hoy_cli_call(cli, method, path.data, NULL, NULL, err);
}

/* --- stop -------------------------------------------------------------------- */

struct stop_options {
	bool timeout_given;
	int64_t timeout;
	const char *signal;
};
static const struct hoy_option stop_options[] = {
	HOY_OPTION('s', "signal", HOY_OPTION_STRING, "string", struct stop_options, signal,
		"Signal to send to the container"),
	HOY_OPTION_WITH_SET('t', "timeout", HOY_OPTION_INT, "int", struct stop_options, timeout, timeout_given,
		"Seconds to wait before killing the container"),
	HOY_OPTION_WITH_SET(
		0, "time", HOY_OPTION_INT, "int", struct stop_options, timeout, timeout_given, "Same as --timeout"),
	HOY_OPTION_END,
};

static int stop_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct stop_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf tail = {};

	(void) hoy_buf_adds(&tail, "/stop?");
	if (o->timeout_given)
		(void) hoy_buf_addf(&tail, "t=%lld&", (long long) o->timeout);
	if (o->signal) {
		(void) hoy_buf_adds(&tail, "signal=");
		hoy_http_escape(&tail, o->signal);
	}
	return tail.failed ? hoy_buf_check(&tail, "the request", err) : post(cli, "POST", name, tail.data, err);
}

static int cmd_stop(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, stop_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_stop = {
	.name = "stop",
	.alias = "container stop",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Stop one or more running containers",
	.options = stop_options,
	.values_size = sizeof(struct stop_options),
	.run = cmd_stop,
};

/* --- kill -------------------------------------------------------------------- */

struct kill_options {
	const char *signal;
};
static const struct hoy_option kill_options[] = {
	HOY_OPTION('s', "signal", HOY_OPTION_STRING, "string", struct kill_options, signal,
		"Signal to send to the container (default KILL)"),
	HOY_OPTION_END,
};

static int kill_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct kill_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf tail = {};

	(void) hoy_buf_adds(&tail, "/kill?signal=");
	hoy_http_escape(&tail, o->signal ? o->signal : "KILL");
	return tail.failed ? hoy_buf_check(&tail, "the request", err) : post(cli, "POST", name, tail.data, err);
}

static int cmd_kill(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, kill_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_kill = {
	.name = "kill",
	.alias = "container kill",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Kill one or more running containers",
	.options = kill_options,
	.values_size = sizeof(struct kill_options),
	.run = cmd_kill,
};

/* --- rm ---------------------------------------------------------------------- */

struct rm_options {
	bool force, link, volumes;
};
static const struct hoy_option rm_options[] = {
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct rm_options, force,
		"Force the removal of a running container (uses SIGKILL)"),
	HOY_OPTION('l', "link", HOY_OPTION_BOOL, NULL, struct rm_options, link, "Remove the specified link"),
	HOY_OPTION('v', "volumes", HOY_OPTION_BOOL, NULL, struct rm_options, volumes,
		"Remove anonymous volumes associated with the container"),
	HOY_OPTION_END,
};

static int rm_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct rm_options *o = cli->values;
	auto_free char *tail = hoy_str_printf("?force=%d&v=%d%s", o->force, o->volumes, o->link ? "&link=1" : "");

	return tail ? post(cli, "DELETE", name, tail, err) : hoy_err_oom(err);
}

static int cmd_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, rm_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_rm = {
	.name = "rm",
	.alias = "container rm",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more containers",
	.options = rm_options,
	.values_size = sizeof(struct rm_options),
	.run = cmd_rm,
};

/* --- wait -------------------------------------------------------------------- */

static const struct hoy_option no_options[] = { HOY_OPTION_END };

static int wait_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int64_t code;
	int r = container_path(name, "/wait", &path, err);

	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, NULL, &answer, err);
	if (r < 0)
		return r;
	if (!hoy_json_get(answer, "StatusCode") || hoy_json_to_i64(hoy_json_get(answer, "StatusCode"), &code) < 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer to wait has no StatusCode");
	(void) printf("%lld\n", (long long) code);
	return 0;
}

static int cmd_wait(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, wait_one, /* print= */ false);
}

const struct hoy_command hoy_cmd_wait = {
	.name = "wait",
	.alias = "container wait",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Block until one or more containers stop, then print their exit codes",
	.options = no_options,
	.run = cmd_wait,
};

/* --- attach ------------------------------------------------------------------ */

struct attach_options {
	const char *detach_keys;
	bool no_stdin, sig_proxy;
};
static const struct attach_options attach_defaults = { .sig_proxy = true };
static const struct hoy_option attach_options[] = {
	HOY_OPTION(0, "detach-keys", HOY_OPTION_STRING, "string", struct attach_options, detach_keys,
		"Override the key sequence for detaching a container"),
	HOY_OPTION(0, "no-stdin", HOY_OPTION_BOOL, NULL, struct attach_options, no_stdin, "Do not attach STDIN"),
	HOY_OPTION(0, "sig-proxy", HOY_OPTION_BOOL, NULL, struct attach_options, sig_proxy,
		"Proxy all received signals to the process (default true)"),
	HOY_OPTION_END,
};

static int inspect(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r = container_path(name, "/json", &path, err);

	return r < 0 ? r : hoy_cli_call(cli, "GET", path.data, NULL, ret, err);
}

static int cmd_attach(struct hoy_cli *cli)
{
	const struct attach_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	auto_(hoy_stream_done) struct hoy_stream stream = {
		.cli = cli, .stdout_open = true, .stderr_open = true, .fd = -EBADF
	};
	auto_(hoy_http_done) struct hoy_http wait = { .fd = -EBADF };
	int code = 0;
	struct hoy_err err;

	if (inspect(cli, cli->args[0], &info, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (!hoy_cli_bool(hoy_json_get(info, "State"), "Running")) {
		(void) hoy_err_conflict(&err, "You cannot attach to a stopped container, start it first");
		return hoy_cli_fail(cli, 1, &err);
	}
	stream.container = hoy_json_string(hoy_json_get(info, "Id"));
	stream.tty = hoy_cli_bool(hoy_json_get(info, "Config"), "Tty");
	stream.stdin_open = !o->no_stdin && hoy_cli_bool(hoy_json_get(info, "Config"), "OpenStdin");
	stream.sig_proxy = o->sig_proxy && !stream.tty;
	if (hoy_stream_check_tty(stream.tty, stream.stdin_open, &err) < 0 ||
		hoy_wait_open(cli, stream.container, "not-running", &wait, &err) < 0 ||
		hoy_stream_attach(&stream, o->detach_keys, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (stream.tty)
		hoy_stream_send_size(&stream);
	if (hoy_stream_run(&stream, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (stream.detached)
		return 0;
	return hoy_wait_read(&wait, &code, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : code;
}

const struct hoy_command hoy_cmd_attach = {
	.name = "attach",
	.alias = "container attach",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "Attach local standard input, output, and error streams to a running container",
	.options = attach_options,
	.values_size = sizeof(struct attach_options),
	.defaults = &attach_defaults,
	.run = cmd_attach,
};
