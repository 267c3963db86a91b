/* context export and import: a tar of meta.json and tls/docker/{ca,cert,key}.pem, as docker has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/ustar.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/context_store.h"

#define ARCHIVE_MAX ((size_t) 10 << 20)
#define META_NAME "meta.json"
#define TLS_PREFIX "tls/docker/"

/* --- export ------------------------------------------------------------------- */

static int add_file(
	struct hoy_buf *archive, const char *path, const struct hoy_buf *data, unsigned int mode, struct hoy_err *err)
{
	return hoy_ustar_add(archive,
		&(struct hoy_ustar_file){ .path = path, .data = data->data, .len = data->len, .mode = mode }, err);
}

static int pack(struct hoy_cli *cli, const char *name, struct hoy_buf *archive, struct hoy_err *err)
{
	auto_(hoy_context_tls_done) struct hoy_context_tls tls = {};
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r = hoy_context_load(&cli->config, name, &meta, err);

	if (r == 0)
		r = hoy_context_tls_load(&cli->config, name, &tls, err);
	if (r < 0)
		return r;
	hoy_json_add_value(&w, NULL, meta);
	r = hoy_buf_check(&text, "the context", err);
	if (r == 0)
		r = add_file(archive, META_NAME, &text, 0644, err);
	for (size_t i = 0; r == 0 && i < HOY_CONTEXT_TLS_FILES; i++) {
		auto_free char *path = hoy_str_printf(TLS_PREFIX "%s", hoy_context_tls_names[i]);

		if (!path)
			return hoy_err_oom(err);
		if (tls.files[i].len)
			r = add_file(archive, path, &tls.files[i], 0600, err);
	}
	hoy_ustar_end(archive);
	return r < 0 ? r : hoy_buf_check(archive, "the archive", err);
}

/* Keys may be in it: nobody else can read the file, and none that is there is written over. */
static int write_new(const char *path, const struct hoy_buf *archive, struct hoy_err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return hoy_err_sys(err, "create '%s'", path);
	r = hoy_fd_write_all(fd, archive->data, archive->len);
	if (r < 0) {
		(void) unlink(path);
		return hoy_err_code(err, r, "write '%s'", path);
	}
	(void) fprintf(stderr, "Written file \"%s\"\n", path);
	return 0;
}

static int export_context(struct hoy_cli *cli, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf archive = { .cap = ARCHIVE_MAX };
	const char *name = cli->args[0];
	auto_free char *usual = hoy_str_printf("%s.dockercontext", name);
	const char *path = cli->n_args > 1 ? cli->args[1] : usual;
	bool to_stdout = path && strcmp(path, "-") == 0;
	int r;

	if (!usual)
		return hoy_err_oom(err);
	if (to_stdout && isatty(STDOUT_FILENO))
		return hoy_err_invalid(err, "cowardly refusing to export to a terminal, specify a file path");
	r = pack(cli, name, &archive, err);
	if (r < 0 || !to_stdout)
		return r < 0 ? r : write_new(path, &archive, err);
	r = hoy_fd_write_all(STDOUT_FILENO, archive.data, archive.len);
	return r < 0 ? hoy_err_code(err, r, "write the archive") : 0;
}

static int cmd_context_export(struct hoy_cli *cli)
{
	struct hoy_err err;

	return export_context(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_context_export = {
	.name = "context export",
	.args = "CONTEXT [FILE|-]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Export a context to a tar archive FILE or a tar stream on STDOUT",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_export,
};

/* --- import ------------------------------------------------------------------- */

struct imported {
	struct hoy_json *meta;
	struct hoy_context_tls tls;
};

static void imported_done(struct imported *imported)
{
	hoy_json_free(imported->meta);
	hoy_context_tls_done(&imported->tls);
}

static int take_meta(const struct hoy_ustar *tar, struct imported *imported, struct hoy_err *err)
{
	struct hoy_http_host host;
	int r;

	if (imported->meta)
		return hoy_err_invalid(err, "the archive holds " META_NAME " twice");
	r = hoy_json_parse(tar->data, tar->data_len, NULL, &imported->meta, err);
	if (r < 0)
		return hoy_err_wrap(err, META_NAME " of the archive");
	if (!hoy_json_get(hoy_json_get(imported->meta, "Endpoints"), "docker"))
		return hoy_err_invalid(err, META_NAME " of the archive names no docker endpoint: this is no context");
	if (!*hoy_context_host(imported->meta))
		return 0;
	r = hoy_http_host_parse(hoy_context_host(imported->meta), &host, err);
	if (r == 0)
		hoy_http_host_done(&host);
	return r < 0 ? hoy_err_wrap(err, META_NAME " of the archive") : 0;
}

static int take_entry(const struct hoy_ustar *tar, struct imported *imported, struct hoy_err *err)
{
	if (!tar->regular) /* directories are made as they are needed */
		return 0;
	if (strcmp(tar->path, META_NAME) == 0)
		return take_meta(tar, imported, err);
	for (size_t i = 0; i < HOY_CONTEXT_TLS_FILES; i++) {
		struct hoy_buf *file = &imported->tls.files[i];

		if (!hoy_str_starts(tar->path, TLS_PREFIX) ||
			strcmp(tar->path + strlen(TLS_PREFIX), hoy_context_tls_names[i]) != 0)
			continue;
		hoy_buf_done(file);
		*file = (struct hoy_buf){};
		(void) hoy_buf_add(file, tar->data, tar->data_len);
		return hoy_buf_check(file, tar->path, err);
	}
	return hoy_err_invalid(err, "the archive holds '%s', which is no file of a context", tar->path);
}

static int unpack(const struct hoy_buf *archive, struct imported *imported, struct hoy_err *err)
{
	struct hoy_ustar tar = { .rest = archive->data, .len = archive->len };
	int r;

	if (archive->len >= 4 && memcmp(archive->data, "PK\x03\x04", 4) == 0)
		return hoy_err_unsupported(
			err, "a zip archive: only tar archives are read, as `context export` writes them");
	while ((r = hoy_ustar_next(&tar, err)) > 0) {
		r = take_entry(&tar, imported, err);
		if (r < 0)
			return r;
	}
	if (r == 0 && !imported->meta)
		return hoy_err_invalid(err, "the archive holds no " META_NAME ": this is no context");
	return r;
}

static int import_context(struct hoy_cli *cli, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf archive = { .cap = ARCHIVE_MAX };
	auto_(imported_done) struct imported imported = {};
	auto_ptr(hoy_json_free) struct hoy_json *old = NULL;
	const char *name = cli->args[0], *path = cli->args[1];
	int r = hoy_context_check_name(name, err);

	if (r < 0)
		return r;
	if (hoy_context_load(&cli->config, name, &old, NULL) == 0)
		return hoy_err_conflict(err, "context \"%s\" already exists", name);
	r = strcmp(path, "-") == 0 ? hoy_file_read_fd(STDIN_FILENO, "stdin", &archive, err)
				   : hoy_file_read(AT_FDCWD, path, &archive, err);
	if (r == 0)
		r = unpack(&archive, &imported, err);
	if (r < 0)
		return r == -EINVAL ? hoy_err_wrap(err, "import '%s'", path) : r;
	r = hoy_context_tls_save(&cli->config, name, &imported.tls, err);
	return r < 0 ? r : hoy_context_save_as(&cli->config, name, imported.meta, err);
}

static int cmd_context_import(struct hoy_cli *cli)
{
	struct hoy_err err;

	if (import_context(cli, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) puts(cli->args[0]);
	(void) fflush(stdout);
	(void) fprintf(stderr, "Successfully imported context \"%s\"\n", cli->args[0]);
	return 0;
}

const struct hoy_command hoy_cmd_context_import = {
	.name = "context import",
	.args = "CONTEXT FILE|-",
	.min_args = 2,
	.max_args = 2,
	.summary = "Import a context from a tar file",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_import,
};
