/* macvlan and ipvlan: the parent, which may be the sub-interface of a VLAN, and its children in containers. */
#include "supervisor/worker/net/child.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/if_link.h>
#include <netlink/errno.h>
#include <netlink/route/link/ipvlan.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/vlan.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/net/rtnl.h"

/* "eth0.10" */
static int create_vlan(struct nl_sock *sock, const char *name, struct hoy_err *err)
{
	const char *dot = strrchr(name, '.');
	auto_free char *base = dot ? strndup(name, (size_t) (dot - name)) : NULL;
	auto_(put_link) struct rtnl_link *link = rtnl_link_vlan_alloc();
	unsigned int id = 0, index = base ? if_nametoindex(base) : 0;
	int r;

	if (!link)
		return hoy_err_oom(err);
	if (index == 0 || hoy_str_to_uint(dot + 1, &id) < 0 || id < 1 || id > 4094)
		return hoy_err_set(err, HOY_ERR_INVALID, ENODEV, "parent interface '%s' does not exist", name);
	rtnl_link_set_name(link, name);
	rtnl_link_set_link(link, (int) index);
	r = rtnl_link_vlan_set_id(link, (uint16_t) id);
	if (r >= 0)
		r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0 && hoy_rtnl_code(r) == -EOPNOTSUPP)
		return hoy_err_unsupported(
			err, "VLAN interface '%s' is not supported by this kernel: it has no module 8021q", name);
	return r < 0 ? hoy_rtnl_err(err, r, "create VLAN interface", name) : hoy_rtnl_mark(sock, name, err);
}

static struct rtnl_link *new_child(const struct hoy_net_bridge *bridge, const char *name, const uint8_t mac[6])
{
	bool is_macvlan = bridge->kind == HOY_NET_MACVLAN;
	struct rtnl_link *link = is_macvlan ? rtnl_link_macvlan_alloc() : rtnl_link_ipvlan_alloc();
	auto_(put_addr) struct nl_addr *addr = hoy_rtnl_mac(mac);

	if (!link || !addr) {
		rtnl_link_put(link);
		return NULL;
	}
	rtnl_link_set_name(link, name);
	rtnl_link_set_link(link, (int) if_nametoindex(bridge->parent));
	if (bridge->mtu > 0)
		rtnl_link_set_mtu(link, bridge->mtu);
	if (is_macvlan) {
		(void) rtnl_link_macvlan_set_mode(link, bridge->mode);
		if (bridge->mode != MACVLAN_MODE_PASSTHRU)
			rtnl_link_set_addr(link, addr);
	} else {
		(void) rtnl_link_ipvlan_set_mode(link, (uint16_t) bridge->mode);
	}
	return link;
}

static int child_err(struct hoy_err *err, int nl, const struct hoy_net_bridge *bridge)
{
	const char *kind = bridge->kind == HOY_NET_MACVLAN ? "macvlan" : "ipvlan";

	if (hoy_rtnl_code(nl) == -EOPNOTSUPP)
		return hoy_err_unsupported(
			err, "driver '%s' is not supported by this kernel: it has no module %s", kind, kind);
	return hoy_err_set(err, HOY_ERR_SYSTEM, -hoy_rtnl_code(nl), "create %s interface on '%s': %s", kind,
		bridge->parent, nl_geterror(nl));
}

/* Whether the kernel has the kind is told by making one: here, not when the first container starts. */
static int try_child(struct nl_sock *sock, const struct hoy_net_bridge *bridge, struct hoy_err *err)
{
	static const uint8_t mac[6] = { 0x02, 0x42, 0xff, 0xff, 0xff, 0xfe };
	auto_(put_link) struct rtnl_link *link = new_child(bridge, bridge->name, mac);
	int r;

	if (!link)
		return hoy_err_oom(err);
	r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0)
		return child_err(err, r, bridge);
	(void) hoy_rtnl_delete(sock, (int) if_nametoindex(bridge->name));
	return 0;
}

int hoy_child_parent(struct nl_sock *sock, const struct hoy_net_bridge *bridge, struct hoy_err *err)
{
	int r = 0;

	if (if_nametoindex(bridge->parent) == 0) {
		r = create_vlan(sock, bridge->parent, err);
		if (r >= 0)
			r = hoy_rtnl_raise(sock, (int) if_nametoindex(bridge->parent), bridge->parent, err);
	}
	return r >= 0 && bridge->kind == HOY_NET_IPVLAN ? try_child(sock, bridge, err) : r;
}

void hoy_child_remove_vlan(struct nl_sock *sock, const char *name)
{
	auto_(put_link) struct rtnl_link *link = NULL;

	if (hoy_rtnl_link(sock, name, &link) == 0 && hoy_str_eq(rtnl_link_get_type(link), "vlan") &&
		hoy_str_eq(rtnl_link_get_ifalias(link), HOY_RTNL_ALIAS))
		(void) hoy_rtnl_delete(sock, rtnl_link_get_ifindex(link));
}

int hoy_child_create(struct nl_sock *sock, const struct hoy_net_bridge *bridge, const struct hoy_net_attach *attach,
	int netns, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = new_child(bridge, attach->ifname, attach->mac);
	int r;

	if (!link)
		return hoy_err_oom(err);
	rtnl_link_set_ns_fd(link, netns);
	r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	return r < 0 ? child_err(err, r, bridge) : 0;
}
