/* Connections the kernel remembers, as far as they go to published UDP ports. */
#ifndef HOY_WORKER_NET_CONNTRACK_H
#define HOY_WORKER_NET_CONNTRACK_H

#include "supervisor/worker/net/proto.h"

/*
 * Forgets the UDP "connections" to those of `ports` that are UDP. A client that goes on sending keeps its entry alive
 * for ever, and with it where its packets went when it began: to the host, or to a container that is gone. TCP ends by
 * itself. Nothing is done without UDP ports; what fails is of no consequence to others and not told.
 */
void hoy_conntrack_forget(const struct hoy_net_port *ports, size_t n);

#endif
