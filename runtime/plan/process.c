/* What the program runs with besides capabilities: environment, limits, scheduling, memory policy, umask. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "base/str.h"
#include "runtime/plan/plan.h"

#define IOPRIO_CLASS_SHIFT 13
#define DEFAULT_UMASK 0022
#define MAX_NODES 1024

static const struct {
	const char *name;
	int resource;
} rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int hoy_rlimit_from_string(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rlimits); i++)
		if (strcmp(rlimits[i].name, name) == 0)
			return rlimits[i].resource;
	return -1;
}

static int plan_rlimits(struct hoy_plan *plan, const struct hoy_oci_process *p, struct hoy_err *err)
{
	plan->rlimits = calloc(p->n_rlimits + 1, sizeof *plan->rlimits);
	if (!plan->rlimits)
		return hoy_err_oom(err);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct hoy_oci_rlimit *spec = &p->rlimits[i];
		int resource = hoy_rlimit_from_string(spec->type);

		if (resource < 0)
			return hoy_err_invalid(err, "process.rlimits[%zu].type: unknown value '%s'", i, spec->type);
		for (size_t j = 0; j < plan->n_rlimits; j++)
			if (plan->rlimits[j].resource == resource)
				return hoy_err_invalid(
					err, "process.rlimits[%zu].type: '%s' occurs twice", i, spec->type);
		if (spec->soft > spec->hard)
			return hoy_err_invalid(err, "process.rlimits[%zu].soft: %llu is above the hard limit %llu", i,
				(unsigned long long) spec->soft, (unsigned long long) spec->hard);
		plan->rlimits[plan->n_rlimits++] = (struct hoy_plan_rlimit){
			.resource = resource,
			.name = spec->type,
			.soft = spec->soft,
			.hard = spec->hard,
		};
	}
	return 0;
}

static int plan_scheduler(struct hoy_plan *plan, const struct hoy_oci_scheduler *spec, struct hoy_err *err)
{
	static const uint32_t policies[] = {
		[HOY_OCI_SCHED_OTHER] = 0,
		[HOY_OCI_SCHED_FIFO] = 1,
		[HOY_OCI_SCHED_RR] = 2,
		[HOY_OCI_SCHED_BATCH] = 3,
		[HOY_OCI_SCHED_ISO] = 4,
		[HOY_OCI_SCHED_IDLE] = 5,
		[HOY_OCI_SCHED_DEADLINE] = 6,
	};
	struct hoy_plan_sched *s;

	if (!spec)
		return 0;
	if (spec->policy == HOY_OCI_SCHED_ISO)
		return hoy_err_unsupported(err, "process.scheduler.policy: Linux has no SCHED_ISO");
	s = plan->sched = calloc(1, sizeof *s);
	if (!s)
		return hoy_err_oom(err);
	s->policy = policies[spec->policy];
	s->nice = spec->nice ? *spec->nice : 0;
	s->priority = spec->priority ? (uint32_t) *spec->priority : 0;
	s->runtime = spec->runtime ? *spec->runtime : 0;
	s->deadline = spec->deadline ? *spec->deadline : 0;
	s->period = spec->period ? *spec->period : 0;
	if (s->nice < -20 || s->nice > 19)
		return hoy_err_invalid(err, "process.scheduler.nice: %d is not between -20 and 19", s->nice);
	if (s->priority && s->policy != 1 && s->policy != 2)
		return hoy_err_invalid(err, "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR");
	if ((s->runtime || s->deadline || s->period) && s->policy != 6)
		return hoy_err_invalid(
			err, "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE only");
	for (size_t i = 0; i < spec->n_flags; i++) /* the kernel's flags are in the order of the enumeration */
		s->flags |= 1ULL << (spec->flags[i] - HOY_OCI_SCHED_FLAG_RESET_ON_FORK);
	return 0;
}

static int plan_ioprio(struct hoy_plan *plan, const struct hoy_oci_io_priority *spec, struct hoy_err *err)
{
	static const int classes[] = {
		[HOY_OCI_IOPRIO_RT] = 1,
		[HOY_OCI_IOPRIO_BE] = 2,
		[HOY_OCI_IOPRIO_IDLE] = 3,
	};

	plan->ioprio = -1;
	if (!spec)
		return 0;
	if (spec->priority < 0 || spec->priority > 7)
		return hoy_err_invalid(
			err, "process.ioPriority.priority: %d is not between 0 and 7", (int) spec->priority);
	plan->ioprio = classes[spec->class_] << IOPRIO_CLASS_SHIFT | (int) spec->priority;
	return 0;
}

/* "0-3,7" into a bit mask. */
static int parse_nodes(struct hoy_plan_mpol *mpol, const char *nodes, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(nodes, ',');
	const unsigned int bits = 8 * sizeof(unsigned long);

	mpol->max_node = MAX_NODES;
	mpol->nodes = calloc(MAX_NODES / bits, sizeof *mpol->nodes);
	if (!mpol->nodes || !parts)
		return hoy_err_oom(err);
	for (char **p = parts; *p; p++) {
		char *dash = strchr(*p, '-');
		unsigned int from, to;

		if (dash)
			*dash = '\0';
		if (hoy_str_to_uint(*p, &from) < 0 || hoy_str_to_uint(dash ? dash + 1 : *p, &to) < 0 || from > to ||
			to >= MAX_NODES)
			return hoy_err_invalid(err, "linux.memoryPolicy.nodes: '%s' is not a list of nodes", nodes);
		for (unsigned int n = from; n <= to; n++)
			mpol->nodes[n / bits] |= 1UL << n % bits;
	}
	return 0;
}

static int plan_memory_policy(struct hoy_plan *plan, const struct hoy_oci_memory_policy *spec, struct hoy_err *err)
{
	static const int modes[] = {
		[HOY_OCI_MPOL_DEFAULT] = 0,
		[HOY_OCI_MPOL_PREFERRED] = 1,
		[HOY_OCI_MPOL_BIND] = 2,
		[HOY_OCI_MPOL_INTERLEAVE] = 3,
		[HOY_OCI_MPOL_LOCAL] = 4,
		[HOY_OCI_MPOL_PREFERRED_MANY] = 5,
		[HOY_OCI_MPOL_WEIGHTED_INTERLEAVE] = 6,
	};
	static const int flags[] = {
		[HOY_OCI_MPOL_F_NUMA_BALANCING] = 1 << 13,
		[HOY_OCI_MPOL_F_RELATIVE_NODES] = 1 << 14,
		[HOY_OCI_MPOL_F_STATIC_NODES] = 1 << 15,
	};

	if (!spec)
		return 0;
	plan->mpol = calloc(1, sizeof *plan->mpol);
	if (!plan->mpol)
		return hoy_err_oom(err);
	plan->mpol->mode = modes[spec->mode];
	for (size_t i = 0; i < spec->n_flags; i++)
		plan->mpol->mode |= flags[spec->flags[i]];
	return spec->nodes && spec->nodes[0] ? parse_nodes(plan->mpol, spec->nodes, err) : 0;
}

int hoy_cpu_list_parse(const char *list, cpu_set_t *ret)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(list, ',');

	if (!parts)
		return -ENOMEM;
	CPU_ZERO(ret);
	for (char **p = parts; *p; p++) {
		char *dash = strchr(*p, '-');
		unsigned int from, to;

		if (dash)
			*dash = '\0';
		if (hoy_str_to_uint(*p, &from) < 0 || hoy_str_to_uint(dash ? dash + 1 : *p, &to) < 0 || from > to ||
			to >= CPU_SETSIZE)
			return -EINVAL;
		for (unsigned int cpu = from; cpu <= to; cpu++)
			CPU_SET(cpu, ret);
	}
	return 0;
}

static int plan_affinity(const char *field, const char *list, cpu_set_t **ret, struct hoy_err *err)
{
	if (!list || !list[0])
		return 0;
	*ret = malloc(sizeof **ret);
	if (!*ret)
		return hoy_err_oom(err);
	if (hoy_cpu_list_parse(list, *ret) < 0)
		return hoy_err_invalid(err, "process.execCPUAffinity.%s: '%s' is not a list of CPUs", field, list);
	return 0;
}

/* The environment: the config's, what socket activation adds. HOME is found in the rootfs later. */
static int plan_env(struct hoy_plan *plan, const struct hoy_oci_process *p, struct hoy_err *err)
{
	for (size_t i = 0; p->env && p->env[i]; i++)
		if (!strchr(p->env[i], '=') || p->env[i][0] == '=')
			return hoy_err_invalid(err, "process.env[%zu]: '%s' is not NAME=VALUE", i, p->env[i]);
	plan->env = calloc(1, sizeof *plan->env);
	if (!plan->env)
		return hoy_err_oom(err);
	for (size_t i = 0; p->env && p->env[i];
		i++) /* of several with one name the last counts, and only it is passed */
		if (hoy_env_set(&plan->env, p->env[i]) < 0)
			return hoy_err_oom(err);
	if (!plan->params.listen_fds)
		return 0;
	/* LISTEN_PID is the program's pid as it sees it itself: 1, or filled in by the child. */
	if (hoy_strv_addf(&plan->env, "LISTEN_FDS=%u", plan->params.listen_fds) < 0)
		return hoy_err_oom(err);
	if (plan->params.listen_fdnames &&
		hoy_strv_addf(&plan->env, "LISTEN_FDNAMES=%s", plan->params.listen_fdnames) < 0)
		return hoy_err_oom(err);
	return 0;
}

static unsigned long plan_personality(const struct hoy_oci_personality *spec)
{
	if (!spec)
		return ~0UL;
	return spec->domain == HOY_OCI_PER_LINUX32 ? PER_LINUX32 : PER_LINUX;
}

static bool is_mapped(const struct hoy_oci_id_mapping *map, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= map[i].container_id && id - map[i].container_id < map[i].size)
			return true;
	return false;
}

/* In a user namespace of its own the container can be no user that the maps leave out. */
static int check_user(const struct hoy_plan *plan, const struct hoy_oci_user *user, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = plan->spec->linux_;

	if (!(plan->new_ns & CLONE_NEWUSER))
		return 0;
	if (!is_mapped(l->uid_mappings, l->n_uid_mappings, user->uid))
		return hoy_err_invalid(err, "process.user.uid: %u is not in linux.uidMappings", user->uid);
	if (!is_mapped(l->gid_mappings, l->n_gid_mappings, user->gid))
		return hoy_err_invalid(err, "process.user.gid: %u is not in linux.gidMappings", user->gid);
	for (size_t i = 0; i < user->n_additional_gids; i++)
		if (!is_mapped(l->gid_mappings, l->n_gid_mappings, user->additional_gids[i]))
			return hoy_err_invalid(err, "process.user.additionalGids[%zu]: %u is not in linux.gidMappings",
				i, user->additional_gids[i]);
	return 0;
}

int hoy_plan_process(struct hoy_plan *plan, const struct hoy_oci_process *p, struct hoy_err *err)
{
	int r;

	plan->ioprio = -1;
	plan->personality = plan_personality(plan->spec->linux_->personality);
	if (!p)
		return 0;
	plan->umask = p->user.umask ? (mode_t) *p->user.umask & 0777 : DEFAULT_UMASK;
	if (!p->args || !p->args[0])
		return hoy_err_invalid(err, "process.args: at least one is required");
	r = check_user(plan, &p->user, err);
	if (r < 0)
		return r;
	r = plan_env(plan, p, err);
	if (r < 0)
		return r;
	r = plan_rlimits(plan, p, err);
	if (r < 0)
		return r;
	r = plan_scheduler(plan, p->scheduler, err);
	if (r < 0)
		return r;
	r = plan_ioprio(plan, p->io_priority, err);
	if (r < 0)
		return r;
	if (p->exec_cpu_affinity) {
		r = plan_affinity("initial", p->exec_cpu_affinity->initial, &plan->affinity_initial, err);
		if (r == 0)
			r = plan_affinity("final", p->exec_cpu_affinity->final, &plan->affinity_final, err);
		if (r < 0)
			return r;
	}
	r = plan_memory_policy(plan, plan->spec->linux_->memory_policy, err);
	if (r < 0)
		return r;
	return hoy_plan_caps(plan, p->capabilities, err);
}
