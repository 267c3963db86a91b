/*
 * What hoyd tells hoy-dns: one SEQPACKET packet per message, a head and text. hoy-dns answers queries from what it was
 * told last, whether hoyd is there or not; only HELLO and NEED go the other way.
 *
 * After each connection hoyd tells everything once more: HELLO, NETWORK..., CONTAINER..., SYNC_END, and what was not
 * named is forgotten. A container's sockets (CONTAINER's descriptors) stay with hoy-dns: when it has none for a
 * container that is named without, because it was started anew, it says NEED, and hoyd has hoy-net open new ones. They
 * are closed when the container ends, whether hoyd is there to say so or not: they keep its network namespace alive.
 *
 * The text of NETWORK is a snapshot of the names on it, in lines; `version` counts its snapshots:
 *
 *	network NAME
 *	host ADDRESS|- ADDRESS6|- NAME...      the first name is the one that PTR answers
 *
 * and that of CONTAINER what holds for its queries:
 *
 *	network ID                             in the order in which they are asked
 *	server ADDRESS container|host          where what is unknown here is asked, and from which network namespace
 *	internal                               nothing is forwarded
 *	named ADDRESS                          where names that an egress rule allows are asked, from the host's namespace
 *	egress ENDPOINT                        the names below are allowed to this endpoint (its ID in hex):
 *	allow NAME                             its addresses are told to hoy-net (net/proto.h, GRANT) before they are answered
 */
#ifndef HOY_WORKER_DNS_PROTO_H
#define HOY_WORKER_DNS_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define HOY_DNS_VERSION 3
#define HOY_DNS_TEXT_MAX (48 * 1024)
#define HOY_DNS_ID_MAX 65

/* The sockets of a container, in this order: for queries, and to ask others from its namespace. */
enum hoy_dns_socket {
	HOY_DNS_UDP,
	HOY_DNS_TCP,
	HOY_DNS_OUT_UDP,
	HOY_DNS_OUT_TCP = HOY_DNS_OUT_UDP + 4,
	HOY_DNS_N_SOCKETS = HOY_DNS_OUT_TCP + 2,
	HOY_DNS_PIDFD = HOY_DNS_N_SOCKETS, /* beside them */
	HOY_DNS_N_FDS,
};

/* Where a container finds its name server, and the port that DNAT rules of its namespace lead away from. */
#define HOY_DNS_ADDRESS 0x7f00000bU /* 127.0.0.11 */
#define HOY_DNS_PORT 53

enum hoy_dns_op {
	HOY_DNS_HELLO = 1,    /* version; answered by one with hoy-dns's. Another version: hoy-dns is told to QUIT */
	HOY_DNS_NETWORK,      /* id, text */
	HOY_DNS_NETWORK_GONE, /* id */
	HOY_DNS_CONTAINER,    /* id, text; no descriptors, or HOY_DNS_N_SOCKETS and, last, the pidfd of the container */
	HOY_DNS_CONTAINER_GONE, /* id */
	HOY_DNS_SYNC_END,
	HOY_DNS_QUIT,
	HOY_DNS_NEED,    /* by hoy-dns: id of a container without sockets */
	HOY_DNS_GRANTOR, /* a socket beside it, at whose other end hoy-net grants */
};

struct hoy_dns_message {
	uint32_t op;
	uint32_t version;
	uint32_t more; /* NETWORK: the text goes on in the next message */
	char id[HOY_DNS_ID_MAX];
	char text[]; /* not terminated */
};

#define HOY_DNS_HEAD offsetof(struct hoy_dns_message, text)

#endif
