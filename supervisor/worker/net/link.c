/*
 * rtnetlink through libnl, without link caches: every change is one request with its acknowledgement. A veth pair is
 * made in one request: the host's end is a bridge port and up, the peer is born in the container's namespace with its
 * MAC. Raising the peer, the one thing the kernel refuses in that request (ENOTCONN), then makes both ends carry.
 */
#include "supervisor/worker/net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "supervisor/worker/net/child.h"
#include "supervisor/worker/net/rtnl.h"
#include "supervisor/worker/net/vxlan.h"

#define NAME_ID_DIGITS 7

struct hoy_links {
	struct nl_sock *sock;
	int own_netns;
};

/* --- open ------------------------------------------------------------------- */

int hoy_links_open(struct hoy_links **ret, struct hoy_err *err)
{
	auto_ptr(hoy_links_free) struct hoy_links *links = calloc(1, sizeof *links);
	int r;

	if (!links)
		return hoy_err_oom(err);
	links->own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (links->own_netns < 0)
		return hoy_err_sys(err, "open '/proc/self/ns/net'");
	r = hoy_rtnl_open(&links->sock, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(links);
	return 0;
}

void hoy_links_free(struct hoy_links *links)
{
	if (!links)
		return;
	nl_socket_free(links->sock);
	hoy_fd_close(&links->own_netns);
	free(links);
}

/* --- bridge ----------------------------------------------------------------- */

static int set_sysctl(const char *dir, const char *name, const char *key, const char *value, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/proc/sys/net/%s/%s%s%s", dir, name, *name ? "/" : "", key);
	auto_(hoy_buf_done) struct hoy_buf now = {};

	if (!path)
		return hoy_err_oom(err);
	/* What is as wanted needs no write: /proc/sys may be read-only. */
	if (hoy_file_read(AT_FDCWD, path, &now, NULL) >= 0 && now.data && hoy_str_starts(now.data, value))
		return 0;
	return hoy_file_set(AT_FDCWD, path, value, err);
}

static bool bridged_packets_meet_rules(void)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};

	return hoy_file_read(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-iptables", &text, NULL) >= 0 &&
	       text.len > 0 && text.data[0] == '1';
}

/*
 * Where br_netfilter is on, a frame for a published port is translated while it is bridged, and one that a container
 * sends to itself that way has to leave by the port it came in. Else that port mode is not wanted: the container
 * would hear its own broadcasts.
 */
static int set_up_port(struct hoy_links *links, const struct hoy_net_bridge *bridge, int ifindex)
{
	int r = bridged_packets_meet_rules() ? hoy_rtnl_set_port(links->sock, ifindex, IFLA_BRPORT_MODE, 1) : 0;

	if (r >= 0 && (bridge->flags & HOY_NET_SEPARATE))
		r = hoy_rtnl_set_port(links->sock, ifindex, IFLA_BRPORT_ISOLATED, 1);
	return r;
}

/* The MAC of a bridge that has none of its own follows its ports; containers would lose their gateway at each change.
 */
static int create_bridge(struct hoy_links *links, const struct hoy_net_bridge *bridge, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_alloc();
	const uint8_t mac[6] = { 0x02, 0x42, bridge->address >> 24, bridge->address >> 16 & 0xff,
		bridge->address >> 8 & 0xff, bridge->address & 0xff };
	auto_(put_addr) struct nl_addr *addr = hoy_rtnl_mac(mac);
	int r;

	if (!link || !addr)
		return hoy_err_oom(err);
	rtnl_link_set_name(link, bridge->name);
	rtnl_link_set_addr(link, addr);
	rtnl_link_set_mtu(link, bridge->mtu);
	r = rtnl_link_set_type(link, "bridge");
	if (r >= 0)
		r = rtnl_link_add(links->sock, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0)
		return hoy_rtnl_err(err, r, "create bridge", bridge->name);
	return hoy_rtnl_mark(links->sock, bridge->name, err);
}

static int get_or_create(
	struct hoy_links *links, const struct hoy_net_bridge *bridge, struct rtnl_link **ret, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	const char *type;
	int r = hoy_rtnl_link(links->sock, bridge->name, &link);

	if (r == -ENODEV) {
		r = create_bridge(links, bridge, err);
		if (r < 0)
			return r;
		r = hoy_rtnl_link(links->sock, bridge->name, &link);
	}
	if (r < 0)
		return hoy_err_code(err, r, "find bridge '%s'", bridge->name);
	type = rtnl_link_get_type(link);
	if (!type || strcmp(type, "bridge") != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EEXIST, "interface '%s' exists and is no bridge", bridge->name);
	*ret = TAKE_PTR(link);
	return 0;
}

/* A host that forwards takes no router advertisements any more, unless it is told to: its own default route would be
 * gone in half an hour. */
static void keep_advertisements(void)
{
	struct if_nameindex *all = if_nameindex();

	for (const struct if_nameindex *one = all; one && one->if_index != 0; one++) {
		auto_free char *path = hoy_str_printf("/proc/sys/net/ipv6/conf/%s/accept_ra", one->if_name);
		auto_(hoy_buf_done) struct hoy_buf now = {};

		if (path && hoy_file_read(AT_FDCWD, path, &now, NULL) >= 0 && now.data && now.data[0] == '1')
			(void) hoy_file_set(AT_FDCWD, path, "2", NULL);
	}
	if_freenameindex(all);
}

static int forward_ipv6(struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf now = {};

	if (hoy_file_read(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/forwarding", &now, NULL) >= 0 && now.data &&
		now.data[0] == '0')
		keep_advertisements();
	return set_sysctl("ipv6/conf", "all", "forwarding", "1", err);
}

/* Router advertisements of containers are never taken. */
static int set_up_ipv6(struct hoy_links *links, const struct hoy_net_bridge *bridge, int ifindex, struct hoy_err *err)
{
	int r;

	if (bridge->prefix6_len == 0) { /* a host without IPv6 has no such file */
		(void) set_sysctl("ipv6/conf", bridge->name, "disable_ipv6", "1", NULL);
		return 0;
	}
	r = set_sysctl("ipv6/conf", bridge->name, "accept_ra", "0", err);
	if (r >= 0)
		r = set_sysctl("ipv6/conf", bridge->name, "disable_ipv6", "0", err);
	if (r >= 0)
		r = hoy_rtnl_add_ipv6(links->sock, ifindex, &bridge->address6, bridge->prefix6_len, bridge->name, err);
	if (r >= 0 && !(bridge->flags & HOY_NET_INTERNAL))
		r = forward_ipv6(err);
	return r;
}

void hoy_links_remove_vlan(struct hoy_links *links, const char *name)
{
	hoy_child_remove_vlan(links->sock, name);
}

int hoy_links_bridge(struct hoy_links *links, const struct hoy_net_bridge *bridge, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	int r;

	if (bridge->kind != HOY_NET_BRIDGED)
		return hoy_child_parent(links->sock, bridge, err);
	r = get_or_create(links, bridge, &link, err);
	if (r < 0)
		return r;
	r = set_up_ipv6(links, bridge, rtnl_link_get_ifindex(link), err);
	if (r < 0)
		return r;
	r = hoy_rtnl_add_ipv4(
		links->sock, rtnl_link_get_ifindex(link), bridge->address, bridge->prefix_len, bridge->name, err);
	if (r >= 0)
		r = hoy_rtnl_raise(links->sock, rtnl_link_get_ifindex(link), bridge->name, err);
	if (r >= 0)
		r = set_sysctl("ipv4/conf", bridge->name, "route_localnet", "1", err);
	if (r >= 0)
		r = set_sysctl("ipv4", "", "ip_forward", "1", err);
	if (r >= 0 && bridge->vni > 0)
		r = hoy_vxlan_make(links->sock, bridge, err);
	return r;
}

bool hoy_links_made_bridge(struct hoy_links *links, const char *name)
{
	auto_(put_link) struct rtnl_link *link = NULL;

	return hoy_rtnl_link(links->sock, name, &link) >= 0 && hoy_str_eq(rtnl_link_get_ifalias(link), HOY_RTNL_ALIAS);
}

int hoy_links_remove_bridge(struct hoy_links *links, const char *name, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	int r = hoy_rtnl_link(links->sock, name, &link);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return hoy_err_code(err, r, "find bridge '%s'", name);
	if (!hoy_str_eq(rtnl_link_get_ifalias(link), HOY_RTNL_ALIAS))
		return 0;
	hoy_vxlan_remove(links->sock, name);
	r = hoy_rtnl_delete(links->sock, rtnl_link_get_ifindex(link));
	return r < 0 ? hoy_rtnl_err(err, r, "delete bridge", name) : 0;
}

/* --- names of host ends ------------------------------------------------------- */

/* "veth", the start of the endpoint's id, and four random digits: a container that is started again at once doesn't
 * meet its old interface, which the kernel takes away in its own time. */
static void make_name(char name[IFNAMSIZ], const uint8_t id[HOY_NET_ID_LEN])
{
	char hex[2 * HOY_NET_ID_LEN + 1];
	uint16_t random;

	hoy_hex(id, HOY_NET_ID_LEN, hex);
	hoy_random(&random, sizeof random);
	(void) snprintf(name, IFNAMSIZ, "veth%.*s%04x", NAME_ID_DIGITS, hex, random);
}

static bool is_our_name(const char *name)
{
	return strlen(name) == 4 + NAME_ID_DIGITS + 4 && hoy_str_starts(name, "veth") &&
	       strspn(name + 4, "0123456789abcdef") == NAME_ID_DIGITS + 4;
}

bool hoy_links_name_is(const char *name, const uint8_t id[HOY_NET_ID_LEN])
{
	char hex[2 * HOY_NET_ID_LEN + 1];

	hoy_hex(id, HOY_NET_ID_LEN, hex);
	return is_our_name(name) && strncmp(name + 4, hex, NAME_ID_DIGITS) == 0;
}

/* --- the pair ------------------------------------------------------------------ */

static int create_pair(struct hoy_links *links, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, int bridge_index, int netns, char name[IFNAMSIZ], struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_veth_alloc();
	auto_(put_addr) struct nl_addr *mac = hoy_rtnl_mac(attach->mac);
	struct rtnl_link *peer;
	int r;

	if (!link || !mac)
		return hoy_err_oom(err);
	make_name(name, attach->id);
	rtnl_link_set_name(link, name);
	rtnl_link_set_mtu(link, bridge->mtu);
	rtnl_link_set_master(link, bridge_index);
	rtnl_link_set_flags(link, IFF_UP);
	peer = rtnl_link_veth_get_peer(link); /* with a reference of ours */
	rtnl_link_set_name(peer, attach->ifname);
	rtnl_link_set_mtu(peer, bridge->mtu);
	rtnl_link_set_addr(peer, mac);
	rtnl_link_set_ns_fd(peer, netns);
	rtnl_link_put(peer);

	r = rtnl_link_add(links->sock, link, NLM_F_CREATE | NLM_F_EXCL);
	return r < 0 ? hoy_rtnl_err(err, r, "create veth pair", name) : 0;
}

/* In the place of another one, if there is. */
static int set_route(struct nl_sock *sock, int ifindex, struct nl_addr *any, struct nl_addr *via, const char *name,
	struct hoy_err *err)
{
	auto_(put_route) struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int r;

	if (!route || !any || !hop) { /* any and via are the caller's */
		rtnl_route_nh_free(hop);
		return hoy_err_oom(err);
	}
	rtnl_route_nh_set_ifindex(hop, ifindex);
	if (via)
		rtnl_route_nh_set_gateway(hop, via);
	else
		rtnl_route_set_scope(route, RT_SCOPE_LINK);
	rtnl_route_add_nexthop(route, hop); /* the route's from here on */
	r = rtnl_route_set_dst(route, any);
	if (r >= 0)
		r = rtnl_route_add(sock, route, NLM_F_CREATE | NLM_F_REPLACE);
	return r < 0 ? hoy_rtnl_err(err, r, "set default route of", name) : 0;
}

static int set_default_routes(struct nl_sock *sock, int ifindex, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, struct hoy_err *err)
{
	static const struct in6_addr none = IN6ADDR_ANY_INIT;
	auto_(put_addr) struct nl_addr *any = hoy_rtnl_ipv4(0, 0);
	auto_(put_addr) struct nl_addr *via = hoy_rtnl_ipv4(bridge->address, 32);
	auto_(put_addr) struct nl_addr *any6 = hoy_rtnl_ipv6(&none, 0);
	auto_(put_addr) struct nl_addr *via6 = hoy_rtnl_ipv6(&bridge->address6, 128);
	bool on_link = bridge->kind == HOY_NET_IPVLAN && bridge->mode != IPVLAN_MODE_L2; /* it routes by itself */
	int r;

	if (!via || !via6)
		return hoy_err_oom(err);
	r = set_route(sock, ifindex, any, on_link ? NULL : via, attach->ifname, err);
	if (r >= 0 && bridge->prefix6_len > 0 && !IN6_IS_ADDR_UNSPECIFIED(&attach->address6))
		r = set_route(sock, ifindex, any6, on_link ? NULL : via6, attach->ifname, err);
	return r;
}

int hoy_links_inside(struct hoy_links *links, int netns, hoy_links_act act, void *userdata, struct hoy_err *err)
{
	int r;

	if (setns(netns, CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "enter the container's network namespace");
	r = act(userdata, err);
	if (setns(links->own_netns, CLONE_NEWNET) < 0)
		abort(); /* everything from here on would happen in the wrong place */
	return r;
}

struct entry {
	struct nl_sock *sock;
	bool ipv6;
};

/* The interface is not made yet: it takes this over. No IPv6 address on a network without IPv6, and no advertisements
 * of a neighbour that calls itself a router. */
static int prepare_and_open(void *userdata, struct hoy_err *err)
{
	struct entry *entry = userdata;

	(void) set_sysctl("ipv6/conf", "default", "accept_ra", "0", NULL);
	(void) set_sysctl("ipv6/conf", "default", "disable_ipv6", entry->ipv6 ? "0" : "1", NULL);
	return hoy_rtnl_open(&entry->sock, err);
}

static int socket_in(struct hoy_links *links, int netns, const struct hoy_net_attach *attach, struct nl_sock **ret,
	struct hoy_err *err)
{
	struct entry entry = { .ipv6 = !IN6_IS_ADDR_UNSPECIFIED(&attach->address6) };
	int r;

	for (uint32_t i = 0; i < attach->n_link_local; i++)
		entry.ipv6 = entry.ipv6 || !IN6_IS_ADDR_V4MAPPED(&attach->link_local[i]);
	r = hoy_links_inside(links, netns, prepare_and_open, &entry, err);

	if (r >= 0)
		*ret = entry.sock;
	return r;
}

/* Link-local ones are tried for by no one else. */
static int add_link_local(struct nl_sock *inside, int ifindex, const struct hoy_net_attach *attach, struct hoy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < attach->n_link_local && r >= 0; i++) {
		const struct in6_addr *address = &attach->link_local[i];
		struct in_addr in;

		memcpy(&in, &address->s6_addr[12], sizeof in);
		r = IN6_IS_ADDR_V4MAPPED(address)
			    ? hoy_rtnl_add_ipv4(inside, ifindex, ntohl(in.s_addr), 16, attach->ifname, err)
			    : hoy_rtnl_add_ipv6(inside, ifindex, address, 64, attach->ifname, err);
	}
	return r;
}

static int configure_inside(struct nl_sock *inside, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	const char *name = attach->ifname;
	int r = hoy_rtnl_link(inside, name, &link);

	if (r < 0)
		return hoy_err_code(err, r, "find '%s'", name);
	r = hoy_rtnl_add_ipv4(inside, rtnl_link_get_ifindex(link), attach->address, bridge->prefix_len, name, err);
	if (r >= 0 && bridge->prefix6_len > 0 && !IN6_IS_ADDR_UNSPECIFIED(&attach->address6))
		r = hoy_rtnl_add_ipv6(
			inside, rtnl_link_get_ifindex(link), &attach->address6, bridge->prefix6_len, name, err);
	if (r >= 0)
		r = add_link_local(inside, rtnl_link_get_ifindex(link), attach, err);
	if (r >= 0)
		r = hoy_rtnl_raise(inside, rtnl_link_get_ifindex(link), name, err);
	if (r >= 0 && attach->gateway)
		r = set_default_routes(inside, rtnl_link_get_ifindex(link), bridge, attach, err);
	return r;
}

int hoy_links_set_gateway(struct hoy_links *links, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, int netns, struct hoy_err *err)
{
	auto_(free_sock) struct nl_sock *inside = NULL;
	auto_(put_link) struct rtnl_link *link = NULL;
	int r = socket_in(links, netns, attach, &inside, err);

	if (r < 0)
		return r;
	r = hoy_rtnl_link(inside, attach->ifname, &link);
	if (r < 0)
		return hoy_err_code(err, r, "find '%s'", attach->ifname);
	return set_default_routes(inside, rtnl_link_get_ifindex(link), bridge, attach, err);
}

/* An interface that is there already comes from an attach that was cut short. */
static void delete_left_over(struct nl_sock *inside, const char *name)
{
	auto_(put_link) struct rtnl_link *link = NULL;

	if (hoy_rtnl_link(inside, name, &link) == 0)
		(void) hoy_rtnl_delete(inside, rtnl_link_get_ifindex(link));
}

/* Those of the endpoint, before it is up; inside its namespace. */
static int set_sysctls(void *userdata, struct hoy_err *err)
{
	const struct hoy_net_attach *attach = userdata;
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(attach->sysctls, '\n');
	int r = lines ? 0 : hoy_err_oom(err);

	for (size_t i = 0; lines && lines[i] && *lines[i] && r >= 0; i++) {
		char *value = strchr(lines[i], '=');
		auto_free char *path = NULL;

		if (!value)
			return hoy_err_invalid(err, "bad sysctl '%s'", lines[i]);
		*value++ = '\0';
		path = hoy_str_printf("/proc/sys/%s", lines[i]);
		r = path ? hoy_file_set(AT_FDCWD, path, value, err) : hoy_err_oom(err);
	}
	return r;
}

static int attach_child(struct hoy_links *links, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, int netns, struct nl_sock *inside, struct hoy_err *err)
{
	int r = hoy_child_create(links->sock, bridge, attach, netns, err);

	if (r == -EEXIST) {
		delete_left_over(inside, attach->ifname);
		r = hoy_child_create(links->sock, bridge, attach, netns, err);
	}
	if (r < 0)
		return r;
	r = hoy_links_inside(links, netns, set_sysctls, (void *) attach, err);
	if (r >= 0)
		r = configure_inside(inside, bridge, attach, err);
	if (r < 0)
		delete_left_over(inside, attach->ifname);
	return r;
}

static int open_inside(void *userdata, struct hoy_err *err)
{
	return hoy_rtnl_open(userdata, err);
}

void hoy_links_delete_inside(struct hoy_links *links, int netns, const char *ifname)
{
	auto_(free_sock) struct nl_sock *inside = NULL;

	if (netns >= 0 && *ifname && hoy_links_inside(links, netns, open_inside, &inside, NULL) >= 0)
		delete_left_over(inside, ifname);
}

int hoy_links_attach(struct hoy_links *links, const struct hoy_net_bridge *bridge, const struct hoy_net_attach *attach,
	int netns, int *ret_ifindex, struct hoy_err *err)
{
	auto_(free_sock) struct nl_sock *inside = NULL;
	int bridge_index = (int) if_nametoindex(bridge->name);
	char name[IFNAMSIZ];
	int r;

	if (bridge_index == 0 && bridge->kind == HOY_NET_BRIDGED)
		return hoy_err_sys(err, "find bridge '%s'", bridge->name);
	r = socket_in(links, netns, attach, &inside, err);
	if (r >= 0)
		r = hoy_rtnl_raise(inside, /* lo's ifindex in every namespace: */ 1, "lo", err);
	if (r < 0)
		return r;
	if (bridge->kind != HOY_NET_BRIDGED)
		return attach_child(links, bridge, attach, netns, inside, err);
	r = create_pair(links, bridge, attach, bridge_index, netns, name, err);
	if (r == -EEXIST) {
		delete_left_over(inside, attach->ifname);
		r = create_pair(links, bridge, attach, bridge_index, netns, name, err);
	}
	if (r < 0)
		return r;
	*ret_ifindex = (int) if_nametoindex(name);
	r = set_up_port(links, bridge, *ret_ifindex);
	if (r < 0)
		r = hoy_rtnl_err(err, r, "set up bridge port", name);
	else
		r = hoy_links_inside(links, netns, set_sysctls, (void *) attach, err);
	if (r >= 0)
		r = configure_inside(inside, bridge, attach, err);
	if (r < 0)
		(void) hoy_rtnl_delete(links->sock, *ret_ifindex);
	return r;
}

bool hoy_links_exists(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN])
{
	char name[IFNAMSIZ];

	(void) links;
	return if_indextoname((unsigned int) ifindex, name) && hoy_links_name_is(name, id);
}

bool hoy_links_has(const struct if_nameindex *all, const uint8_t id[HOY_NET_ID_LEN])
{
	char hex[2 * HOY_NET_ID_LEN + 1];

	hoy_hex(id, HOY_NET_ID_LEN, hex);
	for (; all->if_index; all++)
		if (is_our_name(all->if_name) && strncmp(all->if_name + 4, hex, NAME_ID_DIGITS) == 0)
			return true;
	return false;
}

void hoy_links_delete(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN])
{
	if (hoy_links_exists(links, ifindex, id))
		(void) hoy_rtnl_delete(links->sock, ifindex);
}

void hoy_links_sweep(struct hoy_links *links, int ifindex)
{
	char name[IFNAMSIZ];

	if (if_indextoname((unsigned int) ifindex, name) && is_our_name(name))
		(void) hoy_rtnl_delete(links->sock, ifindex);
}

void hoy_links_silence(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN])
{
	if (!hoy_links_exists(links, ifindex, id))
		return;
	(void) hoy_rtnl_set_port(links->sock, ifindex, IFLA_BRPORT_STATE, BR_STATE_DISABLED);
	(void) hoy_rtnl_set_port(links->sock, ifindex, IFLA_BRPORT_FLUSH, 1); /* the MACs that were learned here */
}

/* --- listing --------------------------------------------------------------------- */

struct listing {
	int bridge_index;
	hoy_links_found found;
	void *userdata;
};

static void on_link(struct nl_object *object, void *userdata)
{
	struct rtnl_link *link = (struct rtnl_link *) object;
	struct listing *listing = userdata;
	const char *name = rtnl_link_get_name(link);

	if (name && rtnl_link_get_master(link) == listing->bridge_index && is_our_name(name))
		listing->found(listing->userdata, rtnl_link_get_ifindex(link), name);
}

static int on_message(struct nl_msg *msg, void *userdata)
{
	(void) nl_msg_parse(msg, on_link, userdata);
	return NL_OK;
}

int hoy_links_each(const char *bridge, hoy_links_found found, void *userdata, struct hoy_err *err)
{
	struct listing listing = { .bridge_index = (int) if_nametoindex(bridge), .found = found, .userdata = userdata };
	auto_(free_sock) struct nl_sock *sock = NULL; /* of its own: its callback is changed */
	int r;

	if (listing.bridge_index == 0)
		return 0;
	r = hoy_rtnl_open(&sock, err);
	if (r < 0)
		return r;
	nl_socket_enable_msg_peek(sock);
	r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, &listing);
	if (r >= 0)
		r = nl_rtgen_request(sock, RTM_GETLINK, AF_UNSPEC, NLM_F_DUMP);
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	return r < 0 ? hoy_rtnl_err(err, r, "list ports of bridge", bridge) : 0;
}
