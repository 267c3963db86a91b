/* run and create: create a container, attach, wait, start, copy streams, leave with its exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/create_request.h"
#include "supervisor/cli/proxies.h"
#include "supervisor/cli/pull.h"
#include "supervisor/cli/run.h"
#include "supervisor/cli/stream.h"
#include "supervisor/cli/wait.h"

/* docker's rule for what a failed start means for the shell. */
static int status_of_start_error(const struct hoy_err *err)
{
	static const char *const not_found[] = { "executable file not found", "no such file or directory",
		"system cannot find the file specified" };
	static const char *const not_executable[] = { "permission denied", "not a directory", "is a directory",
		"exec format error" };

	for (size_t i = 0; i < ARRAY_LEN(not_found); i++)
		if (strcasestr(err->msg, not_found[i]))
			return HOY_EXIT_NOT_FOUND;
	for (size_t i = 0; i < ARRAY_LEN(not_executable); i++)
		if (strcasestr(err->msg, not_executable[i]))
			return HOY_EXIT_NOT_EXECUTABLE;
	return HOY_EXIT_ENGINE;
}

static int create_once(
	struct hoy_cli *cli, const struct hoy_run_options *o, const char *body, char **ret_id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	const char *id;
	int r;

	(void) hoy_buf_adds(&path, "/containers/create");
	if (o->name) {
		(void) hoy_buf_adds(&path, "?name=");
		hoy_http_escape(&path, o->name);
	}
	if (o->platform) {
		(void) hoy_buf_addf(&path, "%cplatform=", o->name ? '&' : '?');
		hoy_http_escape(&path, o->platform);
	}
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, body, &answer, err);
	if (r < 0)
		return r;
	id = hoy_json_string(hoy_json_get(answer, "Id"));
	if (!id)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer to create has no Id");
	hoy_json_each(warning, hoy_json_get(answer, "Warnings"))(void)
		fprintf(stderr, "WARNING: %s\n", hoy_json_string(warning) ? hoy_json_string(warning) : "");
	*ret_id = strdup(id);
	return *ret_id ? 0 : hoy_err_oom(err);
}

/* The file for --cidfile is made before the container, so that two commands can't share one. */
static int open_cidfile(const char *path, int *ret_fd, struct hoy_err *err)
{
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*ret_fd < 0 && errno == EEXIST)
		return hoy_err_conflict(
			err, "container ID file found, make sure the other container isn't running or delete %s", path);
	return *ret_fd < 0 ? hoy_err_sys(err, "create the container ID file '%s'", path) : 0;
}

static int check(const struct hoy_run_options *o, struct hoy_err *err)
{
	if (o->pull && strcmp(o->pull, "missing") != 0 && strcmp(o->pull, "never") != 0 &&
		strcmp(o->pull, "always") != 0)
		return hoy_err_invalid(
			err, "invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", o->pull);
	if (!o->content_untrusted)
		return hoy_err_unsupported(
			err, "--disable-content-trust=false is not supported: images are not verified by signatures");
	return 0;
}

/* Pulls when asked to, creates, pulls what was missing and creates again. */
static int create_pulled(
	struct hoy_cli *cli, const struct hoy_run_options *o, const char *body, char **ret_id, struct hoy_err *err)
{
	FILE *progress = o->quiet ? NULL : stderr;
	const char *pull = o->pull ? o->pull : "missing";
	int r = *pull == 'a' ? hoy_cli_pull(cli, cli->args[0], o->platform, progress, err) : 0;

	if (r == 0)
		r = create_once(cli, o, body, ret_id, err);
	if (r == -ENOENT && strcasestr(err->msg, "no such image") && strcmp(pull, "missing") == 0) {
		(void) fprintf(stderr, "Unable to find image '%s' locally\n", cli->args[0]);
		r = hoy_cli_pull(cli, cli->args[0], o->platform, progress, err);
		if (r == 0)
			r = create_once(cli, o, body, ret_id, err);
	}
	return r;
}

int hoy_run_create(struct hoy_cli *cli, const struct hoy_run_options *o, char **ret_id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_ptr(hoy_strv_free) char **proxies = NULL;
	auto_fd int cidfile = -EBADF;
	int r = check(o, err);

	if (r == 0 && (o->secret || o->config))
		r = hoy_cli_check_engine(cli, "--secret and --config", err);
	if (r == 0)
		r = hoy_proxies_of(&cli->config, cli->host.url, &proxies, err);
	if (r == 0)
		r = hoy_create_request_print(o, cli->args, proxies, &body, err);
	if (r == 0 && o->cidfile)
		r = open_cidfile(o->cidfile, &cidfile, err);
	if (r < 0)
		return r;
	r = create_pulled(cli, o, body.data, ret_id, err);
	if (cidfile >= 0 && (r < 0 || hoy_fd_write_all(cidfile, *ret_id, strlen(*ret_id)) < 0))
		(void) unlink(o->cidfile);
	return r;
}

/* Nobody answers on the default socket and nobody said another: hoyd is started, once. */
static int ensure_daemon(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct hoy_http_request ping = { .method = "HEAD", .path = "/_ping", .body_fd = -1, .probe = true };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };

	if (!cli->default_host || hoy_http_send(&cli->host, &ping, &http, NULL) == 0)
		return 0;
	return hoy_context_start_daemon(err);
}

static int cmd_create(struct hoy_cli *cli)
{
	const struct hoy_run_options *o = cli->values;
	auto_free char *id = NULL;
	struct hoy_err err;

	if (ensure_daemon(cli, &err) < 0 || hoy_run_create(cli, o, &id, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	(void) puts(id);
	return 0;
}

const struct hoy_command hoy_cmd_create = {
	.name = "create",
	.alias = "container create",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Create a new container",
	.options = hoy_create_option_table,
	.values_size = sizeof(struct hoy_run_options),
	.defaults = &hoy_run_option_defaults,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_create,
};

static int start(struct hoy_cli *cli, const char *id, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/containers/%s/start", id);

	return path ? hoy_cli_call(cli, "POST", path, NULL, NULL, err) : hoy_err_oom(err);
}

/* Without -a all streams are attached. */
static bool wants(const struct hoy_run_options *o, const char *stream)
{
	for (char **a = o->attach; a && *a; a++)
		if (strcasecmp(*a, stream) == 0)
			return true;
	return !o->attach;
}

int hoy_run_attached(struct hoy_cli *cli, const struct hoy_run_options *o, const char *id)
{
	auto_(hoy_stream_done) struct hoy_stream stream = {
		.cli = cli,
		.container = id,
		.tty = o->tty,
		.stdin_open = o->interactive && wants(o, "stdin"),
		.stdout_open = wants(o, "stdout"),
		.stderr_open = wants(o, "stderr"),
		.sig_proxy = o->sig_proxy && !o->tty,
		.fd = -EBADF,
	};
	auto_(hoy_http_done) struct hoy_http wait = { .fd = -EBADF };
	struct hoy_err err;
	int status = 0;

	if (hoy_stream_attach(&stream, o->detach_keys, &err) < 0 ||
		hoy_wait_open(cli, id, o->rm ? "removed" : "next-exit", &wait, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	if (start(cli, id, &err) < 0) {
		if (o->rm) {
			auto_free char *path = hoy_str_printf("/containers/%s?force=1&v=1", id);

			(void) hoy_cli_call(cli, "DELETE", path ? path : "/", NULL, NULL, NULL);
		}
		return hoy_cli_fail(cli, status_of_start_error(&err), &err);
	}
	if (o->tty)
		hoy_stream_send_size(&stream);
	if (hoy_stream_run(&stream, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	if (stream.detached)
		return 0;
	if (hoy_wait_read(&wait, &status, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	return status;
}

static int cmd_run(struct hoy_cli *cli)
{
	const struct hoy_run_options *o = cli->values;
	auto_free char *id = NULL;
	struct hoy_err err;

	if (!o->detach && hoy_stream_check_tty(o->tty, o->interactive, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (o->detach && o->attach) {
		(void) hoy_err_invalid(&err, "conflicting options: cannot specify both --attach and --detach");
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	}
	if (ensure_daemon(cli, &err) < 0 || hoy_run_create(cli, o, &id, &err) < 0)
		return hoy_cli_fail(cli, HOY_EXIT_ENGINE, &err);
	if (!o->detach)
		return hoy_run_attached(cli, o, id);
	if (start(cli, id, &err) < 0)
		return hoy_cli_fail(cli, status_of_start_error(&err), &err);
	(void) puts(id);
	return 0;
}

const struct hoy_command hoy_cmd_run = {
	.name = "run",
	.alias = "container run",
	.args = "IMAGE [COMMAND] [ARG...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Create and run a new container from an image",
	.options = hoy_run_option_table,
	.values_size = sizeof(struct hoy_run_options),
	.defaults = &hoy_run_option_defaults,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_run,
};

/* --- start ------------------------------------------------------------------- */

struct start_options {
	bool attach, interactive, sig_proxy;
	const char *detach_keys, *checkpoint, *checkpoint_dir;
};
static const struct start_options start_defaults = { .sig_proxy = true };
static const struct hoy_option start_options[] = {
	HOY_OPTION('a', "attach", HOY_OPTION_BOOL, NULL, struct start_options, attach,
		"Attach STDOUT/STDERR and forward signals"),
	HOY_OPTION(0, "checkpoint", HOY_OPTION_STRING, "string", struct start_options, checkpoint,
		"Restore from this checkpoint"),
	HOY_OPTION(0, "checkpoint-dir", HOY_OPTION_STRING, "string", struct start_options, checkpoint_dir,
		"Use a custom checkpoint storage directory"),
	HOY_OPTION(0, "detach-keys", HOY_OPTION_STRING, "string", struct start_options, detach_keys,
		"Override the key sequence for detaching a container"),
	HOY_OPTION('i', "interactive", HOY_OPTION_BOOL, NULL, struct start_options, interactive,
		"Attach container's STDIN"),
	HOY_OPTION(0, "sig-proxy", HOY_OPTION_BOOL, NULL, struct start_options, sig_proxy,
		"Proxy all received signals to the process (default true)"),
	HOY_OPTION_END,
};

static int start_attached(struct hoy_cli *cli, const struct start_options *o, const char *name)
{
	auto_free char *path = hoy_str_printf("/containers/%s/json", name);
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	struct hoy_run_options as_run = hoy_run_option_defaults;
	const struct hoy_json *config;
	struct hoy_err err;

	if (!path || hoy_cli_call(cli, "GET", path, NULL, &info, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	config = hoy_json_get(info, "Config");
	as_run.tty = hoy_cli_bool(config, "Tty");
	as_run.interactive = o->interactive && hoy_cli_bool(config, "OpenStdin");
	as_run.sig_proxy = o->sig_proxy;
	as_run.detach_keys = o->detach_keys;
	if (hoy_stream_check_tty(as_run.tty, as_run.interactive, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return hoy_run_attached(cli, &as_run, hoy_json_string(hoy_json_get(info, "Id")));
}

static int restore(struct hoy_cli *cli, const struct start_options *o, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, "/start?checkpoint=");
	hoy_http_escape(&path, o->checkpoint);
	if (o->checkpoint_dir) {
		(void) hoy_buf_adds(&path, "&checkpoint-dir=");
		hoy_http_escape(&path, o->checkpoint_dir);
	}
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, NULL, NULL, err);
}

static int check_restore(const struct hoy_cli *cli, const struct start_options *o, struct hoy_err *err)
{
	if (!o->checkpoint)
		return o->checkpoint_dir ? hoy_err_invalid(err, "--checkpoint-dir needs --checkpoint") : 0;
	if (cli->n_args > 1)
		return hoy_err_invalid(err, "you cannot restore multiple containers at once");
	if (o->attach || o->interactive)
		return hoy_err_unsupported(
			err, "--checkpoint with --attach or --interactive: start it, then \"hoy attach\"");
	return 0;
}

static int cmd_start(struct hoy_cli *cli)
{
	const struct start_options *o = cli->values;
	struct hoy_err err;

	if (check_restore(cli, o, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (o->checkpoint) {
		if (restore(cli, o, cli->args[0], &err) < 0)
			return hoy_cli_fail(cli, 1, &err);
		(void) puts(cli->args[0]);
		return 0;
	}
	if (o->attach || o->interactive) {
		if (cli->n_args != 1) {
			(void) hoy_err_invalid(&err, "you cannot start and attach multiple containers at once");
			return hoy_cli_fail(cli, 1, &err);
		}
		return start_attached(cli, o, cli->args[0]);
	}
	return hoy_cli_each_arg(cli, start, /* print= */ true);
}

const struct hoy_command hoy_cmd_start = {
	.name = "start",
	.alias = "container start",
	.args = "CONTAINER [CONTAINER...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Start one or more stopped containers",
	.options = start_options,
	.values_size = sizeof(struct start_options),
	.defaults = &start_defaults,
	.run = cmd_start,
};
