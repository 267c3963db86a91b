/*
 * Limits to a plan of file writes. Pure: looks at the values and at the table of hierarchies, touches no file. Each
 * controller is translated for the hierarchy it sits on, so a hybrid host gets some limits the v1 and some the v2 way.
 */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct planner {
	const struct hoy_cgroup_table *table;
	struct hoy_cgroup_plan *plan;
	struct hoy_err *err;
};

void hoy_cgroup_plan_done(struct hoy_cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->ops[i].file);
		free(plan->ops[i].value);
		free(plan->ops[i].alt_file);
		free(plan->ops[i].alt_value);
	}
	free(plan->ops);
	*plan = (struct hoy_cgroup_plan){};
}

/* --- adding writes ---------------------------------------------------------------------------------------------- */

/* Where the controller is: *ret_v2 tells which way to translate. 0, or -EOPNOTSUPP when it is nowhere. */
static int find(
	struct planner *p, enum hoy_cgroup_controller controller, const char *limit, size_t *ret_hier, bool *ret_v2)
{
	int i = hoy_cgroup_table_find(p->table, controller);

	if (i < 0)
		return hoy_err_unsupported(p->err, "%s: this host has no %s cgroup controller", limit,
			hoy_cgroup_controller_to_string(controller));
	*ret_hier = (size_t) i;
	*ret_v2 = i == 0 && p->table->v2;
	return 0;
}

/* The last operation planned; valid until the next is added. */
static struct hoy_cgroup_op *last(struct planner *p)
{
	return &p->plan->ops[p->plan->n - 1];
}

static int HOY_PRINTF(6, 7) add(struct planner *p, size_t hier, enum hoy_cgroup_controller controller,
	const char *limit, const char *file, const char *value_fmt, ...)
{
	struct hoy_cgroup_op *ops = reallocarray(p->plan->ops, p->plan->n + 1, sizeof *ops);
	struct hoy_cgroup_op op = { .hier = hier, .controller = controller, .limit = limit };
	va_list ap;

	if (ops == NULL)
		return hoy_err_oom(p->err);
	p->plan->ops = ops;
	op.file = strdup(file);
	va_start(ap, value_fmt);
	if (vasprintf(&op.value, value_fmt, ap) < 0)
		op.value = NULL;
	va_end(ap);
	ops[p->plan->n++] = op;
	return op.file == NULL || op.value == NULL ? hoy_err_oom(p->err) : 0;
}

/* What is written instead where the last operation's file does not exist. */
static int HOY_PRINTF(3, 4) add_alternative(struct planner *p, const char *file, const char *value_fmt, ...)
{
	struct hoy_cgroup_op *op = last(p);
	va_list ap;

	op->alt_file = strdup(file);
	va_start(ap, value_fmt);
	if (vasprintf(&op->alt_value, value_fmt, ap) < 0)
		op->alt_value = NULL;
	va_end(ap);
	return op->alt_file == NULL || op->alt_value == NULL ? hoy_err_oom(p->err) : 0;
}

/* -1 is "max" on v2. */
static const char *v2_number(int64_t value, char buf[32])
{
	if (value == -1)
		snprintf(buf, 32, "max");
	else
		snprintf(buf, 32, "%" PRId64, value);
	return buf;
}

static int check_bytes(struct planner *p, const char *limit, int64_t value)
{
	if (value < -1)
		return hoy_err_invalid(p->err, "%s: %" PRId64 " is neither a size nor -1", limit, value);
	return 0;
}

static bool is_given(const int64_t *value)
{
	return value != NULL && *value != 0;
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

static int memory_v1(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	const enum hoy_cgroup_controller c = HOY_CGROUP_MEMORY;
	bool unlimited = is_given(l->memory_limit) && *l->memory_limit == -1;
	int r = 0;

	if (is_given(l->memory_limit))
		r = add(p, hier, c, "memory.limit", "memory.limit_in_bytes", "%" PRId64, *l->memory_limit);
	if (r == 0 && is_given(l->memory_swap)) {
		r = add(p, hier, c, "memory.swap", "memory.memsw.limit_in_bytes", "%" PRId64, *l->memory_swap);
		if (*l->memory_swap == -1)
			last(p)->optional = true;
	} else if (r == 0 && unlimited) {
		/* the kernel keeps memory <= memory+swap: no limit on one is none on the other */
		r = add(p, hier, c, "memory.swap", "memory.memsw.limit_in_bytes", "-1");
		last(p)->optional = true;
	}
	if (r == 0 && is_given(l->memory_reservation))
		r = add(p, hier, c, "memory.reservation", "memory.soft_limit_in_bytes", "%" PRId64,
			*l->memory_reservation);
	/* not memory_kernel: since 5.16 the kernel refuses the value or takes it without effect */
	if (r == 0 && is_given(l->memory_kernel_tcp))
		r = add(p, hier, c, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", "%" PRId64,
			*l->memory_kernel_tcp);
	if (r == 0 && l->memory_swappiness != NULL)
		r = add(p, hier, c, "memory.swappiness", "memory.swappiness", "%" PRIu64, *l->memory_swappiness);
	if (r == 0 && l->memory_disable_oom_killer != NULL)
		r = add(p, hier, c, "memory.disableOOMKiller", "memory.oom_control", "%d",
			*l->memory_disable_oom_killer);
	if (r == 0 && l->memory_use_hierarchy != NULL)
		r = add(p, hier, c, "memory.useHierarchy", "memory.use_hierarchy", "%d", *l->memory_use_hierarchy);
	return r;
}

/* v2 limits swap alone. */
static int memory_swap_v2(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	int64_t limit = is_given(l->memory_limit) ? *l->memory_limit : 0;
	int64_t total = is_given(l->memory_swap) ? *l->memory_swap : 0;
	bool unlimited = total == -1 || (limit == -1 && total == 0);
	char buf[32];
	int r;

	if (total == 0 && !unlimited)
		return 0;
	if (!unlimited && limit <= 0)
		return hoy_err_invalid(p->err, "memory.swap: a limit of memory and swap needs memory.limit beside it");
	if (!unlimited && total < limit)
		return hoy_err_invalid(p->err,
			"memory.swap: %" PRId64 " for memory and swap is less than memory.limit %" PRId64, total,
			limit);
	r = add(p, hier, HOY_CGROUP_MEMORY, "memory.swap", "memory.swap.max", "%s",
		v2_number(unlimited ? -1 : total - limit, buf));
	/* a kernel without swap accounting has neither file nor swap to limit */
	last(p)->optional = unlimited || total == limit;
	return r;
}

static int refuse_v1_only_memory(struct planner *p, const struct hoy_cgroup_limits *l)
{
	static const char why[] = "cgroup v2 has no such limit";

	if (is_given(l->memory_kernel) && *l->memory_kernel != -1)
		return hoy_err_unsupported(p->err, "memory.kernel: %s", why);
	if (is_given(l->memory_kernel_tcp) && *l->memory_kernel_tcp != -1)
		return hoy_err_unsupported(p->err, "memory.kernelTCP: %s", why);
	if (l->memory_swappiness != NULL)
		return hoy_err_unsupported(p->err, "memory.swappiness: %s", why);
	if (l->memory_disable_oom_killer != NULL && *l->memory_disable_oom_killer)
		return hoy_err_unsupported(p->err, "memory.disableOOMKiller: cgroup v2 can't switch it off");
	if (l->memory_use_hierarchy != NULL && !*l->memory_use_hierarchy)
		return hoy_err_unsupported(p->err, "memory.useHierarchy: cgroup v2 is always hierarchical");
	return 0;
}

static int memory_v2(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	const enum hoy_cgroup_controller c = HOY_CGROUP_MEMORY;
	char buf[32];
	int r = refuse_v1_only_memory(p, l);

	if (r == 0 && is_given(l->memory_limit) && *l->memory_limit > 0 && l->memory_check_before_update) {
		r = add(p, hier, c, "memory.limit", "memory.current", "%" PRId64, *l->memory_limit);
		if (r == 0)
			last(p)->kind = HOY_CGROUP_OP_CHECK_USAGE;
	}
	if (r == 0 && is_given(l->memory_limit))
		r = add(p, hier, c, "memory.limit", "memory.max", "%s", v2_number(*l->memory_limit, buf));
	if (r == 0)
		r = memory_swap_v2(p, hier, l);
	if (r == 0 && is_given(l->memory_reservation))
		r = add(p, hier, c, "memory.reservation", "memory.low", "%s", v2_number(*l->memory_reservation, buf));
	return r;
}

static int check_memory(struct planner *p, const struct hoy_cgroup_limits *l)
{
	const struct {
		const char *name;
		const int64_t *value;
	} sizes[] = {
		{ "memory.limit", l->memory_limit },
		{ "memory.swap", l->memory_swap },
		{ "memory.reservation", l->memory_reservation },
		{ "memory.kernel", l->memory_kernel },
		{ "memory.kernelTCP", l->memory_kernel_tcp },
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		if (sizes[i].value != NULL && check_bytes(p, sizes[i].name, *sizes[i].value) < 0)
			return -EINVAL;
	if (l->memory_swappiness != NULL && *l->memory_swappiness > 100)
		return hoy_err_invalid(p->err, "memory.swappiness: %" PRIu64 " is above 100", *l->memory_swappiness);
	return 0;
}

static const char *first_memory_limit(const struct hoy_cgroup_limits *l)
{
	if (is_given(l->memory_limit))
		return "memory.limit";
	if (is_given(l->memory_swap))
		return "memory.swap";
	if (is_given(l->memory_reservation))
		return "memory.reservation";
	if (is_given(l->memory_kernel))
		return "memory.kernel";
	if (is_given(l->memory_kernel_tcp))
		return "memory.kernelTCP";
	if (l->memory_swappiness != NULL)
		return "memory.swappiness";
	if (l->memory_disable_oom_killer != NULL && *l->memory_disable_oom_killer)
		return "memory.disableOOMKiller";
	return l->memory_use_hierarchy != NULL ? "memory.useHierarchy" : NULL;
}

static int plan_memory(struct planner *p, const struct hoy_cgroup_limits *l)
{
	const char *first = first_memory_limit(l);
	size_t hier;
	bool v2;
	int r;

	if (first == NULL)
		return 0;
	r = check_memory(p, l);
	if (r == 0)
		r = find(p, HOY_CGROUP_MEMORY, first, &hier, &v2);
	if (r < 0)
		return r;
	return v2 ? memory_v2(p, hier, l) : memory_v1(p, hier, l);
}

/* --- cpu -------------------------------------------------------------------------------------------------------- */

/* Bits of log2(x) by squaring, then 10^y as a power series: no libm for one number. */
static double log2_of(uint64_t x)
{
	int whole = 63 - __builtin_clzll(x);
	double mantissa = (double) x / (double) (1ull << whole), result = whole;

	for (double bit = 0.5; bit > 1e-13; bit /= 2) {
		mantissa *= mantissa;
		if (mantissa >= 2) {
			mantissa /= 2;
			result += bit;
		}
	}
	return result;
}

static double ten_to(double y)
{
	const double ln10 = 2.302585092994046;
	double term = 1, sum = 1;

	for (int n = 1; n < 60; n++) {
		term *= y * ln10 / n;
		sum += term;
	}
	return sum;
}

uint64_t hoy_cgroup_shares_to_weight(uint64_t shares)
{
	double l, weight;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of(shares);
	/* The parabola through (2, 1), (1024, 100) and (262144, 10000) in logarithms, rounded up; what is a hair above
	 * a whole number is that number. */
	weight = ten_to((l * l + 125 * l) / 612 - 7.0 / 34) - 1e-6;
	return (uint64_t) weight + ((double) (uint64_t) weight < weight);
}

static int cpu_v1(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	const enum hoy_cgroup_controller c = HOY_CGROUP_CPU;
	int r = 0;

	if (l->cpu_shares != NULL && *l->cpu_shares != 0)
		r = add(p, hier, c, "cpu.shares", "cpu.shares", "%" PRIu64, *l->cpu_shares);
	if (r == 0 && l->cpu_idle != NULL)
		r = add(p, hier, c, "cpu.idle", "cpu.idle", "%" PRId64, *l->cpu_idle);
	if (r == 0 && l->cpu_period != NULL && *l->cpu_period != 0)
		r = add(p, hier, c, "cpu.period", "cpu.cfs_period_us", "%" PRIu64, *l->cpu_period);
	if (r == 0 && is_given(l->cpu_quota))
		r = add(p, hier, c, "cpu.quota", "cpu.cfs_quota_us", "%" PRId64, *l->cpu_quota);
	if (r == 0 && l->cpu_burst != NULL)
		r = add(p, hier, c, "cpu.burst", "cpu.cfs_burst_us", "%" PRIu64, *l->cpu_burst);
	if (r == 0 && l->cpu_rt_period != NULL && *l->cpu_rt_period != 0)
		r = add(p, hier, c, "cpu.realtimePeriod", "cpu.rt_period_us", "%" PRIu64, *l->cpu_rt_period);
	if (r == 0 && is_given(l->cpu_rt_runtime))
		r = add(p, hier, c, "cpu.realtimeRuntime", "cpu.rt_runtime_us", "%" PRId64, *l->cpu_rt_runtime);
	return r;
}

/* One file for both: a quota without a period keeps the period, a period without a quota keeps the quota. */
static int cpu_max_v2(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	bool period = l->cpu_period != NULL && *l->cpu_period != 0;
	char quota[32];
	int r;

	if (is_given(l->cpu_quota)) {
		v2_number(*l->cpu_quota < 0 ? -1 : *l->cpu_quota, quota);
		if (!period)
			return add(p, hier, HOY_CGROUP_CPU, "cpu.quota", "cpu.max", "%s", quota);
		return add(p, hier, HOY_CGROUP_CPU, "cpu.quota", "cpu.max", "%s %" PRIu64, quota, *l->cpu_period);
	}
	if (!period)
		return 0;
	r = add(p, hier, HOY_CGROUP_CPU, "cpu.period", "cpu.max", "%" PRIu64, *l->cpu_period);
	if (r == 0)
		last(p)->kind = HOY_CGROUP_OP_PERIOD;
	return r;
}

static int cpu_v2(struct planner *p, size_t hier, const struct hoy_cgroup_limits *l)
{
	const enum hoy_cgroup_controller c = HOY_CGROUP_CPU;
	int r = 0;

	if (is_given(l->cpu_rt_runtime) || (l->cpu_rt_period != NULL && *l->cpu_rt_period != 0))
		return hoy_err_unsupported(p->err, "%s: cgroup v2 has no real-time limits",
			is_given(l->cpu_rt_runtime) ? "cpu.realtimeRuntime" : "cpu.realtimePeriod");
	if (l->cpu_shares != NULL && *l->cpu_shares != 0)
		r = add(p, hier, c, "cpu.shares", "cpu.weight", "%" PRIu64,
			hoy_cgroup_shares_to_weight(*l->cpu_shares));
	if (r == 0 && l->cpu_idle != NULL)
		r = add(p, hier, c, "cpu.idle", "cpu.idle", "%" PRId64, *l->cpu_idle);
	if (r == 0)
		r = cpu_max_v2(p, hier, l);
	if (r == 0 && l->cpu_burst != NULL)
		r = add(p, hier, c, "cpu.burst", "cpu.max.burst", "%" PRIu64, *l->cpu_burst);
	return r;
}

static const char *first_cpu_limit(const struct hoy_cgroup_limits *l)
{
	if (l->cpu_shares != NULL && *l->cpu_shares != 0)
		return "cpu.shares";
	if (is_given(l->cpu_quota))
		return "cpu.quota";
	if (l->cpu_period != NULL && *l->cpu_period != 0)
		return "cpu.period";
	if (l->cpu_burst != NULL)
		return "cpu.burst";
	if (l->cpu_idle != NULL)
		return "cpu.idle";
	if (is_given(l->cpu_rt_runtime))
		return "cpu.realtimeRuntime";
	return l->cpu_rt_period != NULL && *l->cpu_rt_period != 0 ? "cpu.realtimePeriod" : NULL;
}

static int plan_cpu(struct planner *p, const struct hoy_cgroup_limits *l)
{
	const char *first = first_cpu_limit(l);
	size_t hier;
	bool v2;
	int r;

	if (first == NULL)
		return 0;
	if (l->cpu_idle != NULL && (*l->cpu_idle < 0 || *l->cpu_idle > 1))
		return hoy_err_invalid(p->err, "cpu.idle: %" PRId64 " is neither 0 nor 1", *l->cpu_idle);
	r = find(p, HOY_CGROUP_CPU, first, &hier, &v2);
	if (r < 0)
		return r;
	return v2 ? cpu_v2(p, hier, l) : cpu_v1(p, hier, l);
}

static int plan_cpuset(struct planner *p, const struct hoy_cgroup_limits *l)
{
	const struct {
		const char *limit, *file, *value;
	} sets[] = { { "cpu.cpus", "cpuset.cpus", l->cpuset_cpus }, { "cpu.mems", "cpuset.mems", l->cpuset_mems } };

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		size_t hier;
		bool v2;
		int r;

		if (sets[i].value == NULL || sets[i].value[0] == '\0')
			continue;
		r = find(p, HOY_CGROUP_CPUSET, sets[i].limit, &hier, &v2);
		if (r == 0)
			r = add(p, hier, HOY_CGROUP_CPUSET, sets[i].limit, sets[i].file, "%s", sets[i].value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- pids ------------------------------------------------------------------------------------------------------- */

static int plan_pids(struct planner *p, const struct hoy_cgroup_limits *l)
{
	size_t hier;
	char buf[32];
	bool v2;
	int r;

	if (l->pids_limit == NULL)
		return 0;
	r = find(p, HOY_CGROUP_PIDS, "pids.limit", &hier, &v2);
	if (r < 0)
		return r;
	return add(p, hier, HOY_CGROUP_PIDS, "pids.limit", "pids.max", "%s",
		v2_number(*l->pids_limit < 0 ? -1 : *l->pids_limit, buf));
}

/* --- block io --------------------------------------------------------------------------------------------------- */

static int check_weight(struct planner *p, const char *limit, uint16_t weight)
{
	if (weight < 10 || weight > 1000)
		return hoy_err_invalid(p->err, "%s: %u is not between 10 and 1000", limit, weight);
	return 0;
}

static unsigned int io_weight(uint16_t weight)
{
	return 1 + (weight - 10u) * 9999 / 990;
}

static int plan_blkio_weight(struct planner *p, size_t hier, bool v2, const struct hoy_cgroup_limits *l)
{
	static const char limit[] = "blockIO.weight";
	uint16_t weight = l->blkio_weight == NULL ? 0 : *l->blkio_weight;
	int r;

	if (weight == 0)
		return 0;
	r = check_weight(p, limit, weight);
	if (r == 0)
		r = add(p, hier, HOY_CGROUP_IO, limit, v2 ? "io.bfq.weight" : "blkio.weight", "%u", weight);
	if (r < 0)
		return r;
	return v2 ? add_alternative(p, "io.weight", "default %u", io_weight(weight))
		  : add_alternative(p, "blkio.bfq.weight", "%u", weight);
}

static int plan_blkio_weight_device(
	struct planner *p, size_t hier, bool v2, const struct hoy_cgroup_weight_device *device)
{
	static const char limit[] = "blockIO.weightDevice";
	int r = check_weight(p, limit, *device->weight);

	if (r == 0)
		r = add(p, hier, HOY_CGROUP_IO, limit, v2 ? "io.bfq.weight" : "blkio.weight_device",
			"%" PRId64 ":%" PRId64 " %u", device->major, device->minor, *device->weight);
	if (r < 0)
		return r;
	return add_alternative(p, v2 ? "io.weight" : "blkio.bfq.weight_device", "%" PRId64 ":%" PRId64 " %u",
		device->major, device->minor, v2 ? io_weight(*device->weight) : *device->weight);
}

static int plan_blkio_leaf_weights(struct planner *p, size_t hier, bool v2, const struct hoy_cgroup_limits *l)
{
	bool leaf = l->blkio_leaf_weight != NULL && *l->blkio_leaf_weight != 0;
	int r = 0;

	for (size_t i = 0; i < l->n_blkio_weight_devices && !leaf; i++)
		leaf = l->blkio_weight_devices[i].leaf_weight != NULL;
	if (leaf && v2)
		return hoy_err_unsupported(p->err, "blockIO.leafWeight: cgroup v2 has no such weight");
	if (l->blkio_leaf_weight != NULL && *l->blkio_leaf_weight != 0)
		r = add(p, hier, HOY_CGROUP_IO, "blockIO.leafWeight", "blkio.leaf_weight", "%u", *l->blkio_leaf_weight);
	for (size_t i = 0; i < l->n_blkio_weight_devices && r == 0; i++) {
		const struct hoy_cgroup_weight_device *device = &l->blkio_weight_devices[i];

		if (device->leaf_weight != NULL)
			r = add(p, hier, HOY_CGROUP_IO, "blockIO.weightDevice.leafWeight", "blkio.leaf_weight_device",
				"%" PRId64 ":%" PRId64 " %u", device->major, device->minor, *device->leaf_weight);
	}
	return r;
}

struct throttle_kind {
	const char *limit, *v1_file, *v2_key;
};

static int plan_throttles(struct planner *p, size_t hier, bool v2, const struct throttle_kind *kind,
	const struct hoy_cgroup_throttle *throttles, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct hoy_cgroup_throttle *t = &throttles[i];

		if (!v2)
			r = add(p, hier, HOY_CGROUP_IO, kind->limit, kind->v1_file, "%" PRId64 ":%" PRId64 " %" PRIu64,
				t->major, t->minor, t->rate);
		else if (t->rate == 0)
			r = add(p, hier, HOY_CGROUP_IO, kind->limit, "io.max", "%" PRId64 ":%" PRId64 " %s=max",
				t->major, t->minor, kind->v2_key);
		else
			r = add(p, hier, HOY_CGROUP_IO, kind->limit, "io.max", "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
				t->major, t->minor, kind->v2_key, t->rate);
	}
	return r;
}

static const char *first_blkio_limit(const struct hoy_cgroup_limits *l)
{
	if (l->blkio_weight != NULL && *l->blkio_weight != 0)
		return "blockIO.weight";
	if (l->blkio_leaf_weight != NULL && *l->blkio_leaf_weight != 0)
		return "blockIO.leafWeight";
	if (l->n_blkio_weight_devices > 0)
		return "blockIO.weightDevice";
	if (l->n_read_bps > 0)
		return "blockIO.throttleReadBpsDevice";
	if (l->n_write_bps > 0)
		return "blockIO.throttleWriteBpsDevice";
	if (l->n_read_iops > 0)
		return "blockIO.throttleReadIOPSDevice";
	return l->n_write_iops > 0 ? "blockIO.throttleWriteIOPSDevice" : NULL;
}

static int plan_blkio(struct planner *p, const struct hoy_cgroup_limits *l)
{
	static const struct throttle_kind kinds[] = {
		{ "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps" },
		{ "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps" },
		{ "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops" },
		{ "blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops" },
	};
	const char *first = first_blkio_limit(l);
	size_t hier;
	bool v2;
	int r;

	if (first == NULL)
		return 0;
	r = find(p, HOY_CGROUP_IO, first, &hier, &v2);
	if (r == 0)
		r = plan_blkio_weight(p, hier, v2, l);
	for (size_t i = 0; i < l->n_blkio_weight_devices && r == 0; i++)
		if (l->blkio_weight_devices[i].weight != NULL)
			r = plan_blkio_weight_device(p, hier, v2, &l->blkio_weight_devices[i]);
	if (r == 0)
		r = plan_blkio_leaf_weights(p, hier, v2, l);
	if (r == 0)
		r = plan_throttles(p, hier, v2, &kinds[0], l->read_bps, l->n_read_bps);
	if (r == 0)
		r = plan_throttles(p, hier, v2, &kinds[1], l->write_bps, l->n_write_bps);
	if (r == 0)
		r = plan_throttles(p, hier, v2, &kinds[2], l->read_iops, l->n_read_iops);
	if (r == 0)
		r = plan_throttles(p, hier, v2, &kinds[3], l->write_iops, l->n_write_iops);
	return r;
}

/* --- the smaller ones ------------------------------------------------------------------------------------------- */

/* Reservations where the kernel counts them (no SIGBUS later), and use. */
static int plan_hugepages(struct planner *p, const struct hoy_cgroup_limits *l)
{
	static const char limit[] = "hugepageLimits";

	for (size_t i = 0; i < l->n_hugepages; i++) {
		const struct hoy_cgroup_hugepage *page = &l->hugepages[i];
		auto_free char *file = NULL, *rsvd = NULL;
		const char *end;
		size_t hier;
		bool v2;
		int r = find(p, HOY_CGROUP_HUGETLB, limit, &hier, &v2);

		if (r < 0)
			return r;
		if (page->page_size == NULL || strpbrk(page->page_size, "/.") != NULL)
			return hoy_err_invalid(p->err, "%s: page size '%s' is not one", limit,
				page->page_size == NULL ? "" : page->page_size);
		end = v2 ? "max" : "limit_in_bytes";
		file = hoy_str_printf("hugetlb.%s.%s", page->page_size, end);
		rsvd = hoy_str_printf("hugetlb.%s.rsvd.%s", page->page_size, end);
		if (file == NULL || rsvd == NULL)
			return hoy_err_oom(p->err);
		r = add(p, hier, HOY_CGROUP_HUGETLB, limit, file, "%" PRIu64, page->limit);
		if (r == 0)
			r = add(p, hier, HOY_CGROUP_HUGETLB, limit, rsvd, "%" PRIu64, page->limit);
		if (r < 0)
			return r;
		last(p)->optional = true;
	}
	return 0;
}

static int plan_network(struct planner *p, const struct hoy_cgroup_limits *l)
{
	size_t hier;
	bool v2;
	int r = 0;

	if (l->net_class_id != NULL && *l->net_class_id != 0) {
		r = find(p, HOY_CGROUP_NET_CLS, "network.classID", &hier, &v2);
		if (r == 0)
			r = add(p, hier, HOY_CGROUP_NET_CLS, "network.classID", "net_cls.classid", "%" PRIu32,
				*l->net_class_id);
	}
	for (size_t i = 0; i < l->n_net_priorities && r == 0; i++) {
		r = find(p, HOY_CGROUP_NET_PRIO, "network.priorities", &hier, &v2);
		if (r == 0)
			r = add(p, hier, HOY_CGROUP_NET_PRIO, "network.priorities", "net_prio.ifpriomap", "%s %" PRIu32,
				l->net_priorities[i].name, l->net_priorities[i].priority);
	}
	return r;
}

static int plan_rdma(struct planner *p, const struct hoy_cgroup_limits *l)
{
	for (size_t i = 0; i < l->n_rdma; i++) {
		const struct hoy_cgroup_rdma *rdma = &l->rdma[i];
		char handles[32] = "", objects[32] = "";
		size_t hier;
		bool v2;
		int r = find(p, HOY_CGROUP_RDMA, "rdma", &hier, &v2);

		if (r < 0)
			return r;
		if (rdma->handles != NULL)
			snprintf(handles, sizeof handles, " hca_handle=%" PRIu32, *rdma->handles);
		if (rdma->objects != NULL)
			snprintf(objects, sizeof objects, " hca_object=%" PRIu32, *rdma->objects);
		r = add(p, hier, HOY_CGROUP_RDMA, "rdma", "rdma.max", "%s%s%s", rdma->device, handles, objects);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Files of the v2 group by name. Each line is a write of its own: the kernel takes one setting per write. */
static int plan_unified_key(struct planner *p, const struct hoy_cgroup_unified *unified)
{
	const char *key = unified->key;
	auto_free char *prefix = strndup(key, strcspn(key, "."));
	uint32_t bit;
	int r = 0;

	if (prefix == NULL)
		return hoy_err_oom(p->err);
	if (key[0] == '\0' || strchr(key, '/') != NULL || key[0] == '.')
		return hoy_err_invalid(p->err, "unified '%s': not the name of a file", key);
	bit = hoy_cgroup_controllers_parse(prefix);
	if (bit != 0 && (p->table->hier[0].controllers & bit) == 0)
		return hoy_err_unsupported(p->err,
			"invalid configuration: unified '%s': controller '%s' is not in this host's cgroup v2", key,
			prefix);
	for (const char *line = unified->value; r == 0 && *line != '\0'; line += line[0] == '\n') {
		int len = (int) strcspn(line, "\n");

		if (len > 0)
			r = add(p, 0,
				bit == 0 ? _HOY_CGROUP_CONTROLLER_MAX : (enum hoy_cgroup_controller) __builtin_ctz(bit),
				"unified", key, "%.*s", len, line);
		line += len;
	}
	return r;
}

static int plan_unified(struct planner *p, const struct hoy_cgroup_limits *l)
{
	int r = 0;

	if (l->n_unified > 0 && !p->table->v2)
		return hoy_err_unsupported(p->err, "unified: this host has no cgroup v2");
	for (size_t i = 0; i < l->n_unified && r == 0; i++)
		r = plan_unified_key(p, &l->unified[i]);
	return r;
}

int hoy_cgroup_plan_limits(const struct hoy_cgroup_table *table, const struct hoy_cgroup_limits *limits,
	struct hoy_cgroup_plan *plan, struct hoy_err *err)
{
	static int (*const parts[])(struct planner *, const struct hoy_cgroup_limits *) = {
		plan_cpuset, plan_cpu, plan_memory, plan_pids, plan_blkio, plan_hugepages, plan_network, plan_rdma,
		plan_unified, /* last: it wins over what was converted */
	};
	struct planner p = { .table = table, .plan = plan, .err = err };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = parts[i](&p, limits);

		if (r < 0)
			return r;
	}
	return 0;
}
