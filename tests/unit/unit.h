/* Every unit test file gives one suite; test_<room>.c runs them and prints what libcheck found. */
#ifndef HOY_TESTS_UNIT_H
#define HOY_TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

typedef Suite *(*hoy_suite_fn)(void);

/* Runs the suites; the exit code of main. */
int hoy_unit_run(const hoy_suite_fn *suites, size_t n);

/* One suite with one case that holds `tests`. */
Suite *hoy_unit_suite(const char *name, const TTest *const *tests, size_t n);

#endif
