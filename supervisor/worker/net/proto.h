/*
 * What hoyd and hoy-net say to each other: one SEQPACKET packet per message, fixed structs of one machine (never a
 * network), version in the first message. Every request gets exactly one reply with the same op and seq, in order.
 *
 * hoy-net holds the state of the kernel, hoyd the intent. After each HELLO hoyd tells it everything once more:
 *
 *	HELLO, SYNC_BEGIN, BRIDGE per network, ATTACH with HOY_NET_ADOPT per attached endpoint, SYNC_END
 *
 * and what was not named is removed in the one nftables transaction of SYNC_END.
 */
#ifndef HOY_WORKER_NET_PROTO_H
#define HOY_WORKER_NET_PROTO_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOY_NET_VERSION 10
#define HOY_NET_ID_LEN 32
#define HOY_NET_MAX_PORTS 4096
#define HOY_NET_TABLE_MAX 32
#define HOY_NET_SYSCTLS_MAX 1024
#define HOY_NET_MAX_LINK_LOCAL 8
#define HOY_NET_MAX_ALLOWED 64
#define HOY_NET_NAMES_MAX 2048
#define HOY_NET_MAX_GRANTED 32
#define HOY_NET_MAX_REMOTES 7000

enum hoy_net_op {
	HOY_NET_HELLO = 1,     /* version, table; -EPROTO: another version, the reply says which */
	HOY_NET_SYNC_BEGIN,    /* all bridges and endpoints are stale until named */
	HOY_NET_BRIDGE,        /* there is such a bridge, with rules; makes it */
	HOY_NET_REMOVE_BRIDGE, /* the network is removed; an unknown one is fine */
	HOY_NET_ATTACH,        /* an endpoint; one descriptor (its network namespace) beside it, unless it is adopted */
	HOY_NET_SYNC_END,      /* removes what is stale, installs the whole ruleset */
	HOY_NET_DETACH,        /* an unknown endpoint is fine */
	HOY_NET_NAMESERVER,    /* a network namespace beside it; the reply has the sockets of hoy-dns beside it
				  (dns/proto.h) */
	HOY_NET_QUIT, /* the reply comes, then hoy-net ends; with `remove` bridges, table and endpoints go first */
	HOY_NET_ALLOW_NAMES, /* behind ATTACH of a restricted endpoint: it may send to these, too */
	HOY_NET_GRANTOR,     /* a socket beside it, whose other end hoy-dns has: by it come hoy_net_grants */
	HOY_NET_REMOTES, /* the containers that a network between hosts has on the others; takes the place of the last */
};

enum hoy_net_family { HOY_NET_V4 = 1, HOY_NET_V6 = 2 };
#define HOY_NET_RELAYED 4 /* of a port, beside them: the kernel translates nothing, hoy-net passes on what comes */

/* IPv4 addresses are in host byte order here, those of IPv6 as on the wire. */
struct hoy_net_port {
	uint8_t proto;    /* IPPROTO_x */
	uint8_t families; /* hoy_net_family, HOY_NET_RELAYED: published on these, with one number */
	uint16_t container_port;
	uint16_t host_port;       /* request: 0 is any free one; reply: the one reserved */
	uint16_t host_port_last;  /* request: last of a range, or 0 */
	uint32_t host_ip;         /* 0: all */
	struct in6_addr host_ip6; /* ::  all */
};

/* Ports of one number and protocol: is there an address that both are on? */
static inline bool hoy_net_ports_meet(const struct hoy_net_port *a, const struct hoy_net_port *b)
{
	uint8_t both = a->families & b->families;

	if ((both & HOY_NET_V4) && (a->host_ip == 0 || b->host_ip == 0 || a->host_ip == b->host_ip))
		return true;
	return (both & HOY_NET_V6) && (IN6_IS_ADDR_UNSPECIFIED(&a->host_ip6) || IN6_IS_ADDR_UNSPECIFIED(&b->host_ip6) ||
					      IN6_ARE_ADDR_EQUAL(&a->host_ip6, &b->host_ip6));
}

enum hoy_net_bridge_flag {
	HOY_NET_INTERNAL = 1,      /* nothing in, nothing out */
	HOY_NET_SEPARATE = 2,      /* its containers don't reach each other */
	HOY_NET_NO_MASQUERADE = 4, /* its containers are seen with their own addresses */
};

/* What a network's interfaces are. Those of the last two are children of an interface of the host, and meet no rules.
 */
enum hoy_net_kind { HOY_NET_BRIDGED, HOY_NET_MACVLAN, HOY_NET_IPVLAN };

struct hoy_net_bridge {
	char name[IFNAMSIZ]; /* of children: a name for the network alone */
	uint32_t kind;       /* hoy_net_kind */
	uint32_t mode;       /* of children: MACVLAN_MODE_x, IPVLAN_MODE_x */
	char parent[IFNAMSIZ];
	uint32_t address;
	uint32_t prefix_len;
	uint32_t mtu;   /* of children 0: the parent's */
	uint32_t flags; /* hoy_net_bridge_flag */
	struct in6_addr address6;
	uint32_t prefix6_len; /* 0: no IPv6 */
	uint32_t vni;         /* of a network between hosts; 0: it is on this host alone */
	uint32_t vtep;        /* with one: the address at which this host takes packets of the others */
};

/* A container on another host. */
struct hoy_net_remote {
	uint32_t address;
	uint32_t vtep; /* of its host */
	uint8_t mac[6];
};

/* Where a container may send to that may not send to everywhere. */
struct hoy_net_allowed {
	struct in6_addr address; /* of IPv4 mapped */
	uint8_t prefix_len;      /* of IPv4 at most 32 */
	uint16_t port;           /* 0: every port, every protocol */
};

enum hoy_net_manner {
	HOY_NET_FRESH, /* the interface is to be made */
	HOY_NET_ADOPT, /* it is up already, from before this hoy-net: only ports and rules. -ENODEV: it has no interface */
	HOY_NET_AGAIN, /* it is up already: other ports than before, and the default route if `gateway` */
};

struct hoy_net_attach {
	uint8_t id[HOY_NET_ID_LEN];
	char bridge[IFNAMSIZ];
	uint32_t address;
	struct in6_addr address6; /* ::  none */
	uint8_t mac[6];
	uint8_t manner;                    /* hoy_net_manner */
	uint8_t gateway;                   /* the container's default route is by this network */
	uint8_t takes_over;                /* AGAIN: `former`'s ports go in the same moment as these come */
	uint8_t former[HOY_NET_ID_LEN];    /* another endpoint */
	char ifname[IFNAMSIZ];             /* in the container */
	char sysctls[HOY_NET_SYSCTLS_MAX]; /* below /proc/sys: "net/ipv4/conf/eth0/log_martians=1\n" ... */
	uint32_t n_link_local;
	struct in6_addr link_local[HOY_NET_MAX_LINK_LOCAL]; /* further addresses; those of IPv4 mapped */
	uint8_t restricted; /* sends nothing off its network but to these, and answers */
	uint32_t n_allowed;
	struct hoy_net_allowed allowed[HOY_NET_MAX_ALLOWED];
	uint32_t n_ports;
	struct hoy_net_port ports[]; /* n_ports */
};

/*
 * By hoy-dns: the name, which its container has just asked for, has these addresses. hoy-dns holds no right of its own:
 * hoy-net grants what hoyd has said of the endpoint, and answers when the rules are in force.
 */
struct hoy_net_grant {
	uint32_t seq;
	uint8_t endpoint[HOY_NET_ID_LEN];
	char name[256]; /* lower case, no dot at its end */
	uint32_t seconds;
	uint32_t n_addresses;
	struct in6_addr addresses[HOY_NET_MAX_GRANTED]; /* those of IPv4 mapped */
};

struct hoy_net_granted {
	uint32_t seq;
	int32_t result; /* 0 or -errno */
};

struct hoy_net_request {
	uint32_t op;
	uint32_t seq;
	union {
		struct {
			uint32_t version;
			char table[HOY_NET_TABLE_MAX];
		} hello;
		struct hoy_net_bridge bridge;
		struct {
			uint8_t id[HOY_NET_ID_LEN];
			uint8_t at_once;       /* the container runs on: its interface goes before the reply */
			char ifname[IFNAMSIZ]; /* of a child, whose namespace is beside the request then */
		} detach;
		struct {
			uint8_t remove;
		} quit;
		struct {
			uint8_t id[HOY_NET_ID_LEN];
			char text[HOY_NET_NAMES_MAX]; /* allowed_names.h */
		} names;
		struct {
			char bridge[IFNAMSIZ];
			uint32_t n; /* so many hoy_net_remote are behind the request */
		} remotes;
		struct hoy_net_attach attach; /* last: open-ended */
	};
};

enum hoy_net_reason {
	HOY_NET_REASON_NONE,
	HOY_NET_PORT_ALLOCATED, /* ports[failed_port] belongs to another endpoint */
	HOY_NET_PORT_IN_USE,    /* ... to a process that is not ours */
};

struct hoy_net_reply {
	uint32_t op;
	uint32_t seq;
	uint32_t version;      /* HELLO */
	uint32_t reason;       /* hoy_net_reason */
	uint32_t failed_port;  /* with a reason */
	char bridge[IFNAMSIZ]; /* BRIDGE: which one */
	uint32_t n_ports;      /* ATTACH that went well: as asked, with the host ports found */
	struct hoy_err err;    /* errnum 0: fine; with BRIDGE also a warning in msg */
	struct hoy_net_port ports[];
};

_Static_assert(sizeof(struct hoy_net_request) == 2584, "other versions have to understand HELLO and QUIT");

#define HOY_NET_REQUEST_SIZE(n_ports)                                                                                  \
	(offsetof(struct hoy_net_request, attach) + sizeof(struct hoy_net_attach) +                                    \
		(size_t) (n_ports) * sizeof(struct hoy_net_port))
#define HOY_NET_REMOTES_SIZE(n) (HOY_NET_REQUEST_SIZE(0) + (size_t) (n) * sizeof(struct hoy_net_remote))
_Static_assert(
	HOY_NET_REMOTES_SIZE(HOY_NET_MAX_REMOTES) <= HOY_NET_REQUEST_SIZE(HOY_NET_MAX_PORTS), "one buffer for both");

static inline struct hoy_net_remote *hoy_net_remotes(struct hoy_net_request *request)
{
	return (struct hoy_net_remote *) (void *) ((unsigned char *) request + HOY_NET_REQUEST_SIZE(0));
}
#define HOY_NET_REPLY_SIZE(n_ports) (sizeof(struct hoy_net_reply) + (size_t) (n_ports) * sizeof(struct hoy_net_port))

#endif
