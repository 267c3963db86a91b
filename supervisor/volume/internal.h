/* Shared by the files of this room only. */
#ifndef HOY_VOLUME_INTERNAL_H
#define HOY_VOLUME_INTERNAL_H

#include "libocispec/field.h"
#include "supervisor/volume/volume.h"

struct hoy_files_run;

struct hoy_volume_waiter {
	hoy_volume_done done;
	void *userdata;
};

struct hoy_volume_row;

struct hoy_volume {
	struct hoy_volume_info info; /* first: an info of ours is its volume */
	struct hoy_volumes *room;
	char *dir;             /* DATA_ROOT/volumes/NAME */
	unsigned int n_mounts; /* running containers that use it */
	bool is_mounted;
	struct hoy_files_run *mounting; /* a worker mounts it */
	bool moving;                    /* kept: its directory is moved after the commit */
	struct hoy_volume_waiter *waiters;
	size_t n_waiters;
};

struct hoy_volumes {
	struct hoy_volumes_options options;
	char *dir; /* DATA_ROOT/volumes */
	int dir_fd;
	char *helper;
	struct hoy_volume **list; /* by name */
	size_t n;
	struct hoy_volume **kept; /* removed, and not gone yet */
	size_t n_kept;
	struct hoy_source *purger;
	struct hoy_volume_transfer *transfers; /* under way */
	hoy_volume_event event;
	void *event_userdata;
};

/* The volume of this name; NULL: none. */
struct hoy_volume *hoy_volumes_by_name(const struct hoy_volumes *room, const char *name);

void hoy_volume_free(struct hoy_volume *volume);
/* Into the list, and out of it; nothing else happens. */
int hoy_volumes_add(struct hoy_volumes *room, struct hoy_volume *volume, struct hoy_err *err);
void hoy_volumes_drop(struct hoy_volumes *room, struct hoy_volume *volume);
/* Into the table of volumes, or of kept ones. */
int hoy_volume_insert_row(const struct hoy_volume *volume, struct hoy_err *err);
/* Its directory is `entry` now; NULL: it is a volume again. */
int hoy_volume_set_kept(struct hoy_volume *volume, const char *entry, struct hoy_err *err);
int hoy_volume_on_kept_row(void *room, const struct hoy_volume_row *row, struct hoy_err *err);

/* kept.c: removed volumes, in directories that begin with this. */
#define HOY_VOLUME_KEPT ".kept-"
int hoy_volumes_kept_open(struct hoy_volumes *room, struct hoy_err *err); /* before the volumes */
void hoy_volumes_kept_free(struct hoy_volumes *room);
int hoy_volume_keep_row(struct hoy_volume *volume, struct hoy_err *err); /* into the list of kept ones */
bool hoy_volume_is_kept(const struct hoy_volumes *room, const char *entry);
/* The volume that had this name is removed in this turn: its directory still has the name. */
bool hoy_volume_is_moving(const struct hoy_volumes *room, const char *name);

/* May a volume be called so? `op` is what is tried, for the error. */
int hoy_volume_name_check(const char *op, const char *name, struct hoy_err *err);

/* transfer.c: directories that are becoming volumes; they begin with this, which no volume's name does. */
#define HOY_VOLUME_STAGING ".new-"
void hoy_volume_transfers_free(struct hoy_volumes *room);

/* options.c: the local driver's. Text of an option; "" when it was not given. */
const char *hoy_volume_option(const struct hoy_volume_info *volume, const char *key);
int hoy_volume_options_check(const struct hoy_volume_create *create, struct hoy_err *err);
bool hoy_volume_is_bind(const struct hoy_volume_info *volume);
/* "o" taken apart: flags of mount(2), the rest as its data (heap). */
int hoy_volume_mount_options(const char *o, unsigned long *ret_flags, char **ret_data, struct hoy_err *err);

/* mount.c */
void hoy_volume_mount_free(struct hoy_volume *volume);

#endif
