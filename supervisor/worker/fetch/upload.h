/* Blobs on their way to a registry, several at a time. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_UPLOAD_H
#define HOY_SUPERVISOR_WORKER_FETCH_UPLOAD_H

#include "supervisor/worker/fetch/blobs.h"

/* Brings those to the registry that it has not: mounted from another repository if it may be, else sent from their
 * files; each is told by GOT. The first that fails ends all. */
int hoy_fetch_upload(struct hoy_registry *registry, struct hoy_fetch_blob *blobs, size_t n, struct hoy_err *err);

#endif
