/*
 * A network between hosts: the VXLAN device in its bridge, and what the kernel is told of the containers on other hosts:
 * which MAC is behind which host, which MAC an address has. Nothing is learned and nothing flooded: the device answers
 * ARP from these entries, and a frame for an unknown MAC ends here.
 */
#ifndef HOY_WORKER_NET_VXLAN_H
#define HOY_WORKER_NET_VXLAN_H

#include <netlink/netlink.h>

#include "supervisor/worker/net/proto.h"

/* Makes the device, or takes the one that is there, as a port of the bridge. */
int hoy_vxlan_make(struct nl_sock *sock, const struct hoy_net_bridge *bridge, struct hoy_err *err);
/* With all its entries; fine when there is none. */
void hoy_vxlan_remove(struct nl_sock *sock, const char *bridge);
/* The entries of the bridge's device become these. */
int hoy_vxlan_tell(const char *bridge, const struct hoy_net_remote *remotes, size_t n, struct hoy_err *err);

#endif
