/* base/ustar.c: what is written is read again; what is no archive is refused, whatever its bytes are. */
#include "base/ustar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_ustar(void);

#define LONG_DIRECTORY                                                                                                 \
	"a-directory-with-a-long-name-that-goes-on/and-another-one-that-is-about-as-long-as-the-first/and-a-third"

static void make(struct hoy_buf *out)
{
	struct hoy_err err;

	ck_assert_int_eq(hoy_ustar_add(out, &(struct hoy_ustar_file){ "/one", "first", 5, 1, 2, 0644 }, &err), 0);
	ck_assert_int_eq(hoy_ustar_add(out, &(struct hoy_ustar_file){ "empty", "", 0, 0, 0, 0600 }, &err), 0);
	ck_assert_int_eq(
		hoy_ustar_add(out, &(struct hoy_ustar_file){ LONG_DIRECTORY "/name", "second", 6, 0, 0, 0600 }, &err),
		0);
	hoy_ustar_end(out);
	ck_assert_int_eq(hoy_buf_check(out, "archive", &err), 0);
}

static void assert_next(struct hoy_ustar *tar, const char *path, const char *data)
{
	ck_assert_int_eq(hoy_ustar_next(tar, NULL), 1);
	ck_assert_str_eq(tar->path, path);
	ck_assert(tar->regular);
	ck_assert_uint_eq(tar->data_len, strlen(data));
	ck_assert_int_eq(memcmp(tar->data, data, tar->data_len), 0);
}

START_TEST(what_is_written_is_read)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};
	struct hoy_ustar tar;

	make(&archive);
	tar = (struct hoy_ustar){ .rest = archive.data, .len = archive.len };
	assert_next(&tar, "one", "first");
	assert_next(&tar, "empty", "");
	assert_next(&tar, LONG_DIRECTORY "/name", "second");
	ck_assert_int_eq(hoy_ustar_next(&tar, NULL), 0);
}
END_TEST

START_TEST(what_has_no_place_is_refused)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};
	char path[400];
	struct hoy_err err;

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	ck_assert_int_eq(hoy_ustar_add(&archive, &(struct hoy_ustar_file){ .path = path, .data = "" }, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "too long"));
	ck_assert_int_eq(
		hoy_ustar_add(&archive, &(struct hoy_ustar_file){ .path = "x", .data = "", .uid = 1U << 21 }, &err),
		-EINVAL);
	ck_assert_uint_eq(archive.len, 0);
}
END_TEST

/* How many entries are read of exactly these bytes; -EINVAL. */
static int count(const char *data, size_t len)
{
	auto_free char *exact = malloc(len ? len : 1); /* so that reading beyond is seen */
	struct hoy_ustar tar = { .rest = exact, .len = len };
	int n = 0, r;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, data, len);
	while ((r = hoy_ustar_next(&tar, NULL)) > 0)
		n++;
	return r < 0 ? r : n;
}

START_TEST(an_archive_that_is_cut_short)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};

	make(&archive);
	ck_assert_int_eq(count(archive.data, archive.len), 3);
	ck_assert_int_eq(count(archive.data, 0), 0);
	/* A cut at an entry's end, or in what fills its last block, may as well be the end: some writers leave that out. */
	for (size_t len = 1; len < archive.len; len++) {
		int want = -EINVAL;

		if (len >= 512 + 5 && len <= 1024)
			want = 1;
		else if (len == 1536)
			want = 2;
		else if (len >= 2048 + 6 && (len <= 2560 || len >= 3072))
			want = 3;
		ck_assert_msg(count(archive.data, len) == want, "%zu bytes: %d", len, count(archive.data, len));
	}
}
END_TEST

START_TEST(damaged_headers)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};

	make(&archive);
	for (size_t i = 0; i < 500; i++) {
		if (i == 155) /* behind the sum's end */
			continue;
		archive.data[i] ^= 0x11;
		ck_assert_int_eq(count(archive.data, archive.len), -EINVAL);
		archive.data[i] ^= 0x11;
	}
	/* A size that goes round, with a sum that is right. */
	memcpy(archive.data + 124, "777777777777", 12);
	for (unsigned int sum = 0; sum < 16384; sum++) {
		(void) snprintf(archive.data + 148, 8, "%06o", sum);
		ck_assert_int_eq(count(archive.data, archive.len), -EINVAL);
	}
}
END_TEST

Suite *suite_ustar(void)
{
	const TTest *const tests[] = { what_is_written_is_read, what_has_no_place_is_refused,
		an_archive_that_is_cut_short, damaged_headers };

	return hoy_unit_suite("ustar", tests, ARRAY_LEN(tests));
}
