/*
 * The name server of one container: what comes by UDP or TCP is answered from its view, or forwarded. An answer to a name
 * that an egress rule allows is held until hoy-net lets the container send to the addresses in it.
 */
#include "supervisor/worker/dns/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/worker/dns/addresses.h"
#include "supervisor/worker/dns/forward.h"
#include "supervisor/worker/dns/grants.h"
#include "supervisor/worker/dns/stream.h"
#include "supervisor/worker/dns/view.h"

#define BATCH 32 /* packets before others get their turn */
#define TCP_MAX 65535

/* An answer that waits for hoy-net. */
struct held {
	struct held *next;
	struct hoy_dns_resolver *resolver;
	struct hoy_dns_query query;
	struct hoy_dns_to to;
	size_t waiting; /* for so many endpoints of the container */
	bool refused;
	size_t len;
	uint8_t reply[];
};

struct hoy_dns_resolver {
	struct hoy_loop *loop;
	struct hoy_dns_grants *grants;
	int sockets[HOY_DNS_N_SOCKETS];
	struct hoy_source *udp;
	struct hoy_dns_listener *tcp;
	struct hoy_dns_forward *forward;
	struct hoy_dns_forward *named; /* for names that a rule allows; NULL: there are none */
	struct held *held;
	struct hoy_dns_view view;
};

static void deliver(
	void *userdata, const struct hoy_dns_to *to, const struct hoy_dns_query *query, uint8_t *reply, size_t len)
{
	struct hoy_dns_resolver *resolver = userdata;

	if (to->stream) {
		hoy_dns_stream_send(to->stream, reply, len);
		return;
	}
	if (len > query->udp_size)
		len = hoy_dns_truncate(reply, len, query->question_len);
	(void) sendto(resolver->sockets[HOY_DNS_UDP], reply, len, MSG_DONTWAIT, (const struct sockaddr *) &to->client,
		sizeof to->client);
}

/* --- names of egress rules ------------------------------------------------------------ */

static void held_free(struct held *held)
{
	struct held **link = &held->resolver->held;

	while (*link != held)
		link = &(*link)->next;
	*link = held->next;
	hoy_dns_grants_forget(held->resolver->grants, held);
	free(held);
}

/* An answer whose addresses can't be reached would only mislead: then the client may try again. */
static void release(struct held *held)
{
	uint8_t failure[HOY_DNS_PLAIN_UDP];
	uint8_t *reply = held->reply;
	size_t len = held->len;

	if (held->refused) {
		len = hoy_dns_reply(&held->query, reply, HOY_DNS_SERVFAIL, NULL, 0, failure, sizeof failure);
		reply = failure;
	}
	deliver(held->resolver, &held->to, &held->query, reply, len);
	held_free(held);
}

static void on_granted(void *userdata, bool is_granted)
{
	struct held *held = userdata;

	held->refused = held->refused || !is_granted;
	if (--held->waiting == 0)
		release(held);
}

static struct held *hold(struct hoy_dns_resolver *resolver, const struct hoy_dns_to *to,
	const struct hoy_dns_query *query, const uint8_t *reply, size_t len)
{
	struct held *held = calloc(1, sizeof *held + len);

	if (!held)
		return NULL;
	held->resolver = resolver;
	held->query = *query;
	held->to = *to;
	held->len = len;
	memcpy(held->reply, reply, len);
	held->next = resolver->held;
	resolver->held = held;
	return held;
}

static void deliver_named(
	void *userdata, const struct hoy_dns_to *to, const struct hoy_dns_query *query, uint8_t *reply, size_t len)
{
	struct hoy_dns_resolver *resolver = userdata;
	struct hoy_net_grant grant = {};
	const struct hoy_dns_rule *rule;
	struct held *held;
	uint32_t ttl = 0;
	size_t at = 0;

	grant.n_addresses = (uint32_t) hoy_dns_addresses(
		reply, len, query->question_len, grant.addresses, HOY_NET_MAX_GRANTED, &ttl);
	if (grant.n_addresses == 0) {
		deliver(resolver, to, query, reply, len);
		return;
	}
	memcpy(grant.name, query->name, MIN(sizeof grant.name, sizeof query->name));
	held = hold(resolver, to, query, reply, len);
	if (!held)
		return; /* as if it were lost */
	while ((rule = hoy_dns_view_rule(&resolver->view, query, &at))) {
		int r;

		memcpy(grant.endpoint, rule->endpoint, sizeof grant.endpoint);
		r = hoy_dns_grants_ask(resolver->grants, &grant, ttl, on_granted, held);
		held->waiting += r == 0;
		held->refused = held->refused || r < 0;
	}
	if (held->waiting == 0)
		release(held);
}

/* --- queries --------------------------------------------------------------------------- */

/* Whom a query that is not ours to answer is for. */
static struct hoy_dns_forward *forward_of(struct hoy_dns_resolver *resolver, const struct hoy_dns_query *query)
{
	size_t at = 0;

	return resolver->named && hoy_dns_view_rule(&resolver->view, query, &at) ? resolver->named : resolver->forward;
}

static void handle(struct hoy_dns_resolver *resolver, const uint8_t *packet, size_t len, const struct hoy_dns_to *to)
{
	struct hoy_dns_query query;
	uint8_t reply[TCP_MAX];
	int rcode = hoy_dns_parse(packet, len, &query);
	size_t limit = to->stream ? sizeof reply : query.udp_size, n;

	if (rcode < 0)
		return;
	n = hoy_dns_view_answer(&resolver->view, &query, rcode, packet, reply, limit);
	if (n == 0 && hoy_dns_forward_ask(forward_of(resolver, &query), &query, packet, len, to) < 0)
		n = hoy_dns_reply(&query, packet, HOY_DNS_SERVFAIL, NULL, 0, reply, limit);
	if (n > 0)
		deliver(resolver, to, &query, reply, n);
}

static void on_udp(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_resolver *resolver = userdata;
	uint8_t packet[HOY_DNS_QUERY_MAX + 1]; /* a longer one is seen to be too long */

	(void) source;
	(void) events;
	for (unsigned int i = 0; i < BATCH; i++) {
		struct hoy_dns_to to = {};
		socklen_t from_len = sizeof to.client;
		ssize_t n = recvfrom(resolver->sockets[HOY_DNS_UDP], packet, sizeof packet, MSG_DONTWAIT,
			(struct sockaddr *) &to.client, &from_len);

		if (n < 0)
			return;
		handle(resolver, packet, (size_t) n, &to);
	}
}

static void on_query(void *userdata, struct hoy_dns_stream *stream, const uint8_t *packet, size_t len)
{
	const struct hoy_dns_to to = { .stream = stream };

	handle(userdata, packet, len, &to);
}

static void on_closed(void *userdata, const struct hoy_dns_stream *stream)
{
	struct hoy_dns_resolver *resolver = userdata;

	hoy_dns_forward_forget(resolver->forward, stream);
	if (resolver->named)
		hoy_dns_forward_forget(resolver->named, stream);
	for (struct held *held = resolver->held, *next; held; held = next) {
		next = held->next;
		if (held->to.stream == stream)
			held_free(held);
	}
}

static int listen_to(struct hoy_loop *loop, struct hoy_dns_resolver *resolver, struct hoy_err *err)
{
	const struct hoy_dns_stream_owner owner = { .query = on_query, .closed = on_closed, .userdata = resolver };
	int r = hoy_dns_forward_new(loop, resolver->sockets, deliver, resolver, &resolver->forward, err);

	for (size_t i = 0; i < HOY_DNS_N_SOCKETS && r >= 0; i++)
		r = hoy_fd_set_nonblocking(resolver->sockets[i], true);
	if (r >= 0)
		r = hoy_loop_io(loop, &resolver->udp, resolver->sockets[HOY_DNS_UDP], EPOLLIN, on_udp, resolver, err);
	if (r >= 0)
		r = hoy_dns_listener_new(loop, resolver->sockets[HOY_DNS_TCP], &owner, &resolver->tcp, err);
	return r;
}

int hoy_dns_resolver_new(struct hoy_loop *loop, int sockets[HOY_DNS_N_SOCKETS], struct hoy_dns_grants *grants,
	struct hoy_dns_resolver **ret, struct hoy_err *err)
{
	struct hoy_dns_resolver *resolver = calloc(1, sizeof *resolver);
	int r;

	if (!resolver) {
		for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
			hoy_fd_close(&sockets[i]);
		return hoy_err_oom(err);
	}
	resolver->loop = loop;
	resolver->grants = grants;
	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
		resolver->sockets[i] = TAKE_FD(sockets[i]);
	r = listen_to(loop, resolver, err);
	if (r < 0) {
		hoy_dns_resolver_free(resolver);
		return r;
	}
	*ret = resolver;
	return 0;
}

void hoy_dns_resolver_free(struct hoy_dns_resolver *resolver)
{
	if (!resolver)
		return;
	resolver->udp = hoy_source_free(resolver->udp);
	hoy_dns_listener_free(resolver->tcp);
	hoy_dns_forward_free(resolver->forward);
	hoy_dns_forward_free(resolver->named);
	while (resolver->held)
		held_free(resolver->held);
	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
		hoy_fd_close(&resolver->sockets[i]);
	hoy_dns_view_done(&resolver->view);
	free(resolver);
}

int hoy_dns_resolver_tell(struct hoy_dns_resolver *resolver, struct hoy_dns_names *names, const char *text, size_t len,
	struct hoy_err *err)
{
	struct hoy_dns_view view = {};
	int r = hoy_dns_view_parse(names, text, len, &view, err);

	if (r >= 0 && view.n_rules > 0 && !resolver->named) {
		r = hoy_dns_forward_new(
			resolver->loop, resolver->sockets, deliver_named, resolver, &resolver->named, err);
		if (r < 0)
			hoy_dns_view_done(&view);
	}
	if (r < 0)
		return r;
	hoy_dns_view_done(&resolver->view);
	resolver->view = view;
	hoy_dns_forward_set_servers(resolver->forward, view.servers, view.n_servers);
	if (resolver->named)
		hoy_dns_forward_set_servers(resolver->named, view.named, view.n_named);
	return 0;
}
