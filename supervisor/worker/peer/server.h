/* The conversation with hoyd, by EXECROOT/hoy-peer.sock. One hoyd at a time. */
#ifndef HOY_WORKER_PEER_SERVER_H
#define HOY_WORKER_PEER_SERVER_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_peer_server;

/* `trusted` may connect beside root: who has started us. */
int hoy_peer_server_new(
	struct hoy_loop *loop, int listen_fd, uid_t trusted, struct hoy_peer_server **ret, struct hoy_err *err);
void hoy_peer_server_free(struct hoy_peer_server *server);
HOY_DEFINE_AUTO_PTR(struct hoy_peer_server, hoy_peer_server_free);

#endif
