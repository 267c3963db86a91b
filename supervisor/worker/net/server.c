/* The conversation with hoyd. Knows the messages; what they do is in state.c. */
#include "supervisor/worker/net/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/dns/proto.h"
#include "supervisor/worker/net/grantor.h"
#include "supervisor/worker/net/proto.h"
#include "supervisor/worker/net/state.h"

#define IDLE_NS (10 * UINT64_C(1000000000))

/* One request and its reply: as large as they get. */
union packet {
	struct hoy_net_request request;
	struct hoy_net_reply reply;
	unsigned char bytes[HOY_NET_REPLY_SIZE(HOY_NET_MAX_PORTS)];
};

struct hoy_server {
	struct hoy_loop *loop;
	struct hoy_state *state;
	struct hoy_grantors *grantors;
	int listen_fd;
	int client; /* -EBADF: none */
	struct hoy_source *accepting;
	struct hoy_source *receiving;
	struct hoy_source *idle;
	union packet *in, *out;
	int fds[HOY_DNS_N_SOCKETS]; /* go beside the reply */
	size_t n_fds;
};

static void drop_client(struct hoy_server *server)
{
	server->receiving = hoy_source_free(server->receiving);
	hoy_fd_close(&server->client);
	hoy_source_set_timer(server->idle, IDLE_NS);
}

/* --- requests -------------------------------------------------------------------- */

static bool is_terminated(const char *text, size_t size)
{
	return text[0] != '\0' && memchr(text, '\0', size) != NULL;
}

static int do_hello(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	reply->version = HOY_NET_VERSION;
	if (request->hello.version != HOY_NET_VERSION)
		return hoy_err_set(&reply->err, HOY_ERR_SYSTEM, EPROTO, "hoy-net speaks version %d, hoyd %u",
			HOY_NET_VERSION, request->hello.version);
	if (!is_terminated(request->hello.table, sizeof request->hello.table))
		return hoy_err_invalid(&reply->err, "bad name of the table");
	return hoy_state_set_table(server->state, request->hello.table, &reply->err);
}

static int do_bridge(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	const struct hoy_net_bridge *bridge = &request->bridge;
	const char *foreign;
	int r;

	if (!is_terminated(bridge->name, sizeof bridge->name) || bridge->prefix_len < 1 || bridge->prefix_len > 30 ||
		bridge->prefix6_len > 126 || bridge->kind > HOY_NET_IPVLAN || bridge->vni > 0xffffff ||
		(bridge->vni > 0 && (bridge->kind != HOY_NET_BRIDGED || bridge->vtep == 0)) ||
		(bridge->kind != HOY_NET_BRIDGED && !is_terminated(bridge->parent, sizeof bridge->parent)))
		return hoy_err_invalid(&reply->err, "bad bridge");
	(void) snprintf(reply->bridge, sizeof reply->bridge, "%s", bridge->name);
	r = hoy_state_bridge(server->state, bridge, &reply->err);
	if (r < 0)
		return r;
	foreign = bridge->kind == HOY_NET_BRIDGED ? hoy_state_foreign_drop(server->state) : NULL;
	if (foreign)
		(void) snprintf(reply->err.msg, sizeof reply->err.msg,
			"the forward chain of nftables table '%s' drops by policy: containers can't reach out and published "
			"ports are not reached unless it accepts interface '%s'",
			foreign, bridge->name);
	return 0;
}

static int do_remove_bridge(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	if (!is_terminated(request->bridge.name, sizeof request->bridge.name))
		return hoy_err_invalid(&reply->err, "bad bridge");
	return hoy_state_remove_bridge(server->state, request->bridge.name, &reply->err);
}

static int do_attach(struct hoy_server *server, struct hoy_net_request *request, int netns, struct hoy_net_reply *reply)
{
	struct hoy_net_attach *attach = &request->attach;
	int r;

	if (!is_terminated(attach->bridge, sizeof attach->bridge) ||
		!is_terminated(attach->ifname, sizeof attach->ifname) || attach->manner > HOY_NET_AGAIN ||
		!memchr(attach->sysctls, '\0', sizeof attach->sysctls) ||
		attach->n_link_local > HOY_NET_MAX_LINK_LOCAL || attach->n_allowed > HOY_NET_MAX_ALLOWED)
		return hoy_err_invalid(&reply->err, "bad endpoint");
	if (attach->manner == HOY_NET_FRESH && netns < 0)
		return hoy_err_invalid(&reply->err, "no network namespace beside the request");
	r = hoy_state_attach(server->state, attach, netns, &reply->reason, &reply->failed_port, &reply->err);
	if (r < 0)
		return r;
	reply->n_ports = attach->n_ports;
	memcpy(reply->ports, attach->ports, attach->n_ports * sizeof *attach->ports);
	return 0;
}

static int do_nameserver(struct hoy_server *server, int netns, struct hoy_net_reply *reply)
{
	int r;

	if (netns < 0)
		return hoy_err_invalid(&reply->err, "no network namespace beside the request");
	r = hoy_state_nameserver(server->state, netns, server->fds, &reply->err);
	if (r >= 0)
		server->n_fds = HOY_DNS_N_SOCKETS;
	return r;
}

static int do_allow_names(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	if (!memchr(request->names.text, '\0', sizeof request->names.text))
		return hoy_err_invalid(&reply->err, "bad names");
	return hoy_state_allow_names(server->state, request->names.id, request->names.text, &reply->err);
}

static int do_grantor(struct hoy_server *server, int *sock, struct hoy_net_reply *reply)
{
	if (*sock < 0)
		return hoy_err_invalid(&reply->err, "no socket beside the request");
	return hoy_grantors_add(server->grantors, TAKE_FD(*sock), &reply->err);
}

static int do_remotes(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	if (!is_terminated(request->remotes.bridge, sizeof request->remotes.bridge))
		return hoy_err_invalid(&reply->err, "bad bridge");
	return hoy_state_remotes(
		server->state, request->remotes.bridge, hoy_net_remotes(request), request->remotes.n, &reply->err);
}

static int do_quit(struct hoy_server *server, struct hoy_net_request *request, struct hoy_net_reply *reply)
{
	int r = request->quit.remove ? hoy_state_remove_all(server->state, &reply->err) : 0;

	hoy_loop_exit(server->loop, 0);
	return r;
}

static int act(struct hoy_server *server, struct hoy_net_request *request, int *fd, struct hoy_net_reply *reply)
{
	int netns = *fd;

	switch (request->op) {
	case HOY_NET_HELLO:
		return do_hello(server, request, reply);
	case HOY_NET_SYNC_BEGIN:
		hoy_state_sync_begin(server->state);
		return 0;
	case HOY_NET_BRIDGE:
		return do_bridge(server, request, reply);
	case HOY_NET_REMOVE_BRIDGE:
		return do_remove_bridge(server, request, reply);
	case HOY_NET_ATTACH:
		return do_attach(server, request, netns, reply);
	case HOY_NET_SYNC_END:
		return hoy_state_sync_end(server->state, &reply->err);
	case HOY_NET_DETACH:
		if (!is_terminated(request->detach.ifname, sizeof request->detach.ifname))
			request->detach.ifname[0] = '\0';
		hoy_state_detach(
			server->state, request->detach.id, request->detach.at_once, netns, request->detach.ifname);
		return 0;
	case HOY_NET_NAMESERVER:
		return do_nameserver(server, netns, reply);
	case HOY_NET_ALLOW_NAMES:
		return do_allow_names(server, request, reply);
	case HOY_NET_GRANTOR:
		return do_grantor(server, fd, reply);
	case HOY_NET_REMOTES:
		return do_remotes(server, request, reply);
	case HOY_NET_QUIT:
		return do_quit(server, request, reply);
	default:
		return hoy_err_unsupported(&reply->err, "unknown request %u", request->op);
	}
}

/* Length and counts agree? */
static bool is_whole(const struct hoy_net_request *request, size_t len)
{
	if (len < HOY_NET_REQUEST_SIZE(0))
		return false;
	if (request->op == HOY_NET_REMOTES)
		return request->remotes.n <= HOY_NET_MAX_REMOTES && len == HOY_NET_REMOTES_SIZE(request->remotes.n);
	if (request->op != HOY_NET_ATTACH)
		return len == HOY_NET_REQUEST_SIZE(0);
	return request->attach.n_ports <= HOY_NET_MAX_PORTS && len == HOY_NET_REQUEST_SIZE(request->attach.n_ports);
}

/* --- the socket ---------------------------------------------------------------------- */

static void on_request(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_server *server = userdata;
	struct hoy_net_reply *reply = &server->out->reply;
	auto_fd int netns = -EBADF;
	size_t n_fds = 1;
	ssize_t n = hoy_fd_recv(server->client, server->in, sizeof *server->in, &netns, &n_fds);

	(void) source;
	(void) events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n_fds == 0)
		netns = -EBADF;
	if (n <= 0 || !is_whole(&server->in->request, (size_t) n)) {
		drop_client(server);
		return;
	}
	memset(reply, 0, sizeof *reply);
	reply->op = server->in->request.op;
	reply->seq = server->in->request.seq;
	if (act(server, &server->in->request, &netns, reply) >= 0)
		reply->err.errnum = 0; /* what it got over by itself is not told */
	/* A client that does not take its replies starts over with a new connection. */
	if (hoy_fd_send(server->client, reply, HOY_NET_REPLY_SIZE(reply->n_ports), server->fds, server->n_fds) < 0)
		drop_client(server);
	while (server->n_fds > 0)
		hoy_fd_close(&server->fds[--server->n_fds]);
}

/* The socket's mode keeps others out; this also holds for one whose directory was opened up. */
static bool is_trusted(int client)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_server *server = userdata;
	auto_fd int client = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct hoy_err err = {};

	(void) source;
	(void) events;
	if (client < 0 || !is_trusted(client))
		return;
	drop_client(server);
	server->client = TAKE_FD(client);
	if (hoy_loop_io(server->loop, &server->receiving, server->client, EPOLLIN, on_request, server, &err) < 0) {
		hoy_log_err(&err, "accept hoyd");
		drop_client(server);
		return;
	}
	hoy_source_set_timer(server->idle, UINT64_MAX);
}

static void on_idle(struct hoy_source *source, void *userdata)
{
	struct hoy_server *server = userdata;
	struct hoy_err err = {};

	if (hoy_state_prune(server->state) > 0) {
		hoy_source_set_timer(source, IDLE_NS);
		return;
	}
	if (hoy_state_remove_all(server->state, &err) < 0)
		hoy_log_err(&err, "clean up");
	hoy_loop_exit(server->loop, 0);
}

int hoy_server_new(
	struct hoy_loop *loop, struct hoy_state *state, int listen_fd, struct hoy_server **ret, struct hoy_err *err)
{
	auto_ptr(hoy_server_free) struct hoy_server *server = calloc(1, sizeof *server);
	int r;

	if (!server)
		return hoy_err_oom(err);
	server->loop = loop;
	server->state = state;
	server->listen_fd = listen_fd;
	server->client = -EBADF;
	server->in = calloc(1, sizeof *server->in);
	server->out = calloc(1, sizeof *server->out);
	if (!server->in || !server->out)
		return hoy_err_oom(err);
	r = hoy_grantors_new(loop, state, &server->grantors, err);
	if (r < 0)
		return r;
	r = hoy_loop_io(loop, &server->accepting, listen_fd, EPOLLIN, on_connect, server, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &server->idle, IDLE_NS, on_idle, server, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void hoy_server_free(struct hoy_server *server)
{
	if (!server)
		return;
	server->accepting = hoy_source_free(server->accepting);
	server->receiving = hoy_source_free(server->receiving);
	server->idle = hoy_source_free(server->idle);
	hoy_fd_close(&server->client);
	hoy_grantors_free(server->grantors);
	free(server->in);
	free(server->out);
	free(server);
}
