/* The container's cgroup as the shim needs it: out-of-memory kills, signals to everything in it, its processes. */
#ifndef HOY_SHIM_TASK_CGROUP_H
#define HOY_SHIM_TASK_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_cgroup_stats;
struct hoy_loop;
struct hoy_task_cgroup;

/* Once per out-of-memory kill that was noticed. */
typedef void (*hoy_oom_handler)(void *userdata);

/* Finds the cgroup of `pid`. A process in the root group, or a host without the controllers, gives *ret = NULL. */
int hoy_task_cgroup_new(struct hoy_loop *loop, pid_t pid, hoy_oom_handler handler, void *userdata,
	struct hoy_task_cgroup **ret, struct hoy_err *err);
void hoy_task_cgroup_free(struct hoy_task_cgroup *cgroup);

/* Looks at the counter now, calling the handler for what is new; true when there ever was an OOM kill. */
bool hoy_task_cgroup_check_oom(struct hoy_task_cgroup *cgroup);

int hoy_task_cgroup_kill(struct hoy_task_cgroup *cgroup, int sig, struct hoy_err *err);
/* Heap; empty when the group is gone. */
int hoy_task_cgroup_pids(const struct hoy_task_cgroup *cgroup, pid_t **ret, size_t *ret_n, struct hoy_err *err);

/* See base/cgroup/cgroup.h; the caller frees with hoy_cgroup_stats_done(). */
int hoy_task_cgroup_stats(const struct hoy_task_cgroup *cgroup, struct hoy_cgroup_stats *ret, struct hoy_err *err);

#endif
