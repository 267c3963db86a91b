/* What the parent sets on the container's process from outside, because it has more rights than the child. */
#ifndef HOY_RUNTIME_APPLY_PROCESS_H
#define HOY_RUNTIME_APPLY_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_plan;

/* oomScoreAdj, scheduler and ioPriority of the plan's process, on process `pid` that is ready; and the rlimits whose
 * bits are set in `rlimits`: those it was not allowed to set itself, and for which it waits at `sock`. */
int hoy_finish_process(int sock, pid_t pid, const struct hoy_plan *plan, unsigned int rlimits, struct hoy_err *err);

/* There is none of that but perhaps rlimits. */
bool hoy_process_is_complete(const struct hoy_plan *plan);

#endif
