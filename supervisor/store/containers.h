/* The rows of containers: one per container, with its config as JSON text. */
#ifndef HOY_STORE_CONTAINERS_H
#define HOY_STORE_CONTAINERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_store;

struct hoy_container_row {
	const char *id;
	const char *name;
	const char *image_id;
	const char *chain_id; /* the layers it holds; "" for none */
	const char *config;   /* hoy_container_config_print() */
	int64_t created;      /* this and the other times: nanoseconds since 1970, 0: never */

	/* what changes */
	const char *status; /* "created", "running", "exited" */
	int exit_code;
	bool oom_killed;
	const char *error; /* of the last start; "" */
	int64_t started;
	int64_t finished;
	int restart_count;    /* since it was last started by somebody */
	bool stopped_by_user; /* its policy does not start it again */
};

/* Makes the tables. */
int hoy_store_containers_init(struct hoy_store *store, struct hoy_err *err);

/* -EEXIST when ID or name are taken. */
int hoy_store_container_insert(struct hoy_store *store, const struct hoy_container_row *row, struct hoy_err *err);
/* Writes the members under "what changes" of the row `id`. */
int hoy_store_container_update(struct hoy_store *store, const struct hoy_container_row *row, struct hoy_err *err);
int hoy_store_container_set_config(struct hoy_store *store, const char *id, const char *config, struct hoy_err *err);
int hoy_store_container_rename(struct hoy_store *store, const char *id, const char *name, struct hoy_err *err);
int hoy_store_container_delete(struct hoy_store *store, const char *id, struct hoy_err *err);

/* Calls `each` for every row, oldest first, until it returns < 0. Strings are valid during the call. */
typedef int (*hoy_container_row_fn)(void *userdata, const struct hoy_container_row *row, struct hoy_err *err);
int hoy_store_containers_each(struct hoy_store *store, hoy_container_row_fn each, void *userdata, struct hoy_err *err);

#endif
