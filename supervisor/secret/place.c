/* Contents on their way into a container: hoy-files opens them and mounts each in its place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "supervisor/secret/internal.h"
#include "supervisor/store/secrets.h"
#include "supervisor/volume/files.h"

struct hoy_secret_placing {
	struct hoy_files_run *run;
	void (*done)(void *userdata, const struct hoy_err *err);
	void *userdata;
};

static void on_placed(const struct hoy_err *err, void *userdata)
{
	struct hoy_secret_placing *p = userdata;

	p->done(p->userdata, err);
}

void hoy_secret_placing_free(struct hoy_secret_placing *p)
{
	if (!p)
		return;
	hoy_files_run_free(p->run);
	free(p);
}

static int add_file(struct hoy_secrets *room, const struct hoy_secret_file *file, int data, struct hoy_json_writer *w,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf content = { .cap = HOY_FILES_SECRET_MAX };
	struct hoy_err why = { 0 };
	int r = hoy_store_secret_data(room->store, file->id, &content, &why);

	if (r == -ENOENT)
		return hoy_err_invalid(err, "%s %s is gone", hoy_secret_kind_name(file->kind), file->name);
	if (r < 0)
		return hoy_err_import(err, &why);
	r = hoy_fd_write_all(data, content.data ? content.data : "", content.len);
	if (r < 0)
		return hoy_err_code(err, r, "keep the content of '%s'", file->name);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "id", file->id);
	hoy_json_add_string(w, "name", file->name);
	hoy_json_add_string(w, "target", file->target);
	hoy_json_add_u64(w, "uid", file->uid);
	hoy_json_add_u64(w, "gid", file->gid);
	hoy_json_add_u64(w, "mode", file->mode);
	hoy_json_add_u64(w, "len", content.len);
	hoy_json_add_bool(w, "sealed", file->kind == HOY_SECRET);
	hoy_json_end(w);
	return 0;
}

static int start(struct hoy_secret_placing *p, struct hoy_secrets *room, const struct hoy_secret_file *files, size_t n,
	int namespace, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	struct hoy_json_writer w = { .buf = &request };
	auto_fd int data = hoy_secrets_memfd(err), key = -EBADF;
	int fds[] = { namespace, data, -EBADF };
	size_t n_sealed = 0;
	int r = data < 0 ? data : 0;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "secrets");
	hoy_json_array(&w, "files");
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = add_file(room, &files[i], data, &w, err);
		n_sealed += files[i].kind == HOY_SECRET;
	}
	hoy_json_end(&w);
	if (r >= 0 && n_sealed) {
		r = key = fds[2] = hoy_secrets_open_key(room, err);
	}
	hoy_json_array(&w, "fds");
	hoy_json_add_string(&w, NULL, "namespace");
	hoy_json_add_string(&w, NULL, "data");
	if (n_sealed)
		hoy_json_add_string(&w, NULL, "key");
	hoy_json_end(&w);
	hoy_json_end(&w);
	if (r >= 0)
		r = hoy_buf_check(&request, "request", err);
	if (r < 0)
		return r;
	return hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = room->volumes,
					   .request = &request,
					   .fds = fds,
					   .n_fds = n_sealed ? 3 : 2,
					   .done = on_placed,
					   .userdata = p },
		&p->run, err);
}

int hoy_secrets_place(struct hoy_secrets *room, const struct hoy_secret_file *files, size_t n, int namespace,
	void (*done)(void *userdata, const struct hoy_err *err), void *userdata, struct hoy_secret_placing **ret,
	struct hoy_err *err)
{
	struct hoy_secret_placing *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return hoy_err_oom(err);
	p->done = done;
	p->userdata = userdata;
	r = start(p, room, files, n, namespace, err);
	if (r < 0)
		hoy_secret_placing_free(p);
	else
		*ret = p;
	return r;
}
