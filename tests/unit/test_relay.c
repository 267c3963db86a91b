/* supervisor/worker/build/relay.c, over two ends of a gRPC connection */
#include "supervisor/worker/build/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"
#include "tests/unit/unit.h"

#define PIECE 60000
#define PIECES 300 /* 18 MB: more than all windows and buffers together */

struct both {
	struct hoy_loop *loop;
	struct hoy_grpc *client, *server;
	struct hoy_grpc_call *call; /* the client's */
	struct hoy_relay *relay;
	bool relay_ended, call_ended;
	int code, socket; /* the socket's other end */
	size_t told;      /* to the client */
};

static void on_relay_ended(void *userdata)
{
	struct both *both = userdata;

	both->relay_ended = true;
	both->relay = NULL;
}

static void on_call(struct hoy_grpc_call *call, const char *path, void *userdata)
{
	struct both *both = userdata;

	(void) path;
	ck_assert_int_eq(hoy_relay_new(both->loop, call, on_relay_ended, both, &both->relay, NULL), 0);
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	(void) err;
	(void) userdata;
}

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	struct both *both = userdata;

	(void) call;
	while (hoy_wire_next(&wire, &field) > 0)
		both->told += field.len;
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct both *both = userdata;

	(void) call;
	(void) message;
	both->call_ended = true;
	both->code = code;
}

static void begin(struct both *both)
{
	const struct hoy_grpc_handler handler = { .message = on_message, .ended = on_ended, .userdata = both };
	int pair[2];

	*both = (struct both){ .socket = -EBADF };
	ck_assert_int_eq(hoy_loop_new(&both->loop, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(hoy_grpc_new(&(struct hoy_grpc_options){ .loop = both->loop, .fd = pair[0], .on_end = on_end },
				 &both->client, NULL),
		0);
	ck_assert_int_eq(hoy_grpc_new(&(struct hoy_grpc_options){ .loop = both->loop,
					      .fd = pair[1],
					      .is_server = true,
					      .on_call = on_call,
					      .on_end = on_end,
					      .userdata = both },
				 &both->server, NULL),
		0);
	ck_assert_int_eq(hoy_grpc_call(both->client, "/x", NULL, &handler, &both->call, NULL), 0);
}

static void on_nothing(struct hoy_source *source, void *userdata)
{
	(void) source;
	(void) userdata;
}

/* What was queued outside of a round leaves at the end of one. */
static void settle(struct both *both)
{
	auto_ptr(hoy_source_free) struct hoy_source *nothing = NULL;

	ck_assert_int_eq(hoy_loop_defer(both->loop, &nothing, on_nothing, NULL, NULL), 0);
	while (hoy_loop_run_once(both->loop, 50, NULL) > 0)
		;
}

static void send_piece(struct both *both, const char *text, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };

	hoy_wire_add_bytes(&message, 1, text, len);
	ck_assert_int_eq(hoy_grpc_send(both->call, message.data, message.len), 0);
}

static void connect_relay(struct both *both)
{
	int pair[2];

	ck_assert_ptr_nonnull(both->relay);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(hoy_relay_connect(both->relay, pair[0], NULL), 0);
	both->socket = pair[1];
}

static void end(struct both *both)
{
	hoy_grpc_free(both->client);
	hoy_grpc_free(both->server);
	hoy_fd_close(&both->socket);
	hoy_loop_free(both->loop);
}

START_TEST(what_comes_before_the_socket_is_kept)
{
	struct both both;
	char text[16] = { 0 };

	begin(&both);
	send_piece(&both, "hel", 3);
	settle(&both);
	connect_relay(&both);
	send_piece(&both, "lo", 2);
	settle(&both);
	ck_assert_int_eq(read(both.socket, text, sizeof text), 5);
	ck_assert_str_eq(text, "hello");
	ck_assert_int_eq(write(both.socket, "answer", 6), 6);
	settle(&both);
	ck_assert_uint_eq(both.told, 6);
	ck_assert(!both.call_ended);
	end(&both);
	ck_assert(both.relay_ended);
}
END_TEST

/* Neither side keeps more than its windows of what the other does not read, and all of it arrives. */
START_TEST(a_slow_reader_makes_the_other_side_wait)
{
	static char piece[PIECE], got[1 << 20];
	struct both both;
	size_t total = 0, waiting, n_written = 0;
	ssize_t n;

	begin(&both);
	settle(&both);
	connect_relay(&both);
	for (size_t i = 0; i < PIECES; i++)
		send_piece(&both, piece, sizeof piece);
	settle(&both);
	waiting = hoy_grpc_pending(both.call);
	ck_assert_uint_gt(waiting, (size_t) PIECE * PIECES / 2);
	while (total < (size_t) PIECE * PIECES) {
		n = read(both.socket, got, sizeof got);
		if (n > 0)
			total += (size_t) n;
		else
			ck_assert_int_gt(hoy_loop_run_once(both.loop, 5000, NULL), 0);
	}
	ck_assert_uint_eq(hoy_grpc_pending(both.call), 0);
	while (n_written < (size_t) PIECE * PIECES) {
		n = write(both.socket, piece, sizeof piece);
		if (n > 0)
			n_written += (size_t) n;
		else
			ck_assert_int_gt(hoy_loop_run_once(both.loop, 5000, NULL), 0);
	}
	settle(&both);
	ck_assert_uint_eq(both.told, n_written);
	end(&both);
}
END_TEST

START_TEST(either_end_is_the_end_of_both)
{
	struct both both;
	char c;

	begin(&both);
	settle(&both);
	connect_relay(&both);
	hoy_fd_close(&both.socket);
	settle(&both);
	ck_assert(both.call_ended && both.relay_ended);
	ck_assert_int_eq(both.code, HOY_GRPC_OK);
	end(&both);

	begin(&both);
	settle(&both);
	connect_relay(&both);
	send_piece(&both, "last", 4);
	hoy_grpc_close_send(both.call);
	settle(&both);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(read(both.socket, &c, 1), 1);
	ck_assert_int_eq(read(both.socket, &c, 1), 0);
	ck_assert(both.call_ended && both.relay_ended);
	end(&both);

	begin(&both);
	settle(&both);
	connect_relay(&both);
	hoy_grpc_cancel(both.call);
	settle(&both);
	ck_assert_int_eq(read(both.socket, &c, 1), 0);
	end(&both);
}
END_TEST

START_TEST(a_message_that_is_none_ends_the_session)
{
	struct both both;
	char c;

	begin(&both);
	settle(&both);
	connect_relay(&both);
	ck_assert_int_eq(hoy_grpc_send(both.call, "\x0a\x7f", 2), 0);
	settle(&both);
	ck_assert_int_eq(read(both.socket, &c, 1), 0);
	ck_assert(both.call_ended);
	ck_assert_int_eq(both.code, HOY_GRPC_INVALID_ARGUMENT);
	end(&both);
}
END_TEST

static Suite *suite_relay(void)
{
	const TTest *const tests[] = { what_comes_before_the_socket_is_kept, a_slow_reader_makes_the_other_side_wait,
		either_end_is_the_end_of_both, a_message_that_is_none_ends_the_session };

	return hoy_unit_suite("relay", tests, ARRAY_LEN(tests));
}

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_relay };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
