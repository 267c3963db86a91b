/*
 * Networks between hosts: their definitions and addresses are in the cluster's key-value store (hoy-peer speaks with it),
 * each host has a row of its own of every network, and a bridge with a VXLAN port. Here is what hoyd makes of what
 * hoy-peer says, and what it says of this host.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/store/store.h"

/* A container on another host. */
struct hoy_overlay_remote {
	char network[HOY_NETWORK_ID_MAX];
	char endpoint[HOY_NETWORK_ID_MAX];
	struct hoy_net_remote where;
	char *names;
	bool stale;
};

/* A container that starts, and has no address on one of its networks yet. */
struct hoy_overlay_wait {
	struct hoy_overlay_wait *next;
	struct hoy_networks *networks;
	char container_id[HOY_NETWORK_ID_MAX];
	char endpoint[HOY_NETWORK_ID_MAX];
	char *name, *network_name;
	int netns;
	bool cancelled;
	hoy_network_attached done;
	void *userdata;
};

bool hoy_overlay_is(const struct hoy_network_row *row)
{
	return hoy_str_eq(row->driver, "overlay");
}

/* --- options --------------------------------------------------------------------- */

static int parse_stores(const char *text, struct hoy_peer_hello *hello, struct hoy_err *err)
{
	static const char scheme[] = "etcd://",
			  hosts[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:,[]-";
	const char *stores = text + strlen(scheme);
	auto_ptr(hoy_strv_free) char **each = NULL;

	if (!hoy_str_starts(text, scheme))
		return hoy_err_unsupported(
			err, "cluster-store '%s' is not supported: want etcd://HOST:PORT[,HOST:PORT...]", text);
	each = hoy_str_split(stores, ',');
	if (!each)
		return hoy_err_oom(err);
	for (size_t i = 0; each[i]; i++) {
		const char *port = strrchr(each[i], ':');
		unsigned int n;

		if (!port || port == each[i] || hoy_str_to_uint(port + 1, &n) < 0 || n < 1 || n > 65535 ||
			strspn(each[i], hosts) != strlen(each[i]))
			return hoy_err_invalid(err, "cluster-store '%s': want etcd://HOST:PORT[,HOST:PORT...]", text);
	}
	if (strlen(stores) >= sizeof hello->stores)
		return hoy_err_invalid(err, "cluster-store: too many hosts");
	(void) snprintf(hello->stores, sizeof hello->stores, "%s", stores);
	return 0;
}

/* An address, or the first one of an interface. */
static int parse_advertise(const char *text, uint32_t *ret, struct hoy_err *err)
{
	struct ifaddrs *all = NULL;

	if (hoy_ipv4_parse(text, ret) >= 0)
		return 0;
	if (strchr(text, ':'))
		return hoy_err_unsupported(err,
			"cluster-advertise '%s' with a port is not supported: give an interface or an IPv4 address",
			text);
	*ret = 0;
	if (getifaddrs(&all) < 0)
		return hoy_err_sys(err, "list addresses");
	for (const struct ifaddrs *one = all; one && *ret == 0; one = one->ifa_next)
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET && hoy_str_eq(one->ifa_name, text))
			*ret = ntohl(((const struct sockaddr_in *) (const void *) one->ifa_addr)->sin_addr.s_addr);
	freeifaddrs(all);
	return *ret ? 0
		    : hoy_err_invalid(
			      err, "cluster-advertise '%s': no interface with that name has an IPv4 address", text);
}

/* --- hoy-net and hoy-dns are told of containers on other hosts ------------------------ */

void hoy_overlay_add_names(const struct hoy_networks *networks, const char *network_id, struct hoy_buf *text)
{
	char address[INET_ADDRSTRLEN];

	for (size_t i = 0; i < networks->n_remotes; i++) {
		const struct hoy_overlay_remote *remote = &networks->remotes[i];

		if (hoy_str_eq(remote->network, network_id) && *remote->names)
			(void) hoy_buf_addf(
				text, "host %s -%s\n", hoy_ipv4_format(remote->where.address, address), remote->names);
	}
}

void hoy_overlay_send_remotes(struct hoy_networks *networks, const struct hoy_network_row *row)
{
	struct hoy_network_shape shape;
	struct hoy_err err = {};
	auto_free struct hoy_net_request *request = NULL;
	uint32_t n = 0;

	if (!networks->remotes_known || hoy_network_shape(networks, row, &shape, &err) < 0)
		return; /* what the kernel has stays */
	request = calloc(1, HOY_NET_REMOTES_SIZE(MIN(networks->n_remotes, (size_t) HOY_NET_MAX_REMOTES)));
	if (!request)
		return;
	for (size_t i = 0; i < networks->n_remotes && n < HOY_NET_MAX_REMOTES; i++)
		if (hoy_str_eq(networks->remotes[i].network, row->id))
			hoy_net_remotes(request)[n++] = networks->remotes[i].where;
	request->op = HOY_NET_REMOTES;
	(void) snprintf(request->remotes.bridge, sizeof request->remotes.bridge, "%s", shape.bridge);
	request->remotes.n = n;
	if (hoy_service_send(networks->service, request, HOY_NET_REMOTES_SIZE(n), -1, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "network '%s'", row->name);
}

static void for_each_overlay(
	struct hoy_networks *networks, void (*act)(struct hoy_networks *networks, const struct hoy_network_row *row))
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	auto_free char *after = strdup("");
	struct hoy_err err = {};
	int r = 0;

	while (after && (r = hoy_networks_next(networks->store, after, &row, &err)) > 0) {
		if (hoy_overlay_is(&row))
			act(networks, &row);
		free(after);
		after = TAKE_PTR(row.name);
		hoy_network_row_done(&row);
	}
	if (r < 0)
		hoy_log_err(&err, "networks of the cluster");
}

static void tell_remotes(struct hoy_networks *networks, const struct hoy_network_row *row)
{
	hoy_overlay_send_remotes(networks, row);
	hoy_naming_tell_network(networks, row->id);
}

/* What came in one go is told at once. */
static void on_changed(struct hoy_source *source, void *userdata)
{
	(void) source;
	for_each_overlay(userdata, tell_remotes);
}

static void remotes_changed(struct hoy_networks *networks)
{
	hoy_source_set_timer(networks->remotes_changed, 0);
}

/* --- containers on other hosts ------------------------------------------------------------ */

static struct hoy_overlay_remote *find_remote(struct hoy_networks *networks, const struct hoy_peer_member *member)
{
	for (size_t i = 0; i < networks->n_remotes; i++)
		if (hoy_str_eq(networks->remotes[i].endpoint, member->endpoint) &&
			hoy_str_eq(networks->remotes[i].network, member->network))
			return &networks->remotes[i];
	return NULL;
}

static void drop_remote(struct hoy_networks *networks, struct hoy_overlay_remote *remote)
{
	free(remote->names);
	*remote = networks->remotes[--networks->n_remotes];
}

static void set_remote(struct hoy_networks *networks, const struct hoy_peer_member *member)
{
	struct hoy_overlay_remote *remote = find_remote(networks, member);
	char *names = strdup(member->names);

	if (!remote) {
		remote = reallocarray(networks->remotes, networks->n_remotes + 1, sizeof *remote);
		if (remote) {
			networks->remotes = remote;
			remote += networks->n_remotes++;
			memset(remote, 0, sizeof *remote);
		}
	}
	if (!remote || !names) {
		free(names);
		hoy_log_error("networks of the cluster: out of memory");
		return;
	}
	memcpy(remote->network, member->network, sizeof remote->network);
	memcpy(remote->endpoint, member->endpoint, sizeof remote->endpoint);
	remote->where.address = member->address;
	remote->where.vtep = member->vtep;
	memcpy(remote->where.mac, member->mac, sizeof remote->where.mac);
	free(remote->names);
	remote->names = names;
	remote->stale = false;
}

/* --- this host's containers ------------------------------------------------------------------ */

static void send_members(struct hoy_networks *networks, const char *network_id)
{
	struct hoy_peer_message message = { .op = HOY_PEER_MEMBERS };

	(void) snprintf(message.member.network, sizeof message.member.network, "%s", network_id);
	hoy_peers_send(networks->peers, &message);
	message.op = HOY_PEER_MEMBER;
	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_attachment *attachment = hoy_sandbox_attachment(networks->sandboxes[i], network_id);
		const struct hoy_net_attach *attach = attachment ? &attachment->request->attach : NULL;

		if (!attachment || !attachment->is_up || networks->sandboxes[i]->cancelled)
			continue;
		hoy_hex(attach->id, sizeof attach->id, message.member.endpoint);
		message.member.address = attach->address;
		memcpy(message.member.mac, attach->mac, sizeof message.member.mac);
		memset(message.member.names, 0, sizeof message.member.names);
		(void) snprintf(message.member.names, sizeof message.member.names, "%s",
			attachment->names ? attachment->names : "");
		hoy_peers_send(networks->peers, &message);
	}
	message.op = HOY_PEER_MEMBERS_END;
	hoy_peers_send(networks->peers, &message);
}

void hoy_overlay_members_changed(struct hoy_networks *networks, const char *network_id)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};

	if (networks->peers && hoy_networks_get(networks->store, network_id, &row, NULL) > 0 && hoy_overlay_is(&row))
		send_members(networks, network_id);
}

static void tell_network(struct hoy_networks *networks, const struct hoy_network_row *row)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	struct hoy_err err = {};

	if (hoy_endpoints_of_network(networks->store, row->id, &rows, &n, &err) < 0)
		hoy_log_err(&err, "network '%s'", row->name);
	for (size_t i = 0; i < n; i++) {
		struct hoy_peer_message message = { .op = HOY_PEER_HELD, .address.place = rows[i].place };

		(void) snprintf(message.address.network, sizeof message.address.network, "%s", row->id);
		(void) snprintf(message.address.endpoint, sizeof message.address.endpoint, "%s", rows[i].id);
		if (rows[i].place > 0)
			hoy_peers_send(networks->peers, &message);
	}
	hoy_endpoint_rows_free(rows, n);
	send_members(networks, row->id);
}

static void tell_all(void *userdata)
{
	struct hoy_networks *networks = userdata;

	hoy_strv_free(networks->cluster_ids);
	networks->cluster_ids = NULL;
	for (size_t i = 0; i < networks->n_remotes; i++)
		networks->remotes[i].stale = true;
	for_each_overlay(networks, tell_network);
}

/* --- networks that come and go ------------------------------------------------------------------ */

/* The cluster's options, and the number of the VXLAN in front, as docker shows it. */
static int options_text(const struct hoy_peer_network *network, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *options = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	char vni[16];
	int r = hoy_json_parse(network->options, strlen(network->options), NULL, &options, err);

	if (r < 0)
		return r;
	(void) snprintf(vni, sizeof vni, "%u", network->vni);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, HOY_OVERLAY_OPTION_VNI, vni);
	hoy_json_each(option, options)
	{
		if (!hoy_str_eq(hoy_json_key(option), HOY_OVERLAY_OPTION_VNI))
			hoy_json_add_string(&w, hoy_json_key(option), hoy_json_string(option));
	}
	hoy_json_end(&w);
	r = hoy_buf_check(&buf, "options of a network", err);
	if (r >= 0)
		*ret = hoy_buf_take(&buf);
	return r;
}

static int insert(struct hoy_networks *networks, const struct hoy_peer_network *network, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row found = {};
	auto_free char *options = NULL;
	struct hoy_network_row row = { .id = (char *) network->id,
		.name = (char *) network->name,
		.driver = (char *) "overlay",
		.subnet = network->subnet,
		.prefix_len = network->prefix_len,
		.gateway = network->gateway,
		.created = network->created,
		.flags = network->flags & (HOY_NETWORK_INTERNAL | HOY_NETWORK_ATTACHABLE | HOY_NETWORK_CONFIGURED),
		.ip_range = (char *) network->ip_range,
		.labels = (char *) network->labels,
		.subnet6 = (char *) "",
		.gateway6 = (char *) "",
		.ip_range6 = (char *) "" };
	int r = hoy_network_check_name(network->name, err);

	if (r >= 0)
		r = hoy_networks_find(networks->store, network->name, &found, err);
	if (r > 0)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "network with name %s already exists", network->name);
	if (r >= 0)
		r = options_text(network, &options, err);
	row.options = options;
	if (r >= 0 && (network->prefix_len < 8 || network->prefix_len > 30 || network->vni == 0 ||
			      (network->subnet & ~hoy_prefix_mask(network->prefix_len)) != 0 || network->gateway == 0 ||
			      network->gateway >= ~hoy_prefix_mask(network->prefix_len)))
		r = hoy_err_invalid(err, "network of the cluster: bad subnet");
	if (r >= 0)
		r = hoy_network_check_others(networks, &row, err);
	if (r >= 0)
		r = hoy_networks_insert(networks->store, &row, err);
	if (r >= 0)
		networks->n_defined++;
	return r;
}

/* This host's row and bridge of a network of the cluster; `replied` when the bridge is made. */
static int adopt(struct hoy_networks *networks, const struct hoy_peer_network *network, hoy_service_replied replied,
	void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int r = hoy_networks_get(networks->store, network->id, &row, err);

	if (r > 0 && !replied)
		return 0;
	if (r == 0) {
		r = insert(networks, network, err);
		if (r >= 0)
			r = hoy_networks_get(networks->store, network->id, &row, err);
	}
	return r < 0 ? r : hoy_bridge_send(networks, &row, replied, userdata, err);
}

static void forget_network(struct hoy_networks *networks, const char *id)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_err err = {};

	if (hoy_networks_get(networks->store, id, &row, &err) <= 0 || !hoy_overlay_is(&row))
		return;
	if (hoy_network_remove_here(networks, &row, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "network '%s' was removed from the cluster", row.name);
}

/* What the cluster had when we last heard of it and has no more. */
static void forget_unnamed(struct hoy_networks *networks, const struct hoy_network_row *row)
{
	if (!hoy_strv_has(networks->cluster_ids, row->id))
		forget_network(networks, row->id);
}

static void complete(struct hoy_networks *networks)
{
	for (size_t i = networks->n_remotes; i-- > 0;)
		if (networks->remotes[i].stale)
			drop_remote(networks, &networks->remotes[i]);
	networks->remotes_known = true;
	for_each_overlay(networks, forget_unnamed);
	remotes_changed(networks);
}

static void told(void *userdata, const struct hoy_peer_message *message)
{
	struct hoy_networks *networks = userdata;
	struct hoy_overlay_remote *remote;
	struct hoy_err err = {};

	switch (message->op) {
	case HOY_PEER_NETWORK:
		(void) hoy_strv_add(&networks->cluster_ids, message->network.id);
		if (adopt(networks, &message->network, NULL, NULL, &err) < 0)
			hoy_log_err(&err, "network '%s' of the cluster is not on this host", message->network.name);
		break;
	case HOY_PEER_NETWORK_GONE:
		forget_network(networks, message->network.id);
		break;
	case HOY_PEER_REMOTE:
		set_remote(networks, &message->member);
		remotes_changed(networks);
		break;
	case HOY_PEER_REMOTE_GONE:
		remote = find_remote(networks, &message->member);
		if (remote)
			drop_remote(networks, remote);
		remotes_changed(networks);
		break;
	case HOY_PEER_COMPLETE:
		complete(networks);
		break;
	case HOY_PEER_TROUBLE:
		(void) hoy_err_import(&err, &message->err);
		if (message->err.errnum)
			hoy_log_err(&err, "the key-value store is out of reach");
		else
			hoy_log_info("the key-value store answers");
		break;
	default:
		break;
	}
}

/* --- making and removing ------------------------------------------------------------------------- */

static void remove_from_cluster(struct hoy_networks *networks, const char *id);

static void on_made(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_networks *networks = op->networks;

	if (reply && reply->err.errnum == 0) {
		hoy_bridge_note(networks, reply->bridge, &reply->err);
		hoy_network_op_done(op, NULL);
		return;
	}
	remove_from_cluster(networks, op->id);
	hoy_network_op_done(op, reply ? &reply->err : err);
}

static void on_created(void *userdata, const struct hoy_peer_message *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_err why = {};

	if (!reply) {
		hoy_network_op_done(op, err);
		return;
	}
	(void) hoy_strv_add(&op->networks->cluster_ids, op->id);
	if (adopt(op->networks, &reply->network, on_made, op, &why) >= 0)
		return;
	remove_from_cluster(op->networks, op->id);
	hoy_network_op_done(op, &why);
}

static int check_store(const struct hoy_networks *networks, struct hoy_err *err)
{
	if (networks->peers)
		return 0;
	return hoy_err_unsupported(err,
		"network driver 'overlay' without a key-value store is not supported: give hoyd --cluster-store and "
		"--cluster-advertise");
}

int hoy_overlay_check(
	const struct hoy_networks *networks, const struct hoy_network_definition *definition, struct hoy_err *err)
{
	int r = check_store(networks, err);

	if (r < 0)
		return r;
	if (definition->ipv6 || (definition->subnet6 && *definition->subnet6))
		return hoy_err_unsupported(err, "IPv6 with driver 'overlay' is not supported");
	if (definition->n_auxiliary > 0)
		return hoy_err_unsupported(err, "auxiliary addresses with driver 'overlay' are not supported");
	for (size_t i = 0; i < definition->n_options; i++)
		if (hoy_str_eq(definition->options[i].key, HOY_OVERLAY_OPTION_VNI))
			return hoy_err_unsupported(err, "network option '%s' is not supported: the cluster chooses it",
				HOY_OVERLAY_OPTION_VNI);
	return 0;
}

int hoy_overlay_create(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_peer_message message = { .op = HOY_PEER_CREATE };
	struct hoy_peer_network *network = &message.network;
	struct hoy_network_shape shape;
	struct hoy_network_op *op;
	int r = hoy_network_shape(networks, row, &shape, err);

	if (r < 0)
		return r;
	if (strlen(row->options) >= sizeof network->options || strlen(row->labels) >= sizeof network->labels)
		return hoy_err_invalid(err, "options or labels of network '%s' are longer than %zu bytes", row->name,
			sizeof network->options - 1);
	(void) snprintf(network->id, sizeof network->id, "%s", row->id);
	(void) snprintf(network->name, sizeof network->name, "%s", row->name);
	(void) snprintf(network->ip_range, sizeof network->ip_range, "%s", row->ip_range);
	(void) snprintf(network->options, sizeof network->options, "%s", row->options);
	(void) snprintf(network->labels, sizeof network->labels, "%s", row->labels);
	network->subnet = row->subnet;
	network->prefix_len = row->prefix_len;
	network->gateway = row->gateway;
	network->flags = row->flags;
	network->created = row->created;
	r = hoy_network_op_new(networks, row->id, NULL, done, userdata, &op, err);
	if (r < 0)
		return r;
	r = hoy_peers_ask(networks->peers, &message, on_created, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

static void on_removed(void *userdata, const struct hoy_peer_message *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_networks *networks = op->networks;
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_err why = {};
	int r;

	if (!reply) {
		hoy_network_op_done(op, err);
		return;
	}
	r = hoy_networks_get(networks->store, op->id, &row, &why);
	if (r > 0)
		r = hoy_network_remove_here(networks, &row, op->done, op->userdata, &why);
	else
		r = r < 0 ? r : 0;
	if (r >= 0 && row.id)
		hoy_network_op_free(op); /* the next one answers */
	else
		hoy_network_op_done(op, r < 0 ? &why : NULL);
}

static int ask_remove(struct hoy_network_op *op, struct hoy_err *err)
{
	struct hoy_peer_message message = { .op = HOY_PEER_REMOVE };

	(void) snprintf(message.network.id, sizeof message.network.id, "%s", op->id);
	return hoy_peers_ask(op->networks->peers, &message, on_removed, op, err);
}

int hoy_overlay_remove(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_network_op *op;
	int r = check_store(networks, err);

	if (r >= 0)
		r = hoy_network_op_new(networks, row->id, NULL, done, userdata, &op, err);
	if (r < 0)
		return r;
	r = ask_remove(op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

/* What could not be made here. */
static void remove_from_cluster(struct hoy_networks *networks, const char *id)
{
	struct hoy_network_op *op;
	struct hoy_err err = {};

	if (hoy_network_op_new(networks, id, NULL, NULL, NULL, &op, &err) >= 0) {
		if (ask_remove(op, &err) >= 0)
			return;
		hoy_network_op_free(op);
	}
	hoy_log_err(&err, "remove network %s from the cluster", id);
}

/* --- addresses ------------------------------------------------------------------------------------- */

int hoy_overlay_lease(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *row, hoy_peers_replied replied, void *userdata, struct hoy_err *err)
{
	struct hoy_peer_message message = { .op = HOY_PEER_LEASE, .address.gateway = row->gateway };
	struct hoy_peer_address *address = &message.address;
	int r = check_store(networks, err);

	if (r >= 0 && endpoint->address) {
		r = hoy_endpoint_asked_place(row, endpoint->address, &address->place, err);
		address->first = address->last = address->place;
	} else {
		hoy_networks_range(row, &address->first, &address->last);
	}
	if (r < 0)
		return r;
	(void) snprintf(address->network, sizeof address->network, "%s", row->id);
	(void) snprintf(address->endpoint, sizeof address->endpoint, "%s", endpoint->id);
	return hoy_peers_ask(networks->peers, &message, replied, userdata, err);
}

/* In front of whoever has to say why a container has no address. */
void hoy_overlay_explain(const char *network_name, const struct hoy_err *from, struct hoy_err *ret)
{
	*ret = *from;
	(void) hoy_err_wrap(ret, "no address on network %s", network_name);
}

static void wait_free(struct hoy_overlay_wait *wait)
{
	struct hoy_overlay_wait **link = &wait->networks->waits;

	while (*link != wait)
		link = &(*link)->next;
	*link = wait->next;
	hoy_fd_close(&wait->netns);
	free(wait->name);
	free(wait->network_name);
	free(wait);
}

static void on_leased(void *userdata, const struct hoy_peer_message *reply, const struct hoy_err *err)
{
	struct hoy_overlay_wait *wait = userdata;
	struct hoy_err why = {};
	int r = 0;

	if (wait->cancelled)
		r = hoy_err_set(&why, HOY_ERR_CONFLICT, ECANCELED, "the container was stopped meanwhile");
	else if (!reply)
		hoy_overlay_explain(wait->network_name, err, &why);
	else
		r = hoy_endpoints_set_place(wait->networks->store, wait->endpoint, reply->address.place, &why);
	if (r >= 0 && why.errnum == 0) {
		hoy_network_attached done = wait->done;
		void *owner = wait->userdata;
		struct hoy_networks *networks = wait->networks;
		auto_fd int netns = TAKE_FD(wait->netns);
		char container_id[HOY_NETWORK_ID_MAX];
		auto_free char *name = TAKE_PTR(wait->name);

		memcpy(container_id, wait->container_id, sizeof container_id);
		wait_free(wait);
		if (hoy_network_attach(networks, container_id, name, netns, done, owner, &why) < 0)
			done(owner, &why);
		return;
	}
	wait->done(wait->userdata, &why);
	wait_free(wait);
}

static int wait_new(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *row, const char *name, int netns, struct hoy_overlay_wait **ret,
	struct hoy_err *err)
{
	struct hoy_overlay_wait *wait = calloc(1, sizeof *wait);

	if (!wait)
		return hoy_err_oom(err);
	wait->networks = networks;
	(void) snprintf(wait->container_id, sizeof wait->container_id, "%s", endpoint->container_id);
	(void) snprintf(wait->endpoint, sizeof wait->endpoint, "%s", endpoint->id);
	wait->name = strdup(name);
	wait->network_name = strdup(row->name);
	wait->netns = hoy_fd_dup(netns);
	wait->next = networks->waits;
	networks->waits = wait;
	if (!wait->name || !wait->network_name || wait->netns < 0) {
		wait_free(wait);
		return hoy_err_oom(err);
	}
	*ret = wait;
	return 0;
}

/* The first of the endpoints that needs an address from the cluster: 1; 0: none does. */
static int find_homeless(struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_row *ret,
	struct hoy_network_row *ret_network, struct hoy_err *err)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	int r = hoy_endpoints_list(networks->store, container_id, &rows, &n, err), found = 0;

	for (size_t i = 0; i < n && r >= 0 && !found; i++) {
		auto_(hoy_network_row_done) struct hoy_network_row row = {};

		r = hoy_networks_get(networks->store, rows[i].network_id, &row, err);
		if (r <= 0 || !hoy_overlay_is(&row) || hoy_networks_place_fits(&row, rows[i].place))
			continue;
		*ret = rows[i];
		rows[i] = (struct hoy_endpoint_row){};
		*ret_network = row;
		row = (struct hoy_network_row){};
		found = 1;
	}
	hoy_endpoint_rows_free(rows, n);
	return r < 0 ? r : found;
}

int hoy_overlay_wait(struct hoy_networks *networks, const char *container_id, const char *name, int netns,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row endpoint = {};
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_overlay_wait *wait;
	int r;

	for (wait = networks->waits; wait; wait = wait->next)
		if (!wait->cancelled && hoy_str_eq(wait->container_id, container_id))
			return hoy_err_set(
				err, HOY_ERR_CONFLICT, EALREADY, "container %s is going on its network already", name);
	r = find_homeless(networks, container_id, &endpoint, &row, err);
	if (r <= 0)
		return r;
	r = wait_new(networks, &endpoint, &row, name, netns, &wait, err);
	if (r < 0)
		return r;
	wait->done = done;
	wait->userdata = userdata;
	r = hoy_overlay_lease(networks, &endpoint, &row, on_leased, wait, err);
	if (r < 0)
		wait_free(wait);
	return r < 0 ? r : 1;
}

void hoy_overlay_cancel(struct hoy_networks *networks, const char *container_id)
{
	for (struct hoy_overlay_wait *wait = networks->waits; wait; wait = wait->next)
		if (hoy_str_eq(wait->container_id, container_id))
			wait->cancelled = true;
}

static void on_gone(void *userdata, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_peer_message message = { .op = HOY_PEER_RELEASE };

	(void) snprintf(message.address.endpoint, sizeof message.address.endpoint, "%s", op->id);
	if (!err)
		hoy_peers_send(op->networks->peers, &message);
	hoy_network_op_free(op);
}

void hoy_overlay_release(struct hoy_networks *networks, const char *container_id, const char *network_id)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	struct hoy_network_op *op;

	if (!networks->peers || hoy_endpoints_list(networks->store, container_id, &rows, &n, NULL) < 0)
		return; /* the next hoyd does not name it: that is the same */
	for (size_t i = 0; i < n; i++) {
		if ((network_id && !hoy_str_eq(rows[i].network_id, network_id)) || rows[i].place == 0 ||
			hoy_network_op_new(networks, rows[i].id, NULL, NULL, NULL, &op, NULL) < 0)
			continue;
		if (hoy_store_after_commit(networks->store, on_gone, op, NULL) < 0)
			hoy_network_op_free(op);
	}
	hoy_endpoint_rows_free(rows, n);
}

/* --- life ---------------------------------------------------------------------------------------------- */

int hoy_network_check_cluster(const char *store, const char *advertise, struct hoy_err *err)
{
	struct hoy_peer_hello hello = {};

	if (!store && !advertise)
		return 0;
	if (!store || !advertise)
		return hoy_err_invalid(
			err, "cluster-store and cluster-advertise belong together: one of them is missing");
	return parse_stores(store, &hello, err);
}

int hoy_overlay_open(struct hoy_networks *networks, const struct hoy_network_config *config, struct hoy_err *err)
{
	struct hoy_peers_owner owner = {
		.tell_all = tell_all, .told = told, .userdata = networks, .cgroup_fd = config->cgroup_fd
	};
	auto_(hoy_network_row_done) struct hoy_network_row bridge = {};
	struct hoy_peer_hello hello = {};
	int r;

	if (!config->cluster_store && !config->cluster_advertise)
		return 0;
	r = hoy_network_check_cluster(config->cluster_store, config->cluster_advertise, err);
	if (r < 0)
		return r;
	if (networks->rootless)
		return hoy_err_unsupported(err, "cluster-store of a rootless hoyd is not supported");
	r = parse_stores(config->cluster_store, &hello, err);
	if (r >= 0)
		r = parse_advertise(config->cluster_advertise, &networks->vtep, err);
	if (r >= 0)
		r = hoy_networks_row(networks, "bridge", &bridge, err);
	if (r >= 0)
		r = hoy_loop_timer(networks->loop, &networks->remotes_changed, UINT64_MAX, on_changed, networks, err);
	if (r < 0)
		return r;
	hello.vtep = networks->vtep;
	(void) snprintf(hello.host, sizeof hello.host, "%s", bridge.id); /* as lasting as the data root */
	return hoy_peers_new(networks->loop, config->exec_root, &hello, &owner, &networks->peers, err);
}

void hoy_overlay_close(struct hoy_networks *networks)
{
	hoy_peers_free(networks->peers);
	networks->remotes_changed = hoy_source_free(networks->remotes_changed);
	while (networks->waits)
		wait_free(networks->waits);
	while (networks->n_remotes > 0)
		drop_remote(networks, &networks->remotes[networks->n_remotes - 1]);
	free(networks->remotes);
	hoy_strv_free(networks->cluster_ids);
}
