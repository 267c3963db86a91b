/* An image brought from a registry: its manifest or index, this platform's manifest, config and layers. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_PULL_H
#define HOY_SUPERVISOR_WORKER_FETCH_PULL_H

#include "supervisor/worker/fetch/registry.h"

/* Tells hoyd of everything but the end: `done` is the packet to end with. */
int hoy_fetch_pull(struct hoy_registry *registry, struct hoy_fetch_packet *done, struct hoy_err *err);

#endif
