/* The database connection: statements, the shared commit of a loop turn, migrations. Knows no table of any room. */
#include "supervisor/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

struct cached_stmt {
	const char *sql; /* the caller's literal */
	sqlite3_stmt *stmt;
	bool busy;
};

struct waiter {
	hoy_store_done done;
	void *userdata;
};

struct hoy_store {
	sqlite3 *db;
	struct hoy_source *post; /* NULL without a loop */
	struct cached_stmt *cache;
	size_t n_cache;
	struct waiter *waiters; /* of the open turn, in order */
	size_t n_waiters;
	unsigned int depth; /* open brackets */
	bool in_turn;       /* BEGIN was done */
	char *reserve;      /* a file whose space a full disk does not have to give; NULL: none */
	bool has_reserve;
};

static const char *const base_schema[] = {
	"CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
};

/* --- errors ---------------------------------------------------------------- */

static int errno_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		return EEXIST;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EUCLEAN;
	default:
		return EIO;
	}
}

static int store_err(struct hoy_store *store, int code, struct hoy_err *err, const char *what)
{
	enum hoy_err_kind kind = (code & 0xff) == SQLITE_CONSTRAINT ? HOY_ERR_CONFLICT : HOY_ERR_SYSTEM;
	const char *text = store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);

	if (errno_of(code) == EUCLEAN)
		return hoy_err_set(err, kind, EUCLEAN,
			"state database: %s: %s: the file is damaged; end hoyd, then put a copy back in its place or make a new one of "
			"what is left (sqlite3 hoy.db .recover)",
			what, text);
	return hoy_err_set(err, kind, errno_of(code), "state database: %s: %s", what, text);
}

static int run_sql(struct hoy_store *store, const char *sql, struct hoy_err *err)
{
	int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : store_err(store, code, err, sql);
}

/* --- the reserve ------------------------------------------------------------ */

#define RESERVE_BYTES ((off_t) 512 << 10)
#define COMMIT_BYTES ((off_t) 128 << 10)        /* more than a turn writes */
#define RESERVE_MADE_AGAIN (16 * RESERVE_BYTES) /* with so much free */

/* On a full disk nothing could be removed any more: that, too, has to be written down. */
static void make_reserve(struct hoy_store *store)
{
	auto_fd int fd = -EBADF;
	struct statvfs fs;
	struct stat st;

	if (!store->reserve || store->has_reserve)
		return;
	store->has_reserve = stat(store->reserve, &st) >= 0 && st.st_blocks * 512 >= RESERVE_BYTES;
	if (store->has_reserve)
		return;
	fd = open(store->reserve, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && fstatvfs(fd, &fs) >= 0 && fs.f_bavail * fs.f_frsize > (fsblkcnt_t) RESERVE_MADE_AGAIN)
		store->has_reserve = posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
	if (!store->has_reserve)
		(void) unlink(store->reserve);
}

/* Before a commit, because SQLite takes one that fails back. */
static void use_reserve(struct hoy_store *store)
{
	struct statvfs fs;

	if (!store->has_reserve || statvfs(store->reserve, &fs) < 0 ||
		fs.f_bfree * fs.f_frsize > (fsblkcnt_t) COMMIT_BYTES)
		return;
	hoy_log_warn("the disk of the state database is full: using its reserve; remove what is not needed");
	(void) unlink(store->reserve);
	store->has_reserve = false;
}

/* --- the turn -------------------------------------------------------------- */

static int open_turn(struct hoy_store *store, struct hoy_err *err)
{
	int r;

	if (store->in_turn)
		return 0;
	r = run_sql(store, "BEGIN IMMEDIATE", err);
	if (r < 0)
		return r;
	store->in_turn = true;
	return 0;
}

static int close_turn(struct hoy_store *store, struct hoy_err *err)
{
	int r;

	if (!store->in_turn)
		return 0;
	while (store->depth > 0) /* a bracket somebody forgot is no reason to keep half a request */
		hoy_store_rollback(store);
	use_reserve(store);
	r = run_sql(store, "COMMIT", err);
	if (r >= 0)
		make_reserve(store);
	if (r < 0 && !sqlite3_get_autocommit(store->db))
		(void) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store->in_turn = false;
	return r;
}

int hoy_store_flush(struct hoy_store *store, struct hoy_err *err)
{
	int failed = 0;

	while (store->in_turn || store->n_waiters > 0) {
		struct waiter *waiters = TAKE_PTR(store->waiters);
		size_t n = store->n_waiters;
		struct hoy_err turn_err = {};
		int r;

		store->n_waiters = 0;
		r = close_turn(store, &turn_err);
		if (r < 0) {
			failed = r;
			if (err)
				*err = turn_err;
		}
		for (size_t i = 0; i < n; i++)
			waiters[i].done(waiters[i].userdata, r < 0 ? &turn_err : NULL);
		free(waiters);
	}
	return failed;
}

static void on_turn_end(struct hoy_source *source, void *userdata)
{
	struct hoy_store *store = userdata;
	struct hoy_err err = {};

	(void) source;
	if (hoy_store_flush(store, &err) < 0)
		hoy_log_err(&err, "commit");
}

int hoy_store_after_commit(struct hoy_store *store, hoy_store_done done, void *userdata, struct hoy_err *err)
{
	struct waiter *grown = reallocarray(store->waiters, store->n_waiters + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	store->waiters = grown;
	store->waiters[store->n_waiters++] = (struct waiter){ done, userdata };
	return 0;
}

int hoy_store_begin(struct hoy_store *store, struct hoy_err *err)
{
	int r = open_turn(store, err);

	if (r >= 0)
		r = run_sql(store, "SAVEPOINT request", err);
	if (r >= 0)
		store->depth++;
	return r;
}

int hoy_store_commit(struct hoy_store *store, struct hoy_err *err)
{
	int r = run_sql(store, "RELEASE request", err);

	if (r < 0)
		hoy_store_rollback(store);
	else
		store->depth--;
	return r;
}

void hoy_store_rollback(struct hoy_store *store)
{
	/* Fails only when SQLite has rolled the whole turn back by itself; then there is nothing left to undo. */
	(void) sqlite3_exec(store->db, "ROLLBACK TO request; RELEASE request", NULL, NULL, NULL);
	store->depth--;
}

/* --- queries ---------------------------------------------------------------- */

static const size_t NOT_CACHED = SIZE_MAX;

static size_t cache_find(const struct hoy_store *store, const char *sql)
{
	for (size_t i = 0; i < store->n_cache; i++)
		if (store->cache[i].sql == sql && !store->cache[i].busy)
			return i;
	return NOT_CACHED;
}

static size_t cache_add(struct hoy_store *store, const char *sql, sqlite3_stmt *stmt)
{
	struct cached_stmt *grown = reallocarray(store->cache, store->n_cache + 1, sizeof *grown);

	if (!grown)
		return NOT_CACHED;
	store->cache = grown;
	store->cache[store->n_cache] = (struct cached_stmt){ sql, stmt, false };
	return store->n_cache++;
}

void hoy_query_start(struct hoy_query *q, struct hoy_store *store, const char *sql)
{
	size_t i = cache_find(store, sql);

	*q = (struct hoy_query){ .store = store, .sql = sql, .cache_index = i };
	if (i == NOT_CACHED) {
		q->failed = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
		if (q->failed)
			return;
		i = q->cache_index = cache_add(store, sql, q->stmt);
		if (i == NOT_CACHED)
			return;
	}
	q->stmt = store->cache[i].stmt;
	store->cache[i].busy = true;
}

static void note_bind(struct hoy_query *q, int code)
{
	if (!q->failed)
		q->failed = code;
}

void hoy_query_bind_text(struct hoy_query *q, int index, const char *value)
{
	note_bind(q, sqlite3_bind_text(q->stmt, index, value, -1, SQLITE_TRANSIENT));
}

void hoy_query_bind_i64(struct hoy_query *q, int index, int64_t value)
{
	note_bind(q, sqlite3_bind_int64(q->stmt, index, value));
}

void hoy_query_bind_blob(struct hoy_query *q, int index, const void *data, size_t len)
{
	note_bind(q, sqlite3_bind_blob64(q->stmt, index, data ? data : "", len, SQLITE_TRANSIENT));
}

int hoy_query_next(struct hoy_query *q, struct hoy_err *err)
{
	int code;

	if (q->failed)
		return store_err(q->store, q->failed, err, q->sql);
	if (!sqlite3_stmt_readonly(q->stmt)) {
		int r = open_turn(q->store, err);

		if (r < 0)
			return r;
	}
	code = sqlite3_step(q->stmt);
	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE)
		return 0;
	return store_err(q->store, code, err, q->sql);
}

void hoy_query_done(struct hoy_query *q)
{
	if (q->stmt && q->cache_index == NOT_CACHED) {
		sqlite3_finalize(q->stmt);
	} else if (q->stmt) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
		q->store->cache[q->cache_index].busy = false;
	}
	*q = (struct hoy_query){};
}

const char *hoy_query_text(struct hoy_query *q, int column)
{
	return (const char *) sqlite3_column_text(q->stmt, column);
}

int64_t hoy_query_i64(struct hoy_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

const void *hoy_query_blob(struct hoy_query *q, int column, size_t *ret_len)
{
	const void *data = sqlite3_column_blob(q->stmt, column);

	*ret_len = (size_t) sqlite3_column_bytes(q->stmt, column);
	return data;
}

bool hoy_query_is_null(struct hoy_query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int hoy_store_exec(struct hoy_store *store, struct hoy_err *err, const char *sql, const char *types, ...)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	va_list args;
	int r;

	hoy_query_start(&q, store, sql);
	va_start(args, types);
	for (int i = 0; types[i]; i++) {
		if (types[i] == 't')
			hoy_query_bind_text(&q, i + 1, va_arg(args, const char *));
		else
			hoy_query_bind_i64(&q, i + 1, va_arg(args, int64_t));
	}
	va_end(args);
	r = hoy_query_next(&q, err);
	return r < 0 ? r : sqlite3_changes(store->db);
}

/* --- facts ------------------------------------------------------------------ */

int hoy_store_get_fact(struct hoy_store *store, const char *key, char **ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, "SELECT value FROM facts WHERE key = ?1");
	hoy_query_bind_text(&q, 1, key);
	r = hoy_query_next(&q, err);
	if (r < 0)
		return r;
	*ret = NULL;
	if (r > 0) {
		*ret = strdup(hoy_query_text(&q, 0));
		if (!*ret)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_store_set_fact(struct hoy_store *store, const char *key, const char *value, struct hoy_err *err)
{
	int r = hoy_store_exec(
		store, err, "INSERT OR REPLACE INTO facts (key, value) VALUES (?1, ?2)", "tt", key, value);

	return r < 0 ? r : 0;
}

/* --- is it whole? ------------------------------------------------------------ */

int hoy_store_check(struct hoy_store *store, hoy_store_problem tell, void *userdata, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, "PRAGMA integrity_check(20)");
	while ((r = hoy_query_next(&q, err)) > 0)
		if (!hoy_str_eq(hoy_query_text(&q, 0), "ok"))
			tell(hoy_query_text(&q, 0), userdata);
	return r;
}

/* --- migrations -------------------------------------------------------------- */

static int room_version(struct hoy_store *store, const char *room, size_t *ret, struct hoy_err *err)
{
	auto_(hoy_query_done) struct hoy_query q = {};
	int r;

	hoy_query_start(&q, store, "SELECT version FROM rooms WHERE room = ?1");
	hoy_query_bind_text(&q, 1, room);
	r = hoy_query_next(&q, err);
	if (r < 0)
		return r;
	*ret = r > 0 ? (size_t) hoy_query_i64(&q, 0) : 0;
	return 0;
}

static int run_steps(struct hoy_store *store, const char *room, const char *const *steps, size_t from, size_t to,
	struct hoy_err *err)
{
	int r = 0;

	for (size_t i = from; i < to && r >= 0; i++)
		r = run_sql(store, steps[i], err);
	if (r < 0)
		return r;
	r = hoy_store_exec(
		store, err, "INSERT OR REPLACE INTO rooms (room, version) VALUES (?1, ?2)", "ti", room, (int64_t) to);
	return r < 0 ? r : 0;
}

int hoy_store_migrate(
	struct hoy_store *store, const char *room, const char *const *steps, size_t n_steps, struct hoy_err *err)
{
	size_t version;
	int r = room_version(store, room, &version, err);

	if (r < 0)
		return r;
	if (version > n_steps)
		return hoy_err_unsupported(err,
			"the state database was written by a newer hoyd (%s tables: version %zu, this hoyd knows %zu)",
			room, version, n_steps);
	if (version == n_steps)
		return 0;

	r = hoy_store_begin(store, err);
	if (r < 0)
		return r;
	r = run_steps(store, room, steps, version, n_steps, err);
	if (r < 0) {
		hoy_store_rollback(store);
		return hoy_err_wrap(err, "update the %s tables", room);
	}
	r = hoy_store_commit(store, err);
	return r < 0 ? r : hoy_store_flush(store, err);
}

/* --- open and close ----------------------------------------------------------- */

/* The file is made here, so that it and SQLite's files beside it are private whatever the umask. */
static int create_private(const char *path, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;

	if (hoy_str_eq(path, ":memory:"))
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? hoy_err_sys(err, "open state database '%s'", path) : 0;
}

static int set_up(struct hoy_store *store, const char *path, struct hoy_err *err)
{
	int code, r;

	code = sqlite3_open_v2(path, &store->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (code != SQLITE_OK)
		return store_err(store, code, err, path);
	r = run_sql(store,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF",
		err);
	if (r < 0)
		return r;
	r = run_sql(store,
		"CREATE TABLE IF NOT EXISTS rooms (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID",
		err);
	return r < 0 ? r : hoy_store_migrate(store, "store", base_schema, ARRAY_LEN(base_schema), err);
}

int hoy_store_open(struct hoy_loop *loop, const char *path, struct hoy_store **ret, struct hoy_err *err)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = calloc(1, sizeof *store);
	int r;

	if (!store)
		return hoy_err_oom(err);
	if (!hoy_str_eq(path, ":memory:") && !(store->reserve = hoy_str_printf("%s-reserve", path)))
		return hoy_err_oom(err);
	r = create_private(path, err);
	if (r >= 0)
		r = set_up(store, path, err);
	if (r >= 0)
		make_reserve(store);
	if (r >= 0 && loop)
		r = hoy_loop_post(loop, &store->post, on_turn_end, store, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

void hoy_store_close(struct hoy_store *store)
{
	struct hoy_err err = {};

	if (!store)
		return;
	if (store->db && hoy_store_flush(store, &err) < 0)
		hoy_log_err(&err, "commit at the end");
	store->post = hoy_source_free(store->post);
	for (size_t i = 0; i < store->n_cache; i++)
		sqlite3_finalize(store->cache[i].stmt);
	free(store->cache);
	free(store->waiters);
	free(store->reserve);
	sqlite3_close(store->db);
	free(store);
}
