/*
 * Interfaces that are children of one of the host's (macvlan, ipvlan): no bridge, no rules. Configures no addresses;
 * that is the same for all endpoints (link.c).
 */
#ifndef HOY_WORKER_NET_CHILD_H
#define HOY_WORKER_NET_CHILD_H

#include "supervisor/worker/net/proto.h"

struct nl_sock;

/* Sees to it that the parent exists: a VLAN's sub-interface ("eth0.10") is made. Unsupported: the kernel lacks the
 * kind. */
int hoy_child_parent(struct nl_sock *sock, const struct hoy_net_bridge *bridge, struct hoy_err *err);
/* The VLAN sub-interface that was made for a network; any other interface is left alone. */
void hoy_child_remove_vlan(struct nl_sock *sock, const char *name);
/* attach->ifname in the namespace `netns`, down; -EEXIST: there is one of the name. */
int hoy_child_create(struct nl_sock *sock, const struct hoy_net_bridge *bridge, const struct hoy_net_attach *attach,
	int netns, struct hoy_err *err);

#endif
