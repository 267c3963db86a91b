/* Tables of the volume room: volumes, and what every container has mounted (kept here because mounts name volumes). */
#ifndef HOY_STORE_VOLUMES_H
#define HOY_STORE_VOLUMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_store;

struct hoy_volume_row {
	const char *name;
	const char *driver;
	const char *labels;  /* a JSON object; NULL: none were given */
	const char *options; /* likewise */
	int64_t created;     /* nanoseconds since 1970 */

	/* of one that was removed and is kept */
	const char *kept; /* the name of its directory; NULL: it is a volume */
	int64_t removed, until;
};

int hoy_store_volumes_init(struct hoy_store *store, struct hoy_err *err);

/* Among the kept ones if it is one. -EEXIST: the name is taken. */
int hoy_store_volume_insert(struct hoy_store *store, const struct hoy_volume_row *row, struct hoy_err *err);
int hoy_store_volume_delete(struct hoy_store *store, const char *name, struct hoy_err *err);
int hoy_store_volume_rename(struct hoy_store *store, const char *name, const char *to, struct hoy_err *err);

/* 1 or 0. */
int hoy_store_volume_exists(struct hoy_store *store, const char *name, struct hoy_err *err);

/* Calls `each` for every row, by name, until it returns < 0. Strings are valid during the call. */
typedef int (*hoy_volume_row_fn)(void *userdata, const struct hoy_volume_row *row, struct hoy_err *err);
int hoy_store_volumes_each(struct hoy_store *store, hoy_volume_row_fn each, void *userdata, struct hoy_err *err);

int hoy_store_kept_volume_delete(struct hoy_store *store, const char *kept, struct hoy_err *err);
int hoy_store_kept_volumes_each(struct hoy_store *store, hoy_volume_row_fn each, void *userdata, struct hoy_err *err);

/* The mounts of a container as JSON text, which only the container room reads. */
int hoy_store_mounts_set(struct hoy_store *store, const char *container_id, const char *mounts, struct hoy_err *err);
int hoy_store_mounts_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err);
/* *ret is owned; NULL when there is no row. */
int hoy_store_mounts_get(struct hoy_store *store, const char *container_id, char **ret, struct hoy_err *err);

#endif
