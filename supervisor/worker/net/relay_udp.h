/* Passes on datagrams where the kernel does not translate them: as relay.h, whose part it is. */
#ifndef HOY_WORKER_NET_RELAY_UDP_H
#define HOY_WORKER_NET_RELAY_UDP_H

#include "supervisor/worker/net/relay.h"

struct hoy_relay_udp;

/* `sock` (bound, of `family`; borrowed) from now on takes more than a reserved port needs. */
int hoy_relay_udp_new(struct hoy_loop *loop, int sock, int family, const struct hoy_relay_target *target,
	struct hoy_relay_udp **ret, struct hoy_err *err);
void hoy_relay_udp_set_target(struct hoy_relay_udp *relay, const struct hoy_relay_target *target);
void hoy_relay_udp_free(struct hoy_relay_udp *relay); /* NULL is fine */

#endif
