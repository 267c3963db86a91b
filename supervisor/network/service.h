/*
 * hoyd's side of hoy-net: starts it when there is something to ask, keeps the requests in order, and begins anew when
 * it (or its predecessor's connection) is gone: then the owner is asked to tell the whole state again.
 */
#ifndef HOY_NETWORK_SERVICE_H
#define HOY_NETWORK_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "supervisor/worker/net/proto.h"

struct hoy_loop;
struct hoy_service;

/* Exactly one is not NULL. From the loop. */
typedef void (*hoy_service_replied)(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err);

/* Between SYNC_BEGIN and SYNC_END of a new connection: sends what there is, by hoy_service_send(). */
typedef void (*hoy_service_sync)(void *userdata);
/* Is hoy-net wanted even when no request waits (endpoints are attached)? */
typedef bool (*hoy_service_wanted)(void *userdata);

struct hoy_service_owner {
	hoy_service_sync sync;
	hoy_service_wanted wanted;
	void *userdata;
	int cgroup_fd;           /* where hoy-net is born; 0: with us */
	const char *host_socket; /* rootless: of hoy-host, for ports of the host; only for hoy_service_new() */
};

int hoy_service_new(struct hoy_loop *loop, const char *exec_root, const char *table,
	const struct hoy_service_owner *owner, struct hoy_service **ret, struct hoy_err *err);
/* Closes the connection; no callback is called any more. */
void hoy_service_free(struct hoy_service *service);
HOY_DEFINE_AUTO_PTR(struct hoy_service, hoy_service_free);

/* Queues a request of `size` bytes with `fd` (>= 0: duplicated) beside it; op and what follows are the caller's, seq
 * is ours. `replied` may be NULL. Starts hoy-net if need be; when that fails three times in a row the queue is
 * answered with the error. */
int hoy_service_send(struct hoy_service *service, const struct hoy_net_request *request, size_t size, int fd,
	hoy_service_replied replied, void *userdata, struct hoy_err *err);

/* In a `replied`: takes descriptors that came beside the reply, at most `max`. Returns their number. */
size_t hoy_service_take_fds(struct hoy_service *service, int *ret, size_t max);

bool hoy_service_is_connected(const struct hoy_service *service);
/* Connects, and so tells the state, without a request. */
void hoy_service_start(struct hoy_service *service);

/* Tells hoy-net to remove everything of ours in the kernel and to end; waits for it, at most `timeout_ms`. */
void hoy_service_quit(struct hoy_service *service, int timeout_ms);

#endif
