/* The client's ssh agent for a RUN: each connection to hoyd's socket is one call of the client. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"
#include "supervisor/worker/build/session_internal.h"

#define LINKS_MAX 64
#define UNSENT_MAX ((size_t) 1 << 20)

struct hoy_ssh_link {
	struct hoy_session_op *op;
	struct hoy_ssh_link *next;
	struct hoy_grpc_call *call;
	struct hoy_source *io;
	int fd;
	struct hoy_buf out; /* from the client */
};

static void link_free(struct hoy_ssh_link *link)
{
	struct hoy_ssh_link **at = &link->op->links;

	while (*at && *at != link)
		at = &(*at)->next;
	if (*at)
		*at = link->next;
	link->io = hoy_source_free(link->io);
	hoy_fd_close(&link->fd);
	hoy_buf_done(&link->out);
	free(link);
}

static void watch(struct hoy_ssh_link *link)
{
	bool full = link->call && hoy_grpc_pending(link->call) > UNSENT_MAX;

	if (link->io)
		(void) hoy_source_set_events(link->io, (full ? 0 : EPOLLIN) | (link->out.len ? EPOLLOUT : 0), NULL);
}

static void write_out(struct hoy_ssh_link *link)
{
	ssize_t n = link->out.len ? send(link->fd, link->out.data, link->out.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n > 0)
		hoy_buf_consume(&link->out, (size_t) n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		hoy_grpc_cancel(link->call);
	watch(link);
}

static void on_link(struct hoy_source *source, uint32_t events, void *userdata)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	struct hoy_ssh_link *link = userdata;
	char block[16384];
	ssize_t n;

	(void) source;
	if (events & EPOLLOUT)
		write_out(link);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(link->fd, block, sizeof block, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		hoy_wire_add_bytes(&message, 1, block, (size_t) n);
		if (!message.failed && hoy_grpc_send(link->call, message.data, message.len) == 0) {
			watch(link);
			return;
		}
	}
	hoy_grpc_close_send(link->call);
	link->io = hoy_source_free(link->io);
}

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_ssh_link *link = userdata;
	struct hoy_wire_field field;

	while (hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_buf_add(&link->out, field.data, field.len) < 0)
			hoy_grpc_cancel(call);
	write_out(link);
}

static void on_drained(struct hoy_grpc_call *call, void *userdata)
{
	(void) call;
	watch(userdata);
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	(void) call;
	(void) code;
	(void) message;
	link_free(userdata);
}

static int start_link(struct hoy_session_op *op, int fd, struct hoy_err *err)
{
	const char *const metadata[] = { "buildkit.ssh.id", op->name, NULL };
	struct hoy_grpc_handler handler = { .message = on_message, .drained = on_drained, .ended = on_ended };
	struct hoy_ssh_link *link = calloc(1, sizeof *link);
	int r;

	if (!link) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	*link = (struct hoy_ssh_link){ .op = op, .fd = fd, .next = op->links };
	op->links = link;
	handler.userdata = link;
	hoy_buf_init(&link->out, UNSENT_MAX);
	r = hoy_grpc_call(
		op->session->grpc, "/moby.sshforward.v1.SSH/ForwardAgent", metadata, &handler, &link->call, err);
	if (r < 0) {
		link_free(link);
		return r;
	}
	r = hoy_loop_io(op->session->options.loop, &link->io, fd, EPOLLIN, on_link, link, err);
	if (r < 0)
		hoy_grpc_cancel(link->call);
	return r;
}

static void on_connection(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_session_op *op = userdata;
	int fd = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t n = 0;

	(void) source;
	(void) events;
	for (const struct hoy_ssh_link *link = op->links; link; link = link->next)
		n++;
	if (fd >= 0 && n >= LINKS_MAX)
		hoy_fd_close(&fd);
	if (fd >= 0)
		(void) start_link(op, fd, NULL);
}

/* After the agent was found. */
static void on_checked(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_session_op *op = userdata;
	struct hoy_err err = { 0 };

	(void) call;
	op->call = NULL;
	/* Clients say UNKNOWN for an agent that they were not told of. */
	if (hoy_session_is_missing(code) || code == HOY_GRPC_UNKNOWN)
		(void) hoy_err_set(&err, HOY_ERR_NOT_FOUND, ENOENT, "the client has no ssh agent '%s'", op->name);
	else if (code != HOY_GRPC_OK)
		(void) hoy_err_set(&err, HOY_ERR_INVALID, EIO, "ssh agent '%s' of the client: %s", op->name, message);
	else
		(void) hoy_loop_io(op->session->options.loop, &op->listener, op->fd, EPOLLIN, on_connection, op, &err);
	if (!err.errnum) {
		hoy_session_done(op, "");
		return;
	}
	hoy_session_failed(op, &err);
	hoy_session_op_free(op);
}

int hoy_session_ssh_start(struct hoy_session_op *op, struct hoy_err *err)
{
	const struct hoy_grpc_handler handler = { .ended = on_checked };

	if (op->fd < 0)
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	return hoy_session_call(op, "/moby.sshforward.v1.SSH/CheckAgent", op->name, &handler, err);
}

void hoy_session_ssh_free(struct hoy_session_op *op)
{
	op->listener = hoy_source_free(op->listener);
	for (struct hoy_ssh_link *link = op->links; link; link = link->next) {
		link->io = hoy_source_free(link->io);
		hoy_grpc_cancel(link->call);
	}
}

void hoy_session_ssh_end(struct hoy_session *session, uint32_t id)
{
	for (struct hoy_session_op *op = session->ops; op; op = op->next)
		if (op->id == id && op->listener) {
			hoy_session_ssh_free(op); /* it stays until the session's end, for calls that are being ended */
			hoy_fd_close(&op->fd);
			return;
		}
}
