/* supervisor/container/containers.c, list.c, logs.c over containers made by hand: no shim, no database */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "tests/unit/unit.h"

Suite *suite_container_room(void);

static struct hoy_containers *room;
static char dir[] = "/tmp/hoy-room-XXXXXX";

/* A container whose ID is `digit` 64 times, but for the last one. */
static struct hoy_container *add(char digit, char last, const char *name, enum hoy_container_status status)
{
	static const char request[] = "{\"Image\":\"busybox\",\"Labels\":{\"tier\":\"web\",\"app\":\"x=y\"}}";
	struct hoy_container *c = calloc(1, sizeof *c);

	memset(c->info.id, digit, 64);
	c->info.id[63] = last;
	c->room = room;
	c->info.name = strdup(name);
	c->info.image_id = strdup("sha256:1");
	c->info.error = strdup("");
	c->info.status = status;
	c->chain_id = strdup("");
	ck_assert_int_eq(hoy_container_config_parse(request, strlen(request), &c->config, NULL), 0);
	ck_assert_int_eq(hoy_container_derive(c, NULL), 0);
	ck_assert_int_eq(hoy_containers_add(room, c, NULL), 0);
	return c;
}

static void set_up(void)
{
	memcpy(dir, "/tmp/hoy-room-XXXXXX", sizeof dir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	room = calloc(1, sizeof *room);
	room->dir_fd = -1;
	room->dir = strdup(dir);
	room->bundles = strdup(dir);
	ck_assert_int_eq(hoy_loop_new(&room->options.loop, NULL), 0);
}

static void tear_down(void)
{
	struct hoy_loop *loop = room->options.loop;

	hoy_containers_free(room);
	hoy_loop_free(loop);
	hoy_path_remove_all(AT_FDCWD, dir, NULL);
}

static const char *found(const char *ref)
{
	const struct hoy_container_info *info;

	return hoy_containers_find(room, ref, &info, NULL) < 0 ? NULL : info->name;
}

START_TEST(a_container_is_found_by_id_name_and_unique_prefix)
{
	struct hoy_err err = {};
	const struct hoy_container_info *info;
	char whole[65];

	add('a', '1', "one", HOY_CONTAINER_RUNNING);
	add('a', '2', "two", HOY_CONTAINER_RUNNING);
	add('b', '1', "aaaa", HOY_CONTAINER_RUNNING);
	snprintf(whole, sizeof whole, "%.63s2", room->list[0]->info.id);
	ck_assert_str_eq(found(whole), "two");
	ck_assert_str_eq(found("one"), "one");
	ck_assert_str_eq(found("/one"), "one");
	ck_assert_str_eq(found("bbb"), "aaaa");
	ck_assert_str_eq(found("aaaa"), "aaaa"); /* a name wins over a prefix */
	ck_assert_int_lt(hoy_containers_find(room, "aaa", &info, &err), 0);
	ck_assert_str_eq(err.msg, "multiple IDs found with provided prefix: aaa");
	ck_assert_int_lt(hoy_containers_find(room, "nope", &info, &err), 0);
	ck_assert_str_eq(err.msg, "No such container: nope");
	ck_assert_int_eq(err.kind, HOY_ERR_NOT_FOUND);
	ck_assert_ptr_null(found(""));
}
END_TEST

/* Names of what a filter lets through, "three one". */
static const char *listed(const struct hoy_container_filter *filter)
{
	static char text[256];
	auto_free const struct hoy_container_info **infos = NULL;
	size_t n;

	text[0] = '\0';
	if (hoy_containers_list(room, filter, &infos, &n, NULL) < 0)
		return "refused";
	for (size_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", infos[i]->name);
	return text;
}

#define V(...)                                                                                                         \
	(char *[])                                                                                                     \
	{                                                                                                              \
		__VA_ARGS__, NULL                                                                                      \
	}

START_TEST(the_list_is_newest_first_and_filtered)
{
	struct hoy_container *one = add('a', '1', "one", HOY_CONTAINER_EXITED);

	add('b', '1', "two", HOY_CONTAINER_RUNNING);
	add('c', '1', "three", HOY_CONTAINER_CREATED);
	one->info.exit_code = 7;
	one->info.started.tv_sec = 1;

#define LIST(...) listed(&(struct hoy_container_filter){ __VA_ARGS__ })
	ck_assert_str_eq(LIST(.all = false), "two");
	ck_assert_str_eq(LIST(.all = true), "three two one");
	ck_assert_str_eq(LIST(.limit = 2), "three two");
	ck_assert_str_eq(LIST(.statuses = V((char *) "exited", (char *) "created")), "three one");
	ck_assert_str_eq(LIST(.statuses = V((char *) "asleep")), "refused");
	ck_assert_str_eq(LIST(.all = true, .names = V((char *) "t")), "three two");
	ck_assert_str_eq(LIST(.all = true, .names = V((char *) "^/?two$")), "two");
	ck_assert_str_eq(LIST(.all = true, .ids = V((char *) "aa", (char *) "cc")), "three one");
	ck_assert_str_eq(LIST(.all = true, .exited = V((char *) "7")), "one");
	ck_assert_str_eq(LIST(.all = true, .exited = V((char *) "0")), "");
	ck_assert_str_eq(LIST(.all = true, .exited = V((char *) "x")), "refused");
	ck_assert_str_eq(LIST(.labels = V((char *) "tier")), "two");
	ck_assert_str_eq(LIST(.labels = V((char *) "tier=web", (char *) "app=x=y")), "two");
	ck_assert_str_eq(LIST(.labels = V((char *) "tier=db")), "");
	ck_assert_str_eq(LIST(.labels = V((char *) "tie")), "");
	ck_assert_str_eq(LIST(.all = true, .ancestors = V((char *) "busybox")), "three two one");
	ck_assert_str_eq(LIST(.all = true, .before = V((char *) "three")), "two one");
	ck_assert_str_eq(LIST(.all = true, .since = V((char *) "one")), "three two");
	ck_assert_str_eq(LIST(.all = true, .since = V((char *) "nope")), "refused");
}
END_TEST

/* --- logs ----------------------------------------------------------------------------------- */

static void on_ready(struct hoy_log_reader *reader, void *userdata)
{
	(void) reader;
	++*(int *) userdata;
}

static struct hoy_container *with_log(void)
{
	static const char lines[] = "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:01Z\"}\n"
				    "not json\n"
				    "{\"log\":\"b\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-01T00:00:02.5Z\"}\n"
				    "{\"log\":\"c\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:03Z\"}\n"
				    "{\"log\":\"d\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:04Z\"}\n";
	struct hoy_container *c = add('a', '1', "one", HOY_CONTAINER_RUNNING);
	FILE *file;

	c->phase = HOY_PHASE_RUNNING;
	ck_assert_int_eq(hoy_path_mkdir_all(c->dir, 0755, NULL), 0);
	file = fopen(c->info.log_path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(lines, 1, sizeof lines - 1, file), sizeof lines - 1);
	ck_assert_int_eq(fclose(file), 0);
	return c;
}

static void assert_log(const struct hoy_container_logs *how, const char *wanted, size_t len)
{
	auto_ptr(hoy_log_reader_free) struct hoy_log_reader *reader = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	bool framed;
	int ready = 0;

	ck_assert_int_eq(hoy_container_logs(room, "one", how, on_ready, &ready, &reader, &framed, NULL), 0);
	while (hoy_log_reader_read(reader, &buf, 1, NULL) == HOY_LOG_DATA)
		;
	ck_assert_uint_eq(buf.len, len);
	ck_assert_int_eq(len ? memcmp(buf.data, wanted, len) : 0, 0);
	ck_assert_int_eq(hoy_log_reader_read(reader, &buf, 1, NULL), HOY_LOG_END);
}
#define ASSERT_LOG(wanted, ...) assert_log(&(struct hoy_container_logs){ __VA_ARGS__ }, wanted, sizeof(wanted) - 1)

START_TEST(log_lines_are_framed_by_stream)
{
	with_log();
	ASSERT_LOG("\1\0\0\0\0\0\0\2a\n\2\0\0\0\0\0\0\2b\n\1\0\0\0\0\0\0\1c\1\0\0\0\0\0\0\2d\n", .stdout_ = true,
		.stderr_ = true, .tail = -1);
	ASSERT_LOG("\2\0\0\0\0\0\0\2b\n", .stderr_ = true, .tail = -1);
	ASSERT_LOG("\1\0\0\0\0\0\0\2d\n", .stdout_ = true, .stderr_ = true, .tail = 1);
}
END_TEST

START_TEST(a_terminal_log_is_raw_and_stamps_start_lines_only)
{
	with_log()->config->tty = true;
	ASSERT_LOG("a\nb\ncd\n", .stdout_ = true, .stderr_ = true, .tail = -1);
	ASSERT_LOG("2026-01-01T00:00:01.000000000Z a\n2026-01-01T00:00:03.000000000Z cd\n", .stdout_ = true,
		.timestamps = true, .tail = -1);
}
END_TEST

START_TEST(since_and_until_cut_the_log)
{
	const struct timespec second = { .tv_sec = 1767225602, .tv_nsec = 500000000 };

	with_log()->config->tty = true;
	ASSERT_LOG("b\ncd\n", .stdout_ = true, .stderr_ = true, .since = second, .tail = -1);
	ASSERT_LOG("a\nb\n", .stdout_ = true, .stderr_ = true, .until = second, .tail = -1);
	ASSERT_LOG("b\n", .stdout_ = true, .stderr_ = true, .since = second, .until = second, .tail = -1);
}
END_TEST

START_TEST(following_waits_for_more_and_ends_with_the_container)
{
	struct hoy_container *c = with_log();
	const struct hoy_container_logs how = { .follow = true, .stdout_ = true, .stderr_ = true, .tail = 0 };
	auto_ptr(hoy_log_reader_free) struct hoy_log_reader *reader = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	bool framed;
	int ready = 0;
	FILE *file;

	ck_assert_int_eq(hoy_container_logs(room, "one", &how, on_ready, &ready, &reader, &framed, NULL), 0);
	ck_assert_int_eq(hoy_log_reader_read(reader, &buf, 1, NULL), HOY_LOG_WAIT);
	file = fopen(c->info.log_path, "ae");
	fputs("{\"log\":\"e\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:05Z\"}\n", file);
	fclose(file);
	ck_assert_int_ge(hoy_loop_run_once(room->options.loop, 5000, NULL), 0);
	ck_assert_int_eq(ready, 1);
	ck_assert_int_eq(hoy_log_reader_read(reader, &buf, 1, NULL), HOY_LOG_DATA);
	ck_assert_int_eq(memcmp(buf.data + 8, "e\n", 2), 0);
	ck_assert_int_eq(hoy_log_reader_read(reader, &buf, 1, NULL), HOY_LOG_WAIT);
	hoy_container_readers_tell(c);
	ck_assert_int_eq(ready, 2);
	ck_assert_int_eq(hoy_log_reader_read(reader, &buf, 1, NULL), HOY_LOG_END);
}
END_TEST

START_TEST(lines_nobody_wants_are_read_in_turns)
{
	struct hoy_container *c = with_log();
	const struct hoy_container_logs how = { .stderr_ = true, .tail = -1 };
	auto_ptr(hoy_log_reader_free) struct hoy_log_reader *reader = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	FILE *file = fopen(c->info.log_path, "we");
	bool framed;
	int ready = 0, r;

	for (int i = 0; i < 10000; i++)
		fputs("{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:05Z\"}\n", file);
	fclose(file);
	ck_assert_int_eq(hoy_container_logs(room, "one", &how, on_ready, &ready, &reader, &framed, NULL), 0);
	while ((r = hoy_log_reader_read(reader, &buf, 1, NULL)) == HOY_LOG_WAIT)
		ck_assert_int_ge(hoy_loop_run_once(room->options.loop, 5000, NULL), 0);
	ck_assert_int_eq(r, HOY_LOG_END);
	ck_assert_int_eq(ready, 2);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

static int exit_read(const char *text, struct hoy_shim_exit_record *ret, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "exit.json");
	FILE *file = fopen(path, "we");

	fputs(text, file);
	fclose(file);
	return hoy_shim_exit_read(path, ret, err);
}

START_TEST(the_end_that_a_newer_shim_wrote_is_refused)
{
	struct hoy_shim_exit_record record;
	struct hoy_err err;

#define END "\"exit_status\":3,\"exited_at\":\"2026-01-01T00:00:05Z\""
	ck_assert_int_eq(exit_read("{" END ",\"oom_killed\":true}", &record, NULL), 0); /* before there were versions */
	ck_assert_int_eq(record.status, 3);
	ck_assert(record.oom_killed);
	ck_assert_int_eq(exit_read("{\"version\":1," END "}", &record, NULL), 0);
	ck_assert(!record.oom_killed);
	ck_assert_int_eq(exit_read("{\"version\":2," END "}", &record, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.msg, "exit.json' was written by a newer shim"));
	ck_assert_int_eq(exit_read("{\"version\":\"1\"," END "}", &record, &err), -EOPNOTSUPP);
	ck_assert_int_eq(exit_read("{\"version\":1,\"exit_status\":3}", &record, NULL), -EBADMSG);
	ck_assert_int_lt(exit_read("", &record, NULL), 0);
#undef END
}
END_TEST

Suite *suite_container_room(void)
{
	const TTest *const tests[] = {
		a_container_is_found_by_id_name_and_unique_prefix,
		the_list_is_newest_first_and_filtered,
		log_lines_are_framed_by_stream,
		a_terminal_log_is_raw_and_stamps_start_lines_only,
		since_and_until_cut_the_log,
		following_waits_for_more_and_ends_with_the_container,
		lines_nobody_wants_are_read_in_turns,
		the_end_that_a_newer_shim_wrote_is_refused,
	};
	Suite *suite = suite_create("container-room");
	TCase *tcase = tcase_create("room");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}
