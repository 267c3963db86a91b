/* save, export: a tar from the engine into a file or to stdout. commit. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/fetch_tar.h"

#define PIECE ((size_t) 256 << 10)

/* --- tars -------------------------------------------------------------------- */

static int copy_body(struct hoy_http *http, int fd, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);
	ssize_t n;

	if (!piece)
		return hoy_err_oom(err);
	while ((n = hoy_http_read(http, piece, PIECE, err)) != 0) {
		int r = n < 0 ? (int) n : hoy_fd_write_all(fd, piece, (size_t) n);

		if (n < 0)
			return r;
		if (r < 0)
			return hoy_err_code(err, r, "write the archive");
	}
	return 0;
}

/* A regular file is replaced when it is complete, as a whole; anything else (a pipe, a device) is written to. */
static int fetch_to_file(struct hoy_http *http, const char *path, struct hoy_err *err)
{
	auto_free char *temp = hoy_str_printf("%s.hoy-%d", path, (int) getpid());
	auto_fd int fd = -EBADF;
	struct stat st;
	int r;

	if (!temp)
		return hoy_err_oom(err);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "invalid output path: \"%s\" is a directory", path);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? hoy_err_sys(err, "open %s", path) : copy_body(http, fd, err);
	}
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return hoy_err_sys(err, "create %s", temp);
	r = copy_body(http, fd, err);
	if (r == 0 && rename(temp, path) < 0)
		r = hoy_err_sys(err, "rename %s", temp);
	if (r < 0)
		(void) unlink(temp);
	return r;
}

int hoy_fetch_tar(struct hoy_cli *cli, const char *path, const char *output, struct hoy_err *err)
{
	const struct hoy_http_request request = { .method = "GET", .path = path, .body_fd = -1 };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	int r;

	if (!output && isatty(STDOUT_FILENO))
		return hoy_err_invalid(err, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	r = hoy_cli_open(cli, &request, &http, err);
	if (r < 0)
		return r;
	return output ? fetch_to_file(&http, output, err) : copy_body(&http, STDOUT_FILENO, err);
}

/* --- save -------------------------------------------------------------------- */

struct save_options {
	const char *output, *platform;
};
static const struct hoy_option save_options[] = {
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct save_options, output,
		"Write to a file, instead of STDOUT"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct save_options, platform,
		"Save only the given platform (\"os[/arch[/variant]]\")"),
	HOY_OPTION_END,
};

static int cmd_save(struct hoy_cli *cli)
{
	const struct save_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;
	int r;

	(void) hoy_buf_adds(&path, "/images/get?");
	for (size_t i = 0; i < cli->n_args; i++) {
		(void) hoy_buf_adds(&path, i ? "&names=" : "names=");
		hoy_http_escape(&path, cli->args[i]);
	}
	if (o->platform) {
		(void) hoy_buf_adds(&path, "&platform=");
		hoy_http_escape(&path, o->platform);
	}
	r = hoy_buf_check(&path, "the request", &err);
	if (r == 0)
		r = hoy_fetch_tar(cli, path.data, o->output, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_save = {
	.name = "save",
	.alias = "image save",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.options = save_options,
	.values_size = sizeof(struct save_options),
	.run = cmd_save,
};

/* --- export ------------------------------------------------------------------ */

struct export_options {
	const char *output;
};
static const struct hoy_option export_options[] = {
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct export_options, output,
		"Write to a file, instead of STDOUT"),
	HOY_OPTION_END,
};

static int cmd_export(struct hoy_cli *cli)
{
	const struct export_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, cli->args[0]);
	(void) hoy_buf_adds(&path, "/export");
	r = hoy_buf_check(&path, "the request", &err);
	if (r == 0)
		r = hoy_fetch_tar(cli, path.data, o->output, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_export = {
	.name = "export",
	.alias = "container export",
	.args = "CONTAINER",
	.min_args = 1,
	.max_args = 1,
	.summary = "Export a container's filesystem as a tar archive",
	.options = export_options,
	.values_size = sizeof(struct export_options),
	.run = cmd_export,
};

/* --- commit ------------------------------------------------------------------ */

struct commit_options {
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
	HOY_OPTION('m', "message", HOY_OPTION_STRING, "string", struct commit_options, message, "Commit message"),
	HOY_OPTION('p', "pause", HOY_OPTION_BOOL, NULL, struct commit_options, pause, "Pause container during commit"),
	HOY_OPTION_END,
};

static void add_query(struct hoy_buf *path, const char *key, const char *value)
{
	(void) hoy_buf_addf(path, "&%s=", key);
	hoy_http_escape(path, value);
}

static void add_reference(struct hoy_buf *path, const char *reference)
{
	const char *slash = strrchr(reference, '/'), *colon = strchr(slash ? slash : reference, ':');
	auto_free char *repo = strndup(reference, colon ? (size_t) (colon - reference) : strlen(reference));

	add_query(path, "repo", repo ? repo : "");
	if (colon)
		add_query(path, "tag", colon + 1);
}

static int commit(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct commit_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_addf(&path, "/commit?pause=%d", o->pause);
	add_query(&path, "container", cli->args[0]);
	if (cli->n_args > 1)
		add_reference(&path, cli->args[1]);
	if (o->author)
		add_query(&path, "author", o->author);
	if (o->message)
		add_query(&path, "comment", o->message);
	for (char **change = o->change; change && *change; change++)
		add_query(&path, "changes", *change);
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "POST", path.data, NULL, &answer, err);
	if (r == 0)
		(void) puts(hoy_cli_text(answer, "Id"));
	return r;
}

static int cmd_commit(struct hoy_cli *cli)
{
	struct hoy_err err;

	return commit(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_commit = {
	.name = "commit",
	.alias = "container commit",
	.args = "CONTAINER [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Create a new image from a container's changes",
	.options = commit_options,
	.values_size = sizeof(struct commit_options),
	.defaults = &commit_defaults,
	.run = cmd_commit,
};
