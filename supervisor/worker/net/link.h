/*
 * The network devices: bridges, veth pairs, addresses, routes, by rtnetlink, every request acknowledged. Decides
 * nothing; knows neither ports nor rules.
 */
#ifndef HOY_WORKER_NET_LINK_H
#define HOY_WORKER_NET_LINK_H

#include "supervisor/worker/net/proto.h"

struct hoy_links;

/* A route socket in our network namespace, and that namespace itself for the way back from others. */
int hoy_links_open(struct hoy_links **ret, struct hoy_err *err);
void hoy_links_free(struct hoy_links *links);
HOY_DEFINE_AUTO_PTR(struct hoy_links, hoy_links_free);

/*
 * Makes the bridge (alias "hoy": made by us) or takes the one that has the name, gives it the address, raises it,
 * lets 127/8 through it and turns IPv4 forwarding on. For children: sees to it that there is a parent, makes it when it
 * is the sub-interface of a VLAN.
 */
int hoy_links_bridge(struct hoy_links *links, const struct hoy_net_bridge *bridge, struct hoy_err *err);
/* Is there such a bridge, and made by us? */
bool hoy_links_made_bridge(struct hoy_links *links, const char *name);
/* Removes it if we made it; fine when there is none. */
int hoy_links_remove_bridge(struct hoy_links *links, const char *name, struct hoy_err *err);

/*
 * The veth pair of an endpoint: one end in `bridge`, named after the endpoint's id; the other is attach->ifname in the
 * namespace `netns` with address, MAC and, if it is the container's gateway, default route; lo goes up. *ret_ifindex is
 * the host's end. On failure nothing is left.
 */
int hoy_links_attach(struct hoy_links *links, const struct hoy_net_bridge *bridge, const struct hoy_net_attach *attach,
	int netns, int *ret_ifindex, struct hoy_err *err);

/* Deletes an interface inside a container's namespace. */
void hoy_links_delete_inside(struct hoy_links *links, int netns, const char *ifname);
/* The VLAN sub-interface that was made for a network, "eth0.10"; any other is left alone. */
void hoy_links_remove_vlan(struct hoy_links *links, const char *name);

/* The container's default route becomes the one by this bridge. */
int hoy_links_set_gateway(struct hoy_links *links, const struct hoy_net_bridge *bridge,
	const struct hoy_net_attach *attach, int netns, struct hoy_err *err);

/* Runs `act` inside another network namespace, for sockets that have to be born there; returns its result. */
typedef int (*hoy_links_act)(void *userdata, struct hoy_err *err);
int hoy_links_inside(struct hoy_links *links, int netns, hoy_links_act act, void *userdata, struct hoy_err *err);

/* Is the host's end still there? It goes with the container's namespace. */
bool hoy_links_exists(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN]);
/* All interfaces of the host (if_nameindex()), to look for many: has the endpoint a host's end among them? */
struct if_nameindex;
bool hoy_links_has(const struct if_nameindex *all, const uint8_t id[HOY_NET_ID_LEN]);
/* Deletes it, if it is still that endpoint's. */
void hoy_links_delete(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN]);
/* Deletes a host's end that hoy_links_each() has found, and is no endpoint's. */
void hoy_links_sweep(struct hoy_links *links, int ifindex);
/* Its bridge passes on nothing from it and to it any longer: far cheaper than deleting it. */
void hoy_links_silence(struct hoy_links *links, int ifindex, const uint8_t id[HOY_NET_ID_LEN]);

/* Goes through the host ends of ours in a bridge. */
typedef void (*hoy_links_found)(void *userdata, int ifindex, const char *name);
int hoy_links_each(const char *bridge, hoy_links_found found, void *userdata, struct hoy_err *err);
/* Is `name` the host end of this endpoint? */
bool hoy_links_name_is(const char *name, const uint8_t id[HOY_NET_ID_LEN]);

#endif
