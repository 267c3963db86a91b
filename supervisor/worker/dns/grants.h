/*
 * hoy-net, asked to let containers send to the addresses that names of their egress rules have. hoy-dns itself may
 * change no rule: all it can say is which addresses such a name has.
 */
#ifndef HOY_WORKER_DNS_GRANTS_H
#define HOY_WORKER_DNS_GRANTS_H

#include <stdbool.h>

#include "base/err.h"
#include "supervisor/worker/net/proto.h"

struct hoy_loop;
struct hoy_dns_grants;

int hoy_dns_grants_new(struct hoy_loop *loop, struct hoy_dns_grants **ret, struct hoy_err *err);
void hoy_dns_grants_free(struct hoy_dns_grants *grants);
/* The way to hoy-net, in place of an earlier one; taken. A new hoy-net is told what is in force, and what waits. */
void hoy_dns_grants_connect(struct hoy_dns_grants *grants, int sock);

/* False: hoy-net won't, or has not answered in time. */
typedef void (*hoy_dns_granted)(void *userdata, bool is_granted);
/* Asks for what `grant` says (copied; seq is ours), `ttl` seconds and a while longer. 1: it is in force already, `done`
 * is not called; 0: `done` will be called, once, from the loop. */
int hoy_dns_grants_ask(struct hoy_dns_grants *grants, const struct hoy_net_grant *grant, uint32_t ttl,
	hoy_dns_granted done, void *userdata);
/* `done` is not called any more for this userdata. */
void hoy_dns_grants_forget(struct hoy_dns_grants *grants, const void *userdata);

#endif
