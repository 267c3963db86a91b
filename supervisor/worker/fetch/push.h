/* Pushing: what the registry has not goes there, blobs first, the document that has the tag last. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_PUSH_H
#define HOY_SUPERVISOR_WORKER_FETCH_PUSH_H

#include "supervisor/worker/fetch/registry.h"

/* Fills in DONE: digest, size and media type of what has the tag now. That is the request's `manifest` instead of its
 * `root` when the root is an index of which hoyd has not all. */
int hoy_fetch_push(struct hoy_registry *registry, struct hoy_fetch_packet *done, struct hoy_err *err);

#endif
