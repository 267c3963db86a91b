/*
 * The texts hoy-net gives to libnftables. Pure: builds strings, knows no kernel. Each text is one transaction.
 *
 * One table of ours, and one of its name for IPv6 while a bridge has that; published ports are elements of two maps (by
 * host address and port, by port alone), so that a packet costs the same with one port as with thousands, and a change
 * is one element.
 */
#ifndef HOY_WORKER_NET_RULESET_H
#define HOY_WORKER_NET_RULESET_H

#include "base/buf.h"
#include "supervisor/worker/net/proto.h"

/* The operator's chain in our table: forwarded packets meet it before ours. What is in it is never touched. */
#define HOY_RULESET_USER "user"

/* Makes what is ours in the tables (`which`: hoy_net_family) as new: chains, sets without elements; as the first part
 * of a transaction. */
void hoy_ruleset_frame(struct hoy_buf *out, const char *table, unsigned int which);
/* Removes tables; fine when there are none. */
void hoy_ruleset_remove(struct hoy_buf *out, const char *table, unsigned int which);
/* Removes what is ours in them; what is the operator's stays. */
void hoy_ruleset_strip(struct hoy_buf *out, const char *table, unsigned int which);
/* Has the operator's chain rules? `listing` is the text of `list chain`. */
bool hoy_ruleset_has_rules(const char *listing);

/* Is the address (of IPv4 mapped) one of the network's? */
bool hoy_ruleset_is_in(const struct hoy_net_bridge *bridge, const struct in6_addr *address);

enum hoy_ruleset_verb { HOY_RULESET_ADD, HOY_RULESET_DELETE };
/* Elements of one network, added or deleted. */
void hoy_ruleset_bridge(
	struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb, const struct hoy_net_bridge *bridge);
/* Elements of one endpoint's ports (with host_port set), added or deleted. Nothing without ports. */
struct hoy_ruleset_target {
	uint32_t address;
	struct in6_addr address6; /* ::  none: ports on IPv6 have no elements */
};
void hoy_ruleset_ports(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *to, const struct hoy_net_port *ports, size_t n);

/* What a restricted endpoint may send, added or deleted. `port` is the interface of its bridge that it is behind ("":
 * not known), whose frames are checked by the rules of hoy_ruleset_sources(). */
struct hoy_ruleset_egress {
	const char *port;
	const struct hoy_net_allowed *allowed;
	size_t n_allowed;
};
void hoy_ruleset_egress(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, const struct hoy_ruleset_egress *egress);
/* Addresses that names had. Adding also sets the time anew; deleting is fine when the time is over. */
struct hoy_ruleset_granted {
	struct in6_addr address; /* of IPv4 mapped */
	uint16_t port;           /* 0: all */
	uint32_t seconds;
};
void hoy_ruleset_granted(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, const struct hoy_ruleset_granted *granted, size_t n);
/* The table of family bridge for them, as new, and its removal. */
void hoy_ruleset_sources(struct hoy_buf *out, const char *table);
void hoy_ruleset_remove_sources(struct hoy_buf *out, const char *table);

/* Inside a container's namespace: what is sent to the name server's port goes to those its sockets have. Replaces the
 * table that is there. */
void hoy_ruleset_nameserver(struct hoy_buf *out, uint16_t udp_port, uint16_t tcp_port);

/* Looks through the text of `list chains` for a base chain of somebody else that drops what is forwarded; the table's
 * name is copied to `ret_table`. An accept in our table does not overrule such a drop. */
bool hoy_ruleset_foreign_drop(const char *listing, const char *own_table, char *ret_table, size_t size);

#endif
