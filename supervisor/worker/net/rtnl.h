/* What link.c and child.c share: libnl's objects, addresses, links by name and number. */
#ifndef HOY_WORKER_NET_RTNL_H
#define HOY_WORKER_NET_RTNL_H

#include <netlink/addr.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netinet/in.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

#define HOY_RTNL_ALIAS "hoy" /* of links that we made */

static inline void free_sock(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}
static inline void put_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}
static inline void put_addr(struct nl_addr **addr)
{
	nl_addr_put(*addr);
}
static inline void put_rtnl_addr(struct rtnl_addr **addr)
{
	rtnl_addr_put(*addr);
}
static inline void put_route(struct rtnl_route **route)
{
	rtnl_route_put(*route);
}

/* A libnl error as -errno. */
int hoy_rtnl_code(int nl);
/* Sets `err` to "WHAT 'ON': ..." and returns its code. */
int hoy_rtnl_err(struct hoy_err *err, int nl, const char *what, const char *on);
/* A route socket in the namespace we are in; the caller's. */
int hoy_rtnl_open(struct nl_sock **ret, struct hoy_err *err);

/* libnl's addresses, the caller's; NULL without memory. IPv4 in host byte order. */
struct nl_addr *hoy_rtnl_ipv4(uint32_t address, unsigned int prefix_len);
struct nl_addr *hoy_rtnl_ipv6(const struct in6_addr *address, unsigned int prefix_len);
struct nl_addr *hoy_rtnl_mac(const uint8_t mac[6]);

/* -ENODEV when there is none. */
int hoy_rtnl_link(struct nl_sock *sock, const char *name, struct rtnl_link **ret);
/* One that is there is fine. `name` is for error texts. */
int hoy_rtnl_add_ipv4(struct nl_sock *sock, int ifindex, uint32_t address, unsigned int prefix_len, const char *name,
	struct hoy_err *err);
int hoy_rtnl_add_ipv6(struct nl_sock *sock, int ifindex, const struct in6_addr *address, unsigned int prefix_len,
	const char *name, struct hoy_err *err);
int hoy_rtnl_raise(struct nl_sock *sock, int ifindex, const char *name, struct hoy_err *err);
/* Returns libnl's code. */
int hoy_rtnl_delete(struct nl_sock *sock, int ifindex);
/* IFLA_BRPORT_*: one mode of a bridge port. Returns libnl's code. */
int hoy_rtnl_set_port(struct nl_sock *sock, int ifindex, int attribute, uint8_t value);
/* Gives it the alias that says that it is ours. */
int hoy_rtnl_mark(struct nl_sock *sock, const char *name, struct hoy_err *err);

#endif
