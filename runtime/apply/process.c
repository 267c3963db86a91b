/* Limits and scheduling, by pid. */
#include "runtime/apply/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "runtime/plan/plan.h"
#include "runtime/sync.h"

#define IOPRIO_WHO_PROCESS 1

/* As sched_setattr(2) has it; the kernel's header for it does not go together with <sched.h>. */
struct sched_attr {
	uint32_t size;
	uint32_t sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime;
	uint64_t sched_deadline;
	uint64_t sched_period;
	uint32_t sched_util_min;
	uint32_t sched_util_max;
};

static int set_oom_score(pid_t pid, const int32_t *score, struct hoy_err *err)
{
	char path[64], value[16];

	if (!score)
		return 0;
	(void) snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int) pid);
	(void) snprintf(value, sizeof value, "%d", (int) *score);
	return hoy_file_set(AT_FDCWD, path, value, err) < 0 ? hoy_err_wrap(err, "process.oomScoreAdj") : 0;
}

static bool has_cpuset(const struct hoy_plan *plan)
{
	const struct hoy_oci_resources *r = plan->spec->linux_->resources;

	return r && r->cpu && r->cpu->cpus && r->cpu->cpus[0];
}

static int set_scheduler(pid_t pid, const struct hoy_plan *plan, struct hoy_err *err)
{
	const struct hoy_plan_sched *s = plan->sched;
	struct sched_attr attr = { .size = sizeof attr };

	if (!s)
		return 0;
	attr.sched_policy = s->policy;
	attr.sched_flags = s->flags;
	attr.sched_nice = s->nice;
	attr.sched_priority = s->priority;
	attr.sched_runtime = s->runtime;
	attr.sched_deadline = s->deadline;
	attr.sched_period = s->period;
	if (syscall(SYS_sched_setattr, pid, &attr, 0) == 0)
		return 0;
	if (errno == EPERM && has_cpuset(plan)) /* a deadline needs all CPUs */
		return hoy_err_set(err, HOY_ERR_INVALID, EPERM,
			"process scheduler can't be used together with AllowedCPUs (linux.resources.cpu.cpus)");
	return hoy_err_sys(err, "process.scheduler: set scheduler attributes");
}

bool hoy_process_is_complete(const struct hoy_plan *plan)
{
	return !plan->spec->process->oom_score_adj && !plan->sched && plan->ioprio < 0;
}

int hoy_finish_process(int sock, pid_t pid, const struct hoy_plan *plan, unsigned int rlimits, struct hoy_err *err)
{
	int r = set_oom_score(pid, plan->spec->process->oom_score_adj, err);

	if (r == 0)
		r = set_scheduler(pid, plan, err);
	if (r < 0)
		return r;
	if (plan->ioprio >= 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, plan->ioprio) < 0)
		return hoy_err_sys(err, "process.ioPriority: set I/O priority");
	for (size_t i = 0; i < plan->n_rlimits; i++) {
		const struct hoy_plan_rlimit *l = &plan->rlimits[i];
		const struct rlimit limit = { .rlim_cur = l->soft, .rlim_max = l->hard };

		if (rlimits & 1U << i && prlimit(pid, l->resource, &limit, NULL) < 0)
			return hoy_err_sys(err, "process.rlimits[%zu]: error setting rlimits for %s to %llu:%llu", i,
				l->name, (unsigned long long) l->soft, (unsigned long long) l->hard);
	}
	return rlimits ? hoy_sync_send(sock, HOY_SYNC_GO, 0, -EBADF, err) : 0;
}
