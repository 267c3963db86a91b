/*
 * What hoy-dns has said about the names that an endpoint may send to: which addresses they had, and until when they are
 * allowed. Judges what it says by what hoyd has said of the endpoint; touches no rules.
 */
#ifndef HOY_WORKER_NET_GRANTED_H
#define HOY_WORKER_NET_GRANTED_H

#include "base/buf.h"
#include "supervisor/worker/net/proto.h"
#include "supervisor/worker/net/ruleset.h"

struct hoy_granted {
	char *names; /* as hoyd said; NULL: none */
	struct hoy_granted_address *all;
	size_t n;
};

void hoy_granted_done(struct hoy_granted *granted);
/* `text` has HOY_NET_NAMES_MAX bytes. What was granted stays. */
int hoy_granted_set_names(struct hoy_granted *granted, const char *text, struct hoy_err *err);

/*
 * Notes the addresses of a message (checked for its form) and puts the changed elements into `out`. -EPERM: the name is
 * not one of the endpoint's. Addresses that no name should have (loopback, link-local, multicast) are passed over, and
 * those for which `is_ours` is true. `now` in nanoseconds.
 */
struct hoy_granted_request {
	const char *table;
	const struct hoy_ruleset_target *from;
	bool (*is_ours)(void *userdata, const struct in6_addr *address);
	void *userdata;
	uint64_t now;
};
int hoy_granted_add(struct hoy_granted *granted, const struct hoy_net_grant *grant,
	const struct hoy_granted_request *request, struct hoy_buf *out, struct hoy_err *err);

/* All elements, added or deleted. */
void hoy_granted_put(const struct hoy_granted *granted, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, uint64_t now, struct hoy_buf *out);

#endif
