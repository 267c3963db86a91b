#include "supervisor/worker/build/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"

#define PIECE_MAX (64 << 10)
#define UNSENT_MAX ((size_t) 1 << 20) /* beyond it the one side waits for the other */

struct hoy_relay {
	struct hoy_loop *loop;
	struct hoy_grpc_call *call;
	void (*ended)(void *userdata);
	void *userdata;
	int fd; /* -EBADF: not there yet, or no more */
	struct hoy_source *io;
	struct hoy_buf in; /* of the client, for the socket */
	bool client_done;
};

/* The socket is read as far as the client reads, and written when there is something to write. */
static void set_events(struct hoy_relay *relay)
{
	uint32_t events = hoy_grpc_pending(relay->call) < UNSENT_MAX ? EPOLLIN : 0;

	if (relay->in.len > 0)
		events |= EPOLLOUT;
	if (relay->io)
		(void) hoy_source_set_events(relay->io, events, NULL);
}

static void disconnect(struct hoy_relay *relay)
{
	relay->io = hoy_source_free(relay->io);
	hoy_fd_close(&relay->fd);
}

static void end_call(struct hoy_relay *relay, const char *problem)
{
	disconnect(relay);
	hoy_grpc_end(relay->call, problem ? HOY_GRPC_UNAVAILABLE : HOY_GRPC_OK, problem);
}

static void write_in(struct hoy_relay *relay)
{
	while (relay->fd >= 0 && relay->in.len > 0) {
		ssize_t n = send(relay->fd, relay->in.data, relay->in.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			end_call(relay, "the session has ended");
		if (n < 0)
			break;
		hoy_buf_consume(&relay->in, (size_t) n);
	}
	if (relay->fd >= 0 && relay->in.len == 0 && relay->client_done)
		end_call(relay, NULL); /* half a connection is no session */
	hoy_grpc_hold(relay->call, relay->in.len >= UNSENT_MAX);
	set_events(relay);
}

/* One piece: the loop comes back for more, after others had their turn. */
static void read_out(struct hoy_relay *relay)
{
	char piece[PIECE_MAX];
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	ssize_t n = recv(relay->fd, piece, sizeof piece, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_call(relay, n < 0 ? "the session has ended" : NULL);
		return;
	}
	hoy_wire_add_bytes(&message, 1, piece, (size_t) n);
	if (hoy_buf_check(&message, "message", NULL) < 0 || hoy_grpc_send(relay->call, message.data, message.len) < 0)
		end_call(relay, "out of memory");
}

static void on_socket(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_relay *relay = userdata;

	(void) source;
	if (events & EPOLLOUT)
		write_in(relay);
	if (relay->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_out(relay);
	set_events(relay);
}

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_relay *relay = userdata;
	struct hoy_wire_field field;
	int more;

	while ((more = hoy_wire_next(&wire, &field)) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_buf_add(&relay->in, field.data, field.len) < 0)
			more = -ENOMEM;
	if (more < 0) {
		disconnect(relay);
		hoy_grpc_end(call, HOY_GRPC_INVALID_ARGUMENT, "malformed message");
		return;
	}
	write_in(relay);
}

static void on_drained(struct hoy_grpc_call *call, void *userdata)
{
	(void) call;
	set_events(userdata);
}

static void on_half_closed(struct hoy_grpc_call *call, void *userdata)
{
	struct hoy_relay *relay = userdata;

	(void) call;
	relay->client_done = true;
	write_in(relay);
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_relay *relay = userdata;

	(void) call;
	(void) code;
	(void) message;
	disconnect(relay);
	relay->ended(relay->userdata);
	hoy_buf_done(&relay->in);
	free(relay);
}

int hoy_relay_new(struct hoy_loop *loop, struct hoy_grpc_call *call, void (*ended)(void *userdata), void *userdata,
	struct hoy_relay **ret, struct hoy_err *err)
{
	struct hoy_relay *relay = calloc(1, sizeof *relay);

	if (!relay)
		return hoy_err_oom(err);
	*relay = (struct hoy_relay){ .loop = loop, .call = call, .ended = ended, .userdata = userdata, .fd = -EBADF };
	/* Held calls send on until their window is full. */
	hoy_buf_init(&relay->in, UNSENT_MAX + HOY_GRPC_WINDOW + HOY_GRPC_MESSAGE_MAX);
	hoy_grpc_accept(call, &(struct hoy_grpc_handler){ .message = on_message,
				      .drained = on_drained,
				      .half_closed = on_half_closed,
				      .ended = on_ended,
				      .userdata = relay });
	*ret = relay;
	return 0;
}

int hoy_relay_connect(struct hoy_relay *relay, int fd, struct hoy_err *err)
{
	int r;

	relay->fd = fd;
	r = hoy_loop_io(relay->loop, &relay->io, fd, EPOLLIN, on_socket, relay, err);
	if (r < 0)
		disconnect(relay);
	else
		write_in(relay);
	return r < 0 ? r : 0;
}
