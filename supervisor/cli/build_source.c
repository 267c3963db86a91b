/* What build reads: a directory or a tar from stdin, and the Dockerfile, which may lie elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/ignore.h"
#include "supervisor/cli/build_internal.h"

#define STDIN_DOCKERFILE ".dockerfile.stdin"

void hoy_build_source_done(struct hoy_build_source *source)
{
	free(source->dockerfile);
	free(source->path);
	hoy_buf_done(&source->text);
	hoy_buf_done(&source->ignore);
}

/* PATH.dockerignore, where it is. */
static int take_ignore(struct hoy_build_source *source, const char *path, struct hoy_err *err)
{
	auto_free char *name = hoy_str_printf("%s.dockerignore", path);
	int r = name ? 0 : hoy_err_oom(err);

	source->ignore.cap = HOY_IGNORE_MAX_SIZE;
	if (r == 0)
		r = hoy_file_read(AT_FDCWD, name, &source->ignore, NULL);
	if (r == 0)
		source->context.ignore = source->ignore.data ? source->ignore.data : "";
	return r == 0 || r == -ENOENT ? 0 : hoy_err_code(err, r, "read '%s'", name);
}

static int take_text(struct hoy_build_source *source, const char *path, struct hoy_err *err)
{
	int r;

	source->text.cap = 4 << 20;
	r = path ? hoy_file_read(AT_FDCWD, path, &source->text, err)
		 : hoy_file_read_fd(STDIN_FILENO, "stdin", &source->text, err);
	source->dockerfile = strdup(STDIN_DOCKERFILE);
	if (r < 0 || !source->dockerfile)
		return r < 0 ? r : hoy_err_oom(err);
	r = path ? take_ignore(source, path, err) : 0;
	if (r < 0)
		return r;
	source->context.text = source->text.data ? source->text.data : "";
	source->context.text_len = source->text.len;
	return 0;
}

/* -f names a file of the host: relative to the context when it lies in it, else it is sent along. */
static int choose_dockerfile(struct hoy_build_source *source, const char *file, struct hoy_err *err)
{
	auto_free char *dir = realpath(source->context.dir, NULL), *path = NULL, *joined = NULL;
	size_t len = dir ? strlen(dir) : 0;

	if (!dir)
		return hoy_err_sys(err, "unable to prepare context: path \"%s\"", source->context.dir);
	joined = hoy_path_join(file ? "." : source->context.dir, file ? file : "Dockerfile");
	path = joined ? realpath(joined, NULL) : NULL;
	if (!path && !file) {
		free(joined);
		joined = hoy_path_join(source->context.dir, "dockerfile");
		path = joined ? realpath(joined, NULL) : NULL;
	}
	if (!path && !file)
		return hoy_err_not_found(err,
			"unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat %s/Dockerfile: no "
			"such file or directory",
			dir);
	if (!path)
		return hoy_err_sys(err, "unable to prepare context: Dockerfile '%s'", file);
	if (strncmp(path, dir, len) != 0 || (path[len] != '/' && len > 1))
		return take_text(source, path, err);
	source->dockerfile = strdup(path + len + (len > 1));
	source->path = TAKE_PTR(path);
	return source->dockerfile ? 0 : hoy_err_oom(err);
}

static int choose_remote(struct hoy_build_source *source, const char *url, const char *file, struct hoy_err *err)
{
	if (file && strcmp(file, "-") == 0)
		return hoy_err_unsupported(err,
			"a Dockerfile on stdin for the build context '%s' is not supported by this version of Hoy",
			url);
	source->remote = url;
	source->dockerfile = file ? strdup(file) : NULL;
	return file && !source->dockerfile ? hoy_err_oom(err) : 0;
}

int hoy_build_source_choose(const struct hoy_cli *cli, struct hoy_build_source *source, struct hoy_err *err)
{
	const struct hoy_build_options *o = cli->values;
	const char *path = cli->args[0];
	struct stat st;
	int r;

	if (strcmp(path, "-") == 0) {
		if (o->file && strcmp(o->file, "-") == 0)
			return hoy_err_invalid(
				err, "invalid argument: can't use stdin for both build context and dockerfile");
		source->dockerfile = o->file ? strdup(o->file) : NULL;
		return o->file && !source->dockerfile ? hoy_err_oom(err) : 0;
	}
	if (strstr(path, "://") || hoy_str_starts(path, "git@") || hoy_str_starts(path, "github.com/"))
		return choose_remote(source, path, o->file, err);
	if (stat(path, &st) < 0)
		return hoy_err_sys(err, "unable to prepare context: path \"%s\"", path);
	if (!S_ISDIR(st.st_mode))
		return hoy_err_invalid(err, "unable to prepare context: context must be a directory: %s", path);
	source->context.dir = path;
	r = o->file && strcmp(o->file, "-") == 0 ? take_text(source, NULL, err)
						 : choose_dockerfile(source, o->file, err);
	source->context.dockerfile = source->dockerfile;
	return r;
}
