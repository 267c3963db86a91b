/* base/ttrpc/client.c and server.c over a real socket */
#include "base/ttrpc/ttrpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/ttrpc/task.pb-c.h"
#include "tests/unit/unit.h"

Suite *suite_ttrpc_rpc(void);

struct pair {
	char dir[32], path[48];
	struct hoy_loop *loop;
	struct hoy_ttrpc_server *server;
	struct hoy_ttrpc_client *client;
	struct hoy_ttrpc_request *parked;
	int lost;
};

struct answer {
	int n;
	enum hoy_ttrpc_code code;
	char text[128];
	uint32_t pid;
	struct pair *free_client_of;
};

/* "Start" answers, "Wait" is parked, "Die" closes the server, all else is unknown. */
static void serve(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_incoming *in, void *userdata)
{
	struct pair *pair = userdata;

	if (hoy_str_eq(in->method, "Start")) {
		Hoy__Pb__StartResponse out = HOY__PB__START_RESPONSE__INIT;

		out.pid = 42;
		hoy_ttrpc_answer(req, &out.base);
	} else if (hoy_str_eq(in->method, "Wait")) {
		pair->parked = req;
	} else {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_UNIMPLEMENTED, "%s/%s is unknown", in->service, in->method);
	}
}

static void on_answer(void *userdata, const struct hoy_ttrpc_reply *reply)
{
	struct answer *answer = userdata;
	Hoy__Pb__StartResponse *start;

	answer->n++;
	answer->code = reply->code;
	ck_assert_uint_lt(strlen(reply->message), sizeof answer->text);
	strncpy(answer->text, reply->message, sizeof answer->text - 1);
	start = (Hoy__Pb__StartResponse *) hoy_ttrpc_reply_unpack(reply, &hoy__pb__start_response__descriptor, NULL);
	if (start) {
		answer->pid = start->pid;
		hoy__pb__start_response__free_unpacked(start, NULL);
	}
	if (answer->free_client_of) {
		hoy_ttrpc_client_free(answer->free_client_of->client);
		answer->free_client_of->client = NULL;
	}
}

static void on_lost(struct hoy_ttrpc_client *client, void *userdata)
{
	struct pair *pair = userdata;

	ck_assert_ptr_eq(client, pair->client);
	pair->lost++;
}

static void setup(struct pair *pair)
{
	int fd;

	*pair = (struct pair){ .dir = "/tmp/hoy-ttrpc-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(pair->dir));
	snprintf(pair->path, sizeof pair->path, "%s/s", pair->dir);
	ck_assert_int_eq(hoy_loop_new(&pair->loop, NULL), 0);
	fd = hoy_fd_unix_listen(pair->path, SOCK_STREAM, 0600, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_ttrpc_server_new(pair->loop, fd, serve, pair, &pair->server, NULL), 0);
	ck_assert_int_eq(
		hoy_ttrpc_client_connect(pair->loop, pair->path, on_lost, pair, &pair->client, /* err= */ NULL), 0);
}

static void teardown(struct pair *pair)
{
	hoy_ttrpc_client_free(pair->client);
	hoy_ttrpc_server_free(pair->server);
	hoy_loop_free(pair->loop);
	unlink(pair->path);
	rmdir(pair->dir);
}

static void run_until(struct pair *pair, const int *n)
{
	for (int i = 0; i < 200 && !*n; i++)
		ck_assert_int_ge(hoy_loop_run_once(pair->loop, 50, NULL), 0);
	ck_assert_int_eq(*n, 1);
}

static int64_t call(struct pair *pair, const char *method, uint64_t timeout_ns, struct answer *answer)
{
	Hoy__Pb__StartRequest req = HOY__PB__START_REQUEST__INIT;

	req.id = (char *) "web";
	return hoy_ttrpc_call(
		pair->client, HOY_TTRPC_TASK_SERVICE, method, &req.base, timeout_ns, on_answer, answer, NULL);
}

START_TEST(answers_come_in_any_order)
{
	struct answer wait = {}, start = {}, unknown = {};
	Hoy__Pb__WaitResponse out = HOY__PB__WAIT_RESPONSE__INIT;
	struct pair pair;

	setup(&pair);
	ck_assert_int_eq(call(&pair, "Wait", 0, &wait), 1);
	ck_assert_int_eq(call(&pair, "Start", 0, &start), 3);
	ck_assert_int_eq(call(&pair, "Fly", 0, &unknown), 5);
	run_until(&pair, &unknown.n);
	ck_assert_int_eq(start.pid, 42);
	ck_assert_int_eq(unknown.code, HOY_TTRPC_UNIMPLEMENTED);
	ck_assert_str_eq(unknown.text, "containerd.task.v2.Task/Fly is unknown");
	ck_assert_int_eq(wait.n, 0);
	hoy_ttrpc_answer(pair.parked, &out.base);
	run_until(&pair, &wait.n);
	ck_assert_int_eq(wait.code, HOY_TTRPC_OK);
	teardown(&pair);
}
END_TEST

START_TEST(a_late_answer_is_dropped)
{
	struct answer wait = {}, start = {};
	struct pair pair;

	setup(&pair);
	ck_assert_int_gt(call(&pair, "Wait", 500000000, &wait), 0);
	run_until(&pair, &wait.n);
	ck_assert_int_eq(wait.code, HOY_TTRPC_DEADLINE_EXCEEDED);
	hoy_ttrpc_answer_empty(pair.parked);
	ck_assert_int_gt(call(&pair, "Start", 0, &start), 0);
	run_until(&pair, &start.n);
	ck_assert_int_eq(wait.n, 1);
	teardown(&pair);
}
END_TEST

START_TEST(a_lost_connection_fails_all_calls)
{
	struct answer a = {}, b = {}, c = {};
	struct pair pair;

	setup(&pair);
	ck_assert_int_gt(call(&pair, "Wait", 0, &a), 0);
	run_until(&pair, (int[]){ 1 });
	while (!pair.parked)
		ck_assert_int_ge(hoy_loop_run_once(pair.loop, 50, NULL), 0);
	ck_assert_int_gt(call(&pair, "Wait", UINT64_C(1) << 62, &b), 0);
	hoy_ttrpc_server_free(pair.server);
	pair.server = NULL;
	run_until(&pair, &pair.lost);
	ck_assert_int_eq(a.n, 1);
	ck_assert_int_eq(b.n, 1);
	ck_assert_int_eq(a.code, HOY_TTRPC_UNAVAILABLE);
	ck_assert_int_eq(call(&pair, "Start", 0, &c), -ENOTCONN);
	hoy_ttrpc_answer_empty(pair.parked); /* into nothing */
	teardown(&pair);
}
END_TEST

START_TEST(a_callback_may_free_the_client)
{
	struct pair pair;
	struct answer start = { .free_client_of = &pair }, other = {};

	setup(&pair);
	ck_assert_int_gt(call(&pair, "Start", 0, &start), 0);
	ck_assert_int_gt(call(&pair, "Start", 0, &other), 0);
	run_until(&pair, &start.n);
	ck_assert_int_eq(other.n, 0);
	teardown(&pair);
}
END_TEST

START_TEST(a_forgotten_call_stays_silent)
{
	struct answer start = {}, other = {};
	struct pair pair;

	setup(&pair);
	hoy_ttrpc_forget(pair.client, call(&pair, "Start", 0, &start));
	ck_assert_int_gt(call(&pair, "Start", 0, &other), 0);
	run_until(&pair, &other.n);
	ck_assert_int_eq(start.n, 0);
	teardown(&pair);
}
END_TEST

/* Sends raw bytes and gives what comes back, at least `want` bytes unless the server closes. */
static ssize_t talk(struct pair *pair, const void *data, size_t len, uint8_t *back, size_t room, size_t want)
{
	int fd = hoy_fd_unix_connect(pair->path, SOCK_STREAM, NULL);
	size_t got = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_fd_write_all(fd, data, len), 0);
	for (int i = 0; i < 100 && got < want; i++) {
		ssize_t n;

		ck_assert_int_ge(hoy_loop_run_once(pair->loop, 20, NULL), 0);
		n = recv(fd, back + got, room - got, MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t) n;
	}
	close(fd);
	return (ssize_t) got;
}

START_TEST(garbage_is_answered_or_ignored_and_others_go_on)
{
	static const uint8_t garbage[] = { 0, 0, 0, 4, 0, 0, 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5, 1, 0 };
	static const uint8_t even[] = { 0, 0, 0, 0, 0, 0, 0, 2, 1, 0 };
	static const uint8_t stream[] = { 0, 0, 0, 0, 0, 0, 0, 7, 3, 4 };
	static const uint8_t half[] = { 0, 0, 0, 9, 0, 0 };
	struct answer start = {};
	uint8_t back[512];
	struct pair pair;

	setup(&pair);
	ck_assert_int_gt(talk(&pair, garbage, sizeof garbage, back, sizeof back, 12), 12);
	ck_assert_uint_eq(back[8], 2);
	ck_assert_uint_eq(back[13], HOY_TTRPC_INVALID_ARGUMENT);
	ck_assert_int_gt(talk(&pair, huge, sizeof huge, back, sizeof back, 12), 12);
	ck_assert_uint_eq(back[7], 5);
	ck_assert_uint_eq(back[13], HOY_TTRPC_RESOURCE_EXHAUSTED);
	ck_assert_int_gt(talk(&pair, even, sizeof even, back, sizeof back, 12), 12);
	ck_assert_uint_eq(back[13], HOY_TTRPC_INVALID_ARGUMENT);
	ck_assert_int_gt(talk(&pair, stream, sizeof stream, back, sizeof back, 12), 12);
	ck_assert_uint_eq(back[13], HOY_TTRPC_INVALID_ARGUMENT);
	ck_assert_int_eq(talk(&pair, half, sizeof half, back, sizeof back, 0), 0);
	ck_assert_int_gt(call(&pair, "Start", 0, &start), 0);
	run_until(&pair, &start.n);
	ck_assert_int_eq(start.pid, 42);
	while (hoy_ttrpc_server_connections(pair.server) > 1)
		ck_assert_int_ge(hoy_loop_run_once(pair.loop, 50, NULL), 0);
	teardown(&pair);
}
END_TEST

START_TEST(codes_become_errors_and_back)
{
	struct hoy_ttrpc_reply reply = { .code = HOY_TTRPC_NOT_FOUND, .message = "container not created: not found" };
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_ttrpc_reply_err(&reply, &err), -ENOENT);
	ck_assert_int_eq(err.kind, HOY_ERR_NOT_FOUND);
	ck_assert_str_eq(hoy_err_str(&err), "container not created: not found");
	reply.code = HOY_TTRPC_OK;
	ck_assert_int_eq(hoy_ttrpc_reply_err(&reply, &err), 0);
	reply.payload = (const uint8_t *) "\xff";
	reply.len = 1;
	ck_assert_ptr_null(hoy_ttrpc_reply_unpack(&reply, &hoy__pb__start_response__descriptor, &err));
	ck_assert_int_eq(err.errnum, EPROTO);
}
END_TEST

Suite *suite_ttrpc_rpc(void)
{
	const TTest *const tests[] = { answers_come_in_any_order, a_late_answer_is_dropped,
		a_lost_connection_fails_all_calls, a_callback_may_free_the_client, a_forgotten_call_stays_silent,
		garbage_is_answered_or_ignored_and_others_go_on, codes_become_errors_and_back };

	return hoy_unit_suite("ttrpc rpc", tests, ARRAY_LEN(tests));
}
