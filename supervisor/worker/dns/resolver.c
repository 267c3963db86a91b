/* The name server of one container: what comes by UDP or TCP is answered from its view, or forwarded. */
#include "supervisor/worker/dns/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/worker/dns/forward.h"
#include "supervisor/worker/dns/stream.h"
#include "supervisor/worker/dns/view.h"

#define BATCH 32 /* packets before others get their turn */
#define TCP_MAX 65535

struct hoy_dns_resolver {
	int sockets[HOY_DNS_N_SOCKETS];
	struct hoy_source *udp;
	struct hoy_dns_listener *tcp;
	struct hoy_dns_forward *forward;
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

static void handle(struct hoy_dns_resolver *resolver, const uint8_t *packet, size_t len, const struct hoy_dns_to *to)
{
	struct hoy_dns_query query;
	uint8_t reply[TCP_MAX];
	int rcode = hoy_dns_parse(packet, len, &query);
	size_t limit = to->stream ? sizeof reply : query.udp_size, n;

	if (rcode < 0)
		return;
	n = hoy_dns_view_answer(&resolver->view, &query, rcode, packet, reply, limit);
	if (n == 0 && hoy_dns_forward_ask(resolver->forward, &query, packet, len, to) < 0)
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

int hoy_dns_resolver_new(
	struct hoy_loop *loop, int sockets[HOY_DNS_N_SOCKETS], struct hoy_dns_resolver **ret, struct hoy_err *err)
{
	struct hoy_dns_resolver *resolver = calloc(1, sizeof *resolver);
	int r;

	if (!resolver) {
		for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
			hoy_fd_close(&sockets[i]);
		return hoy_err_oom(err);
	}
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

	if (r < 0)
		return r;
	hoy_dns_view_done(&resolver->view);
	resolver->view = view;
	hoy_dns_forward_set_servers(resolver->forward, view.servers, view.n_servers);
	return 0;
}
