/*
 * cp: between the host and a container, by docker's rules. The engine gives and takes tar archives; a tar program of
 * the host packs and unpacks here, told what to call things.
 *
 * DEST is a directory: the source goes into it under its own name, "SOURCE/." only its content. DEST is missing: the
 * source becomes it, and its directory must be there. DEST is a file: only a file can become it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"

struct cp_options {
	bool archive, follow_link, quiet;
};
static const struct hoy_option cp_options[] = {
	HOY_OPTION('a', "archive", HOY_OPTION_BOOL, NULL, struct cp_options, archive,
		"Archive mode (copy all uid/gid information)"),
	HOY_OPTION('L', "follow-link", HOY_OPTION_BOOL, NULL, struct cp_options, follow_link,
		"Always follow symbol link in SRC_PATH"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct cp_options, quiet,
		"Suppress progress output during copy. Progress output is automatically suppressed if no terminal is "
		"attached"),
	HOY_OPTION_END,
};

/* One side: a path, of a container when `container` is set. */
struct side {
	char *container;
	char *path; /* cleaned, but for a trailing "/" or "/." */
	bool exists, is_dir, is_link;
	char *link; /* where a container's symlink leads */
};

static void side_done(struct side *side)
{
	free(side->container);
	free(side->path);
	free(side->link);
}

/* "CONTAINER:PATH"; a path of the host that holds a ':' begins with "/" or ".". */
static int parse_side(const char *text, struct side *side, struct hoy_err *err)
{
	const char *colon = strchr(text, ':');

	if (*text == '/' || *text == '.' || !colon || colon == text)
		side->path = strdup(text);
	else {
		side->container = strndup(text, (size_t) (colon - text));
		side->path = strdup(colon + 1);
	}
	return side->path ? 0 : hoy_err_oom(err);
}

static bool wants_dir(const char *path)
{
	return hoy_str_ends(path, "/") || hoy_str_ends(path, "/.") || strcmp(path, ".") == 0 || !*path;
}

static bool wants_content(const char *path)
{
	return hoy_str_ends(path, "/.") || strcmp(path, ".") == 0;
}

/* --- the container's side --------------------------------------------------------------------- */

static int archive_path(
	const struct side *side, const char *path, const char *more, struct hoy_buf *out, struct hoy_err *err)
{
	(void) hoy_buf_adds(out, "/containers/");
	hoy_http_escape(out, side->container);
	(void) hoy_buf_adds(out, "/archive?path=");
	hoy_http_escape(out, path);
	(void) hoy_buf_adds(out, more);
	return hoy_buf_check(out, "the request", err);
}

/* What the path is there. A missing one is no error: exists is false. */
static int look_in_container(const struct hoy_cli *cli, struct side *side, const char *path, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf target = {}, text = {};
	auto_ptr(hoy_json_free) struct hoy_json *stat = NULL;
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	int64_t mode;
	int r = archive_path(side, path, "", &target, err);

	if (r >= 0)
		r = hoy_http_send(&cli->host,
			&(struct hoy_http_request){ .method = "HEAD", .path = target.data, .body_fd = -1 }, &http, err);
	if (r < 0)
		return r;
	side->exists = http.status == 200 && http.path_stat;
	if (!side->exists)
		return 0;
	if (hoy_base64_decode(&text, http.path_stat) < 0 || hoy_buf_adds(&text, "") < 0 ||
		hoy_json_parse(text.data, text.len, NULL, &stat, err) < 0)
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EPROTO, "the engine's X-Docker-Container-Path-Stat makes no sense");
	mode = hoy_cli_number(stat, "mode");
	side->is_dir = (mode & (int64_t) 1 << 31) != 0;
	side->is_link = (mode & (int64_t) 1 << 27) != 0;
	free(side->link);
	side->link = strdup(hoy_cli_text(stat, "linkTarget"));
	return side->link ? 0 : hoy_err_oom(err);
}

/* A symlink as destination is what it leads to. */
static int look_at_destination(const struct hoy_cli *cli, struct side *side, struct hoy_err *err)
{
	int r = look_in_container(cli, side, side->path, err);

	if (r < 0 || !side->is_link)
		return r;
	free(side->path);
	side->path = TAKE_PTR(side->link);
	return side->path ? look_in_container(cli, side, side->path, err) : hoy_err_oom(err);
}

/* The engine's own words for what is missing. */
static int tell_missing(const struct hoy_cli *cli, const struct side *side, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf target = {};
	struct hoy_http http;
	int r = archive_path(side, side->path, "", &target, err);

	if (r >= 0)
		r = hoy_cli_open(cli, &(struct hoy_http_request){ .method = "GET", .path = target.data, .body_fd = -1 },
			&http, err);
	if (r >= 0)
		hoy_http_done(&http);
	return r < 0 ? r : hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "'%s' changed meanwhile", side->path);
}

/* --- tar -------------------------------------------------------------------------------------- */

/* What the first name of an archive becomes: "s,^\(\./\)*old\(/\|$\),new\2,", told to tar without a shell. */
static char *renaming(const char *from, const char *to)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const char *parts[] = { from, to };

	(void) hoy_buf_adds(&text, "--transform=flags=r;s\x01^");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		for (const char *c = parts[i]; *c; c++)
			(void) hoy_buf_addf(&text, strchr(i ? "\\&" : "\\.[]*^$", *c) ? "\\%c" : "%c", *c);
		(void) hoy_buf_adds(&text, i ? "\\1\x01" : "\\(/\\|$\\)\x01");
	}
	return hoy_buf_check(&text, "names", NULL) < 0 ? NULL : hoy_buf_take(&text);
}

static int start_tar(char *const *argv, int in, int out, pid_t *ret, struct hoy_err *err)
{
	return hoy_process_spawn(
		&(struct hoy_spawn){ .path = "tar", .argv = argv, .fds = (const int[]){ in, out, 2 }, .n_fds = 3 }, ret,
		NULL, err);
}

static int end_tar(pid_t pid, struct hoy_err *err)
{
	siginfo_t si;
	int r = hoy_process_wait(pid, &si, err);

	if (r >= 0 && hoy_process_status(&si) != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "tar ended with status %d", hoy_process_status(&si));
	return r;
}

static int pass_body(struct hoy_http *http, int fd, struct hoy_err *err)
{
	char block[65536];
	ssize_t n;
	int r = 0;

	while ((n = hoy_http_read(http, block, sizeof block, err)) > 0 && r >= 0)
		r = hoy_fd_write_all(fd, block, (size_t) n);
	return n < 0 ? (int) n : r < 0 ? hoy_err_code(err, r, "write") : 0;
}

/* --- from a container ------------------------------------------------------------------------- */

static int open_archive(const struct hoy_cli *cli, struct side *from, struct hoy_http *http, struct hoy_err *err)
{
	const struct cp_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf target = {};
	int r = look_in_container(cli, from, from->path, err);

	if (r >= 0 && !from->exists)
		return tell_missing(cli, from, err);
	if (r >= 0 && o->follow_link && from->is_link) {
		free(from->path);
		from->path = TAKE_PTR(from->link);
		r = from->path ? look_in_container(cli, from, from->path, err) : hoy_err_oom(err);
	}
	if (r >= 0)
		r = archive_path(from, from->path, "", &target, err);
	return r < 0 ? r
		     : hoy_cli_open(cli,
			       &(struct hoy_http_request){ .method = "GET", .path = target.data, .body_fd = -1 }, http,
			       err);
}

/* Where an entry goes on the host: *ret_dir, and what the archive's first name becomes there. */
static int place_on_host(const struct side *from, struct side *to, const char *called, char **ret_dir, char **ret_name,
	struct hoy_err *err)
{
	struct stat st;
	const char *base = hoy_path_base(to->path);
	auto_free char *parent = NULL;

	to->exists = stat(to->path, &st) == 0;
	to->is_dir = to->exists && S_ISDIR(st.st_mode);
	if (to->exists && !to->is_dir && (from->is_dir || wants_dir(to->path)))
		return hoy_err_invalid(err, "cannot copy to '%s': not a directory", to->path);
	if (to->is_dir && !(from->is_dir && wants_content(from->path))) {
		*ret_dir = strdup(to->path);
		*ret_name = strdup(called);
	} else if (to->is_dir) {
		*ret_dir = strdup(to->path);
		*ret_name = strdup(".");
	} else {
		auto_free char *clean = hoy_path_clean(to->path);

		if (!clean)
			return hoy_err_oom(err);
		if (!from->is_dir && wants_dir(to->path))
			return hoy_err_invalid(err, "no such directory");
		base = hoy_path_base(clean);
		parent = strndup(clean, (size_t) (base - clean));
		*ret_dir = parent && *parent ? TAKE_PTR(parent) : strdup(".");
		*ret_name = strdup(base);
	}
	if (!*ret_dir || !*ret_name)
		return hoy_err_oom(err);
	if (stat(*ret_dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "invalid output path: directory \"%s\" does not exist", *ret_dir);
	return 0;
}

static int from_container(const struct hoy_cli *cli, struct side *from, struct side *to, struct hoy_err *err)
{
	const struct cp_options *o = cli->values;
	auto_free char *dir = NULL, *name = NULL, *rename = NULL, *clean = NULL;
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	const char *called, *entry;
	int pipe_fds[2], r = open_archive(cli, from, &http, err);
	pid_t pid;

	if (r < 0)
		return r;
	if (strcmp(to->path, "-") == 0)
		return pass_body(&http, STDOUT_FILENO, err);
	clean = hoy_path_clean(from->path);
	if (!clean)
		return hoy_err_oom(err);
	called = strcmp(clean, "/") == 0 ? "" : hoy_path_base(clean);
	entry = wants_content(from->path) ? "." : called;
	r = place_on_host(from, to, called, &dir, &name, err);
	if (r < 0)
		return r;
	rename = renaming(entry, name);
	if (!rename)
		return hoy_err_oom(err);
	{
		char *const argv[] = { "tar", "-x", "-f", "-", "-C", dir, "--no-same-owner", rename, NULL };
		char *const owned[] = { "tar", "-x", "-f", "-", "-C", dir, "--same-owner", "--numeric-owner", rename,
			NULL };

		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return hoy_err_sys(err, "create pipe");
		r = start_tar(o->archive ? owned : argv, pipe_fds[0], 1, &pid, err);
		hoy_fd_close(&pipe_fds[0]);
		if (r >= 0) {
			r = pass_body(&http, pipe_fds[1], err);
			hoy_fd_close(&pipe_fds[1]);
			if (r >= 0)
				return end_tar(pid, err);
			(void) end_tar(pid, NULL);
		}
		hoy_fd_close(&pipe_fds[1]);
	}
	return r;
}

/* --- to a container --------------------------------------------------------------------------- */

static int put(const struct hoy_cli *cli, const struct side *to, const char *dir, int fd, struct hoy_err *err)
{
	const struct cp_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf target = {};
	struct hoy_http http;
	int r = archive_path(to, dir,
		o->archive ? "&noOverwriteDirNonDir=true&copyUIDGID=true" : "&noOverwriteDirNonDir=true", &target, err);

	if (r >= 0)
		r = hoy_cli_open(cli,
			&(struct hoy_http_request){ .method = "PUT",
				.path = target.data,
				.content_type = "application/x-tar",
				.body_fd = fd },
			&http, err);
	if (r >= 0)
		hoy_http_done(&http);
	return r;
}

static int place_in_container(const struct side *from, const struct side *to, const char *called, char **ret_dir,
	char **ret_name, struct hoy_err *err)
{
	auto_free char *clean = hoy_path_clean(*to->path ? to->path : "/"), *parent = NULL;
	const char *base;

	if (!clean)
		return hoy_err_oom(err);
	if (to->exists && !to->is_dir && from->is_dir)
		return hoy_err_invalid(err, "cannot copy directory");
	if (!to->exists && !from->is_dir && wants_dir(to->path))
		return hoy_err_invalid(err, "no such directory");
	if (to->exists && !to->is_dir && wants_dir(to->path))
		return hoy_err_invalid(err, "not a directory");
	if (to->exists && to->is_dir) {
		*ret_dir = TAKE_PTR(clean);
		*ret_name = strdup(from->is_dir && wants_content(from->path) ? "." : called);
	} else {
		base = hoy_path_base(clean);
		parent = strndup(clean, (size_t) (base - clean));
		*ret_dir = parent && *parent ? TAKE_PTR(parent) : strdup("/");
		*ret_name = strdup(base);
	}
	return *ret_dir && *ret_name ? 0 : hoy_err_oom(err);
}

static int to_container(const struct hoy_cli *cli, struct side *from, struct side *to, struct hoy_err *err)
{
	const struct cp_options *o = cli->values;
	auto_free char *dir = NULL, *name = NULL, *rename = NULL, *real = NULL, *parent = NULL;
	const char *base;
	int pipe_fds[2], r = look_at_destination(cli, to, err);
	struct stat st;
	pid_t pid;

	if (r < 0)
		return r;
	if (strcmp(from->path, "-") == 0) {
		if (to->exists && !to->is_dir)
			return hoy_err_invalid(
				err, "destination \"%s:%s\" must be a directory", to->container, to->path);
		return put(cli, to, *to->path ? to->path : "/", STDIN_FILENO, err);
	}
	if ((o->follow_link || wants_dir(from->path) ? stat(from->path, &st) : lstat(from->path, &st)) < 0)
		return hoy_err_sys(err, "lstat %s", from->path);
	from->is_dir = S_ISDIR(st.st_mode);
	real = o->follow_link || wants_dir(from->path) ? realpath(from->path, NULL) : hoy_path_clean(from->path);
	if (!real)
		return hoy_err_sys(err, "find '%s'", from->path);
	base = hoy_path_base(real);
	parent = strndup(real, (size_t) (base - real));
	{
		auto_free char *clean = hoy_path_clean(from->path);
		const char *called = clean ? hoy_path_base(clean) : base;

		r = parent ? place_in_container(from, to, strcmp(called, ".") == 0 ? base : called, &dir, &name, err)
			   : hoy_err_oom(err);
	}
	if (r < 0)
		return r;
	rename = renaming(base, name);
	if (!rename)
		return hoy_err_oom(err);
	{
		char *const argv[] = { "tar", "-c", "-f", "-", "--xattrs", "--numeric-owner", "-C",
			*parent ? parent : ".", rename, "--", (char *) (uintptr_t) base, NULL };

		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return hoy_err_sys(err, "create pipe");
		r = start_tar(argv, -1, pipe_fds[1], &pid, err);
		hoy_fd_close(&pipe_fds[1]);
		if (r >= 0)
			r = put(cli, to, dir, pipe_fds[0], err);
		hoy_fd_close(&pipe_fds[0]);
		if (r >= 0)
			r = end_tar(pid, err);
	}
	return r;
}

static int copy(const struct hoy_cli *cli, struct side *from, struct side *to, struct hoy_err *err)
{
	int r = parse_side(cli->args[0], from, err);

	if (r >= 0)
		r = parse_side(cli->args[1], to, err);
	if (r < 0)
		return r;
	if (!*from->path)
		return hoy_err_invalid(err, "source can not be empty");
	if (!*to->path && !to->container)
		return hoy_err_invalid(err, "destination can not be empty");
	if (from->container && to->container)
		return hoy_err_invalid(err, "copying between containers is not supported");
	if (!from->container && !to->container)
		return hoy_err_invalid(err, "must specify at least one container source");
	return from->container ? from_container(cli, from, to, err) : to_container(cli, from, to, err);
}

static int cmd_cp(struct hoy_cli *cli)
{
	const struct cp_options *o = cli->values;
	auto_(side_done) struct side from = {}, to = {};
	struct hoy_err err;

	if (copy(cli, &from, &to, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	if (!o->quiet && isatty(STDERR_FILENO) && strcmp(cli->args[1], "-") != 0)
		(void) fprintf(stderr, "Successfully copied to %s\n", cli->args[1]);
	return 0;
}

const struct hoy_command hoy_cmd_cp = {
	.name = "cp",
	.alias = "container cp",
	.args = "CONTAINER:SRC_PATH DEST_PATH|-",
	.min_args = 2,
	.max_args = 2,
	.summary = "Copy files/folders between a container and the local filesystem",
	.options = cp_options,
	.values_size = sizeof(struct cp_options),
	.run = cmd_cp,
};
