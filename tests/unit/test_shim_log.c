/* shim/log.c, logfile.c, log_format.c, journal.c */
#include "shim/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/journal.h"
#include "shim/log_format.h"
#include "tests/unit/unit.h"

Suite *suite_shim_log(void);

static const struct timespec noon = { 1795262400, 120000000 }; /* 2026-11-21T12:00:00.12Z */

#define TAIL ",\"stream\":\"stdout\",\"time\":\"2026-11-21T12:00:00.12Z\"}\n"

static const struct hoy_outlog_setup no_setup;

struct log {
	char dir[32];
	struct hoy_outlog_options options;
	struct hoy_outlog *file;
	struct hoy_outlog_line line;
};

static void setup(struct log *log, int64_t max_size, unsigned int max_file)
{
	*log = (struct log){ .dir = "/tmp/hoy-log-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(log->dir));
	log->options = (struct hoy_outlog_options){ .kind = HOY_OUTLOG_KIND_JSON,
		.path = hoy_path_join(log->dir, "x.log"),
		.max_size = max_size,
		.max_file = max_file };
	ck_assert_int_eq(hoy_outlog_open(&log->options, &no_setup, &log->file, NULL), 0);
}

static void teardown(struct log *log)
{
	hoy_outlog_line_done(&log->line);
	hoy_outlog_free(log->file);
	hoy_outlog_options_done(&log->options);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, log->dir, NULL), 0);
}

static void put(struct log *log, const char *text)
{
	hoy_outlog_write(log->file, &log->line, "stdout", text, strlen(text), &noon);
}

/* Content of x.log with `suffix`; NULL when there is no such file. */
static char *content(const struct log *log, const char *suffix)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *path = hoy_str_printf("%s%s", log->options.path, suffix);

	return hoy_file_read(AT_FDCWD, path, &text, NULL) < 0 ? NULL : hoy_buf_take(&text);
}

START_TEST(whole_lines_are_written_at_once_and_the_rest_is_kept)
{
	auto_free char *before = NULL, *after = NULL;
	struct log log;

	setup(&log, -1, 1);
	put(&log, "one\n\ntwo");
	before = content(&log, "");
	ck_assert_str_eq(before, "{\"log\":\"one\\n\"" TAIL "{\"log\":\"\\n\"" TAIL);
	put(&log, "!\n");
	put(&log, "end");
	hoy_outlog_finish(log.file, &log.line, "stdout");
	after = content(&log, "");
	ck_assert_str_eq(after + strlen(before), "{\"log\":\"two!\\n\"" TAIL "{\"log\":\"end\"" TAIL);
	ck_assert_ptr_null(log.line.text.data);
	teardown(&log);
}
END_TEST

START_TEST(a_long_line_is_cut_into_parts)
{
	auto_free char *text = malloc(40001), *got = NULL;
	struct log log;
	char *first, *second, *third;

	memset(text, 'a', 39999);
	text[39999] = '\n';
	text[40000] = '\0';
	setup(&log, -1, 1);
	put(&log, text);
	got = content(&log, "");
	first = strchr(got, '\n');
	second = strchr(first + 1, '\n');
	third = strchr(second + 1, '\n');
	ck_assert_int_eq(first - got, strlen("{\"log\":\"\"") + HOY_OUTLOG_PART + strlen(TAIL) - 1);
	ck_assert_int_eq(second - first, strlen("{\"log\":\"\"") + HOY_OUTLOG_PART + strlen(TAIL));
	ck_assert(hoy_str_starts(third - strlen(TAIL) - 2, "\\n\"" TAIL));
	ck_assert_str_eq(third, "\n");
	teardown(&log);
}
END_TEST

START_TEST(a_line_of_exactly_one_part)
{
	auto_free char *text = malloc(HOY_OUTLOG_PART + 2), *got = NULL;
	struct log log;

	memset(text, 'a', HOY_OUTLOG_PART);
	memcpy(text + HOY_OUTLOG_PART, "\n", 2);
	setup(&log, -1, 1);
	put(&log, text);
	got = content(&log, "");
	ck_assert_ptr_nonnull(strstr(got, "{\"log\":\"\\n\"" TAIL));
	teardown(&log);
}
END_TEST

START_TEST(a_part_does_not_split_a_character)
{
	auto_free char *text = malloc(HOY_OUTLOG_PART + 8), *got = NULL;
	struct log log;

	memset(text, 'a', HOY_OUTLOG_PART - 1);
	memcpy(text + HOY_OUTLOG_PART - 1, "\xc3\xa9\n", 4);
	setup(&log, -1, 1);
	put(&log, text);
	got = content(&log, "");
	ck_assert_ptr_null(strstr(got, "\\ufffd"));
	ck_assert_ptr_nonnull(strstr(got, "{\"log\":\"\xc3\xa9\\n\"" TAIL));
	teardown(&log);
}
END_TEST

START_TEST(text_is_escaped_as_in_docker_logs)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	const char text[] = "\"\\\t\r<>&\xff\xe2\x80\xa8\xc3\xa9\x01";

	const struct hoy_outlog_part part = {
		.text = text, .len = sizeof text - 1, .newline = true, .stream = "stdout", .time = &noon
	};

	hoy_outlog_encode_json(&out, &part);
	ck_assert_str_eq(
		out.data, "{\"log\":\"\\\"\\\\\\u0009\\r\\u003c\\u003e\\u0026\\ufffd\\u2028\xc3\xa9\\u0001\\n\"" TAIL);
}
END_TEST

START_TEST(files_rotate_and_the_oldest_goes)
{
	auto_free char *current = NULL, *first = NULL, *second = NULL, *third = NULL;
	struct log log;

	setup(&log, 60, 3);
	put(&log, "1\n2\n3\n4\n"); /* every entry is longer than 60 bytes */
	current = content(&log, "");
	first = content(&log, ".1");
	second = content(&log, ".2");
	third = content(&log, ".3");
	ck_assert_str_eq(current, "{\"log\":\"4\\n\"" TAIL);
	ck_assert_str_eq(first, "{\"log\":\"3\\n\"" TAIL);
	ck_assert_str_eq(second, "{\"log\":\"2\\n\"" TAIL);
	ck_assert_ptr_null(third);
	teardown(&log);
}
END_TEST

START_TEST(a_single_file_is_truncated)
{
	auto_free char *current = NULL, *first = NULL;
	struct log log;

	setup(&log, 60, 1);
	put(&log, "1\n2\n");
	current = content(&log, "");
	first = content(&log, ".1");
	ck_assert_str_eq(current, "{\"log\":\"2\\n\"" TAIL);
	ck_assert_ptr_null(first);
	teardown(&log);
}
END_TEST

START_TEST(uris_are_parsed_strictly)
{
	struct hoy_outlog_options options;
	struct hoy_err err;

	ck_assert_int_eq(hoy_outlog_parse("json-file:///a%20b.log?max-size=10&max-file=3", &options, NULL), 0);
	ck_assert_str_eq(options.path, "/a b.log");
	ck_assert_int_eq(options.max_size, 10);
	ck_assert_uint_eq(options.max_file, 3);
	hoy_outlog_options_done(&options);
	ck_assert_int_eq(hoy_outlog_parse("json-file:///a", &options, NULL), 0);
	ck_assert_int_eq(options.max_size, -1);
	ck_assert_uint_eq(options.max_file, 1);
	hoy_outlog_options_done(&options);
	ck_assert_int_eq(hoy_outlog_parse("json-file://a", &options, NULL), -EINVAL);
	ck_assert_int_eq(hoy_outlog_parse("json-file:///a?max-size=0", &options, NULL), -EINVAL);
	ck_assert_int_eq(hoy_outlog_parse("json-file:///a?max-file=x", &options, NULL), -EINVAL);
	ck_assert_int_eq(hoy_outlog_parse("json-file:///a?compress=true", &options, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "json-file option 'compress=true' needs max-file of 2 or more");
	ck_assert_int_eq(hoy_outlog_parse("json-file:///a?colour=red", &options, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "json-file option 'colour=red'");
	ck_assert_int_eq(hoy_outlog_parse("local:///a?mode=non-blocking", &options, NULL), 0);
	ck_assert_int_eq(options.max_size, 20 << 20);
	ck_assert_uint_eq(options.max_file, 5);
	ck_assert(options.compress);
	hoy_outlog_options_done(&options);
	ck_assert_int_eq(hoy_outlog_parse("journald:?CONTAINER_NAME=a%20b", &options, NULL), 0);
	ck_assert_str_eq(options.path, "/run/systemd/journal/socket");
	ck_assert_str_eq(options.fields[0], "CONTAINER_NAME=a b");
	hoy_outlog_options_done(&options);
	ck_assert_int_eq(hoy_outlog_parse("journald:?_UID=0", &options, NULL), -EINVAL);
	ck_assert_int_eq(hoy_outlog_parse("gelf://h", &options, NULL), -EINVAL);
}
END_TEST

START_TEST(modes_are_parsed_strictly)
{
	struct hoy_outlog_mode mode;

	ck_assert_int_eq(hoy_outlog_parse_mode("none:", &mode, NULL), 0);
	ck_assert(!mode.lossy);
	ck_assert_int_eq(hoy_outlog_parse_mode("none:?mode=non-blocking&max-buffer-size=4096", &mode, NULL), 0);
	ck_assert(mode.lossy);
	ck_assert_uint_eq(mode.max_buffer, 4096);
	ck_assert_int_eq(hoy_outlog_parse_mode("none:?mode=perhaps", &mode, NULL), -EINVAL);
	ck_assert_int_eq(hoy_outlog_parse_mode("none:?max-buffer-size=0", &mode, NULL), -EINVAL);
}
END_TEST

START_TEST(local_entries_are_framed_on_both_sides)
{
	/* source "stdout", time_nano 1, line "hi" */
	static const char whole[] = "\0\0\0\x0e\x0a\x06stdout\x10\x01\x1a\x02hi\0\0\0\x0e";
	/* the same, partial, with {id "i", ordinal 1} */
	static const char partial[] =
		"\0\0\0\x17\x0a\x06stdout\x10\x01\x1a\x02hi\x20\x01\x2a\x05\x12\x01i\x18\x01\0\0\0\x17";
	const struct timespec time = { 0, 1 };
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_outlog_part part = { .text = "hi", .len = 2, .stream = "stdout", .time = &time, .last = true };

	hoy_outlog_encode_local(&out, &part);
	ck_assert_uint_eq(out.len, sizeof whole - 1);
	ck_assert_mem_eq(out.data, whole, sizeof whole - 1);
	hoy_buf_clear(&out);
	part.ordinal = 1;
	part.last = false;
	part.line_id = "i";
	hoy_outlog_encode_local(&out, &part);
	ck_assert_uint_eq(out.len, sizeof partial - 1);
	ck_assert_mem_eq(out.data, partial, sizeof partial - 1);
}
END_TEST

START_TEST(journal_entries_are_fields)
{
	char *const fields[] = { (char *) "CONTAINER_NAME=web", (char *) "NOTE=two\nlines", NULL };
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_outlog_part part = { .text = "hi", .len = 2, .stream = "stderr", .time = &noon, .last = true };
	static const char start[] = "CONTAINER_NAME=web\nNOTE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=3\n";

	hoy_outlog_journal_encode(&out, fields, &part);
	ck_assert_uint_gt(out.len, sizeof start);
	ck_assert_mem_eq(out.data, start, sizeof start - 1);
	ck_assert(hoy_str_ends(out.data + sizeof start, "\nMESSAGE=hi\n"));
}
END_TEST

Suite *suite_shim_log(void)
{
	const TTest *const tests[] = { whole_lines_are_written_at_once_and_the_rest_is_kept,
		a_long_line_is_cut_into_parts, a_line_of_exactly_one_part, a_part_does_not_split_a_character,
		text_is_escaped_as_in_docker_logs, files_rotate_and_the_oldest_goes, a_single_file_is_truncated,
		uris_are_parsed_strictly, modes_are_parsed_strictly, local_entries_are_framed_on_both_sides,
		journal_entries_are_fields };

	return hoy_unit_suite("shim log", tests, ARRAY_LEN(tests));
}
