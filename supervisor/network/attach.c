/*
 * Containers going on their networks and off: what hoy-net is told, and what its answers mean. All endpoints of a
 * container come up together or not at all; changing them while it runs is in live.c, telling all anew in recover.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"

/* --- sandboxes ---------------------------------------------------------------------- */

static void sandbox_free(struct hoy_sandbox *sandbox)
{
	if (!sandbox)
		return;
	sandbox->later = hoy_source_free(sandbox->later);
	while (sandbox->n_attachments > 0)
		hoy_attachment_drop(sandbox->attachments[sandbox->n_attachments - 1]);
	free(sandbox->attachments);
	hoy_naming_close(sandbox);
	free(sandbox->container_id);
	free(sandbox->name);
	free(sandbox);
}
HOY_DEFINE_AUTO_PTR(struct hoy_sandbox, sandbox_free);

/* The one that is wanted: a cancelled one waits only for its answers. */
struct hoy_sandbox *hoy_sandbox_find(struct hoy_networks *networks, const char *container_id)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		struct hoy_sandbox *sandbox = networks->sandboxes[i];

		if (!sandbox->cancelled && hoy_str_eq(sandbox->container_id, container_id))
			return sandbox;
	}
	return NULL;
}

struct hoy_attachment *hoy_sandbox_attachment(const struct hoy_sandbox *sandbox, const char *network_id)
{
	for (size_t i = 0; sandbox && i < sandbox->n_attachments; i++)
		if (hoy_str_eq(sandbox->attachments[i]->network_id, network_id))
			return sandbox->attachments[i];
	return NULL;
}

static int sandbox_new(struct hoy_networks *networks, const char *container_id, const char *name,
	struct hoy_sandbox **ret, struct hoy_err *err)
{
	auto_ptr(sandbox_free) struct hoy_sandbox *sandbox = calloc(1, sizeof *sandbox);
	struct hoy_sandbox **grown;

	if (!sandbox)
		return hoy_err_oom(err);
	sandbox->networks = networks;
	sandbox->serial = ++networks->serial;
	sandbox->container_id = strdup(container_id);
	sandbox->name = strdup(name);
	grown = reallocarray(networks->sandboxes, networks->n_sandboxes + 1, sizeof(struct hoy_sandbox *));
	if (grown)
		networks->sandboxes = grown;
	if (!sandbox->container_id || !sandbox->name || !grown)
		return hoy_err_oom(err);
	grown[networks->n_sandboxes++] = sandbox;
	*ret = TAKE_PTR(sandbox);
	return 0;
}

static void sandbox_drop(struct hoy_sandbox *sandbox)
{
	struct hoy_networks *networks = sandbox->networks;

	for (size_t i = 0; i < networks->n_sandboxes; i++)
		if (networks->sandboxes[i] == sandbox) {
			networks->sandboxes[i] = networks->sandboxes[--networks->n_sandboxes];
			break;
		}
	sandbox_free(sandbox);
}

void hoy_sandboxes_free(struct hoy_networks *networks)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++)
		sandbox_free(networks->sandboxes[i]);
	free(networks->sandboxes);
}

/* --- the request ------------------------------------------------------------------ */

void hoy_attachment_drop(struct hoy_attachment *attachment)
{
	struct hoy_sandbox *sandbox = attachment->sandbox;

	for (size_t i = 0; i < sandbox->n_attachments; i++)
		if (sandbox->attachments[i] == attachment) {
			memmove(&sandbox->attachments[i], &sandbox->attachments[i + 1],
				(--sandbox->n_attachments - i) * sizeof(struct hoy_attachment *));
			break;
		}
	free(attachment->request);
	free(attachment->network_name);
	free(attachment->names);
	free(attachment->allowed_names);
	free(attachment);
}

/* Without a host address: where the network says, else on all of the families that the container has. */
static struct hoy_net_port wire_port(
	const struct hoy_port_row *row, const struct hoy_network_shape *shape, bool has_ipv6)
{
	struct hoy_net_port port = {
		.proto = (uint8_t) row->proto,
		.container_port = row->container_port,
		.host_port = row->host_port,
		.host_port_last = row->host_port_last,
		.host_ip = shape->host_ip,
		.families = HOY_NET_V4,
	};

	if (strchr(row->host_ip, ':')) {
		port.families = HOY_NET_V6;
		(void) hoy_ipv6_parse(row->host_ip, &port.host_ip6); /* checked when it was written */
	} else if (row->host_ip[0]) {
		(void) hoy_ipv4_parse(row->host_ip, &port.host_ip);
	} else if (has_ipv6 && shape->host_ip == 0) {
		port.families |= HOY_NET_V6;
	}
	if (shape->relay)
		port.families |= HOY_NET_RELAYED;
	return port;
}

/* What the kernel can't translate hoy-net passes on, and of SCTP it knows nothing. */
static int check_port(const struct hoy_net_port *port, bool has_ipv6, struct hoy_err *err)
{
	if (port->proto != HOY_PORT_SCTP)
		return 0;
	if (port->families & HOY_NET_RELAYED)
		return hoy_err_unsupported(
			err, "publishing a port of sctp with publish policy 'host-firewall' is not supported");
	if (port->families != HOY_NET_V6)
		return 0;
	if (IN6_IS_ADDR_LOOPBACK(&port->host_ip6))
		return hoy_err_unsupported(
			err, "publishing a port of sctp on [::1] is not supported: publish it on 127.0.0.1");
	if (!has_ipv6)
		return hoy_err_unsupported(
			err, "publishing a port of sctp on an IPv6 address is supported only on networks with IPv6");
	return 0;
}

/* Containers on such networks are neighbours of the host's neighbours: nothing is translated. */
static int check_child(const struct hoy_endpoint_row *endpoint, const struct hoy_network_row *network,
	const struct hoy_network_shape *shape, size_t n_ports, struct hoy_err *err)
{
	if (shape->kind != HOY_NET_BRIDGED && n_ports > 0)
		return hoy_err_unsupported(err,
			"publishing ports on network %s is not supported: with driver '%s' containers are reached at their own address",
			network->name, network->driver);
	if (shape->kind == HOY_NET_IPVLAN && endpoint->mac)
		return hoy_err_unsupported(
			err, "a MAC address with driver 'ipvlan' is not supported: it is the parent's");
	return 0;
}

static int parse_id(const char *hex, uint8_t id[HOY_NET_ID_LEN])
{
	for (size_t i = 0; i < HOY_NET_ID_LEN; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		id[i] = (uint8_t) byte;
	}
	return 0;
}

/* With `bound` the ports that were found when it was attached, else those asked for; only a gateway has any. */
static int make_request(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool is_gateway, bool bound, struct hoy_net_request **ret,
	char **ret_names, struct hoy_err *err)
{
	struct hoy_network_shape shape;
	struct hoy_port_row *rows = NULL;
	struct hoy_net_request *request;
	size_t n = 0;
	int r = hoy_network_shape(networks, network, &shape, err);

	if (r >= 0 && is_gateway && !hoy_network_stands_by(networks, endpoint->container_id))
		r = hoy_ports_list(networks->store, endpoint->container_id, &rows, &n, err);
	if (r >= 0)
		r = check_child(endpoint, network, &shape, n, err);
	if (r < 0) {
		hoy_port_rows_free(rows, n);
		return r;
	}
	request = calloc(1, HOY_NET_REQUEST_SIZE(n));
	for (size_t i = 0; request && i < n && r >= 0; i++) {
		if (bound && rows[i].bound) {
			rows[i].host_port = rows[i].bound;
			rows[i].host_port_last = 0;
		}
		request->attach.ports[i] = wire_port(&rows[i], &shape, endpoint->address6 != NULL);
		r = check_port(&request->attach.ports[i], endpoint->address6 != NULL, err);
	}
	hoy_port_rows_free(rows, n);
	if (!request)
		return hoy_err_oom(err);
	if (r < 0) {
		free(request);
		return r;
	}
	request->op = HOY_NET_ATTACH;
	memcpy(request->attach.bridge, shape.bridge, sizeof request->attach.bridge);
	(void) snprintf(request->attach.ifname, sizeof request->attach.ifname, "eth%u", endpoint->position % 100000);
	request->attach.address = network->subnet + endpoint->place;
	if (endpoint->address6)
		(void) hoy_ipv6_parse(endpoint->address6, &request->attach.address6);
	request->attach.gateway = is_gateway;
	request->attach.n_ports = (uint32_t) n;
	if (parse_id(endpoint->id, request->attach.id) < 0 || !endpoint->mac ||
		hoy_network_mac_parse(endpoint->mac, request->attach.mac) < 0)
		hoy_network_mac_from(request->attach.address, request->attach.mac);
	if (shape.kind == HOY_NET_IPVLAN) /* it has its parent's */
		memset(request->attach.mac, 0, sizeof request->attach.mac);
	r = hoy_endpoint_options_put(endpoint, &request->attach, err);
	if (r >= 0)
		r = hoy_egress_put(network, endpoint, &request->attach, ret_names, err);
	if (r >= 0 && request->attach.restricted && shape.kind != HOY_NET_BRIDGED)
		r = hoy_err_unsupported(err,
			"egress rules with driver '%s' are not supported: no packet of it passes the host's rules",
			network->driver);
	if (r < 0)
		free(request);
	else
		*ret = request;
	return r;
}

/* Names that users gave may be those of others of the container. */
static int check_ifname(const struct hoy_attachment *attachment, struct hoy_err *err)
{
	const struct hoy_sandbox *sandbox = attachment->sandbox;

	for (size_t i = 0; i < sandbox->n_attachments; i++) {
		const struct hoy_attachment *other = sandbox->attachments[i];

		if (other != attachment &&
			hoy_str_eq(other->request->attach.ifname, attachment->request->attach.ifname))
			return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST,
				"interface name '%s' is that of two networks of the container, %s and %s",
				attachment->request->attach.ifname, other->network_name, attachment->network_name);
	}
	return 0;
}

int hoy_attachment_new(struct hoy_sandbox *sandbox, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool is_gateway, bool bound, struct hoy_attachment **ret,
	struct hoy_err *err)
{
	struct hoy_attachment *attachment = calloc(1, sizeof *attachment);
	struct hoy_attachment **grown = reallocarray(
		sandbox->attachments, sandbox->n_attachments + 1, sizeof(struct hoy_attachment *));
	int r;

	if (grown)
		sandbox->attachments = grown;
	r = attachment && grown ? make_request(sandbox->networks, endpoint, network, is_gateway, bound,
					  &attachment->request, &attachment->allowed_names, err)
				: hoy_err_oom(err);
	if (r < 0) {
		free(attachment ? attachment->allowed_names : NULL);
		free(attachment);
		return r;
	}
	attachment->sandbox = sandbox;
	attachment->is_gateway = is_gateway;
	(void) snprintf(attachment->network_id, sizeof attachment->network_id, "%s", network->id);
	grown[sandbox->n_attachments++] = attachment;
	attachment->network_name = strdup(network->name);
	r = attachment->network_name ? 0 : hoy_err_oom(err);
	if (r >= 0)
		r = check_ifname(attachment, err);
	if (r >= 0 && !hoy_network_is_builtin(network->name))
		r = hoy_naming_set(attachment, endpoint, err);
	if (r < 0)
		hoy_attachment_drop(attachment);
	else
		*ret = attachment;
	return r;
}

int hoy_attachment_recast(struct hoy_attachment *attachment, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool is_gateway, struct hoy_err *err)
{
	auto_free char *names = NULL;
	struct hoy_net_request *request;
	int r = make_request(
		attachment->sandbox->networks, endpoint, network, is_gateway, /* bound= */ true, &request, &names, err);

	if (r < 0)
		return r;
	free(attachment->request);
	attachment->request = request;
	free(attachment->allowed_names);
	attachment->allowed_names = TAKE_PTR(names);
	attachment->is_gateway = is_gateway;
	return 0;
}

static int send_names(const struct hoy_attachment *attachment, struct hoy_err *err)
{
	struct hoy_net_request request = { .op = HOY_NET_ALLOW_NAMES };

	memcpy(request.names.id, attachment->request->attach.id, sizeof request.names.id);
	(void) snprintf(request.names.text, sizeof request.names.text, "%s", attachment->allowed_names);
	return hoy_service_send(
		attachment->sandbox->networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, NULL, NULL, err);
}

int hoy_attachment_send(struct hoy_attachment *attachment, enum hoy_net_manner manner, int netns,
	hoy_service_replied replied, void *userdata, struct hoy_err *err)
{
	struct hoy_networks *networks = attachment->sandbox->networks;
	struct hoy_net_attach *attach = &attachment->request->attach;
	int r;

	attach->manner = (uint8_t) manner;
	r = hoy_service_send(networks->service, attachment->request, HOY_NET_REQUEST_SIZE(attach->n_ports), netns,
		replied, userdata, err);
	if (r >= 0 && attachment->allowed_names) {
		struct hoy_err why = {};

		if (send_names(attachment, &why) < 0) /* they are not granted then */
			hoy_log_err(&why, "egress rules of '%s'", attachment->sandbox->name);
	}
	return r;
}

/* --- which is the gateway ----------------------------------------------------------- */

/* As docker: the highest priority, then the network's name. */
static bool comes_before(const struct hoy_endpoint_row *a, const struct hoy_endpoint_row *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return strcmp(a->network_name, b->network_name) < 0;
}

int hoy_endpoints_gateway(
	struct hoy_networks *networks, const struct hoy_endpoint_row *rows, size_t n, size_t *ret, struct hoy_err *err)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		auto_(hoy_network_row_done) struct hoy_network_row network = {};
		int r = hoy_networks_get(networks->store, rows[i].network_id, &network, err);

		if (r < 0)
			return r;
		if (r == 0 || hoy_network_mode_of(network.driver) != HOY_NETWORK_BRIDGE ||
			(network.flags & HOY_NETWORK_INTERNAL))
			continue;
		if (best == n || comes_before(&rows[i], &rows[best]))
			best = i;
	}
	*ret = best;
	return 0;
}

/* --- answers ----------------------------------------------------------------------- */

/* Is it one of the container's, as far as the two can't both be had? */
static bool has_port(const struct hoy_attachment *attachment, const struct hoy_net_port *port)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;

	for (uint32_t i = 0; i < attach->n_ports; i++) {
		const struct hoy_net_port *have = &attach->ports[i];

		if (have->proto == port->proto && have->host_port == port->host_port && hoy_net_ports_meet(have, port))
			return true;
	}
	return false;
}

/* The container that has the port; NULL: none that is up. */
static const char *holder_of(const struct hoy_attachment *self, const struct hoy_net_port *port)
{
	const struct hoy_networks *networks = self->sandbox->networks;

	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_sandbox *sandbox = networks->sandboxes[i];

		for (size_t j = 0; j < sandbox->n_attachments && sandbox != self->sandbox; j++)
			if (sandbox->attachments[j]->is_up && has_port(sandbox->attachments[j], port))
				return sandbox->name;
	}
	return NULL;
}

static void host_text(const struct hoy_net_port *port, char ret[INET6_ADDRSTRLEN + 2])
{
	char address[INET6_ADDRSTRLEN];

	if (port->families & HOY_NET_V4)
		(void) hoy_ipv4_format(port->host_ip, ret);
	else
		(void) snprintf(ret, INET6_ADDRSTRLEN + 2, "[%s]", hoy_ipv6_format(&port->host_ip6, address));
}

/* What a user sees, in dockerd's words: clients look for "port is already allocated" and "address already in use". */
static void explain(struct hoy_attachment *attachment, const struct hoy_net_reply *reply, struct hoy_err *err)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;
	const struct hoy_net_port *port = &attach->ports[MIN(reply->failed_port, attach->n_ports - 1)];
	const char *holder = reply->reason == HOY_NET_PORT_ALLOCATED ? holder_of(attachment, port) : NULL;
	char id[HOY_NETWORK_ID_MAX], host[INET6_ADDRSTRLEN + 2], container[INET_ADDRSTRLEN];

	hoy_hex(attach->id, sizeof attach->id, id);
	if (reply->reason != HOY_NET_REASON_NONE) /* it is about a port, so there is one */
		host_text(port, host);
	if (reply->reason == HOY_NET_PORT_ALLOCATED)
		(void) hoy_err_set(err, HOY_ERR_SYSTEM, EADDRINUSE,
			"Bind for %s:%u failed: port is already allocated%s%s", host, port->host_port,
			holder ? " by container " : "", holder ? holder : "");
	else if (reply->reason == HOY_NET_PORT_IN_USE)
		(void) hoy_err_set(err, HOY_ERR_SYSTEM, EADDRINUSE,
			"failed to bind host port for %s:%u:%s:%u/%s: address already in use", host, port->host_port,
			hoy_ipv4_format(attach->address, container), port->container_port,
			hoy_port_proto_to_string((enum hoy_port_proto) port->proto));
	else
		(void) hoy_err_import(err, &reply->err);
	(void) hoy_err_wrap(err, "driver failed programming external connectivity on endpoint %s (%s)",
		attachment->sandbox->name, id);
}

/* The container runs with these numbers whether or not they can be noted. */
static void note_ports(struct hoy_attachment *attachment, const struct hoy_net_reply *reply)
{
	const struct hoy_sandbox *sandbox = attachment->sandbox;
	struct hoy_net_attach *attach = &attachment->request->attach;
	struct hoy_err err = {};

	for (uint32_t i = 0; i < MIN(reply->n_ports, attach->n_ports); i++) {
		attach->ports[i].host_port = reply->ports[i].host_port;
		attach->ports[i].host_port_last = 0;
		if (hoy_ports_set_bound(
			    sandbox->networks->store, sandbox->container_id, i, reply->ports[i].host_port, &err) < 0)
			hoy_log_err(&err, "published ports of '%s'", sandbox->name);
	}
}

void hoy_attachment_replied(struct hoy_attachment *attachment, const struct hoy_net_reply *reply,
	const struct hoy_err *failure, struct hoy_err *ret)
{
	const struct hoy_err *trouble = hoy_bridge_trouble(
		attachment->sandbox->networks, attachment->request->attach.bridge);

	if (reply && reply->err.errnum == 0)
		note_ports(attachment, reply);
	else if (reply && reply->reason == HOY_NET_REASON_NONE && trouble)
		(void) hoy_err_import(ret, trouble);
	else if (reply)
		explain(attachment, reply, ret);
	else
		(void) hoy_err_import(ret, failure);
}

static void send_detach(const struct hoy_attachment *attachment)
{
	struct hoy_networks *networks = attachment->sandbox->networks;
	struct hoy_net_request request = { .op = HOY_NET_DETACH };
	struct hoy_err err = {};

	if (!hoy_service_is_connected(networks->service))
		return; /* a later connection is not told of it, which is the same */
	memcpy(request.detach.id, attachment->request->attach.id, sizeof request.detach.id);
	if (hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "network of '%s'", attachment->sandbox->name);
}

static void detach_all(struct hoy_sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->n_attachments; i++) /* one that is not up is on its way, or unknown */
		send_detach(sandbox->attachments[i]);
}

/* All answers are there: tells the owner and forgets the sandbox unless it is up. */
static void settle(struct hoy_sandbox *sandbox)
{
	hoy_network_attached done = sandbox->done;
	void *userdata = sandbox->userdata;
	struct hoy_err result = {};

	sandbox->done = NULL;
	if (sandbox->cancelled)
		(void) hoy_err_set(&result, HOY_ERR_CONFLICT, ECANCELED, "the container was stopped meanwhile");
	else if (sandbox->result.errnum)
		result = sandbox->result;
	if (result.errnum) {
		detach_all(sandbox);
		sandbox_drop(sandbox);
	} else {
		hoy_naming_up(sandbox);
		sandbox->is_up = true;
	}
	if (done)
		done(userdata, result.errnum ? &result : NULL);
}

static void on_attached(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_attachment *attachment = userdata;
	struct hoy_sandbox *sandbox = attachment->sandbox;
	struct hoy_err why = {};

	hoy_attachment_replied(attachment, reply, err, &why);
	attachment->is_up = why.errnum == 0;
	if (why.errnum && !sandbox->result.errnum)
		sandbox->result = why;
	if (--sandbox->pending == 0)
		settle(sandbox);
}

static void on_nameserver(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_sandbox *sandbox = userdata;
	struct hoy_err why = {};

	hoy_naming_opened(sandbox, reply, err, &why);
	if (why.errnum && !sandbox->result.errnum)
		sandbox->result = why;
	if (--sandbox->pending == 0)
		settle(sandbox);
}

static void on_later(struct hoy_source *source, void *userdata)
{
	(void) source;
	settle(userdata);
}

/* --- up and down --------------------------------------------------------------------- */

/* The address of IPv6 that it asks for, likewise: whoever has it and does not run has none from now on. */
static int free_asked6(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row holder = {};
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	int r;

	if (hoy_ipv6_parse(endpoint->asked6, &address) < 0)
		return 0;
	r = hoy_endpoints_at6(networks->store, network->id, hoy_ipv6_format(&address, text), &holder, err);
	if (r <= 0 || hoy_sandbox_find(networks, holder.container_id))
		return r; /* the lease says who is in the way */
	return hoy_endpoints_set_address6(networks->store, holder.id, NULL, err);
}

/* The network has another subnet of IPv6 than when this was leased, or has one only now. */
static int settle_address6(struct hoy_networks *networks, struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, struct hoy_err *err)
{
	char address[INET6_ADDRSTRLEN];
	int r;

	if (hoy_ipv6_fits(network, endpoint->address6))
		return 0;
	r = endpoint->asked6 ? free_asked6(networks, endpoint, network, err) : 0;
	if (r < 0)
		return r;
	r = hoy_ipv6_lease(networks, network, endpoint->asked6, endpoint->place, address, err);
	if (r < 0)
		return r;
	free(endpoint->address6);
	endpoint->address6 = *address ? strdup(address) : NULL;
	if (*address && !endpoint->address6)
		return hoy_err_oom(err);
	return hoy_endpoints_set_address6(networks->store, endpoint->id, endpoint->address6, err);
}

/* The address that it asks for, unless a container has it that runs; one that does not will have another, or none. */
static int take_asked(struct hoy_networks *networks, struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row holder = {};
	int r = hoy_endpoint_asked_place(network, endpoint->address, &endpoint->place, err);

	if (r >= 0)
		r = hoy_endpoints_at(networks->store, network->id, endpoint->place, &holder, err);
	if (r > 0 && hoy_sandbox_find(networks, holder.container_id))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EADDRINUSE, "Address already in use: %s", endpoint->address);
	if (r > 0)
		r = hoy_endpoints_set_place(networks->store, holder.id, 0, err);
	return r < 0 ? r : 0;
}

/* The first one up decides where the default subnet is; an address that was leased in another shape of it is leased
 * anew. */
static int settle_address(struct hoy_networks *networks, struct hoy_endpoint_row *endpoint,
	struct hoy_network_row *network, struct hoy_err *err)
{
	int r = 0;

	if (hoy_str_eq(network->name, "bridge") && !hoy_service_is_connected(networks->service) &&
		!hoy_networks_are_wanted(networks))
		r = hoy_networks_settle(networks, network, err);
	if (r < 0)
		return r;
	if (!hoy_networks_place_fits(network, endpoint->place) && hoy_overlay_is(network))
		return hoy_err_unsupported(err,
			"network '%s' is of a cluster: it is not supported while cluster-store is not set",
			network->name);
	if (!hoy_networks_place_fits(network, endpoint->place)) {
		r = endpoint->address ? take_asked(networks, endpoint, network, err)
				      : hoy_networks_find_place(networks, network, &endpoint->place, err);
		if (r >= 0)
			r = hoy_endpoints_set_place(networks->store, endpoint->id, endpoint->place, err);
	}
	return r < 0 ? r : settle_address6(networks, endpoint, network, err);
}

/* The endpoint's network, which may have been removed while the container did not run. */
static int find_network(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	struct hoy_network_row *ret, struct hoy_err *err)
{
	int r = hoy_networks_get(networks->store, endpoint->network_id, ret, err);

	if (r == 0)
		return hoy_err_not_found(err, "network %s not found", endpoint->network_id);
	return r < 0 ? r : 0;
}

static int add_one(struct hoy_sandbox *sandbox, struct hoy_endpoint_row *endpoint, bool is_gateway, bool bound,
	struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_networks *networks = sandbox->networks;
	struct hoy_attachment *attachment;
	int r = find_network(networks, endpoint, &network, err);

	if (r < 0)
		return r;
	sandbox->mode = hoy_network_mode_of(network.driver);
	if (sandbox->mode != HOY_NETWORK_BRIDGE)
		return 0;
	if (!bound)
		r = settle_address(networks, endpoint, &network, err);
	if (r >= 0)
		r = hoy_attachment_new(sandbox, endpoint, &network, is_gateway, bound, &attachment, err);
	if (r >= 0 && !bound && hoy_bridge_trouble(networks, attachment->request->attach.bridge))
		r = hoy_bridge_send(networks, &network, NULL, NULL, err);
	return r;
}

int hoy_sandbox_prepare(struct hoy_networks *networks, const char *container_id, const char *name, bool bound,
	struct hoy_sandbox **ret, struct hoy_err *err)
{
	struct hoy_endpoint_row *rows = NULL;
	struct hoy_sandbox *sandbox = NULL;
	size_t n = 0, gateway = 0;
	int r = hoy_endpoints_list(networks->store, container_id, &rows, &n, err);

	if (r >= 0 && n == 0 && !bound) /* one that runs may have been taken off all of them */
		r = hoy_err_not_found(err, "container %s has no network endpoint", container_id);
	if (r >= 0)
		r = hoy_endpoints_gateway(networks, rows, n, &gateway, err);
	if (r >= 0)
		r = sandbox_new(networks, container_id, name, &sandbox, err);
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (!bound && rows[i].position != i) { /* a network was disconnected */
			rows[i].position = (unsigned int) i;
			r = hoy_endpoints_set_position(networks->store, rows[i].id, rows[i].position, err);
		}
		if (r >= 0)
			r = add_one(sandbox, &rows[i], i == gateway, bound, err);
	}
	hoy_endpoint_rows_free(rows, n);
	if (r < 0 && sandbox)
		sandbox_drop(sandbox);
	if (r >= 0)
		*ret = sandbox;
	return r;
}

/* The name server last: it listens on lo, which the first interface has raised. */
static int start_bridged(struct hoy_sandbox *sandbox, int netns, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < sandbox->n_attachments && r >= 0; i++) {
		struct hoy_attachment *attachment = sandbox->attachments[i];

		r = hoy_attachment_send(attachment, HOY_NET_FRESH, netns, on_attached, attachment, err);
		sandbox->pending += r >= 0;
		sandbox->has_names = sandbox->has_names || hoy_naming_wants(attachment);
	}
	if (r >= 0 && sandbox->has_names) {
		r = hoy_naming_open(sandbox->networks, netns, on_nameserver, sandbox, err);
		sandbox->pending += r >= 0;
	}
	if (r < 0 && sandbox->pending > 0) {
		if (err)
			sandbox->result = *err; /* told when the answers are there */
		return 0;
	}
	return r;
}

static int start_plain(struct hoy_sandbox *sandbox, int netns, struct hoy_err *err)
{
	if (sandbox->mode == HOY_NETWORK_NONE)
		(void) hoy_network_raise_loopback(netns, &sandbox->result);
	return hoy_loop_defer(sandbox->networks->loop, &sandbox->later, on_later, sandbox, err);
}

int hoy_network_attach(struct hoy_networks *networks, const char *container_id, const char *name, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, container_id);
	int r;

	if (sandbox && !sandbox->is_up)
		return hoy_err_set(
			err, HOY_ERR_CONFLICT, EALREADY, "container %s is going on its network already", name);
	if (networks->peers) {
		r = hoy_overlay_wait(networks, container_id, name, netns_fd, done, userdata, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	hoy_network_detach(
		networks, container_id); /* a new namespace: the old run is over, whether we were told or not */
	r = hoy_sandbox_prepare(networks, container_id, name, /* bound= */ false, &sandbox, err);
	if (r < 0)
		return r;
	sandbox->done = done;
	sandbox->userdata = userdata;
	r = sandbox->n_attachments > 0 ? start_bridged(sandbox, netns_fd, err) : start_plain(sandbox, netns_fd, err);
	if (r < 0)
		sandbox_drop(sandbox);
	return r;
}

void hoy_network_detach(struct hoy_networks *networks, const char *container_id)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, container_id);

	hoy_overlay_cancel(networks, container_id);
	if (!sandbox)
		return;
	if (sandbox->pending > 0 || !sandbox->is_up) {
		sandbox->cancelled = true;
		return;
	}
	hoy_naming_down(sandbox);
	detach_all(sandbox);
	sandbox_drop(sandbox);
}
