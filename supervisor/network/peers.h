/*
 * hoyd's side of hoy-peer: starts it, keeps the connection, and tells everything anew whenever it is new. What waits for
 * an answer when hoy-peer ends is asked again, three times at most.
 */
#ifndef HOY_NETWORK_PEERS_H
#define HOY_NETWORK_PEERS_H

#include "supervisor/worker/peer/proto.h"

struct hoy_loop;
struct hoy_peers;

/* From the loop. */
struct hoy_peers_owner {
	/* A new connection: sends HELD, MEMBERS... by hoy_peers_send(). */
	void (*tell_all)(void *userdata);
	/* NETWORK, NETWORK_GONE, REMOTE, REMOTE_GONE, COMPLETE, TROUBLE. */
	void (*told)(void *userdata, const struct hoy_peer_message *message);
	void *userdata;
	int cgroup_fd; /* where hoy-peer is born; 0: with us */
};

/* Exactly one is not NULL; a reply's err is 0. */
typedef void (*hoy_peers_replied)(void *userdata, const struct hoy_peer_message *reply, const struct hoy_err *err);

int hoy_peers_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_peer_hello *hello,
	const struct hoy_peers_owner *owner, struct hoy_peers **ret, struct hoy_err *err);
void hoy_peers_free(struct hoy_peers *peers); /* hoy-peer goes on; no callback is called any more */
void hoy_peers_start(struct hoy_peers *peers);
/* Ends hoy-peer, if it runs. */
void hoy_peers_quit(struct hoy_peers *peers);

/* Nothing is sent while there is no connection: the next one is told everything. */
void hoy_peers_send(struct hoy_peers *peers, const struct hoy_peer_message *message);
/* CREATE, REMOVE or LEASE. */
int hoy_peers_ask(struct hoy_peers *peers, const struct hoy_peer_message *message, hoy_peers_replied replied,
	void *userdata, struct hoy_err *err);

#endif
