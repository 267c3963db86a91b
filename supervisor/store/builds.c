/* Queries of the build room. */
#include "supervisor/store/builds.h"

#include "supervisor/store/store.h"

static const char *const schema[] = {
	"CREATE TABLE build_results ("
	" key TEXT PRIMARY KEY, chain_id TEXT NOT NULL, diff_id TEXT NOT NULL, blob TEXT NOT NULL,"
	" blob_size INTEGER NOT NULL, what TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE build_runs (container TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;",
	"CREATE TABLE build_files (url TEXT PRIMARY KEY, etag TEXT NOT NULL, digest TEXT NOT NULL, name TEXT NOT NULL,"
	" modified INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

int hoy_store_builds_migrate(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "builds", schema, ARRAY_LEN(schema), err);
}

int hoy_store_build_result_set(
	struct hoy_store *store, const struct hoy_store_build_result *result, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"INSERT OR REPLACE INTO build_results (key, chain_id, diff_id, blob, blob_size, what, created, used)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		"ttttitii", result->key, result->chain_id, result->diff_id, result->blob, result->blob_size,
		result->what, result->created, result->used);

	return r < 0 ? r : 0;
}

int hoy_store_build_result_delete(struct hoy_store *store, const char *key, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM build_results WHERE key = ?1", "t", key);

	return r < 0 ? r : 0;
}

int hoy_store_build_results_each(struct hoy_store *store,
	int (*row)(const struct hoy_store_build_result *result, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store,
		"SELECT key, chain_id, diff_id, blob, blob_size, what, created, used FROM build_results ORDER BY created");
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_store_build_result result = {
			.key = hoy_query_text(&q, 0),
			.chain_id = hoy_query_text(&q, 1),
			.diff_id = hoy_query_text(&q, 2),
			.blob = hoy_query_text(&q, 3),
			.blob_size = hoy_query_i64(&q, 4),
			.what = hoy_query_text(&q, 5),
			.created = hoy_query_i64(&q, 6),
			.used = hoy_query_i64(&q, 7),
		};

		r = row(&result, userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_build_file_set(struct hoy_store *store, const struct hoy_store_build_file *file, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"DELETE FROM build_files WHERE url = (SELECT url FROM build_files WHERE url != ?1 LIMIT 1 OFFSET 999)",
		"t", file->url);

	if (r >= 0)
		r = hoy_store_exec(store, err,
			"INSERT OR REPLACE INTO build_files (url, etag, digest, name, modified) VALUES (?1, ?2, ?3, ?4, ?5)",
			"tttti", file->url, file->etag, file->digest, file->name, file->modified);
	return r < 0 ? r : 0;
}

int hoy_store_build_file_find(struct hoy_store *store, const char *url,
	int (*row)(const struct hoy_store_build_file *file, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT url, etag, digest, name, modified FROM build_files WHERE url = ?1");
	hoy_query_bind_text(&q, 1, url);
	r = hoy_query_next(&q, err);
	if (r > 0) {
		const struct hoy_store_build_file file = {
			.url = hoy_query_text(&q, 0),
			.etag = hoy_query_text(&q, 1),
			.digest = hoy_query_text(&q, 2),
			.name = hoy_query_text(&q, 3),
			.modified = hoy_query_i64(&q, 4),
		};

		r = row(&file, userdata, err);
	}
	return r < 0 ? r : 0;
}

int hoy_store_build_run_add(struct hoy_store *store, const char *container, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "INSERT INTO build_runs (container) VALUES (?1)", "t", container);

	return r < 0 ? r : 0;
}

int hoy_store_build_run_delete(struct hoy_store *store, const char *container, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM build_runs WHERE container = ?1", "t", container);

	return r < 0 ? r : 0;
}

int hoy_store_build_runs_each(struct hoy_store *store,
	int (*row)(const char *container, void *userdata, struct hoy_err *err), void *userdata, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = { 0 };
	int r;

	hoy_query_start(&q, store, "SELECT container FROM build_runs");
	while ((r = hoy_query_next(&q, err)) > 0) {
		r = row(hoy_query_text(&q, 0), userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}
