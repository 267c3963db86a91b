/* Bridges as hoy-net is told of them, and what came of it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"

const struct hoy_err *hoy_bridge_trouble(struct hoy_networks *networks, const char *bridge)
{
	for (size_t i = 0; i < networks->n_bridge_errors; i++)
		if (hoy_str_eq(networks->bridge_errors[i].bridge, bridge))
			return &networks->bridge_errors[i].err;
	return NULL;
}

static void forget(struct hoy_networks *networks, const char *bridge)
{
	for (size_t i = networks->n_bridge_errors; i-- > 0;)
		if (hoy_str_eq(networks->bridge_errors[i].bridge, bridge))
			networks->bridge_errors[i] = networks->bridge_errors[--networks->n_bridge_errors];
}

void hoy_bridge_note(struct hoy_networks *networks, const char *bridge, const struct hoy_err *err)
{
	struct hoy_bridge_error *grown;

	forget(networks, bridge);
	if (err->errnum == 0) {
		if (err->msg[0] && !networks->warning) {
			networks->warning = strndup(err->msg, sizeof err->msg - 1);
			hoy_log_warn("%s", networks->warning ? networks->warning : "");
		}
		return;
	}
	hoy_log_err(err, "bridge '%s'", bridge);
	grown = reallocarray(networks->bridge_errors, networks->n_bridge_errors + 1, sizeof *grown);
	if (!grown)
		return; /* the attach behind it fails all the same, with less to say */
	networks->bridge_errors = grown;
	grown += networks->n_bridge_errors++;
	(void) snprintf(grown->bridge, sizeof grown->bridge, "%s", bridge);
	grown->err = *err;
}

static void on_told(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	(void) err; /* the attach behind it gets it too */
	if (reply)
		hoy_bridge_note(userdata, reply->bridge, &reply->err);
}

int hoy_bridge_send(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_service_replied replied,
	void *userdata, struct hoy_err *err)
{
	struct hoy_net_request request = { .op = HOY_NET_BRIDGE };
	struct hoy_network_shape shape;
	struct hoy_prefix6 subnet6;
	int r = hoy_network_shape(networks, row, &shape, err);

	if (r >= 0 && shape.vni > 0 && !networks->peers)
		return hoy_err_unsupported(err,
			"network '%s' is of a cluster: it is not supported while cluster-store is not set", row->name);
	if (r < 0)
		return r;
	(void) snprintf(request.bridge.name, sizeof request.bridge.name, "%s", shape.bridge);
	request.bridge.kind = (uint32_t) shape.kind;
	request.bridge.mode = shape.mode;
	(void) snprintf(request.bridge.parent, sizeof request.bridge.parent, "%s", shape.parent);
	request.bridge.address = hoy_network_gateway(row);
	request.bridge.prefix_len = row->prefix_len;
	if (*row->subnet6 && hoy_prefix6_parse(row->subnet6, &subnet6) >= 0 &&
		hoy_ipv6_parse(row->gateway6, &request.bridge.address6) >= 0)
		request.bridge.prefix6_len = subnet6.len;
	request.bridge.mtu = shape.mtu;
	request.bridge.flags = shape.flags;
	request.bridge.vni = shape.vni;
	request.bridge.vtep = networks->vtep;
	r = hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, replied ? replied : on_told,
		replied ? userdata : networks, err);
	if (r >= 0 && shape.vni > 0)
		hoy_overlay_send_remotes(networks, row);
	return r;
}

void hoy_bridges_send(struct hoy_networks *networks)
{
	auto_free char *after = strdup("");
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_err err = {};
	int r = 0;

	while (after && (r = hoy_networks_next(networks->store, after, &row, &err)) > 0) {
		if (hoy_network_mode_of(row.driver) == HOY_NETWORK_BRIDGE && row.prefix_len > 0 &&
			hoy_bridge_send(networks, &row, NULL, NULL, &err) < 0)
			hoy_log_err(&err, "network '%s'", row.name);
		free(after);
		after = TAKE_PTR(row.name);
		hoy_network_row_done(&row);
	}
	if (r < 0)
		hoy_log_err(&err, "networks");
}
