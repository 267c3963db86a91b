/* Ports of the host, when that is in another network namespace than we: hoy-host binds them. */
#ifndef HOY_WORKER_NET_HOST_H
#define HOY_WORKER_NET_HOST_H

#include "supervisor/worker/net/proto.h"

/* As hoy_reserve_port() for sockets whose packets we pass on, by the hoy-host that listens at `path`. */
int hoy_host_port(const char *path, struct hoy_net_port *port, int sockets[2], struct hoy_err *err);

#endif
