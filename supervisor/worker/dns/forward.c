/*
 * Forwarding. UDP: a few sockets shared by the queries under way; each query has a random id, and a socket that nothing
 * is waited for on gives its port back, so that the next query leaves from another (RFC 5452). TCP: a connection per
 * query; the container's two sockets are used again after a disconnect, since only hoy-net can make more of them.
 */
#include "supervisor/worker/dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"

#define MAX_ASKED 512 /* per container */
#define MAX_TRIES 3
#define TRY_NS UINT64_C(1500000000)
#define TICK_NS UINT64_C(250000000)
#define N_UDP (HOY_DNS_OUT_TCP - HOY_DNS_OUT_UDP)
#define N_TCP (HOY_DNS_N_SOCKETS - HOY_DNS_OUT_TCP)
#define MESSAGE_MAX 65535

/* Where a server is asked from; the last two are our own namespace. */
enum origin { FROM_CONTAINER, FROM_HOST, FROM_HOST6, _N_ORIGINS };

/* One query under way. */
struct ask {
	struct ask *next;
	struct hoy_dns_query query;
	struct hoy_dns_to to;
	bool forgotten;   /* nobody waits for the answer any more */
	uint16_t id;      /* ours */
	unsigned int try; /* from 0 */
	struct hoy_dns_server server;
	uint64_t expires; /* UINT64_MAX: waits for a connection */
	struct channel *channel;
	struct call *call;
	size_t len;
	uint8_t packet[];
};

struct channel {
	struct hoy_dns_forward *forward;
	int fd; /* -EBADF: not made yet */
	bool is_own;
	unsigned int asked;
	struct hoy_source *source;
};

/* A TCP connection for one query. */
struct call {
	struct hoy_dns_forward *forward;
	int fd;
	bool is_own; /* made for this one query, closed after it */
	struct ask *ask;
	struct hoy_source *source;
	size_t sent;
	size_t got;
	uint8_t head[2];
	uint8_t *reply;
};

struct hoy_dns_forward {
	struct hoy_loop *loop;
	hoy_dns_deliver deliver;
	void *userdata;
	struct hoy_dns_server servers[HOY_DNS_MAX_SERVERS];
	size_t n_servers;
	size_t best; /* the one that answered last */
	struct ask *asks;
	size_t n_asks;
	struct channel channels[_N_ORIGINS][N_UDP];
	struct call calls[_N_ORIGINS][N_TCP];
	struct hoy_source *timer;
};

static void next_try(struct hoy_dns_forward *forward, struct ask *ask);
static void on_call(struct hoy_source *source, uint32_t events, void *userdata);

static enum origin origin_of(const struct hoy_dns_server *server)
{
	if (!server->from_host)
		return FROM_CONTAINER;
	return server->address.ss_family == AF_INET6 ? FROM_HOST6 : FROM_HOST;
}

static int family_of(enum origin origin)
{
	return origin == FROM_HOST6 ? AF_INET6 : AF_INET;
}

/* --- sockets are given back ------------------------------------------------------------ */

/* The socket is as new: no peer, no port of its own. */
static void disconnect(int fd)
{
	const struct sockaddr nothing = { .sa_family = AF_UNSPEC };

	(void) connect(fd, &nothing, sizeof nothing);
}

static void call_end(struct call *call)
{
	call->source = hoy_source_free(call->source);
	if (call->is_own)
		hoy_fd_close(&call->fd);
	else if (call->ask)
		disconnect(call->fd);
	free(call->reply);
	call->reply = NULL;
	call->ask = NULL;
}

/* No answer is waited for any more where it was sent last. */
static void ask_withdraw(struct ask *ask)
{
	if (ask->channel && --ask->channel->asked == 0)
		disconnect(ask->channel->fd);
	ask->channel = NULL;
	if (ask->call)
		call_end(ask->call);
	ask->call = NULL;
}

static void ask_end(struct hoy_dns_forward *forward, struct ask *ask)
{
	struct ask **link = &forward->asks;

	ask_withdraw(ask);
	while (*link != ask)
		link = &(*link)->next;
	*link = ask->next;
	forward->n_asks--;
	free(ask);
}

/* The answer, or NULL: there is none. */
static void finish(struct hoy_dns_forward *forward, struct ask *ask, uint8_t *reply, size_t len)
{
	uint8_t failure[HOY_DNS_PLAIN_UDP];

	if (!reply) {
		reply = failure;
		len = hoy_dns_reply(&ask->query, ask->packet, HOY_DNS_SERVFAIL, NULL, 0, failure, sizeof failure);
	}
	hoy_dns_set_id(reply, ask->query.id);
	if (!ask->forgotten)
		forward->deliver(forward->userdata, &ask->to, &ask->query, reply, len);
	ask_end(forward, ask);
}

/* A server that can't or won't is not the last word while there are others. */
static void answered(struct hoy_dns_forward *forward, struct ask *ask, uint8_t *reply, size_t len)
{
	int rcode = hoy_dns_rcode(reply);

	if ((rcode == HOY_DNS_SERVFAIL || rcode == HOY_DNS_REFUSED || rcode == HOY_DNS_NOTIMP) &&
		ask->try + 1 < MIN(forward->n_servers, (size_t) MAX_TRIES)) {
		next_try(forward, ask);
		return;
	}
	for (size_t i = 0; i < forward->n_servers; i++)
		if (memcmp(&forward->servers[i], &ask->server, sizeof ask->server) == 0)
			forward->best = i;
	finish(forward, ask, reply, len);
}

/* --- UDP ---------------------------------------------------------------------------------- */

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *) a, *b4 = (const struct sockaddr_in *) b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *) a, *b6 = (const struct sockaddr_in6 *) b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port && memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static void on_reply(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct channel *channel = userdata;
	struct hoy_dns_forward *forward = channel->forward;
	uint8_t reply[MESSAGE_MAX];
	struct sockaddr_storage from = {};
	socklen_t from_len = sizeof from;
	ssize_t n = recvfrom(channel->fd, reply, sizeof reply, MSG_DONTWAIT, (struct sockaddr *) &from, &from_len);

	(void) source;
	(void) events;
	if (n < HOY_DNS_HEADER)
		return;
	for (struct ask *ask = forward->asks; ask; ask = ask->next)
		if (ask->channel == channel && ask->id == hoy_dns_id(reply) &&
			same_address(&from, &ask->server.address) &&
			hoy_dns_is_reply_to(reply, (size_t) n, ask->packet, ask->query.question_len)) {
			answered(forward, ask, reply, (size_t) n);
			return;
		}
}

static int channel_open(struct channel *channel, enum origin origin)
{
	struct hoy_err ignored;

	if (channel->fd < 0) {
		channel->fd = socket(family_of(origin), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		channel->is_own = true;
	}
	if (channel->fd < 0)
		return -errno;
	return channel->source ? 0
			       : hoy_loop_io(channel->forward->loop, &channel->source, channel->fd, EPOLLIN, on_reply,
					 channel, &ignored);
}

static uint16_t random16(void)
{
	uint16_t value;

	hoy_random(&value, sizeof value);
	return value;
}

static bool id_is_taken(const struct hoy_dns_forward *forward, uint16_t id)
{
	for (const struct ask *ask = forward->asks; ask; ask = ask->next)
		if (ask->id == id && (ask->channel || ask->call))
			return true;
	return false;
}

static int send_udp(struct hoy_dns_forward *forward, struct ask *ask)
{
	enum origin origin = origin_of(&ask->server);
	struct channel *channel = &forward->channels[origin][random16() % N_UDP];
	int r = channel_open(channel, origin);

	if (r < 0)
		return r;
	if (sendto(channel->fd, ask->packet, ask->len, MSG_DONTWAIT, (const struct sockaddr *) &ask->server.address,
		    ask->server.len) < 0)
		return -errno;
	ask->channel = channel;
	channel->asked++;
	return 0;
}

/* --- TCP ------------------------------------------------------------------------------------ */

/* One that waits in the queue takes the connection over. */
static void next_waiting(struct hoy_dns_forward *forward)
{
	struct ask *first = NULL;

	for (struct ask *ask = forward->asks; ask; ask = ask->next) /* newest first */
		if (ask->to.stream && !ask->call && ask->expires == UINT64_MAX)
			first = ask;
	if (first)
		next_try(forward, first);
}

static void call_failed(struct call *call)
{
	struct hoy_dns_forward *forward = call->forward;

	next_try(forward, call->ask);
	next_waiting(forward);
}

static void call_send(struct call *call)
{
	uint8_t message[2 + HOY_DNS_QUERY_MAX];
	size_t len = 2 + call->ask->len;
	ssize_t n;

	message[0] = (uint8_t) (call->ask->len >> 8);
	message[1] = (uint8_t) call->ask->len;
	memcpy(message + 2, call->ask->packet, call->ask->len);
	n = send(call->fd, message + call->sent, len - call->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		call_failed(call);
		return;
	}
	call->sent += n > 0 ? (size_t) n : 0;
	if (call->sent == len)
		(void) hoy_source_set_events(call->source, EPOLLIN, NULL);
}

static size_t reply_len(const struct call *call)
{
	return (size_t) call->head[0] << 8 | call->head[1];
}

static void call_complete(struct call *call)
{
	struct hoy_dns_forward *forward = call->forward;
	struct ask *ask = call->ask;
	auto_free uint8_t *reply = TAKE_PTR(call->reply);
	size_t len = reply_len(call);

	if (hoy_dns_id(reply) != ask->id || !hoy_dns_is_reply_to(reply, len, ask->packet, ask->query.question_len)) {
		call_failed(call);
		return;
	}
	answered(forward, ask, reply, len);
	next_waiting(forward);
}

static void call_recv(struct call *call)
{
	ssize_t n;

	if (call->got < 2)
		n = recv(call->fd, call->head + call->got, 2 - call->got, MSG_DONTWAIT);
	else
		n = recv(call->fd, call->reply + call->got - 2, reply_len(call) + 2 - call->got, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	call->got += n > 0 ? (size_t) n : 0;
	if (call->got == 2 && n > 0 && !call->reply)
		call->reply = malloc(MAX(reply_len(call), (size_t) 1));
	if (n <= 0 || (call->got >= 2 && (!call->reply || reply_len(call) < HOY_DNS_HEADER)))
		call_failed(call);
	else if (call->got == reply_len(call) + 2)
		call_complete(call);
}

static void on_call(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct call *call = userdata;

	(void) source;
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))
		call_failed(call);
	else if (events & EPOLLOUT)
		call_send(call);
	else
		call_recv(call);
}

static int call_start(struct call *call, enum origin origin, struct ask *ask)
{
	struct hoy_err ignored;
	int r;

	if (call->fd < 0) {
		call->fd = socket(family_of(origin), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		call->is_own = true;
	}
	if (call->fd < 0)
		return -errno;
	call->sent = call->got = 0;
	call->ask = ask;
	r = connect(call->fd, (const struct sockaddr *) &ask->server.address, ask->server.len) < 0 &&
			    errno != EINPROGRESS
		    ? -errno
		    : hoy_loop_io(call->forward->loop, &call->source, call->fd, EPOLLOUT, on_call, call, &ignored);
	if (r < 0)
		call_end(call);
	else
		ask->call = call;
	return r;
}

/* -EBUSY: all connections are in use, it waits for one. */
static int send_tcp(struct hoy_dns_forward *forward, struct ask *ask)
{
	enum origin origin = origin_of(&ask->server);

	for (size_t i = 0; i < N_TCP; i++)
		if (!forward->calls[origin][i].ask)
			return call_start(&forward->calls[origin][i], origin, ask);
	return -EBUSY;
}

/* --- tries -------------------------------------------------------------------------------------- */

/* Sends it to the server whose turn it is; to the next one if that can't be, until none is left. */
static void send_ask(struct hoy_dns_forward *forward, struct ask *ask)
{
	int r = -ENOENT;

	for (; ask->try < MAX_TRIES && forward->n_servers > 0; ask->try++) {
		ask->server = forward->servers[(forward->best + ask->try) % forward->n_servers];
		do
			ask->id = random16();
		while (id_is_taken(forward, ask->id));
		hoy_dns_set_id(ask->packet, ask->id);
		ask->expires = hoy_loop_now(forward->loop) + TRY_NS;
		r = ask->to.stream ? send_tcp(forward, ask) : send_udp(forward, ask);
		if (r == -EBUSY)
			ask->expires = UINT64_MAX;
		if (r >= 0 || r == -EBUSY)
			return;
	}
	finish(forward, ask, NULL, 0);
}

static void next_try(struct hoy_dns_forward *forward, struct ask *ask)
{
	bool waited = ask->expires == UINT64_MAX;

	ask_withdraw(ask);
	if (!waited)
		ask->try++;
	send_ask(forward, ask);
}

static void on_tick(struct hoy_source *source, void *userdata)
{
	struct hoy_dns_forward *forward = userdata;
	uint64_t now = hoy_loop_now(forward->loop);

	for (struct ask *ask = forward->asks, *next; ask; ask = next) {
		next = ask->next;
		if (ask->expires <= now)
			next_try(forward, ask);
	}
	next_waiting(forward);
	if (forward->asks)
		hoy_source_set_timer(source, TICK_NS);
}

int hoy_dns_forward_ask(struct hoy_dns_forward *forward, const struct hoy_dns_query *query, const uint8_t *packet,
	size_t len, const struct hoy_dns_to *to)
{
	struct ask *ask;

	if (forward->n_asks >= MAX_ASKED)
		return -EBUSY;
	ask = calloc(1, sizeof *ask + len);
	if (!ask)
		return -ENOMEM;
	ask->query = *query;
	ask->to = *to;
	ask->len = len;
	memcpy(ask->packet, packet, len);
	if (!forward->asks)
		hoy_source_set_timer(forward->timer, TICK_NS);
	ask->next = forward->asks;
	forward->asks = ask;
	forward->n_asks++;
	send_ask(forward, ask);
	return 0;
}

void hoy_dns_forward_forget(struct hoy_dns_forward *forward, const struct hoy_dns_stream *stream)
{
	for (struct ask *ask = forward->asks; ask; ask = ask->next)
		ask->forgotten = ask->forgotten || ask->to.stream == stream;
}

void hoy_dns_forward_set_servers(struct hoy_dns_forward *forward, const struct hoy_dns_server *servers, size_t n)
{
	forward->n_servers = MIN(n, (size_t) HOY_DNS_MAX_SERVERS);
	memcpy(forward->servers, servers, forward->n_servers * sizeof *servers);
	forward->best = 0;
}

/* --- the whole ------------------------------------------------------------------------------------- */

int hoy_dns_forward_new(struct hoy_loop *loop, const int *sockets, hoy_dns_deliver deliver, void *userdata,
	struct hoy_dns_forward **ret, struct hoy_err *err)
{
	struct hoy_dns_forward *forward = calloc(1, sizeof *forward);
	int r;

	if (!forward)
		return hoy_err_oom(err);
	forward->loop = loop;
	forward->deliver = deliver;
	forward->userdata = userdata;
	for (size_t i = 0; i < _N_ORIGINS; i++) {
		for (size_t j = 0; j < N_UDP; j++)
			forward->channels[i][j] = (struct channel){ .forward = forward,
				.fd = i == FROM_CONTAINER ? sockets[HOY_DNS_OUT_UDP + j] : -EBADF };
		for (size_t j = 0; j < N_TCP; j++)
			forward->calls[i][j] = (struct call){ .forward = forward,
				.fd = i == FROM_CONTAINER ? sockets[HOY_DNS_OUT_TCP + j] : -EBADF };
	}
	r = hoy_loop_timer(loop, &forward->timer, UINT64_MAX, on_tick, forward, err);
	if (r < 0) {
		free(forward);
		return r;
	}
	*ret = forward;
	return 0;
}

void hoy_dns_forward_free(struct hoy_dns_forward *forward)
{
	if (!forward)
		return;
	while (forward->asks)
		ask_end(forward, forward->asks);
	for (size_t i = 0; i < _N_ORIGINS; i++)
		for (size_t j = 0; j < N_UDP; j++) {
			struct channel *channel = &forward->channels[i][j];

			channel->source = hoy_source_free(channel->source);
			if (channel->is_own)
				hoy_fd_close(&channel->fd);
		}
	forward->timer = hoy_source_free(forward->timer);
	free(forward);
}
