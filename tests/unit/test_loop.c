/* base/loop.c and base/process.c */
#include "base/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "tests/unit/unit.h"

Suite *suite_loop(void);

struct seen {
	struct hoy_loop *loop;
	struct hoy_source *a, *b;
	char order[16];
	int status;
};

static void note(struct seen *seen, char c)
{
	size_t n = strlen(seen->order);

	if (n + 1 < sizeof seen->order)
		seen->order[n] = c;
}

static void on_first(struct hoy_source *source, void *userdata)
{
	struct seen *seen = userdata;

	note(seen, '1');
	seen->b = hoy_source_free(seen->b); /* the other one, due in the same round */
	hoy_source_free(source);
	seen->a = NULL;
}

static void on_second(struct hoy_source *source, void *userdata)
{
	(void) source;
	note(userdata, '2');
}

static void on_stop(struct hoy_source *source, void *userdata)
{
	struct seen *seen = userdata;

	(void) source;
	hoy_loop_exit(seen->loop, 7);
}

START_TEST(a_source_may_free_itself_and_others_in_its_handler)
{
	struct seen seen = {};
	struct hoy_source *stop;

	ck_assert_int_eq(hoy_loop_new(&seen.loop, NULL), 0);
	ck_assert_int_eq(hoy_loop_timer(seen.loop, &seen.b, 0, on_second, &seen, NULL), 0);
	ck_assert_int_eq(hoy_loop_timer(seen.loop, &seen.a, 0, on_first, &seen, NULL), 0);
	ck_assert_int_eq(hoy_loop_timer(seen.loop, &stop, 20000000, on_stop, &seen, NULL), 0);
	ck_assert_int_eq(hoy_loop_run(seen.loop, NULL), 7);
	ck_assert_str_eq(seen.order, "1");
	hoy_source_free(stop);
	hoy_loop_free(seen.loop);
}
END_TEST

static void on_output(struct hoy_source *source, uint32_t events, void *userdata)
{
	char c;

	(void) events;
	if (read(hoy_source_fd(source), &c, 1) == 1)
		note(userdata, c);
}

static void on_exit_of_child(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct seen *seen = userdata;

	(void) source;
	seen->status = hoy_process_status(si);
	note(seen, 'x');
	hoy_loop_exit(seen->loop, 0);
}

START_TEST(output_is_seen_before_the_exit)
{
	struct seen seen = {};
	char *const argv[] = { "sh", "-c", "echo o >&5; exit 3", NULL };
	int pipes[2], fds[6] = { -1, -1, -1, -1, -1, -1 };
	pid_t pid;

	ck_assert_int_eq(hoy_loop_new(&seen.loop, NULL), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	fds[5] = pipes[1];
	ck_assert_int_eq(hoy_process_spawn(&(struct hoy_spawn){ .path = "sh", .argv = argv, .fds = fds, .n_fds = 6 },
				 &pid, NULL, NULL),
		0);
	usleep(200000); /* both are ready in one round */
	ck_assert_int_eq(hoy_loop_child(seen.loop, &seen.a, pid, on_exit_of_child, &seen, NULL), 0);
	ck_assert_int_eq(hoy_loop_io(seen.loop, &seen.b, pipes[0], EPOLLIN, on_output, &seen, NULL), 0);
	ck_assert_int_eq(hoy_loop_run(seen.loop, NULL), 0);
	ck_assert_str_eq(seen.order, "ox");
	ck_assert_int_eq(seen.status, 3);
	hoy_source_free(seen.a);
	hoy_source_free(seen.b);
	hoy_loop_free(seen.loop);
}
END_TEST

START_TEST(a_failed_exec_is_an_error_of_spawn)
{
	char *const argv[] = { "x", NULL };
	struct hoy_err err;
	pid_t pid;

	ck_assert_int_eq(
		hoy_process_spawn(&(struct hoy_spawn){ .path = "/nonexistent/x", .argv = argv }, &pid, NULL, &err),
		-ENOENT);
	ck_assert_str_eq(hoy_err_str(&err), "exec '/nonexistent/x': No such file or directory");
	ck_assert_int_eq(
		hoy_process_spawn(&(struct hoy_spawn){ .path = "/", .argv = argv }, &pid, NULL, &err), -EACCES);
}
END_TEST

START_TEST(run_collects_output_and_status)
{
	char *const argv[] = { "sh", "-c", "echo out; echo err >&2; kill -9 $$", NULL };
	auto_free char *output = NULL;
	int status;

	ck_assert_int_eq(
		hoy_process_run(&(struct hoy_spawn){ .path = "sh", .argv = argv }, 1024, &output, &status, NULL), 0);
	ck_assert_str_eq(output, "out\nerr\n");
	ck_assert_int_eq(status, 137);
}
END_TEST

Suite *suite_loop(void)
{
	const TTest *const tests[] = { a_source_may_free_itself_and_others_in_its_handler,
		output_is_seen_before_the_exit, a_failed_exec_is_an_error_of_spawn, run_collects_output_and_status };

	return hoy_unit_suite("loop", tests, ARRAY_LEN(tests));
}
