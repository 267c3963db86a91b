/*
 * Passes on TCP connections where the kernel cannot translate them: from ::1, which may not leave lo, and from IPv6 to
 * a container that has none. Bytes go from socket to socket by splice() and are never looked at.
 */
#ifndef HOY_WORKER_NET_RELAY_H
#define HOY_WORKER_NET_RELAY_H

#include <netinet/in.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_relay;

struct hoy_relay_target {
	uint16_t port;
	uint32_t address;         /* host byte order */
	struct in6_addr address6; /* ::  none; else only connections to ::1 are passed on, others refused */
};

/* Takes what comes to the listening socket `sock` (borrowed, non-blocking) until it is freed; then what is open ends.
 */
int hoy_relay_new(struct hoy_loop *loop, int sock, const struct hoy_relay_target *target, struct hoy_relay **ret,
	struct hoy_err *err);
/* What comes from now on goes there; what is open stays with where it went. */
void hoy_relay_set_target(struct hoy_relay *relay, const struct hoy_relay_target *target);
struct hoy_relay *hoy_relay_free(struct hoy_relay *relay); /* always NULL */

#endif
