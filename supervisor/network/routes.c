/* One dump of the routing tables by rtnetlink. Changes nothing. */
#include "supervisor/network/routes.h"

#include <errno.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <stdlib.h>
#include <string.h>

struct routes {
	struct hoy_prefix *prefixes;
	size_t n;
	int except;
	bool out_of_memory;
};

static void free_sock(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static bool goes_over(struct rtnl_route *route, int ifindex)
{
	return ifindex != 0 && rtnl_route_get_nnexthops(route) == 1 &&
	       rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) == ifindex;
}

static void on_route(struct nl_object *object, void *userdata)
{
	struct rtnl_route *route = (struct rtnl_route *) object;
	struct routes *routes = userdata;
	struct nl_addr *dst = rtnl_route_get_dst(route);
	struct hoy_prefix *grown;
	struct in_addr in;

	if (!dst || nl_addr_get_family(dst) != AF_INET || nl_addr_get_prefixlen(dst) == 0 ||
		nl_addr_get_len(dst) != sizeof in || goes_over(route, routes->except))
		return;
	grown = reallocarray(routes->prefixes, routes->n + 1, sizeof *grown);
	if (!grown) {
		routes->out_of_memory = true;
		return;
	}
	memcpy(&in, nl_addr_get_binary_addr(dst), sizeof in);
	routes->prefixes = grown;
	grown[routes->n++] = (struct hoy_prefix){ ntohl(in.s_addr), nl_addr_get_prefixlen(dst) };
}

static int on_message(struct nl_msg *msg, void *userdata)
{
	(void) nl_msg_parse(msg, on_route, userdata);
	return NL_OK;
}

static int dump(struct nl_sock *sock, struct routes *routes)
{
	struct rtmsg any = { .rtm_family = AF_INET };
	int r = nl_connect(sock, NETLINK_ROUTE);

	if (r >= 0)
		r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, routes);
	if (r >= 0)
		r = nl_send_simple(sock, RTM_GETROUTE, NLM_F_DUMP, &any, sizeof any);
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	return r;
}

int hoy_routes_read(const char *except, struct hoy_prefix **ret, size_t *ret_n, struct hoy_err *err)
{
	auto_(free_sock) struct nl_sock *sock = nl_socket_alloc();
	struct routes routes = { .except = (int) if_nametoindex(except) };
	int r;

	if (!sock)
		return hoy_err_oom(err);
	r = dump(sock, &routes);
	if (r < 0 || routes.out_of_memory) {
		free(routes.prefixes);
		if (routes.out_of_memory)
			return hoy_err_oom(err);
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "read the host's routes: %s", nl_geterror(r));
	}
	*ret = routes.prefixes;
	*ret_n = routes.n;
	return 0;
}
