/* Unit tests of supervisor/store/store.c. */
#include "supervisor/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/unit/unit.h"

static const char *const steps[] = {
	"CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER) STRICT",
	"ALTER TABLE t ADD COLUMN w TEXT",
};

static struct hoy_store *open_memory(void)
{
	struct hoy_store *store = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_store_open(NULL, ":memory:", &store, &err) >= 0, "%s", err.msg);
	ck_assert_int_eq(hoy_store_migrate(store, "t", steps, ARRAY_LEN(steps), &err), 0);
	return store;
}

static int put(struct hoy_store *store, const char *key, int64_t value, struct hoy_err *err)
{
	return hoy_store_exec(store, err, "INSERT INTO t (k, v) VALUES (?1, ?2)", "ti", key, value);
}

static int64_t count(struct hoy_store *store)
{
	auto_(hoy_query_done) struct hoy_query q = {};

	hoy_query_start(&q, store, "SELECT count(*) FROM t");
	ck_assert_int_eq(hoy_query_next(&q, NULL), 1);
	return hoy_query_i64(&q, 0);
}

START_TEST(a_taken_key_is_a_conflict)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	struct hoy_err err = {};

	ck_assert_int_eq(put(store, "a", 1, &err), 1);
	ck_assert_int_eq(put(store, "a", 2, &err), -EEXIST);
	ck_assert_int_eq(err.kind, HOY_ERR_CONFLICT);
	ck_assert_int_eq(count(store), 1);
}
END_TEST

START_TEST(a_rolled_back_request_leaves_the_others_of_its_turn)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();

	ck_assert_int_eq(put(store, "a", 1, NULL), 1);
	ck_assert_int_eq(hoy_store_begin(store, NULL), 0);
	ck_assert_int_eq(put(store, "b", 1, NULL), 1);
	hoy_store_rollback(store);
	ck_assert_int_eq(hoy_store_begin(store, NULL), 0);
	ck_assert_int_eq(put(store, "c", 1, NULL), 1);
	ck_assert_int_eq(hoy_store_commit(store, NULL), 0);
	ck_assert_int_eq(hoy_store_flush(store, NULL), 0);
	ck_assert_int_eq(count(store), 2);
}
END_TEST

START_TEST(columns_keep_null_apart_from_empty)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	auto_(hoy_query_done) struct hoy_query q = {};

	ck_assert_int_eq(
		hoy_store_exec(store, NULL, "INSERT INTO t (k, w) VALUES (?1, ?2)", "tt", "a", (const char *) NULL), 1);
	hoy_query_start(&q, store, "SELECT k, v, w FROM t");
	ck_assert_int_eq(hoy_query_next(&q, NULL), 1);
	ck_assert_str_eq(hoy_query_text(&q, 0), "a");
	ck_assert(hoy_query_is_null(&q, 1));
	ck_assert_ptr_null(hoy_query_text(&q, 2));
	ck_assert_int_eq(hoy_query_next(&q, NULL), 0);
}
END_TEST

START_TEST(one_sql_text_may_run_inside_itself)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	static const char all[] = "SELECT k FROM t";
	auto_(hoy_query_done) struct hoy_query outer = {};
	int seen = 0;

	put(store, "a", 1, NULL);
	put(store, "b", 1, NULL);
	hoy_query_start(&outer, store, all);
	while (hoy_query_next(&outer, NULL) > 0) {
		auto_(hoy_query_done) struct hoy_query inner = {};

		hoy_query_start(&inner, store, all);
		while (hoy_query_next(&inner, NULL) > 0)
			seen++;
	}
	ck_assert_int_eq(seen, 4);
}
END_TEST

START_TEST(a_wrong_statement_says_what_is_wrong)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	struct hoy_err err = {};

	ck_assert_int_lt(hoy_store_exec(store, &err, "INSERT INTO nowhere VALUES (?1)", "i", (int64_t) 1), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "no such table: nowhere"));
}
END_TEST

START_TEST(tables_of_a_newer_version_are_refused)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_store_migrate(store, "t", steps, 1, &err), -EOPNOTSUPP);
	ck_assert_int_eq(hoy_store_migrate(store, "t", steps, 2, &err), 0);
}
END_TEST

START_TEST(a_failed_migration_leaves_the_tables_as_they_were)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	static const char *const broken[] = { "CREATE TABLE u (k TEXT) STRICT", "CREATE TABLE u (k TEXT) STRICT" };

	ck_assert_int_lt(hoy_store_migrate(store, "u", broken, 2, NULL), 0);
	ck_assert_int_eq(hoy_store_migrate(store, "u", broken, 1, NULL), 0);
}
END_TEST

struct told {
	struct hoy_store *store;
	char order[8];
	int code;
};

static void on_durable(void *userdata, const struct hoy_err *err)
{
	struct told *told = userdata;

	told->code = err ? -err->errnum : 0;
	told->order[strlen(told->order)] = '1';
	if (strlen(told->order) == 1) { /* writes again: the same flush takes it along */
		ck_assert_int_eq(put(told->store, "again", 1, NULL), 1);
		ck_assert_int_eq(hoy_store_after_commit(told->store, on_durable, told, NULL), 0);
	}
}

static void on_turn(struct hoy_source *source, void *userdata)
{
	(void) userdata;
	hoy_source_free(source);
}

START_TEST(callbacks_run_after_the_commit_at_the_end_of_the_turn)
{
	char dir[] = "/tmp/hoy-store-XXXXXX";
	auto_free char *path = NULL;
	struct hoy_loop *loop = NULL;
	struct hoy_store *reader = NULL;
	struct hoy_source *turn = NULL;
	struct told told = {};
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = hoy_path_join(dir, "state.db");
	ck_assert_int_eq(hoy_loop_new(&loop, NULL), 0);
	ck_assert_int_eq(hoy_store_open(loop, path, &told.store, NULL), 0);
	ck_assert_int_eq(hoy_store_migrate(told.store, "t", steps, 2, NULL), 0);
	ck_assert_int_eq(hoy_store_open(NULL, path, &reader, NULL), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);

	ck_assert_int_eq(put(told.store, "a", 1, NULL), 1);
	ck_assert_int_eq(hoy_store_after_commit(told.store, on_durable, &told, NULL), 0);
	ck_assert_int_eq(count(reader), 0);
	ck_assert_str_eq(told.order, "");
	ck_assert_int_eq(hoy_loop_timer(loop, &turn, 0, on_turn, NULL, NULL), 0);
	ck_assert_int_ge(hoy_loop_run_once(loop, 1000, NULL), 0);
	ck_assert_str_eq(told.order, "11");
	ck_assert_int_eq(told.code, 0);
	ck_assert_int_eq(count(reader), 2);

	hoy_store_close(reader);
	hoy_store_close(told.store);
	hoy_loop_free(loop);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

START_TEST(facts_are_kept_by_key)
{
	auto_ptr(hoy_store_close) struct hoy_store *store = open_memory();
	auto_free char *none = NULL, *some = NULL;

	ck_assert_int_eq(hoy_store_get_fact(store, "boot", &none, NULL), 0);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(hoy_store_set_fact(store, "boot", "x", NULL), 0);
	ck_assert_int_eq(hoy_store_set_fact(store, "boot", "y", NULL), 0);
	ck_assert_int_eq(hoy_store_get_fact(store, "boot", &some, NULL), 0);
	ck_assert_str_eq(some, "y");
}
END_TEST

static Suite *suite_store(void)
{
	const TTest *const tests[] = {
		a_taken_key_is_a_conflict,
		a_rolled_back_request_leaves_the_others_of_its_turn,
		columns_keep_null_apart_from_empty,
		one_sql_text_may_run_inside_itself,
		a_wrong_statement_says_what_is_wrong,
		tables_of_a_newer_version_are_refused,
		a_failed_migration_leaves_the_tables_as_they_were,
		callbacks_run_after_the_commit_at_the_end_of_the_turn,
		facts_are_kept_by_key,
	};

	return hoy_unit_suite("store", tests, ARRAY_LEN(tests));
}

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_store };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
