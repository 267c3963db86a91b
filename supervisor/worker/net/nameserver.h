/* The part of a container's name server that needs rights: its sockets, and the rules that lead to them. */
#ifndef HOY_WORKER_NET_NAMESERVER_H
#define HOY_WORKER_NET_NAMESERVER_H

#include "supervisor/worker/net/link.h"

/* Opens HOY_DNS_N_SOCKETS in the namespace `netns`; they are the caller's. On failure none is. */
int hoy_nameserver_open(struct hoy_links *links, int netns, int *ret_sockets, struct hoy_err *err);

#endif
