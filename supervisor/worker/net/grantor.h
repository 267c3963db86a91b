/* The sockets by which hoy-dns says which addresses names have: one per hoy-dns, given to us by hoyd. */
#ifndef HOY_WORKER_NET_GRANTOR_H
#define HOY_WORKER_NET_GRANTOR_H

#include "base/err.h"

struct hoy_loop;
struct hoy_state;
struct hoy_grantors;

int hoy_grantors_new(struct hoy_loop *loop, struct hoy_state *state, struct hoy_grantors **ret, struct hoy_err *err);
void hoy_grantors_free(struct hoy_grantors *grantors);
/* Takes the socket. */
int hoy_grantors_add(struct hoy_grantors *grantors, int sock, struct hoy_err *err);

#endif
