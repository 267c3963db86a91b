/* supervisor/worker/layer/stream.c, decoder.c, hash.c */
#include "supervisor/worker/layer/stream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/unit.h"

Suite *suite_layer_stream(void);

/* printf 'hello' | gzip -n, twice in a row; | zstd */
static const unsigned char gzip_hello[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48,
	0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00 };
static const unsigned char zstd_hello[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x05, 0x29, 0x00, 0x00, 'h', 'e', 'l', 'l',
	'o' };
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

struct result {
	char text[64];
	size_t len;
	int r;
	struct hoy_err err;
	struct hoy_layer_reply done;
};

static int memory(const void *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_fd_write_all(fd, data, len), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void run_stream(const void *data, size_t len, uint64_t max, int copy, struct result *ret)
{
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *stream = NULL;
	auto_fd int fd = memory(data, len);
	const struct hoy_layer_stream_options options = { .fd = fd, .copy_fd = copy, .max_bytes = max };
	const void *block;
	ssize_t n;

	memset(ret, 0, sizeof *ret);
	ck_assert_int_eq(hoy_layer_stream_new(&options, &stream, NULL), 0);
	while ((n = hoy_layer_stream_next(stream, &block, &ret->err)) > 0) {
		ck_assert_uint_le(ret->len + (size_t) n, sizeof ret->text);
		memcpy(ret->text + ret->len, block, (size_t) n);
		ret->len += (size_t) n;
	}
	ret->r = n < 0 ? (int) n : hoy_layer_stream_finish(stream, &ret->done, &ret->err);
}

START_TEST(plain_gzip_and_zstd_are_told_by_their_first_bytes)
{
	static const struct {
		const void *data;
		size_t len;
		uint32_t compression;
	} cases[] = { { "hello", 5, HOY_LAYER_PLAIN }, { gzip_hello, sizeof gzip_hello, HOY_LAYER_GZIP },
		{ zstd_hello, sizeof zstd_hello, HOY_LAYER_ZSTD } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct result result;

		run_stream(cases[i].data, cases[i].len, 100, -1, &result);
		ck_assert_int_eq(result.r, 0);
		ck_assert_uint_eq(result.len, 5);
		ck_assert_mem_eq(result.text, "hello", 5);
		ck_assert_uint_eq(result.done.done.compression, cases[i].compression);
		ck_assert_str_eq(result.done.done.diff_id, HELLO);
		ck_assert_uint_eq(result.done.done.size, cases[i].len);
		ck_assert_uint_eq(result.done.done.raw_size, 5);
	}
}
END_TEST

START_TEST(members_follow_each_other)
{
	unsigned char two[2 * sizeof gzip_hello];
	struct result result;

	memcpy(two, gzip_hello, sizeof gzip_hello);
	memcpy(two + sizeof gzip_hello, gzip_hello, sizeof gzip_hello);
	run_stream(two, sizeof two, 100, -1, &result);
	ck_assert_int_eq(result.r, 0);
	ck_assert_uint_eq(result.len, 10);
	ck_assert_mem_eq(result.text, "hellohello", 10);
}
END_TEST

START_TEST(every_truncation_is_an_error)
{
	struct result result;

	for (size_t len = 2; len < sizeof gzip_hello; len++) {
		run_stream(gzip_hello, len, 100, -1, &result);
		ck_assert_msg(result.r < 0, "gzip cut to %zu", len);
		ck_assert_int_eq(result.err.kind, HOY_ERR_INVALID);
	}
	for (size_t len = 4; len < sizeof zstd_hello; len++) {
		run_stream(zstd_hello, len, 100, -1, &result);
		ck_assert_msg(result.r < 0, "zstd cut to %zu", len);
	}
}
END_TEST

START_TEST(a_wrong_checksum_and_garbage_behind_are_errors)
{
	unsigned char data[sizeof gzip_hello + 4];
	struct result result;

	memcpy(data, gzip_hello, sizeof gzip_hello);
	data[sizeof gzip_hello - 6] ^= 1;
	run_stream(data, sizeof gzip_hello, 100, -1, &result);
	ck_assert_int_lt(result.r, 0);
	memcpy(data, gzip_hello, sizeof gzip_hello);
	memcpy(data + sizeof gzip_hello, "junk", 4);
	run_stream(data, sizeof data, 100, -1, &result);
	ck_assert_int_lt(result.r, 0);
}
END_TEST

START_TEST(more_than_the_limit_is_an_error)
{
	struct result result;

	run_stream(gzip_hello, sizeof gzip_hello, 4, -1, &result);
	ck_assert_int_lt(result.r, 0);
	ck_assert_ptr_nonnull(strstr(result.err.msg, "larger than 4 bytes"));
	run_stream("hello", 5, 5, -1, &result);
	ck_assert_int_eq(result.r, 0);
}
END_TEST

START_TEST(the_copy_is_the_input)
{
	auto_fd int copy = memfd_create("copy", MFD_CLOEXEC);
	unsigned char got[64];
	struct result result;

	run_stream(gzip_hello, sizeof gzip_hello, 100, copy, &result);
	ck_assert_int_eq(result.r, 0);
	ck_assert_int_eq(pread(copy, got, sizeof got, 0), sizeof gzip_hello);
	ck_assert_mem_eq(got, gzip_hello, sizeof gzip_hello);
}
END_TEST

START_TEST(other_compressions_are_named)
{
	struct result result;

	run_stream("BZh91AY&SY", 10, 100, -1, &result);
	ck_assert_int_eq(result.err.kind, HOY_ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(result.err.msg, "bzip2"));
}
END_TEST

Suite *suite_layer_stream(void)
{
	const TTest *const tests[] = { plain_gzip_and_zstd_are_told_by_their_first_bytes, members_follow_each_other,
		every_truncation_is_an_error, a_wrong_checksum_and_garbage_behind_are_errors,
		more_than_the_limit_is_an_error, the_copy_is_the_input, other_compressions_are_named };

	return hoy_unit_suite("layer stream", tests, ARRAY_LEN(tests));
}
