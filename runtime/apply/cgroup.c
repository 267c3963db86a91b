/* Translates; every value stays where the parsed config has it. */
#include "runtime/apply/cgroup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cgroup/cgroup.h"
#include "base/log.h"
#include "libocispec/runtime.h"

/* What every container may use, behind whatever the config says: any node may be made, the usual ones used. */
static const struct hoy_cgroup_device always[] = {
	{ true, 'c', -1, -1, HOY_CGROUP_DEV_MKNOD }, { true, 'b', -1, -1, HOY_CGROUP_DEV_MKNOD },
	{ true, 'c', 1, 3, HOY_CGROUP_DEV_ALL },    /* null */
	{ true, 'c', 1, 5, HOY_CGROUP_DEV_ALL },    /* zero */
	{ true, 'c', 1, 7, HOY_CGROUP_DEV_ALL },    /* full */
	{ true, 'c', 1, 8, HOY_CGROUP_DEV_ALL },    /* random */
	{ true, 'c', 1, 9, HOY_CGROUP_DEV_ALL },    /* urandom */
	{ true, 'c', 5, 0, HOY_CGROUP_DEV_ALL },    /* tty */
	{ true, 'c', 136, -1, HOY_CGROUP_DEV_ALL }, /* pts */
	{ true, 'c', 5, 2, HOY_CGROUP_DEV_ALL },    /* ptmx */
};

static unsigned int access_bits(const char *access)
{
	unsigned int bits = 0;

	for (; access && *access; access++)
		bits |= *access == 'r'   ? HOY_CGROUP_DEV_READ
			: *access == 'w' ? HOY_CGROUP_DEV_WRITE
			: *access == 'm' ? HOY_CGROUP_DEV_MKNOD
					 : 0;
	return access && bits ? bits : HOY_CGROUP_DEV_ALL;
}

int hoy_device_rules_make(
	const struct hoy_oci_resources *res, struct hoy_cgroup_device **ret, size_t *ret_n, struct hoy_err *err)
{
	size_t n = res ? res->n_devices : 0;
	struct hoy_cgroup_device *rules = calloc(n + ARRAY_LEN(always), sizeof *rules);

	if (!rules)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		const struct hoy_oci_device_rule *d = &res->devices[i];

		rules[i] = (struct hoy_cgroup_device){
			.allow = d->allow,
			.type = d->type && d->type[0] ? d->type[0] : 'a',
			.major = d->major ? *d->major : -1,
			.minor = d->minor ? *d->minor : -1,
			.access = access_bits(d->access),
		};
	}
	memcpy(rules + n, always, sizeof always);
	*ret = rules;
	*ret_n = n + ARRAY_LEN(always);
	return 0;
}

static int set_devices(struct hoy_cgroup *cg, const struct hoy_oci_resources *res, struct hoy_err *err)
{
	auto_free struct hoy_cgroup_device *rules = NULL;
	size_t n;
	int r = hoy_device_rules_make(res, &rules, &n, err);

	return r < 0 ? r : hoy_cgroup_set_devices(cg, rules, n, err);
}

static void take_memory(struct hoy_cgroup_limits *l, const struct hoy_oci_memory *m)
{
	if (!m)
		return;
	/* What v2 does not know is refused there; on v1 it is a limit that old callers still set. */
	if (m->kernel && *m->kernel != -1)
		hoy_log_warn(
			"linux.resources.memory.kernel: kernels no longer limit kernel memory by itself, ignoring");
	l->memory_limit = m->limit;
	l->memory_reservation = m->reservation;
	l->memory_swap = m->swap;
	l->memory_kernel = m->kernel;
	l->memory_kernel_tcp = m->kernel_tcp;
	l->memory_swappiness = m->swappiness;
	l->memory_disable_oom_killer = m->disable_oom_killer;
	l->memory_use_hierarchy = m->use_hierarchy;
	l->memory_check_before_update = m->check_before_update && *m->check_before_update;
}

static void take_cpu(struct hoy_cgroup_limits *l, const struct hoy_oci_cpu *c)
{
	if (!c)
		return;
	l->cpu_shares = c->shares;
	l->cpu_period = c->period;
	l->cpu_quota = c->quota;
	l->cpu_burst = c->burst;
	l->cpu_rt_period = c->realtime_period;
	l->cpu_rt_runtime = c->realtime_runtime;
	l->cpu_idle = c->idle;
	l->cpuset_cpus = c->cpus;
	l->cpuset_mems = c->mems;
}

void hoy_limits_done(struct hoy_limits *a)
{
	free(a->weights);
	for (size_t i = 0; i < ARRAY_LEN(a->throttles); i++)
		free(a->throttles[i]);
	free(a->hugepages);
	free(a->priorities);
	free(a->rdma);
	free(a->unified);
	*a = (struct hoy_limits){};
}

static int take_throttle(const struct hoy_oci_throttle_device *spec, size_t n, struct hoy_cgroup_throttle **own,
	const struct hoy_cgroup_throttle **ret, size_t *ret_n)
{
	*own = calloc(n + 1, sizeof **own);
	if (!*own)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		(*own)[i] = (struct hoy_cgroup_throttle){ spec[i].major, spec[i].minor, spec[i].rate };
	*ret = *own;
	*ret_n = n;
	return 0;
}

static int take_blkio(struct hoy_cgroup_limits *l, const struct hoy_oci_block_io *b, struct hoy_limits *a)
{
	if (!b)
		return 0;
	l->blkio_weight = b->weight;
	l->blkio_leaf_weight = b->leaf_weight;
	a->weights = calloc(b->n_weight_device + 1, sizeof *a->weights);
	if (!a->weights)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_weight_device; i++)
		a->weights[i] = (struct hoy_cgroup_weight_device){
			.major = b->weight_device[i].major,
			.minor = b->weight_device[i].minor,
			.weight = b->weight_device[i].weight,
			.leaf_weight = b->weight_device[i].leaf_weight,
		};
	l->blkio_weight_devices = a->weights;
	l->n_blkio_weight_devices = b->n_weight_device;
	if (take_throttle(b->throttle_read_bps_device, b->n_throttle_read_bps_device, &a->throttles[0], &l->read_bps,
		    &l->n_read_bps) < 0 ||
		take_throttle(b->throttle_write_bps_device, b->n_throttle_write_bps_device, &a->throttles[1],
			&l->write_bps, &l->n_write_bps) < 0 ||
		take_throttle(b->throttle_read_iops_device, b->n_throttle_read_iops_device, &a->throttles[2],
			&l->read_iops, &l->n_read_iops) < 0 ||
		take_throttle(b->throttle_write_iops_device, b->n_throttle_write_iops_device, &a->throttles[3],
			&l->write_iops, &l->n_write_iops) < 0)
		return -ENOMEM;
	return 0;
}

static int take_network(struct hoy_cgroup_limits *l, const struct hoy_oci_network *n, struct hoy_limits *a)
{
	if (!n)
		return 0;
	l->net_class_id = n->class_id;
	a->priorities = calloc(n->n_priorities + 1, sizeof *a->priorities);
	if (!a->priorities)
		return -ENOMEM;
	for (size_t i = 0; i < n->n_priorities; i++)
		a->priorities[i] = (struct hoy_cgroup_net_priority){ n->priorities[i].name, n->priorities[i].priority };
	l->net_priorities = a->priorities;
	l->n_net_priorities = n->n_priorities;
	return 0;
}

static int take_lists(struct hoy_cgroup_limits *l, const struct hoy_oci_resources *res, struct hoy_limits *a)
{
	a->hugepages = calloc(res->n_hugepage_limits + 1, sizeof *a->hugepages);
	a->rdma = calloc(res->n_rdma + 1, sizeof *a->rdma);
	a->unified = calloc(res->n_unified + 1, sizeof *a->unified);
	if (!a->hugepages || !a->rdma || !a->unified)
		return -ENOMEM;
	for (size_t i = 0; i < res->n_hugepage_limits; i++)
		a->hugepages[i] = (struct hoy_cgroup_hugepage){ res->hugepage_limits[i].page_size,
			res->hugepage_limits[i].limit };
	for (size_t i = 0; i < res->n_rdma; i++)
		a->rdma[i] = (struct hoy_cgroup_rdma){ res->rdma[i].device, res->rdma[i].hca_handles,
			res->rdma[i].hca_objects };
	for (size_t i = 0; i < res->n_unified; i++)
		a->unified[i] = (struct hoy_cgroup_unified){ res->unified[i].key, res->unified[i].value };
	l->hugepages = a->hugepages;
	l->n_hugepages = res->n_hugepage_limits;
	l->rdma = a->rdma;
	l->n_rdma = res->n_rdma;
	l->unified = a->unified;
	l->n_unified = res->n_unified;
	return 0;
}

int hoy_limits_make(const struct hoy_oci_resources *res, struct hoy_limits *ret, struct hoy_err *err)
{
	auto_(hoy_limits_done) struct hoy_limits a = {};

	take_memory(&a.limits, res->memory);
	take_cpu(&a.limits, res->cpu);
	if (res->pids)
		a.limits.pids_limit = &res->pids->limit;
	if (take_blkio(&a.limits, res->block_io, &a) < 0 || take_network(&a.limits, res->network, &a) < 0 ||
		take_lists(&a.limits, res, &a) < 0)
		return hoy_err_oom(err);
	*ret = a;
	a = (struct hoy_limits){};
	return 0;
}

int hoy_apply_limits(struct hoy_cgroup *cg, const struct hoy_oci_resources *res, struct hoy_err *err)
{
	auto_(hoy_limits_done) struct hoy_limits limits = {};
	int r = hoy_limits_make(res, &limits, err);

	return r < 0 ? r : hoy_cgroup_set_limits(cg, &limits.limits, err);
}

int hoy_apply_resources(struct hoy_cgroup *cg, const struct hoy_oci_resources *res, bool devices, struct hoy_err *err)
{
	int r = devices ? set_devices(cg, res, err) : 0;

	return r < 0 || !res ? r : hoy_apply_limits(cg, res, err);
}
