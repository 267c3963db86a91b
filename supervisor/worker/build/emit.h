/* A plan as the JSON that hoyd reads, see protocol.h. */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_EMIT_H
#define HOY_SUPERVISOR_WORKER_BUILD_EMIT_H

#include "base/buf.h"
#include "supervisor/build/plan.h"

/* `context` is the directory that holds the build context. */
int hoy_build_emit(const struct hoy_build_plan *plan, int context, struct hoy_buf *buf, struct hoy_err *err);

#endif
