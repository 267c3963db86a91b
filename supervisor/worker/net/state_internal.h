/* What the files of hoy-net's state share: its structures, the tables of nftables and the held ports. */
#ifndef HOY_WORKER_NET_STATE_INTERNAL_H
#define HOY_WORKER_NET_STATE_INTERNAL_H

#include "supervisor/worker/net/granted.h"
#include "supervisor/worker/net/ruleset.h"
#include "supervisor/worker/net/state.h"

struct bridge {
	struct hoy_net_bridge spec;
	bool stale;
};

struct held_port {
	int sock[2]; /* of IPv4 and IPv6; -EBADF: not on that, or could not be had when it was adopted */
	struct hoy_source *source;
	struct hoy_relay *relay[2]; /* of what the kernel does not translate */
	uint8_t families;           /* it was asked for on these */
	struct held_port *origin;   /* whose it was, while that may yet have it back; NULL: it was made here */
};

struct endpoint {
	uint8_t id[HOY_NET_ID_LEN];
	struct hoy_ruleset_target address;
	int ifindex; /* of the host's end; 0: not known, or a child of the host's interface has none */
	bool is_child;
	bool stale;
	bool restricted;
	char port[IFNAMSIZ]; /* restricted: the host's end as the rules have it; "": not yet */
	uint32_t n_allowed;
	struct hoy_net_allowed *allowed;
	struct hoy_granted granted;
	uint32_t n_ports;
	struct hoy_net_port *ports;
	struct held_port *held;
};

struct departed {
	int ifindex;
	struct hoy_ruleset_target address;
	uint8_t id[HOY_NET_ID_LEN];
};

struct hoy_state {
	struct hoy_loop *loop;
	struct hoy_links *links;
	struct hoy_firewall *firewall;
	const char *host_socket; /* rootless: of who binds ports of the host; NULL: we do */
	char table[HOY_NET_TABLE_MAX];
	bool table_exists;  /* as far as we know */
	bool table6_exists; /* that of IPv6, which only networks with IPv6 need */
	bool sources_exist; /* the table of family bridge, which only restricted endpoints need */
	bool syncing;
	struct if_nameindex *links_then; /* when it began; NULL: not known */
	char foreign[128];
	struct bridge *bridges;
	size_t n_bridges;
	struct endpoint **endpoints;
	size_t n_endpoints;
	struct departed *departed;
	size_t n_departed;
	struct hoy_source *linger;
	int watch; /* of changes to the host's nftables */
	struct hoy_source *watching;
	struct hoy_source *restore;
};

/* --- tables.c --- */

bool hoy_state_wants_ipv6(const struct hoy_state *state);
/* Adds to `text` what puts the endpoint's elements into the tables, or takes them out. */
void hoy_state_put_endpoint(
	struct hoy_state *state, struct hoy_buf *text, enum hoy_ruleset_verb verb, const struct endpoint *ep);
/* The whole tables, from what we know. */
int hoy_state_install(struct hoy_state *state, struct hoy_err *err);
/* One endpoint's elements. When the kernel doesn't have what we think it has (somebody flushed the ruleset), all is
 * installed anew: for that the caller has added or removed the endpoint already. */
int hoy_state_change_rules(
	struct hoy_state *state, enum hoy_ruleset_verb verb, const struct endpoint *ep, struct hoy_err *err);
/* Adds to `text` what removes them; what the operator has in them stays. */
void hoy_state_remove_tables(struct hoy_state *state, struct hoy_buf *text);
/* Tables that somebody takes away come back, from now on; without nftables' notifications at the next change only. */
int hoy_state_watch(struct hoy_state *state, struct hoy_err *err);

/* --- ports.c --- */

/* The same port of the host? Of families there may be fewer than were asked for. */
bool hoy_ports_are_one(const struct hoy_net_port *a, const struct hoy_net_port *b);
/* Ports that both have change hands without being given up between; until `to` is settled they may go back. */
void hoy_ports_take(const struct hoy_state *state, struct endpoint *from, struct endpoint *to);
void hoy_ports_give_back(struct hoy_state *state, struct endpoint *ep);
/* Binds what the endpoint does not hold yet. While an endpoint is adopted (`adopt`) a port that somebody else took
 * meanwhile is no reason to let go of the container. */
int hoy_ports_hold(struct hoy_state *state, struct endpoint *ep, bool adopt, uint32_t *ret_reason,
	uint32_t *ret_failed_port, struct hoy_err *err);
void hoy_ports_release(struct endpoint *ep);

#endif
