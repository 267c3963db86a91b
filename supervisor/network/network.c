/*
 * The room: which networks there are, endpoints and their leases, and what can be asked about them. Bringing endpoints
 * up and down is in attach.c.
 */
#include "supervisor/network/host_resolv.h"
#include "supervisor/network/network_internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
	struct hoy_service_owner owner = hoy_sandbox_owner;
	struct hoy_names_owner names_owner = hoy_naming_owner;
	int r;

	if (!networks)
		return hoy_err_oom(err);
	networks->loop = loop;
	networks->store = store;
	networks->rootless = config->host_socket != NULL;
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
	if (r >= 0)
		r = hoy_ipv6_settle_default(networks, config->ipv6, config->fixed_cidr_v6, err);
	if (r >= 0)
		r = hoy_networks_count_defined(networks, err);
	owner.userdata = networks;
	owner.cgroup_fd = config->cgroup_fd;
	owner.host_socket = config->host_socket;
	names_owner.userdata = networks;
	names_owner.cgroup_fd = config->cgroup_fd;
	if (r >= 0)
		r = hoy_host_resolv_watch(loop, hoy_naming_servers_changed, networks, &networks->host_resolv, err);
	if (r >= 0)
		r = hoy_names_new(loop, config->exec_root, &names_owner, &networks->names, err);
	if (r >= 0)
		r = hoy_service_new(loop, config->exec_root, networks->table, &owner, &networks->service, err);
	if (r >= 0)
		r = hoy_overlay_open(networks, config, err);
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
	hoy_overlay_close(networks);
	hoy_service_free(networks->service);
	hoy_host_resolv_free(networks->host_resolv);
	hoy_names_free(networks->names);
	while (networks->ops)
		hoy_network_op_free(networks->ops);
	hoy_sandboxes_free(networks);
	free(networks->bridge_errors);
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

void hoy_networks_range(const struct hoy_network_row *network, uint32_t *first, uint32_t *last)
{
	struct hoy_prefix range;

	*first = 1;
	*last = last_place(network);
	if (!network->ip_range || hoy_prefix_parse(network->ip_range, &range) < 0)
		return;
	*first = MAX(range.address - network->subnet, *first);
	*last = MIN((range.address | ~hoy_prefix_mask(range.len)) - network->subnet, *last);
}

int hoy_networks_find_place(
	struct hoy_networks *networks, const struct hoy_network_row *network, uint32_t *ret, struct hoy_err *err)
{
	uint32_t place = 0, first, last;
	int r;

	hoy_networks_range(network, &first, &last);
	r = hoy_endpoints_free_place(networks->store, network->id, network->gateway, first, last, &place, err);
	if (r < 0)
		return r;
	if (place == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC,
			"no available IPv4 addresses on this network's address pools: %s (%s)", network->name,
			network->id);
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

int hoy_networks_row(struct hoy_networks *networks, const char *ref, struct hoy_network_row *ret, struct hoy_err *err)
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
		.mode = hoy_network_mode_of(row->driver),
		.created = row->created,
		.is_builtin = hoy_network_is_builtin(row->name),
		.internal = row->flags & HOY_NETWORK_INTERNAL,
		.attachable = row->flags & HOY_NETWORK_ATTACHABLE,
		.configured = row->flags & HOY_NETWORK_CONFIGURED,
		.name = strdup(row->name),
		.ip_range = strdup(row->ip_range),
		.auxiliary = strdup(row->auxiliary),
		.options = strdup(row->options),
		.labels = strdup(row->labels),
		.ip_range6 = strdup(row->ip_range6),
		.auxiliary6 = strdup(row->auxiliary6),
	};
	struct hoy_network_shape shape;
	char address[INET_ADDRSTRLEN];
	int r = hoy_network_shape(networks, row, &shape, err);

	info.driver = hoy_overlay_is(row)                  ? "overlay"
		      : hoy_str_eq(row->driver, "macvlan") ? "macvlan"
		      : hoy_str_eq(row->driver, "ipvlan")  ? "ipvlan"
		      : info.mode == HOY_NETWORK_BRIDGE    ? "bridge"
		      : info.mode == HOY_NETWORK_HOST      ? "host"
							   : "null";
	(void) snprintf(info.id, sizeof info.id, "%s", row->id);
	if (r < 0)
		return r;
	info.mtu = shape.mtu;
	if (info.mode == HOY_NETWORK_BRIDGE)
		info.bridge = strdup(shape.bridge);
	(void) snprintf(info.subnet6, sizeof info.subnet6, "%s", row->subnet6);
	(void) snprintf(info.gateway6, sizeof info.gateway6, "%s", row->gateway6);
	if (!info.name || !info.ip_range || !info.auxiliary || !info.ip_range6 || !info.auxiliary6 || !info.options ||
		!info.labels || (info.mode == HOY_NETWORK_BRIDGE && !info.bridge))
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
	free(info->ip_range);
	free(info->ip_range6);
	free(info->auxiliary6);
	free(info->auxiliary);
	free(info->options);
	free(info->labels);
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
	int r = hoy_networks_row(networks, ref, &row, err);

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
