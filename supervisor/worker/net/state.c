/* Bridges and endpoints of hoy-net. Speaks to no client. */
#include "supervisor/worker/net/state.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/worker/net/conntrack.h"
#include "supervisor/worker/net/firewall.h"
#include "supervisor/worker/net/granted.h"
#include "supervisor/worker/net/host.h"
#include "supervisor/worker/net/link.h"
#include "supervisor/worker/net/nameserver.h"
#include "supervisor/worker/net/relay.h"
#include "supervisor/worker/net/reserve.h"
#include "supervisor/worker/net/ruleset.h"
#include "supervisor/worker/net/watch.h"

/* A detached veth is deleted only this long after: the kernel takes it away with the namespace anyway, and deleting
 * one takes 20 ms and more of the lock that the next container's start needs. */
#define LINGER_NS (2 * UINT64_C(1000000000))

/* So soon after our table was taken away it is back; whoever flushes the ruleset may be filling it for a moment. */
#define RESTORE_NS UINT64_C(20000000)

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

/* --- rules ----------------------------------------------------------------------- */

static bool wants_ipv6(const struct hoy_state *state)
{
	for (size_t i = 0; i < state->n_bridges; i++)
		if (state->bridges[i].spec.prefix6_len > 0 && state->bridges[i].spec.kind == HOY_NET_BRIDGED)
			return true;
	return false;
}

static bool wants_sources(const struct hoy_state *state)
{
	for (size_t i = 0; i < state->n_endpoints; i++)
		if (state->endpoints[i]->restricted)
			return true;
	return false;
}

static bool has_table(struct hoy_state *state, const char *family)
{
	auto_free char *command = hoy_str_printf("list chain %s %s prerouting", family, state->table);

	return command && hoy_firewall_list(state->firewall, command);
}

/* The rules of the operator's chain, as text that adds them again; NULL: there are none. The caller's. */
static char *user_rules(struct hoy_state *state, const char *family)
{
	auto_free char *command = hoy_str_printf("list chain %s %s %s", family, state->table, HOY_RULESET_USER);
	const char *listing = command ? hoy_firewall_list(state->firewall, command) : NULL;

	return listing && hoy_ruleset_has_rules(listing) ? strdup(listing) : NULL;
}

static void remove_table(struct hoy_state *state, struct hoy_buf *text, enum hoy_net_family family)
{
	auto_free char *rules = user_rules(state, family == HOY_NET_V4 ? "ip" : "ip6");

	if (rules)
		hoy_ruleset_strip(text, state->table, family);
	else
		hoy_ruleset_remove(text, state->table, family);
}

/* Another version of hoy-net may have left chains and sets of other types: then the tables are made from nothing. */
static int replace_all(struct hoy_state *state, unsigned int which, const struct hoy_buf *all, struct hoy_err *err)
{
	auto_free char *rules = user_rules(state, "ip"), *rules6 = which & HOY_NET_V6 ? user_rules(state, "ip6") : NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_remove(&text, state->table, which);
	(void) hoy_buf_addf(&text, "%s%s", rules ? rules : "", rules6 ? rules6 : "");
	(void) hoy_buf_add(&text, all->data, all->len);
	return hoy_firewall_run(state->firewall, &text, err);
}

static void put_endpoint(
	struct hoy_state *state, struct hoy_buf *text, enum hoy_ruleset_verb verb, const struct endpoint *ep)
{
	const struct hoy_ruleset_egress egress = { ep->port, ep->allowed, ep->n_allowed };

	if (ep->restricted) {
		hoy_ruleset_egress(text, state->table, verb, &ep->address, &egress);
		hoy_granted_put(&ep->granted, state->table, verb, &ep->address, hoy_loop_now(state->loop), text);
	}
	hoy_ruleset_ports(text, state->table, verb, &ep->address, ep->ports, ep->n_ports);
}

/* The whole tables, from what we know. */
static int install_all(struct hoy_state *state, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	bool ipv6 = wants_ipv6(state), sources = wants_sources(state);
	unsigned int which = ipv6 ? HOY_NET_V4 | HOY_NET_V6 : HOY_NET_V4;
	int r;

	if (!ipv6 && has_table(state, "ip6"))
		remove_table(state, &text, HOY_NET_V6);
	hoy_ruleset_frame(&text, state->table, which);
	if (sources)
		hoy_ruleset_sources(&text, state->table);
	else if (has_table(state, "bridge"))
		hoy_ruleset_remove_sources(&text, state->table);
	for (size_t i = 0; i < state->n_bridges; i++)
		if (state->bridges[i].spec.kind == HOY_NET_BRIDGED)
			hoy_ruleset_bridge(&text, state->table, HOY_RULESET_ADD, &state->bridges[i].spec);
	for (size_t i = 0; i < state->n_endpoints; i++)
		put_endpoint(state, &text, HOY_RULESET_ADD, state->endpoints[i]);
	r = hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = replace_all(state, which, &text, err);
	if (r >= 0) {
		state->table_exists = true;
		state->table6_exists = ipv6;
		state->sources_exist = sources;
	}
	return r;
}

static void on_nftables(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_state *state = userdata;

	(void) source;
	(void) events;
	if (hoy_watch_read(state->watch, state->table) && state->table_exists)
		hoy_source_set_timer(state->restore, RESTORE_NS);
}

/* What we replace by ourselves is told as a deletion too: then the table is there. */
static void on_restore(struct hoy_source *source, void *userdata)
{
	struct hoy_state *state = userdata;
	struct hoy_err err = {};

	(void) source;
	if (!state->table_exists || (has_table(state, "ip") && (!state->table6_exists || has_table(state, "ip6")) &&
					    (!state->sources_exist || has_table(state, "bridge"))))
		return;
	hoy_log_warn("nftables table '%s' was removed by somebody, restoring it", state->table);
	if (install_all(state, &err) < 0)
		hoy_log_err(&err, "restore the network rules");
}

/* One endpoint's elements. When the kernel doesn't have what we think it has (somebody flushed the ruleset), all is
 * installed anew: for that the caller has added or removed the endpoint already. */
static int change_ports(
	struct hoy_state *state, enum hoy_ruleset_verb verb, const struct endpoint *ep, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	if (state->syncing || (ep->n_ports == 0 && !ep->restricted))
		return 0;
	put_endpoint(state, &text, verb, ep);
	r = ep->restricted && !state->sources_exist ? -ENOENT : hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = install_all(state, err);
	if (r >= 0)
		hoy_conntrack_forget(ep->ports, ep->n_ports);
	return r;
}

static void remove_tables(struct hoy_state *state, struct hoy_buf *text)
{
	remove_table(state, text, HOY_NET_V4);
	if (has_table(state, "ip6"))
		remove_table(state, text, HOY_NET_V6);
	if (has_table(state, "bridge"))
		hoy_ruleset_remove_sources(text, state->table);
	state->table_exists = state->table6_exists = state->sources_exist = false;
}

int hoy_state_set_table(struct hoy_state *state, const char *table, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = 0;

	if (state->table[0] && strcmp(state->table, table) != 0) {
		remove_tables(state, &text);
		r = hoy_firewall_run(state->firewall, &text, err);
	}
	(void) snprintf(state->table, sizeof state->table, "%s", table);
	return r;
}

const char *hoy_state_foreign_drop(struct hoy_state *state)
{
	const char *listing = hoy_firewall_list(state->firewall, "list chains ip");

	if (!listing || !hoy_ruleset_foreign_drop(listing, state->table, state->foreign, sizeof state->foreign))
		return NULL;
	return state->foreign;
}

/* --- bridges ----------------------------------------------------------------------- */

static struct bridge *find_bridge(struct hoy_state *state, const char *name)
{
	for (size_t i = 0; i < state->n_bridges; i++)
		if (strncmp(state->bridges[i].spec.name, name, IFNAMSIZ) == 0)
			return &state->bridges[i];
	return NULL;
}

/* One network's elements; as with ports, when that fails all is installed anew. */
static int change_bridge(
	struct hoy_state *state, enum hoy_ruleset_verb verb, const struct hoy_net_bridge *spec, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	if (state->syncing || spec->kind != HOY_NET_BRIDGED)
		return 0;
	hoy_ruleset_bridge(&text, state->table, verb, spec);
	if (state->table_exists && state->table6_exists == wants_ipv6(state) &&
		hoy_firewall_run(state->firewall, &text, NULL) >= 0)
		return 0;
	return install_all(state, err);
}

int hoy_state_bridge(struct hoy_state *state, const struct hoy_net_bridge *spec, struct hoy_err *err)
{
	struct bridge *bridge = find_bridge(state, spec->name);
	bool is_new = !bridge;
	int r = hoy_links_bridge(state->links, spec, err);

	if (r < 0)
		return r;
	if (!bridge) {
		struct bridge *grown = reallocarray(state->bridges, state->n_bridges + 1, sizeof *grown);

		if (!grown)
			return hoy_err_oom(err);
		state->bridges = grown;
		bridge = &grown[state->n_bridges++];
		memset(bridge, 0, sizeof *bridge);
	}
	bridge->stale = false;
	if (!is_new && memcmp(&bridge->spec, spec, sizeof *spec) == 0 && state->table_exists)
		return 0;
	bridge->spec = *spec;
	if (is_new)
		return change_bridge(state, HOY_RULESET_ADD, spec, err);
	return state->syncing ? 0 : install_all(state, err);
}

static bool has_parent(const struct hoy_state *state, const char *parent)
{
	for (size_t i = 0; i < state->n_bridges; i++)
		if (hoy_str_eq(state->bridges[i].spec.parent, parent))
			return true;
	return false;
}

int hoy_state_remove_bridge(struct hoy_state *state, const char *name, struct hoy_err *err)
{
	struct bridge *bridge = find_bridge(state, name);
	struct hoy_net_bridge spec;
	int r = hoy_links_remove_bridge(state->links, name, err);

	if (r < 0 || !bridge)
		return r;
	spec = bridge->spec;
	*bridge = state->bridges[--state->n_bridges];
	if (spec.kind != HOY_NET_BRIDGED && !has_parent(state, spec.parent))
		hoy_links_remove_vlan(state->links, spec.parent);
	return change_bridge(state, HOY_RULESET_DELETE, &spec, err);
}

/* --- ports --------------------------------------------------------------------------- */

static void on_stray_connection(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) events;
	(void) userdata;
	hoy_reserve_refuse(hoy_source_fd(source));
}

static bool same_port(const struct hoy_net_port *a, const struct hoy_net_port *b)
{
	unsigned int last = MAX(b->host_port, b->host_port_last);

	return a->proto == b->proto && a->host_port >= b->host_port && a->host_port <= last && hoy_net_ports_meet(a, b);
}

static bool is_ours(
	const struct hoy_state *state, const struct endpoint *self, uint32_t n_held, const struct hoy_net_port *port)
{
	for (size_t i = 0; i < state->n_endpoints; i++)
		for (uint32_t j = 0; j < state->endpoints[i]->n_ports; j++)
			if (same_port(&state->endpoints[i]->ports[j], port))
				return true;
	for (uint32_t j = 0; j < n_held; j++)
		if (same_port(&self->ports[j], port))
			return true;
	return false;
}

/* Are we to pass on all that comes to the port? In the host's network namespace the kernel does, where it may. */
static bool is_relayed(const struct hoy_state *state, const struct hoy_net_port *port)
{
	return state->host_socket || (port->families & HOY_NET_RELAYED);
}

static struct hoy_relay_target target_of(
	const struct hoy_state *state, const struct endpoint *ep, uint32_t i, bool is_v6)
{
	return (struct hoy_relay_target){
		.port = ep->ports[i].container_port,
		.address = ep->address.address,
		.address6 = is_v6 ? ep->address.address6 : in6addr_any,
		.every = is_relayed(state, &ep->ports[i]),
	};
}

/* The sockets of a port go over to another endpoint's `i`th, and with them what comes to their relays. */
static void pass_port(const struct hoy_state *state, struct held_port *from, const struct endpoint *ep, uint32_t i)
{
	struct held_port *to = &ep->held[i];

	*to = *from;
	*from = (struct held_port){ .sock = { -EBADF, -EBADF } };
	for (size_t j = 0; j < 2; j++) {
		const struct hoy_relay_target target = target_of(state, ep, i, j == 1);

		if (to->relay[j])
			hoy_relay_set_target(to->relay[j], &target);
	}
}

static bool is_held(const struct held_port *held)
{
	return held->sock[0] >= 0 || held->sock[1] >= 0;
}

/* The same port of the host? Of families there may be fewer than were asked for. */
static bool is_one_port(const struct hoy_net_port *a, const struct hoy_net_port *b)
{
	return a->proto == b->proto && a->host_port == b->host_port && a->host_ip == b->host_ip &&
	       IN6_ARE_ADDR_EQUAL(&a->host_ip6, &b->host_ip6);
}

/* Ports that both have change hands without being given up between. */
static void take_ports(const struct hoy_state *state, struct endpoint *from, struct endpoint *to)
{
	for (uint32_t i = 0; i < to->n_ports; i++)
		for (uint32_t j = 0; j < from->n_ports && !is_held(&to->held[i]); j++) {
			if (!is_held(&from->held[j]) || from->held[j].families != to->ports[i].families ||
				!is_one_port(&from->ports[j], &to->ports[i]))
				continue;
			to->ports[i].families = from->ports[j].families;
			pass_port(state, &from->held[j], to, i);
			to->held[i].origin = &from->held[j];
		}
}

static void give_ports_back(struct hoy_state *state, struct endpoint *ep)
{
	for (size_t k = 0; k < state->n_endpoints; k++) {
		struct endpoint *from = state->endpoints[k];

		for (uint32_t i = 0; i < ep->n_ports; i++)
			for (uint32_t j = 0; j < from->n_ports; j++)
				if (ep->held[i].origin == &from->held[j]) {
					pass_port(state, &ep->held[i], from, j);
					from->held[j].origin = NULL;
				}
	}
}

static int hold_port(struct hoy_state *state, const struct endpoint *ep, uint32_t i, struct hoy_err *err)
{
	const struct hoy_net_port *port = &ep->ports[i];
	struct held_port *held = &ep->held[i];
	int r;

	if (is_held(held))
		return 0;
	held->families = ep->ports[i].families;
	r = state->host_socket ? hoy_host_port(state->host_socket, &ep->ports[i], held->sock, err)
			       : hoy_reserve_port(&ep->ports[i], held->sock, err);
	for (size_t j = 0; j < 2 && r >= 0; j++) {
		const struct hoy_relay_target target = target_of(state, ep, i, j == 1);
		bool passes = port->proto != IPPROTO_SCTP && (j == 1 || is_relayed(state, port));

		if (held->sock[j] >= 0 && passes)
			r = hoy_relay_new(state->loop, held->sock[j], port->proto, j == 1 ? AF_INET6 : AF_INET, &target,
				&held->relay[j], err);
		else if (j == 0 && held->sock[j] >= 0 && port->proto != IPPROTO_UDP)
			r = hoy_loop_io(
				state->loop, &held->source, held->sock[j], EPOLLIN, on_stray_connection, NULL, err);
	}
	return r;
}

/* While an endpoint is adopted a port that somebody else took meanwhile is no reason to let go of the container. */
static int hold_ports(struct hoy_state *state, struct endpoint *ep, bool adopt, uint32_t *ret_reason,
	uint32_t *ret_failed_port, struct hoy_err *err)
{
	for (uint32_t i = 0; i < ep->n_ports; i++) {
		struct hoy_err why = {};
		int r = hold_port(state, ep, i, &why);

		if (r >= 0)
			continue;
		if (adopt) {
			hoy_log_ignored(&why, "published port of a running container");
			continue;
		}
		*ret_failed_port = i;
		if (r == -EADDRINUSE)
			*ret_reason = is_ours(state, ep, i, &ep->ports[i]) ? HOY_NET_PORT_ALLOCATED
									   : HOY_NET_PORT_IN_USE;
		if (err)
			*err = why;
		return r;
	}
	return 0;
}

/* --- endpoints -------------------------------------------------------------------------- */

static struct endpoint *find_endpoint(struct hoy_state *state, const uint8_t id[HOY_NET_ID_LEN], size_t *ret_index)
{
	for (size_t i = 0; i < state->n_endpoints; i++)
		if (memcmp(state->endpoints[i]->id, id, HOY_NET_ID_LEN) == 0) {
			*ret_index = i;
			return state->endpoints[i];
		}
	return NULL;
}

static void release_ports(struct endpoint *ep)
{
	for (uint32_t i = 0; ep->held && i < ep->n_ports; i++) {
		ep->held[i].source = hoy_source_free(ep->held[i].source);
		ep->held[i].relay[0] = hoy_relay_free(ep->held[i].relay[0]);
		ep->held[i].relay[1] = hoy_relay_free(ep->held[i].relay[1]);
		hoy_fd_close(&ep->held[i].sock[0]);
		hoy_fd_close(&ep->held[i].sock[1]);
	}
}

static void endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return;
	release_ports(ep);
	free(ep->held);
	hoy_granted_done(&ep->granted);
	free(ep->allowed);
	free(ep->ports);
	free(ep);
}
HOY_DEFINE_AUTO_PTR(struct endpoint, endpoint_free);

static struct endpoint *endpoint_new(const struct hoy_net_attach *attach)
{
	auto_ptr(endpoint_free) struct endpoint *ep = calloc(1, sizeof *ep);

	if (!ep)
		return NULL;
	ep->ports = calloc(MAX(attach->n_ports, 1U), sizeof *ep->ports);
	ep->held = calloc(MAX(attach->n_ports, 1U), sizeof *ep->held);
	ep->allowed = calloc(MAX(attach->n_allowed, 1U), sizeof *ep->allowed);
	if (!ep->ports || !ep->held || !ep->allowed)
		return NULL;
	memcpy(ep->id, attach->id, sizeof ep->id);
	ep->address.address = attach->address;
	ep->address.address6 = attach->address6;
	ep->restricted = attach->restricted;
	ep->n_allowed = attach->n_allowed;
	memcpy(ep->allowed, attach->allowed, attach->n_allowed * sizeof *ep->allowed);
	ep->n_ports = attach->n_ports;
	memcpy(ep->ports, attach->ports, attach->n_ports * sizeof *ep->ports);
	for (uint32_t i = 0; i < ep->n_ports; i++)
		ep->held[i].sock[0] = ep->held[i].sock[1] = -EBADF;
	return TAKE_PTR(ep);
}

/* Room for one more. */
static int grow(struct hoy_state *state, struct hoy_err *err)
{
	struct endpoint **grown = reallocarray(state->endpoints, state->n_endpoints + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	state->endpoints = grown;
	return 0;
}

static int add_endpoint(struct hoy_state *state, struct endpoint *ep, struct hoy_err *err)
{
	int r = grow(state, err);

	if (r >= 0)
		state->endpoints[state->n_endpoints++] = ep;
	return r;
}

/* Its rules go first, then its sockets; its link later. */
static void drop_endpoint(struct hoy_state *state, size_t index)
{
	struct endpoint *ep = state->endpoints[index];
	struct hoy_err err = {};
	struct departed *grown;

	state->endpoints[index] = state->endpoints[--state->n_endpoints];
	if (change_ports(state, HOY_RULESET_DELETE, ep, &err) < 0)
		hoy_log_err(&err, "remove published ports");
	grown = ep->ifindex ? reallocarray(state->departed, state->n_departed + 1, sizeof *grown) : NULL;
	if (grown) {
		if (state->n_departed == 0)
			hoy_source_set_timer(state->linger, LINGER_NS);
		state->departed = grown;
		grown[state->n_departed].ifindex = ep->ifindex;
		grown[state->n_departed].address = ep->address;
		memcpy(grown[state->n_departed].id, ep->id, sizeof ep->id);
		state->n_departed++;
	}
	endpoint_free(ep);
}

void hoy_state_detach(
	struct hoy_state *state, const uint8_t id[HOY_NET_ID_LEN], bool at_once, int netns, const char *ifname)
{
	struct endpoint *ep;
	size_t index;

	ep = find_endpoint(state, id, &index);
	if (!ep)
		return;
	if (at_once && ep->is_child) {
		hoy_links_delete_inside(state->links, netns, ifname);
	} else if (at_once) {
		hoy_links_delete(state->links, ep->ifindex, ep->id);
		ep->ifindex = 0;
	}
	drop_endpoint(state, index);
}

/* A namespace lives on while anybody holds it, and would answer for the address that another container has now. */
static void silence_former(struct hoy_state *state, const struct hoy_ruleset_target *address)
{
	for (size_t i = 0; i < state->n_departed; i++)
		if (state->departed[i].address.address == address->address ||
			(!IN6_IS_ADDR_UNSPECIFIED(&address->address6) &&
				IN6_ARE_ADDR_EQUAL(&state->departed[i].address.address6, &address->address6)))
			hoy_links_silence(state->links, state->departed[i].ifindex, state->departed[i].id);
}

/* Rules of a restricted endpoint are by the name of the host's end, too. */
static void note_port(struct endpoint *ep)
{
	if (ep->ifindex && !if_indextoname((unsigned int) ep->ifindex, ep->port))
		ep->port[0] = '\0';
}

static int bring_up(struct hoy_state *state, struct endpoint *ep, const struct hoy_net_attach *attach, int netns,
	struct hoy_err *err)
{
	const struct bridge *bridge = find_bridge(state, attach->bridge);
	int r;

	if (!bridge)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENODEV, "no bridge '%.*s'", IFNAMSIZ, attach->bridge);
	ep->is_child = bridge->spec.kind != HOY_NET_BRIDGED;
	if (attach->manner == HOY_NET_ADOPT)
		return 0;
	if (attach->manner == HOY_NET_AGAIN)
		return attach->gateway ? hoy_links_set_gateway(state->links, &bridge->spec, attach, netns, err) : 0;
	silence_former(state, &ep->address);
	r = bridge->spec.kind == HOY_NET_BRIDGED && if_nametoindex(bridge->spec.name)
		    ? 0
		    : hoy_links_bridge(state->links, &bridge->spec, err); /* taken away */
	if (r >= 0)
		r = hoy_links_attach(state->links, &bridge->spec, attach, netns, &ep->ifindex, err);
	return r < 0 ? hoy_err_wrap(err, "network interface") : 0;
}

/* Has the endpoint the ports that hoyd says? */
static bool has_ports(const struct endpoint *ep, const struct hoy_net_attach *attach)
{
	if (ep->n_ports != attach->n_ports)
		return false;
	for (uint32_t i = 0; i < ep->n_ports; i++)
		if (ep->ports[i].container_port != attach->ports[i].container_port ||
			!is_one_port(&ep->ports[i], &attach->ports[i]))
			return false;
	return true;
}

/* The endpoint in its new form stands for the one that is known, in one transaction; of `former` and of the known one
 * goes what it has not taken. Both may be NULL. */
static int replace_endpoint(struct hoy_state *state, struct endpoint *known, struct endpoint *former,
	struct endpoint *ep, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	uint32_t n_former = former ? former->n_ports : 0;
	size_t index = 0;
	int r = 0;

	if (known) {
		known->restricted = false; /* its rules go on without a gap */
		put_endpoint(state, &text, HOY_RULESET_DELETE, known);
		(void) find_endpoint(state, ep->id, &index);
		state->endpoints[index] = ep;
		endpoint_free(known);
	} else {
		state->endpoints[state->n_endpoints++] = ep; /* there is room */
	}
	if (former) {
		hoy_ruleset_ports(
			&text, state->table, HOY_RULESET_DELETE, &former->address, former->ports, former->n_ports);
		release_ports(former);
		former->n_ports = 0;
	}
	put_endpoint(state, &text, HOY_RULESET_ADD, ep);
	for (uint32_t i = 0; i < ep->n_ports; i++)
		ep->held[i].origin = NULL;
	if (state->syncing || text.len == 0)
		return 0;
	r = ep->restricted && !state->sources_exist ? -ENOENT : hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = install_all(state, err);
	if (r >= 0)
		hoy_conntrack_forget(ep->ports, ep->n_ports);
	if (r >= 0 && former)
		hoy_conntrack_forget(former->ports, n_former);
	return r;
}

/* An endpoint whose container runs on, with other ports than before: what fails leaves all as it was. */
static int change_endpoint(struct hoy_state *state, struct hoy_net_attach *attach, int netns, struct endpoint *known,
	uint32_t *ret_reason, uint32_t *ret_failed_port, struct hoy_err *err)
{
	auto_ptr(endpoint_free) struct endpoint *ep = endpoint_new(attach);
	struct endpoint *former = NULL;
	size_t index;
	bool adopt = attach->manner == HOY_NET_ADOPT;
	int r = ep ? grow(state, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	if (attach->takes_over && memcmp(attach->former, attach->id, HOY_NET_ID_LEN) != 0)
		former = find_endpoint(state, attach->former, &index);
	if (known) {
		ep->ifindex = known->ifindex;
		take_ports(state, known, ep);
	}
	if (former)
		take_ports(state, former, ep);
	for (size_t i = 0; adopt && i < state->n_endpoints; i++) /* hoyd knows whose they are now */
		take_ports(state, state->endpoints[i], ep);
	r = hold_ports(state, ep, adopt, ret_reason, ret_failed_port, err);
	if (r >= 0)
		r = bring_up(state, ep, attach, netns, err);
	if (r < 0) {
		give_ports_back(state, ep);
		return r;
	}
	memcpy(attach->ports, ep->ports, ep->n_ports * sizeof *ep->ports);
	note_port(ep);
	if (known) {
		ep->granted = known->granted;
		known->granted = (struct hoy_granted){};
	}
	return replace_endpoint(state, known, former, TAKE_PTR(ep), err);
}

/* hoyd was killed before the interface was made, or after it was taken away. Children are seen in their namespace only. */
static bool is_missing(struct hoy_state *state, const struct hoy_net_attach *attach)
{
	const struct bridge *bridge = find_bridge(state, attach->bridge);

	return bridge && bridge->spec.kind == HOY_NET_BRIDGED && state->links_then &&
	       !hoy_links_has(state->links_then, attach->id);
}

int hoy_state_attach(struct hoy_state *state, struct hoy_net_attach *attach, int netns, uint32_t *ret_reason,
	uint32_t *ret_failed_port, struct hoy_err *err)
{
	auto_ptr(endpoint_free) struct endpoint *ep = NULL;
	struct endpoint *known;
	size_t index;
	int r;

	known = find_endpoint(state, attach->id, &index);
	if (attach->manner == HOY_NET_ADOPT && is_missing(state, attach)) {
		if (known)
			drop_endpoint(state, index);
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENODEV, "the interface is not there");
	}
	if (known && attach->manner == HOY_NET_ADOPT && has_ports(known, attach)) {
		known->stale = false;
		return 0;
	}
	if (attach->manner != HOY_NET_FRESH)
		return change_endpoint(state, attach, netns, known, ret_reason, ret_failed_port, err);
	if (known)
		drop_endpoint(state, index);
	ep = endpoint_new(attach);
	if (!ep)
		return hoy_err_oom(err);
	r = hold_ports(state, ep, /* adopt= */ false, ret_reason, ret_failed_port, err);
	if (r >= 0)
		r = bring_up(state, ep, attach, netns, err);
	if (r >= 0)
		r = add_endpoint(state, ep, err);
	if (r < 0) {
		if (!ep->is_child)
			hoy_links_delete(state->links, ep->ifindex, ep->id);
		return r;
	}
	memcpy(attach->ports, ep->ports, ep->n_ports * sizeof *ep->ports);
	note_port(ep);
	TAKE_PTR(ep);
	r = change_ports(state, HOY_RULESET_ADD, state->endpoints[state->n_endpoints - 1], err);
	if (r < 0)
		drop_endpoint(state, state->n_endpoints - 1);
	return r;
}

/* --- names -------------------------------------------------------------------------------- */

int hoy_state_allow_names(
	struct hoy_state *state, const uint8_t id[HOY_NET_ID_LEN], const char *text, struct hoy_err *err)
{
	size_t index;
	struct endpoint *ep = find_endpoint(state, id, &index);

	if (!ep || !ep->restricted)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "names for an endpoint that is not restricted");
	return hoy_granted_set_names(&ep->granted, text, err);
}

/* Of the host's side of a bridge, or of another container: these are judged by what the rule says of addresses. */
static bool is_in_our_subnet(void *userdata, const struct in6_addr *address)
{
	const struct hoy_state *state = userdata;

	for (size_t i = 0; i < state->n_bridges; i++)
		if (hoy_ruleset_is_in(&state->bridges[i].spec, address))
			return true;
	return false;
}

int hoy_state_grant(struct hoy_state *state, const struct hoy_net_grant *grant, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	size_t index;
	struct endpoint *ep = find_endpoint(state, grant->endpoint, &index);
	struct hoy_granted_request request = {
		.table = state->table, .is_ours = is_in_our_subnet, .userdata = state, .now = hoy_loop_now(state->loop)
	};
	int r;

	if (!ep || !ep->restricted)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "no such restricted endpoint");
	request.from = &ep->address;
	r = hoy_granted_add(&ep->granted, grant, &request, &text, err);
	if (r >= 0)
		r = hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0 && r != -EPERM && !state->syncing) /* the table is not what we think */
		r = install_all(state, err);
	return state->syncing && r != -EPERM ? 0 : r;
}

static void on_linger(struct hoy_source *source, void *userdata)
{
	struct hoy_state *state = userdata;

	(void) source;
	for (size_t i = 0; i < state->n_departed; i++)
		hoy_links_delete(state->links, state->departed[i].ifindex, state->departed[i].id);
	state->n_departed = 0;
}

/* --- sync ---------------------------------------------------------------------------------- */

static void forget_links(struct hoy_state *state)
{
	if (state->links_then)
		if_freenameindex(state->links_then);
	state->links_then = NULL;
}

void hoy_state_sync_begin(struct hoy_state *state)
{
	state->syncing = true;
	forget_links(state);
	state->links_then = if_nameindex();
	for (size_t i = 0; i < state->n_bridges; i++)
		state->bridges[i].stale = true;
	for (size_t i = 0; i < state->n_endpoints; i++)
		state->endpoints[i]->stale = true;
}

/* Which link an endpoint has that was adopted; one that is nobody's goes with its namespace. */
static void claim_link(void *userdata, int ifindex, const char *name)
{
	struct hoy_state *state = userdata;

	for (size_t i = 0; i < state->n_endpoints; i++)
		if (state->endpoints[i]->ifindex == 0 && hoy_links_name_is(name, state->endpoints[i]->id)) {
			state->endpoints[i]->ifindex = ifindex;
			note_port(state->endpoints[i]);
		}
}

static void drop_stale_bridges(struct hoy_state *state)
{
	for (size_t i = state->n_bridges; i-- > 0;) {
		struct hoy_err err = {};

		if (!state->bridges[i].stale)
			continue;
		if (hoy_links_remove_bridge(state->links, state->bridges[i].spec.name, &err) < 0)
			hoy_log_ignored(&err, "bridge that is no longer wanted");
		state->bridges[i] = state->bridges[--state->n_bridges];
	}
}

int hoy_state_sync_end(struct hoy_state *state, struct hoy_err *err)
{
	for (size_t i = state->n_endpoints; i-- > 0;)
		if (state->endpoints[i]->stale)
			drop_endpoint(state, i);
	drop_stale_bridges(state);
	state->syncing = false;
	forget_links(state);
	for (size_t i = 0; i < state->n_bridges; i++) { /* rules have their names */
		struct hoy_err why = {};

		if (hoy_links_each(state->bridges[i].spec.name, claim_link, state, &why) < 0)
			hoy_log_ignored(&why, "ports of a bridge");
	}
	return install_all(state, err);
}

int hoy_state_nameserver(struct hoy_state *state, int netns, int *ret_sockets, struct hoy_err *err)
{
	return hoy_nameserver_open(state->links, netns, ret_sockets, err);
}

size_t hoy_state_prune(struct hoy_state *state)
{
	for (size_t i = state->n_endpoints; i-- > 0;)
		if (!hoy_links_exists(state->links, state->endpoints[i]->ifindex, state->endpoints[i]->id))
			drop_endpoint(state, i);
	return state->n_endpoints;
}

int hoy_state_remove_all(struct hoy_state *state, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = 0;

	state->syncing = true; /* one change for all, below */
	while (state->n_endpoints > 0)
		drop_endpoint(state, state->n_endpoints - 1);
	state->syncing = false;
	if (state->table[0]) {
		remove_tables(state, &text);
		r = hoy_firewall_run(state->firewall, &text, err);
	}
	on_linger(state->linger, state);
	for (size_t i = 0; i < state->n_bridges; i++)
		state->bridges[i].stale = true;
	drop_stale_bridges(state);
	return r;
}

/* --- life --------------------------------------------------------------------- */

/* Without it a flush is only noticed at the next change. */
static void start_watch(struct hoy_state *state)
{
	struct hoy_err err = {};

	state->watch = hoy_watch_open(&err);
	if (state->watch >= 0)
		(void) hoy_loop_io(state->loop, &state->watching, state->watch, EPOLLIN, on_nftables, state, &err);
	if (err.errnum)
		hoy_log_ignored(&err, "network rules");
}

int hoy_state_new(struct hoy_loop *loop, const char *host_socket, struct hoy_state **ret, struct hoy_err *err)
{
	auto_ptr(hoy_state_free) struct hoy_state *state = calloc(1, sizeof *state);
	int r;

	if (!state)
		return hoy_err_oom(err);
	state->loop = loop;
	state->host_socket = host_socket;
	state->watch = -EBADF;
	r = hoy_links_open(&state->links, err);
	if (r >= 0)
		r = hoy_firewall_new(&state->firewall, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &state->linger, UINT64_MAX, on_linger, state, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &state->restore, UINT64_MAX, on_restore, state, err);
	if (r < 0)
		return r;
	start_watch(state);
	*ret = TAKE_PTR(state);
	return 0;
}

void hoy_state_free(struct hoy_state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->n_endpoints; i++)
		endpoint_free(state->endpoints[i]);
	free(state->endpoints);
	free(state->bridges);
	free(state->departed);
	forget_links(state);
	state->linger = hoy_source_free(state->linger);
	state->restore = hoy_source_free(state->restore);
	state->watching = hoy_source_free(state->watching);
	hoy_fd_close(&state->watch);
	hoy_firewall_free(state->firewall);
	hoy_links_free(state->links);
	free(state);
}
