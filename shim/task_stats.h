/* Stats of a task in containerd's Metrics messages. */
#ifndef HOY_SHIM_TASK_STATS_H
#define HOY_SHIM_TASK_STATS_H

struct hoy_task_cgroup;
struct hoy_ttrpc_request;

/* `cgroup` may be NULL: not found. */
void hoy_task_stats_answer(const struct hoy_task_cgroup *cgroup, struct hoy_ttrpc_request *req);

#endif
