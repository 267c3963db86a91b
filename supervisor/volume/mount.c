/* Mounting volumes whose options ask for it: a worker does it, as a server that does not answer must not stop hoyd. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/volume/files.h"
#include "supervisor/volume/internal.h"

static bool needs_mount(const struct hoy_volume *v)
{
	return v->info.n_options > 0 && !hoy_volume_is_bind(&v->info);
}

/* Something is mounted on the directory when it lies on another device than its parent, or is the root of a mount. */
static bool is_mounted(const struct hoy_volume *v)
{
	struct statx st;

	return statx(AT_FDCWD, v->info.mountpoint, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

bool hoy_volume_is_ready(const struct hoy_volume_info *volume)
{
	const struct hoy_volume *v = (const struct hoy_volume *) volume;

	return !needs_mount(v) || v->is_mounted;
}

static void unmount(struct hoy_volume *v)
{
	if (umount2(v->info.mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		hoy_log_warn("unmount volume '%s': %s, ignoring", v->info.name, strerror(errno));
	v->is_mounted = false;
}

static void tell_waiters(struct hoy_volume *v, const struct hoy_err *err)
{
	struct hoy_volume_waiter *waiters = TAKE_PTR(v->waiters);
	size_t n = v->n_waiters;

	v->n_waiters = 0;
	for (size_t i = 0; i < n; i++)
		waiters[i].done(waiters[i].userdata, err);
	free(waiters);
}

static void on_mounted(const struct hoy_err *err, void *userdata)
{
	struct hoy_volume *v = userdata;
	struct hoy_err own = { 0 };
	char text[HOY_ERR_TEXT_MAX];

	if (err)
		hoy_err_set(&own, HOY_ERR_SYSTEM, err->errnum, "error while mounting volume '%s': %s",
			v->info.mountpoint, hoy_err_text(err, text, sizeof text));
	v->mounting = hoy_files_run_free(v->mounting);
	v->is_mounted = !err;
	if (err)
		v->n_mounts = 0;
	tell_waiters(v, err ? &own : NULL);
	if (v->is_mounted && v->n_mounts == 0)
		unmount(v);
}

static int start_worker(struct hoy_volume *v, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf request = { 0 };
	struct hoy_json_writer w = { .buf = &request };
	auto_free char *data = NULL;
	unsigned long flags = 0;
	int r = hoy_volume_mount_options(hoy_volume_option(&v->info, "o"), &flags, &data, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "mount");
	hoy_json_array(&w, "fds");
	hoy_json_end(&w);
	hoy_json_add_string(&w, "source", hoy_volume_option(&v->info, "device"));
	hoy_json_add_string(&w, "target", v->info.mountpoint);
	hoy_json_add_string(&w, "type", hoy_volume_option(&v->info, "type"));
	hoy_json_add_i64(&w, "flags", (int64_t) flags);
	hoy_json_add_string(&w, "data", data);
	hoy_json_end(&w);
	r = hoy_buf_check(&request, "request", err);
	if (r < 0)
		return r;
	return hoy_files_run_start(
		&(struct hoy_files_run_options){
			.volumes = v->room, .request = &request, .done = on_mounted, .userdata = v },
		&v->mounting, err);
}

void hoy_volume_mount(struct hoy_volumes *room, const char *name, hoy_volume_done done, void *userdata)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);
	struct hoy_volume_waiter *grown;
	struct hoy_err err = { 0 };

	if (!v) {
		(void) hoy_err_not_found(&err, "get %s: no such volume", name);
		done(userdata, &err);
		return;
	}
	v->n_mounts++;
	if (!needs_mount(v) || v->is_mounted) {
		done(userdata, NULL);
		return;
	}
	grown = reallocarray(v->waiters, v->n_waiters + 1, sizeof *grown);
	if (grown)
		v->waiters = grown;
	if (!grown || (!v->mounting && start_worker(v, &err) < 0)) {
		if (!grown)
			(void) hoy_err_oom(&err);
		v->n_mounts--;
		done(userdata, &err);
		return;
	}
	v->waiters[v->n_waiters++] = (struct hoy_volume_waiter){ done, userdata };
}

void hoy_volume_mounted(struct hoy_volumes *room, const char *name)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (v)
		v->n_mounts++;
}

void hoy_volume_unmount(struct hoy_volumes *room, const char *name)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (!v || v->n_mounts == 0)
		return;
	if (--v->n_mounts == 0 && v->is_mounted)
		unmount(v);
}

void hoy_volumes_sweep_mounts(struct hoy_volumes *room)
{
	for (size_t i = 0; i < room->n; i++) {
		struct hoy_volume *v = room->list[i];

		v->is_mounted = needs_mount(v) && is_mounted(v);
		if (v->is_mounted && v->n_mounts == 0)
			unmount(v);
	}
}

void hoy_volume_mount_free(struct hoy_volume *v)
{
	v->mounting = hoy_files_run_free(v->mounting);
	free(v->waiters);
	v->waiters = NULL;
	v->n_waiters = 0;
}
