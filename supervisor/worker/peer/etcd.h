/*
 * Speaks with etcd by its v3 JSON gateway, through libcurl on the event loop. Knows nothing of what is kept there.
 * Of several members one is asked; hoy_etcd_next() turns to another.
 */
#ifndef HOY_WORKER_PEER_ETCD_H
#define HOY_WORKER_PEER_ETCD_H

#include "base/buf.h"
#include "supervisor/worker/peer/answer.h"

struct hoy_etcd;
struct hoy_loop;

/* Exactly one is not NULL; from the loop, never from inside the call. A watch is called for every message, and once with
 * an error when it has ended. */
typedef void (*hoy_etcd_done)(void *userdata, const struct hoy_etcd_answer *answer, const struct hoy_err *err);

/* `stores`: "host:port,host:port". */
int hoy_etcd_new(struct hoy_loop *loop, const char *stores, struct hoy_etcd **ret, struct hoy_err *err);
void hoy_etcd_free(struct hoy_etcd *etcd); /* no callback is called any more */

/* POST /v3/`path`; answered within 3 s. */
int hoy_etcd_ask(struct hoy_etcd *etcd, const char *path, const char *body, hoy_etcd_done done, void *userdata,
	struct hoy_err *err);
/* One at a time; a second one takes the place of the first. */
int hoy_etcd_watch(struct hoy_etcd *etcd, const char *body, hoy_etcd_done done, void *userdata, struct hoy_err *err);
void hoy_etcd_unwatch(struct hoy_etcd *etcd);
void hoy_etcd_next(struct hoy_etcd *etcd);

#endif
