/* The user's ssh agent, for a call of the engine: bytes to its socket and back. */
#ifndef HOY_SUPERVISOR_WORKER_SESSION_AGENT_H
#define HOY_SUPERVISOR_WORKER_SESSION_AGENT_H

#include "base/err.h"

struct hoy_grpc_call;
struct hoy_loop;

/* Connects, and accepts the call; the connection ends with it. */
int hoy_session_agent_start(struct hoy_loop *loop, struct hoy_grpc_call *call, const char *socket, struct hoy_err *err);

#endif
