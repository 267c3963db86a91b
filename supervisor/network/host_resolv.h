/* Watches the host's resolv.conf, so that running containers ask the servers that it names now. */
#ifndef HOY_NETWORK_HOST_RESOLV_H
#define HOY_NETWORK_HOST_RESOLV_H

#include "base/err.h"

struct hoy_loop;
struct hoy_host_resolv;

/* `changed` is called from the loop when the file was written or replaced. Without the file, or without inotify, it is
 * never called: that is logged, not an error. */
int hoy_host_resolv_watch(struct hoy_loop *loop, void (*changed)(void *userdata), void *userdata,
	struct hoy_host_resolv **ret, struct hoy_err *err);
void hoy_host_resolv_free(struct hoy_host_resolv *watch);

#endif
