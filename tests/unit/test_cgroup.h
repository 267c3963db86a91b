/* The suites of test-cgroup that are in files of their own. */
#ifndef HOY_TESTS_TEST_CGROUP_H
#define HOY_TESTS_TEST_CGROUP_H

#include <check.h>

Suite *hoy_test_cgroup_devices(void);
Suite *hoy_test_cgroup_stats(void);

#endif
