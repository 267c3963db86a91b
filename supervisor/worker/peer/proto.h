/*
 * What hoyd and hoy-peer say to each other: one SEQPACKET packet per message, fixed structs of one machine, as long as
 * their operation needs (hoy_peer_size()). hoyd holds the intent of this host, hoy-peer speaks with the key-value store.
 *
 * After each connection hoyd tells everything: HELLO, HELD per address, MEMBERS, MEMBER..., MEMBERS_END per network,
 * SYNC_END; what the store has of this host and was not named is deleted there. hoy-peer tells all networks and the
 * members on other hosts, then COMPLETE: what was not named is no more. After that each tells what changes.
 *
 * CREATE, REMOVE and LEASE are answered by a message with their op and seq, and `err`.
 */
#ifndef HOY_WORKER_PEER_PROTO_H
#define HOY_WORKER_PEER_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_PEER_VERSION 1
#define HOY_PEER_ID_MAX 65
#define HOY_PEER_NAME_MAX 256
#define HOY_PEER_NAMES_MAX 2048
#define HOY_PEER_TEXT_MAX 4096
#define HOY_PEER_FIRST_VNI 4097
#define HOY_PEER_LAST_VNI 16777215

enum hoy_peer_op {
	HOY_PEER_HELLO = 1, /* hello; answered by one with hoy-peer's version. Another version: it is told to QUIT */
	HOY_PEER_CREATE, /* network, without vni; the answer has it. EEXIST: the name or a part of the subnet is taken */
	HOY_PEER_REMOVE,      /* network.id. EBUSY: hosts have containers on it */
	HOY_PEER_LEASE,       /* address: `place`, or any in [first, last]; the answer has its place */
	HOY_PEER_RELEASE,     /* address.network and .endpoint */
	HOY_PEER_HELD,        /* address: leased earlier */
	HOY_PEER_MEMBERS,     /* member.network: those of this host follow */
	HOY_PEER_MEMBER,      /* member: an endpoint of this host that is up */
	HOY_PEER_MEMBERS_END, /* member.network */
	HOY_PEER_SYNC_END,
	HOY_PEER_QUIT,
	/* by hoy-peer */
	HOY_PEER_NETWORK,
	HOY_PEER_NETWORK_GONE, /* network.id */
	HOY_PEER_REMOTE,       /* member: an endpoint of another host */
	HOY_PEER_REMOTE_GONE,  /* member.network and .endpoint */
	HOY_PEER_COMPLETE,
	HOY_PEER_TROUBLE, /* err: why the store can't be reached; errnum 0: it can */
};

/* IPv4 addresses are in host byte order. */
struct hoy_peer_hello {
	uint32_t version;
	uint32_t vtep;              /* where this host takes the packets of others */
	char host[HOY_PEER_ID_MAX]; /* names this host in the store */
	char stores[1024];          /* "host:port,host:port" */
};

struct hoy_peer_network {
	char id[HOY_PEER_ID_MAX];
	char name[HOY_PEER_NAME_MAX];
	uint32_t subnet;
	uint32_t prefix_len;
	uint32_t gateway; /* place in the subnet */
	uint32_t vni;
	uint32_t flags; /* hoy_network_flag */
	int64_t created;
	char ip_range[32];               /* "" without */
	char options[HOY_PEER_TEXT_MAX]; /* JSON objects of strings */
	char labels[HOY_PEER_TEXT_MAX];
};

struct hoy_peer_address {
	char network[HOY_PEER_ID_MAX];
	char endpoint[HOY_PEER_ID_MAX];
	uint32_t place; /* LEASE: 0 is any */
	uint32_t first, last;
	uint32_t gateway; /* a place that nobody gets */
};

struct hoy_peer_member {
	char network[HOY_PEER_ID_MAX];
	char endpoint[HOY_PEER_ID_MAX];
	uint32_t address;
	uint32_t vtep; /* of its host */
	uint8_t mac[6];
	char names[HOY_PEER_NAMES_MAX]; /* " web 0123456789ab" */
};

struct hoy_peer_message {
	uint32_t op;
	uint32_t seq;
	struct hoy_err err;
	union {
		struct hoy_peer_hello hello;
		struct hoy_peer_network network;
		struct hoy_peer_address address;
		struct hoy_peer_member member;
	};
};

/* Bytes of a message with this op. */
static inline size_t hoy_peer_size(uint32_t op)
{
	const size_t head = offsetof(struct hoy_peer_message, hello);

	switch (op) {
	case HOY_PEER_HELLO:
		return head + sizeof(struct hoy_peer_hello);
	case HOY_PEER_CREATE:
	case HOY_PEER_REMOVE:
	case HOY_PEER_NETWORK:
	case HOY_PEER_NETWORK_GONE:
		return head + sizeof(struct hoy_peer_network);
	case HOY_PEER_LEASE:
	case HOY_PEER_RELEASE:
	case HOY_PEER_HELD:
		return head + sizeof(struct hoy_peer_address);
	case HOY_PEER_MEMBERS:
	case HOY_PEER_MEMBER:
	case HOY_PEER_MEMBERS_END:
	case HOY_PEER_REMOTE:
	case HOY_PEER_REMOTE_GONE:
		return head + sizeof(struct hoy_peer_member);
	default:
		return head;
	}
}

#endif
