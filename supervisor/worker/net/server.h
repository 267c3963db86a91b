/* hoy-net's only client, hoyd: receives requests, lets the state act, replies. Decides when hoy-net is done. */
#ifndef HOY_WORKER_NET_SERVER_H
#define HOY_WORKER_NET_SERVER_H

#include "base/err.h"

struct hoy_loop;
struct hoy_state;
struct hoy_server;

/*
 * Serves the listening SEQPACKET socket `listen_fd` (borrowed). A newer connection takes the place of an older one.
 * Ends the loop with 0 after QUIT, and when for ten seconds there was neither a client nor an endpoint whose
 * container lives: then bridges and table are removed first.
 */
int hoy_server_new(
	struct hoy_loop *loop, struct hoy_state *state, int listen_fd, struct hoy_server **ret, struct hoy_err *err);
void hoy_server_free(struct hoy_server *server);
HOY_DEFINE_AUTO_PTR(struct hoy_server, hoy_server_free);

#endif
