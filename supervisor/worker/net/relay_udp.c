/*
 * A flow is a client, the address of the host it sent to, and a socket of ours towards the container: what comes back
 * by that goes to the client, from the address it knows. A flow ends when it is silent, or the oldest for a new one.
 */
#include "supervisor/worker/net/relay_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"

#define MAX_FLOWS 1024 /* per port and family */
#define N_BUCKETS 256
#define BATCH 64 /* datagrams before others get their turn */
#define SILENT_NS (90 * UINT64_C(1000000000))
#define SWEEP_NS (10 * UINT64_C(1000000000))
#define BUFFER (208 << 10)
#define DATAGRAM_MAX 65535

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Of the host, as a datagram came to it. */
union local {
	struct in_pktinfo in;
	struct in6_pktinfo in6;
};

struct flow {
	struct flow *next;
	struct hoy_relay_udp *relay;
	union address client;
	union local local;
	int sock;
	struct hoy_source *source;
	uint64_t last; /* when something was sent */
};

struct hoy_relay_udp {
	struct hoy_loop *loop;
	int sock;
	int family;
	struct hoy_source *source;
	struct hoy_source *sweep;
	struct hoy_relay_target target;
	size_t n;
	struct flow *buckets[N_BUCKETS];
};

/* --- flows ---------------------------------------------------------------------------- */

static struct flow **bucket_of(struct hoy_relay_udp *relay, const union address *client)
{
	const uint8_t *a = relay->family == AF_INET ? (const uint8_t *) &client->in.sin_addr
						    : &client->in6.sin6_addr.s6_addr[12];
	unsigned int hash = client->in.sin_port; /* where that of IPv6 is */

	for (size_t i = 0; i < 4; i++)
		hash = hash * 31 + a[i];
	return &relay->buckets[(hash ^ hash >> 8) % N_BUCKETS];
}

static bool is_same_local(const struct hoy_relay_udp *relay, const union local *a, const union local *b)
{
	return relay->family == AF_INET ? a->in.ipi_addr.s_addr == b->in.ipi_addr.s_addr
					: IN6_ARE_ADDR_EQUAL(&a->in6.ipi6_addr, &b->in6.ipi6_addr);
}

static bool is_same_client(const struct hoy_relay_udp *relay, const union address *a, const union address *b)
{
	if (a->in.sin_port != b->in.sin_port)
		return false;
	return relay->family == AF_INET ? a->in.sin_addr.s_addr == b->in.sin_addr.s_addr
					: IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
						  a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

static void end(struct flow **link)
{
	struct flow *flow = *link;

	*link = flow->next;
	flow->relay->n--;
	flow->source = hoy_source_free(flow->source);
	hoy_fd_close(&flow->sock);
	free(flow);
}

/* Those silent since `before`; without one the most silent of all. */
static void end_silent(struct hoy_relay_udp *relay, uint64_t before)
{
	struct flow **oldest = NULL;

	for (size_t i = 0; i < N_BUCKETS; i++)
		for (struct flow **link = &relay->buckets[i]; *link;) {
			if ((*link)->last < before) {
				end(link);
				continue;
			}
			if (!oldest || (*link)->last < (*oldest)->last)
				oldest = link;
			link = &(*link)->next;
		}
	if (before == 0 && oldest)
		end(oldest);
}

static void on_sweep(struct hoy_source *source, void *userdata)
{
	struct hoy_relay_udp *relay = userdata;
	uint64_t now = hoy_loop_now(relay->loop);

	end_silent(relay, now > SILENT_NS ? now - SILENT_NS : 1);
	if (relay->n > 0)
		hoy_source_set_timer(source, SWEEP_NS);
}

/* --- from the container ------------------------------------------------------------------ */

static void send_to_client(const struct flow *flow, uint8_t *bytes, size_t len)
{
	struct hoy_relay_udp *relay = flow->relay;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(union local))];
	} control = {};
	struct iovec data = { .iov_base = bytes, .iov_len = len };
	struct msghdr message = {
		.msg_name = (void *) &flow->client,
		.msg_namelen = relay->family == AF_INET ? sizeof flow->client.in : sizeof flow->client.in6,
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = relay->family == AF_INET ? CMSG_SPACE(sizeof flow->local.in)
							   : CMSG_SPACE(sizeof flow->local.in6),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	if (relay->family == AF_INET) {
		const struct in_pktinfo from = { .ipi_spec_dst = flow->local.in.ipi_addr };

		*head = (struct cmsghdr){
			.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof from)
		};
		memcpy(CMSG_DATA(head), &from, sizeof from);
	} else {
		struct in6_pktinfo from = { .ipi6_addr = flow->local.in6.ipi6_addr };

		if (IN6_IS_ADDR_LINKLOCAL(&from.ipi6_addr))
			from.ipi6_ifindex = flow->local.in6.ipi6_ifindex;
		*head = (struct cmsghdr){
			.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof from)
		};
		memcpy(CMSG_DATA(head), &from, sizeof from);
	}
	(void) sendmsg(relay->sock, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_answer(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct flow *flow = userdata;
	uint8_t bytes[DATAGRAM_MAX];

	(void) source;
	(void) events;
	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t n = recv(flow->sock, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n < 0) /* also: nobody listens in the container */
			return;
		flow->last = hoy_loop_now(flow->relay->loop);
		send_to_client(flow, bytes, (size_t) n);
	}
}

/* --- from clients ------------------------------------------------------------------------ */

static int open_to(const struct hoy_relay_target *target)
{
	union address to;
	socklen_t len;
	auto_fd int sock = -EBADF;

	if (IN6_IS_ADDR_UNSPECIFIED(&target->address6)) {
		to.in = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(target->address),
			.sin_port = htons(target->port) };
		len = sizeof to.in;
	} else {
		to.in6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6, .sin6_addr = target->address6, .sin6_port = htons(target->port)
		};
		len = sizeof to.in6;
	}
	sock = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || connect(sock, &to.any, len) < 0)
		return -errno;
	return TAKE_FD(sock);
}

static struct flow *new_flow(struct hoy_relay_udp *relay, const union address *client, const union local *local)
{
	struct flow **bucket = bucket_of(relay, client), *flow;

	if (relay->n >= MAX_FLOWS)
		end_silent(relay, 0);
	flow = calloc(1, sizeof *flow);
	if (!flow)
		return NULL;
	flow->relay = relay;
	flow->client = *client;
	flow->local = *local;
	flow->sock = open_to(&relay->target);
	if (flow->sock < 0 || hoy_loop_io(relay->loop, &flow->source, flow->sock, EPOLLIN, on_answer, flow, NULL) < 0) {
		hoy_fd_close(&flow->sock);
		free(flow);
		return NULL;
	}
	if (relay->n++ == 0)
		hoy_source_set_timer(relay->sweep, SWEEP_NS);
	flow->next = *bucket;
	*bucket = flow;
	return flow;
}

static bool read_local(struct msghdr *message, union local *ret)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
			memcpy(&ret->in, CMSG_DATA(head), sizeof ret->in);
			return true;
		}
		if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
			memcpy(&ret->in6, CMSG_DATA(head), sizeof ret->in6);
			return true;
		}
	}
	return false;
}

static void pass_on(struct hoy_relay_udp *relay, const union address *client, const union local *local,
	const uint8_t *bytes, size_t len)
{
	struct flow *flow = *bucket_of(relay, client);

	/* What the kernel translates came here only because rules were missing. */
	if (!relay->target.every && !IN6_IS_ADDR_UNSPECIFIED(&relay->target.address6) &&
		!IN6_IS_ADDR_LOOPBACK(&local->in6.ipi6_addr))
		return;
	while (flow && !(is_same_client(relay, &flow->client, client) && is_same_local(relay, &flow->local, local)))
		flow = flow->next;
	if (!flow)
		flow = new_flow(relay, client, local);
	if (!flow)
		return;
	flow->last = hoy_loop_now(relay->loop);
	(void) send(flow->sock, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_datagram(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_relay_udp *relay = userdata;
	uint8_t bytes[DATAGRAM_MAX];

	(void) source;
	(void) events;
	for (unsigned int i = 0; i < BATCH; i++) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(union local))];
		} control;
		union address client = {};
		union local local = {};
		struct iovec data = { .iov_base = bytes, .iov_len = sizeof bytes };
		struct msghdr message = { .msg_name = &client,
			.msg_namelen = sizeof client,
			.msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof control };
		ssize_t n = recvmsg(relay->sock, &message, MSG_DONTWAIT);

		if (n < 0)
			return;
		if (read_local(&message, &local))
			pass_on(relay, &client, &local, bytes, (size_t) n);
	}
}

/* --- life ----------------------------------------------------------------------------------- */

static int prepare(int sock, int family)
{
	const int one = 1, buffer = BUFFER;
	int r = family == AF_INET ? setsockopt(sock, IPPROTO_IP, IP_PKTINFO, &one, sizeof one)
				  : setsockopt(sock, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);

	return r < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) < 0 ? -errno : 0;
}

int hoy_relay_udp_new(struct hoy_loop *loop, int sock, int family, const struct hoy_relay_target *target,
	struct hoy_relay_udp **ret, struct hoy_err *err)
{
	struct hoy_relay_udp *relay = calloc(1, sizeof *relay);
	int r;

	if (!relay)
		return hoy_err_oom(err);
	relay->loop = loop;
	relay->sock = sock;
	relay->family = family;
	relay->target = *target;
	r = prepare(sock, family);
	if (r < 0)
		(void) hoy_err_code(err, r, "prepare a published port of udp");
	else
		r = hoy_loop_io(loop, &relay->source, sock, EPOLLIN, on_datagram, relay, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &relay->sweep, UINT64_MAX, on_sweep, relay, err);
	if (r < 0)
		hoy_relay_udp_free(relay);
	else
		*ret = relay;
	return r;
}

static void end_all(struct hoy_relay_udp *relay)
{
	for (size_t i = 0; i < N_BUCKETS; i++)
		while (relay->buckets[i])
			end(&relay->buckets[i]);
}

/* Datagrams know no connection: all go to the new one. */
void hoy_relay_udp_set_target(struct hoy_relay_udp *relay, const struct hoy_relay_target *target)
{
	relay->target = *target;
	end_all(relay);
}

void hoy_relay_udp_free(struct hoy_relay_udp *relay)
{
	if (!relay)
		return;
	relay->source = hoy_source_free(relay->source);
	relay->sweep = hoy_source_free(relay->sweep);
	end_all(relay);
	free(relay);
}
