/*
 * Volumes that were removed and can still be brought back. Such a volume is no volume any more: its name is free, and
 * only its row in `kept_volumes` and its directory `volumes/.kept-ID` are left until its time is over.
 *
 * Crash safety. Removing: the rows change, and after the commit the directory is moved; a kept row without a directory
 * has it under the volume's name. Restoring: the directory is moved, then the rows change, so a crash leaves the same.
 * Purging: the row goes, then the directory; one without a row is swept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"
#include "supervisor/store/volumes.h"
#include "supervisor/volume/internal.h"

#define NS_PER_S 1000000000ULL

static bool is_there(const struct hoy_volumes *room, const char *name)
{
	struct stat st;

	return fstatat(room->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int move(const struct hoy_volumes *room, const char *from, const char *to, struct hoy_err *err)
{
	if (renameat2(room->dir_fd, from, room->dir_fd, to, RENAME_NOREPLACE) < 0)
		return hoy_err_sys(err, "move volume directory '%s' to '%s'", from, to);
	return 0;
}

/* --- the list ----------------------------------------------------------------------------------- */

static int append(struct hoy_volumes *room, struct hoy_volume *v, struct hoy_err *err)
{
	struct hoy_volume **grown = reallocarray(room->kept, room->n_kept + 1, sizeof(struct hoy_volume *));

	if (!grown)
		return hoy_err_oom(err);
	room->kept = grown;
	room->kept[room->n_kept++] = v;
	return 0;
}

static void take_out(struct hoy_volumes *room, const struct hoy_volume *v)
{
	for (size_t i = 0; i < room->n_kept; i++) {
		if (room->kept[i] != v)
			continue;
		memmove(&room->kept[i], &room->kept[i + 1], (room->n_kept - i - 1) * sizeof(struct hoy_volume *));
		room->n_kept--;
		return;
	}
}

static struct hoy_volume *by_entry(const struct hoy_volumes *room, const char *entry)
{
	for (size_t i = 0; i < room->n_kept; i++)
		if (hoy_str_eq(room->kept[i]->info.kept, entry))
			return room->kept[i];
	return NULL;
}

/* The one that was removed last. */
static struct hoy_volume *newest(const struct hoy_volumes *room, const char *name)
{
	struct hoy_volume *found = NULL;

	for (size_t i = 0; i < room->n_kept; i++) {
		struct hoy_volume *v = room->kept[i];

		if (strcmp(v->info.name, name) == 0 &&
			(!found || v->info.removed.tv_sec > found->info.removed.tv_sec ||
				(v->info.removed.tv_sec == found->info.removed.tv_sec &&
					v->info.removed.tv_nsec >= found->info.removed.tv_nsec)))
			found = v;
	}
	return found;
}

bool hoy_volume_is_moving(const struct hoy_volumes *room, const char *name)
{
	for (size_t i = 0; i < room->n_kept; i++)
		if (room->kept[i]->moving && strcmp(room->kept[i]->info.name, name) == 0)
			return true;
	return false;
}

int hoy_volumes_kept(struct hoy_volumes *room, const struct hoy_volume_info ***ret, size_t *ret_n, struct hoy_err *err)
{
	const struct hoy_volume_info **list = calloc(room->n_kept + 1, sizeof *list);

	if (!list)
		return hoy_err_oom(err);
	for (size_t i = 0; i < room->n_kept; i++)
		list[i] = &room->kept[i]->info;
	*ret = list;
	*ret_n = room->n_kept;
	return 0;
}

/* --- purging -------------------------------------------------------------------------------------- */

/* The data goes after the row; where the commit failed both stay. */
static void on_purged(void *userdata, const struct hoy_err *err)
{
	struct hoy_volume *v = userdata;
	struct hoy_volumes *room = v->room;

	if (err && append(room, v, NULL) >= 0)
		return;
	if (!err)
		hoy_images_trash(room->options.images, room->dir_fd, v->info.kept);
	hoy_volume_free(v);
}

int hoy_volume_purge(struct hoy_volumes *room, const char *entry, struct hoy_err *err)
{
	struct hoy_volume *v = by_entry(room, entry);
	int r;

	if (!v || v->moving)
		return hoy_err_not_found(err, "purge: no kept volume %s", entry);
	r = hoy_store_kept_volume_delete(room->options.store, entry, err);
	if (r >= 0)
		r = hoy_store_after_commit(room->options.store, on_purged, v, err);
	if (r >= 0)
		take_out(room, v);
	return r;
}

static void arm(struct hoy_volumes *room);

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct hoy_volumes *room = userdata;
	struct timespec now;

	(void) source;
	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = room->n_kept; i-- > 0;) {
		const struct hoy_volume_info *info = &room->kept[i]->info;
		struct hoy_err err = { 0 };

		if (info->until.tv_sec > now.tv_sec || room->kept[i]->moving)
			continue;
		hoy_log_info("volume '%s': its time is over, its data goes", info->name);
		if (hoy_volume_purge(room, info->kept, &err) < 0)
			hoy_log_ignored(&err, "purge volume '%s'", info->name);
	}
	arm(room);
}

/* For the one whose time is over first; at least a second later, also after a failure. */
static void arm(struct hoy_volumes *room)
{
	time_t first = 0;
	struct timespec now;
	struct hoy_err err = { 0 };
	uint64_t after;

	for (size_t i = 0; i < room->n_kept; i++)
		if (!first || room->kept[i]->info.until.tv_sec < first)
			first = room->kept[i]->info.until.tv_sec;
	if (!first)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	after = first > now.tv_sec ? (uint64_t) (first - now.tv_sec) * NS_PER_S : NS_PER_S;
	if (room->purger)
		hoy_source_set_timer(room->purger, after);
	else if (hoy_loop_timer(room->options.loop, &room->purger, after, on_timer, room, &err) < 0)
		hoy_log_ignored(&err, "removed volumes are not purged");
}

/* --- removing ------------------------------------------------------------------------------------- */

/* The rows of a removal were not written: it is a volume as before. */
static void be_again(struct hoy_volume *v, const struct hoy_err *why)
{
	struct hoy_err err = { 0 };

	hoy_log_err(why, "volume '%s' is not removed", v->info.name);
	take_out(v->room, v);
	if (hoy_volume_set_kept(v, NULL, &err) < 0 || hoy_volumes_add(v->room, v, &err) < 0)
		hoy_log_err(&err, "volume '%s' is unknown until hoyd starts again", v->info.name);
}

static void on_kept(void *userdata, const struct hoy_err *err)
{
	static char driver[] = "driver=local";
	struct hoy_volume *v = userdata;
	struct hoy_err own = { 0 };

	v->moving = false;
	if (err) {
		be_again(v, err);
		return;
	}
	if (move(v->room, v->info.name, v->info.kept, &own) < 0)
		hoy_log_err(&own, "keep volume '%s'", v->info.name);
	hoy_volumes_tell(v->room, "destroy", v->info.name, (char *[]){ driver, NULL });
	arm(v->room);
}

static int write_rows(struct hoy_volume *v, struct hoy_err *err)
{
	struct hoy_store *store = v->room->options.store;
	int r = hoy_store_begin(store, err);

	if (r < 0)
		return r;
	r = hoy_volume_insert_row(v, err);
	if (r >= 0)
		r = v->info.kept ? hoy_store_volume_delete(store, v->info.name, err) : 0;
	if (r < 0) {
		hoy_store_rollback(store);
		return r;
	}
	return hoy_store_commit(store, err);
}

int hoy_volume_keep(struct hoy_volumes *room, const char *name, int64_t seconds, struct hoy_err *err)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);
	unsigned char bytes[16];
	char entry[sizeof HOY_VOLUME_KEPT + 2 * sizeof bytes] = HOY_VOLUME_KEPT;
	int r;

	if (seconds > HOY_VOLUME_KEEP_MAX)
		return hoy_err_invalid(err, "keep: a removed volume is kept %d seconds at most", HOY_VOLUME_KEEP_MAX);
	/* with options the data lies elsewhere and is not removed */
	if (!v || seconds <= 0 || v->info.n_options > 0 || (v->info.users && v->info.users[0]))
		return hoy_volume_remove(room, name, err);
	hoy_random(bytes, sizeof bytes);
	hoy_hex(bytes, sizeof bytes, entry + strlen(HOY_VOLUME_KEPT));
	r = append(room, v, err);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &v->info.removed);
	v->info.until = v->info.removed;
	v->info.until.tv_sec += seconds;
	r = hoy_volume_set_kept(v, entry, err);
	if (r >= 0)
		r = write_rows(v, err);
	if (r >= 0) {
		v->moving = true;
		hoy_volumes_drop(room, v);
		r = hoy_store_after_commit(room->options.store, on_kept, v, err);
		if (r >= 0)
			return 0;
		on_kept(v, NULL); /* out of memory, but the rows are written */
		return 0;
	}
	take_out(room, v);
	(void) hoy_volume_set_kept(v, NULL, NULL);
	return r;
}

/* --- restoring ------------------------------------------------------------------------------------ */

struct restoring {
	struct hoy_volumes *room;
	char name[256], entry[sizeof HOY_VOLUME_KEPT + 32];
};

/* The rows were not written: back to where they say it is. */
static void on_restored(void *userdata, const struct hoy_err *err)
{
	static char driver[] = "driver=local";
	struct restoring *restoring = userdata;
	struct hoy_volumes *room = restoring->room;
	struct hoy_volume *v = hoy_volumes_by_name(room, restoring->name);
	struct hoy_err own = { 0 };

	if (!err) {
		hoy_volumes_tell(room, "create", restoring->name, (char *[]){ driver, NULL });
	} else if (v) {
		hoy_volumes_drop(room, v);
		if (move(room, restoring->name, restoring->entry, &own) < 0 ||
			hoy_volume_set_kept(v, restoring->entry, &own) < 0 || append(room, v, &own) < 0)
			hoy_log_err(&own, "volume '%s' is unknown until hoyd starts again", restoring->name);
	}
	free(restoring);
}

static int restore(struct hoy_volume *v, struct restoring *restoring, struct hoy_err *err)
{
	struct hoy_volumes *room = v->room;
	struct hoy_store *store = room->options.store;
	int r = move(room, restoring->entry, restoring->name, err);

	if (r < 0)
		return r;
	r = hoy_store_begin(store, err);
	if (r >= 0) {
		r = hoy_store_kept_volume_delete(store, restoring->entry, err);
		if (r >= 0)
			r = hoy_volume_set_kept(v, NULL, err);
		if (r >= 0)
			r = hoy_volume_insert_row(v, err);
		if (r >= 0)
			r = hoy_volumes_add(room, v, err);
		if (r < 0)
			hoy_store_rollback(store);
		else
			r = hoy_store_commit(store, err);
	}
	if (r >= 0) {
		take_out(room, v);
		if (hoy_store_after_commit(store, on_restored, restoring, err) < 0)
			on_restored(restoring, NULL); /* out of memory, but the rows are written */
		return 0;
	}
	hoy_volumes_drop(room, v);
	(void) hoy_volume_set_kept(v, restoring->entry, NULL);
	(void) move(room, restoring->name, restoring->entry, NULL);
	return r;
}

int hoy_volume_restore(struct hoy_volumes *room, const char *name, struct hoy_err *err)
{
	struct hoy_volume *v = newest(room, name);
	struct restoring *restoring;
	int r;

	if (!v || v->moving)
		return hoy_err_not_found(err, "restore %s: no removed volume of this name is kept", name);
	if (hoy_volumes_by_name(room, name))
		return hoy_err_conflict(
			err, "restore %s: there is a volume of this name again: rename or remove it first", name);
	restoring = calloc(1, sizeof *restoring);
	if (!restoring)
		return hoy_err_oom(err);
	restoring->room = room;
	(void) snprintf(restoring->name, sizeof restoring->name, "%s", name);
	(void) snprintf(restoring->entry, sizeof restoring->entry, "%s", v->info.kept);
	r = restore(v, restoring, err);
	if (r < 0)
		free(restoring);
	return r;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* Its directory, wherever a crash has left it; false: there is none. */
static bool find_directory(struct hoy_volumes *room, const struct hoy_volume_info *info)
{
	struct hoy_err err = { 0 };

	if (is_there(room, info->kept))
		return true;
	if (!is_there(room, info->name) || hoy_store_volume_exists(room->options.store, info->name, NULL) != 0)
		return false;
	if (move(room, info->name, info->kept, &err) < 0) {
		hoy_log_err(&err, "keep volume '%s'", info->name);
		return false;
	}
	return true;
}

int hoy_volumes_kept_open(struct hoy_volumes *room, struct hoy_err *err)
{
	int r = hoy_store_kept_volumes_each(room->options.store, hoy_volume_on_kept_row, room, err);

	for (size_t i = room->n_kept; i-- > 0 && r >= 0;) {
		struct hoy_volume *v = room->kept[i];

		if (find_directory(room, &v->info))
			continue;
		hoy_log_warn("removed volume '%s' has no data any more: it can't be brought back", v->info.name);
		r = hoy_store_kept_volume_delete(room->options.store, v->info.kept, err);
		take_out(room, v);
		hoy_volume_free(v);
	}
	if (r >= 0)
		arm(room);
	return r;
}

bool hoy_volume_is_kept(const struct hoy_volumes *room, const char *entry)
{
	return by_entry(room, entry) != NULL;
}

int hoy_volume_keep_row(struct hoy_volume *v, struct hoy_err *err)
{
	return append(v->room, v, err);
}

void hoy_volumes_kept_free(struct hoy_volumes *room)
{
	room->purger = hoy_source_free(room->purger);
	for (size_t i = 0; i < room->n_kept; i++)
		hoy_volume_free(room->kept[i]);
	free(room->kept);
}
