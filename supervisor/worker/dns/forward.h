/*
 * Queries for others: sent on as bytes with an id of our own, from the network namespace that the server is to be asked
 * from, by the transport the client used. A server that does not answer is passed over, and asked last from then on.
 */
#ifndef HOY_WORKER_DNS_FORWARD_H
#define HOY_WORKER_DNS_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "supervisor/worker/dns/packet.h"
#include "supervisor/worker/dns/proto.h"

struct hoy_loop;
struct hoy_dns_forward;
struct hoy_dns_stream;

#define HOY_DNS_MAX_SERVERS 8

struct hoy_dns_server {
	struct sockaddr_storage address;
	socklen_t len;
	bool from_host; /* asked from our own namespace, not the container's */
};

/* Where an answer goes. */
struct hoy_dns_to {
	struct hoy_dns_stream *stream; /* NULL: by UDP */
	struct sockaddr_in client;
};

/* `reply` has the client's id again; it may be changed. */
typedef void (*hoy_dns_deliver)(
	void *userdata, const struct hoy_dns_to *to, const struct hoy_dns_query *query, uint8_t *reply, size_t len);

/* `sockets` are a container's (HOY_DNS_N_SOCKETS), borrowed; no servers are known yet. */
int hoy_dns_forward_new(struct hoy_loop *loop, const int *sockets, hoy_dns_deliver deliver, void *userdata,
	struct hoy_dns_forward **ret, struct hoy_err *err);
void hoy_dns_forward_free(struct hoy_dns_forward *forward); /* what is under way is not answered */

/* Copied. Queries under way are asked anew from the first one at their next try. */
void hoy_dns_forward_set_servers(struct hoy_dns_forward *forward, const struct hoy_dns_server *servers, size_t n);

/* Takes the query over: it will be delivered, once, later. -EBUSY: too much is under way. */
int hoy_dns_forward_ask(struct hoy_dns_forward *forward, const struct hoy_dns_query *query, const uint8_t *packet,
	size_t len, const struct hoy_dns_to *to);

/* The stream is closed: its answers are wanted no more. */
void hoy_dns_forward_forget(struct hoy_dns_forward *forward, const struct hoy_dns_stream *stream);

#endif
