/* rtnetlink through libnl, one request and its acknowledgement at a time. Knows no bridges and no endpoints. */
#include "supervisor/worker/net/rtnl.h"

#include <errno.h>
#include <netlink/msg.h>
#include <netlink/attr.h>
#include <linux/if_link.h>
#include <linux/if_bridge.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/errno.h>
#include <string.h>

/* libnl folds errno into numbers of its own; the ones we act on go back. */
int hoy_rtnl_code(int nl)
{
	switch (-nl) {
	case NLE_EXIST:
		return -EEXIST;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return -ENODEV;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	case NLE_INVAL:
	case NLE_RANGE:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int hoy_rtnl_err(struct hoy_err *err, int nl, const char *what, const char *on)
{
	return hoy_err_set(err, HOY_ERR_SYSTEM, -hoy_rtnl_code(nl), "%s '%s': %s", what, on, nl_geterror(nl));
}

int hoy_rtnl_open(struct nl_sock **ret, struct hoy_err *err)
{
	auto_(free_sock) struct nl_sock *sock = nl_socket_alloc();
	int r;

	if (!sock)
		return hoy_err_oom(err);
	r = nl_connect(sock, NETLINK_ROUTE); /* SOCK_CLOEXEC */
	if (r < 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, -hoy_rtnl_code(r), "open route socket: %s", nl_geterror(r));
	nl_socket_disable_msg_peek(sock); /* one message here is never larger than a page */
	*ret = TAKE_PTR(sock);
	return 0;
}

struct nl_addr *hoy_rtnl_ipv4(uint32_t address, unsigned int prefix_len)
{
	const struct in_addr in = { htonl(address) };
	struct nl_addr *addr = nl_addr_build(AF_INET, &in, sizeof in);

	if (addr)
		nl_addr_set_prefixlen(addr, (int) prefix_len);
	return addr;
}

struct nl_addr *hoy_rtnl_ipv6(const struct in6_addr *address, unsigned int prefix_len)
{
	struct in6_addr copy = *address;
	struct nl_addr *addr = nl_addr_build(AF_INET6, &copy, sizeof copy);

	if (addr)
		nl_addr_set_prefixlen(addr, (int) prefix_len);
	return addr;
}

/* -ENODEV when there is none. */
int hoy_rtnl_link(struct nl_sock *sock, const char *name, struct rtnl_link **ret)
{
	int r = rtnl_link_get_kernel(sock, 0, name, ret);

	return r < 0 ? hoy_rtnl_code(r) : 0;
}

int hoy_rtnl_add_ipv4(struct nl_sock *sock, int ifindex, uint32_t address, unsigned int prefix_len, const char *name,
	struct hoy_err *err)
{
	auto_(put_rtnl_addr) struct rtnl_addr *addr = rtnl_addr_alloc();
	auto_(put_addr) struct nl_addr *local = hoy_rtnl_ipv4(address, prefix_len);
	auto_(put_addr) struct nl_addr *broadcast = hoy_rtnl_ipv4(
		prefix_len < 32 ? address | ~0U >> prefix_len : address, prefix_len);
	int r;

	if (!addr || !local || !broadcast)
		return hoy_err_oom(err);
	rtnl_addr_set_ifindex(addr, ifindex);
	rtnl_addr_set_prefixlen(addr, (int) prefix_len);
	r = rtnl_addr_set_local(addr, local);
	if (r >= 0 && prefix_len < 31)
		r = rtnl_addr_set_broadcast(addr, broadcast);
	if (r >= 0)
		r = rtnl_addr_add(sock, addr, 0);
	if (r < 0 && hoy_rtnl_code(r) != -EEXIST)
		return hoy_rtnl_err(err, r, "add address to", name);
	return 0;
}

/* No duplicate is looked for: addresses are leased. */
int hoy_rtnl_add_ipv6(struct nl_sock *sock, int ifindex, const struct in6_addr *address, unsigned int prefix_len,
	const char *name, struct hoy_err *err)
{
	auto_(put_rtnl_addr) struct rtnl_addr *addr = rtnl_addr_alloc();
	auto_(put_addr) struct nl_addr *local = hoy_rtnl_ipv6(address, prefix_len);
	int r;

	if (!addr || !local)
		return hoy_err_oom(err);
	rtnl_addr_set_ifindex(addr, ifindex);
	rtnl_addr_set_flags(addr, IFA_F_NODAD);
	r = rtnl_addr_set_local(addr, local);
	if (r >= 0)
		r = rtnl_addr_add(sock, addr, 0);
	if (r < 0 && hoy_rtnl_code(r) != -EEXIST)
		return hoy_rtnl_err(err, r, "add IPv6 address to", name);
	return 0;
}

int hoy_rtnl_raise(struct nl_sock *sock, int ifindex, const char *name, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_alloc();
	auto_(put_link) struct rtnl_link *change = rtnl_link_alloc();
	int r;

	if (!link || !change)
		return hoy_err_oom(err);
	rtnl_link_set_ifindex(link, ifindex);
	rtnl_link_set_flags(change, IFF_UP);
	r = rtnl_link_change(sock, link, change, 0);
	return r < 0 ? hoy_rtnl_err(err, r, "raise", name) : 0;
}

int hoy_rtnl_delete(struct nl_sock *sock, int ifindex)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_alloc();

	if (!link)
		return -ENOMEM;
	rtnl_link_set_ifindex(link, ifindex);
	return rtnl_link_delete(sock, link);
}

struct nl_addr *hoy_rtnl_mac(const uint8_t mac[6])
{
	uint8_t copy[6];

	memcpy(copy, mac, sizeof copy);
	return nl_addr_build(AF_LLC, copy, sizeof copy);
}

/* The kernel takes an alias only for a link that exists. */
int hoy_rtnl_mark(struct nl_sock *sock, const char *name, struct hoy_err *err)
{
	auto_(put_link) struct rtnl_link *link = rtnl_link_alloc();
	auto_(put_link) struct rtnl_link *change = rtnl_link_alloc();
	int r;

	if (!link || !change)
		return hoy_err_oom(err);
	rtnl_link_set_ifindex(link, (int) if_nametoindex(name));
	rtnl_link_set_ifalias(change, HOY_RTNL_ALIAS);
	r = rtnl_link_change(sock, link, change, 0);
	return r < 0 ? hoy_rtnl_err(err, r, "mark bridge", name) : 0;
}

int hoy_rtnl_set_port(struct nl_sock *sock, int ifindex, int attribute, uint8_t value)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, 0);
	struct nlattr *port;
	int r = -NLE_NOMEM;

	if (!msg)
		return r;
	if (nlmsg_append(msg, &info, sizeof info, NLMSG_ALIGNTO) >= 0 &&
		(port = nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED)) && nla_put_u8(msg, attribute, value) >= 0) {
		nla_nest_end(msg, port);
		return nl_send_sync(sock, msg); /* frees it */
	}
	nlmsg_free(msg);
	return r;
}
