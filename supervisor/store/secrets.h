/* Table of the secret room: secrets, whose content is sealed, and configs, whose content is as it was given. */
#ifndef HOY_STORE_SECRETS_H
#define HOY_STORE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_store;

struct hoy_secret_row {
	const char *id;
	int kind;
	const char *name;   /* NULL: a container's own, nobody finds it by a name */
	const char *labels; /* a JSON object; NULL: none were given */
	int64_t created;    /* nanoseconds since 1970 */
	int64_t updated;
	int64_t version;
};

int hoy_store_secrets_init(struct hoy_store *store, struct hoy_err *err);

/* -EEXIST: the name is taken. */
int hoy_store_secret_insert(
	struct hoy_store *store, const struct hoy_secret_row *row, const void *data, size_t len, struct hoy_err *err);
/* Labels, updated and version alone. */
int hoy_store_secret_update(struct hoy_store *store, const struct hoy_secret_row *row, struct hoy_err *err);
int hoy_store_secret_delete(struct hoy_store *store, const char *id, struct hoy_err *err);

/* Calls `each` for every row of the kind, by name, until it returns < 0. Strings are valid during the call. */
typedef int (*hoy_secret_row_fn)(void *userdata, const struct hoy_secret_row *row, struct hoy_err *err);
int hoy_store_secrets_each(
	struct hoy_store *store, int kind, hoy_secret_row_fn each, void *userdata, struct hoy_err *err);

/* Appends the content to `ret`. HOY_ERR_NOT_FOUND. */
struct hoy_buf;
int hoy_store_secret_data(struct hoy_store *store, const char *id, struct hoy_buf *ret, struct hoy_err *err);

/* How many there are of a kind, with those that have no name; or -errno. */
int64_t hoy_store_secrets_count(struct hoy_store *store, int kind, struct hoy_err *err);

#endif
