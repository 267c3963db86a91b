/* Bridges and endpoints of hoy-net. Speaks to no client. */
#include "supervisor/worker/net/state_internal.h"

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
#include "supervisor/worker/net/link.h"
#include "supervisor/worker/net/nameserver.h"
#include "supervisor/worker/net/vxlan.h"

/* A detached veth is deleted only this long after: the kernel takes it away with the namespace anyway, and deleting
 * one takes 20 ms and more of the lock that the next container's start needs. */
#define LINGER_NS (2 * UINT64_C(1000000000))

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
	if (state->table_exists && state->table6_exists == hoy_state_wants_ipv6(state) &&
		hoy_firewall_run(state->firewall, &text, NULL) >= 0)
		return 0;
	return hoy_state_install(state, err);
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
	return state->syncing ? 0 : hoy_state_install(state, err);
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

int hoy_state_remotes(
	struct hoy_state *state, const char *name, const struct hoy_net_remote *remotes, size_t n, struct hoy_err *err)
{
	const struct bridge *bridge = find_bridge(state, name);

	if (!bridge || bridge->spec.vni == 0)
		return hoy_err_not_found(err, "no network between hosts on bridge '%.*s'", IFNAMSIZ, name);
	return hoy_vxlan_tell(bridge->spec.name, remotes, n, err);
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

static void endpoint_free(struct endpoint *ep)
{
	if (!ep)
		return;
	hoy_ports_release(ep);
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
	if (hoy_state_change_rules(state, HOY_RULESET_DELETE, ep, &err) < 0)
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
			!hoy_ports_are_one(&ep->ports[i], &attach->ports[i]))
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
		hoy_state_put_endpoint(state, &text, HOY_RULESET_DELETE, known);
		(void) find_endpoint(state, ep->id, &index);
		state->endpoints[index] = ep;
		endpoint_free(known);
	} else {
		state->endpoints[state->n_endpoints++] = ep; /* there is room */
	}
	if (former) {
		hoy_ruleset_ports(
			&text, state->table, HOY_RULESET_DELETE, &former->address, former->ports, former->n_ports);
		hoy_ports_release(former);
		former->n_ports = 0;
	}
	hoy_state_put_endpoint(state, &text, HOY_RULESET_ADD, ep);
	for (uint32_t i = 0; i < ep->n_ports; i++)
		ep->held[i].origin = NULL;
	if (state->syncing || text.len == 0)
		return 0;
	r = ep->restricted && !state->sources_exist ? -ENOENT : hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = hoy_state_install(state, err);
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
		hoy_ports_take(state, known, ep);
	}
	if (former)
		hoy_ports_take(state, former, ep);
	for (size_t i = 0; adopt && i < state->n_endpoints; i++) /* hoyd knows whose they are now */
		hoy_ports_take(state, state->endpoints[i], ep);
	r = hoy_ports_hold(state, ep, adopt, ret_reason, ret_failed_port, err);
	if (r >= 0)
		r = bring_up(state, ep, attach, netns, err);
	if (r < 0) {
		hoy_ports_give_back(state, ep);
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
	r = hoy_ports_hold(state, ep, /* adopt= */ false, ret_reason, ret_failed_port, err);
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
	r = hoy_state_change_rules(state, HOY_RULESET_ADD, state->endpoints[state->n_endpoints - 1], err);
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
		r = hoy_state_install(state, err);
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

struct unclaimed {
	struct hoy_state *state;
	int *links;
	size_t n;
};

static bool is_departed(const struct hoy_state *state, int ifindex)
{
	for (size_t i = 0; i < state->n_departed; i++)
		if (state->departed[i].ifindex == ifindex)
			return true;
	return false;
}

/* Which link an endpoint has that was adopted. One that is nobody's was made by a hoy-net that was killed before it could
 * say so. */
static void claim_link(void *userdata, int ifindex, const char *name)
{
	struct unclaimed *unclaimed = userdata;
	struct hoy_state *state = unclaimed->state;
	int *grown;

	for (size_t i = 0; i < state->n_endpoints; i++) {
		struct endpoint *ep = state->endpoints[i];

		if (ep->ifindex == 0 && hoy_links_name_is(name, ep->id)) {
			ep->ifindex = ifindex;
			note_port(ep);
		}
		if (ep->ifindex == ifindex)
			return;
	}
	grown = is_departed(state, ifindex) ? NULL : reallocarray(unclaimed->links, unclaimed->n + 1, sizeof *grown);
	if (!grown)
		return;
	unclaimed->links = grown;
	grown[unclaimed->n++] = ifindex;
}

/* Rules have the names of restricted endpoints' links. */
static void sort_links(struct hoy_state *state)
{
	struct unclaimed unclaimed = { .state = state };

	for (size_t i = 0; i < state->n_bridges; i++) {
		const struct hoy_net_bridge *spec = &state->bridges[i].spec;
		struct hoy_err why = {};

		unclaimed.n = 0;
		if (spec->kind == HOY_NET_BRIDGED && hoy_links_each(spec->name, claim_link, &unclaimed, &why) < 0)
			hoy_log_ignored(&why, "ports of a bridge");
		if (unclaimed.n > 0 && !hoy_links_made_bridge(state->links, spec->name))
			continue; /* they may be another's */
		for (size_t j = 0; j < unclaimed.n; j++)
			hoy_links_sweep(state->links, unclaimed.links[j]);
	}
	free(unclaimed.links);
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
	sort_links(state);
	return hoy_state_install(state, err);
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
		hoy_state_remove_tables(state, &text);
		r = hoy_firewall_run(state->firewall, &text, err);
	}
	on_linger(state->linger, state);
	for (size_t i = 0; i < state->n_bridges; i++)
		state->bridges[i].stale = true;
	drop_stale_bridges(state);
	return r;
}

/* --- life --------------------------------------------------------------------- */

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
		r = hoy_state_watch(state, err);
	if (r < 0)
		return r;
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
