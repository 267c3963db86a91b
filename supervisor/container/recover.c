/*
 * The start of hoyd: what the rows say against what is there. Shims that still serve a container are taken up again;
 * what has no shim any more is ended; what no row names is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"
#include "supervisor/volume/volume.h"

/* --- one container ------------------------------------------------------------------------- */

static void nothing_more(struct hoy_container *c)
{
	c->phase = HOY_PHASE_IDLE;
	c->unconfirmed = false;
	hoy_container_restart_at_boot(c);
	hoy_container_order_judge(c);
	hoy_container_order_changed(c);
	hoy_ops_retry(c);
}

/* Created but never started when the former hoyd ended: that start has failed. */
static void drop_half_start(struct hoy_container *c)
{
	free(c->info.error);
	c->info.error = strdup("hoyd ended during the start");
	if (!c->info.error)
		c->info.error = strdup("");
	c->started_again = false;
	c->info.status = c->info.finished.tv_sec ? HOY_CONTAINER_EXITED : HOY_CONTAINER_CREATED;
	if (c->info.status == HOY_CONTAINER_CREATED)
		c->info.started = (struct timespec){};
	c->phase = HOY_PHASE_ENDING;
	hoy_container_save(c);
	hoy_container_teardown(c, nothing_more);
}

static void on_state(void *userdata, const struct hoy_err *err, enum hoy_shim_status status, pid_t pid);

static void ask_state(struct hoy_container *c)
{
	struct hoy_err err = {};

	if (hoy_shim_get_state(c->shim, NULL, on_state, c, &err) < 0)
		hoy_log_err(&err, "container '%s': state", c->info.id);
}

static void on_started_again(void *userdata, const struct hoy_err *err, pid_t pid)
{
	struct hoy_container *c = userdata;

	(void) pid;
	if (c->phase != HOY_PHASE_RUNNING || hoy_container_teardown_is_on(c))
		return;
	c->started_again = err != NULL; /* if it is still not started then, it has failed */
	ask_state(c);
}

/* The row says that Start was sent: it got lost with its sender, or is being worked on. */
static void start_again(struct hoy_container *c)
{
	if (c->started_again || hoy_shim_start(c->shim, NULL, on_started_again, c, NULL) < 0)
		drop_half_start(c);
}

static void on_state(void *userdata, const struct hoy_err *err, enum hoy_shim_status status, pid_t pid)
{
	struct hoy_container *c = userdata;

	if (c->phase != HOY_PHASE_RUNNING || hoy_container_teardown_is_on(c))
		return;
	if (err && err->errnum == ETIMEDOUT) { /* the machine is busy; that is no reason to end anything */
		hoy_log_warn("container '%s': its shim has not told its state yet, asking again", c->info.id);
		ask_state(c);
		return;
	}
	if (err) {
		hoy_log_err(err, "container '%s': state", c->info.id);
		if (hoy_shim_is_connected(c->shim))
			hoy_container_shim_lost(c);
		return;
	}
	if (status == HOY_SHIM_CREATED)
		start_again(c);
	else if (status == HOY_SHIM_UNKNOWN)
		hoy_container_shim_lost(c);
	else if (status == HOY_SHIM_RUNNING || status == HOY_SHIM_PAUSED)
		c->info.pid = pid;
	c->info.paused = status == HOY_SHIM_PAUSED;
	if (status == HOY_SHIM_RUNNING || status == HOY_SHIM_PAUSED) {
		hoy_container_probes_begin(c, /* anew= */ false);
		c->unconfirmed = false;
		hoy_container_order_changed(c);
	}
}

/* The pid as the bundle has it, until the shim has answered. */
static pid_t pid_of_bundle(const char *bundle)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_path_join(bundle, "init.pid");
	int pid = 0;

	if (path && hoy_file_read(AT_FDCWD, path, &text, NULL) >= 0 && text.data)
		(void) hoy_str_to_int(text.data, &pid);
	return pid;
}

static int take_up(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_shim_connect(c->shim, err);

	if (r >= 0)
		r = hoy_container_watch(c, err);
	if (r >= 0)
		hoy_container_execs_take_up(c);
	return r < 0 ? r : hoy_shim_get_state(c->shim, NULL, on_state, c, err);
}

static int adopt(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_err connect_err = {};
	int r = hoy_container_shim_new(c, err);

	if (r < 0)
		return r;
	c->phase = HOY_PHASE_RUNNING;
	c->shim_created = c->unconfirmed = true;
	hoy_container_volumes_taken_up(c);
	c->info.pid = pid_of_bundle(c->bundle);
	if (take_up(c, &connect_err) < 0)
		hoy_container_shim_lost(c);
	return 0;
}

/* When its process was made; now, if that can't be found out. */
static struct timespec time_of_bundle(const char *bundle)
{
	auto_free char *path = hoy_path_join(bundle, "init.pid");
	struct stat st;

	return path && stat(path, &st) >= 0 ? st.st_mtim : hoy_now();
}

/* Its Start was sent, but the row was not written any more: it runs, or has, as if it had been. */
static int take_up_unrecorded(struct hoy_container *c, struct hoy_err *err)
{
	c->info.status = HOY_CONTAINER_RUNNING;
	c->info.started = time_of_bundle(c->bundle);
	c->info.restart_count = hoy_container_bundle_restarts(c);
	c->info.exit_code = 0;
	c->info.oom_killed = false;
	if (c->info.error)
		*c->info.error = '\0';
	c->stopped_by_user = false;
	c->phase = HOY_PHASE_RUNNING;
	hoy_container_volumes_taken_up(c);
	hoy_container_save(c);
	return hoy_container_watch(c, err);
}

static void on_leftover_state(void *userdata, const struct hoy_err *err, enum hoy_shim_status status, pid_t pid)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};

	if (c->phase != HOY_PHASE_ENDING || hoy_container_teardown_is_on(c))
		return;
	if (err && err->errnum == ETIMEDOUT && hoy_shim_get_state(c->shim, NULL, on_leftover_state, c, NULL) >= 0)
		return;
	if (err || status == HOY_SHIM_UNKNOWN) {
		hoy_container_teardown(c, nothing_more);
		return;
	}
	if (take_up_unrecorded(c, &own) < 0)
		hoy_log_err(&own, "container '%s'", c->info.id);
	on_state(c, NULL, status, pid);
}

/* A bundle of a container that is not running by its row: a start was interrupted, at the latest right after Start. */
static int clear_leftover(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_container_shim_new(c, err);

	if (r < 0)
		return r;
	c->phase = HOY_PHASE_ENDING;
	c->shim_created = true;
	if (hoy_shim_connect(c->shim, NULL) < 0 || hoy_container_bundle_restarts(c) < 0 ||
		hoy_shim_get_state(c->shim, NULL, on_leftover_state, c, NULL) < 0)
		hoy_container_teardown(c, nothing_more);
	return 0;
}

/* Everything of the run is gone: the former hoyd was about to write how it ended, or the host was rebooted. */
static void ended_before(struct hoy_container *c)
{
	struct hoy_shim_exit_record record = { .status = 255, .when = hoy_now() };

	(void) hoy_container_exit_read(c, &record, NULL);
	c->info.status = HOY_CONTAINER_EXITED;
	c->info.exit_code = record.status;
	c->info.oom_killed = record.oom_killed;
	c->info.finished = record.when;
	hoy_container_exit_saved(c);
	if (!c->config->host.auto_remove)
		hoy_container_restart_at_boot(c);
	hoy_container_save(c);
	if (c->config->host.auto_remove)
		hoy_container_remove_now(c);
}

static int recover_one(struct hoy_container *c, struct hoy_err *err)
{
	bool has_bundle = access(c->bundle, F_OK) == 0;

	if (c->info.status == HOY_CONTAINER_RUNNING) {
		if (has_bundle)
			return adopt(c, err);
		ended_before(c);
		return 0;
	}
	if (c->config->host.auto_remove && c->info.status == HOY_CONTAINER_EXITED && !has_bundle) {
		hoy_container_remove_now(c);
		return 0;
	}
	if (has_bundle)
		return clear_leftover(c, err);
	hoy_container_restart_at_boot(c);
	return 0;
}

/* --- what no row names ------------------------------------------------------------------------ */

static bool is_known(const struct hoy_containers *room, const char *id)
{
	for (size_t i = 0; i < room->n; i++)
		if (strcmp(room->list[i]->info.id, id) == 0)
			return true;
	return false;
}

static bool is_id(const char *name)
{
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* Bundles hold nothing but files of ours; directories of containers may hold anything and go into the trash. */
static void sweep_one(struct hoy_containers *room, const char *path, int dir, const char *name)
{
	struct hoy_err err = {};

	hoy_log_info("removing '%s/%s', which belongs to no container", path, name);
	if (path == room->dir)
		hoy_images_trash(room->options.images, dir, name);
	else if (hoy_path_remove_all(dir, name, &err) < 0)
		hoy_log_ignored(&err, "sweep");
}

static void sweep(struct hoy_containers *room, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_id(entry->d_name) && !is_known(room, entry->d_name))
			sweep_one(room, path, dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
}

/* A starter that ended with its hoyd may leave a socket that nobody serves; no starter runs now. */
static void sweep_socket(const struct hoy_containers *room, int dir, const char *name)
{
	auto_free char *path = hoy_path_join(room->sockets, name);
	auto_fd int fd = path ? hoy_fd_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, NULL) : -ENOMEM;

	if (fd == -ECONNREFUSED && unlinkat(dir, name, 0) < 0)
		hoy_log_warn("remove '%s': %s, ignoring", path, strerror(errno));
}

static void sweep_sockets(const struct hoy_containers *room)
{
	DIR *dir = opendir(room->sockets);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_SOCK)
			sweep_socket(room, dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
}

/* --- all ------------------------------------------------------------------------------------------ */

/* After a reboot a bundle can only be a leftover on an exec root that is no tmpfs. */
static int check_boot(struct hoy_containers *room, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *before = NULL;
	int r = hoy_file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, err);

	if (r >= 0)
		r = hoy_store_get_fact(room->options.store, "boot_id", &before, err);
	if (r < 0 || hoy_str_eq(before, text.data))
		return r;
	if (before) {
		r = hoy_path_remove_all(AT_FDCWD, room->ends, err);
		if (r >= 0)
			r = hoy_path_remove_all(AT_FDCWD, room->bundles, err);
		if (r >= 0)
			r = hoy_path_mkdir_all(room->bundles, 0711, err);
		if (r >= 0)
			r = hoy_path_mkdir_all(room->ends, 0711, err);
	}
	return r < 0 ? r : hoy_store_set_fact(room->options.store, "boot_id", text.data, err);
}

int hoy_containers_recover(struct hoy_containers *room, struct hoy_err *err)
{
	int r = check_boot(room, err);

	if (r < 0)
		return r;
	sweep(room, room->bundles);
	sweep(room, room->dir);
	for (size_t i = 0; i < room->n && r >= 0; i++)
		r = recover_one(room->list[i], err);
	if (r >= 0)
		hoy_containers_order_begin(room);
	if (r >= 0)
		r = hoy_containers_secrets_sweep(room, err);
	hoy_volumes_sweep_mounts(room->options.volumes);
	sweep_sockets(room);
	return r;
}
