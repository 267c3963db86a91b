/*
 * Volumes: directories that outlive containers, DATA_ROOT/volumes/NAME/_data. What a volume is called and by whom it is
 * used; what containers do with them is the container room's business.
 *
 * Errors carry docker's texts ("get NAME: no such volume"). Changes are written to the store in the caller's bracket or
 * turn; who tells somebody waits for hoy_store_after_commit().
 *
 * A volume whose options name a file system is mounted on its _data when the first container that uses it starts, and
 * unmounted when the last one has ended. One whose options are a bind has no mount: its device is used in its place.
 */
#ifndef HOY_VOLUME_VOLUME_H
#define HOY_VOLUME_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct hoy_images;
struct hoy_loop;
struct hoy_oci_kv;
struct hoy_store;
struct hoy_volumes;

struct hoy_volumes_options {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_images *images; /* whose trash takes what is removed */
	const char *data_root;     /* absolute */
};

/* Reads the rows. A directory without a row, or a row without a directory, is what a crash left: an empty directory
 * goes, one with data becomes a volume again (its removal was never told), a missing one is made. */
int hoy_volumes_open(const struct hoy_volumes_options *options, struct hoy_volumes **ret, struct hoy_err *err);
void hoy_volumes_free(struct hoy_volumes *volumes);
HOY_DEFINE_AUTO_PTR(struct hoy_volumes, hoy_volumes_free);

/* The path of hoy-files, for those who start it. */
const char *hoy_volumes_helper(const struct hoy_volumes *volumes);

/* --- looking ------------------------------------------------------------------------------------------------ */

/* Belongs to the room; valid until the loop turns. */
struct hoy_volume_info {
	char *name;
	char *driver;     /* "local" */
	char *mountpoint; /* DATA_ROOT/volumes/NAME/_data */
	struct hoy_oci_kv *labels;
	size_t n_labels;
	struct hoy_oci_kv *options;
	size_t n_options;
	bool has_labels, has_options; /* were given, perhaps empty: null else */
	struct timespec created;
	char **users; /* IDs of containers; NULL: none */
	char *kept;   /* removed, but kept: the name of its directory; else NULL */
	struct timespec removed, until;
};

int hoy_volumes_find(
	struct hoy_volumes *volumes, const char *name, const struct hoy_volume_info **ret, struct hoy_err *err);
/* By name. *ret is a heap array of borrowed infos: free() it. */
int hoy_volumes_list(
	struct hoy_volumes *volumes, const struct hoy_volume_info ***ret, size_t *ret_n, struct hoy_err *err);
bool hoy_volume_is_anonymous(const struct hoy_volume_info *volume);
#define HOY_VOLUME_ANONYMOUS_LABEL "com.docker.volume.anonymous"

/* Where the data lies: the mountpoint, or the device of a bind. Borrowed. */
const char *hoy_volume_source(const struct hoy_volume_info *volume);
/* Do its options make it read-only ("o=ro")? */
bool hoy_volume_is_read_only(const struct hoy_volume_info *volume);

/* --- changing ------------------------------------------------------------------------------------------------- */

struct hoy_volume_create {
	const char *name;   /* NULL or "": one is made up, and the volume is anonymous */
	const char *driver; /* NULL or "": local */
	const struct hoy_oci_kv *labels;
	size_t n_labels;
	const struct hoy_oci_kv *options;
	size_t n_options;
	bool has_labels, has_options;
};

/* One that is there already is found (*ret_new false). The directory is made at once; the row belongs to the caller's
 * bracket: when that is rolled back or its commit fails, hoy_volume_take_back() forgets a new one. */
int hoy_volume_create(struct hoy_volumes *volumes, const struct hoy_volume_create *create, bool *ret_new,
	const struct hoy_volume_info **ret, struct hoy_err *err);
void hoy_volume_take_back(struct hoy_volumes *volumes, const char *name);
/* A new one is durable: tells the event. */
void hoy_volume_created(struct hoy_volumes *volumes, const char *name);

/* HOY_ERR_CONFLICT "remove NAME: volume is in use - [IDs]". Data and event follow after the commit. */
int hoy_volume_remove(struct hoy_volumes *volumes, const char *name, struct hoy_err *err);
/* As hoy_volume_remove(), but for so many seconds it can be brought back. One with driver options is just removed: its
 * data lies elsewhere. */
int hoy_volume_keep(struct hoy_volumes *volumes, const char *name, int64_t seconds, struct hoy_err *err);
#define HOY_VOLUME_KEEP_MAX (30 * 24 * 3600)
/* Brings back the one that was removed last. HOY_ERR_NOT_FOUND: none is kept; HOY_ERR_CONFLICT: the name is taken. */
int hoy_volume_restore(struct hoy_volumes *volumes, const char *name, struct hoy_err *err);
/* As hoy_volumes_list(), of those that are kept. */
int hoy_volumes_kept(
	struct hoy_volumes *volumes, const struct hoy_volume_info ***ret, size_t *ret_n, struct hoy_err *err);
/* The data of one of these goes now; `entry` is its info's `kept`. */
int hoy_volume_purge(struct hoy_volumes *volumes, const char *entry, struct hoy_err *err);
int hoy_volume_rename(struct hoy_volumes *volumes, const char *name, const char *to, struct hoy_err *err);

/* Calls `done` when what was changed so far is durable, or was not; see hoy_store_after_commit(). */
typedef void (*hoy_volume_done)(void *userdata, const struct hoy_err *err);
int hoy_volumes_after_commit(struct hoy_volumes *volumes, hoy_volume_done done, void *userdata, struct hoy_err *err);

/* Who uses it: a container, from its creation to its removal. */
int hoy_volume_hold(struct hoy_volumes *volumes, const char *name, const char *container_id, struct hoy_err *err);
void hoy_volume_release(struct hoy_volumes *volumes, const char *name, const char *container_id);

/* --- mounting --------------------------------------------------------------------------------------------------- */

/* A container that starts needs it: mounted if its options ask for it. `done` is called once, perhaps from inside. */
void hoy_volume_mount(struct hoy_volumes *volumes, const char *name, hoy_volume_done done, void *userdata);
/* Is its data where it belongs: nothing to mount, or mounted? */
bool hoy_volume_is_ready(const struct hoy_volume_info *volume);
/* Of a container that runs on from before this hoyd. */
void hoy_volume_mounted(struct hoy_volumes *volumes, const char *name);
void hoy_volume_unmount(struct hoy_volumes *volumes, const char *name);
/* After all that runs was told: what is mounted for nobody is unmounted. */
void hoy_volumes_sweep_mounts(struct hoy_volumes *volumes);

/* --- events ----------------------------------------------------------------------------------- */

/* "create", "destroy", "mount", "unmount"; `attributes` are "k=v". */
typedef void (*hoy_volume_event)(const char *action, const char *name, char *const *attributes, void *userdata);
void hoy_volumes_set_event(struct hoy_volumes *volumes, hoy_volume_event event, void *userdata);
void hoy_volumes_tell(struct hoy_volumes *volumes, const char *action, const char *name, char *const *attributes);

#endif
