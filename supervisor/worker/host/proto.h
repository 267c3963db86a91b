/*
 * What is asked of hoy-host, which stays in the host's namespaces while a rootless hoyd lives in its own: one SEQPACKET
 * packet per message, fixed structs of one machine. Every request gets one reply. A connection that asked for the
 * namespaces is hoyd's: while it is open, hoy-host stays.
 */
#ifndef HOY_WORKER_HOST_PROTO_H
#define HOY_WORKER_HOST_PROTO_H

#include <stdint.h>

#include "supervisor/worker/net/proto.h"

#define HOY_HOST_VERSION 1
#define HOY_HOST_NAME "hoy-host"
#define HOY_HOST_SOCKET "hoy-host.sock" /* in the exec root */

enum hoy_host_op {
	HOY_HOST_NAMESPACES = 1, /* the reply has the user, mount and network namespace beside it */
	HOY_HOST_PORT,           /* a port of the host; its sockets come beside the reply, IPv4 before IPv6 */
};

enum { HOY_HOST_USER_NS, HOY_HOST_MOUNT_NS, HOY_HOST_NET_NS, HOY_HOST_N_NS };

struct hoy_host_request {
	uint32_t version;
	uint32_t op;
	struct hoy_net_port port;
};

struct hoy_host_reply {
	uint32_t version;
	uint32_t op;
	uint32_t n_ids;           /* NAMESPACES: ids that are mapped; 1 when there are no subordinate ones */
	struct hoy_net_port port; /* as it was reserved: number and families */
	struct hoy_err err;       /* errnum 0: fine; a text all the same is a warning */
};

#endif
