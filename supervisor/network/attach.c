/* Endpoints going up and down: what hoy-net is told, and what its answers mean for containers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"

#define QUIT_TIMEOUT_MS 2000

static void attachment_free(struct hoy_attachment *attachment)
{
	if (!attachment)
		return;
	attachment->later = hoy_source_free(attachment->later);
	free(attachment->container_id);
	free(attachment->name);
	free(attachment->request);
	free(attachment);
}
HOY_DEFINE_AUTO_PTR(struct hoy_attachment, attachment_free);

/* The one that is wanted: a cancelled one waits only for its answer. */
struct hoy_attachment *hoy_attachment_find(struct hoy_networks *networks, const char *container_id)
{
	for (size_t i = 0; i < networks->n_attachments; i++) {
		struct hoy_attachment *attachment = networks->attachments[i];

		if (!attachment->cancelled && hoy_str_eq(attachment->container_id, container_id))
			return attachment;
	}
	return NULL;
}

static int add(struct hoy_networks *networks, struct hoy_attachment *attachment, struct hoy_err *err)
{
	struct hoy_attachment **grown = reallocarray(
		networks->attachments, networks->n_attachments + 1, sizeof(struct hoy_attachment *));

	if (!grown)
		return hoy_err_oom(err);
	networks->attachments = grown;
	grown[networks->n_attachments++] = attachment;
	return 0;
}

static void drop(struct hoy_attachment *attachment)
{
	struct hoy_networks *networks = attachment->networks;

	for (size_t i = 0; i < networks->n_attachments; i++)
		if (networks->attachments[i] == attachment) {
			networks->attachments[i] = networks->attachments[--networks->n_attachments];
			break;
		}
	attachment_free(attachment);
}

void hoy_attachments_free(struct hoy_networks *networks)
{
	for (size_t i = 0; i < networks->n_attachments; i++)
		attachment_free(networks->attachments[i]);
	free(networks->attachments);
}

/* --- the request ------------------------------------------------------------------ */

static struct hoy_net_port wire_port(const struct hoy_port_row *row)
{
	struct hoy_net_port port = {
		.proto = (uint8_t) row->proto,
		.container_port = row->container_port,
		.host_port = row->host_port,
		.host_port_last = row->host_port_last,
	};

	if (row->host_ip[0])
		(void) hoy_ipv4_parse(row->host_ip, &port.host_ip); /* checked when it was written */
	return port;
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

/* With `bound` the ports that were found when it was attached, else those asked for. */
static int make_request(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool bound, struct hoy_net_request **ret, struct hoy_err *err)
{
	struct hoy_port_row *rows = NULL;
	struct hoy_net_request *request;
	size_t n = 0;
	int r = hoy_ports_list(networks->store, endpoint->container_id, &rows, &n, err);

	if (r < 0)
		return r;
	request = calloc(1, HOY_NET_REQUEST_SIZE(n));
	for (size_t i = 0; request && i < n; i++) {
		if (bound && rows[i].bound) {
			rows[i].host_port = rows[i].bound;
			rows[i].host_port_last = 0;
		}
		request->attach.ports[i] = wire_port(&rows[i]);
	}
	hoy_port_rows_free(rows, n);
	if (!request)
		return hoy_err_oom(err);
	request->op = HOY_NET_ATTACH;
	(void) snprintf(request->attach.bridge, sizeof request->attach.bridge, "%s", networks->bridge);
	request->attach.address = network->subnet + endpoint->place;
	request->attach.n_ports = (uint32_t) n;
	if (parse_id(endpoint->id, request->attach.id) < 0 || !endpoint->mac ||
		hoy_network_mac_parse(endpoint->mac, request->attach.mac) < 0)
		hoy_network_mac_from(request->attach.address, request->attach.mac);
	*ret = request;
	return 0;
}

static void on_bridge(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_networks *networks = userdata;

	(void) err; /* the attach behind it gets it too */
	if (!reply)
		return;
	networks->bridge_error = reply->err;
	if (reply->err.errnum) {
		hoy_log_err(&reply->err, "bridge '%s'", networks->bridge);
	} else if (reply->err.msg[0] && !networks->warning) {
		networks->warning = strndup(reply->err.msg, sizeof reply->err.msg - 1);
		hoy_log_warn("%s", networks->warning ? networks->warning : "");
	}
}

static void send_bridge(struct hoy_networks *networks)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_net_request request = { .op = HOY_NET_BRIDGE };
	struct hoy_err err = {};
	int r = hoy_networks_find(networks->store, "bridge", &row, &err);

	if (r > 0 && row.prefix_len > 0) {
		(void) snprintf(request.bridge.name, sizeof request.bridge.name, "%s", networks->bridge);
		request.bridge.address = hoy_network_gateway(&row);
		request.bridge.prefix_len = row.prefix_len;
		request.bridge.mtu = networks->mtu;
		r = hoy_service_send(
			networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, on_bridge, networks, &err);
	}
	if (r < 0)
		hoy_log_err(&err, "bridge '%s'", networks->bridge);
}

/* --- answers ----------------------------------------------------------------------- */

/* What a user sees, in dockerd's words: clients look for "port is already allocated" and "address already in use". */
static void explain(struct hoy_attachment *attachment, const struct hoy_net_reply *reply, struct hoy_err *err)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;
	const struct hoy_net_port *port = &attach->ports[MIN(reply->failed_port, attach->n_ports - 1)];
	char id[HOY_NETWORK_ID_MAX], host[INET_ADDRSTRLEN], container[INET_ADDRSTRLEN];

	hoy_hex(attach->id, sizeof attach->id, id);
	hoy_ipv4_format(port->host_ip, host);
	if (reply->reason == HOY_NET_PORT_ALLOCATED)
		(void) hoy_err_set(err, HOY_ERR_SYSTEM, EADDRINUSE, "Bind for %s:%u failed: port is already allocated",
			host, port->host_port);
	else if (reply->reason == HOY_NET_PORT_IN_USE)
		(void) hoy_err_set(err, HOY_ERR_SYSTEM, EADDRINUSE,
			"failed to bind host port for %s:%u:%s:%u/%s: address already in use", host, port->host_port,
			hoy_ipv4_format(attach->address, container), port->container_port,
			hoy_port_proto_to_string((enum hoy_port_proto) port->proto));
	else
		(void) hoy_err_import(err, &reply->err);
	(void) hoy_err_wrap(
		err, "driver failed programming external connectivity on endpoint %s (%s)", attachment->name, id);
}

/* The container runs with these numbers whether or not they can be noted. */
static void note_ports(struct hoy_attachment *attachment, const struct hoy_net_reply *reply)
{
	struct hoy_net_attach *attach = &attachment->request->attach;
	struct hoy_err err = {};

	for (uint32_t i = 0; i < MIN(reply->n_ports, attach->n_ports); i++) {
		attach->ports[i].host_port = reply->ports[i].host_port;
		attach->ports[i].host_port_last = 0;
		if (hoy_ports_set_bound(attachment->networks->store, attachment->container_id, i,
			    reply->ports[i].host_port, &err) < 0)
			hoy_log_err(&err, "published ports of '%s'", attachment->name);
	}
}

static void send_detach(struct hoy_attachment *attachment)
{
	struct hoy_networks *networks = attachment->networks;
	struct hoy_net_request request = { .op = HOY_NET_DETACH };
	struct hoy_err err = {};

	if (!attachment->request || !hoy_service_is_connected(networks->service))
		return; /* a later connection is not told of it, which is the same */
	memcpy(request.detach.id, attachment->request->attach.id, sizeof request.detach.id);
	if (hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "network of '%s'", attachment->name);
}

/* Tells the owner and forgets the attachment unless it is up. */
static void answer(struct hoy_attachment *attachment, const struct hoy_err *err)
{
	hoy_network_attached done = attachment->done;
	void *userdata = attachment->userdata;
	struct hoy_err cancelled = {};

	attachment->done = NULL;
	if (attachment->cancelled) {
		(void) hoy_err_set(&cancelled, HOY_ERR_CONFLICT, ECANCELED, "the container was stopped meanwhile");
		if (!err)
			send_detach(attachment);
		err = &cancelled;
	}
	if (err)
		drop(attachment);
	else
		attachment->is_up = true;
	if (done)
		done(userdata, err);
}

static void on_attached(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_attachment *attachment = userdata;
	struct hoy_networks *networks = attachment->networks;
	struct hoy_err why = {};

	if (reply && reply->err.errnum == 0) {
		note_ports(attachment, reply);
		answer(attachment, NULL);
		return;
	}
	if (reply && reply->reason == HOY_NET_REASON_NONE && networks->bridge_error.errnum)
		(void) hoy_err_import(&why, &networks->bridge_error);
	else if (reply)
		explain(attachment, reply, &why);
	else
		(void) hoy_err_import(&why, err);
	answer(attachment, &why);
}

static void on_later(struct hoy_source *source, void *userdata)
{
	struct hoy_attachment *attachment = userdata;
	struct hoy_err result = attachment->result;

	(void) source;
	answer(attachment, result.errnum ? &result : NULL);
}

/* --- up and down --------------------------------------------------------------------- */

static int attachment_new(struct hoy_networks *networks, const char *container_id, const char *name,
	enum hoy_network_mode mode, struct hoy_attachment **ret, struct hoy_err *err)
{
	auto_ptr(attachment_free) struct hoy_attachment *attachment = calloc(1, sizeof *attachment);
	int r;

	if (!attachment)
		return hoy_err_oom(err);
	attachment->networks = networks;
	attachment->mode = mode;
	attachment->container_id = strdup(container_id);
	attachment->name = strdup(name);
	if (!attachment->container_id || !attachment->name)
		return hoy_err_oom(err);
	r = add(networks, attachment, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(attachment);
	return 0;
}

static bool is_wanted(void *userdata)
{
	const struct hoy_networks *networks = userdata;

	for (size_t i = 0; i < networks->n_attachments; i++)
		if (networks->attachments[i]->request)
			return true;
	return false;
}

/* The first one up decides where the subnet is; an address that was leased in another shape of it is leased anew. */
static int settle_address(struct hoy_networks *networks, struct hoy_endpoint_row *endpoint,
	struct hoy_network_row *network, struct hoy_err *err)
{
	int r = 0;

	if (!hoy_service_is_connected(networks->service) && !is_wanted(networks))
		r = hoy_networks_settle(networks, network, err);
	if (r < 0 || hoy_networks_place_fits(network, endpoint->place))
		return r;
	r = hoy_networks_find_place(networks, network, &endpoint->place, err);
	return r < 0 ? r : hoy_endpoints_set_place(networks->store, endpoint->container_id, endpoint->place, err);
}

static int start_bridged(struct hoy_attachment *attachment, struct hoy_endpoint_row *endpoint,
	struct hoy_network_row *network, int netns, struct hoy_err *err)
{
	struct hoy_networks *networks = attachment->networks;
	int r = settle_address(networks, endpoint, network, err);

	if (r >= 0)
		r = make_request(networks, endpoint, network, /* bound= */ false, &attachment->request, err);
	if (r < 0)
		return r;
	if (networks->bridge_error.errnum)
		send_bridge(networks);
	return hoy_service_send(networks->service, attachment->request,
		HOY_NET_REQUEST_SIZE(attachment->request->attach.n_ports), netns, on_attached, attachment, err);
}

static int start_plain(struct hoy_attachment *attachment, int netns, struct hoy_err *err)
{
	if (attachment->mode == HOY_NETWORK_NONE)
		(void) hoy_network_raise_loopback(netns, &attachment->result);
	return hoy_loop_defer(attachment->networks->loop, &attachment->later, on_later, attachment, err);
}

static int find_rows(struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_row *endpoint,
	struct hoy_network_row *network, struct hoy_err *err)
{
	int r = hoy_endpoints_find(networks->store, container_id, endpoint, err);

	if (r > 0)
		r = hoy_networks_find(networks->store, endpoint->network_id, network, err);
	if (r == 0)
		return hoy_err_not_found(err, "container %s has no network endpoint", container_id);
	return r < 0 ? r : 0;
}

int hoy_network_attach(struct hoy_networks *networks, const char *container_id, const char *name, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row endpoint = {};
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_attachment *attachment = hoy_attachment_find(networks, container_id);
	int r;

	if (attachment && !attachment->is_up)
		return hoy_err_set(
			err, HOY_ERR_CONFLICT, EALREADY, "container %s is going on its network already", name);
	hoy_network_detach(
		networks, container_id); /* a new namespace: the old run is over, whether we were told or not */
	r = find_rows(networks, container_id, &endpoint, &network, err);
	if (r >= 0)
		r = attachment_new(networks, container_id, name, hoy_network_mode_of(network.driver), &attachment, err);
	if (r < 0)
		return r;
	attachment->done = done;
	attachment->userdata = userdata;
	if (attachment->mode == HOY_NETWORK_BRIDGE)
		r = start_bridged(attachment, &endpoint, &network, netns_fd, err);
	else
		r = start_plain(attachment, netns_fd, err);
	if (r < 0)
		drop(attachment);
	return r;
}

void hoy_network_detach(struct hoy_networks *networks, const char *container_id)
{
	struct hoy_attachment *attachment = hoy_attachment_find(networks, container_id);

	if (!attachment)
		return;
	if (!attachment->is_up) {
		attachment->cancelled = true;
		return;
	}
	send_detach(attachment);
	drop(attachment);
}

/* --- the whole state -------------------------------------------------------------------- */

static void tell_all(void *userdata)
{
	struct hoy_networks *networks = userdata;

	send_bridge(networks);
	for (size_t i = 0; i < networks->n_attachments; i++) {
		struct hoy_attachment *attachment = networks->attachments[i];
		struct hoy_err err = {};

		if (!attachment->is_up || !attachment->request)
			continue;
		attachment->request->attach.adopt = 1;
		if (hoy_service_send(networks->service, attachment->request,
			    HOY_NET_REQUEST_SIZE(attachment->request->attach.n_ports), -1, NULL, NULL, &err) < 0)
			hoy_log_err(&err, "network of '%s'", attachment->name);
	}
}

const struct hoy_service_owner hoy_attachment_owner = { .sync = tell_all, .wanted = is_wanted };

static int recover_one(struct hoy_networks *networks, const char *container_id, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row endpoint = {};
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_attachment *attachment;
	int r = find_rows(networks, container_id, &endpoint, &network, err);

	if (r >= 0)
		r = attachment_new(
			networks, container_id, container_id, hoy_network_mode_of(network.driver), &attachment, err);
	if (r < 0)
		return r;
	attachment->is_up = true;
	if (attachment->mode == HOY_NETWORK_BRIDGE)
		r = make_request(networks, &endpoint, &network, /* bound= */ true, &attachment->request, err);
	if (r < 0)
		drop(attachment);
	return r;
}

int hoy_network_recover(
	struct hoy_networks *networks, const char *const *running, size_t n_running, struct hoy_err *err)
{
	for (size_t i = 0; i < n_running; i++) {
		struct hoy_err one = {};

		if (!hoy_attachment_find(networks, running[i]) && recover_one(networks, running[i], &one) == -ENOMEM)
			return hoy_err_oom(err);
		if (one.errnum)
			hoy_log_ignored(&one, "network of running container '%s'", running[i]);
	}
	if (is_wanted(networks) || if_nametoindex(networks->bridge) != 0)
		hoy_service_start(networks->service);
	return 0;
}

void hoy_network_shutdown(struct hoy_networks *networks)
{
	if (is_wanted(networks))
		return;
	if (hoy_service_is_connected(networks->service) || if_nametoindex(networks->bridge) != 0)
		hoy_service_quit(networks->service, QUIT_TIMEOUT_MS);
}
