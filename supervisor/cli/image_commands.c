/* load, import, rmi. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/progress.h"

/* --- load -------------------------------------------------------------------- */

struct load_options {
	const char *input, *platform;
	bool quiet;
};
static const struct hoy_option load_options[] = {
	HOY_OPTION('i', "input", HOY_OPTION_STRING, "string", struct load_options, input,
		"Read from tar archive file, instead of STDIN"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct load_options, platform,
		"Load only the given platform (\"os[/arch[/variant]]\")"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct load_options, quiet, "Suppress the load output"),
	HOY_OPTION_END,
};

/* A tar to the engine, its progress to stdout. */
static int send_tar(struct hoy_cli *cli, const char *path, int fd, bool quiet, struct hoy_err *err)
{
	const struct hoy_http_request request = {
		.method = "POST", .path = path, .content_type = "application/x-tar", .body_fd = fd
	};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	int r = hoy_cli_open(cli, &request, &http, err);

	return r < 0 ? r : hoy_progress_copy(&http, quiet ? NULL : stdout, err);
}

static void add_platform(struct hoy_buf *path, const char *platform)
{
	if (!platform)
		return;
	(void) hoy_buf_adds(path, "&platform=");
	hoy_http_escape(path, platform);
}

static int cmd_load(struct hoy_cli *cli)
{
	const struct load_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_fd int file = -EBADF;
	struct hoy_err err;

	if (o->input) {
		file = open(o->input, O_RDONLY | O_CLOEXEC);
		if (file < 0) {
			(void) hoy_err_sys(&err, "open %s", o->input);
			return hoy_cli_fail(cli, 1, &err);
		}
	} else if (isatty(STDIN_FILENO)) {
		(void) hoy_err_invalid(&err, "requested load from stdin, but stdin is empty");
		return hoy_cli_fail(cli, 1, &err);
	}
	(void) hoy_buf_addf(&path, "/images/load?quiet=%d", o->quiet);
	add_platform(&path, o->platform);
	if (hoy_buf_check(&path, "the request", &err) < 0 ||
		send_tar(cli, path.data, o->input ? file : STDIN_FILENO, /* quiet= */ false, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_load = {
	.name = "load",
	.alias = "image load",
	.args = "",
	.summary = "Load an image from a tar archive or STDIN",
	.options = load_options,
	.values_size = sizeof(struct load_options),
	.run = cmd_load,
};

/* --- import ------------------------------------------------------------------ */

struct import_options {
	char **change;
	const char *message, *platform;
};
static const struct hoy_option import_options[] = {
	HOY_OPTION('c', "change", HOY_OPTION_LIST, "list", struct import_options, change,
		"Apply Dockerfile instruction to the created image"),
	HOY_OPTION('m', "message", HOY_OPTION_STRING, "string", struct import_options, message,
		"Set commit message for imported image"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct import_options, platform,
		"Set the image's platform (\"os[/arch[/variant]]\")"),
	HOY_OPTION_END,
};

static int import_path(const struct import_options *o, const char *reference, struct hoy_buf *path, struct hoy_err *err)
{
	(void) hoy_buf_adds(path, "/images/create?fromSrc=-");
	if (reference) {
		const char *slash = strrchr(reference, '/');
		const char *colon = strchr(slash ? slash : reference, ':');
		auto_free char *repo = strndup(reference, colon ? (size_t) (colon - reference) : strlen(reference));

		if (!repo)
			return hoy_err_oom(err);
		(void) hoy_buf_adds(path, "&repo=");
		hoy_http_escape(path, repo);
		if (colon) {
			(void) hoy_buf_adds(path, "&tag=");
			hoy_http_escape(path, colon + 1);
		}
	}
	if (o->message) {
		(void) hoy_buf_adds(path, "&message=");
		hoy_http_escape(path, o->message);
	}
	add_platform(path, o->platform);
	for (char **c = o->change; c && *c; c++) {
		(void) hoy_buf_adds(path, "&changes=");
		hoy_http_escape(path, *c);
	}
	return hoy_buf_check(path, "the request", err);
}

static int cmd_import(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	const char *source = cli->args[0];
	auto_fd int file = -EBADF;
	struct hoy_err err;

	if (hoy_str_starts(source, "http://") || hoy_str_starts(source, "https://")) {
		(void) hoy_err_unsupported(
			&err, "import from a URL is not supported: fetch it and import the file or '-'");
		return hoy_cli_fail(cli, 1, &err);
	}
	if (strcmp(source, "-") != 0) {
		file = open(source, O_RDONLY | O_CLOEXEC);
		if (file < 0) {
			(void) hoy_err_sys(&err, "open %s", source);
			return hoy_cli_fail(cli, 1, &err);
		}
	}
	if (import_path(cli->values, cli->args[1], &path, &err) < 0 ||
		send_tar(cli, path.data, file >= 0 ? file : STDIN_FILENO, /* quiet= */ false, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_import = {
	.name = "import",
	.alias = "image import",
	.args = "file|- [REPOSITORY[:TAG]]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Import the contents from a tarball to create a filesystem image",
	.options = import_options,
	.values_size = sizeof(struct import_options),
	.run = cmd_import,
};

/* --- rmi --------------------------------------------------------------------- */

struct rmi_options {
	const char *platform;
	bool force, no_prune;
};
static const struct hoy_option rmi_options[] = {
	HOY_OPTION('f', "force", HOY_OPTION_BOOL, NULL, struct rmi_options, force, "Force removal of the image"),
	HOY_OPTION(
		0, "no-prune", HOY_OPTION_BOOL, NULL, struct rmi_options, no_prune, "Do not delete untagged parents"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct rmi_options, platform,
		"Remove only the given platform (\"os[/arch[/variant]]\")"),
	HOY_OPTION_END,
};

static int rmi_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct rmi_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r;

	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_addf(&path, "?force=%d&noprune=%d", o->force, o->no_prune);
	if (o->platform) {
		(void) hoy_buf_adds(&path, "&platforms=");
		hoy_http_escape(&path, o->platform);
	}
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "DELETE", path.data, NULL, &answer, err);
	if (r < 0)
		return r;
	hoy_json_each(entry, answer)
	{
		if (hoy_json_get(entry, "Untagged"))
			(void) printf("Untagged: %s\n", hoy_cli_text(entry, "Untagged"));
		if (hoy_json_get(entry, "Deleted"))
			(void) printf("Deleted: %s\n", hoy_cli_text(entry, "Deleted"));
	}
	return 0;
}

static int cmd_rmi(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, rmi_one, /* print= */ false);
}

const struct hoy_command hoy_cmd_rmi = {
	.name = "rmi",
	.alias = "image rm",
	.args = "IMAGE [IMAGE...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more images",
	.options = rmi_options,
	.values_size = sizeof(struct rmi_options),
	.run = cmd_rmi,
};
