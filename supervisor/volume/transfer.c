/*
 * A volume that is read is held and mounted for as long. What becomes a volume is made in `volumes/.new-RANDOM/_data`,
 * which no row names: what a crash leaves of it goes at the next start. Then the row is written and the directory moved
 * over the empty one of the volume, which is one step, and the commit follows.
 */
#include "supervisor/volume/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"
#include "supervisor/volume/files.h"
#include "supervisor/volume/internal.h"

#define USER "transfer" /* stands among the containers that use it */

struct hoy_volume_transfer {
	struct hoy_volume_transfer *next;
	struct hoy_volumes *room;
	char *from; /* the volume that is read; NULL: none */
	bool holds, mounts, waits;
	struct hoy_volume_create create; /* what is made of it: name NULL for an export */
	char *staging;                   /* ".new-RANDOM" */
	int fd;                          /* of the tar */
	struct hoy_files_run *run;
	struct hoy_volume_handler handler;
	bool is_new, cancelled;
	bool inside; /* the call that began it has not returned: it tells what went wrong */
	struct hoy_err failed;
};

static void create_done(struct hoy_volume_create *create)
{
	for (size_t i = 0; i < create->n_labels; i++) {
		free(create->labels[i].key);
		free(create->labels[i].value);
	}
	free((void *) create->labels);
	free((char *) create->name);
}

static void transfer_free(struct hoy_volume_transfer *t)
{
	struct hoy_volume_transfer **link = &t->room->transfers;

	while (*link && *link != t)
		link = &(*link)->next;
	if (*link)
		*link = t->next;
	hoy_files_run_free(t->run);
	if (t->mounts)
		hoy_volume_unmount(t->room, t->from);
	if (t->holds)
		hoy_volume_release(t->room, t->from, USER);
	if (t->staging)
		hoy_images_trash(t->room->options.images, t->room->dir_fd, t->staging);
	hoy_fd_close(&t->fd);
	create_done(&t->create);
	free(t->staging);
	free(t->from);
	free(t);
}

static void end(struct hoy_volume_transfer *t, const struct hoy_err *err)
{
	const struct hoy_volume_handler handler = t->handler;
	bool cancelled = t->cancelled;
	struct hoy_err own = { 0 };

	if (err)
		own = *err;
	transfer_free(t);
	if (!cancelled)
		handler.done(handler.userdata, err ? &own : NULL);
}

void hoy_volume_transfer_cancel(struct hoy_volume_transfer *t)
{
	t->cancelled = true;
	if (!t->waits) /* else what it waits for ends it */
		transfer_free(t);
}

void hoy_volume_transfers_free(struct hoy_volumes *room)
{
	static const struct hoy_err gone = {
		.errnum = ECANCELED, .kind = HOY_ERR_SYSTEM, .stated = true, .msg = "hoyd is shutting down"
	};

	if (room->transfers) /* what waits for a commit is told while it still can be */
		(void) hoy_store_flush(room->options.store, NULL);
	while (room->transfers)
		end(room->transfers, &gone);
}

/* --- the new volume --------------------------------------------------------------------------- */

static void on_committed(void *userdata, const struct hoy_err *err)
{
	struct hoy_volume_transfer *t = userdata;

	t->waits = false;
	if (err && t->is_new)
		hoy_volume_take_back(t->room, t->create.name);
	if (!err && t->is_new)
		hoy_volume_created(t->room, t->create.name);
	end(t, err);
}

/* Nobody may be in the empty directory that is replaced. */
static int check_target(struct hoy_volumes *room, const char *name, struct hoy_err *err)
{
	const struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (v && (v->info.users || v->n_mounts || v->info.n_options))
		return hoy_err_conflict(err, "%s: the volume is in use, or has options: name another", name);
	return 0;
}

static int move_content(struct hoy_volume_transfer *t, struct hoy_err *err)
{
	auto_free char *from = hoy_str_printf("%s/_data", t->staging);
	auto_free char *to = hoy_str_printf("%s/_data", t->create.name);

	if (!from || !to)
		return hoy_err_oom(err);
	if (renameat(t->room->dir_fd, from, t->room->dir_fd, to) == 0)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return hoy_err_conflict(
			err, "%s: there is something in the volume: empty it, or name another", t->create.name);
	return hoy_err_sys(err, "move the content of volume '%s' into its place", t->create.name);
}

static int publish(struct hoy_volume_transfer *t, struct hoy_err *err)
{
	const struct hoy_volume_info *info;
	int r = check_target(t->room, t->create.name, err);

	if (r >= 0)
		r = hoy_volume_create(t->room, &t->create, &t->is_new, &info, err);
	if (r < 0)
		return r;
	r = move_content(t, err);
	if (r >= 0) {
		t->waits = true;
		r = hoy_store_after_commit(t->room->options.store, on_committed, t, err);
		t->waits = r >= 0;
	}
	if (r < 0 && t->is_new) {
		(void) hoy_volume_remove(t->room, t->create.name, NULL);
		t->is_new = false;
	}
	return r;
}

/* --- hoy-files -------------------------------------------------------------------------------- */

static void on_stat(const struct hoy_files_stat *stat, void *userdata)
{
	struct hoy_volume_transfer *t = userdata;

	(void) stat;
	if (t->handler.begun)
		t->handler.begun(t->handler.userdata);
}

static void on_run_done(const struct hoy_err *failed, void *userdata)
{
	struct hoy_volume_transfer *t = userdata;
	struct hoy_err err = { 0 };
	int r = failed ? hoy_err_import(&err, failed) : 0;

	t->run = hoy_files_run_free(t->run);
	hoy_fd_close(&t->fd);
	if (r == 0 && t->create.name)
		r = publish(t, &err);
	if (r < 0 || !t->create.name)
		end(t, r < 0 ? &err : NULL);
}

/* The directory that is read, or unpacked into. */
static char *view_of(const struct hoy_volume_transfer *t)
{
	const struct hoy_volume *v = t->from ? hoy_volumes_by_name(t->room, t->from) : NULL;

	return v ? strdup(hoy_volume_source(&v->info)) : hoy_str_printf("%s/%s/_data", t->room->dir, t->staging);
}

static int print_request(const struct hoy_volume_transfer *t, struct hoy_buf *request, struct hoy_err *err)
{
	const char *op = t->from && t->create.name ? "copy" : t->from ? "get" : "put";
	const char *fd = t->from && t->create.name ? "target" : t->from ? "output" : "input";
	auto_free char *view = view_of(t);
	struct hoy_json_writer w = { .buf = request };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", op);
	hoy_json_array(&w, "fds");
	hoy_json_add_string(&w, NULL, fd);
	hoy_json_end(&w);
	hoy_json_add_string(&w, "dir", view ? view : "");
	hoy_json_add_string(&w, "path", t->create.name ? "/" : "/.");
	hoy_json_add_bool(&w, "sparse", true);
	hoy_json_add_bool(&w, "with_root", true);
	hoy_json_add_bool(&w, "sync", t->create.name != NULL);
	hoy_json_end(&w);
	return view ? hoy_buf_check(request, "request", err) : hoy_err_oom(err);
}

static int start(struct hoy_volume_transfer *t, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	auto_free char *path = hoy_str_printf("%s/_data", t->staging ? t->staging : "");
	auto_fd int target = -EBADF;
	int r = path ? print_request(t, &request, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	if (t->from && t->create.name) {
		target = openat(t->room->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (target < 0)
			return hoy_err_sys(err, "open '%s'", path);
	}
	return hoy_files_run_start(&(struct hoy_files_run_options){ .volumes = t->room,
					   .request = &request,
					   .fds = (int[]){ target >= 0 ? target : t->fd },
					   .n_fds = 1,
					   .on_stat = on_stat,
					   .done = on_run_done,
					   .userdata = t },
		&t->run, err);
}

static void on_mounted(void *userdata, const struct hoy_err *failed)
{
	struct hoy_volume_transfer *t = userdata;
	struct hoy_err err = { 0 };
	int r = failed ? hoy_err_import(&err, failed) : 0;

	t->waits = false;
	t->mounts = r == 0;
	if (t->cancelled)
		r = hoy_err_code(&err, -ECANCELED, "transfer");
	if (r == 0)
		r = start(t, &err);
	if (r < 0 && t->inside)
		t->failed = err;
	else if (r < 0)
		end(t, &err);
}

/* The volume that is read is mounted, then the work begins; perhaps from inside. */
static int mount_and_start(struct hoy_volume_transfer *t, struct hoy_err *err)
{
	int r;

	t->waits = t->inside = true;
	hoy_volume_mount(t->room, t->from, on_mounted, t);
	t->inside = false;
	if (!t->failed.errnum)
		return 0;
	r = hoy_err_import(err, &t->failed);
	transfer_free(t);
	return r;
}

/* --- what is asked for ------------------------------------------------------------------------ */

static int transfer_new(struct hoy_volumes *room, const char *from, int fd, const struct hoy_volume_handler *handler,
	struct hoy_volume_transfer **ret, struct hoy_err *err)
{
	struct hoy_volume_transfer *t;
	int r = 0;

	if (from && !hoy_volumes_by_name(room, from))
		r = hoy_err_not_found(err, "get %s: no such volume", from);
	t = r < 0 ? NULL : calloc(1, sizeof *t);
	if (!t) {
		hoy_fd_close(&fd);
		return r < 0 ? r : hoy_err_oom(err);
	}
	*t = (struct hoy_volume_transfer){ .next = room->transfers, .room = room, .fd = fd, .handler = *handler };
	room->transfers = t;
	if (from) {
		t->from = strdup(from);
		r = t->from ? hoy_volume_hold(room, from, USER, err) : hoy_err_oom(err);
		t->holds = r >= 0;
	}
	if (r < 0)
		transfer_free(t);
	else
		*ret = t;
	return r;
}

static int make_staging(struct hoy_volume_transfer *t, struct hoy_err *err)
{
	unsigned char bytes[8];
	char hex[17];
	auto_free char *data = NULL;

	hoy_random(bytes, sizeof bytes);
	hoy_hex(bytes, sizeof bytes, hex);
	t->staging = hoy_str_printf(HOY_VOLUME_STAGING "%s", hex);
	data = t->staging ? hoy_str_printf("%s/_data", t->staging) : NULL;
	if (!data)
		return hoy_err_oom(err);
	if (mkdirat(t->room->dir_fd, t->staging, 0701) < 0 || mkdirat(t->room->dir_fd, data, 0755) < 0)
		return hoy_err_sys(err, "make '%s'", data);
	return 0;
}

static int copy_create(struct hoy_volume_transfer *t, const struct hoy_volume_create *create, struct hoy_err *err)
{
	struct hoy_oci_kv *labels = NULL;
	size_t n = 0;
	int r = 0;

	if (!create->name || !*create->name)
		return hoy_err_invalid(err, "the new volume needs a name");
	for (size_t i = 0; r >= 0 && i < create->n_labels; i++)
		r = hoy_oci_kv_add(
			&labels, &n, create->labels[i].key, create->labels[i].value ? create->labels[i].value : "");
	t->create = (struct hoy_volume_create){ .name = strdup(create->name), .labels = labels, .n_labels = n };
	if (r < 0 || !t->create.name)
		return hoy_err_oom(err);
	r = hoy_volume_name_check("create", create->name, err);
	if (r >= 0)
		r = check_target(t->room, create->name, err);
	return r < 0 ? r : make_staging(t, err);
}

int hoy_volume_export(struct hoy_volumes *room, const char *name, int fd, const struct hoy_volume_handler *handler,
	struct hoy_volume_transfer **ret, struct hoy_err *err)
{
	int r = transfer_new(room, name, fd, handler, ret, err);

	if (r < 0)
		return r;
	return mount_and_start(*ret, err);
}

int hoy_volume_import(struct hoy_volumes *room, const struct hoy_volume_create *create, int fd,
	const struct hoy_volume_handler *handler, struct hoy_volume_transfer **ret, struct hoy_err *err)
{
	int r = transfer_new(room, NULL, fd, handler, ret, err);

	if (r < 0)
		return r;
	r = copy_create(*ret, create, err);
	if (r >= 0)
		r = start(*ret, err);
	if (r < 0)
		transfer_free(*ret);
	return r;
}

int hoy_volume_clone(struct hoy_volumes *room, const char *from, const struct hoy_volume_create *create,
	const struct hoy_volume_handler *handler, struct hoy_volume_transfer **ret, struct hoy_err *err)
{
	int r = transfer_new(room, from, -EBADF, handler, ret, err);

	if (r < 0)
		return r;
	r = copy_create(*ret, create, err);
	if (r < 0) {
		transfer_free(*ret);
		return r;
	}
	return mount_and_start(*ret, err);
}
