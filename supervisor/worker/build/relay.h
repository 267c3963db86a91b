/*
 * A client's session that comes by a call of its control connection (Control.Session): the call's messages, of one
 * field with bytes, are what a socket carries. Newer buildx opens those that several builds share so.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_RELAY_H
#define HOY_SUPERVISOR_WORKER_BUILD_RELAY_H

#include "base/err.h"

struct hoy_grpc_call;
struct hoy_loop;
struct hoy_relay;

/*
 * Takes the server's call over: what the client sends is kept (at most a window of it) until there is a socket. `ended`
 * is called once, when the call is gone, and the relay and its socket with it.
 */
int hoy_relay_new(struct hoy_loop *loop, struct hoy_grpc_call *call, void (*ended)(void *userdata), void *userdata,
	struct hoy_relay **ret, struct hoy_err *err);
/* The stream socket `fd` is taken over, also on failure; its end is the call's. Once. */
int hoy_relay_connect(struct hoy_relay *relay, int fd, struct hoy_err *err);

#endif
