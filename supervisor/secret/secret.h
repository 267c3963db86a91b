/*
 * Secrets and configs without a swarm: small contents with a name and labels, which containers get as files. What is in
 * them never changes. Secrets are kept sealed with the key in DATA_ROOT/secrets.key and told to nobody but containers;
 * configs are kept as they are. Sealing and opening is done by hoy-files: hoyd links no cryptography.
 *
 * Rows alone: nothing is kept in memory. Changes are written in the caller's turn; see hoy_store_after_commit().
 */
#ifndef HOY_SECRET_SECRET_H
#define HOY_SECRET_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct hoy_buf;
struct hoy_oci_kv;
struct hoy_secrets;
struct hoy_store;
struct hoy_volumes;

enum hoy_secret_kind { HOY_SECRET, HOY_CONFIG };
const char *hoy_secret_kind_name(enum hoy_secret_kind kind); /* "secret", "config" */

#define HOY_SECRET_ID_SIZE 26 /* 25 letters and digits */

/* `volumes` runs hoy-files. */
int hoy_secrets_open(struct hoy_store *store, struct hoy_volumes *volumes, const char *data_root,
	struct hoy_secrets **ret, struct hoy_err *err);
/* What is under way is told that hoyd ends. */
void hoy_secrets_free(struct hoy_secrets *room);
HOY_DEFINE_AUTO_PTR(struct hoy_secrets, hoy_secrets_free);

/* --- looking ---------------------------------------------------------------------------------------------------- */

struct hoy_secret_info {
	char id[HOY_SECRET_ID_SIZE];
	enum hoy_secret_kind kind;
	char *name;
	struct hoy_oci_kv *labels;
	size_t n_labels;
	struct timespec created, updated;
	uint64_t version;
};
void hoy_secret_info_done(struct hoy_secret_info *info);

/* By ID, by name, or by the beginning of an ID. HOY_ERR_NOT_FOUND "secret X not found". */
int hoy_secret_find(struct hoy_secrets *room, enum hoy_secret_kind kind, const char *ref, struct hoy_secret_info *ret,
	struct hoy_err *err);
/* All that have a name, by name; the info is valid during the call. */
typedef int (*hoy_secret_fn)(void *userdata, const struct hoy_secret_info *info, struct hoy_err *err);
int hoy_secrets_each(
	struct hoy_secrets *room, enum hoy_secret_kind kind, hoy_secret_fn each, void *userdata, struct hoy_err *err);
/* Appends the content of a config. */
int hoy_config_read(struct hoy_secrets *room, const char *id, struct hoy_buf *ret, struct hoy_err *err);

/* --- changing --------------------------------------------------------------------------------------------------- */

struct hoy_secret_create {
	enum hoy_secret_kind kind;
	const char *name; /* NULL: a container's own */
	const struct hoy_oci_kv *labels;
	size_t n_labels;
	const void *data;
	size_t len;
};
/* Called once from the loop, never from inside: with the ID when it is durable, or with what went wrong. */
typedef void (*hoy_secret_created)(void *userdata, const struct hoy_err *err, const char *id);
int hoy_secret_create(struct hoy_secrets *room, const struct hoy_secret_create *create, hoy_secret_created done,
	void *userdata, struct hoy_err *err);

/* HOY_ERR_CONFLICT when `version` is not the one that it has. */
int hoy_secret_set_labels(struct hoy_secrets *room, const struct hoy_secret_info *info, uint64_t version,
	const struct hoy_oci_kv *labels, size_t n_labels, struct hoy_err *err);
int hoy_secret_remove(struct hoy_secrets *room, const char *id, struct hoy_err *err);

/* What was some container's own and is nobody's any more: a crash left it. */
int hoy_secrets_sweep(
	struct hoy_secrets *room, bool (*is_used)(void *userdata, const char *id), void *userdata, struct hoy_err *err);

/* --- into a container --------------------------------------------------------------------------------------------- */

struct hoy_secret_file {
	const char *id;
	enum hoy_secret_kind kind;
	const char *name;   /* for errors */
	const char *target; /* absolute: an empty file that is mounted there is covered */
	uint32_t uid, gid, mode;
};
struct hoy_secret_placing;
/* `namespace`: the mount namespace of a container that waits for its start, borrowed. `done` is called once from the
 * loop; the placing must be freed in it, or later. */
int hoy_secrets_place(struct hoy_secrets *room, const struct hoy_secret_file *files, size_t n, int namespace,
	void (*done)(void *userdata, const struct hoy_err *err), void *userdata, struct hoy_secret_placing **ret,
	struct hoy_err *err);
/* Ends one that is under way, without `done`. NULL is fine. */
void hoy_secret_placing_free(struct hoy_secret_placing *placing);

#endif
