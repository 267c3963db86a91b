/* Histograms of metrics-addr. */
#include <string.h>

#include "base/buf.h"
#include "supervisor/api/metrics.h"
#include "tests/unit/unit.h"

Suite *suite_metrics(void);

START_TEST(buckets_hold_all_that_was_no_longer)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_metric_times times = {};

	hoy_metric_times_add(&times, 5000000); /* 5 ms: its upper bound counts */
	hoy_metric_times_add(&times, 5000001);
	hoy_metric_times_add(&times, 60000000000ULL); /* a minute: in none but the last */
	hoy_metric_times_print(&times, "x_seconds", "action=\"start\"", &text);
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_bucket{action=\"start\",le=\"0.005\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_bucket{action=\"start\",le=\"0.01\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_bucket{action=\"start\",le=\"10\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_bucket{action=\"start\",le=\"+Inf\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_sum{action=\"start\"} 60.010000001\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "x_seconds_count{action=\"start\"} 3\n"));
}
END_TEST

Suite *suite_metrics(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("metrics");

	tcase_add_test(tcase, buckets_hold_all_that_was_no_longer);
	suite_add_tcase(suite, tcase);
	return suite;
}
