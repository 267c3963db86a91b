#include "supervisor/worker/peer/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/peer/cluster.h"

#define ALONE_NS (10 * UINT64_C(1000000000))

struct parcel {
	struct parcel *next;
	size_t size;
	struct hoy_peer_message message;
};

struct hoy_peer_server {
	struct hoy_loop *loop;
	int listen_fd;
	uid_t trusted;
	int client; /* -EBADF: none */
	struct hoy_source *accepting, *receiving, *alone;
	struct parcel *first, **last; /* to be sent */
	struct hoy_cluster *cluster;  /* NULL: before the first HELLO */
	struct hoy_peer_message in;
};

/* --- sending --------------------------------------------------------------------- */

static void drop_first(struct hoy_peer_server *server)
{
	struct parcel *first = server->first;

	server->first = first->next;
	if (!server->first)
		server->last = &server->first;
	free(first);
}

static void drop_client(struct hoy_peer_server *server)
{
	server->receiving = hoy_source_free(server->receiving);
	hoy_fd_close(&server->client);
	while (server->first)
		drop_first(server);
	if (server->cluster)
		hoy_cluster_end(server->cluster);
	hoy_source_set_timer(server->alone, ALONE_NS);
}

static void push(struct hoy_peer_server *server)
{
	while (server->first && hoy_fd_send(server->client, &server->first->message, server->first->size, NULL, 0) >= 0)
		drop_first(server);
	(void) hoy_source_set_events(server->receiving, server->first ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL);
}

/* A hoyd that can't be told starts over. */
static void say(void *userdata, const struct hoy_peer_message *message)
{
	struct hoy_peer_server *server = userdata;
	struct parcel *parcel = server->client >= 0 ? calloc(1, sizeof *parcel) : NULL;

	if (!parcel) {
		if (server->client >= 0)
			(void) shutdown(server->client, SHUT_RDWR);
		return;
	}
	parcel->size = hoy_peer_size(message->op);
	memcpy(&parcel->message, message, parcel->size);
	*server->last = parcel;
	server->last = &parcel->next;
	push(server);
}

/* --- messages ---------------------------------------------------------------------- */

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* Texts end, sizes agree? */
static bool is_whole(const struct hoy_peer_message *m, size_t len)
{
	if (len < offsetof(struct hoy_peer_message, hello) || len != hoy_peer_size(m->op))
		return false;
	switch (m->op) {
	case HOY_PEER_HELLO:
		return is_text(m->hello.host, sizeof m->hello.host) && is_text(m->hello.stores, sizeof m->hello.stores);
	case HOY_PEER_CREATE:
	case HOY_PEER_REMOVE:
		return is_text(m->network.id, sizeof m->network.id) &&
		       is_text(m->network.name, sizeof m->network.name) &&
		       is_text(m->network.ip_range, sizeof m->network.ip_range) &&
		       is_text(m->network.options, sizeof m->network.options) &&
		       is_text(m->network.labels, sizeof m->network.labels);
	case HOY_PEER_LEASE:
	case HOY_PEER_RELEASE:
	case HOY_PEER_HELD:
		return is_text(m->address.network, sizeof m->address.network) &&
		       is_text(m->address.endpoint, sizeof m->address.endpoint);
	case HOY_PEER_MEMBERS:
	case HOY_PEER_MEMBER:
	case HOY_PEER_MEMBERS_END:
		return is_text(m->member.network, sizeof m->member.network) &&
		       is_text(m->member.endpoint, sizeof m->member.endpoint) &&
		       is_text(m->member.names, sizeof m->member.names);
	default:
		return true;
	}
}

static int begin(struct hoy_peer_server *server, const struct hoy_peer_hello *hello, struct hoy_err *err)
{
	struct hoy_peer_message answer = { .op = HOY_PEER_HELLO, .hello.version = HOY_PEER_VERSION };
	int r = 0;

	say(server, &answer);
	if (hello->version != HOY_PEER_VERSION)
		return 0; /* we are told to end */
	if (server->cluster && !hoy_cluster_is_same(server->cluster, hello)) {
		hoy_cluster_free(server->cluster);
		server->cluster = NULL;
	}
	if (!server->cluster)
		r = hoy_cluster_new(server->loop, hello, say, server, &server->cluster, err);
	if (r >= 0)
		hoy_cluster_begin(server->cluster);
	return r;
}

static int act(struct hoy_peer_server *server, const struct hoy_peer_message *message, struct hoy_err *err)
{
	if (message->op == HOY_PEER_HELLO)
		return begin(server, &message->hello, err);
	if (message->op == HOY_PEER_QUIT) {
		hoy_loop_exit(server->loop, 0);
		return 0;
	}
	if (!server->cluster)
		return hoy_err_invalid(err, "message %u before HELLO", message->op);
	return hoy_cluster_act(server->cluster, message, err);
}

static void on_message(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_peer_server *server = userdata;
	struct hoy_err err = {};
	ssize_t n;

	(void) source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		memset(&server->in, 0, sizeof server->in);
		n = hoy_fd_recv(server->client, &server->in, sizeof server->in, NULL, NULL);
		if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR) || (n > 0 && !is_whole(&server->in, (size_t) n))) {
			drop_client(server);
			return;
		}
		if (n > 0 && act(server, &server->in, &err) < 0) {
			hoy_log_err(&err, "hoyd's message");
			drop_client(server);
			return;
		}
	}
	if (server->client >= 0)
		push(server);
}

/* --- connections --------------------------------------------------------------------- */

static bool is_trusted(const struct hoy_peer_server *server, int client)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == server->trusted);
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_peer_server *server = userdata;
	auto_fd int client = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct hoy_err err = {};

	(void) source;
	(void) events;
	if (client < 0 || !is_trusted(server, client))
		return;
	drop_client(server);
	server->client = TAKE_FD(client);
	if (hoy_loop_io(server->loop, &server->receiving, server->client, EPOLLIN, on_message, server, &err) < 0) {
		hoy_log_err(&err, "accept hoyd");
		drop_client(server);
		return;
	}
	hoy_source_set_timer(server->alone, UINT64_MAX);
}

/* hoyd is away: while containers of this host are on networks of the cluster the others are to know. */
static void on_alone(struct hoy_source *source, void *userdata)
{
	struct hoy_peer_server *server = userdata;

	if (server->cluster && hoy_cluster_has_members(server->cluster))
		hoy_source_set_timer(source, ALONE_NS);
	else
		hoy_loop_exit(server->loop, 0);
}

int hoy_peer_server_new(
	struct hoy_loop *loop, int listen_fd, uid_t trusted, struct hoy_peer_server **ret, struct hoy_err *err)
{
	auto_ptr(hoy_peer_server_free) struct hoy_peer_server *server = calloc(1, sizeof *server);
	int r;

	if (!server)
		return hoy_err_oom(err);
	server->loop = loop;
	server->listen_fd = listen_fd;
	server->trusted = trusted;
	server->client = -EBADF;
	server->last = &server->first;
	r = hoy_loop_io(loop, &server->accepting, listen_fd, EPOLLIN, on_connect, server, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &server->alone, ALONE_NS, on_alone, server, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(server);
	return 0;
}

void hoy_peer_server_free(struct hoy_peer_server *server)
{
	if (!server)
		return;
	hoy_cluster_free(server->cluster);
	server->cluster = NULL;
	drop_client(server);
	server->accepting = hoy_source_free(server->accepting);
	server->alone = hoy_source_free(server->alone);
	free(server);
}
