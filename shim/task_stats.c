/* Stats of a task. */
#include "shim/task_stats.h"

#include "base/ttrpc/ttrpc.h"

void hoy_task_stats_answer(const struct hoy_task_cgroup *cgroup, struct hoy_ttrpc_request *req)
{
	(void) cgroup;
	hoy_ttrpc_answer_code(req, HOY_TTRPC_UNIMPLEMENTED, "stats are not supported");
}
