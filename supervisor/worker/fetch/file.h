/* Any file by its URL, for builds. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_FILE_H
#define HOY_SUPERVISOR_WORKER_FETCH_FILE_H

#include "supervisor/worker/fetch/registry.h"

/* Writes what is at the request's `url` into `output` and tells HEAD. `done` says its digest; with the request's `etag`
 * maybe that it is EXISTED: nothing was written. */
int hoy_fetch_file(struct hoy_registry *registry, int output, struct hoy_fetch_packet *done, struct hoy_err *err);

#endif
