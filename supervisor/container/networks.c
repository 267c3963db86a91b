/* The networks of a container: those it is created with, and those that come and go later. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/links.h"
#include "supervisor/network/network.h"

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static const char *plain_mode(const char *mode)
{
	return !or_null(mode) || hoy_str_eq(mode, "default") ? "bridge" : mode;
}

/* --- create ------------------------------------------------------------------------------- */

static void take_settings(struct hoy_network_request *request, const struct hoy_container_endpoint *e)
{
	request->mac = or_null(e->mac_address);
	request->address = e->ipam ? or_null(e->ipam->ipv4_address) : NULL;
	request->address6 = e->ipam ? or_null(e->ipam->ipv6_address) : NULL;
	request->link_local = e->ipam ? e->ipam->link_local_ips : NULL;
	request->driver_opts = e->driver_opts;
	request->n_driver_opts = e->n_driver_opts;
	request->aliases = e->aliases;
	request->priority = e->gw_priority;
}

bool hoy_container_same_network(struct hoy_networks *networks, const char *a, const char *b)
{
	auto_(hoy_network_info_done) struct hoy_network_info one = {}, other = {};

	return hoy_str_eq(a, b) ||
	       (hoy_network_get(networks, a, &one, NULL) >= 0 && hoy_network_get(networks, b, &other, NULL) >= 0 &&
		       hoy_str_eq(one.id, other.id));
}

/* "not found" of a create means the image: clients would pull it. */
static int explain(int r, const char *network, struct hoy_err *err)
{
	return r == -ENOENT ? hoy_err_invalid(err, "network %s not found", network) : r;
}

static int allocate_first(
	struct hoy_container *c, const struct hoy_container_endpoint **ret_settings, struct hoy_err *err)
{
	struct hoy_networks *networks = c->room->options.networks;
	const struct hoy_container_networking *n = &c->config->networking;
	struct hoy_network_request request = { .container_id = c->info.id,
		.network = plain_mode(c->config->host.network_mode) };
	struct hoy_network_port *ports = NULL;
	int r = hoy_container_config_ports(c->config, &ports, &request.n_ports, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n->n_endpoints && !*ret_settings; i++)
		if (hoy_container_same_network(networks, plain_mode(n->endpoints[i].network), request.network))
			*ret_settings = &n->endpoints[i];
	if (*ret_settings)
		take_settings(&request, *ret_settings);
	if (!request.mac)
		request.mac = or_null(c->config->mac_address);
	request.ports = ports;
	r = explain(hoy_network_allocate(networks, &request, err), request.network, err);
	free(ports);
	return r;
}

int hoy_container_allocate_networks(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_container_networking *n = &c->config->networking;
	const struct hoy_container_endpoint *first = NULL;
	int r;

	if (hoy_container_mode_names(c->config->host.network_mode)) /* those of another container */
		return 0;
	r = allocate_first(c, &first, err);

	for (size_t i = 0; i < n->n_endpoints && r >= 0; i++) {
		struct hoy_network_request request = { .container_id = c->info.id,
			.network = plain_mode(n->endpoints[i].network) };

		if (&n->endpoints[i] == first)
			continue;
		take_settings(&request, &n->endpoints[i]);
		r = explain(hoy_network_allocate(c->room->options.networks, &request, err), request.network, err);
	}
	return r;
}

int hoy_container_refill_networks(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_network_request request = { .container_id = c->info.id,
		.network = plain_mode(c->config->host.network_mode) };
	struct hoy_endpoint_info *all = NULL;
	size_t n = 0;
	int r = hoy_network_endpoints_of(c->room->options.networks, c->info.id, &all, &n, err);

	if (r < 0)
		return r;
	hoy_endpoint_infos_free(all, n);
	if (n > 0 || hoy_container_mode_names(c->config->host.network_mode))
		return 0;
	return hoy_network_allocate(c->room->options.networks, &request, err);
}

/* --- later ---------------------------------------------------------------------------------- */

struct change {
	struct hoy_containers *room;
	char id[65]; /* the container may be gone when the answer comes */
	hoy_container_done done;
	void *userdata;
};

static void on_changed(void *userdata, const struct hoy_err *err)
{
	struct change *change = userdata;
	struct hoy_container *c;
	struct hoy_err ignored = {};

	if (!err && hoy_containers_lookup(change->room, change->id, &c, NULL) >= 0) {
		if (hoy_container_hosts_write(c, &ignored) < 0 || hoy_container_resolv_follow(c, &ignored) < 0)
			hoy_log_ignored(&ignored, "container '%s'", change->id);
		hoy_container_links_refresh(c);
	}
	change->done(change->userdata, err);
	free(change);
}

static int change_new(
	struct hoy_container *c, hoy_container_done done, void *userdata, struct change **ret, struct hoy_err *err)
{
	struct change *change = calloc(1, sizeof *change);

	if (!change)
		return hoy_err_oom(err);
	change->room = c->room;
	memcpy(change->id, c->info.id, sizeof change->id);
	change->done = done;
	change->userdata = userdata;
	*ret = change;
	return 0;
}

int hoy_container_open_netns(const struct hoy_container *c, int *ret, struct hoy_err *err)
{
	auto_free char *path = NULL;

	*ret = -EBADF;
	if (c->phase == HOY_PHASE_IDLE)
		return 0;
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EBUSY,
			"container %s is just starting, ending or being removed: try again", c->info.name);
	path = hoy_str_printf("/proc/%d/ns/net", (int) c->info.pid);
	if (!path)
		return hoy_err_oom(err);
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? hoy_err_sys(err, "open '%s'", path) : 0;
}

/* --- what the network room asks --------------------------------------------------------------- */

static bool look(void *userdata, const char *container_id, struct hoy_network_container *ret)
{
	struct hoy_container *c;

	if (hoy_containers_lookup(userdata, container_id, &c, NULL) < 0)
		return false;
	*ret = (struct hoy_network_container){
		.name = c->info.name,
		.hostname = c->config->hostname,
		.pid = c->info.pid,
		.dns = c->config->host.dns,
		.standby = c->config->host.standby,
	};
	return true;
}

static int netns_of(void *userdata, const char *container_id)
{
	struct hoy_container *c;
	int netns, r = hoy_containers_lookup(userdata, container_id, &c, NULL);

	if (r >= 0)
		r = hoy_container_open_netns(c, &netns, NULL);
	return r < 0 ? r : netns;
}

void hoy_containers_answer_networks(struct hoy_containers *room)
{
	const struct hoy_network_containers answers = { .look = look, .open_netns = netns_of, .userdata = room };

	if (room->options.networks)
		hoy_network_set_containers(room->options.networks, &answers);
}

/* --- connect, disconnect ------------------------------------------------------------------------ */

int hoy_container_connect(struct hoy_containers *containers, const char *ref,
	const struct hoy_container_endpoint *endpoint, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	struct hoy_network_request request = { .network = endpoint->network };
	struct hoy_container *c;
	struct change *change = NULL;
	auto_fd int netns = -EBADF;
	int r = hoy_containers_lookup(containers, ref, &c, err);

	if (r >= 0 && hoy_container_mode_names(c->config->host.network_mode))
		return hoy_err_conflict(err,
			"container sharing network namespace with another container or host cannot be connected to any other network");
	if (r >= 0)
		r = hoy_container_open_netns(c, &netns, err);
	if (r >= 0)
		r = change_new(c, done, userdata, &change, err);
	if (r < 0)
		return r;
	request.container_id = c->info.id;
	take_settings(&request, endpoint);
	r = hoy_container_links_keep(c, endpoint->network, endpoint->links, err);
	if (r >= 0)
		r = hoy_network_connect(
			containers->options.networks, &request, c->info.name, netns, on_changed, change, err);
	if (r < 0)
		free(change);
	return r;
}

int hoy_container_disconnect(struct hoy_containers *containers, const char *ref, const char *network,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	struct hoy_container *c;
	struct change *change = NULL;
	auto_fd int netns = -EBADF;
	int r = hoy_containers_lookup(containers, ref, &c, err);

	if (r >= 0)
		r = hoy_container_open_netns(c, &netns, err);
	if (r >= 0)
		r = change_new(c, done, userdata, &change, err);
	if (r < 0)
		return r;
	r = hoy_container_links_keep(c, network, NULL, err);
	if (r >= 0)
		r = hoy_network_disconnect(
			containers->options.networks, c->info.id, network, netns, on_changed, change, err);
	if (r < 0)
		free(change);
	return r;
}
