/* A plan as the JSON that hoyd reads, see protocol.h. */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_EMIT_H
#define HOY_SUPERVISOR_WORKER_BUILD_EMIT_H

#include "base/buf.h"
#include "supervisor/build/plan.h"

/* `dockerfile` is its name; `roots`: by the number of their steps the directories that hold the contexts. */
int hoy_build_emit(const struct hoy_build_plan *plan, const char *dockerfile, const int *roots, struct hoy_buf *buf,
	struct hoy_err *err);

#endif
