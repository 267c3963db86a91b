/* runtime/alloc.c: the allocator of the static hoyrun. */
#include "runtime/alloc.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "base/defs.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_alloc(void);

static bool is_filled(const unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != with)
			return false;
	return true;
}

START_TEST(blocks_of_all_sizes_stay_apart)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 127, 128, 129, 160, 161, 1000, 4096, 5000, 65536, 131071,
		131072, 131073, 1000000 };
	unsigned char *p[ARRAY_LEN(sizes)];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		p[i] = hoy_alloc(sizes[i]);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq((uintptr_t) p[i] % 16, 0);
		memset(p[i], (int) i + 1, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		ck_assert(is_filled(p[i], sizes[i], (unsigned char) (i + 1)));
		hoy_alloc_free(p[i]);
	}
	hoy_alloc_free(NULL);
}
END_TEST

START_TEST(what_is_freed_is_used_again_and_zeroed_when_asked)
{
	unsigned char *first = hoy_alloc(100), *p;

	memset(first, 0xff, 100);
	hoy_alloc_free(first);
	p = hoy_alloc_zeroed(10, 10);
	ck_assert_ptr_eq(p, first);
	ck_assert(is_filled(p, 100, 0));
	hoy_alloc_free(p);
	for (int i = 0; i < 100000; i++) { /* 13 GB, one after the other */
		p = hoy_alloc(i % 2 ? 130000 : 140000);
		ck_assert_ptr_nonnull(p);
		p[0] = 1;
		hoy_alloc_free(p);
	}
}
END_TEST

START_TEST(growing_keeps_what_was_there)
{
	unsigned char *p = NULL, *other;

	for (size_t n = 1; n < 400000; n = n * 5 / 4 + 1) {
		p = hoy_alloc_resize(p, n);
		ck_assert_ptr_nonnull(p);
		p[n - 1] = 7;
		other = hoy_alloc(n % 50); /* so that it is not always the last block */
		if (n % 2)
			hoy_alloc_free(other);
		for (size_t i = 1, at = 1; at < n; at = at * 5 / 4 + 1, i++)
			ck_assert_uint_eq(p[at - 1], 7);
	}
	ck_assert_ptr_eq(hoy_alloc_resize(p, 1), p);
	hoy_alloc_free(p);
}
END_TEST

START_TEST(too_much_is_refused)
{
	struct rlimit old, few = { .rlim_cur = 64 << 20 };
	void *p;

	errno = 0;
	ck_assert_ptr_null(hoy_alloc(SIZE_MAX));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(hoy_alloc(SIZE_MAX - 64));
	ck_assert_ptr_null(hoy_alloc_zeroed(SIZE_MAX / 2, 4));
	p = hoy_alloc(100);
	ck_assert_ptr_null(hoy_alloc_resize(p, PTRDIFF_MAX));
	hoy_alloc_free(p);

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &old), 0);
	few.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &few), 0);
	errno = 0;
	while (hoy_alloc(100000))
		;
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &old), 0);
}
END_TEST

/* The runner has forked for this test. */
START_TEST(a_forked_child_touches_no_old_block)
{
	unsigned char *old = hoy_alloc(100), *freed = hoy_alloc(100), *p;

	memset(old, 1, 100);
	hoy_alloc_free(freed);
	hoy_alloc_forked();
	p = hoy_alloc_zeroed(1, 100);
	ck_assert(p != freed && is_filled(p, 100, 0));
	hoy_alloc_free(old);
	ck_assert(is_filled(old, 100, 1));
	ck_assert_ptr_ne(hoy_alloc(100), old);
}
END_TEST

START_TEST(freeing_twice_ends_the_program)
{
	void *p = hoy_alloc(100);

	hoy_alloc_free(p);
	hoy_alloc_free(p);
}
END_TEST

START_TEST(a_write_beyond_the_end_ends_the_program)
{
	unsigned char *p = hoy_alloc(96), *behind = hoy_alloc(96);
	volatile size_t n = 100;

	memset(p, 1, n);
	hoy_alloc_free(behind);
}
END_TEST

Suite *suite_runtime_alloc(void)
{
	const TTest *const tests[] = { blocks_of_all_sizes_stay_apart,
		what_is_freed_is_used_again_and_zeroed_when_asked, growing_keeps_what_was_there, too_much_is_refused,
		a_forked_child_touches_no_old_block };
	const TTest *const ends[] = { freeing_twice_ends_the_program, a_write_beyond_the_end_ends_the_program };
	Suite *suite = hoy_unit_suite("runtime alloc", tests, ARRAY_LEN(tests));
	TCase *tc = tcase_create("ends");

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		tcase_add_test_raise_signal(tc, ends[i], SIGABRT);
	suite_add_tcase(suite, tc);
	return suite;
}
