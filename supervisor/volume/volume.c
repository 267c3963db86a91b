/* The set of volumes: rows, directories, who uses them. */
#include "supervisor/volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/image/image.h"
#include "supervisor/store/store.h"
#include "supervisor/store/volumes.h"
#include "supervisor/volume/internal.h"

/* --- the objects -------------------------------------------------------------------------------------------- */

struct hoy_volume *hoy_volumes_by_name(const struct hoy_volumes *room, const char *name)
{
	for (size_t i = 0; i < room->n; i++)
		if (strcmp(room->list[i]->info.name, name) == 0)
			return room->list[i];
	return NULL;
}

static void kv_free(struct hoy_oci_kv *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].key);
		free(list[i].value);
	}
	free(list);
}

void hoy_volume_free(struct hoy_volume *v)
{
	if (!v)
		return;
	hoy_volume_mount_free(v);
	free(v->info.name);
	free(v->info.driver);
	free(v->info.mountpoint);
	kv_free(v->info.labels, v->info.n_labels);
	kv_free(v->info.options, v->info.n_options);
	hoy_strv_free(v->info.users);
	free(v->info.kept);
	free(v->dir);
	free(v);
}
HOY_DEFINE_AUTO_PTR(struct hoy_volume, hoy_volume_free);

/* `entry`: the name of its directory. */
static int set_place(struct hoy_volume *v, const char *name, const char *entry, struct hoy_err *err)
{
	auto_free char *own = strdup(name), *dir = hoy_path_join(v->room->dir, entry);
	auto_free char *mountpoint = dir ? hoy_path_join(dir, "_data") : NULL;

	if (!own || !mountpoint)
		return hoy_err_oom(err);
	free(v->info.name);
	free(v->info.mountpoint);
	free(v->dir);
	v->info.name = TAKE_PTR(own);
	v->info.mountpoint = TAKE_PTR(mountpoint);
	v->dir = TAKE_PTR(dir);
	return 0;
}

static int set_name(struct hoy_volume *v, const char *name, struct hoy_err *err)
{
	return set_place(v, name, name, err);
}

int hoy_volume_set_kept(struct hoy_volume *v, const char *entry, struct hoy_err *err)
{
	auto_free char *own = entry ? strdup(entry) : NULL;
	int r = entry && !own ? hoy_err_oom(err) : set_place(v, v->info.name, entry ? entry : v->info.name, err);

	if (r < 0)
		return r;
	free(v->info.kept);
	v->info.kept = TAKE_PTR(own);
	return 0;
}

/* Keeps the list in the order of names. */
int hoy_volumes_add(struct hoy_volumes *room, struct hoy_volume *v, struct hoy_err *err)
{
	struct hoy_volume **grown = reallocarray(room->list, room->n + 1, sizeof *grown);
	size_t i = room->n;

	if (!grown)
		return hoy_err_oom(err);
	room->list = grown;
	for (; i > 0 && strcmp(grown[i - 1]->info.name, v->info.name) > 0; i--)
		grown[i] = grown[i - 1];
	grown[i] = v;
	room->n++;
	return 0;
}

void hoy_volumes_drop(struct hoy_volumes *room, struct hoy_volume *v)
{
	for (size_t i = 0; i < room->n; i++) {
		if (room->list[i] != v)
			continue;
		memmove(&room->list[i], &room->list[i + 1], (room->n - i - 1) * sizeof(struct hoy_volume *));
		room->n--;
		return;
	}
}

static int copy_kv(struct hoy_oci_kv **to, size_t *n_to, const struct hoy_oci_kv *from, size_t n, struct hoy_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (hoy_oci_kv_add(to, n_to, from[i].key, from[i].value ? from[i].value : "") < 0)
			return hoy_err_oom(err);
	return 0;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

int hoy_volume_name_check(const char *op, const char *name, struct hoy_err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	bool fine = !strchr("_.-", name[0]) && strspn(name, allowed) == strlen(name);

	if (strlen(name) == 1)
		return hoy_err_invalid(err,
			"%s %s: volume name is too short, names should be at least two alphanumeric characters", op,
			name);
	if (!fine)
		return hoy_err_invalid(err,
			"%s %s: \"%s\" includes invalid characters for a local volume name, only "
			"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
			op, name, name);
	if (strlen(name) > 255)
		return hoy_err_invalid(err, "%s %.32s...: the volume's name is longer than 255 characters", op, name);
	return 0;
}

/* --- directories ------------------------------------------------------------------------------------------------- */

static int make_dirs(const struct hoy_volume *v, struct hoy_err *err)
{
	if (mkdirat(v->room->dir_fd, v->info.name, 0701) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "create volume directory '%s'", v->dir);
	if (mkdir(v->info.mountpoint, 0755) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "create volume directory '%s'", v->info.mountpoint);
	return 0;
}

/* Only what is empty goes. */
static bool remove_empty(const struct hoy_volumes *room, const char *name)
{
	auto_free char *data = hoy_str_printf("%s/_data", name);

	if (!data)
		return false;
	if (unlinkat(room->dir_fd, data, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return false;
	return unlinkat(room->dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* --- rows ------------------------------------------------------------------------------------- */

static char *kv_text(const struct hoy_oci_kv *list, size_t n)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < n; i++)
		hoy_json_add_string(&w, list[i].key, list[i].value);
	hoy_json_end(&w);
	return hoy_buf_check(&buf, "labels", NULL) < 0 ? NULL : hoy_buf_take(&buf);
}

static int parse_kv(const char *text, struct hoy_oci_kv **list, size_t *n, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = text ? hoy_json_parse(text, strlen(text), NULL, &doc, err) : 0;

	if (r < 0)
		return r;
	hoy_json_each(member, doc)
	{
		const char *value = hoy_json_string(member);

		if (hoy_oci_kv_add(list, n, hoy_json_key(member), value ? value : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int64_t ns_of(const struct timespec *time)
{
	return (int64_t) time->tv_sec * 1000000000 + time->tv_nsec;
}

static struct timespec time_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

int hoy_volume_insert_row(const struct hoy_volume *v, struct hoy_err *err)
{
	const struct hoy_volume_info *info = &v->info;
	auto_free char *labels = info->has_labels ? kv_text(info->labels, info->n_labels) : NULL;
	auto_free char *options = info->has_options ? kv_text(info->options, info->n_options) : NULL;
	const struct hoy_volume_row row = {
		.name = info->name,
		.driver = info->driver,
		.labels = labels,
		.options = options,
		.created = ns_of(&info->created),
		.kept = info->kept,
		.removed = ns_of(&info->removed),
		.until = ns_of(&info->until),
	};

	if ((info->has_labels && !labels) || (info->has_options && !options))
		return hoy_err_oom(err);
	return hoy_store_volume_insert(v->room->options.store, &row, err);
}

static int from_row(
	struct hoy_volumes *room, const struct hoy_volume_row *row, struct hoy_volume **ret, struct hoy_err *err)
{
	auto_ptr(hoy_volume_free) struct hoy_volume *v = calloc(1, sizeof *v);
	int r;

	if (!v)
		return hoy_err_oom(err);
	v->room = room;
	v->info.driver = strdup(row->driver);
	v->info.has_labels = row->labels != NULL;
	v->info.has_options = row->options != NULL;
	v->info.created = time_of(row->created);
	v->info.removed = time_of(row->removed);
	v->info.until = time_of(row->until);
	r = v->info.driver ? set_name(v, row->name, err) : hoy_err_oom(err);
	if (r >= 0)
		r = hoy_volume_set_kept(v, row->kept, err);
	if (r >= 0)
		r = parse_kv(row->labels, &v->info.labels, &v->info.n_labels, err);
	if (r >= 0)
		r = parse_kv(row->options, &v->info.options, &v->info.n_options, err);
	if (r >= 0)
		*ret = TAKE_PTR(v);
	return r;
}

static int on_row(void *userdata, const struct hoy_volume_row *row, struct hoy_err *err)
{
	auto_ptr(hoy_volume_free) struct hoy_volume *v = NULL;
	struct hoy_volumes *room = userdata;
	struct hoy_err dir_err = { 0 };
	int r;

	if (hoy_volumes_by_name(room, row->name))
		return 0;
	r = from_row(room, row, &v, err);
	if (r >= 0)
		r = hoy_volumes_add(room, v, err);
	if (r < 0)
		return r;
	if (make_dirs(v, &dir_err) < 0)
		hoy_log_err(&dir_err, "volume '%s'", v->info.name);
	v = NULL;
	return 0;
}

int hoy_volume_on_kept_row(void *userdata, const struct hoy_volume_row *row, struct hoy_err *err)
{
	auto_ptr(hoy_volume_free) struct hoy_volume *v = NULL;
	int r = from_row(userdata, row, &v, err);

	if (r >= 0)
		r = hoy_volume_keep_row(v, err);
	if (r >= 0)
		v = NULL;
	return r;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* A directory with data that no row names: its removal, or its creation, was never told. Data is not thrown away. */
static void adopt(struct hoy_volumes *room, const char *name)
{
	const struct hoy_volume_create create = { .name = name };
	const struct hoy_volume_info *info;
	struct hoy_err err = { 0 };
	bool is_new;

	hoy_log_warn("volume '%s' has data and no record: it is a volume again", name);
	if (hoy_volume_create(room, &create, &is_new, &info, &err) < 0)
		hoy_log_ignored(&err, "adopt volume '%s'", name);
}

static void sweep(struct hoy_volumes *room)
{
	DIR *dir = opendir(room->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || hoy_volumes_by_name(room, name))
			continue;
		if (hoy_volume_is_kept(room, name))
			continue;
		/* an import or a copy that was not finished; a removed volume whose time was over */
		if (hoy_str_starts(name, HOY_VOLUME_STAGING) || hoy_str_starts(name, HOY_VOLUME_KEPT)) {
			hoy_images_trash(room->options.images, room->dir_fd, name);
			continue;
		}
		if (hoy_volume_name_check("open", name, NULL) < 0 || remove_empty(room, name))
			continue;
		adopt(room, name);
	}
	if (dir)
		closedir(dir);
}

int hoy_volumes_open(const struct hoy_volumes_options *options, struct hoy_volumes **ret, struct hoy_err *err)
{
	auto_ptr(hoy_volumes_free) struct hoy_volumes *room = calloc(1, sizeof *room);
	int r;

	if (!room)
		return hoy_err_oom(err);
	room->dir_fd = -EBADF;
	room->options = *options;
	room->dir = hoy_path_join(options->data_root, "volumes");
	if (!room->dir)
		return hoy_err_oom(err);
	r = hoy_helper_find("hoy-files", HOY_HELPER_LIBEXEC, &room->helper, err);
	if (r >= 0)
		r = hoy_path_mkdir_all(room->dir, 0701, err);
	if (r < 0)
		return r;
	room->dir_fd = open(room->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (room->dir_fd < 0)
		return hoy_err_sys(err, "open '%s'", room->dir);
	r = hoy_store_volumes_init(options->store, err);
	if (r >= 0)
		r = hoy_volumes_kept_open(room, err);
	if (r >= 0)
		r = hoy_store_volumes_each(options->store, on_row, room, err);
	if (r < 0)
		return r;
	sweep(room);
	*ret = TAKE_PTR(room);
	return 0;
}

void hoy_volumes_free(struct hoy_volumes *room)
{
	if (!room)
		return;
	hoy_volume_transfers_free(room);
	hoy_volumes_kept_free(room);
	for (size_t i = 0; i < room->n; i++)
		hoy_volume_free(room->list[i]);
	free(room->list);
	hoy_fd_close(&room->dir_fd);
	free(room->dir);
	free(room->helper);
	free(room);
}

const char *hoy_volumes_helper(const struct hoy_volumes *room)
{
	return room->helper;
}

/* --- looking ---------------------------------------------------------------------------------- */

int hoy_volumes_find(
	struct hoy_volumes *room, const char *name, const struct hoy_volume_info **ret, struct hoy_err *err)
{
	const struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (!v)
		return hoy_err_not_found(err, "get %s: no such volume", name);
	*ret = &v->info;
	return 0;
}

int hoy_volumes_list(struct hoy_volumes *room, const struct hoy_volume_info ***ret, size_t *ret_n, struct hoy_err *err)
{
	const struct hoy_volume_info **list = calloc(room->n + 1, sizeof *list);

	if (!list)
		return hoy_err_oom(err);
	for (size_t i = 0; i < room->n; i++)
		list[i] = &room->list[i]->info;
	*ret = list;
	*ret_n = room->n;
	return 0;
}

bool hoy_volume_is_anonymous(const struct hoy_volume_info *volume)
{
	return hoy_oci_kv_get(volume->labels, volume->n_labels, HOY_VOLUME_ANONYMOUS_LABEL) != NULL;
}

/* --- creating --------------------------------------------------------------------------------- */

static int check_driver(const char *name, const char *driver, struct hoy_err *err)
{
	if (!driver || !*driver || strcmp(driver, "local") == 0)
		return 0;
	return hoy_err_not_found(
		err, "create %s: error looking up volume plugin %s: plugin \"%s\" not found", name, driver, driver);
}

static int fill(struct hoy_volume *v, const struct hoy_volume_create *create, const char *name, struct hoy_err *err)
{
	bool anonymous = !create->name || !*create->name;
	int r = set_name(v, name, err);

	v->info.driver = strdup("local");
	clock_gettime(CLOCK_REALTIME, &v->info.created);
	v->info.has_labels = create->has_labels || create->n_labels || anonymous;
	v->info.has_options = create->has_options || create->n_options;
	if (r >= 0 && !v->info.driver)
		r = hoy_err_oom(err);
	if (r >= 0)
		r = copy_kv(&v->info.labels, &v->info.n_labels, create->labels, create->n_labels, err);
	if (r >= 0)
		r = copy_kv(&v->info.options, &v->info.n_options, create->options, create->n_options, err);
	if (r >= 0 && anonymous &&
		hoy_oci_kv_set(&v->info.labels, &v->info.n_labels, HOY_VOLUME_ANONYMOUS_LABEL, "") < 0)
		r = hoy_err_oom(err);
	return r;
}

static int create_new(
	struct hoy_volumes *room, const struct hoy_volume_create *create, const char *name, struct hoy_err *err)
{
	auto_ptr(hoy_volume_free) struct hoy_volume *v = calloc(1, sizeof *v);
	int r;

	if (!v)
		return hoy_err_oom(err);
	v->room = room;
	r = fill(v, create, name, err);
	if (r >= 0)
		r = make_dirs(v, err);
	if (r < 0)
		return r;
	r = hoy_volume_insert_row(v, err);
	if (r >= 0)
		r = hoy_volumes_add(room, v, err);
	if (r < 0) {
		(void) remove_empty(room, name);
		return r;
	}
	v = NULL;
	return 0;
}

int hoy_volume_create(struct hoy_volumes *room, const struct hoy_volume_create *create, bool *ret_new,
	const struct hoy_volume_info **ret, struct hoy_err *err)
{
	const char *name = create->name;
	unsigned char bytes[32];
	char made_up[65];
	struct hoy_err own = { 0 };
	int r = 0;

	if (!name || !*name) {
		hoy_random(bytes, sizeof bytes);
		hoy_hex(bytes, sizeof bytes, made_up);
		name = made_up;
	}
	*ret_new = false;
	r = check_driver(name, create->driver, err);
	if (r >= 0)
		r = hoy_volume_name_check("create", name, err);
	if (r < 0)
		return r;
	if (hoy_volume_is_moving(room, name))
		return hoy_err_conflict(err, "create %s: a volume of this name is just being removed, try again", name);
	if (!hoy_volumes_by_name(room, name)) {
		r = hoy_volume_options_check(create, &own);
		if (r < 0)
			return hoy_err_set(err, own.kind, own.errnum, "create %s: %s", name, own.msg);
		r = create_new(room, create, name, err);
		*ret_new = r >= 0;
	}
	return r < 0 ? r : hoy_volumes_find(room, name, ret, err);
}

void hoy_volume_take_back(struct hoy_volumes *room, const char *name)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (!v || v->info.users)
		return;
	if (!remove_empty(room, name)) /* an image's content may be in it by now */
		hoy_images_trash(room->options.images, room->dir_fd, name);
	hoy_volumes_drop(room, v);
	hoy_volume_free(v);
}

void hoy_volume_created(struct hoy_volumes *room, const char *name)
{
	static char driver[] = "driver=local";

	hoy_volumes_tell(room, "create", name, (char *[]){ driver, NULL });
}

/* --- removing --------------------------------------------------------------------------------- */

struct removal {
	struct hoy_volumes *room;
	char name[256];
};

/* The data goes after the row. Where the commit failed, or the caller's bracket was rolled back, the row is still there
 * and is read again. */
static void on_removed(void *userdata, const struct hoy_err *err)
{
	static char driver[] = "driver=local";
	struct removal *removal = userdata;

	struct hoy_store *store = removal->room->options.store;

	if (err || hoy_store_volume_exists(store, removal->name, NULL) != 0) {
		(void) hoy_store_volumes_each(store, on_row, removal->room, NULL);
	} else if (!hoy_volumes_by_name(removal->room, removal->name)) {
		hoy_images_trash(removal->room->options.images, removal->room->dir_fd, removal->name);
		hoy_volumes_tell(removal->room, "destroy", removal->name, (char *[]){ driver, NULL });
	}
	free(removal);
}

static int refuse_used(const struct hoy_volume *v, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf ids = { 0 };

	for (char *const *id = v->info.users; id && *id; id++)
		hoy_buf_addf(&ids, "%s%s", ids.len ? ", " : "", *id);
	if (hoy_buf_check(&ids, "users", NULL) < 0)
		return hoy_err_oom(err);
	return hoy_err_conflict(err, "remove %s: volume is in use - [%s]", v->info.name, ids.data);
}

int hoy_volume_remove(struct hoy_volumes *room, const char *name, struct hoy_err *err)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);
	struct removal *removal;
	int r;

	if (!v)
		return hoy_err_not_found(err, "get %s: no such volume", name);
	if (v->info.users && v->info.users[0])
		return refuse_used(v, err);
	removal = calloc(1, sizeof *removal);
	if (!removal)
		return hoy_err_oom(err);
	removal->room = room;
	strncpy(removal->name, name, sizeof removal->name - 1);
	r = hoy_store_volume_delete(room->options.store, name, err);
	if (r >= 0)
		r = hoy_store_after_commit(room->options.store, on_removed, removal, err);
	if (r < 0) {
		free(removal);
		return r;
	}
	hoy_volumes_drop(room, v);
	hoy_volume_free(v);
	return 0;
}

int hoy_volume_rename(struct hoy_volumes *room, const char *name, const char *to, struct hoy_err *err)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);
	int r;

	if (!v)
		return hoy_err_not_found(err, "get %s: no such volume", name);
	r = hoy_volume_name_check("rename", to, err);
	if (r < 0)
		return r;
	if (v->info.users && v->info.users[0])
		return hoy_err_conflict(err, "rename %s: volume is in use by containers", name);
	if (hoy_volumes_by_name(room, to) || hoy_volume_is_moving(room, to))
		return hoy_err_conflict(err, "rename %s: a volume named %s is there already", name, to);
	/* Row, then directory, then the commit: what a crash leaves is a row without its directory, which is made, and
	 * a directory with data, which becomes a volume again under the name it has. */
	r = hoy_store_volume_rename(room->options.store, name, to, err);
	if (r < 0)
		return r;
	if (renameat2(room->dir_fd, name, room->dir_fd, to, RENAME_NOREPLACE) < 0) {
		r = hoy_err_sys(err, "rename volume '%s'", name);
		(void) hoy_store_volume_rename(room->options.store, to, name, NULL);
		return r;
	}
	hoy_volumes_drop(room, v);
	r = set_name(v, to, err);
	return r < 0 ? r : hoy_volumes_add(room, v, err);
}

int hoy_volumes_after_commit(struct hoy_volumes *room, hoy_volume_done done, void *userdata, struct hoy_err *err)
{
	return hoy_store_after_commit(room->options.store, done, userdata, err);
}

/* --- users ------------------------------------------------------------------------------------ */

int hoy_volume_hold(struct hoy_volumes *room, const char *name, const char *container_id, struct hoy_err *err)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);

	if (!v)
		return hoy_err_not_found(err, "get %s: no such volume", name);
	if (hoy_strv_has(v->info.users, container_id))
		return 0;
	return hoy_strv_add(&v->info.users, container_id) < 0 ? hoy_err_oom(err) : 0;
}

void hoy_volume_release(struct hoy_volumes *room, const char *name, const char *container_id)
{
	struct hoy_volume *v = hoy_volumes_by_name(room, name);
	char **users = v ? v->info.users : NULL;

	for (size_t i = 0; users && users[i]; i++) {
		if (strcmp(users[i], container_id) != 0)
			continue;
		free(users[i]);
		for (; users[i]; i++)
			users[i] = users[i + 1];
		break;
	}
	if (users && !users[0]) {
		free(users);
		v->info.users = NULL;
	}
}

/* --- events ----------------------------------------------------------------------------------- */

void hoy_volumes_set_event(struct hoy_volumes *room, hoy_volume_event event, void *userdata)
{
	room->event = event;
	room->event_userdata = userdata;
}

void hoy_volumes_tell(struct hoy_volumes *room, const char *action, const char *name, char *const *attributes)
{
	if (room->event)
		room->event(action, name, attributes, room->event_userdata);
}
