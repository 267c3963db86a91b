/* The name server of one container: its sockets, its view, and what it has asked others. */
#ifndef HOY_WORKER_DNS_RESOLVER_H
#define HOY_WORKER_DNS_RESOLVER_H

#include "base/err.h"
#include "supervisor/worker/dns/names.h"
#include "supervisor/worker/dns/proto.h"

struct hoy_loop;
struct hoy_dns_grants;
struct hoy_dns_resolver;

/* Takes the descriptors over, also when it fails. It answers once it is told its settings. `grants` outlives it. */
int hoy_dns_resolver_new(struct hoy_loop *loop, int sockets[HOY_DNS_N_SOCKETS], struct hoy_dns_grants *grants,
	struct hoy_dns_resolver **ret, struct hoy_err *err);
void hoy_dns_resolver_free(struct hoy_dns_resolver *resolver);
HOY_DEFINE_AUTO_PTR(struct hoy_dns_resolver, hoy_dns_resolver_free);

/* CONTAINER's text. An error changes nothing. */
int hoy_dns_resolver_tell(struct hoy_dns_resolver *resolver, struct hoy_dns_names *names, const char *text, size_t len,
	struct hoy_err *err);

#endif
