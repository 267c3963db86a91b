/*
 * What one container sees of the names: its networks in order, and where the rest is asked. Answers queries
 * from the snapshots; touches no socket.
 */
#ifndef HOY_WORKER_DNS_VIEW_H
#define HOY_WORKER_DNS_VIEW_H

#include "supervisor/worker/dns/forward.h"
#include "supervisor/worker/dns/names.h"
#include "supervisor/worker/dns/packet.h"
#include "supervisor/worker/net/proto.h"

/* A name that egress rules of an endpoint allow. */
struct hoy_dns_rule {
	uint8_t endpoint[HOY_NET_ID_LEN];
	char *pattern; /* allowed_names.h */
};

struct hoy_dns_view {
	struct hoy_dns_network **networks; /* got from the names */
	size_t n_networks;
	struct hoy_dns_server servers[HOY_DNS_MAX_SERVERS];
	size_t n_servers;
	bool internal;
	struct hoy_dns_server named[HOY_DNS_MAX_SERVERS]; /* for names that a rule allows */
	size_t n_named;
	struct hoy_dns_rule *rules; /* an endpoint's are together */
	size_t n_rules;
	unsigned int turn; /* round robin */
};

/* From CONTAINER's text (proto.h). *ret is empty before, and after an error. */
int hoy_dns_view_parse(
	struct hoy_dns_names *names, const char *text, size_t len, struct hoy_dns_view *ret, struct hoy_err *err);
void hoy_dns_view_done(struct hoy_dns_view *view);

/* The first rule from `*at` on that allows the name asked for, of another endpoint than the one before; *at moves behind
 * it. NULL: none. */
const struct hoy_dns_rule *hoy_dns_view_rule(
	const struct hoy_dns_view *view, const struct hoy_dns_query *query, size_t *at);

/* The answer to a query that hoy_dns_parse() has read, with its result `rcode`, in `out` (`limit` bytes, at least 512).
 * Returns its length; 0: it is for others to answer. */
size_t hoy_dns_view_answer(struct hoy_dns_view *view, const struct hoy_dns_query *query, int rcode,
	const uint8_t *packet, uint8_t *out, size_t limit);

#endif
