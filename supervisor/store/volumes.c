/* Queries of the volume room. */
#include "supervisor/store/volumes.h"

#include <string.h>

#include "supervisor/store/store.h"

static const char *const schema[] = {
	"CREATE TABLE volumes ("
	" name TEXT PRIMARY KEY, driver TEXT NOT NULL, labels TEXT, options TEXT, created INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE mounts (container_id TEXT PRIMARY KEY, list TEXT NOT NULL) STRICT, WITHOUT ROWID;",
	"CREATE TABLE kept_volumes ("
	" kept TEXT PRIMARY KEY, name TEXT NOT NULL, driver TEXT NOT NULL, labels TEXT, options TEXT,"
	" created INTEGER NOT NULL, removed INTEGER NOT NULL, until INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;",
};

int hoy_store_volumes_init(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "volumes", schema, ARRAY_LEN(schema), err);
}

int hoy_store_volume_insert(struct hoy_store *store, const struct hoy_volume_row *row, struct hoy_err *err)
{
	int r;

	if (row->kept)
		r = hoy_store_exec(store, err,
			"INSERT INTO kept_volumes (name, driver, labels, options, created, kept, removed, until)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			"ttttitii", row->name, row->driver, row->labels, row->options, row->created, row->kept,
			row->removed, row->until);
	else
		r = hoy_store_exec(store, err,
			"INSERT INTO volumes (name, driver, labels, options, created) VALUES (?1, ?2, ?3, ?4, ?5)",
			"tttti", row->name, row->driver, row->labels, row->options, row->created);
	return r < 0 ? r : 0;
}

int hoy_store_volume_delete(struct hoy_store *store, const char *name, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM volumes WHERE name = ?1", "t", name);

	return r < 0 ? r : 0;
}

int hoy_store_volume_rename(struct hoy_store *store, const char *name, const char *to, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE volumes SET name = ?2 WHERE name = ?1", "tt", name, to);

	return r < 0 ? r : 0;
}

int hoy_store_volume_exists(struct hoy_store *store, const char *name, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};

	hoy_query_start(&q, store, "SELECT 1 FROM volumes WHERE name = ?1");
	hoy_query_bind_text(&q, 1, name);
	return hoy_query_next(&q, err);
}

static int each_row(struct hoy_store *store, const char *sql, bool kept, hoy_volume_row_fn each, void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, sql);
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_volume_row row = {
			.name = hoy_query_text(&q, 0),
			.driver = hoy_query_text(&q, 1),
			.labels = hoy_query_text(&q, 2),
			.options = hoy_query_text(&q, 3),
			.created = hoy_query_i64(&q, 4),
			.kept = kept ? hoy_query_text(&q, 5) : NULL,
			.removed = kept ? hoy_query_i64(&q, 6) : 0,
			.until = kept ? hoy_query_i64(&q, 7) : 0,
		};

		r = each(userdata, &row, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_volumes_each(struct hoy_store *store, hoy_volume_row_fn each, void *userdata, struct hoy_err *err)
{
	return each_row(store, "SELECT name, driver, labels, options, created FROM volumes ORDER BY name", false, each,
		userdata, err);
}

int hoy_store_kept_volumes_each(struct hoy_store *store, hoy_volume_row_fn each, void *userdata, struct hoy_err *err)
{
	return each_row(store,
		"SELECT name, driver, labels, options, created, kept, removed, until FROM kept_volumes ORDER BY removed",
		true, each, userdata, err);
}

int hoy_store_kept_volume_delete(struct hoy_store *store, const char *kept, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM kept_volumes WHERE kept = ?1", "t", kept);

	return r < 0 ? r : 0;
}

int hoy_store_mounts_set(struct hoy_store *store, const char *container_id, const char *mounts, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "INSERT OR REPLACE INTO mounts (container_id, list) VALUES (?1, ?2)", "tt",
		container_id, mounts);

	return r < 0 ? r : 0;
}

int hoy_store_mounts_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM mounts WHERE container_id = ?1", "t", container_id);

	return r < 0 ? r : 0;
}

int hoy_store_mounts_get(struct hoy_store *store, const char *container_id, char **ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	*ret = NULL;
	hoy_query_start(&q, store, "SELECT list FROM mounts WHERE container_id = ?1");
	hoy_query_bind_text(&q, 1, container_id);
	r = hoy_query_next(&q, err);
	if (r <= 0)
		return r;
	*ret = strdup(hoy_query_text(&q, 0));
	return *ret ? 0 : hoy_err_oom(err);
}
