/* Endpoints as rows: what is asked for is checked, leased and written; and what can be asked about them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"

/* --- endpoints: rows ------------------------------------------------------------------ */

static int check_port(const struct hoy_network_port *port, struct hoy_err *err)
{
	struct in6_addr address6;
	uint32_t address;

	if (port->container_port == 0 || (port->host_port_last != 0 && port->host_port_last < port->host_port) ||
		(port->host_port_last != 0 && port->host_port == 0))
		return hoy_err_invalid(err, "invalid port specification: host ports %u-%u to container port %u",
			port->host_port, port->host_port_last, port->container_port);
	if (port->host_ip[0] == '\0')
		return 0;
	if (hoy_ipv4_parse(port->host_ip, &address) < 0 && hoy_ipv6_parse(port->host_ip, &address6) < 0)
		return hoy_err_invalid(err, "invalid IP address: %s", port->host_ip);
	return 0;
}

int hoy_network_ports_check(const struct hoy_network_port *ports, size_t n, struct hoy_err *err)
{
	if (n > HOY_NET_MAX_PORTS)
		return hoy_err_invalid(err, "%zu published ports, at most %d are possible", n, HOY_NET_MAX_PORTS);
	for (size_t i = 0; i < n; i++) {
		int r = check_port(&ports[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_request(const struct hoy_network_request *request, struct hoy_err *err)
{
	uint8_t mac[6];

	if (request->mac && *request->mac && hoy_network_mac_parse(request->mac, mac) < 0)
		return hoy_err_invalid(err, "invalid MAC address: %s", request->mac);
	return hoy_network_ports_check(request->ports, request->n_ports, err);
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

int hoy_endpoint_asked_place(
	const struct hoy_network_row *network, const char *text, uint32_t *ret, struct hoy_err *err)
{
	static const char prefix[] = "invalid config for network";
	uint32_t address;

	if (!(network->flags & HOY_NETWORK_CONFIGURED))
		return hoy_err_invalid(err, "%s %s: invalid endpoint settings:\n%s", prefix, network->name,
			hoy_network_is_builtin(network->name)
				? "user specified IP address is supported on user defined networks only"
				: "user specified IP address is supported only when connecting to networks with user "
				  "configured subnets");
	if (hoy_ipv4_parse(text, &address) < 0)
		return hoy_err_invalid(err, "%s %s: invalid endpoint settings:\ninvalid IPv4 address: %s", prefix,
			network->name, text);
	*ret = address - network->subnet;
	if ((address & hoy_prefix_mask(network->prefix_len)) != network->subnet)
		return hoy_err_invalid(err,
			"%s %s: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address %s",
			prefix, network->name, text);
	if (!hoy_networks_place_fits(network, *ret))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EADDRINUSE, "Address already in use: %s", text);
	return 0;
}

static int words_text(char *const *words, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	int r;

	hoy_json_array(&w, NULL);
	for (; words && *words; words++)
		hoy_json_add_string(&w, NULL, *words);
	hoy_json_end(&w);
	r = hoy_buf_check(&buf, "settings of an endpoint", err);
	if (r >= 0)
		*ret = hoy_buf_take(&buf);
	return r;
}

static int choose_place(struct hoy_networks *networks, const struct hoy_network_request *request,
	const struct hoy_network_row *network, uint32_t *ret, struct hoy_err *err)
{
	if (request->address && *request->address) {
		int r = hoy_endpoint_asked_place(network, request->address, ret, err);

		if (hoy_overlay_is(network))
			*ret = 0;
		return r;
	}
	if (hoy_overlay_is(network))
		return 0; /* the cluster gives one when it goes up */
	return network->prefix_len > 0 ? hoy_networks_find_place(networks, network, ret, err) : 0;
}

/* Whose fault a row that could not be written is. */
static int explain_conflict(
	const struct hoy_network_request *request, const struct hoy_network_row *network, struct hoy_err *err)
{
	if (request->address && *request->address)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EADDRINUSE, "Address already in use: %s", request->address);
	return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "endpoint of container %s already exists in network %s",
		request->container_id, network->name);
}

/* With `later` an address that somebody has now is had at the start, if it is free by then. */
static int insert_endpoint(struct hoy_networks *networks, const struct hoy_network_request *request,
	const struct hoy_network_row *network, bool later, struct hoy_err *err)
{
	unsigned char random[HOY_NET_ID_LEN];
	char id[HOY_NETWORK_ID_MAX], address6[INET6_ADDRSTRLEN] = "";
	auto_free char *aliases = NULL, *link_local = NULL, *driver_opts = NULL;
	struct hoy_endpoint_row row = {
		.container_id = (char *) request->container_id,
		.id = id,
		.network_id = network->id,
		.network_name = network->name,
		.mac = request->mac && *request->mac ? (char *) request->mac : NULL,
		.address = request->address && *request->address ? (char *) request->address : NULL,
		.asked6 = request->address6 && *request->address6 ? (char *) request->address6 : NULL,
		.priority = request->priority,
	};
	int r = choose_place(networks, request, network, &row.place, err);

	if (r >= 0)
		r = hoy_ipv6_lease(networks, network, request->address6, row.place, address6, err);
	if (r == -EADDRINUSE && later && row.asked6 && !hoy_str_eq(address6, network->gateway6)) {
		*address6 = '\0';
		r = 0;
	}
	if (r >= 0)
		r = words_text(request->aliases, &aliases, err);
	if (r >= 0)
		r = words_text(request->link_local, &link_local, err);
	if (r >= 0)
		r = hoy_network_kv_text(
			request->driver_opts, request->n_driver_opts, "options of an endpoint", &driver_opts, err);
	if (r < 0)
		return r;
	row.link_local = link_local;
	row.driver_opts = driver_opts;
	row.address6 = *address6 ? address6 : NULL;
	row.aliases = aliases;
	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, id);
	r = hoy_endpoints_insert(networks->store, &row, err);
	if (r == -EEXIST && later && row.address) {
		row.place = 0;
		r = hoy_endpoints_insert(networks->store, &row, err);
	}
	return r == -EEXIST ? explain_conflict(request, network, err) : r;
}

static int check_aliases(
	const struct hoy_network_request *request, const struct hoy_network_row *network, struct hoy_err *err)
{
	if (!request->aliases || !request->aliases[0])
		return 0;
	if (!hoy_network_is_builtin(network->name))
		return 0;
	return hoy_err_invalid(err, "network-scoped alias is supported only for containers in user defined networks");
}

static int add_endpoint(struct hoy_networks *networks, const struct hoy_network_request *request,
	struct hoy_network_row *network, bool later, struct hoy_err *err)
{
	int r = check_request(request, err);

	if (r >= 0)
		r = hoy_endpoint_options_check(request, err);
	if (r >= 0)
		r = hoy_networks_row(networks, request->network, network, err);
	if (r >= 0)
		r = check_aliases(request, network, err);
	if (r >= 0 && hoy_network_mode_of(network->driver) == HOY_NETWORK_BRIDGE && network->prefix_len == 0)
		r = hoy_networks_settle(networks, network, err);
	return r < 0 ? r : insert_endpoint(networks, request, network, later, err);
}

int hoy_endpoint_add(
	struct hoy_networks *networks, const struct hoy_network_request *request, bool later, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};

	return add_endpoint(networks, request, &network, later, err);
}

int hoy_network_allocate(struct hoy_networks *networks, const struct hoy_network_request *request, struct hoy_err *err)
{
	int r = hoy_endpoint_add(networks, request, /* later= */ true, err);

	return r < 0 ? r : insert_ports(networks, request, err);
}

int hoy_network_release(struct hoy_networks *networks, const char *container_id, struct hoy_err *err)
{
	int r;

	hoy_network_detach(networks, container_id);
	hoy_overlay_release(networks, container_id, NULL);
	r = hoy_endpoints_delete(networks->store, container_id, err);
	return r < 0 ? r : 0;
}

bool hoy_network_has_names(struct hoy_networks *networks, const char *container_id)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	bool has = false;

	if (hoy_endpoints_list(networks->store, container_id, &rows, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		has = has || !hoy_network_is_builtin(rows[i].network_name) || hoy_egress_has_names(rows[i].driver_opts);
	hoy_endpoint_rows_free(rows, n);
	return has;
}

/* --- endpoints: information --------------------------------------------------------------- */

void hoy_endpoint_info_done(struct hoy_endpoint_info *info)
{
	free(info->network_name);
	free(info->asked_address);
	free(info->asked_address6);
	free(info->link_local);
	free(info->driver_opts);
	free(info->asked_mac);
	hoy_strv_free(info->aliases);
	free(info->ports);
	*info = (struct hoy_endpoint_info){};
}

void hoy_endpoint_infos_free(struct hoy_endpoint_info *infos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hoy_endpoint_info_done(&infos[i]);
	free(infos);
}

static void add_port(struct hoy_endpoint_info *info, const struct hoy_port_row *row, const char *host_ip)
{
	struct hoy_network_port *port = &info->ports[info->n_ports++];

	port->proto = (enum hoy_port_proto) row->proto;
	port->container_port = row->container_port;
	port->host_port = info->attached ? row->bound : 0;
	(void) snprintf(port->host_ip, sizeof port->host_ip, "%s", host_ip);
}

/* Published without an address: where the network says, or everywhere. */
static void add_everywhere(
	struct hoy_endpoint_info *info, const struct hoy_port_row *row, const struct hoy_net_port *port)
{
	char address[INET_ADDRSTRLEN];

	add_port(info, row, hoy_ipv4_format(port ? port->host_ip : 0, address));
	if (port ? port->families & HOY_NET_V6 : *info->address6)
		add_port(info, row, "::");
}

/* `attachment` NULL: it is not up. */
static int info_ports(struct hoy_networks *networks, const char *container_id, const struct hoy_attachment *attachment,
	struct hoy_endpoint_info *info, struct hoy_err *err)
{
	const struct hoy_net_attach *attach = attachment ? &attachment->request->attach : NULL;
	struct hoy_port_row *rows = NULL;
	size_t n = 0;
	int r = attach && hoy_network_stands_by(networks, container_id)
			? 0 /* another publishes them */
			: hoy_ports_list(networks->store, container_id, &rows, &n, err);

	if (r < 0)
		return r;
	info->ports = calloc(MAX(2 * n, (size_t) 1), sizeof *info->ports);
	for (size_t i = 0; info->ports && i < n; i++) {
		if (rows[i].host_ip[0])
			add_port(info, &rows[i], rows[i].host_ip);
		else
			add_everywhere(info, &rows[i], attach && i < attach->n_ports ? &attach->ports[i] : NULL);
	}
	hoy_port_rows_free(rows, n);
	return info->ports ? 0 : hoy_err_oom(err);
}

static void info_address(
	const struct hoy_attachment *attachment, const struct hoy_network_row *network, struct hoy_endpoint_info *info)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;
	struct hoy_prefix6 subnet6;
	char address[INET_ADDRSTRLEN];

	(void) snprintf(info->address, sizeof info->address, "%s", hoy_ipv4_format(attach->address, address));
	if (!(network->flags & HOY_NETWORK_INTERNAL))
		(void) snprintf(info->gateway, sizeof info->gateway, "%s",
			hoy_ipv4_format(hoy_network_gateway(network), address));
	(void) snprintf(info->ifname, sizeof info->ifname, "%s", attach->ifname);
	info->prefix_len = network->prefix_len;
	if (!IN6_IS_ADDR_UNSPECIFIED(&attach->address6) && hoy_prefix6_parse(network->subnet6, &subnet6) >= 0) {
		(void) hoy_ipv6_format(&attach->address6, info->address6);
		info->prefix6_len = subnet6.len;
		if (!(network->flags & HOY_NETWORK_INTERNAL))
			(void) snprintf(info->gateway6, sizeof info->gateway6, "%s", network->gateway6);
	}
	if (!hoy_str_eq(network->driver, "ipvlan"))
		hoy_network_mac_format(attach->mac, info->mac);
}

static int info_words(const char *json, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *words = NULL;
	int r = hoy_json_parse(json, strlen(json), NULL, &words, err);

	if (r < 0)
		return r;
	hoy_json_each(word, words)
	{
		if (hoy_strv_add(ret, hoy_json_string(word) ? hoy_json_string(word) : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int info_asked(struct hoy_endpoint_row *row, struct hoy_endpoint_info *info, struct hoy_err *err)
{
	(void) snprintf(info->container_id, sizeof info->container_id, "%s", row->container_id);
	(void) snprintf(info->network_id, sizeof info->network_id, "%s", row->network_id);
	(void) snprintf(info->endpoint_id, sizeof info->endpoint_id, "%s", row->id);
	info->network_name = TAKE_PTR(row->network_name);
	info->asked_address = TAKE_PTR(row->address);
	info->asked_address6 = TAKE_PTR(row->asked6);
	info->link_local = TAKE_PTR(row->link_local);
	info->driver_opts = TAKE_PTR(row->driver_opts);
	info->asked_mac = TAKE_PTR(row->mac);
	info->priority = row->priority;
	return info_words(row->aliases, &info->aliases, err);
}

/* Takes what it needs out of `row`. */
static int info_from(struct hoy_networks *networks, struct hoy_endpoint_row *row, bool is_gateway,
	struct hoy_endpoint_info *ret, struct hoy_err *err)
{
	const struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, row->container_id);
	const struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, row->network_id);
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info info = { .is_gateway = is_gateway };
	int r = hoy_networks_get(networks->store, row->network_id, &network, err);

	if (r < 0)
		return r;
	info.mode = r > 0 ? hoy_network_mode_of(network.driver) : HOY_NETWORK_BRIDGE;
	info.attached = info.mode == HOY_NETWORK_BRIDGE ? attachment && attachment->is_up : sandbox && sandbox->is_up;
	if (r > 0 && info.attached && attachment)
		info_address(attachment, &network, &info);
	r = info_asked(row, &info, err);
	if (r >= 0 && is_gateway)
		r = info_ports(networks, info.container_id, info.attached ? attachment : NULL, &info, err);
	if (r < 0)
		return r;
	*ret = info;
	info = (struct hoy_endpoint_info){};
	return 0;
}

int hoy_network_endpoints_of(struct hoy_networks *networks, const char *container_id,
	struct hoy_endpoint_info **ret_infos, size_t *ret_n, struct hoy_err *err)
{
	struct hoy_endpoint_row *rows = NULL;
	struct hoy_endpoint_info *infos = NULL;
	size_t n = 0, done = 0, gateway = 0;
	int r = hoy_endpoints_list(networks->store, container_id, &rows, &n, err);

	if (r >= 0)
		r = hoy_endpoints_gateway(networks, rows, n, &gateway, err);
	if (r >= 0) {
		infos = calloc(MAX(n, (size_t) 1), sizeof *infos);
		r = infos ? 0 : hoy_err_oom(err);
	}
	if (gateway == n) /* host, none, internal networks alone */
		gateway = 0;
	while (done < n && r >= 0) {
		r = info_from(networks, &rows[done], done == gateway, &infos[done], err);
		done += r >= 0;
	}
	hoy_endpoint_rows_free(rows, n);
	if (r < 0) {
		hoy_endpoint_infos_free(infos, done);
		return r;
	}
	*ret_infos = infos;
	*ret_n = n;
	return 0;
}

int hoy_network_endpoint(struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_info *ret_info,
	struct hoy_err *err)
{
	struct hoy_endpoint_info *infos;
	size_t n;
	int r = hoy_network_endpoints_of(networks, container_id, &infos, &n, err);

	if (r < 0)
		return r;
	if (n == 0)
		r = hoy_err_not_found(err, "container %s has no network endpoint", container_id);
	for (size_t i = 0; i < n; i++)
		if (infos[i].is_gateway) {
			*ret_info = infos[i];
			infos[i] = (struct hoy_endpoint_info){};
		}
	hoy_endpoint_infos_free(infos, n);
	return r;
}

static int add_member(struct hoy_networks *networks, const char *container_id, const char *network_id,
	struct hoy_endpoint_info *ret, struct hoy_err *err)
{
	struct hoy_endpoint_info *infos;
	size_t n;
	int r = hoy_network_endpoints_of(networks, container_id, &infos, &n, err), found = 0;

	for (size_t i = 0; r >= 0 && i < n; i++)
		if (infos[i].attached && hoy_str_eq(infos[i].network_id, network_id)) {
			*ret = infos[i];
			infos[i] = (struct hoy_endpoint_info){};
			found = 1;
		}
	if (r >= 0)
		hoy_endpoint_infos_free(infos, n);
	return r < 0 ? r : found;
}

int hoy_network_endpoints(struct hoy_networks *networks, const char *network_id, struct hoy_endpoint_info **ret_infos,
	size_t *ret_n, struct hoy_err *err)
{
	struct hoy_endpoint_info *infos = calloc(MAX(networks->n_sandboxes, (size_t) 1), sizeof *infos);
	size_t n = 0;

	if (!infos)
		return hoy_err_oom(err);
	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_sandbox *sandbox = networks->sandboxes[i];
		int r = sandbox->is_up && !sandbox->cancelled
				? add_member(networks, sandbox->container_id, network_id, &infos[n], err)
				: 0;

		if (r < 0) {
			hoy_endpoint_infos_free(infos, n);
			return r;
		}
		n += (size_t) r;
	}
	*ret_infos = infos;
	*ret_n = n;
	return 0;
}
