/* Queries of the secret room. */
#include "supervisor/store/secrets.h"

#include "base/buf.h"
#include "supervisor/store/store.h"

static const char *const schema[] = {
	"CREATE TABLE secrets ("
	" id TEXT PRIMARY KEY, kind INTEGER NOT NULL, name TEXT, labels TEXT, data BLOB NOT NULL,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, version INTEGER NOT NULL, UNIQUE (kind, name)"
	") STRICT;",
};

int hoy_store_secrets_init(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "secrets", schema, ARRAY_LEN(schema), err);
}

int hoy_store_secret_insert(
	struct hoy_store *store, const struct hoy_secret_row *row, const void *data, size_t len, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store,
		"INSERT INTO secrets (id, kind, name, labels, data, created, updated, version)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	hoy_query_bind_text(&q, 1, row->id);
	hoy_query_bind_i64(&q, 2, row->kind);
	hoy_query_bind_text(&q, 3, row->name);
	hoy_query_bind_text(&q, 4, row->labels);
	hoy_query_bind_blob(&q, 5, data, len);
	hoy_query_bind_i64(&q, 6, row->created);
	hoy_query_bind_i64(&q, 7, row->updated);
	hoy_query_bind_i64(&q, 8, row->version);
	r = hoy_query_next(&q, err);
	return r < 0 ? r : 0;
}

int hoy_store_secret_update(struct hoy_store *store, const struct hoy_secret_row *row, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE secrets SET labels = ?2, updated = ?3, version = ?4 WHERE id = ?1",
		"ttii", row->id, row->labels, row->updated, row->version);

	return r < 0 ? r : 0;
}

int hoy_store_secret_delete(struct hoy_store *store, const char *id, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM secrets WHERE id = ?1", "t", id);

	return r < 0 ? r : 0;
}

int hoy_store_secrets_each(
	struct hoy_store *store, int kind, hoy_secret_row_fn each, void *userdata, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store,
		"SELECT id, name, labels, created, updated, version FROM secrets WHERE kind = ?1 ORDER BY name");
	hoy_query_bind_i64(&q, 1, kind);
	while ((r = hoy_query_next(&q, err)) > 0) {
		const struct hoy_secret_row row = {
			.id = hoy_query_text(&q, 0),
			.kind = kind,
			.name = hoy_query_text(&q, 1),
			.labels = hoy_query_text(&q, 2),
			.created = hoy_query_i64(&q, 3),
			.updated = hoy_query_i64(&q, 4),
			.version = hoy_query_i64(&q, 5),
		};

		r = each(userdata, &row, err);
		if (r < 0)
			return r;
	}
	return r;
}

int hoy_store_secret_data(struct hoy_store *store, const char *id, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	const void *data;
	size_t len;
	int r;

	hoy_query_start(&q, store, "SELECT data FROM secrets WHERE id = ?1");
	hoy_query_bind_text(&q, 1, id);
	r = hoy_query_next(&q, err);
	if (r == 0)
		return hoy_err_not_found(err, "secret %s not found", id);
	if (r < 0)
		return r;
	data = hoy_query_blob(&q, 0, &len);
	(void) hoy_buf_add(ret, data, len);
	return hoy_buf_check(ret, "content", err);
}

int64_t hoy_store_secrets_count(struct hoy_store *store, int kind, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, "SELECT count(*) FROM secrets WHERE kind = ?1");
	hoy_query_bind_i64(&q, 1, kind);
	r = hoy_query_next(&q, err);
	return r > 0 ? hoy_query_i64(&q, 0) : r;
}
