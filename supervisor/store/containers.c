/* Queries of the table `containers`. */
#include "supervisor/store/containers.h"

#include "supervisor/store/store.h"

static const char *const schema[] = {
	"CREATE TABLE containers ("
	"	id TEXT PRIMARY KEY,"
	"	name TEXT NOT NULL UNIQUE,"
	"	image_id TEXT NOT NULL,"
	"	chain_id TEXT NOT NULL,"
	"	config TEXT NOT NULL,"
	"	created INTEGER NOT NULL,"
	"	status TEXT NOT NULL,"
	"	exit_code INTEGER NOT NULL,"
	"	oom_killed INTEGER NOT NULL,"
	"	error TEXT NOT NULL,"
	"	started INTEGER NOT NULL,"
	"	finished INTEGER NOT NULL"
	") STRICT;",

	"ALTER TABLE containers ADD COLUMN restart_count INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE containers ADD COLUMN stopped_by_user INTEGER NOT NULL DEFAULT 0;",
};

int hoy_store_containers_init(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "containers", schema, ARRAY_LEN(schema), err);
}

int hoy_store_container_insert(struct hoy_store *store, const struct hoy_container_row *row, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"INSERT INTO containers (id, name, image_id, chain_id, config, created,"
		" status, exit_code, oom_killed, error, started, finished)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
		"tttttitiitii", row->id, row->name, row->image_id, row->chain_id, row->config, row->created,
		row->status, (int64_t) row->exit_code, (int64_t) row->oom_killed, row->error, row->started,
		row->finished);

	return r < 0 ? r : 0;
}

int hoy_store_container_update(struct hoy_store *store, const struct hoy_container_row *row, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"UPDATE containers SET status = ?2, exit_code = ?3, oom_killed = ?4, error = ?5, started = ?6, finished = ?7,"
		" restart_count = ?8, stopped_by_user = ?9 WHERE id = ?1",
		"ttiitiiii", row->id, row->status, (int64_t) row->exit_code, (int64_t) row->oom_killed, row->error,
		row->started, row->finished, (int64_t) row->restart_count, (int64_t) row->stopped_by_user);

	return r < 0 ? r : 0;
}

int hoy_store_container_set_config(struct hoy_store *store, const char *id, const char *config, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE containers SET config = ?2 WHERE id = ?1", "tt", id, config);

	return r < 0 ? r : 0;
}

int hoy_store_container_rename(struct hoy_store *store, const char *id, const char *name, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE containers SET name = ?2 WHERE id = ?1", "tt", id, name);

	return r < 0 ? r : 0;
}

int hoy_store_container_delete(struct hoy_store *store, const char *id, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM containers WHERE id = ?1", "t", id);

	return r < 0 ? r : 0;
}

int hoy_store_containers_each(struct hoy_store *store, hoy_container_row_fn each, void *userdata, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store,
		"SELECT id, name, image_id, chain_id, config, created,"
		" status, exit_code, oom_killed, error, started, finished, restart_count, stopped_by_user"
		" FROM containers ORDER BY created, id");
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_container_row row = {
			.id = hoy_query_text(&q, 0),
			.name = hoy_query_text(&q, 1),
			.image_id = hoy_query_text(&q, 2),
			.chain_id = hoy_query_text(&q, 3),
			.config = hoy_query_text(&q, 4),
			.created = hoy_query_i64(&q, 5),
			.status = hoy_query_text(&q, 6),
			.exit_code = (int) hoy_query_i64(&q, 7),
			.oom_killed = hoy_query_i64(&q, 8) != 0,
			.error = hoy_query_text(&q, 9),
			.started = hoy_query_i64(&q, 10),
			.finished = hoy_query_i64(&q, 11),
			.restart_count = (int) hoy_query_i64(&q, 12),
			.stopped_by_user = hoy_query_i64(&q, 13) != 0,
		};

		r = each(userdata, &row, err);
		if (r < 0)
			return r;
	}
	return r;
}
