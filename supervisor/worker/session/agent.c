#include "supervisor/worker/session/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/wire.h"
#include "supervisor/worker/build/grpc.h"

#define UNSENT_MAX ((size_t) 1 << 20)

struct agent {
	struct hoy_grpc_call *call;
	struct hoy_source *io;
	int fd;
	struct hoy_buf out; /* to the agent */
	bool is_closing;    /* the engine sends no more */
};

static void agent_end(struct agent *agent, int code, const char *message)
{
	agent->io = hoy_source_free(agent->io);
	hoy_fd_close(&agent->fd);
	hoy_grpc_end(agent->call, code, message);
}

static void watch(struct agent *agent)
{
	bool full = hoy_grpc_pending(agent->call) > UNSENT_MAX;

	if (agent->io)
		(void) hoy_source_set_events(agent->io, (full ? 0 : EPOLLIN) | (agent->out.len ? EPOLLOUT : 0), NULL);
}

static void write_out(struct agent *agent)
{
	ssize_t n = agent->out.len ? send(agent->fd, agent->out.data, agent->out.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		agent_end(agent, HOY_GRPC_UNAVAILABLE, "the agent has left");
		return;
	}
	if (n > 0)
		hoy_buf_consume(&agent->out, (size_t) n);
	if (agent->is_closing && agent->out.len == 0)
		(void) shutdown(agent->fd, SHUT_WR);
	watch(agent);
}

static void on_agent(struct hoy_source *source, uint32_t events, void *userdata)
{
	auto_(hoy_buf_done) struct hoy_buf message = {};
	struct agent *agent = userdata;
	char block[16384];
	ssize_t n;

	(void) source;
	if (events & EPOLLOUT)
		write_out(agent);
	if (agent->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(agent->fd, block, sizeof block, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		agent_end(agent, HOY_GRPC_OK, NULL);
		return;
	}
	hoy_wire_add_bytes(&message, 1, block, (size_t) n);
	if (message.failed || hoy_grpc_send(agent->call, message.data, message.len) < 0)
		agent_end(agent, HOY_GRPC_INTERNAL, "out of memory");
	else
		watch(agent);
}

static void on_message(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct agent *agent = userdata;
	struct hoy_wire_field field;

	(void) call;
	while (agent->fd >= 0 && hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_buf_add(&agent->out, field.data, field.len) < 0)
			agent_end(agent, HOY_GRPC_INTERNAL, "the agent does not read");
	if (agent->fd >= 0)
		write_out(agent);
}

static void on_half_closed(struct hoy_grpc_call *call, void *userdata)
{
	struct agent *agent = userdata;

	(void) call;
	agent->is_closing = true;
	if (agent->fd >= 0)
		write_out(agent);
}

static void on_drained(struct hoy_grpc_call *call, void *userdata)
{
	(void) call;
	watch(userdata);
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct agent *agent = userdata;

	(void) call;
	(void) code;
	(void) message;
	agent->io = hoy_source_free(agent->io);
	hoy_fd_close(&agent->fd);
	hoy_buf_done(&agent->out);
	free(agent);
}

int hoy_session_agent_start(struct hoy_loop *loop, struct hoy_grpc_call *call, const char *socket, struct hoy_err *err)
{
	struct hoy_grpc_handler handler = {
		.message = on_message, .drained = on_drained, .half_closed = on_half_closed, .ended = on_ended
	};
	struct agent *agent = calloc(1, sizeof *agent);
	int r;

	if (!agent)
		return hoy_err_oom(err);
	agent->call = call;
	hoy_buf_init(&agent->out, UNSENT_MAX);
	r = agent->fd = hoy_fd_unix_connect(socket, SOCK_STREAM | SOCK_NONBLOCK, err);
	if (r >= 0)
		r = hoy_loop_io(loop, &agent->io, agent->fd, EPOLLIN, on_agent, agent, err);
	if (r < 0) {
		hoy_fd_close(&agent->fd);
		free(agent);
		return r;
	}
	handler.userdata = agent;
	hoy_grpc_accept(call, &handler);
	return 0;
}
