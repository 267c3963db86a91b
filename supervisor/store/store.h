/*
 * The SQLite state database of hoyd: one connection, WAL, synchronous=FULL. Holds what must survive a power loss.
 * This file knows transactions, statements and migrations; which tables there are is each room's business.
 *
 * Tables. Every room names its tables in its own store/<room>.c and calls hoy_store_migrate() when it opens. A room's
 * list only ever grows at its end: entry i takes the room's tables from version i to i+1, and the version reached is
 * kept per room. Tables are STRICT. A database with a version above what the room knows is refused.
 *
 * Transactions. All requests of one loop turn share one commit. The first write of a turn opens it, the end of the
 * turn commits it. A request that consists of several writes brackets them with hoy_store_begin() and
 * hoy_store_commit() or hoy_store_rollback() (a savepoint: the other requests of the turn are not touched); they do
 * not span turns. Whatever tells the outside world of a write waits for hoy_store_after_commit().
 *
 * A full disk: a file beside the database keeps 512 KiB that a commit gets which would fail otherwise, so that things
 * can be removed. It is made again when there is space.
 *
 * Files that a row names are made before the row is written, and removed in an after-commit callback.
 */
#ifndef HOY_STORE_STORE_H
#define HOY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_store;
struct sqlite3_stmt;

/* Opens or creates the database (0600). ":memory:" is a database of tests. With a NULL `loop` nothing commits by
 * itself: hoy_store_flush() does (tests, tools). */
int hoy_store_open(struct hoy_loop *loop, const char *path, struct hoy_store **ret, struct hoy_err *err);

/* Flushes and closes; NULL is fine. All queries must be done. */
void hoy_store_close(struct hoy_store *store);
HOY_DEFINE_AUTO_PTR(struct hoy_store, hoy_store_close);

/* Brings the tables of `room` up to date: `steps` is the room's list of SQL texts, see above. Committed at once. */
int hoy_store_migrate(
	struct hoy_store *store, const char *room, const char *const *steps, size_t n_steps, struct hoy_err *err);

/* One request's bracket, see above. May nest. */
int hoy_store_begin(struct hoy_store *store, struct hoy_err *err);
int hoy_store_commit(struct hoy_store *store, struct hoy_err *err);
void hoy_store_rollback(struct hoy_store *store);

/*
 * Calls `done` once, outside of any other handler, when everything written so far is durable (also when nothing was
 * written), or with the error when the commit failed: then all writes of the turn are gone and the caller takes back
 * what it did in memory. Callbacks run in the order of their registration and may write again. Never called when this
 * returns an error (-ENOMEM). Inside a bracket that is rolled back later it is still called: register after
 * hoy_store_commit().
 */
typedef void (*hoy_store_done)(void *userdata, const struct hoy_err *err);
int hoy_store_after_commit(struct hoy_store *store, hoy_store_done done, void *userdata, struct hoy_err *err);

/* Commits now and runs the callbacks, until nothing is open. 0, or the code of the (last) failed commit. */
int hoy_store_flush(struct hoy_store *store, struct hoy_err *err);

/*
 * A query. The SQL is a string literal of the caller: its prepared statement is cached by address. Bind errors are
 * remembered and returned by the first hoy_query_next(). Parameters count from 1, columns from 0.
 *
 *	auto_(hoy_query_done) struct hoy_query q = {};
 *
 *	hoy_query_start(&q, store, "SELECT name FROM containers WHERE state = ?1");
 *	hoy_query_bind_text(&q, 1, "running");
 *	while ((r = hoy_query_next(&q, err)) > 0)
 *		use(hoy_query_text(&q, 0));
 *	if (r < 0)
 *		return r;
 */
struct hoy_query {
	struct hoy_store *store;
	struct sqlite3_stmt *stmt;
	const char *sql;
	int failed;         /* SQLite code of the first bind that failed */
	size_t cache_index; /* where it goes back to */
};
void hoy_query_start(struct hoy_query *q, struct hoy_store *store, const char *sql);
void hoy_query_bind_text(struct hoy_query *q, int index, const char *value); /* copied; NULL binds NULL */
void hoy_query_bind_i64(struct hoy_query *q, int index, int64_t value);
void hoy_query_bind_blob(struct hoy_query *q, int index, const void *data, size_t len); /* copied */
/* 1: a row, 0: no more rows, < 0: failed (-EEXIST: a UNIQUE or PRIMARY KEY constraint, HOY_ERR_CONFLICT). */
int hoy_query_next(struct hoy_query *q, struct hoy_err *err);
void hoy_query_done(struct hoy_query *q);

/* Columns of the current row; text and blobs live until the next hoy_query_next() or _done(). */
const char *hoy_query_text(struct hoy_query *q, int column); /* NULL for NULL */
int64_t hoy_query_i64(struct hoy_query *q, int column);      /* 0 for NULL */
const void *hoy_query_blob(struct hoy_query *q, int column, size_t *ret_len);
bool hoy_query_is_null(struct hoy_query *q, int column);

/* A write without result rows, parameters by a type per letter: t const char *, i int64_t. Returns the rows changed.
 *
 *	r = hoy_store_exec(store, err, "UPDATE containers SET name = ?1 WHERE id = ?2", "tt", name, id);
 */
int hoy_store_exec(struct hoy_store *store, struct hoy_err *err, const char *sql, const char *types, ...);

/* Compares the file with itself (sqlite's integrity_check): `tell` is called for each of the first 20 problems. */
typedef void (*hoy_store_problem)(const char *text, void *userdata);
int hoy_store_check(struct hoy_store *store, hoy_store_problem tell, void *userdata, struct hoy_err *err);

/* Small facts of the whole database (host id, boot id), by key. *ret is owned, NULL when there is none. */
int hoy_store_get_fact(struct hoy_store *store, const char *key, char **ret, struct hoy_err *err);
int hoy_store_set_fact(struct hoy_store *store, const char *key, const char *value, struct hoy_err *err);

#endif
