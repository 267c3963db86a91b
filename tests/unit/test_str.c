/* base/str.c, base/time.c, base/redact.c */
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/redact.h"
#include "base/time.h"
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
	ck_assert_int_eq(hoy_str_to_bytes("9223372036854775806", &n), 0);
	ck_assert_int_eq(n, INT64_MAX - 1);
	ck_assert_int_eq(hoy_str_to_bytes("9223372036854775807", &n), -ERANGE);
	ck_assert_int_eq(hoy_str_to_bytes("99999999999999999999999999999999999999999999999", &n), -ERANGE);
	ck_assert_int_eq(hoy_str_to_bytes(".5k", &n), 0);
	ck_assert_int_eq(n, 512);
	ck_assert_int_eq(hoy_str_to_bytes("0.333333333333333333333333333333333 g", &n), 0);
	ck_assert_int_eq(n, (1 << 30) / 3);
	ck_assert_int_eq(hoy_str_to_bytes(".", &n), -EINVAL);
	ck_assert_int_eq(hoy_str_to_bytes("1.2.3", &n), -EINVAL);
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
	ck_assert_int_eq(hoy_str_to_duration("-1.5h", &ns), 0);
	ck_assert_int_eq(ns, -5400LL * 1000000000);
	ck_assert_int_eq(hoy_str_to_duration("2562047h47m16.854775806s", &ns), 0);
	ck_assert_int_eq(ns, INT64_MAX - 1);
	ck_assert_int_eq(hoy_str_to_duration("2562048h", &ns), -ERANGE);
	ck_assert_int_eq(hoy_str_to_duration("1.2.3s", &ns), -EINVAL);
	ck_assert_int_eq(hoy_str_to_duration(".s", &ns), -EINVAL);
	ck_assert_int_eq(hoy_str_to_duration("s", &ns), -EINVAL);
	ck_assert_int_eq(hoy_str_to_duration("-", &ns), -EINVAL);
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
	ck_assert_int_eq(hoy_signal_from_string("sigrtmin+30"), 64);
	ck_assert_int_eq(hoy_signal_from_string("RTMAX-30"), 34);
	ck_assert_int_eq(hoy_signal_from_string("RTMIN-1"), -EINVAL);
	ck_assert_int_eq(hoy_signal_from_string("RTMIN+31"), -EINVAL);
	ck_assert_int_eq(hoy_signal_from_string("RTMIN+"), -EINVAL);
	ck_assert_int_eq(hoy_signal_from_string("SIGTERMINATE-EVERYTHING"), -EINVAL);
	ck_assert_int_eq(hoy_signal_from_string(""), -EINVAL);
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

START_TEST(times_are_what_libc_makes_of_them)
{
	const time_t step = 86400LL * 17 + 12345;

	for (time_t at = -62135596800; at <= 253402300799; at += step) {
		struct timespec ts = { .tv_sec = at }, back = { .tv_sec = 1 };
		char text[HOY_TIME_MAX], want[HOY_TIME_MAX];
		struct tm tm;

		gmtime_r(&at, &tm);
		(void) snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.000000000Z", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		hoy_time_format(&ts, text);
		ck_assert_str_eq(text, want);
		ck_assert_int_eq(hoy_time_parse(text, &back), 0);
		ck_assert_int_eq(back.tv_sec, at);
	}
}
END_TEST

START_TEST(times_are_taken_strictly)
{
	static const char *const bad[] = { "", "2025-11-21", "2025-11-21T08:50:06", "2025-1-21T08:50:06Z",
		"2025-13-01T08:50:06Z", "2025-02-29T08:50:06Z", "2025-00-01T08:50:06Z", "0000-01-01T00:00:00Z",
		"2025-11-21T24:00:00Z", "2025-11-21T08:50:06.Z", "2025-11-21T08:50:06ZZ", "2025-11-21T08:50:06+24:00",
		"2025-11-21T08:50:06+02:00x", "2025-11-21T08:50:06+0200", "+025-11-21T08:50:06Z",
		" 2025-11-21T08:50:06Z" };
	static const struct {
		const char *text;
		time_t at;
	} good[] = { { "2024-02-29t08:50:06z", 1709196606 }, { "2024-02-29 08:50:06.5-00:30", 1709198406 },
		{ "2016-12-31T23:59:60Z", 1483228800 }, { "0001-01-01T00:00:00Z", -62135596800 } };
	struct timespec ts = { .tv_sec = INT64_MAX }, back;
	char text[HOY_TIME_MAX];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(hoy_time_parse(bad[i], &back) == -EINVAL, "'%s' is taken", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(hoy_time_parse(good[i].text, &back) == 0, "'%s' is not taken", good[i].text);
		ck_assert_int_eq(back.tv_sec, good[i].at);
	}
	hoy_time_format(&ts, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.000000000Z");
}
END_TEST

START_TEST(urls_lose_their_credentials)
{
	static const struct {
		const char *text, *redacted;
	} rows[] = {
		{ "", "" },
		{ "ADD https://me:secret@host:8080/a@b /x", "ADD https://xxxxx@host:8080/a@b /x" },
		{ "Get \"http://token@h/\": no; ftp://a:b@c@d", "Get \"http://xxxxx@h/\": no; ftp://xxxxx@d" },
		{ "https://host/a@b https://host?a@b https://host#a@b",
			"https://host/a@b https://host?a@b https://host#a@b" },
		{ "ssh://git@host/x git@host:x", "ssh://git@host/x git@host:x" },
		{ "ssh://git:pass@host/x://", "ssh://xxxxx@host/x://" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = hoy_redact(rows[i].text);
		struct hoy_err err = { 0 };

		ck_assert_str_eq(text, rows[i].redacted);
		ck_assert_int_eq(hoy_has_credentials(rows[i].text), strcmp(text, rows[i].text) != 0);
		(void) hoy_err_invalid(&err, "%s", rows[i].text);
		hoy_err_redact(&err);
		ck_assert_str_eq(err.msg, rows[i].redacted);
	}
}
END_TEST

Suite *suite_str(void)
{
	const TTest *const tests[] = { numbers_are_strict, sizes_are_what_docker_takes, durations_are_what_go_takes,
		signals_have_names_and_numbers, vectors_grow_and_environments_replace, a_vector_made_elsewhere_can_grow,
		times_survive_a_round_trip, times_are_what_libc_makes_of_them, times_are_taken_strictly,
		urls_lose_their_credentials };

	return hoy_unit_suite("str", tests, ARRAY_LEN(tests));
}
