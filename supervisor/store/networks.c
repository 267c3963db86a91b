/* Queries of the network room. */
#include "supervisor/store/networks.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/store/store.h"

static const char *const schema[] = {
	"CREATE TABLE networks ("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, driver TEXT NOT NULL,"
	" subnet INTEGER NOT NULL, prefix_len INTEGER NOT NULL, gateway INTEGER NOT NULL,"
	" created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE endpoints ("
	" container_id TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
	" network_id TEXT NOT NULL REFERENCES networks(id),"
	" place INTEGER, mac TEXT, UNIQUE (network_id, place)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE ports ("
	" container_id TEXT NOT NULL REFERENCES endpoints(container_id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL, proto INTEGER NOT NULL, container_port INTEGER NOT NULL,"
	" host_ip TEXT NOT NULL, host_port INTEGER NOT NULL, host_port_last INTEGER NOT NULL,"
	" bound INTEGER NOT NULL, PRIMARY KEY (container_id, position)) STRICT, WITHOUT ROWID;",

	/* 2: networks that users define, several networks per container. An endpoint outlives its network, as the
	 * container does that waits for it; ports belong to the container. */
	"ALTER TABLE networks ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE networks ADD COLUMN ip_range TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE networks ADD COLUMN auxiliary TEXT NOT NULL DEFAULT '{}';"
	"ALTER TABLE networks ADD COLUMN options TEXT NOT NULL DEFAULT '{}';"
	"ALTER TABLE networks ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';"
	"CREATE TABLE reserved ("
	" network_id TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE, place INTEGER NOT NULL,"
	" PRIMARY KEY (network_id, place)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE new_ports ("
	" container_id TEXT NOT NULL,"
	" position INTEGER NOT NULL, proto INTEGER NOT NULL, container_port INTEGER NOT NULL,"
	" host_ip TEXT NOT NULL, host_port INTEGER NOT NULL, host_port_last INTEGER NOT NULL,"
	" bound INTEGER NOT NULL, PRIMARY KEY (container_id, position)) STRICT, WITHOUT ROWID;"
	"INSERT INTO new_ports SELECT * FROM ports;"
	"DROP TABLE ports;"
	"ALTER TABLE new_ports RENAME TO ports;"
	"CREATE TABLE new_endpoints ("
	" container_id TEXT NOT NULL, network_id TEXT NOT NULL, id TEXT NOT NULL UNIQUE,"
	" network_name TEXT NOT NULL, position INTEGER NOT NULL, place INTEGER, mac TEXT, address TEXT,"
	" aliases TEXT NOT NULL, links TEXT NOT NULL, priority INTEGER NOT NULL,"
	" PRIMARY KEY (container_id, network_id), UNIQUE (network_id, place)) STRICT, WITHOUT ROWID;"
	"INSERT INTO new_endpoints SELECT e.container_id, e.network_id, e.id, n.name, 0, e.place, e.mac, NULL,"
	" '[]', '[]', 0 FROM endpoints e JOIN networks n ON n.id = e.network_id;"
	"DROP TABLE endpoints;"
	"ALTER TABLE new_endpoints RENAME TO endpoints;",

	/* 3: IPv6, whose addresses are kept whole; what is asked of a single endpoint. */
	"ALTER TABLE networks ADD COLUMN subnet6 TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE networks ADD COLUMN gateway6 TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE networks ADD COLUMN ip_range6 TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE networks ADD COLUMN auxiliary6 TEXT NOT NULL DEFAULT '{}';"
	"ALTER TABLE endpoints ADD COLUMN address6 TEXT;"
	"ALTER TABLE endpoints ADD COLUMN asked6 TEXT;"
	"ALTER TABLE endpoints ADD COLUMN link_local TEXT NOT NULL DEFAULT '[]';"
	"ALTER TABLE endpoints ADD COLUMN driver_opts TEXT NOT NULL DEFAULT '{}';"
	"CREATE UNIQUE INDEX endpoints_address6 ON endpoints (network_id, address6);",
};

int hoy_networks_migrate(struct hoy_store *store, struct hoy_err *err)
{
	return hoy_store_migrate(store, "network", schema, ARRAY_LEN(schema), err);
}

/* A copy of a text column, NULL for NULL; *failed is set when out of memory. */
static char *copy_text(struct hoy_query *q, int column, bool *failed)
{
	const char *text = hoy_query_text(q, column);
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		*failed = true;
	return copy;
}

/* --- networks ---------------------------------------------------------------- */

void hoy_network_row_done(struct hoy_network_row *row)
{
	free(row->id);
	free(row->name);
	free(row->driver);
	free(row->ip_range);
	free(row->auxiliary);
	free(row->options);
	free(row->labels);
	free(row->subnet6);
	free(row->gateway6);
	free(row->ip_range6);
	free(row->auxiliary6);
	*row = (struct hoy_network_row){};
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

int hoy_networks_insert(struct hoy_store *store, const struct hoy_network_row *row, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"INSERT INTO networks (id, name, driver, subnet, prefix_len, gateway, created, flags, ip_range, auxiliary,"
		" options, labels, subnet6, gateway6, ip_range6, auxiliary6)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
		"tttiiiiitttttttt", row->id, row->name, row->driver, (int64_t) row->subnet, (int64_t) row->prefix_len,
		(int64_t) row->gateway, row->created, (int64_t) row->flags, text_or(row->ip_range, ""),
		text_or(row->auxiliary, "{}"), text_or(row->options, "{}"), text_or(row->labels, "{}"),
		text_or(row->subnet6, ""), text_or(row->gateway6, ""), text_or(row->ip_range6, ""),
		text_or(row->auxiliary6, "{}"));

	return r < 0 ? r : 0;
}

int hoy_networks_reserve(struct hoy_store *store, const char *id, uint32_t place, struct hoy_err *err)
{
	int r = hoy_store_exec(
		store, err, "INSERT INTO reserved (network_id, place) VALUES (?1, ?2)", "ti", id, (int64_t) place);

	return r < 0 ? r : 0;
}

int hoy_networks_delete(struct hoy_store *store, const char *id, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "DELETE FROM networks WHERE id = ?1", "t", id);

	return r < 0 ? r : 0;
}

int hoy_networks_set_subnet(struct hoy_store *store, const char *id, uint32_t subnet, uint32_t prefix_len,
	uint32_t gateway, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"UPDATE networks SET subnet = ?2, prefix_len = ?3, gateway = ?4 WHERE id = ?1", "tiii", id,
		(int64_t) subnet, (int64_t) prefix_len, (int64_t) gateway);

	return r < 0 ? r : 0;
}

int hoy_networks_set_subnet6(
	struct hoy_store *store, const char *id, const char *subnet, const char *gateway, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE networks SET subnet6 = ?2, gateway6 = ?3 WHERE id = ?1", "ttt", id,
		subnet, gateway);

	return r < 0 ? r : 0;
}

#define NETWORK_COLUMNS                                                                                                \
	"SELECT id, name, driver, subnet, prefix_len, gateway, created, flags, ip_range, auxiliary, options, labels,"  \
	" subnet6, gateway6, ip_range6, auxiliary6 FROM networks "

/* Reads the current row over what *ret held. */
static int read_network(struct hoy_query *q, struct hoy_network_row *ret, struct hoy_err *err)
{
	bool failed = false;

	hoy_network_row_done(ret);
	*ret = (struct hoy_network_row){
		.id = copy_text(q, 0, &failed),
		.name = copy_text(q, 1, &failed),
		.driver = copy_text(q, 2, &failed),
		.subnet = (uint32_t) hoy_query_i64(q, 3),
		.prefix_len = (uint32_t) hoy_query_i64(q, 4),
		.gateway = (uint32_t) hoy_query_i64(q, 5),
		.created = hoy_query_i64(q, 6),
		.flags = (unsigned int) hoy_query_i64(q, 7),
		.ip_range = copy_text(q, 8, &failed),
		.auxiliary = copy_text(q, 9, &failed),
		.options = copy_text(q, 10, &failed),
		.labels = copy_text(q, 11, &failed),
		.subnet6 = copy_text(q, 12, &failed),
		.gateway6 = copy_text(q, 13, &failed),
		.ip_range6 = copy_text(q, 14, &failed),
		.auxiliary6 = copy_text(q, 15, &failed),
	};
	if (!failed)
		return 0;
	hoy_network_row_done(ret);
	return hoy_err_oom(err);
}

static int one_network(
	struct hoy_store *store, const char *sql, const char *key, struct hoy_network_row *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, sql);
	hoy_query_bind_text(&q, 1, key);
	r = hoy_query_next(&q, err);
	if (r <= 0)
		return r;
	*ret = (struct hoy_network_row){};
	r = read_network(&q, ret, err);
	return r < 0 ? r : 1;
}

int hoy_networks_get(struct hoy_store *store, const char *id, struct hoy_network_row *ret, struct hoy_err *err)
{
	return one_network(store, NETWORK_COLUMNS "WHERE id = ?1", id, ret, err);
}

/* Two lookups, because SQLite answers an OR of two keys by way of a temporary table. */
int hoy_networks_find(struct hoy_store *store, const char *id_or_name, struct hoy_network_row *ret, struct hoy_err *err)
{
	int r = one_network(store, NETWORK_COLUMNS "WHERE name = ?1", id_or_name, ret, err);

	return r ? r : hoy_networks_get(store, id_or_name, ret, err);
}

int hoy_networks_find_prefix(
	struct hoy_store *store, const char *prefix, struct hoy_network_row *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int n = 0, r;

	hoy_query_start(&q, store, NETWORK_COLUMNS "WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2");
	hoy_query_bind_text(&q, 1, prefix);
	while ((r = hoy_query_next(&q, err)) > 0) {
		r = read_network(&q, &row, err);
		if (r < 0)
			return r;
		n++;
	}
	if (r < 0)
		return r;
	if (n == 1) {
		*ret = row;
		row = (struct hoy_network_row){};
	}
	return n;
}

int hoy_networks_next(struct hoy_store *store, const char *after, struct hoy_network_row *ret, struct hoy_err *err)
{
	return one_network(store, NETWORK_COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1", after, ret, err);
}

/* --- endpoints ----------------------------------------------------------------- */

void hoy_endpoint_row_done(struct hoy_endpoint_row *row)
{
	free(row->container_id);
	free(row->id);
	free(row->network_id);
	free(row->network_name);
	free(row->mac);
	free(row->address);
	free(row->aliases);
	free(row->links);
	free(row->address6);
	free(row->asked6);
	free(row->link_local);
	free(row->driver_opts);
	*row = (struct hoy_endpoint_row){};
}

void hoy_endpoint_rows_free(struct hoy_endpoint_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_endpoint_row_done(&rows[i]);
	free(rows);
}

int hoy_endpoints_insert(struct hoy_store *store, const struct hoy_endpoint_row *row, struct hoy_err *err)
{
	/* No address is NULL in the table: any number of endpoints may have none. */
	int r = hoy_store_exec(store, err,
		"INSERT INTO endpoints (container_id, network_id, id, network_name, position, place, mac, address, aliases,"
		" links, priority, address6, asked6, link_local, driver_opts) VALUES (?1, ?2, ?3, ?4,"
		" (SELECT MIN(c) FROM (SELECT 0 AS c UNION ALL SELECT position + 1 FROM endpoints WHERE container_id = ?1)"
		" WHERE NOT EXISTS (SELECT 1 FROM endpoints WHERE container_id = ?1 AND position = c)),"
		" NULLIF(?5, 0), ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
		"ttttittttitttt", row->container_id, row->network_id, row->id, row->network_name, (int64_t) row->place,
		row->mac, row->address, text_or(row->aliases, "[]"), text_or(row->links, "[]"), row->priority,
		row->address6, row->asked6, text_or(row->link_local, "[]"), text_or(row->driver_opts, "{}"));

	return r < 0 ? r : 0;
}

int hoy_ports_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM ports WHERE container_id = ?1", "t", container_id);
}

int hoy_endpoints_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err)
{
	int r = hoy_ports_delete(store, container_id, err);

	return r < 0 ? r
		     : hoy_store_exec(store, err, "DELETE FROM endpoints WHERE container_id = ?1", "t", container_id);
}

int hoy_endpoints_delete_one(
	struct hoy_store *store, const char *container_id, const char *network_id, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "DELETE FROM endpoints WHERE container_id = ?1 AND network_id = ?2", "tt",
		container_id, network_id);
}

int hoy_endpoints_set_place(struct hoy_store *store, const char *id, uint32_t place, struct hoy_err *err)
{
	int r = hoy_store_exec(
		store, err, "UPDATE endpoints SET place = NULLIF(?2, 0) WHERE id = ?1", "ti", id, (int64_t) place);

	return r < 0 ? r : 0;
}

int hoy_endpoints_set_address6(struct hoy_store *store, const char *id, const char *address, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE endpoints SET address6 = ?2 WHERE id = ?1", "tt", id, address);

	return r < 0 ? r : 0;
}

int hoy_endpoints_has_address6(
	struct hoy_store *store, const char *network_id, const char *address, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, "SELECT 1 FROM endpoints WHERE network_id = ?1 AND address6 = ?2");
	hoy_query_bind_text(&q, 1, network_id);
	hoy_query_bind_text(&q, 2, address);
	r = hoy_query_next(&q, err);
	return r < 0 ? r : r > 0;
}

int hoy_endpoints_set_position(struct hoy_store *store, const char *id, unsigned int position, struct hoy_err *err)
{
	int r = hoy_store_exec(
		store, err, "UPDATE endpoints SET position = ?2 WHERE id = ?1", "ti", id, (int64_t) position);

	return r < 0 ? r : 0;
}

#define ENDPOINT_COLUMNS                                                                                               \
	"SELECT container_id, id, network_id, network_name, place, mac, address, aliases, links, priority, position,"  \
	" address6, asked6, link_local, driver_opts FROM endpoints "

static int read_endpoint(struct hoy_query *q, struct hoy_endpoint_row *ret, struct hoy_err *err)
{
	bool failed = false;

	*ret = (struct hoy_endpoint_row){
		.container_id = copy_text(q, 0, &failed),
		.id = copy_text(q, 1, &failed),
		.network_id = copy_text(q, 2, &failed),
		.network_name = copy_text(q, 3, &failed),
		.place = (uint32_t) hoy_query_i64(q, 4),
		.mac = copy_text(q, 5, &failed),
		.address = copy_text(q, 6, &failed),
		.aliases = copy_text(q, 7, &failed),
		.links = copy_text(q, 8, &failed),
		.priority = hoy_query_i64(q, 9),
		.position = (unsigned int) hoy_query_i64(q, 10),
		.address6 = copy_text(q, 11, &failed),
		.asked6 = copy_text(q, 12, &failed),
		.link_local = copy_text(q, 13, &failed),
		.driver_opts = copy_text(q, 14, &failed),
	};
	if (!failed)
		return 0;
	hoy_endpoint_row_done(ret);
	return hoy_err_oom(err);
}

int hoy_endpoints_find(
	struct hoy_store *store, const char *container_id, struct hoy_endpoint_row *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, ENDPOINT_COLUMNS "WHERE container_id = ?1 ORDER BY position LIMIT 1");
	hoy_query_bind_text(&q, 1, container_id);
	r = hoy_query_next(&q, err);
	if (r <= 0)
		return r;
	r = read_endpoint(&q, ret, err);
	return r < 0 ? r : 1;
}

int hoy_endpoints_at(struct hoy_store *store, const char *network_id, uint32_t place, struct hoy_endpoint_row *ret,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, ENDPOINT_COLUMNS "WHERE network_id = ?1 AND place = ?2");
	hoy_query_bind_text(&q, 1, network_id);
	hoy_query_bind_i64(&q, 2, place);
	r = hoy_query_next(&q, err);
	if (r <= 0)
		return r;
	r = read_endpoint(&q, ret, err);
	return r < 0 ? r : 1;
}

int hoy_endpoints_at6(struct hoy_store *store, const char *network_id, const char *address,
	struct hoy_endpoint_row *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, ENDPOINT_COLUMNS "WHERE network_id = ?1 AND address6 = ?2");
	hoy_query_bind_text(&q, 1, network_id);
	hoy_query_bind_text(&q, 2, address);
	r = hoy_query_next(&q, err);
	if (r <= 0)
		return r;
	r = read_endpoint(&q, ret, err);
	return r < 0 ? r : 1;
}

static int list_endpoints(struct hoy_store *store, const char *query, const char *id, struct hoy_endpoint_row **ret,
	size_t *ret_n, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	int r;

	hoy_query_start(&q, store, query);
	hoy_query_bind_text(&q, 1, id);
	while ((r = hoy_query_next(&q, err)) > 0) {
		struct hoy_endpoint_row *grown = reallocarray(rows, n + 1, sizeof *grown);

		if (grown)
			rows = grown;
		r = grown ? read_endpoint(&q, &rows[n], err) : hoy_err_oom(err);
		if (r < 0)
			break;
		n++;
	}
	if (r < 0) {
		hoy_endpoint_rows_free(rows, n);
		return r;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

int hoy_endpoints_list(struct hoy_store *store, const char *container_id, struct hoy_endpoint_row **ret, size_t *ret_n,
	struct hoy_err *err)
{
	return list_endpoints(
		store, ENDPOINT_COLUMNS "WHERE container_id = ?1 ORDER BY position", container_id, ret, ret_n, err);
}

int hoy_endpoints_of_network(struct hoy_store *store, const char *network_id, struct hoy_endpoint_row **ret,
	size_t *ret_n, struct hoy_err *err)
{
	return list_endpoints(store, ENDPOINT_COLUMNS "WHERE network_id = ?1", network_id, ret, ret_n, err);
}

/* A free place that is the lowest is the first, or follows the gateway or a taken one. */
int hoy_endpoints_free_place(struct hoy_store *store, const char *network_id, uint32_t gateway, uint32_t first,
	uint32_t last, uint32_t *ret_place, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store,
		"WITH taken AS (SELECT place FROM endpoints WHERE network_id = ?1 AND place IS NOT NULL"
		" UNION ALL SELECT place FROM reserved WHERE network_id = ?1)"
		"SELECT MIN(c) FROM (SELECT ?4 AS c UNION ALL SELECT ?2 + 1 UNION ALL SELECT place + 1 FROM taken)"
		" WHERE c <> ?2 AND c >= ?4 AND c <= ?3"
		" AND NOT EXISTS (SELECT 1 FROM endpoints WHERE network_id = ?1 AND place = c)"
		" AND NOT EXISTS (SELECT 1 FROM reserved WHERE network_id = ?1 AND place = c)");
	hoy_query_bind_text(&q, 1, network_id);
	hoy_query_bind_i64(&q, 2, gateway);
	hoy_query_bind_i64(&q, 3, last);
	hoy_query_bind_i64(&q, 4, first);
	r = hoy_query_next(&q, err);
	if (r < 0)
		return r;
	*ret_place = r > 0 ? (uint32_t) hoy_query_i64(&q, 0) : 0;
	return 0;
}

/* --- ports ------------------------------------------------------------------------ */

int hoy_ports_insert(struct hoy_store *store, const char *container_id, unsigned int position,
	const struct hoy_port_row *row, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err,
		"INSERT INTO ports"
		" (container_id, position, proto, container_port, host_ip, host_port, host_port_last, bound)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		"tiiitiii", container_id, (int64_t) position, (int64_t) row->proto, (int64_t) row->container_port,
		row->host_ip, (int64_t) row->host_port, (int64_t) row->host_port_last, (int64_t) row->bound);

	return r < 0 ? r : 0;
}

int hoy_ports_set_bound(
	struct hoy_store *store, const char *container_id, unsigned int position, uint16_t bound, struct hoy_err *err)
{
	int r = hoy_store_exec(store, err, "UPDATE ports SET bound = ?3 WHERE container_id = ?1 AND position = ?2",
		"tii", container_id, (int64_t) position, (int64_t) bound);

	return r < 0 ? r : 0;
}

void hoy_port_rows_free(struct hoy_port_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].host_ip);
	free(rows);
}

int hoy_ports_list(struct hoy_store *store, const char *container_id, struct hoy_port_row **ret, size_t *ret_n,
	struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	struct hoy_port_row *rows = NULL;
	bool failed = false;
	size_t n = 0;
	int r;

	hoy_query_start(&q, store,
		"SELECT proto, container_port, host_ip, host_port, host_port_last, bound FROM ports"
		" WHERE container_id = ?1 ORDER BY position");
	hoy_query_bind_text(&q, 1, container_id);
	while ((r = hoy_query_next(&q, err)) > 0 && !failed) {
		struct hoy_port_row *grown = reallocarray(rows, n + 1, sizeof *grown);

		failed = !grown;
		if (failed)
			break;
		rows = grown;
		rows[n++] = (struct hoy_port_row){
			.proto = (int) hoy_query_i64(&q, 0),
			.container_port = (uint16_t) hoy_query_i64(&q, 1),
			.host_ip = copy_text(&q, 2, &failed),
			.host_port = (uint16_t) hoy_query_i64(&q, 3),
			.host_port_last = (uint16_t) hoy_query_i64(&q, 4),
			.bound = (uint16_t) hoy_query_i64(&q, 5),
		};
	}
	if (failed)
		r = hoy_err_oom(err);
	if (r < 0) {
		hoy_port_rows_free(rows, n);
		return r;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}
