/* Rows of the build room: what steps made, by key, and the containers of RUN steps under way. */
#ifndef HOY_STORE_BUILDS_H
#define HOY_STORE_BUILDS_H

#include <stdint.h>

#include "base/err.h"

struct hoy_store;

struct hoy_store_build_result {
	const char *key;      /* "sha256:..." */
	const char *chain_id; /* of the tree after the step; "": empty */
	const char *diff_id;  /* "" when the step made no layer */
	const char *blob;
	int64_t blob_size;
	const char *what;      /* the instruction */
	int64_t created, used; /* ns */
};

int hoy_store_builds_migrate(struct hoy_store *store, struct hoy_err *err);

/* Adds, or takes the place of the row with that key. */
int hoy_store_build_result_set(
	struct hoy_store *store, const struct hoy_store_build_result *result, struct hoy_err *err);
int hoy_store_build_result_delete(struct hoy_store *store, const char *key, struct hoy_err *err);
int hoy_store_build_results_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_build_result *result, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

/* What was at a URL, by the ETag that the server gave with it. */
struct hoy_store_build_file {
	const char *url, *etag;
	const char *digest, *name;
	int64_t modified; /* s */
};

/* Adds, or takes the place of the row with that URL; above 1000 rows another one goes. */
int hoy_store_build_file_set(struct hoy_store *store, const struct hoy_store_build_file *file, struct hoy_err *err);
/* Calls `row` if there is one. */
int hoy_store_build_file_find(struct hoy_store *store, const char *url,
	int (*row)(const struct hoy_store_build_file *file, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

/* Names of containers that are to go when their hoyd is gone. */
int hoy_store_build_run_add(struct hoy_store *store, const char *container, struct hoy_err *err);
int hoy_store_build_run_delete(struct hoy_store *store, const char *container, struct hoy_err *err);
int hoy_store_build_runs_each(struct hoy_store *store,
	int (*row)(const char *container, void *userdata, struct hoy_err *err), void *userdata, struct hoy_err *err);

#endif
