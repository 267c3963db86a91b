/* Notices that somebody took a table away: `nft flush ruleset`, a firewall service that starts over. */
#ifndef HOY_WORKER_NET_WATCH_H
#define HOY_WORKER_NET_WATCH_H

#include <stdbool.h>

#include "base/err.h"

/* A socket that becomes readable with every change of the host's nftables. The fd or -errno. */
int hoy_watch_open(struct hoy_err *err);

/* Reads what is there. True: `table` (of ip or ip6) was deleted, by whomever, or so much happened that nobody knows. */
bool hoy_watch_read(int fd, const char *table);

#endif
