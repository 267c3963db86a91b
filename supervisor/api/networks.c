/* /networks, and the network part of containers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/network_json.h"
#include "supervisor/api/events.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/network/network.h"

/* --- endpoints ------------------------------------------------------------------------------------------------ */

static void add_ipam_request(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint)
{
	bool link_local = endpoint && endpoint->link_local && strcmp(endpoint->link_local, "[]") != 0;

	if (!endpoint || (!endpoint->asked_address && !endpoint->asked_address6 && !link_local)) {
		hoy_json_add_null(w, "IPAMConfig");
		return;
	}
	hoy_json_object(w, "IPAMConfig");
	if (endpoint->asked_address)
		hoy_json_add_string(w, "IPv4Address", endpoint->asked_address);
	if (endpoint->asked_address6)
		hoy_json_add_string(w, "IPv6Address", endpoint->asked_address6);
	if (link_local)
		hoy_json_add_raw(w, "LinkLocalIPs", endpoint->link_local);
	hoy_json_end(w);
}

static void add_addresses(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint)
{
	bool up = endpoint && endpoint->attached;

	hoy_json_add_string(w, "EndpointID", up ? endpoint->endpoint_id : "");
	hoy_json_add_string(w, "Gateway", up ? endpoint->gateway : "");
	hoy_json_add_string(w, "IPAddress", up ? endpoint->address : "");
	hoy_json_add_u64(w, "IPPrefixLen", up && *endpoint->address ? endpoint->prefix_len : 0);
	hoy_json_add_string(w, "IPv6Gateway", up ? endpoint->gateway6 : "");
	hoy_json_add_string(w, "GlobalIPv6Address", up ? endpoint->address6 : "");
	hoy_json_add_u64(w, "GlobalIPv6PrefixLen", up ? endpoint->prefix6_len : 0);
}

/* Those that the request for this network gave. */
static char *const *links_of(const struct hoy_container_config *config, const struct hoy_endpoint_info *endpoint)
{
	const struct hoy_container_networking *n = &config->networking;

	for (size_t i = 0; i < n->n_endpoints; i++)
		if (hoy_str_eq(n->endpoints[i].network, endpoint->network_name) ||
			hoy_str_eq(n->endpoints[i].network, endpoint->network_id))
			return n->endpoints[i].links;
	return NULL;
}

/* By what it is found on a user's network; docker counts the short ID among the aliases. */
static void add_names(struct hoy_json_writer *w, const char *key, const struct hoy_endpoint_info *endpoint,
	const char *name, const char *short_id, const char *hostname)
{
	if (!endpoint || hoy_network_is_builtin(endpoint->network_name)) {
		hoy_json_add_null(w, key);
		return;
	}
	hoy_json_array(w, key);
	if (name)
		hoy_json_add_string(w, NULL, name);
	for (size_t i = 0; endpoint->aliases && endpoint->aliases[i]; i++)
		if (!hoy_str_eq(endpoint->aliases[i], name) && !hoy_str_eq(endpoint->aliases[i], short_id))
			hoy_json_add_string(w, NULL, endpoint->aliases[i]);
	hoy_json_add_string(w, NULL, short_id);
	if (hostname && *hostname && !hoy_str_eq(hostname, short_id) && !hoy_str_eq(hostname, name))
		hoy_json_add_string(w, NULL, hostname);
	hoy_json_end(w);
}

static void add_endpoint(struct hoy_json_writer *w, const char *network, const struct hoy_endpoint_info *endpoint,
	const struct hoy_container_info *c, char *const *links)
{
	char short_id[13] = "";
	const char *mac = "";

	(void) snprintf(short_id, sizeof short_id, "%.12s", c->id);
	if (endpoint)
		mac = endpoint->attached ? endpoint->mac : endpoint->asked_mac ? endpoint->asked_mac : "";
	hoy_json_object(w, network);
	add_ipam_request(w, endpoint);
	hoy_json_add_strv(w, "Links", links);
	add_names(w, "Aliases", endpoint, NULL, short_id, NULL);
	hoy_json_add_string(w, "MacAddress", mac);
	if (endpoint && endpoint->driver_opts && strcmp(endpoint->driver_opts, "{}") != 0)
		hoy_json_add_raw(w, "DriverOpts", endpoint->driver_opts);
	else
		hoy_json_add_null(w, "DriverOpts");
	hoy_json_add_i64(w, "GwPriority", endpoint ? endpoint->priority : 0);
	hoy_json_add_string(w, "NetworkID", endpoint ? endpoint->network_id : "");
	add_addresses(w, endpoint);
	add_names(w, "DNSNames", endpoint, c->name, short_id, c->config ? c->config->hostname : NULL);
	hoy_json_end(w);
}

void hoy_api_add_endpoints(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c)
{
	struct hoy_endpoint_info *endpoints = NULL;
	size_t n = 0;

	hoy_json_object(w, "Networks");
	if (hoy_network_endpoints_of(api->o.networks, c->id, &endpoints, &n, NULL) >= 0)
		for (size_t i = 0; i < n; i++)
			add_endpoint(
				w, endpoints[i].network_name, &endpoints[i], c, links_of(c->config, &endpoints[i]));
	hoy_endpoint_infos_free(endpoints, n);
	hoy_json_end(w);
}

/* --- ports ---------------------------------------------------------------------------------------------------- */

static void port_key(const struct hoy_network_port *port, char key[16])
{
	(void) snprintf(key, 16, "%u/%s", port->container_port, hoy_port_proto_to_string(port->proto));
}

static bool is_published(const struct hoy_endpoint_info *endpoint, const char *key)
{
	char have[16];

	for (size_t i = 0; i < endpoint->n_ports; i++) {
		port_key(&endpoint->ports[i], have);
		if (!strcmp(have, key))
			return true;
	}
	return false;
}

static const char *host_ip(const struct hoy_network_port *port)
{
	return *port->host_ip ? port->host_ip : "0.0.0.0";
}

/* All host ports of the container port that `ports[first]` names. */
static void add_bindings(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, const char *key)
{
	char have[16], number[8];

	hoy_json_array(w, key);
	for (size_t i = 0; i < endpoint->n_ports; i++) {
		const struct hoy_network_port *port = &endpoint->ports[i];

		port_key(port, have);
		if (strcmp(have, key) != 0)
			continue;
		(void) snprintf(number, sizeof number, "%u", port->host_port);
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "HostIp", host_ip(port));
		hoy_json_add_string(w, "HostPort", number);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static bool seen_before(const struct hoy_endpoint_info *endpoint, size_t n, const char *key)
{
	char have[16];

	for (size_t i = 0; i < n; i++) {
		port_key(&endpoint->ports[i], have);
		if (!strcmp(have, key))
			return true;
	}
	return false;
}

void hoy_api_add_port_map(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed)
{
	bool up = endpoint && endpoint->attached && endpoint->mode == HOY_NETWORK_BRIDGE;
	char key[16];

	hoy_json_object(w, "Ports");
	for (; up && exposed && *exposed; exposed++)
		if (!is_published(endpoint, *exposed))
			hoy_json_add_null(w, *exposed);
	for (size_t i = 0; up && i < endpoint->n_ports; i++) {
		port_key(&endpoint->ports[i], key);
		if (!seen_before(endpoint, i, key))
			add_bindings(w, endpoint, key);
	}
	hoy_json_end(w);
}

static void add_exposed_port(struct hoy_json_writer *w, const char *key)
{
	const char *slash = strchr(key, '/');
	auto_free char *number = slash ? strndup(key, (size_t) (slash - key)) : strdup(key);
	unsigned int port;

	if (!number || hoy_str_to_uint(number, &port) < 0)
		return;
	hoy_json_object(w, NULL);
	hoy_json_add_u64(w, "PrivatePort", port);
	hoy_json_add_string(w, "Type", slash ? slash + 1 : "tcp");
	hoy_json_end(w);
}

void hoy_api_add_port_list(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed)
{
	bool up = endpoint && endpoint->attached && endpoint->mode == HOY_NETWORK_BRIDGE;

	hoy_json_array(w, "Ports");
	for (; up && exposed && *exposed; exposed++)
		if (!is_published(endpoint, *exposed))
			add_exposed_port(w, *exposed);
	for (size_t i = 0; up && i < endpoint->n_ports; i++) {
		const struct hoy_network_port *port = &endpoint->ports[i];

		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "IP", host_ip(port));
		hoy_json_add_u64(w, "PrivatePort", port->container_port);
		hoy_json_add_u64(w, "PublicPort", port->host_port);
		hoy_json_add_string(w, "Type", hoy_port_proto_to_string(port->proto));
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* --- /networks ------------------------------------------------------------------------------------------------ */

static const char *empty_to_object(const char *text)
{
	return text && *text ? text : "{}";
}

static void add_pool(
	struct hoy_json_writer *w, const char *subnet, const char *range, const char *gateway, const char *auxiliary)
{
	if (!*subnet)
		return;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Subnet", subnet);
	if (*range)
		hoy_json_add_string(w, "IPRange", range);
	hoy_json_add_string(w, "Gateway", gateway);
	if (strcmp(auxiliary, "{}") != 0)
		hoy_json_add_raw(w, "AuxiliaryAddresses", auxiliary);
	hoy_json_end(w);
}

static void add_ipam(struct hoy_json_writer *w, const struct hoy_network_info *network)
{
	hoy_json_object(w, "IPAM");
	hoy_json_add_string(w, "Driver", "default");
	if (network->is_builtin)
		hoy_json_add_null(w, "Options");
	else
		hoy_json_add_raw(w, "Options", "{}");
	hoy_json_array(w, "Config");
	add_pool(w, network->subnet, network->ip_range, network->gateway, network->auxiliary);
	add_pool(w, network->subnet6, network->ip_range6, network->gateway6, network->auxiliary6);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void add_options(struct hoy_json_writer *w, const struct hoy_network_info *network)
{
	auto_free char *mtu = hoy_str_printf("%u", network->mtu);

	if (network->mode != HOY_NETWORK_BRIDGE || !network->is_builtin) {
		hoy_json_add_raw(w, "Options", empty_to_object(network->options));
		return;
	}
	hoy_json_object(w, "Options");
	hoy_json_add_string(w, "com.docker.network.bridge.default_bridge", "true");
	hoy_json_add_string(w, "com.docker.network.bridge.enable_icc", "true");
	hoy_json_add_string(w, "com.docker.network.bridge.enable_ip_masquerade", "true");
	hoy_json_add_string(w, "com.docker.network.bridge.name", network->bridge);
	hoy_json_add_string(w, "com.docker.network.driver.mtu", mtu);
	hoy_json_end(w);
}

static void add_network(struct hoy_json_writer *w, const struct hoy_network_info *network)
{
	struct timespec created = { .tv_sec = network->created };

	hoy_json_add_string(w, "Name", network->name);
	hoy_json_add_string(w, "Id", network->id);
	hoy_api_add_time(w, "Created", &created);
	hoy_json_add_string(w, "Scope", strcmp(network->driver, "overlay") == 0 ? "global" : "local");
	hoy_json_add_string(w, "Driver", network->driver);
	hoy_json_add_bool(w, "EnableIPv4", true);
	hoy_json_add_bool(w, "EnableIPv6", *network->subnet6 != '\0');
	add_ipam(w, network);
	hoy_json_add_bool(w, "Internal", network->internal);
	hoy_json_add_bool(w, "Attachable", network->attachable);
	hoy_json_add_bool(w, "Ingress", false);
	hoy_json_object(w, "ConfigFrom");
	hoy_json_add_string(w, "Network", "");
	hoy_json_end(w);
	hoy_json_add_bool(w, "ConfigOnly", false);
}

static void add_member(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_endpoint_info *e)
{
	const struct hoy_container_info *container;
	auto_free char *address = NULL, *address6 = NULL;

	if (*e->address)
		address = hoy_str_printf("%s/%u", e->address, e->prefix_len);
	if (*e->address6)
		address6 = hoy_str_printf("%s/%u", e->address6, e->prefix6_len);
	hoy_json_object(w, e->container_id);
	if (hoy_containers_find(api->o.containers, e->container_id, &container, NULL) >= 0)
		hoy_json_add_string(w, "Name", container->name);
	hoy_json_add_string(w, "EndpointID", e->endpoint_id);
	hoy_json_add_string(w, "MacAddress", e->mac);
	hoy_json_add_string(w, "IPv4Address", address ? address : "");
	hoy_json_add_string(w, "IPv6Address", address6 ? address6 : "");
	hoy_json_end(w);
}

static int add_members(
	struct hoy_json_writer *w, const struct hoy_api *api, const char *network_id, struct hoy_err *err)
{
	struct hoy_endpoint_info *endpoints = NULL;
	size_t n = 0;
	int r = hoy_network_endpoints(api->o.networks, network_id, &endpoints, &n, err);

	if (r < 0)
		return r;
	hoy_json_object(w, "Containers");
	for (size_t i = 0; i < n; i++)
		add_member(w, api, &endpoints[i]);
	hoy_json_end(w);
	hoy_endpoint_infos_free(endpoints, n);
	return 0;
}

/* All values of `key` ("a" or "a=b") are among the network's labels. */
static bool has_labels(const struct hoy_filters *f, const char *key, const char *labels)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;

	if (!hoy_filters_has(f, key))
		return true;
	if (hoy_json_parse(labels, strlen(labels), NULL, &doc, NULL) < 0)
		return false;
	for (size_t i = 0; i < f->n_items; i++) {
		const char *equals = strchr(f->items[i].value, '=');
		auto_free char *name = equals ? strndup(f->items[i].value, (size_t) (equals - f->items[i].value))
					      : strdup(f->items[i].value);
		const char *value = name ? hoy_json_string(hoy_json_get(doc, name)) : NULL;

		if (!strcmp(f->items[i].key, key) && (!value || (equals && strcmp(value, equals + 1) != 0)))
			return false;
	}
	return true;
}

bool hoy_api_network_matches(const struct hoy_filters *f, const struct hoy_network_info *network)
{
	if (!hoy_filters_match(f, "driver", network->driver) || !hoy_filters_match(f, "scope", "local") ||
		!hoy_filters_match(f, "type", network->is_builtin ? "builtin" : "custom") ||
		!has_labels(f, "label", network->labels))
		return false;
	if (hoy_filters_has(f, "label!") && has_labels(f, "label!", network->labels))
		return false;
	if (!hoy_filters_match_prefix(f, "id", network->id))
		return false;
	if (!hoy_filters_has(f, "name"))
		return true;
	for (size_t i = 0; i < f->n_items; i++)
		if (!strcmp(f->items[i].key, "name") && strstr(network->name, f->items[i].value))
			return true;
	return false;
}

bool hoy_api_network_is_used(const struct hoy_api *api, const struct hoy_network_info *network)
{
	struct hoy_endpoint_info *endpoints = NULL;
	size_t n = 0;

	if (hoy_network_endpoints(api->o.networks, network->id, &endpoints, &n, NULL) < 0)
		return true;
	hoy_endpoint_infos_free(endpoints, n);
	return n > 0;
}

/* docker's "dangling": a user's network nobody is on. */
static bool is_wanted(const struct hoy_api *api, const struct hoy_filters *filters, int dangling,
	const struct hoy_network_info *network)
{
	if (!hoy_api_network_matches(filters, network))
		return false;
	return dangling < 0 || (!network->is_builtin && !hoy_api_network_is_used(api, network)) == dangling;
}

static int check_filter_values(const struct hoy_filters *f, struct hoy_err *err)
{
	for (size_t i = 0; i < f->n_items; i++) {
		const char *key = f->items[i].key, *value = f->items[i].value;

		if (!strcmp(key, "type") && strcmp(value, "custom") != 0 && strcmp(value, "builtin") != 0)
			return hoy_err_invalid(err, "invalid filter: 'type'='%s'", value);
		if (!strcmp(key, "scope") && strcmp(value, "local") != 0 && strcmp(value, "global") != 0 &&
			strcmp(value, "swarm") != 0)
			return hoy_err_invalid(err, "invalid filter: 'scope'='%s'", value);
	}
	return 0;
}

static int network_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "dangling", "driver", "id", "label", "name", "scope", "type", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	struct hoy_network_info *networks = NULL;
	size_t n = 0;
	int dangling;
	int r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	if (r >= 0)
		r = check_filter_values(&filters, err);
	if (r >= 0)
		r = hoy_filters_bool(&filters, "dangling", &dangling, err);
	if (r >= 0)
		r = hoy_network_list(rq->api->o.networks, &networks, &n, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!is_wanted(rq->api, &filters, dangling, &networks[i]))
			continue;
		hoy_json_object(&w, NULL);
		add_network(&w, &networks[i]);
		hoy_json_add_raw(&w, "Containers", "{}"); /* a list does not tell them */
		add_options(&w, &networks[i]);
		hoy_json_add_raw(&w, "Labels", empty_to_object(networks[i].labels));
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_network_infos_free(networks, n);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static int network_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_network_info_done) struct hoy_network_info network = { 0 };
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	int r = hoy_network_get(rq->api->o.networks, rq->name, &network, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	add_network(&w, &network);
	r = add_members(&w, rq->api, network.id, err);
	if (r < 0)
		return r;
	add_options(&w, &network);
	hoy_json_add_raw(&w, "Labels", empty_to_object(network.labels));
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

const struct hoy_api_route hoy_api_network_routes[] = {
	{ "GET", "/networks", network_list, 0, 0 },
	{ "POST", "/networks/create", hoy_api_network_create, 0, 0 },
	{ "POST", "/networks/prune", hoy_api_network_prune, 0, 0 },
	{ "POST", "/networks/{id}/connect", hoy_api_network_connect, 0, 0 },
	{ "POST", "/networks/{id}/disconnect", hoy_api_network_disconnect, 0, 0 },
	{ "GET", "/networks/{id}", network_inspect, 0, 0 },
	{ "DELETE", "/networks/{id}", hoy_api_network_remove, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
