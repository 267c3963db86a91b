/* One connection is two sockets and a pipe for each direction. Decides nothing about who may connect. */
#include "supervisor/worker/net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/worker/net/relay_udp.h"

#define MAX_CONNECTIONS 1024 /* per port, six descriptors each */
#define PIECE ((size_t) 64 << 10)

enum { CLIENT, CONTAINER };

/* One direction: from sock[i] to the other. */
struct flow {
	int pipe[2];
	size_t filled;
	bool ended; /* nothing more comes */
	bool shut;  /* and that was passed on */
};

struct connection {
	struct connection *next;
	struct hoy_relay *relay;
	int sock[2];
	struct hoy_source *source[2];
	struct flow flow[2];
	bool connected;
};

struct hoy_relay {
	struct hoy_loop *loop;
	struct hoy_source *accepting;
	struct hoy_relay_target target;
	struct connection *connections;
	size_t n;
	struct hoy_relay_udp *udp; /* instead of all this */
};

static void free_connection(struct connection *c)
{
	for (size_t i = 0; i < 2; i++) {
		c->source[i] = hoy_source_free(c->source[i]);
		hoy_fd_close(&c->sock[i]);
		hoy_fd_close(&c->flow[i].pipe[0]);
		hoy_fd_close(&c->flow[i].pipe[1]);
	}
	free(c);
}

static void end(struct connection *c)
{
	struct connection **link = &c->relay->connections;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	c->relay->n--;
	free_connection(c);
}

/* --- bytes -------------------------------------------------------------------------- */

/* As much as goes without waiting: 0, or -errno when the connection is broken. */
static int pump(struct connection *c, size_t i)
{
	struct flow *flow = &c->flow[i];
	int from = c->sock[i], to = c->sock[1 - i];

	while (!flow->shut) {
		ssize_t n;

		if (flow->filled == 0 && !flow->ended) {
			n = splice(from, NULL, flow->pipe[1], NULL, PIECE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0)
				return errno == EAGAIN ? 0 : -errno;
			flow->filled = (size_t) n;
			flow->ended = n == 0;
		}
		if (flow->filled > 0) {
			n = splice(flow->pipe[0], NULL, to, NULL, flow->filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0)
				return errno == EAGAIN ? 0 : -errno;
			flow->filled -= (size_t) n;
		} else if (flow->ended) {
			(void) shutdown(to, SHUT_WR);
			flow->shut = true;
		}
	}
	return 0;
}

static uint32_t wanted(const struct connection *c, size_t i)
{
	const struct flow *out = &c->flow[i], *in = &c->flow[1 - i];

	return (out->filled == 0 && !out->ended ? EPOLLIN : 0U) | (in->filled > 0 ? EPOLLOUT : 0U);
}

static bool is_connected(int sock)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static void on_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct connection *c = userdata;
	bool broken = (events & EPOLLERR) != 0;

	if (!broken && !c->connected && source == c->source[CONTAINER])
		broken = !(c->connected = is_connected(c->sock[CONTAINER]));
	if (!broken && c->connected)
		broken = pump(c, CLIENT) < 0 || pump(c, CONTAINER) < 0;
	if (broken || (c->flow[CLIENT].shut && c->flow[CONTAINER].shut)) {
		end(c);
		return;
	}
	for (size_t i = 0; c->connected && i < 2; i++)
		(void) hoy_source_set_events(c->source[i], wanted(c, i), NULL);
}

/* --- connections ----------------------------------------------------------------------- */

static bool came_to_loopback(int sock)
{
	struct sockaddr_in6 in;
	socklen_t len = sizeof in;

	return getsockname(sock, (struct sockaddr *) &in, &len) == 0 && IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
}

static int open_to(const struct hoy_relay_target *target)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(target->address), .sin_port = htons(target->port)
	};
	const struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_addr = target->address6, .sin6_port = htons(target->port)
	};
	bool is_v4 = IN6_IS_ADDR_UNSPECIFIED(&target->address6);
	auto_fd int sock = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (sock < 0)
		return -errno;
	r = is_v4 ? connect(sock, (const struct sockaddr *) &in, sizeof in)
		  : connect(sock, (const struct sockaddr *) &in6, sizeof in6);
	return r < 0 && errno != EINPROGRESS ? -errno : TAKE_FD(sock);
}

static struct connection *new_connection(struct hoy_relay *relay, int client)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->relay = relay;
	c->sock[CLIENT] = client;
	c->sock[CONTAINER] = -EBADF;
	for (size_t i = 0; i < 2; i++)
		c->flow[i].pipe[0] = c->flow[i].pipe[1] = -EBADF;
	return c;
}

static int start(struct connection *c)
{
	struct hoy_loop *loop = c->relay->loop;
	int r;

	for (size_t i = 0; i < 2; i++)
		if (pipe2(c->flow[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
	c->sock[CONTAINER] = open_to(&c->relay->target);
	if (c->sock[CONTAINER] < 0)
		return c->sock[CONTAINER];
	r = hoy_loop_io(loop, &c->source[CONTAINER], c->sock[CONTAINER], EPOLLOUT, on_ready, c, NULL);
	if (r >= 0)
		r = hoy_loop_io(loop, &c->source[CLIENT], c->sock[CLIENT], EPOLLIN, on_ready, c, NULL);
	return r < 0 ? r : hoy_source_set_events(c->source[CLIENT], 0, NULL); /* until the other is connected */
}

static void refuse(int sock)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	(void) setsockopt(sock, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void on_client(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_relay *relay = userdata;
	auto_fd int client = accept4(hoy_source_fd(source), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c;

	(void) events;
	if (client < 0)
		return;
	if (relay->n >= MAX_CONNECTIONS || (!relay->target.every && !IN6_IS_ADDR_UNSPECIFIED(&relay->target.address6) &&
						   !came_to_loopback(client))) {
		refuse(client);
		return;
	}
	c = new_connection(relay, client);
	if (!c)
		return;
	TAKE_FD(client);
	if (start(c) < 0) {
		refuse(c->sock[CLIENT]);
		free_connection(c);
		return;
	}
	c->next = relay->connections;
	relay->connections = c;
	relay->n++;
}

int hoy_relay_new(struct hoy_loop *loop, int sock, int proto, int family, const struct hoy_relay_target *target,
	struct hoy_relay **ret, struct hoy_err *err)
{
	struct hoy_relay *relay = calloc(1, sizeof *relay);
	int r;

	if (!relay)
		return hoy_err_oom(err);
	relay->loop = loop;
	relay->target = *target;
	r = proto == IPPROTO_UDP ? hoy_relay_udp_new(loop, sock, family, target, &relay->udp, err)
				 : hoy_loop_io(loop, &relay->accepting, sock, EPOLLIN, on_client, relay, err);
	if (r < 0)
		free(relay);
	else
		*ret = relay;
	return r;
}

void hoy_relay_set_target(struct hoy_relay *relay, const struct hoy_relay_target *target)
{
	relay->target = *target;
	if (relay->udp)
		hoy_relay_udp_set_target(relay->udp, target);
}

struct hoy_relay *hoy_relay_free(struct hoy_relay *relay)
{
	if (!relay)
		return NULL;
	relay->accepting = hoy_source_free(relay->accepting);
	hoy_relay_udp_free(relay->udp);
	while (relay->connections) {
		struct connection *c = relay->connections;

		relay->connections = c->next;
		free_connection(c);
	}
	free(relay);
	return NULL;
}
