/* What the parent sets on the container's process from outside, because it has more rights than the child. */
#ifndef HOY_RUNTIME_APPLY_PROCESS_H
#define HOY_RUNTIME_APPLY_PROCESS_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_oci_process;
struct hoy_plan;

/* oomScoreAdj, scheduler, ioPriority of `process` in `plan`, on process `pid` that waits for it; and the rlimits whose
 * bits are set in `rlimits`: those it was not allowed to set itself. */
int hoy_apply_process(pid_t pid, const struct hoy_plan *plan, const struct hoy_oci_process *process,
	unsigned int rlimits, struct hoy_err *err);

#endif
