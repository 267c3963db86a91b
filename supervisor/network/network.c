/*
 * The room: which networks there are, endpoints and their leases, and what can be asked about them. Bringing endpoints
 * up and down is in attach.c.
 */
#include "supervisor/network/network_internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/network/routes.h"
#include "supervisor/store/store.h"

#define DEFAULT_EXEC_ROOT "/run/hoy"
#define DEFAULT_BRIDGE "hoy0"
#define DEFAULT_MTU 1500

/* --- open --------------------------------------------------------------------- */

/* FNV-1a: tells exec roots apart, protects nothing. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (unsigned char) *text) * 16777619U;
	return h;
}

static int choose_names(struct hoy_networks *networks, const struct hoy_network_config *config, struct hoy_err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	auto_free char *root = hoy_path_clean(config->exec_root);
	const char *name = config->bridge;

	if (!root)
		return hoy_err_oom(err);
	if (name && (!*name || strlen(name) >= IFNAMSIZ || strspn(name, allowed) != strlen(name)))
		return hoy_err_invalid(err, "invalid bridge name '%s'", name);
	if (name)
		(void) snprintf(networks->bridge, sizeof networks->bridge, "%s", name);
	else if (hoy_str_eq(root, DEFAULT_EXEC_ROOT))
		(void) snprintf(networks->bridge, sizeof networks->bridge, DEFAULT_BRIDGE);
	else
		(void) snprintf(networks->bridge, sizeof networks->bridge, "hoy-%06x", hash(root) & 0xffffff);
	if (!hoy_str_eq(networks->bridge, DEFAULT_BRIDGE))
		networks->first_pool = hash(networks->bridge);

	/* Never a word of the nftables language: it begins with "hoy". */
	if (hoy_str_eq(networks->bridge, DEFAULT_BRIDGE))
		(void) snprintf(networks->table, sizeof networks->table, "hoy");
	else
		(void) snprintf(networks->table, sizeof networks->table, "%s%s",
			hoy_str_starts(networks->bridge, "hoy-") ? "" : "hoy-", networks->bridge);
	return 0;
}

static int insert_builtin(struct hoy_store *store, const char *name, const char *driver, struct hoy_err *err)
{
	unsigned char random[32];
	char id[HOY_NETWORK_ID_MAX];
	auto_(hoy_network_row_done) struct hoy_network_row found = {};
	const struct hoy_network_row row = {
		.id = id, .name = (char *) name, .driver = (char *) driver, .created = time(NULL)
	};
	int r = hoy_networks_find(store, name, &found, err);

	if (r != 0)
		return r;
	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, id);
	return hoy_networks_insert(store, &row, err);
}

static int insert_builtins(struct hoy_store *store, struct hoy_err *err)
{
	int r = insert_builtin(store, "bridge", "bridge", err);

	if (r >= 0)
		r = insert_builtin(store, "host", "host", err);
	if (r >= 0)
		r = insert_builtin(store, "none", "null", err);
	return r;
}

int hoy_network_open(struct hoy_loop *loop, struct hoy_store *store, const struct hoy_network_config *config,
	struct hoy_networks **ret, struct hoy_err *err)
{
	auto_ptr(hoy_network_free) struct hoy_networks *networks = calloc(1, sizeof *networks);
	struct hoy_service_owner owner = hoy_attachment_owner;
	int r;

	if (!networks)
		return hoy_err_oom(err);
	networks->loop = loop;
	networks->store = store;
	networks->mtu = config->mtu ? config->mtu : DEFAULT_MTU;
	if (config->bip &&
		(hoy_prefix_parse(config->bip, &networks->bip) < 0 || networks->bip.len < 8 || networks->bip.len > 30 ||
			(networks->bip.address & ~hoy_prefix_mask(networks->bip.len)) == 0))
		return hoy_err_invalid(
			err, "invalid bridge address '%s': want an address like '172.30.0.1/16'", config->bip);
	r = choose_names(networks, config, err);
	if (r >= 0)
		r = hoy_networks_migrate(store, err);
	if (r >= 0)
		r = insert_builtins(store, err);
	owner.userdata = networks;
	owner.cgroup_fd = config->cgroup_fd;
	if (r >= 0)
		r = hoy_service_new(loop, config->exec_root, networks->table, &owner, &networks->service, err);
	if (r < 0) {
		(void) hoy_err_wrap(err, "networks");
		return r;
	}
	*ret = TAKE_PTR(networks);
	return 0;
}

void hoy_network_free(struct hoy_networks *networks)
{
	if (!networks)
		return;
	hoy_service_free(networks->service);
	hoy_attachments_free(networks);
	free(networks->warning);
	free(networks);
}

const char *hoy_network_warning(struct hoy_networks *networks)
{
	return networks->warning;
}

/* --- the subnet ------------------------------------------------------------------ */

uint32_t hoy_network_gateway(const struct hoy_network_row *row)
{
	return row->subnet + row->gateway;
}

static int choose_subnet(struct hoy_networks *networks, struct hoy_network_row *row, struct hoy_err *err)
{
	auto_free struct hoy_prefix *used = NULL;
	const struct hoy_prefix now = { row->subnet, row->prefix_len };
	struct hoy_prefix chosen;
	size_t n_used = 0;
	int r;

	r = hoy_routes_read(networks->bridge, &used, &n_used, err);
	if (r < 0)
		return r;
	for (size_t i = 0; row->prefix_len > 0 && i <= n_used; i++) {
		if (i == n_used)
			return 0; /* still good */
		if (hoy_prefix_overlaps(&used[i], &now))
			break;
	}
	if (!hoy_pool_choose(used, n_used, networks->first_pool, &chosen))
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC,
			"no free subnet for bridge '%s': the host has routes to all of 172.17.0.0-172.31.255.255 and 192.168.0.0/16; "
			"give one by --bip",
			networks->bridge);
	row->subnet = chosen.address;
	row->prefix_len = chosen.len;
	row->gateway = 1;
	return 1;
}

/* The address a bridge has that exists: made by the user, or by a hoyd before us. */
static bool existing_address(const char *name, struct hoy_prefix *ret)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *) one->ifa_addr;
		const struct sockaddr_in *mask = (const struct sockaddr_in *) one->ifa_netmask;

		if (!in || !mask || in->sin_family != AF_INET || !hoy_str_eq(one->ifa_name, name))
			continue;
		ret->address = ntohl(in->sin_addr.s_addr);
		ret->len = (unsigned int) __builtin_popcount(mask->sin_addr.s_addr);
		found = ret->len >= 8 && ret->len <= 30;
	}
	freeifaddrs(all);
	return found;
}

/* 1 when the row differs now. */
static int take_address(struct hoy_network_row *row, const struct hoy_prefix *bridge)
{
	uint32_t subnet = bridge->address & hoy_prefix_mask(bridge->len);
	uint32_t gateway = bridge->address - subnet;
	bool same = row->subnet == subnet && row->prefix_len == bridge->len && row->gateway == gateway;

	row->subnet = subnet;
	row->prefix_len = bridge->len;
	row->gateway = gateway;
	return !same;
}

int hoy_networks_settle(struct hoy_networks *networks, struct hoy_network_row *bridge, struct hoy_err *err)
{
	struct hoy_prefix address = networks->bip;
	int r;

	if (address.len > 0 || existing_address(networks->bridge, &address))
		r = take_address(bridge, &address);
	else
		r = choose_subnet(networks, bridge, err);
	if (r <= 0)
		return r;
	return hoy_networks_set_subnet(
		networks->store, bridge->id, bridge->subnet, bridge->prefix_len, bridge->gateway, err);
}

static uint32_t last_place(const struct hoy_network_row *network)
{
	return ~hoy_prefix_mask(network->prefix_len) - 1; /* behind it: broadcast */
}

bool hoy_networks_place_fits(const struct hoy_network_row *network, uint32_t place)
{
	return place > 0 && place <= last_place(network) && place != network->gateway;
}

int hoy_networks_find_place(
	struct hoy_networks *networks, const struct hoy_network_row *network, uint32_t *ret, struct hoy_err *err)
{
	uint32_t place = 0;
	int r = hoy_endpoints_free_place(
		networks->store, network->id, network->gateway, last_place(network), &place, err);

	if (r < 0)
		return r;
	if (place == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC, "no free address on network '%s'", network->name);
	*ret = place;
	return 0;
}

/* --- MAC addresses ------------------------------------------------------------------ */

void hoy_network_mac_from(uint32_t address, uint8_t mac[6])
{
	const uint8_t made[6] = { 0x02, 0x42, address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
		address & 0xff };

	memcpy(mac, made, sizeof made);
}

int hoy_network_mac_parse(const char *text, uint8_t mac[6])
{
	unsigned int part[6];
	bool all_zero = true;
	int end = -1;

	/* strspn first: sscanf would take signs and spaces. */
	if (strspn(text, "0123456789abcdefABCDEF:-") != strlen(text))
		return -EINVAL;
	if (sscanf(text, "%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%*1[:-]%2x%n", &part[0], &part[1], &part[2],
		    &part[3], &part[4], &part[5], &end) != 6 ||
		end < 0 || text[end] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		mac[i] = (uint8_t) part[i];
		all_zero = all_zero && part[i] == 0;
	}
	return all_zero || (mac[0] & 1) ? -EINVAL : 0;
}

void hoy_network_mac_format(const uint8_t mac[6], char out[HOY_NETWORK_MAC_MAX])
{
	(void) snprintf(out, HOY_NETWORK_MAC_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]);
}

/* --- protocols ---------------------------------------------------------------------- */

const char *hoy_port_proto_to_string(enum hoy_port_proto proto)
{
	switch (proto) {
	case HOY_PORT_TCP:
		return "tcp";
	case HOY_PORT_UDP:
		return "udp";
	case HOY_PORT_SCTP:
		return "sctp";
	}
	return "unknown";
}

int hoy_port_proto_from_string(const char *str)
{
	static const enum hoy_port_proto all[] = { HOY_PORT_TCP, HOY_PORT_UDP, HOY_PORT_SCTP };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcasecmp(str, hoy_port_proto_to_string(all[i])) == 0)
			return (int) all[i];
	return -EINVAL;
}

/* --- networks ------------------------------------------------------------------------ */

enum hoy_network_mode hoy_network_mode_of(const char *driver)
{
	if (hoy_str_eq(driver, "host"))
		return HOY_NETWORK_HOST;
	return hoy_str_eq(driver, "null") ? HOY_NETWORK_NONE : HOY_NETWORK_BRIDGE;
}

static int find_row(struct hoy_networks *networks, const char *ref, struct hoy_network_row *ret, struct hoy_err *err)
{
	int r;

	if (!ref || !*ref || hoy_str_eq(ref, "default"))
		ref = "bridge";
	r = hoy_networks_find(networks->store, ref, ret, err);
	if (r == 0)
		r = hoy_networks_find_prefix(networks->store, ref, ret, err);
	if (r == 0)
		return hoy_err_not_found(err, "network %s not found", ref);
	if (r > 1)
		return hoy_err_invalid(err, "network %s is ambiguous: several IDs begin with it", ref);
	return r < 0 ? r : 0;
}

static int info_from_row(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_network_info *ret,
	struct hoy_err *err)
{
	auto_(hoy_network_info_done) struct hoy_network_info info = {
		.mode = hoy_network_mode_of(row->driver), .mtu = networks->mtu, .created = row->created
	};
	char address[INET_ADDRSTRLEN];

	info.driver = info.mode == HOY_NETWORK_BRIDGE ? "bridge" : info.mode == HOY_NETWORK_HOST ? "host" : "null";
	(void) snprintf(info.id, sizeof info.id, "%s", row->id);
	info.name = strdup(row->name);
	if (info.mode == HOY_NETWORK_BRIDGE)
		info.bridge = strdup(networks->bridge);
	if (!info.name || (info.mode == HOY_NETWORK_BRIDGE && !info.bridge))
		return hoy_err_oom(err);
	if (row->prefix_len > 0) {
		(void) snprintf(info.subnet, sizeof info.subnet, "%s/%u", hoy_ipv4_format(row->subnet, address),
			row->prefix_len);
		(void) snprintf(
			info.gateway, sizeof info.gateway, "%s", hoy_ipv4_format(hoy_network_gateway(row), address));
	}
	*ret = info;
	info = (struct hoy_network_info){};
	return 0;
}

void hoy_network_info_done(struct hoy_network_info *info)
{
	free(info->name);
	free(info->bridge);
	*info = (struct hoy_network_info){};
}

void hoy_network_infos_free(struct hoy_network_info *infos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_network_info_done(&infos[i]);
	free(infos);
}

int hoy_network_get(
	struct hoy_networks *networks, const char *ref, struct hoy_network_info *ret_info, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int r = find_row(networks, ref, &row, err);

	return r < 0 ? r : info_from_row(networks, &row, ret_info, err);
}

int hoy_network_list(
	struct hoy_networks *networks, struct hoy_network_info **ret_infos, size_t *ret_n, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_network_info *infos = NULL;
	auto_free char *after = strdup("");
	size_t n = 0;
	int r;

	while (after && (r = hoy_networks_next(networks->store, after, &row, err)) > 0) {
		struct hoy_network_info *grown = reallocarray(infos, n + 1, sizeof *grown);

		r = grown ? info_from_row(networks, &row, &grown[n], err) : hoy_err_oom(err);
		if (grown)
			infos = grown;
		if (r < 0)
			break;
		n++;
		free(after);
		after = TAKE_PTR(row.name);
		hoy_network_row_done(&row);
	}
	if (!after)
		r = hoy_err_oom(err);
	if (r < 0) {
		hoy_network_infos_free(infos, n);
		return r;
	}
	*ret_infos = infos;
	*ret_n = n;
	return 0;
}

/* --- endpoints: rows ------------------------------------------------------------------ */

static int check_port(const struct hoy_network_port *port, struct hoy_err *err)
{
	uint32_t address;

	if (port->container_port == 0 || (port->host_port_last != 0 && port->host_port_last < port->host_port) ||
		(port->host_port_last != 0 && port->host_port == 0))
		return hoy_err_invalid(err, "invalid port specification: host ports %u-%u to container port %u",
			port->host_port, port->host_port_last, port->container_port);
	if (port->host_ip[0] == '\0')
		return 0;
	if (strchr(port->host_ip, ':'))
		return hoy_err_unsupported(
			err, "publishing on IPv6 address '%s' is not supported: the bridge is IPv4", port->host_ip);
	if (hoy_ipv4_parse(port->host_ip, &address) < 0)
		return hoy_err_invalid(err, "invalid IP address: %s", port->host_ip);
	return 0;
}

static int check_request(const struct hoy_network_request *request, struct hoy_err *err)
{
	uint8_t mac[6];

	if (request->mac && *request->mac && hoy_network_mac_parse(request->mac, mac) < 0)
		return hoy_err_invalid(err, "invalid MAC address: %s", request->mac);
	if (request->n_ports > HOY_NET_MAX_PORTS)
		return hoy_err_invalid(
			err, "%zu published ports, at most %d are possible", request->n_ports, HOY_NET_MAX_PORTS);
	for (size_t i = 0; i < request->n_ports; i++) {
		int r = check_port(&request->ports[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int insert_ports(struct hoy_networks *networks, const struct hoy_network_request *request, struct hoy_err *err)
{
	for (size_t i = 0; i < request->n_ports; i++) {
		const struct hoy_network_port *port = &request->ports[i];
		const struct hoy_port_row row = {
			.proto = (int) port->proto,
			.container_port = port->container_port,
			.host_ip = (char *) port->host_ip,
			.host_port = port->host_port,
			.host_port_last = port->host_port_last,
		};
		int r = hoy_ports_insert(networks->store, request->container_id, (unsigned int) i, &row, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int insert_endpoint(struct hoy_networks *networks, const struct hoy_network_request *request,
	const struct hoy_network_row *network, struct hoy_err *err)
{
	unsigned char random[HOY_NET_ID_LEN];
	char id[HOY_NETWORK_ID_MAX];
	struct hoy_endpoint_row row = {
		.container_id = (char *) request->container_id,
		.id = id,
		.network_id = network->id,
		.mac = request->mac && *request->mac ? (char *) request->mac : NULL,
	};
	int r;

	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, id);
	if (network->prefix_len > 0) {
		r = hoy_networks_find_place(networks, network, &row.place, err);
		if (r < 0)
			return r;
	}
	r = hoy_endpoints_insert(networks->store, &row, err);
	return r < 0 ? r : insert_ports(networks, request, err);
}

int hoy_network_allocate(struct hoy_networks *networks, const struct hoy_network_request *request, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	int r = check_request(request, err);

	if (r >= 0)
		r = find_row(networks, request->network, &network, err);
	if (r >= 0 && hoy_network_mode_of(network.driver) == HOY_NETWORK_BRIDGE && network.prefix_len == 0)
		r = hoy_networks_settle(networks, &network, err);
	return r < 0 ? r : insert_endpoint(networks, request, &network, err);
}

int hoy_network_release(struct hoy_networks *networks, const char *container_id, struct hoy_err *err)
{
	int r;

	hoy_network_detach(networks, container_id);
	r = hoy_endpoints_delete(networks->store, container_id, err);
	return r < 0 ? r : 0;
}

/* --- endpoints: information --------------------------------------------------------------- */

void hoy_endpoint_info_done(struct hoy_endpoint_info *info)
{
	free(info->network_name);
	free(info->ports);
	*info = (struct hoy_endpoint_info){};
}

void hoy_endpoint_infos_free(struct hoy_endpoint_info *infos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_endpoint_info_done(&infos[i]);
	free(infos);
}

static int info_ports(
	struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_info *info, struct hoy_err *err)
{
	struct hoy_port_row *rows = NULL;
	size_t n = 0;
	int r = hoy_ports_list(networks->store, container_id, &rows, &n, err);

	if (r < 0)
		return r;
	info->ports = calloc(MAX(n, (size_t) 1), sizeof *info->ports);
	for (size_t i = 0; info->ports && i < n; i++) {
		info->ports[i].proto = (enum hoy_port_proto) rows[i].proto;
		info->ports[i].container_port = rows[i].container_port;
		info->ports[i].host_port = info->attached ? rows[i].bound : 0;
		(void) snprintf(info->ports[i].host_ip, sizeof info->ports[i].host_ip, "%s",
			rows[i].host_ip[0] ? rows[i].host_ip : "0.0.0.0");
	}
	info->n_ports = info->ports ? n : 0;
	hoy_port_rows_free(rows, n);
	return info->ports ? 0 : hoy_err_oom(err);
}

static void info_address(
	const struct hoy_attachment *attachment, const struct hoy_network_row *network, struct hoy_endpoint_info *info)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;
	char address[INET_ADDRSTRLEN];

	(void) snprintf(info->address, sizeof info->address, "%s", hoy_ipv4_format(attach->address, address));
	(void) snprintf(
		info->gateway, sizeof info->gateway, "%s", hoy_ipv4_format(hoy_network_gateway(network), address));
	info->prefix_len = network->prefix_len;
	hoy_network_mac_format(attach->mac, info->mac);
}

int hoy_network_endpoint(struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_info *ret_info,
	struct hoy_err *err)
{
	const struct hoy_attachment *attachment = hoy_attachment_find(networks, container_id);
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row row = {};
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info info = {};
	int r = hoy_endpoints_find(networks->store, container_id, &row, err);

	if (r == 0)
		return hoy_err_not_found(err, "container %s has no network endpoint", container_id);
	if (r >= 0)
		r = hoy_networks_find(networks->store, row.network_id, &network, err);
	if (r < 0)
		return r;
	(void) snprintf(info.container_id, sizeof info.container_id, "%s", row.container_id);
	(void) snprintf(info.network_id, sizeof info.network_id, "%s", network.id);
	(void) snprintf(info.endpoint_id, sizeof info.endpoint_id, "%s", row.id);
	info.mode = hoy_network_mode_of(network.driver);
	info.attached = attachment && attachment->is_up;
	if (info.attached && attachment->request)
		info_address(attachment, &network, &info);
	r = info_ports(networks, container_id, &info, err);
	if (r < 0)
		return r;
	info.network_name = TAKE_PTR(network.name);
	*ret_info = info;
	info = (struct hoy_endpoint_info){};
	return 0;
}

int hoy_network_endpoints(struct hoy_networks *networks, const char *network_id, struct hoy_endpoint_info **ret_infos,
	size_t *ret_n, struct hoy_err *err)
{
	struct hoy_endpoint_info *infos = calloc(MAX(networks->n_attachments, (size_t) 1), sizeof *infos);
	size_t n = 0;

	if (!infos)
		return hoy_err_oom(err);
	for (size_t i = 0; i < networks->n_attachments; i++) {
		int r;

		if (!networks->attachments[i]->is_up)
			continue;
		r = hoy_network_endpoint(networks, networks->attachments[i]->container_id, &infos[n], err);
		if (r < 0) {
			hoy_endpoint_infos_free(infos, n);
			return r;
		}
		if (hoy_str_eq(infos[n].network_id, network_id))
			n++;
		else
			hoy_endpoint_info_done(&infos[n]);
	}
	*ret_infos = infos;
	*ret_n = n;
	return 0;
}
