/* Sockets that hold published ports, so that no other process gets them and a taken one is noticed. */
#ifndef HOY_WORKER_NET_RESERVE_H
#define HOY_WORKER_NET_RESERVE_H

#include "supervisor/worker/net/proto.h"

/*
 * Reserves one port of `port` (a fixed one, one of a range, or any: the kernel's choice) and writes the number found
 * into port->host_port. sockets: of IPv4 and of IPv6, negative for a family that the port is not on (a host without
 * IPv6 takes it out of a port of both). -EADDRINUSE: held by somebody. -EADDRNOTAVAIL: no such host address.
 *
 * TCP listens with SO_REUSEADDR: a socket that only binds would be refused for a minute after a server of the
 * host's on that port has ended (TIME_WAIT), or would let another such socket in. Packets don't get here while the
 * ruleset is in place; connections that do are for the caller to refuse (readable socket: hoy_reserve_refuse()).
 */
int hoy_reserve_port(struct hoy_net_port *port, int sockets[2], struct hoy_err *err);

/* Ends one connection that came to a reserving socket. */
void hoy_reserve_refuse(int sock);

#endif
