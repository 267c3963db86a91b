/* runtime/criu: the reason in a log, the request as text. */
#include "runtime/criu/log.h"

#include <string.h>

#include "base/str.h"
#include "runtime/criu/request.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_criu(void);

static char *reason_of(const char *log)
{
	return hoy_criu_log_reason(log, strlen(log));
}

START_TEST(the_first_error_is_the_reason)
{
	auto_free char *reason = reason_of("(00.078) Warn  (criu/x.c:1): not this\n"
					   "(00.079) Error (criu/vdso.c:381): vdso: Unexpected bounds\n"
					   "(00.080) Error (criu/vdso.c:613): vdso: Failed to fill\n");

	ck_assert_str_eq(reason, "vdso: Unexpected bounds");
}
END_TEST

START_TEST(errors_of_the_feature_tests_count_only_when_nothing_failed_later)
{
	static const char early[] = "Error (criu/util.c:627): execvp(\"iptables\") failed\n"
				    "(00.1) Error (criu/util.c:642): exited, status=1\n";
	auto_free char *text = hoy_str_printf("%s(00.2) Dumping processes (pid: 7 comm: x)\n"
					      "(00.3)      1: Error (criu/sk-inet.c:188): inet: Connected TCP socket\n"
					      "(00.4) Error (criu/cr-dump.c:2053): Dumping FAILED.\n",
		early);
	auto_free char *late = reason_of(text), *alone = reason_of(early);

	ck_assert_str_eq(late, "inet: Connected TCP socket");
	ck_assert_str_eq(alone, "execvp(\"iptables\") failed");
}
END_TEST

START_TEST(a_log_without_errors_has_no_reason)
{
	ck_assert_ptr_null(reason_of(""));
	ck_assert_ptr_null(reason_of("(00.1) cg: a group called Error (x): y\n(00.2) Error (criu"));
}
END_TEST

START_TEST(a_request_comes_back_as_it_was)
{
	static char root[] = "/r", log[] = "dump.log", key[] = "pipe:[7]", external[] = "mnt[/a]:/a";
	char *externals[] = { external, NULL };
	struct hoy_criu_fd_name fd = { key, 2 };
	struct hoy_criu_request request = { .action = HOY_CRIU_PRE_DUMP,
		.pid = 77,
		.root = root,
		.log = log,
		.log_path = log,
		.tcp_established = true,
		.cgroup_mode = 3,
		.external = externals,
		.inherit = &fd,
		.n_inherit = 1 };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_criu_request *back;

	ck_assert_int_eq(hoy_field_print(&hoy_criu_request_object, &request, &text, 0, NULL), 0);
	ck_assert_int_eq(
		hoy_field_parse(&hoy_criu_request_object, text.data, text.len, NULL, (void **) &back, NULL), 0);
	ck_assert_int_eq(back->action, HOY_CRIU_PRE_DUMP);
	ck_assert_int_eq(back->pid, 77);
	ck_assert_str_eq(back->root, "/r");
	ck_assert(back->tcp_established && !back->leave_running);
	ck_assert_uint_eq(back->cgroup_mode, 3);
	ck_assert_str_eq(back->external[0], external);
	ck_assert_uint_eq(back->n_inherit, 1);
	ck_assert_str_eq(back->inherit[0].key, key);
	ck_assert_uint_eq(back->inherit[0].fd, 2);
	hoy_field_free(&hoy_criu_request_object, back);
}
END_TEST

Suite *suite_runtime_criu(void)
{
	const TTest *const tests[] = {
		the_first_error_is_the_reason,
		errors_of_the_feature_tests_count_only_when_nothing_failed_later,
		a_log_without_errors_has_no_reason,
		a_request_comes_back_as_it_was,
	};

	return hoy_unit_suite("runtime criu", tests, ARRAY_LEN(tests));
}
