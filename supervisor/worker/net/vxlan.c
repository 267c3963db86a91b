#include "supervisor/worker/net/vxlan.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/link/vxlan.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/net/rtnl.h"

#define PORT 4789

/* "vx-" in the place of "br-". */
static void make_name(char name[IFNAMSIZ], const char *bridge)
{
	(void) snprintf(name, IFNAMSIZ, "vx-%.*s", IFNAMSIZ - 4, strlen(bridge) > 3 ? bridge + 3 : bridge);
}

/* --- the device ------------------------------------------------------------------- */

static bool is_as_wanted(struct rtnl_link *link, const struct hoy_net_bridge *bridge)
{
	auto_(put_addr) struct nl_addr *local = NULL;
	uint32_t vni = 0;

	return rtnl_link_is_vxlan(link) && rtnl_link_vxlan_get_id(link, &vni) >= 0 && vni == bridge->vni &&
	       rtnl_link_vxlan_get_local(link, &local) >= 0 && nl_addr_get_len(local) == 4 &&
	       memcmp(nl_addr_get_binary_addr(local), &(uint32_t){ htonl(bridge->vtep) }, 4) == 0 &&
	       rtnl_link_get_mtu(link) == bridge->mtu;
}

static int create(struct nl_sock *sock, const struct hoy_net_bridge *bridge, const char *name, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_vxlan_alloc();
	auto_(put_addr) struct nl_addr *local = hoy_rtnl_ipv4(bridge->vtep, 32);
	int r;

	if (!link || !local)
		return hoy_err_oom(err);
	rtnl_link_set_name(link, name);
	rtnl_link_set_mtu(link, bridge->mtu);
	r = rtnl_link_vxlan_set_id(link, bridge->vni);
	if (r >= 0)
		r = rtnl_link_vxlan_set_local(link, local);
	if (r >= 0)
		r = rtnl_link_vxlan_set_port(link, PORT);
	if (r >= 0)
		r = rtnl_link_vxlan_disable_learning(link);
	if (r >= 0)
		r = rtnl_link_vxlan_enable_proxy(link);
	if (r >= 0)
		r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	if (r < 0 && hoy_rtnl_code(r) == -EOPNOTSUPP)
		return hoy_err_unsupported(
			err, "driver 'overlay' is not supported by this kernel: it has no module vxlan");
	if (r < 0)
		return hoy_rtnl_err(err, r, "create VXLAN interface", name);
	return hoy_rtnl_mark(sock, name, err);
}

static int join(struct nl_sock *sock, const char *name, const char *bridge, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *change = rtnl_link_alloc(), *link = NULL;
	int r = change ? hoy_rtnl_link(sock, name, &link) : -ENOMEM;

	if (r < 0)
		return hoy_err_code(err, r, "find '%s'", name);
	rtnl_link_set_master(change, (int) if_nametoindex(bridge));
	rtnl_link_set_flags(change, IFF_UP);
	r = rtnl_link_change(sock, link, change, 0);
	return r < 0 ? hoy_rtnl_err(err, r, "put VXLAN interface into its bridge", name) : 0;
}

int hoy_vxlan_make(struct nl_sock *sock, const struct hoy_net_bridge *bridge, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	char name[IFNAMSIZ];
	int r;

	make_name(name, bridge->name);
	r = hoy_rtnl_link(sock, name, &link);
	if (r >= 0 && !is_as_wanted(link, bridge)) {
		(void) hoy_rtnl_delete(sock, rtnl_link_get_ifindex(link));
		r = -ENODEV;
	}
	if (r == -ENODEV)
		r = create(sock, bridge, name, err);
	else if (r < 0)
		r = hoy_err_code(err, r, "find '%s'", name);
	return r < 0 ? r : join(sock, name, bridge->name, err);
}

void hoy_vxlan_remove(struct nl_sock *sock, const char *bridge)
{
	auto_(put_link) struct rtnl_link *link = NULL;
	char name[IFNAMSIZ];

	make_name(name, bridge);
	if (hoy_rtnl_link(sock, name, &link) >= 0 && rtnl_link_is_vxlan(link) &&
		hoy_str_eq(rtnl_link_get_ifalias(link), HOY_RTNL_ALIAS))
		(void) hoy_rtnl_delete(sock, rtnl_link_get_ifindex(link));
}

/* --- its entries ------------------------------------------------------------------- */

/* Of the bridge family a MAC is behind a host (`address`), of IPv4 an address has a MAC. */
struct entry {
	uint8_t family;
	uint8_t mac[6];
	uint32_t address;
};

struct entries {
	int ifindex;
	struct entry *all;
	size_t n;
	bool failed;
};

static int on_entry(struct nl_msg *msg, void *userdata)
{
	struct entries *entries = userdata;
	struct nlmsghdr *head = nlmsg_hdr(msg);
	const struct ndmsg *nd = nlmsg_data(head);
	struct nlattr *attrs[NDA_MAX + 1];
	struct entry *grown;

	if (nlmsg_parse(head, sizeof *nd, attrs, NDA_MAX, NULL) < 0 || nd->ndm_ifindex != entries->ifindex ||
		!(nd->ndm_state & NUD_PERMANENT) || !attrs[NDA_DST] || nla_len(attrs[NDA_DST]) != 4 ||
		!attrs[NDA_LLADDR] || nla_len(attrs[NDA_LLADDR]) != 6)
		return NL_OK;
	grown = reallocarray(entries->all, entries->n + 1, sizeof *grown);
	if (!grown) {
		entries->failed = true;
		return NL_OK;
	}
	entries->all = grown;
	grown += entries->n++;
	grown->family = nd->ndm_family;
	memcpy(grown->mac, nla_data(attrs[NDA_LLADDR]), sizeof grown->mac);
	grown->address = ntohl(nla_get_u32(attrs[NDA_DST]));
	return NL_OK;
}

static int list(struct nl_sock *sock, int family)
{
	struct ndmsg nd = { .ndm_family = (uint8_t) family }; /* whole: else bridge entries are not listed */
	int r = nl_send_simple(sock, RTM_GETNEIGH, NLM_F_DUMP, &nd, sizeof nd);

	return r < 0 ? r : nl_recvmsgs_default(sock);
}

/* Returns libnl's code. */
static int change(struct nl_sock *sock, int ifindex, int op, const struct entry *entry)
{
	struct ndmsg nd = { .ndm_family = entry->family,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = entry->family == AF_BRIDGE ? NTF_SELF : 0 };
	struct nl_msg *msg = nlmsg_alloc_simple(op, op == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0);

	if (!msg)
		return -NLE_NOMEM;
	if (nlmsg_append(msg, &nd, sizeof nd, NLMSG_ALIGNTO) >= 0 &&
		nla_put(msg, NDA_LLADDR, sizeof entry->mac, entry->mac) >= 0 &&
		nla_put_u32(msg, NDA_DST, htonl(entry->address)) >= 0)
		return nl_send_sync(sock, msg); /* frees it */
	nlmsg_free(msg);
	return -NLE_NOMEM;
}

/* Is it one of the wanted ones? Then it is noted as there (bit 1: bridge, 2: IPv4). */
static bool note(const struct entry *entry, const struct hoy_net_remote *remotes, uint8_t *there, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_fdb = entry->family == AF_BRIDGE;

		if (memcmp(remotes[i].mac, entry->mac, sizeof entry->mac) != 0 ||
			(is_fdb ? remotes[i].vtep : remotes[i].address) != entry->address)
			continue;
		there[i] |= is_fdb ? 1 : 2;
		return true;
	}
	return false;
}

static int add(struct nl_sock *sock, int ifindex, const struct hoy_net_remote *remote, uint8_t there)
{
	struct entry entry = { .family = AF_BRIDGE, .address = remote->vtep };
	int r = 0;

	memcpy(entry.mac, remote->mac, sizeof entry.mac);
	if (!(there & 1))
		r = change(sock, ifindex, RTM_NEWNEIGH, &entry);
	entry.family = AF_INET;
	entry.address = remote->address;
	if (r >= 0 && !(there & 2))
		r = change(sock, ifindex, RTM_NEWNEIGH, &entry);
	return r;
}

/* What is not wanted goes first: an address or a MAC may have moved to another host, or to this one. So does what the
 * bridge has learned of it. */
static int replace(struct nl_sock *sock, const struct entries *now, const struct hoy_net_remote *remotes, size_t n)
{
	auto_free uint8_t *there = calloc(n + 1, sizeof *there);
	int r = there ? 0 : -NLE_NOMEM;
	bool moved = false;

	for (size_t i = 0; i < now->n && there; i++)
		if (!note(&now->all[i], remotes, there, n)) {
			(void) change(sock, now->ifindex, RTM_DELNEIGH, &now->all[i]);
			moved = true;
		}
	if (moved)
		(void) hoy_rtnl_set_port(sock, now->ifindex, IFLA_BRPORT_FLUSH, 1);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = add(sock, now->ifindex, &remotes[i], there[i]);
	return r;
}

int hoy_vxlan_tell(const char *bridge, const struct hoy_net_remote *remotes, size_t n, struct hoy_err *err)
{
	struct entries now = {};
	auto_(free_sock) struct nl_sock *sock = NULL, *listing = NULL; /* the second one's callback is changed */
	char name[IFNAMSIZ];
	int r;

	make_name(name, bridge);
	now.ifindex = (int) if_nametoindex(name);
	if (now.ifindex == 0)
		return hoy_err_sys(err, "find VXLAN interface '%s'", name);
	r = hoy_rtnl_open(&sock, err);
	if (r >= 0)
		r = hoy_rtnl_open(&listing, err);
	if (r < 0)
		return r;
	nl_socket_enable_msg_peek(listing);
	r = nl_socket_modify_cb(listing, NL_CB_VALID, NL_CB_CUSTOM, on_entry, &now);
	if (r >= 0)
		r = list(listing, AF_BRIDGE);
	if (r >= 0)
		r = list(listing, AF_INET);
	if (r >= 0 && now.failed)
		r = -NLE_NOMEM;
	if (r >= 0)
		r = replace(sock, &now, remotes, n);
	free(now.all);
	return r < 0 ? hoy_rtnl_err(err, r, "tell the hosts behind", name) : 0;
}
