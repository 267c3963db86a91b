/*
 * Passes on what comes to published ports that the kernel does not translate: from ::1, which may not leave lo, from
 * IPv6 to a container that has none, and everything where the host's own rules of input shall decide. TCP connections
 * here, datagrams in relay_udp.h. Bytes go from socket to socket by splice() and are never looked at.
 */
#ifndef HOY_WORKER_NET_RELAY_H
#define HOY_WORKER_NET_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_relay;

struct hoy_relay_target {
	uint16_t port;
	uint32_t address;         /* host byte order */
	struct in6_addr address6; /* ::  none; else only what comes to ::1 is passed on, unless `every` */
	bool every;
};

/* Takes what comes to the socket `sock` (IPPROTO_TCP: listening, or IPPROTO_UDP: bound; of `family`; borrowed,
 * non-blocking) until it is freed; then what is open ends. */
int hoy_relay_new(struct hoy_loop *loop, int sock, int proto, int family, const struct hoy_relay_target *target,
	struct hoy_relay **ret, struct hoy_err *err);
/* What comes from now on goes there; what is open stays with where it went. */
void hoy_relay_set_target(struct hoy_relay *relay, const struct hoy_relay_target *target);
struct hoy_relay *hoy_relay_free(struct hoy_relay *relay); /* always NULL */

#endif
