/* What is asked of a registry beside images: are these credentials good, which tags are there, what is this reference.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_QUERY_H
#define HOY_SUPERVISOR_WORKER_FETCH_QUERY_H

#include "supervisor/worker/fetch/registry.h"

/* Serves the request's operation; the JSON goes to `output` (protocol.h says what it is). */
int hoy_fetch_query(struct hoy_registry *registry, int output, struct hoy_fetch_packet *done, struct hoy_err *err);

#endif
