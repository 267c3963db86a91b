/* base/str.c */
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "tests/unit/unit.h"

Suite *suite_str(void);

START_TEST(numbers_are_strict)
{
	uint64_t u;
	int64_t i;
	mode_t mode;

	ck_assert_int_eq(hoy_str_to_u64("18446744073709551615", &u), 0);
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert_int_eq(hoy_str_to_u64("18446744073709551616", &u), -ERANGE);
	ck_assert_int_eq(hoy_str_to_u64("-1", &u), -EINVAL);
	ck_assert_int_eq(hoy_str_to_u64(" 1", &u), -EINVAL);
	ck_assert_int_eq(hoy_str_to_u64("", &u), -EINVAL);
	ck_assert_int_eq(hoy_str_to_i64("-9223372036854775808", &i), 0);
	ck_assert_int_eq(hoy_str_to_i64("--1", &i), -EINVAL);
	ck_assert_int_eq(hoy_str_to_mode("0755", &mode), 0);
	ck_assert_int_eq(mode, 0755);
	ck_assert_int_eq(hoy_str_to_mode("888", &mode), -EINVAL);
}
END_TEST

START_TEST(sizes_are_what_docker_takes)
{
	int64_t n;

	ck_assert_int_eq(hoy_str_to_bytes("64m", &n), 0);
	ck_assert_int_eq(n, 64 << 20);
	ck_assert_int_eq(hoy_str_to_bytes("1.5GiB", &n), 0);
	ck_assert_int_eq(n, 3LL << 29);
	ck_assert_int_eq(hoy_str_to_bytes("10kB", &n), 0);
	ck_assert_int_eq(n, 10240);
	ck_assert_int_eq(hoy_str_to_bytes("0x10", &n), -EINVAL);
	ck_assert_int_eq(hoy_str_to_bytes("10q", &n), -EINVAL);
	ck_assert_int_eq(hoy_str_to_bytes("-1", &n), -EINVAL);
	ck_assert_int_eq(hoy_str_to_bytes("99999999999p", &n), -ERANGE);
}
END_TEST

START_TEST(durations_are_what_go_takes)
{
	int64_t ns;

	ck_assert_int_eq(hoy_str_to_duration("1h30m", &ns), 0);
	ck_assert_int_eq(ns, 5400LL * 1000000000);
	ck_assert_int_eq(hoy_str_to_duration("1.5s", &ns), 0);
	ck_assert_int_eq(ns, 1500000000);
	ck_assert_int_eq(hoy_str_to_duration("10", &ns), -EINVAL);
}
END_TEST

START_TEST(signals_have_names_and_numbers)
{
	ck_assert_int_eq(hoy_signal_from_string("TERM"), SIGTERM);
	ck_assert_int_eq(hoy_signal_from_string("sigkill"), SIGKILL);
	ck_assert_int_eq(hoy_signal_from_string("9"), 9);
	ck_assert_int_eq(hoy_signal_from_string("RTMIN+3"), 37);
	ck_assert_int_eq(hoy_signal_from_string("SIGRTMAX"), 64);
	ck_assert_int_eq(hoy_signal_from_string("0"), -EINVAL);
	ck_assert_int_eq(hoy_signal_from_string("NOPE"), -EINVAL);
	ck_assert_str_eq(hoy_signal_to_string(SIGINT), "SIGINT");
}
END_TEST

START_TEST(vectors_grow_and_environments_replace)
{
	auto_ptr(hoy_strv_free) char **v = NULL;

	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(hoy_strv_addf(&v, "K%d=%d", i, i), 0);
	ck_assert_uint_eq(hoy_strv_len(v), 100);
	ck_assert_int_eq(hoy_env_set(&v, "K7=new"), 0);
	ck_assert_uint_eq(hoy_strv_len(v), 100);
	ck_assert_str_eq(hoy_env_get(v, "K7"), "new");
	ck_assert_ptr_null(hoy_env_get(v, "K"));
	hoy_env_unset(v, "K7");
	hoy_env_unset(v, "K");
	ck_assert_uint_eq(hoy_strv_len(v), 99);
	ck_assert_ptr_null(hoy_env_get(v, "K7"));
	ck_assert_str_eq(hoy_env_get(v, "K99"), "99");
}
END_TEST

START_TEST(a_vector_made_elsewhere_can_grow)
{
	for (size_t n = 0; n < 9; n++) {
		auto_ptr(hoy_strv_free) char **v = NULL, **copy = NULL;

		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(hoy_strv_add(&v, "x"), 0);
		copy = v ? hoy_strv_copy(v) : NULL;
		for (size_t i = 0; i < 5; i++)
			ck_assert_int_eq(hoy_strv_add(&copy, "y"), 0);
		ck_assert_uint_eq(hoy_strv_len(copy), n + 5);
	}
}
END_TEST

START_TEST(times_survive_a_round_trip)
{
	struct timespec ts = { .tv_sec = 1763715006, .tv_nsec = 123456789 }, back;
	char text[HOY_TIME_MAX];

	hoy_time_format(&ts, text);
	ck_assert_str_eq(text, "2025-11-21T08:50:06.123456789Z");
	ck_assert_int_eq(hoy_time_parse(text, &back), 0);
	ck_assert_int_eq(back.tv_sec, ts.tv_sec);
	ck_assert_int_eq(back.tv_nsec, ts.tv_nsec);
	ck_assert_int_eq(hoy_time_parse("2025-11-21T10:50:06+02:00", &back), 0);
	ck_assert_int_eq(back.tv_sec, ts.tv_sec);
	ck_assert_int_eq(hoy_time_parse("2025-11-21", &back), -EINVAL);
}
END_TEST

Suite *suite_str(void)
{
	const TTest *const tests[] = { numbers_are_strict, sizes_are_what_docker_takes, durations_are_what_go_takes,
		signals_have_names_and_numbers, vectors_grow_and_environments_replace, a_vector_made_elsewhere_can_grow,
		times_survive_a_round_trip };

	return hoy_unit_suite("str", tests, ARRAY_LEN(tests));
}
