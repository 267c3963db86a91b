/* supervisor/container/log_files.c */
#include "supervisor/container/log_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/log_entry.h"
#include "tests/unit/unit.h"

Suite *suite_container_logs(void);

static char dir[] = "/tmp/hoy-logs-XXXXXX";
static char path[64];

static void set_up(void)
{
	memcpy(dir, "/tmp/hoy-logs-XXXXXX", sizeof dir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log", dir);
}

static void tear_down(void)
{
	hoy_path_remove_all(AT_FDCWD, dir, NULL);
}

static void append(unsigned int n, const char *text)
{
	auto_free char *name = n > 0 ? hoy_str_printf("%s.%u", path, n) : strdup(path);
	FILE *file = fopen(name, "ae");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static char *plain_of(unsigned int n)
{
	static char name[80];

	snprintf(name, sizeof name, n > 0 ? "%s.%u" : "%s", path, n);
	return name;
}

static void append_bytes(unsigned int n, const void *data, size_t len)
{
	FILE *file = fopen(plain_of(n), "ae");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

static void rotate(void)
{
	for (unsigned int n = 5; n-- > 0;) {
		auto_free char *from = n > 0 ? hoy_str_printf("%s.%u", path, n) : strdup(path);
		auto_free char *to = hoy_str_printf("%s.%u", path, n + 1);

		(void) rename(from, to);
	}
}

/* All lines there are now, "a b c". */
static const char *rest(struct hoy_log_files *files)
{
	static char text[256];
	char *line;
	size_t len;

	text[0] = '\0';
	while (hoy_log_files_next(files, &line, &len, NULL) > 0) {
		ck_assert_uint_eq(strlen(line), len);
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", line);
	}
	return text;
}

static const char *tail(int64_t lines)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, lines, NULL), 0);
	return rest(&files);
}

START_TEST(all_files_are_read_oldest_first)
{
	append(2, "a\nb\n");
	append(1, "c\n");
	append(0, "d\ne\n");
	ck_assert_str_eq(tail(-1), "a b c d e");
}
END_TEST

START_TEST(the_tail_reaches_over_files)
{
	append(2, "a\nb\n");
	append(1, "c\n");
	append(0, "d\ne\n");
	ck_assert_str_eq(tail(0), "");
	ck_assert_str_eq(tail(1), "e");
	ck_assert_str_eq(tail(2), "d e");
	ck_assert_str_eq(tail(3), "c d e");
	ck_assert_str_eq(tail(4), "b c d e");
	ck_assert_str_eq(tail(5), "a b c d e");
	ck_assert_str_eq(tail(99), "a b c d e");
}
END_TEST

START_TEST(a_log_that_does_not_exist_yet_is_empty)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, 10, NULL), 0);
	ck_assert_str_eq(rest(&files), "");
	append(0, "a\n");
	ck_assert_str_eq(rest(&files), "a");
}
END_TEST

START_TEST(half_a_line_is_given_when_it_is_whole)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\nb");
	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a");
	append(0, "c\n");
	ck_assert_str_eq(rest(&files), "bc");
}
END_TEST

START_TEST(following_survives_rotations_and_loses_nothing)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\n");
	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a");
	append(0, "b\n"); /* the last line of a file that is rotated before it was read */
	rotate();
	append(0, "c\n");
	rotate();
	append(0, "d\n");
	ck_assert_str_eq(rest(&files), "b c d");
	rotate();
	ck_assert_str_eq(rest(&files), "");
	append(0, "e\n");
	ck_assert_str_eq(rest(&files), "e");
}
END_TEST

START_TEST(a_truncated_log_is_read_from_its_new_start)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};

	append(0, "a\nb\nc\n");
	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, -1, NULL), 0);
	ck_assert_str_eq(rest(&files), "a b c");
	ck_assert_int_eq(truncate(path, 0), 0);
	append(0, "d\n");
	ck_assert_str_eq(rest(&files), "d");
}
END_TEST

START_TEST(an_endless_line_is_an_error)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};
	char *line;
	size_t len;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(ftruncate(fd, 4 << 20), 0);
	close(fd);
	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ false, -1, NULL), 0);
	ck_assert_int_lt(hoy_log_files_next(&files, &line, &len, NULL), 0);
}
END_TEST

/* Frames as shim/log_format.c writes them, around texts instead of entries. */
static void append_frames(unsigned int n, const char *const *texts)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	for (; *texts; texts++) {
		const unsigned char size[4] = { 0, 0, 0, (unsigned char) strlen(*texts) };

		(void) hoy_buf_add(&out, size, sizeof size);
		(void) hoy_buf_adds(&out, *texts);
		(void) hoy_buf_add(&out, size, sizeof size);
	}
	append_bytes(n, out.data, out.len);
}

static const char *frames(int64_t wanted)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};
	static char text[256];
	char *frame;
	size_t len;
	int r;

	text[0] = '\0';
	ck_assert_int_eq(hoy_log_files_open(&files, path, /* frames= */ true, wanted, NULL), 0);
	while ((r = hoy_log_files_next(&files, &frame, &len, NULL)) > 0)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", *text ? " " : "", (int) len, frame);
	return r < 0 ? "broken" : text;
}

START_TEST(frames_are_read_and_counted_from_the_end)
{
	append_frames(1, (const char *const[]){ "a", "", "long", NULL });
	append_frames(0, (const char *const[]){ "d", "e", NULL });
	ck_assert_str_eq(frames(-1), "a  long d e");
	ck_assert_str_eq(frames(0), "");
	ck_assert_str_eq(frames(1), "e");
	ck_assert_str_eq(frames(3), "long d e");
	ck_assert_str_eq(frames(10), "a  long d e");
	append_bytes(0, "\0\0\0\1x\0\0\0\2", 9);
	ck_assert_str_eq(frames(-1), "broken");
}
END_TEST

START_TEST(compressed_files_come_first_when_they_were_unpacked)
{
	auto_(hoy_log_files_done) struct hoy_log_files files = {};
	auto_free char *gz = hoy_str_printf("%s.1.gz", path), *plain = hoy_str_printf("%s.plain", path);

	append_frames(0, (const char *const[]){ "c", NULL });
	append_frames(9, (const char *const[]){ "a", "b", NULL });
	ck_assert_int_eq(rename(plain_of(9), plain), 0);
	append_frames(9, (const char *const[]){ "packed", NULL });
	ck_assert_int_eq(rename(plain_of(9), gz), 0);
	ck_assert_int_eq(hoy_log_files_open(&files, path, true, 1, NULL), 0);
	ck_assert_uint_eq(files.n_packed, 0); /* not needed */
	hoy_log_files_done(&files);
	ck_assert_int_eq(hoy_log_files_open(&files, path, true, 2, NULL), 0);
	ck_assert_uint_eq(files.n_packed, 1);
	ck_assert_int_eq(hoy_log_files_unpacked(&files, open(plain, O_RDONLY | O_CLOEXEC), NULL), 0);
	ck_assert_str_eq(rest(&files), "b c");
}
END_TEST

#define LOCAL "\x0a\x06stderr\x10\x81\x94\xeb\xdc\x03\x1a\x02hi"

START_TEST(entries_of_local)
{
	struct hoy_log_entry entry;

	ck_assert(hoy_log_entry_from_local(LOCAL, sizeof LOCAL - 1, &entry));
	ck_assert_uint_eq(entry.len, 2);
	ck_assert_mem_eq(entry.text, "hi", 2);
	ck_assert_int_eq(entry.stream, HOY_LOG_STDERR);
	ck_assert_int_eq(entry.at.tv_sec, 1);
	ck_assert_int_eq(entry.at.tv_nsec, 1);
	ck_assert(entry.ends_line);
	ck_assert(hoy_log_entry_from_local(LOCAL "\x20\x01", sizeof LOCAL + 1, &entry));
	ck_assert(!entry.ends_line);
	for (size_t len = 0; len < sizeof LOCAL - 5; len++)
		ck_assert(!hoy_log_entry_from_local(LOCAL, len, &entry));
	ck_assert(!hoy_log_entry_from_local("\x0a\x7fx", 3, &entry));
	ck_assert(!hoy_log_entry_from_local("\x0d\1\2\3\4", 5, &entry));
}
END_TEST

#define AT "\"time\":\"1970-01-01T00:00:01.5Z\"}"
#define OUT "\",\"stream\":\"stdout\"," AT
#define ERR "\",\"stream\":\"stderr\"," AT

/* The text of an entry and the newline that belongs behind it. */
static const char *text_of(const char *line, bool *ret_plain)
{
	static char text[256];
	auto_(hoy_log_entry_done) struct hoy_log_entry entry = { 0 };

	if (!hoy_log_entry_from_json(line, strlen(line), &entry))
		return NULL;
	*ret_plain = !entry.doc;
	ck_assert_int_eq(entry.at.tv_sec, 1);
	ck_assert_int_eq(entry.at.tv_nsec, 500000000);
	(void) snprintf(text, sizeof text, "%d%.*s%s", entry.stream == HOY_LOG_STDERR, (int) entry.len, entry.text,
		entry.ends_line ? "\n" : "");
	return text;
}

/* Most lines need no parser; the others, and those of another form, get one. */
START_TEST(entries_of_json_file)
{
	static const struct {
		const char *line, *text; /* NULL: none */
		bool plain;
	} cases[] = {
		{ "{\"log\":\"hello\\n" OUT, "0hello\n", true },
		{ "{\"log\":\"hello\\n" ERR, "1hello\n", true },
		{ "{\"log\":\"a part" OUT, "0a part", true },
		{ "{\"log\":\"" OUT, "0", true },
		{ "{\"log\":\"\\n" OUT, "0\n", true },
		{ "{\"log\":\"a \\\"b\\\"\\n" OUT, "0a \"b\"\n", false },
		{ "{\"log\":\"a\\nb\\n" OUT, "0a\nb\n", false },
		{ "{\"log\":\"\\u00e4\\n" OUT, "0\xc3\xa4\n", false },
		{ "{\"log\":\"\xc3\xa4\\n" OUT, "0\xc3\xa4\n", false },
		{ "{ \"stream\": \"stderr\", \"log\": \"x\\n\", " AT, "1x\n", false },
		{ "{\"log\":\"x\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"}," AT, "0x", false },
		{ "{\"log\":\"x", NULL, false },
		{ "{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"1970-01-01", NULL, false },
		{ "{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"never\"}", NULL, false },
		{ "{\"log\":\"x\xff\\n" OUT, NULL, false },
		{ "", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool plain = false;
		const char *text = text_of(cases[i].line, &plain);

		ck_assert_pstr_eq(text, cases[i].text);
		ck_assert_int_eq(plain, cases[i].plain);
	}
}
END_TEST

Suite *suite_container_logs(void)
{
	const TTest *const tests[] = {
		all_files_are_read_oldest_first,
		the_tail_reaches_over_files,
		a_log_that_does_not_exist_yet_is_empty,
		half_a_line_is_given_when_it_is_whole,
		following_survives_rotations_and_loses_nothing,
		a_truncated_log_is_read_from_its_new_start,
		an_endless_line_is_an_error,
		frames_are_read_and_counted_from_the_end,
		compressed_files_come_first_when_they_were_unpacked,
		entries_of_local,
		entries_of_json_file,
	};
	Suite *suite = suite_create("container-logs");
	TCase *tcase = tcase_create("files");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}
