/*
 * This host's part in the cluster: keeps a mirror of what is in the store by a watch, its lease alive, and there what
 * hoyd says of this host. When the store is away all stays as it was, new requests are refused with the reason, and
 * when it is back the watch goes on from the last revision (all is read anew when that was compacted away).
 */
#ifndef HOY_WORKER_PEER_CLUSTER_H
#define HOY_WORKER_PEER_CLUSTER_H

#include "supervisor/worker/peer/proto.h"

struct hoy_cluster;
struct hoy_loop;

/* What hoyd is told. `message` is borrowed. */
typedef void (*hoy_cluster_tell)(void *userdata, const struct hoy_peer_message *message);

int hoy_cluster_new(struct hoy_loop *loop, const struct hoy_peer_hello *hello, hoy_cluster_tell tell, void *userdata,
	struct hoy_cluster **ret, struct hoy_err *err);
/* What is in the store stays; leases run out. */
void hoy_cluster_free(struct hoy_cluster *cluster);
bool hoy_cluster_is_same(const struct hoy_cluster *cluster, const struct hoy_peer_hello *hello);

/* Is an endpoint of this host up? */
bool hoy_cluster_has_members(const struct hoy_cluster *cluster);

/* A new hoyd: what it does not name until SYNC_END is no more. It is told all. */
void hoy_cluster_begin(struct hoy_cluster *cluster);
/* hoyd is gone: what it waits for is forgotten. */
void hoy_cluster_end(struct hoy_cluster *cluster);
/* Any other message of hoyd's, checked. */
int hoy_cluster_act(struct hoy_cluster *cluster, const struct hoy_peer_message *message, struct hoy_err *err);

#endif
