/* shim/audience.c, outlet.c, inlet.c, pump.c, reaper.c on pipes and sockets */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"
#include "shim/audience.h"
#include "shim/inlet.h"
#include "shim/outlet.h"
#include "shim/pump.h"
#include "shim/reaper.h"
#include "tests/unit/unit.h"

Suite *suite_shim_streams(void);

struct stage {
	struct hoy_loop *loop;
	size_t lingering;
	struct hoy_audience *audience;
	struct hoy_inlet *inlet;
	struct hoy_outlet *outlet;
	int client; /* far end of an attached stream */
	int output; /* write end of the process */
	int input;  /* read end of the process */
	int ended;
};

static void on_audience_ready(void *userdata)
{
	hoy_outlet_ready(((struct stage *) userdata)->outlet);
}

static void on_inlet_ready(void *userdata)
{
	hoy_audience_inlet_ready(((struct stage *) userdata)->audience);
}

static void on_end(void *userdata)
{
	struct stage *stage = userdata;

	stage->ended++;
	hoy_audience_end(stage->audience);
}

static void turn(struct stage *stage, int rounds)
{
	for (int i = 0; i < rounds; i++)
		ck_assert_int_ge(hoy_loop_run_once(stage->loop, 5, NULL), 0);
}

static void setup(struct stage *stage, const struct hoy_audience_client *how, bool once)
{
	int output[2], input[2], pair[2];

	*stage = (struct stage){ .client = -1 };
	ck_assert_int_eq(hoy_loop_new(&stage->loop, NULL), 0);
	ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stage->output = output[1];
	stage->input = input[0];
	stage->client = pair[0];
	ck_assert_int_eq(hoy_fd_set_nonblocking(stage->input, true), 0);
	ck_assert_int_eq(hoy_fd_set_nonblocking(stage->client, true), 0);
	ck_assert_int_eq(
		hoy_audience_new(stage->loop, on_audience_ready, stage, &stage->lingering, &stage->audience, NULL), 0);
	ck_assert_int_eq(hoy_inlet_new(stage->loop, input[1], on_inlet_ready, stage, &stage->inlet, NULL), 0);
	hoy_audience_set_inlet(stage->audience, stage->inlet, once);
	ck_assert_int_eq(hoy_outlet_new(stage->loop, output[0], HOY_OUTPUT_STDOUT, /* log= */ NULL, stage->audience,
				 on_end, stage, &stage->outlet, NULL),
		0);
	ck_assert_int_eq(hoy_outlet_start(stage->outlet, NULL), 0);
	ck_assert_int_eq(hoy_audience_add(stage->audience, pair[1], how, NULL, 0, NULL), 0);
}

static void teardown(struct stage *stage)
{
	hoy_outlet_free(stage->outlet);
	hoy_audience_free(stage->audience);
	hoy_inlet_free(stage->inlet);
	hoy_loop_free(stage->loop);
	hoy_fd_close(&stage->client);
	hoy_fd_close(&stage->output);
	hoy_fd_close(&stage->input);
}

START_TEST(output_is_framed)
{
	struct stage stage;
	char got[64];

	setup(&stage, &(struct hoy_audience_client){ .stdout_ = true, .framed = true }, false);
	ck_assert_int_eq(write(stage.output, "hello", 5), 5);
	turn(&stage, 2);
	ck_assert_int_eq(read(stage.client, got, sizeof got), 13);
	ck_assert_mem_eq(got, "\1\0\0\0\0\0\0\5hello", 13);
	hoy_fd_close(&stage.output);
	turn(&stage, 2);
	ck_assert_int_eq(stage.ended, 1);
	ck_assert_int_eq(read(stage.client, got, sizeof got), 0);
	teardown(&stage);
}
END_TEST

/* The process writes; a client that does not read stops it, nothing is lost when it reads at last. */
START_TEST(a_slow_reader_bounds_what_is_kept_and_loses_nothing)
{
	char block[4096], got[65536];
	struct stage stage;
	size_t written = 0, seen = 0;

	memset(block, 'x', sizeof block);
	setup(&stage, &(struct hoy_audience_client){ .stdout_ = true }, false);
	ck_assert_int_eq(hoy_fd_set_nonblocking(stage.output, true), 0);
	for (int i = 0; i < 1000; i++) {
		ssize_t n = write(stage.output, block, sizeof block);

		if (n > 0)
			written += (size_t) n;
		turn(&stage, 1);
	}
	ck_assert_uint_lt(written, 1 << 20);
	hoy_fd_close(&stage.output);
	for (int i = 0; i < 1000; i++) {
		ssize_t n = read(stage.client, got, sizeof got);

		turn(&stage, 1);
		if (n == 0)
			break;
		if (n > 0)
			seen += (size_t) n;
	}
	ck_assert_uint_eq(seen, written);
	teardown(&stage);
}
END_TEST

START_TEST(a_client_gets_the_rest_after_the_process_is_forgotten)
{
	char block[65536], got[65536];
	struct stage stage;
	size_t seen = 0;
	ssize_t n;

	memset(block, 'x', sizeof block);
	setup(&stage, &(struct hoy_audience_client){ .stdout_ = true }, false);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(write(stage.output, block, sizeof block), sizeof block);
		turn(&stage, 4);
		if (hoy_audience_is_full(stage.audience))
			break;
	}
	hoy_fd_close(&stage.output);
	hoy_outlet_process_exited(stage.outlet);
	turn(&stage, 8);
	ck_assert_int_eq(stage.ended, 1);
	hoy_outlet_free(stage.outlet);
	hoy_audience_free(stage.audience);
	stage.outlet = NULL;
	stage.audience = NULL;
	ck_assert_uint_eq(stage.lingering, 1);
	for (int i = 0; i < 1000; i++) {
		n = read(stage.client, got, sizeof got);
		turn(&stage, 1);
		if (n == 0)
			break;
		if (n > 0)
			seen += (size_t) n;
	}
	ck_assert_uint_ge(seen, 3 * sizeof block);
	ck_assert_uint_eq(seen % sizeof block, 0);
	ck_assert_uint_eq(stage.lingering, 0);
	teardown(&stage);
}
END_TEST

START_TEST(half_close_ends_the_input_of_once_and_keeps_the_output)
{
	struct stage stage;
	char got[16];

	setup(&stage, &(struct hoy_audience_client){ .stdin_ = true, .stdout_ = true }, true);
	ck_assert_int_eq(write(stage.client, "in", 2), 2);
	turn(&stage, 2);
	ck_assert_int_eq(read(stage.input, got, sizeof got), 2);
	ck_assert_int_eq(shutdown(stage.client, SHUT_WR), 0);
	turn(&stage, 3);
	ck_assert_int_eq(read(stage.input, got, sizeof got), 0);
	ck_assert_int_eq(write(stage.output, "out", 3), 3);
	turn(&stage, 2);
	ck_assert_int_eq(read(stage.client, got, sizeof got), 3);
	teardown(&stage);
}
END_TEST

START_TEST(input_stays_open_without_once)
{
	struct stage stage;
	char got[16];

	setup(&stage, &(struct hoy_audience_client){ .stdin_ = true }, false);
	hoy_fd_close(&stage.client);
	turn(&stage, 3);
	ck_assert_int_eq(read(stage.input, got, sizeof got), -1);
	ck_assert_int_eq(errno, EAGAIN);
	hoy_inlet_close(stage.inlet);
	ck_assert_int_eq(read(stage.input, got, sizeof got), 0);
	teardown(&stage);
}
END_TEST

START_TEST(much_input_waits_for_a_process_that_does_not_read)
{
	auto_(hoy_buf_done) struct hoy_buf all = {};
	struct stage stage;
	size_t sent = 0;
	char block[4096];

	memset(block, 'i', sizeof block);
	setup(&stage, &(struct hoy_audience_client){ .stdin_ = true }, true);
	for (int i = 0; i < 500; i++) {
		ssize_t n = write(stage.client, block, sizeof block);

		if (n > 0)
			sent += (size_t) n;
		turn(&stage, 1);
	}
	ck_assert_uint_lt(sent, 2 << 20);
	ck_assert_int_eq(shutdown(stage.client, SHUT_WR), 0);
	for (int i = 0; i < 2000; i++) {
		ssize_t n = read(stage.input, hoy_buf_reserve(&all, sizeof block), sizeof block);

		if (n == 0)
			break;
		if (n > 0)
			hoy_buf_commit(&all, (size_t) n);
		turn(&stage, 1);
	}
	ck_assert_uint_eq(all.len, sent);
	teardown(&stage);
}
END_TEST

START_TEST(detach_keys_end_the_client_only)
{
	struct stage stage;
	char got[16];

	setup(&stage, &(struct hoy_audience_client){ .stdin_ = true, .detach_keys = "ctrl-p,ctrl-q" }, true);
	ck_assert_int_eq(write(stage.client, "a\x10\x11", 3), 3);
	turn(&stage, 2);
	ck_assert_int_eq(read(stage.client, got, sizeof got), 0);
	ck_assert_int_eq(read(stage.input, got, sizeof got), 1);
	ck_assert_int_eq(read(stage.input, got, sizeof got), -1); /* still open */
	teardown(&stage);
}
END_TEST

static void on_pump_end(void *userdata)
{
	++*(int *) userdata;
}

static void check_pump(int from, int feed, int to, int sink)
{
	struct hoy_loop *loop;
	struct hoy_pump *pump;
	char block[8192] = { 'p' }, got[65536];
	size_t sent = 0, seen = 0;
	int ended = 0;

	ck_assert_int_eq(hoy_loop_new(&loop, NULL), 0);
	ck_assert_int_eq(hoy_fd_set_nonblocking(feed, true), 0);
	ck_assert_int_eq(hoy_fd_set_nonblocking(sink, true), 0);
	ck_assert_int_eq(hoy_pump_new(loop, from, to, on_pump_end, &ended, &pump, NULL), 0);
	for (int i = 0; i < 200; i++) { /* nobody reads: it stops by itself */
		ssize_t n = write(feed, block, sizeof block);

		sent += n > 0 ? (size_t) n : 0;
		ck_assert_int_ge(hoy_loop_run_once(loop, 1, NULL), 0);
	}
	ck_assert_uint_lt(sent, 1 << 20);
	(void) close(feed);
	for (int i = 0; i < 1000 && seen < sent; i++) {
		ssize_t n = read(sink, got, sizeof got);

		seen += n > 0 ? (size_t) n : 0;
		ck_assert_int_ge(hoy_loop_run_once(loop, 1, NULL), 0);
	}
	for (int i = 0; i < 10 && !ended; i++)
		ck_assert_int_ge(hoy_loop_run_once(loop, 10, NULL), 0);
	ck_assert_uint_eq(seen, sent);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(read(sink, got, sizeof got), 0);
	hoy_pump_free(pump);
	hoy_loop_free(loop);
	(void) close(sink);
}

START_TEST(a_pump_moves_everything_between_pipes)
{
	int from[2], to[2];

	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	check_pump(from[0], from[1], to[1], to[0]);
}
END_TEST

START_TEST(a_pump_moves_everything_from_a_socket)
{
	int from[2], to[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, from), 0);
	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	check_pump(from[0], from[1], to[1], to[0]);
}
END_TEST

START_TEST(a_pump_drains_what_nobody_wants)
{
	struct hoy_loop *loop;
	struct hoy_pump *pump;
	char block[8192] = { 0 };
	int from[2], to[2], ended = 0;
	size_t sent = 0;

	ck_assert_int_eq(hoy_loop_new(&loop, NULL), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	ck_assert_int_eq(hoy_pump_new(loop, from[0], to[1], on_pump_end, &ended, &pump, NULL), 0);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) close(to[0]);
	while (sent < 1 << 20) {
		ssize_t n = write(from[1], block, sizeof block);

		sent += n > 0 ? (size_t) n : 0;
		ck_assert_int_ge(hoy_loop_run_once(loop, 10, NULL), 0);
	}
	(void) close(from[1]);
	while (!ended)
		ck_assert_int_ge(hoy_loop_run_once(loop, 10, NULL), 0);
	hoy_pump_free(pump);
	hoy_loop_free(loop);
}
END_TEST

struct exits {
	int n;
	int status;
};

static void on_child(void *userdata, const siginfo_t *si)
{
	struct exits *exits = userdata;

	exits->n++;
	exits->status = hoy_process_status(si);
}

START_TEST(an_exit_before_the_watch_is_remembered)
{
	char *const argv[] = { "sh", "-c", "exit 3", NULL };
	struct exits exits = {};
	struct hoy_reaper *reaper;
	struct hoy_watch *watch;
	struct hoy_loop *loop;
	pid_t pid;

	ck_assert_int_eq(hoy_loop_new(&loop, NULL), 0);
	ck_assert_int_eq(hoy_reaper_new(loop, &reaper, NULL), 0);
	hoy_reaper_hold(reaper);
	ck_assert_int_eq(hoy_process_spawn(&(struct hoy_spawn){ .path = "sh", .argv = argv }, &pid, NULL, NULL), 0);
	while (kill(pid, 0) == 0)
		ck_assert_int_ge(hoy_loop_run_once(loop, 10, NULL), 0);
	ck_assert_int_eq(hoy_reaper_watch(reaper, pid, on_child, &exits, &watch, NULL), 0);
	ck_assert_int_eq(exits.n, 0);
	hoy_reaper_release(reaper);
	ck_assert_int_ge(hoy_loop_run_once(loop, 10, NULL), 0);
	ck_assert_int_eq(exits.n, 1);
	ck_assert_int_eq(exits.status, 3);
	hoy_reaper_free(reaper);
	hoy_loop_free(loop);
}
END_TEST

Suite *suite_shim_streams(void)
{
	const TTest *const tests[] = { output_is_framed, a_slow_reader_bounds_what_is_kept_and_loses_nothing,
		a_client_gets_the_rest_after_the_process_is_forgotten,
		half_close_ends_the_input_of_once_and_keeps_the_output, input_stays_open_without_once,
		much_input_waits_for_a_process_that_does_not_read, detach_keys_end_the_client_only,
		a_pump_moves_everything_between_pipes, a_pump_moves_everything_from_a_socket,
		a_pump_drains_what_nobody_wants, an_exit_before_the_watch_is_remembered };

	return hoy_unit_suite("shim streams", tests, ARRAY_LEN(tests));
}
