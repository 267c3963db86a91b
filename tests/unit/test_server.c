/* The HTTP server, driven over real unix sockets: answers, bodies, streams, hijack. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/api/server.h"
#include "tests/unit/unit.h"

Suite *suite_server(void);

#define BODY_LIMIT 1000

static struct {
	char dir[32], path[64], side_path[64];
	struct hoy_loop *loop;
	struct hoy_http_server *server;
	struct hoy_http_exchange *held; /* of /later and /stream */
	int gone, taken, sink, last_status;
	char extra[64];
} t;

static enum hoy_http_body on_head(void *userdata, struct hoy_http_exchange *x, size_t *ret_body_limit)
{
	(void) userdata;
	*ret_body_limit = BODY_LIMIT;
	if (!strcmp(hoy_http_target(x), "/missing"))
		hoy_http_reply(x, 404, NULL, NULL);
	return !strcmp(hoy_http_target(x), "/upload") ? HOY_HTTP_BODY_STREAM : HOY_HTTP_BODY_BUFFER;
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	(void) userdata;
	t.gone++;
}

static void on_taken(void *userdata, int fd, const void *extra, size_t extra_len)
{
	(void) userdata;
	t.taken = fd;
	memcpy(t.extra, extra ? extra : "", extra_len);
}

static void on_run(void *userdata, struct hoy_http_exchange *x)
{
	const char *target = hoy_http_target(x);
	struct hoy_buf body = { 0 };
	int fds[2];

	(void) userdata;
	if (!strcmp(target, "/echo")) {
		hoy_buf_addf(&body, "%s:%zu", hoy_http_method(x), hoy_http_body(x)->len);
		hoy_http_reply(x, 200, "text/plain", &body);
	} else if (!strcmp(target, "/door")) {
		struct ucred peer;

		hoy_http_peer(x, &peer);
		hoy_buf_addf(&body, "%s %d", (const char *) hoy_http_door(x), peer.pid == getpid());
		hoy_http_reply(x, 200, "text/plain", &body);
	} else if (!strcmp(target, "/stream")) {
		ck_assert_int_eq(hoy_http_stream_begin(x, 200, "text/plain", on_gone, NULL, NULL), 0);
		t.held = x;
	} else if (!strcmp(target, "/hijack")) {
		hoy_http_hijack(x, "application/x-raw", on_taken, NULL);
	} else if (!strcmp(target, "/upload")) {
		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		t.sink = fds[0];
		ck_assert_int_eq(hoy_http_body_to_fd(x, fds[1], NULL), 0);
		t.held = x;
	} else {
		t.held = x;
	}
}

static void on_too_large(void *userdata, struct hoy_http_exchange *x, size_t limit)
{
	(void) userdata;
	ck_assert_uint_eq(limit, BODY_LIMIT);
	hoy_http_reply(x, 413, NULL, NULL);
}

static void on_decorate(void *userdata, struct hoy_http_exchange *x, int status)
{
	(void) status;
	(void) userdata;
	hoy_http_add_header(x, "X-Test", "yes");
}

static void on_over(void *userdata, struct hoy_http_exchange *x, int status, uint64_t ns)
{
	(void) userdata;
	(void) x;
	(void) ns;
	t.last_status = status;
}

static void setup(void)
{
	static const struct hoy_http_hooks hooks = { on_head, on_run, on_too_large, on_decorate, on_over };
	int fd;

	memset(&t, 0, sizeof t);
	t.taken = t.sink = -EBADF;
	(void) snprintf(t.dir, sizeof t.dir, "/tmp/hoy-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t.dir));
	(void) snprintf(t.path, sizeof t.path, "%s/s", t.dir);
	ck_assert_int_eq(hoy_loop_new(&t.loop, NULL), 0);
	ck_assert_int_eq(hoy_http_server_new(&t.server, t.loop, &hooks, NULL, NULL), 0);
	fd = hoy_fd_unix_listen(t.path, SOCK_STREAM, 0600, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_http_server_listen(t.server, fd, "main", NULL), 0);
	(void) snprintf(t.side_path, sizeof t.side_path, "%s/side", t.dir);
	fd = hoy_fd_unix_listen(t.side_path, SOCK_STREAM, 0600, NULL);
	ck_assert_int_eq(hoy_http_server_listen(t.server, fd, "side", NULL), 0);
	(void) signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
	hoy_http_server_free(t.server);
	hoy_loop_free(t.loop);
	hoy_fd_close(&t.taken);
	hoy_fd_close(&t.sink);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, t.dir, NULL), 0);
}

static int dial_at(const char *path, const char *request)
{
	int fd = hoy_fd_unix_connect(path, SOCK_STREAM, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_fd_write_all(fd, request, strlen(request)), 0);
	return fd;
}

static int dial(const char *request)
{
	return dial_at(t.path, request);
}

static void turn_for(int ms)
{
	ck_assert_int_ge(hoy_loop_run_once(t.loop, ms, NULL), 0);
}

static void turn(int times)
{
	for (int i = 0; i < times; i++)
		turn_for(5);
}

/* Reads what there is into a static buffer, turning the loop, until `want` was seen (NULL: the end of the stream). */
static const char *expect(int fd, const char *want)
{
	static char got[1 << 16];
	size_t len = 0;

	for (int i = 0; i < 400; i++) {
		ssize_t n = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT);

		if (n > 0)
			len += (size_t) n;
		got[len] = '\0';
		if ((want && strstr(got, want)) || (!want && n == 0))
			return got;
		turn(1);
	}
	ck_abort_msg("no '%s' in '%s'", want ? want : "end", got);
}

START_TEST(answers_and_keeps_the_connection)
{
	auto_fd int fd = dial("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	const char *got = expect(fd, "GET:0");

	ck_assert(hoy_str_starts(got, "HTTP/1.1 200"));
	ck_assert_ptr_nonnull(strstr(got, "X-Test: yes"));
	ck_assert_int_eq(hoy_fd_write_all(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 54), 0);
	expect(fd, "POST:3");
}
END_TEST

START_TEST(an_early_answer_waits_for_the_end_of_the_body)
{
	auto_fd int fd = dial("POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
	char c;

	turn(5);
	ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(hoy_fd_write_all(fd, "def", 3), 0);
	ck_assert(hoy_str_starts(expect(fd, "\r\n\r\n"), "HTTP/1.1 404"));
}
END_TEST

START_TEST(too_large_bodies_get_one_clear_answer)
{
	auto_fd int fd = dial("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	char chunk[2000];

	memset(chunk, 'x', sizeof chunk);
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(hoy_fd_write_all(fd, "7d0\r\n", 5), 0);
		ck_assert_int_eq(hoy_fd_write_all(fd, chunk, sizeof chunk), 0);
		ck_assert_int_eq(hoy_fd_write_all(fd, "\r\n", 2), 0);
		turn(1);
	}
	ck_assert_int_eq(hoy_fd_write_all(fd, "0\r\n\r\n", 5), 0);
	ck_assert(hoy_str_starts(expect(fd, "\r\n\r\n"), "HTTP/1.1 413"));
}
END_TEST

START_TEST(a_client_that_waits_for_100_is_told_at_once)
{
	auto_fd int fd = dial(
		"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");

	ck_assert(hoy_str_starts(expect(fd, "\r\n\r\n"), "HTTP/1.1 413"));
}
END_TEST

START_TEST(a_stream_sends_its_head_at_once)
{
	auto_fd int fd = dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");

	ck_assert_ptr_nonnull(strstr(expect(fd, "\r\n\r\n"), "chunked"));
	ck_assert_int_eq(hoy_http_stream_write(t.held, "hello", 5), 0);
	expect(fd, "hello");
	ck_assert_int_eq(hoy_http_stream_write(t.held, "world", 5), 0);
	hoy_http_stream_end(t.held);
	expect(fd, "world\r\n0\r\n\r\n");
	ck_assert_int_eq(t.gone, 0);
}
END_TEST

START_TEST(a_stream_hears_of_its_client_leaving)
{
	int fd = dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");

	expect(fd, "\r\n\r\n");
	hoy_fd_close(&fd);
	for (int i = 0; i < 100 && !t.gone; i++)
		turn(1);
	ck_assert_int_eq(t.gone, 1);
	turn(3);
	ck_assert_uint_eq(hoy_http_server_active(t.server), 0);
}
END_TEST

START_TEST(a_stream_is_capped)
{
	auto_fd int fd = dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	static char block[1 << 20];
	int r = 0;

	expect(fd, "\r\n\r\n");
	for (int i = 0; i < 9 && r >= 0; i++)
		r = hoy_http_stream_write(t.held, block, sizeof block);
	ck_assert_int_eq(r, -ENOBUFS);
	hoy_http_stream_end(t.held);
}
END_TEST

/* Both kinds: what the stream says goes both ways, and the server does not disturb it by closing its own end. */
static void check_hijacked(int fd)
{
	char got[8] = "";

	ck_assert_int_ge(t.taken, 3);
	turn(20); /* the server drops its connection meanwhile */
	ck_assert_uint_eq(hoy_http_server_active(t.server), 0);
	ck_assert_int_eq(write(t.taken, "out", 3), 3);
	ck_assert_int_eq(read(fd, got, 3), 3);
	ck_assert_str_eq(got, "out");
	ck_assert_int_eq(write(fd, "in", 2), 2);
	ck_assert_int_eq(read(t.taken, got, 2), 2);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ck_assert_int_eq(read(t.taken, got, 1), 0);
	ck_assert_int_eq(write(t.taken, "end", 3), 3);
	hoy_fd_close(&t.taken);
	ck_assert_int_eq(read(fd, got, sizeof got), 3);
	ck_assert_int_eq(read(fd, got, sizeof got), 0);
}

START_TEST(hijack_with_upgrade)
{
	auto_fd int fd = dial("POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
	const char *got = expect(fd, "\r\n\r\n");

	ck_assert(hoy_str_starts(got, "HTTP/1.1 101"));
	ck_assert_ptr_nonnull(strstr(got, "Upgrade: tcp\r\n"));
	ck_assert_ptr_nonnull(strstr(got, "Content-Type: application/x-raw\r\n"));
	check_hijacked(fd);
}
END_TEST

START_TEST(hijack_without_upgrade)
{
	auto_fd int fd = dial("POST /hijack HTTP/1.1\r\nHost: x\r\n\r\n");
	const char *got = expect(fd, "\r\n\r\n");

	ck_assert(hoy_str_starts(got, "HTTP/1.1 200 OK\r\nContent-Type: application/x-raw\r\n"));
	check_hijacked(fd);
}
END_TEST

START_TEST(bytes_behind_the_head_go_with_the_stream)
{
	auto_fd int fd = dial("POST /hijack HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly");

	expect(fd, "\r\n\r\n");
	ck_assert_str_eq(t.extra, "early");
}
END_TEST

START_TEST(an_upload_goes_through_a_pipe_with_back_pressure)
{
	auto_fd int fd = dial("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
	static char block[4096];
	size_t sent = 0, got = 0;
	struct hoy_buf body = { 0 };

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 5000 && sent < 1000000; i++) { /* nobody reads the pipe: the sender must get stuck */
		ssize_t n = write(fd, block, MIN(sizeof block, 1000000 - sent));

		sent += n > 0 ? (size_t) n : 0;
		if (n < 0 && i > 1000)
			break;
		turn_for(0);
	}
	ck_assert_uint_lt(sent, 900000);
	for (int i = 0; i < 20000 && got < 1000000; i++) {
		ssize_t n = write(fd, block, MIN(sizeof block, 1000000 - sent));

		sent += n > 0 ? (size_t) n : 0;
		turn_for(0);
		ck_assert_int_eq(fcntl(t.sink, F_SETFL, O_NONBLOCK), 0);
		while ((n = read(t.sink, block, sizeof block)) > 0)
			got += (size_t) n;
	}
	ck_assert_uint_eq(got, 1000000);
	turn(5);
	ck_assert_int_eq(read(t.sink, block, 1), 0);
	ck_assert_int_eq(hoy_buf_adds(&body, "thanks"), 0);
	hoy_http_reply(t.held, 200, NULL, &body);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	expect(fd, "thanks");
}
END_TEST

START_TEST(an_upload_nobody_reads_is_dropped)
{
	auto_fd int fd = dial("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
	static char block[4096];
	size_t sent = 0;

	turn(3);
	hoy_fd_close(&t.sink);
	while (sent < 300000) {
		size_t n = MIN(sizeof block, 300000 - sent);

		ck_assert_int_eq(hoy_fd_write_all(fd, block, n), 0);
		sent += n;
		turn(1);
	}
	hoy_http_reply(t.held, 500, NULL, NULL);
	ck_assert(hoy_str_starts(expect(fd, "\r\n\r\n"), "HTTP/1.1 500"));
}
END_TEST

START_TEST(nonsense_is_answered_and_closed)
{
	auto_fd int fd = dial("\x16\x03\x01 hello\r\n\r\n");

	expect(fd, NULL);
}
END_TEST

/* A request that waits for its answer, a stream and a body that is streamed take their time; a connection without a
 * request, and one that does not come to the end of its own, are closed. */
START_TEST(silent_clients_are_closed)
{
	auto_fd int waiting = -EBADF, stream = -EBADF, upload = -EBADF, silent = -EBADF, kept = -EBADF, head = -EBADF,
		    body = -EBADF;
	struct hoy_http_exchange *held;

	hoy_http_server_set_patience(t.server, 50, 50);
	waiting = dial("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	turn(5);
	held = t.held;
	stream = dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(stream, "\r\n\r\n");
	upload = dial("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
	silent = dial("");
	kept = dial("GET /missing HTTP/1.1\r\nHost: x\r\n\r\n");
	head = dial("GET /echo HTTP/1.1\r\nHost: ");
	body = dial("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
	expect(silent, NULL);
	expect(kept, NULL);
	expect(head, NULL);
	expect(body, NULL);
	for (int i = 0; i < 20; i++)
		turn_for(10);
	ck_assert_int_eq(t.gone, 0);
	ck_assert_uint_eq(hoy_http_server_active(t.server), 3);
	hoy_http_reply(held, 200, NULL, NULL);
	expect(waiting, "200 OK");
	ck_assert_int_eq(hoy_fd_write_all(upload, "+other", 6), 0);
	turn(5);
	hoy_http_reply(t.held, 204, NULL, NULL);
	expect(upload, "204 No Content");
}
END_TEST

START_TEST(the_longest_idle_makes_room)
{
	struct rlimit files;
	int fds[80];
	auto_fd int served = -EBADF;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = 128; /* 64 connections are the least */
	teardown();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	setup();
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	served = dial("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial("");
		turn(1);
	}
	expect(fds[0], NULL);
	ck_assert_int_eq(hoy_fd_write_all(fds[79], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 32), 0);
	expect(fds[79], "GET:0");
	hoy_http_reply(t.held, 200, NULL, NULL);
	expect(served, "200 OK");
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		hoy_fd_close(&fds[i]);
}
END_TEST

START_TEST(it_can_be_freed_in_the_middle)
{
	auto_fd int stream = dial("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
	auto_fd int waiting = dial("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	auto_fd int upload = dial("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");

	turn(10);
	ck_assert_uint_eq(hoy_http_server_active(t.server), 3);
	hoy_http_server_free(t.server);
	t.server = NULL;
	ck_assert_int_eq(t.gone, 1);
	expect(stream, NULL);
	expect(waiting, NULL);
	expect(upload, NULL);
}
END_TEST

START_TEST(a_request_knows_by_which_socket_and_whose_it_is)
{
	const char *request = "GET /door HTTP/1.1\r\nHost: x\r\n\r\n";
	auto_fd int first = dial(request), second = dial_at(t.side_path, request), third = dial(request);

	expect(first, "main 1");
	expect(second, "side 1");
	expect(third, "main 1");
	ck_assert_int_eq(t.last_status, 200);
}
END_TEST

Suite *suite_server(void)
{
	const TTest *const tests[] = { answers_and_keeps_the_connection, an_early_answer_waits_for_the_end_of_the_body,
		too_large_bodies_get_one_clear_answer, a_client_that_waits_for_100_is_told_at_once,
		a_stream_sends_its_head_at_once, a_stream_hears_of_its_client_leaving, a_stream_is_capped,
		hijack_with_upgrade, hijack_without_upgrade, bytes_behind_the_head_go_with_the_stream,
		an_upload_goes_through_a_pipe_with_back_pressure, an_upload_nobody_reads_is_dropped,
		nonsense_is_answered_and_closed, silent_clients_are_closed, the_longest_idle_makes_room,
		a_request_knows_by_which_socket_and_whose_it_is, it_can_be_freed_in_the_middle };
	Suite *suite = suite_create("server");
	TCase *tcase = tcase_create("server");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}
