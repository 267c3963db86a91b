/* The set of containers: the objects, looking them up, their rows. What happens to them is in the other files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/image/image.h"
#include "supervisor/secret/secret.h"
#include "supervisor/volume/files.h"
#include "supervisor/store/containers.h"
#include "supervisor/store/store.h"

static const char *const status_names[] = {
	[HOY_CONTAINER_CREATED] = "created",
	[HOY_CONTAINER_RUNNING] = "running",
	[HOY_CONTAINER_EXITED] = "exited",
	[HOY_CONTAINER_REMOVING] = "removing",
};

const char *hoy_container_status_to_string(enum hoy_container_status status)
{
	return status_names[status];
}

int64_t hoy_timespec_to_ns(const struct timespec *ts)
{
	return (int64_t) ts->tv_sec * 1000000000 + ts->tv_nsec;
}

struct timespec hoy_timespec_from_ns(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

struct timespec hoy_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

/* --- looking up ------------------------------------------------------------------- */

struct hoy_container *hoy_containers_by_name(const struct hoy_containers *room, const char *name)
{
	for (size_t i = 0; i < room->n; i++)
		if (strcmp(room->list[i]->info.name, name) == 0)
			return room->list[i];
	return NULL;
}

static struct hoy_container *by_id(const struct hoy_containers *room, const char *id)
{
	for (size_t i = 0; i < room->n; i++)
		if (strcmp(room->list[i]->info.id, id) == 0)
			return room->list[i];
	return NULL;
}

static int by_prefix(
	const struct hoy_containers *room, const char *prefix, struct hoy_container **ret, struct hoy_err *err)
{
	struct hoy_container *found = NULL;

	for (size_t i = 0; i < room->n && *prefix; i++) {
		if (!hoy_str_starts(room->list[i]->info.id, prefix))
			continue;
		if (found)
			return hoy_err_invalid(err, "multiple IDs found with provided prefix: %s", prefix);
		found = room->list[i];
	}
	if (!found)
		return hoy_err_not_found(err, "No such container: %s", prefix);
	*ret = found;
	return 0;
}

int hoy_containers_lookup(struct hoy_containers *room, const char *ref, struct hoy_container **ret, struct hoy_err *err)
{
	struct hoy_container *c = by_id(room, ref);

	if (!c)
		c = hoy_containers_by_name(room, ref[0] == '/' ? ref + 1 : ref);
	if (!c)
		return by_prefix(room, ref, ret, err);
	*ret = c;
	return 0;
}

int hoy_containers_find(
	struct hoy_containers *room, const char *ref, const struct hoy_container_info **ret, struct hoy_err *err)
{
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		*ret = &c->info;
	return r;
}

const char *hoy_container_state(const struct hoy_container_info *info)
{
	if (info->status == HOY_CONTAINER_RUNNING && info->paused)
		return "paused";
	if (info->status == HOY_CONTAINER_EXITED && info->restarting)
		return "restarting";
	return hoy_container_status_to_string(info->status);
}

bool hoy_container_is_running(const struct hoy_container_info *info)
{
	return info->status == HOY_CONTAINER_RUNNING || info->restarting;
}

void hoy_containers_count(const struct hoy_containers *room, struct hoy_containers_count *ret)
{
	*ret = (struct hoy_containers_count){ .probes = room->probes, .failed_probes = room->failed_probes };
	for (size_t i = 0; i < room->n; i++) {
		const struct hoy_container_info *info = &room->list[i]->info;

		if (!hoy_container_is_running(info))
			ret->stopped++;
		else if (info->paused)
			ret->paused++;
		else
			ret->running++;
	}
}

/* --- the objects -------------------------------------------------------------------- */

int hoy_containers_add(struct hoy_containers *room, struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_container **grown = reallocarray(room->list, room->n + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	room->list = grown;
	room->list[room->n++] = c;
	return 0;
}

void hoy_containers_drop(struct hoy_containers *room, struct hoy_container *c)
{
	for (size_t i = 0; i < room->n; i++) {
		if (room->list[i] != c)
			continue;
		memmove(&room->list[i], &room->list[i + 1], (room->n - i - 1) * sizeof(struct hoy_container *));
		room->n--;
		return;
	}
}

static void info_done(struct hoy_container_info *info)
{
	free(info->name);
	free(info->image_id);
	hoy_strv_free(info->args);
	free(info->error);
	free(info->log_path);
	free(info->hostname_path);
	free(info->hosts_path);
	free(info->resolv_conf_path);
	free(info->upper_dir);
	free(info->work_dir);
	hoy_health_done(&info->health);
	hoy_container_mounts_free(info->mounts, info->n_mounts);
}

void hoy_container_free(struct hoy_container *c)
{
	static const struct hoy_err gone = {
		.errnum = ECANCELED, .kind = HOY_ERR_SYSTEM, .stated = true, .msg = "hoyd is shutting down"
	};

	if (!c)
		return;
	hoy_ops_cancel(&c->starters, &gone);
	hoy_ops_cancel(&c->queue, &gone);
	hoy_ops_cancel(&c->stoppers, &gone);
	hoy_ops_cancel(&c->removers, &gone);
	hoy_creation_cancel(c, &gone);
	hoy_container_jobs_cancel(c, &gone);
	hoy_container_volumes_free(c);
	hoy_container_waits_cancel(c, &gone);
	hoy_container_readers_forget(c);
	hoy_container_attaches_drop(c);
	hoy_ops_cancel(&c->asked, &gone);
	hoy_container_saving_cancel(c, &gone);
	hoy_container_restored(c);
	hoy_source_free(c->stop_timer);
	hoy_source_free(c->restart_timer);
	hoy_container_teardown_free(c);
	hoy_secret_placing_free(c->placing);
	hoy_files_run_free(c->sharing);
	hoy_shim_free(TAKE_PTR(c->shim));
	hoy_container_probes_end(c);
	hoy_container_execs_free(c, &gone);
	info_done(&c->info);
	hoy_container_config_free(c->config);
	free(c->chain_id);
	free(c->dir);
	free(c->bundle);
	free(c->end_path);
	free(c);
}

static int log_path(struct hoy_container *c)
{
	c->info.log_path = hoy_container_log_file(c);
	return c->info.log_path ? 0 : -ENOMEM;
}

static int set_args(struct hoy_container *c)
{
	char *const *parts[] = { c->config->entrypoint, c->config->cmd };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t k = 0; parts[i] && parts[i][k] && r >= 0; k++)
			r = hoy_strv_add(&c->info.args, parts[i][k]);
	return r;
}

int hoy_container_derive(struct hoy_container *c, struct hoy_err *err)
{
	c->info.config = c->config;
	c->dir = hoy_path_join(c->room->dir, c->info.id);
	c->bundle = hoy_path_join(c->room->bundles, c->info.id);
	c->end_path = hoy_str_printf("%s/%s.json", c->room->ends, c->info.id);
	if (!c->dir || !c->bundle || !c->end_path)
		return hoy_err_oom(err);
	c->info.hostname_path = hoy_path_join(c->dir, "hostname");
	c->info.hosts_path = hoy_path_join(c->dir, "hosts");
	c->info.resolv_conf_path = hoy_path_join(c->dir, "resolv.conf");
	c->info.upper_dir = hoy_path_join(c->dir, "diff");
	c->info.work_dir = hoy_path_join(c->dir, "work");
	if (!c->info.hostname_path || !c->info.hosts_path || !c->info.resolv_conf_path || !c->info.upper_dir ||
		!c->info.work_dir || log_path(c) < 0 || set_args(c) < 0)
		return hoy_err_oom(err);
	return 0;
}

const char *hoy_container_chain_id(const struct hoy_container_info *info)
{
	return ((const struct hoy_container *) info)->chain_id;
}

bool hoy_container_uses_image(const struct hoy_container_info *info, const char *image_id)
{
	for (size_t i = 0; i < info->n_mounts; i++)
		if (!strcmp(info->mounts[i].type, "image") && !strcmp(info->mounts[i].source, image_id))
			return true;
	return !strcmp(info->image_id, image_id);
}

int hoy_container_hold_layers(struct hoy_container *c, struct hoy_err *err)
{
	int r = *c->chain_id ? hoy_layers_hold(c->room->options.images, c->chain_id, err) : 0;

	c->holds_layers = r >= 0 && *c->chain_id;
	return r;
}

void hoy_container_release_layers(struct hoy_container *c)
{
	if (c->holds_layers)
		hoy_layers_release(c->room->options.images, c->chain_id);
	c->holds_layers = false;
	hoy_container_image_mounts_release(c);
}

void hoy_container_save(struct hoy_container *c)
{
	struct hoy_err err = {};
	const struct hoy_container_row row = {
		.id = c->info.id,
		.status = hoy_container_status_to_string(c->info.status),
		.exit_code = c->info.exit_code,
		.oom_killed = c->info.oom_killed,
		.error = c->info.error,
		.started = hoy_timespec_to_ns(&c->info.started),
		.finished = hoy_timespec_to_ns(&c->info.finished),
		.restart_count = c->info.restart_count,
		.stopped_by_user = c->stopped_by_user,
	};

	if (hoy_store_container_update(c->room->options.store, &row, &err) < 0)
		hoy_log_err(&err, "container '%s': state not saved", c->info.id);
}

/* --- the room ------------------------------------------------------------------------ */

static enum hoy_container_status status_from_string(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(status_names); i++)
		if (strcmp(status_names[i], name) == 0)
			return (enum hoy_container_status) i;
	return HOY_CONTAINER_EXITED;
}

static int fill_from_row(struct hoy_container *c, const struct hoy_container_row *row, struct hoy_err *err)
{
	int r;

	snprintf(c->info.id, sizeof c->info.id, "%s", row->id);
	c->info.name = strdup(row->name);
	c->info.image_id = strdup(row->image_id);
	c->chain_id = strdup(row->chain_id);
	c->info.error = strdup(row->error);
	if (!c->info.name || !c->info.image_id || !c->chain_id || !c->info.error)
		return hoy_err_oom(err);
	c->info.created = hoy_timespec_from_ns(row->created);
	c->info.status = status_from_string(row->status);
	c->info.exit_code = row->exit_code;
	c->info.oom_killed = row->oom_killed;
	c->info.started = hoy_timespec_from_ns(row->started);
	c->info.finished = hoy_timespec_from_ns(row->finished);
	c->info.restart_count = row->restart_count;
	c->stopped_by_user = row->stopped_by_user;
	r = hoy_container_config_load(row->config, &c->config, err);
	if (r >= 0)
		r = hoy_container_derive(c, err);
	return r < 0 ? r : hoy_container_volumes_load(c, err);
}

static int on_row(void *userdata, const struct hoy_container_row *row, struct hoy_err *err)
{
	struct hoy_containers *room = userdata;
	auto_ptr(hoy_container_free) struct hoy_container *c = calloc(1, sizeof *c);
	struct hoy_err hold_err = {};
	int r;

	if (!c)
		return hoy_err_oom(err);
	c->room = room;
	r = fill_from_row(c, row, err);
	if (r < 0)
		return hoy_err_wrap(err, "container '%s'", row->id);
	if (hoy_container_hold_layers(c, &hold_err) < 0) /* it can't be started any more, but seen and removed */
		hoy_log_err(&hold_err, "container '%s'", row->id);
	r = hoy_containers_add(room, c, err);
	if (r >= 0)
		c = NULL;
	return r;
}

static int find_program(const char *name, const char *given, char **ret, struct hoy_err *err)
{
	if (!given)
		return hoy_helper_find(name, HOY_HELPER_PROGRAM, ret, err);
	*ret = strdup(given);
	return *ret ? 0 : hoy_err_oom(err);
}

static int copy_options(struct hoy_containers *room, const struct hoy_containers_options *options, struct hoy_err *err)
{
	struct hoy_containers_options *o = &room->options;
	int r;

	*o = *options;
	o->shim = o->runtime = NULL;
	o->data_root = strdup(options->data_root);
	o->exec_root = strdup(options->exec_root);
	o->address = strdup(options->address);
	room->dir = hoy_path_join(options->data_root, "containers");
	room->bundles = hoy_path_join(options->exec_root, "c");
	room->ends = hoy_path_join(options->exec_root, "e");
	room->sockets = hoy_path_join(options->exec_root, "s");
	room->runtime_root = hoy_path_join(options->exec_root, "r");
	if (!o->data_root || !o->exec_root || !o->address || !room->dir || !room->bundles || !room->ends ||
		!room->sockets || !room->runtime_root)
		return hoy_err_oom(err);
	r = find_program("containerd-shim-hoy-v2", options->shim, (char **) &o->shim, err);
	return r < 0 ? r : find_program("hoyrun", options->runtime, (char **) &o->runtime, err);
}

static int make_dirs(struct hoy_containers *room, struct hoy_err *err)
{
	const char *const dirs[] = { room->dir, room->bundles, room->ends, room->sockets, room->runtime_root };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && r >= 0; i++)
		r = hoy_path_mkdir_all(dirs[i], 0711, err);
	if (r < 0)
		return r;
	room->dir_fd = open(room->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return room->dir_fd < 0 ? hoy_err_sys(err, "open '%s'", room->dir) : 0;
}

int hoy_containers_open(const struct hoy_containers_options *options, struct hoy_containers **ret, struct hoy_err *err)
{
	auto_ptr(hoy_containers_free) struct hoy_containers *room = calloc(1, sizeof *room);
	int r;

	if (!room)
		return hoy_err_oom(err);
	room->dir_fd = -EBADF;
	r = copy_options(room, options, err);
	if (r >= 0)
		r = make_dirs(room, err);
	if (r >= 0)
		r = hoy_store_containers_init(room->options.store, err);
	if (r >= 0)
		r = hoy_store_containers_each(room->options.store, on_row, room, err);
	if (r >= 0)
		r = hoy_containers_recover(room, err);
	if (r < 0)
		return r;
	hoy_containers_answer_networks(room);
	*ret = TAKE_PTR(room);
	return 0;
}

void hoy_containers_free(struct hoy_containers *room)
{
	if (!room)
		return;
	if (room->options.store) /* what waits for a commit is told while it still can be */
		(void) hoy_store_flush(room->options.store, NULL);
	for (size_t i = 0; i < room->n; i++)
		hoy_container_free(room->list[i]);
	free(room->list);
	free(room->subscriptions);
	free((char *) room->options.data_root);
	free((char *) room->options.exec_root);
	free((char *) room->options.address);
	free((char *) room->options.shim);
	free((char *) room->options.runtime);
	hoy_fd_close(&room->dir_fd);
	free(room->dir);
	free(room->bundles);
	free(room->ends);
	free(room->sockets);
	free(room->runtime_root);
	free(room);
}
