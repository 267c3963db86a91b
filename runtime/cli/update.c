/* update: new limits for a container that exists, from options or a file; what is not given stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/file.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/apply/cgroup.h"
#include "runtime/apply/resctrl.h"
#include "runtime/apply/unit.h"
#include "runtime/cli/command.h"
#include "runtime/state/state.h"

#define RESOURCES_MAX ((size_t) 16 << 20)

struct update_values {
	const char *resources;
	const char *memory, *memory_reservation, *memory_swap, *kernel_memory, *kernel_memory_tcp;
	const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period, *cpu_rt_runtime, *cpu_idle;
	const char *cpuset_cpus, *cpuset_mems, *pids_limit, *blkio_weight;
	const char *l3_cache_schema, *mem_bw_schema;
};
#define O(name, letter, member, help) HOY_OPTION(struct update_values, name, letter, STRING, member, help)

static const struct hoy_option update_options[] = {
	O("resources", 'r', resources, "file with the resources object, - is stdin"),
	O("memory", 0, memory, "memory limit in bytes (-1: none; suffixes k, m, g)"),
	O("memory-reservation", 0, memory_reservation, "memory that is left to it under pressure"),
	O("memory-swap", 0, memory_swap, "memory and swap together"),
	O("kernel-memory", 0, kernel_memory, "refused: kernels no longer have this limit"),
	O("kernel-memory-tcp", 0, kernel_memory_tcp, "limit of TCP buffers (v1)"),
	O("cpu-period", 0, cpu_period, "length of a period in microseconds"),
	O("cpu-quota", 0, cpu_quota, "microseconds of CPU time in a period"),
	O("cpu-burst", 0, cpu_burst, "microseconds that may be saved up"),
	O("cpu-share", 0, cpu_share, "weight among others"),
	O("cpu-shares", 0, cpu_share, "the same"),
	O("cpu-rt-period", 0, cpu_rt_period, "period for realtime processes (v1)"),
	O("cpu-rt-runtime", 0, cpu_rt_runtime, "time of realtime processes in a period (v1)"),
	O("cpu-idle", 0, cpu_idle, "1: run only when nobody else wants to"),
	O("cpuset-cpus", 0, cpuset_cpus, "CPUs to use"),
	O("cpuset-mems", 0, cpuset_mems, "memory nodes to use"),
	O("pids-limit", 0, pids_limit, "most processes (-1: no limit)"),
	O("blkio-weight", 0, blkio_weight, "weight of block I/O"),
	O("l3-cache-schema", 0, l3_cache_schema, "line of the schemata for the L3 cache"),
	O("mem-bw-schema", 0, mem_bw_schema, "line of the schemata for memory bandwidth"),
};

static int take_bytes(const char *option, const char *text, int64_t **ret, struct hoy_err *err)
{
	int64_t value = -1;

	if (!text)
		return 0;
	if (strcmp(text, "-1") != 0 && hoy_str_to_bytes(text, &value) < 0)
		return hoy_err_invalid(err, "invalid value for %s: '%s'", option, text);
	*ret = hoy_field_new(int64_t, value);
	return *ret ? 0 : hoy_err_oom(err);
}

static int take_i64(const char *option, const char *text, int64_t **ret, struct hoy_err *err)
{
	int64_t value;

	if (!text)
		return 0;
	if (hoy_str_to_i64(text, &value) < 0)
		return hoy_err_invalid(err, "invalid value for %s: '%s'", option, text);
	*ret = hoy_field_new(int64_t, value);
	return *ret ? 0 : hoy_err_oom(err);
}

static int take_u64(const char *option, const char *text, uint64_t **ret, struct hoy_err *err)
{
	uint64_t value;

	if (!text)
		return 0;
	if (hoy_str_to_u64(text, &value) < 0)
		return hoy_err_invalid(err, "invalid value for %s: '%s'", option, text);
	*ret = hoy_field_new(uint64_t, value);
	return *ret ? 0 : hoy_err_oom(err);
}

static int take_text(const char *text, char **ret, struct hoy_err *err)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? hoy_err_oom(err) : 0;
}

static int take_memory(const struct update_values *v, struct hoy_oci_memory *m, struct hoy_err *err)
{
	int r = take_bytes("memory", v->memory, &m->limit, err);

	if (r == 0)
		r = take_bytes("memory-reservation", v->memory_reservation, &m->reservation, err);
	if (r == 0)
		r = take_bytes("memory-swap", v->memory_swap, &m->swap, err);
	if (r == 0)
		r = take_bytes("kernel-memory", v->kernel_memory, &m->kernel, err);
	if (r == 0 && m->kernel && *m->kernel != -1 && v->kernel_memory)
		r = hoy_err_unsupported(err, "--kernel-memory: kernels no longer limit kernel memory by itself");
	if (r == 0)
		r = take_bytes("kernel-memory-tcp", v->kernel_memory_tcp, &m->kernel_tcp, err);
	return r;
}

static int take_cpu(const struct update_values *v, struct hoy_oci_cpu *c, struct hoy_err *err)
{
	int r = take_u64("cpu-period", v->cpu_period, &c->period, err);

	if (r == 0)
		r = take_i64("cpu-quota", v->cpu_quota, &c->quota, err);
	if (r == 0)
		r = take_u64("cpu-burst", v->cpu_burst, &c->burst, err);
	if (r == 0)
		r = take_u64("cpu-share", v->cpu_share, &c->shares, err);
	if (r == 0)
		r = take_u64("cpu-rt-period", v->cpu_rt_period, &c->realtime_period, err);
	if (r == 0)
		r = take_i64("cpu-rt-runtime", v->cpu_rt_runtime, &c->realtime_runtime, err);
	if (r == 0)
		r = take_i64("cpu-idle", v->cpu_idle, &c->idle, err);
	if (r == 0)
		r = take_text(v->cpuset_cpus, &c->cpus, err);
	if (r == 0)
		r = take_text(v->cpuset_mems, &c->mems, err);
	return r;
}

static int take_rest(const struct update_values *v, struct hoy_oci_resources *res, struct hoy_err *err)
{
	unsigned int weight;

	if (v->pids_limit) {
		res->pids = calloc(1, sizeof *res->pids);
		if (!res->pids)
			return hoy_err_oom(err);
		if (hoy_str_to_i64(v->pids_limit, &res->pids->limit) < 0)
			return hoy_err_invalid(err, "invalid value for pids-limit: '%s'", v->pids_limit);
	}
	if (!v->blkio_weight)
		return 0;
	if (hoy_str_to_uint(v->blkio_weight, &weight) < 0 || weight > UINT16_MAX)
		return hoy_err_invalid(err, "invalid value for blkio-weight: '%s'", v->blkio_weight);
	res->block_io = calloc(1, sizeof *res->block_io);
	if (res->block_io)
		res->block_io->weight = hoy_field_new(uint16_t, (uint16_t) weight);
	return res->block_io && res->block_io->weight ? 0 : hoy_err_oom(err);
}

static int from_options(const struct update_values *v, struct hoy_oci_resources *res, struct hoy_err *err)
{
	int r;

	res->memory = calloc(1, sizeof *res->memory);
	res->cpu = calloc(1, sizeof *res->cpu);
	if (!res->memory || !res->cpu)
		return hoy_err_oom(err);
	r = take_memory(v, res->memory, err);
	if (r == 0)
		r = take_cpu(v, res->cpu, err);
	return r < 0 ? r : take_rest(v, res, err);
}

static int from_file(const char *path, struct hoy_oci_resources **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = RESOURCES_MAX };
	int r;

	if (strcmp(path, "-") == 0)
		r = hoy_file_read_fd(STDIN_FILENO, "stdin", &text, err);
	else
		r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r == 0)
		r = hoy_oci_resources_parse(text.data, text.len, ret, err);
	return r < 0 ? hoy_err_wrap(err, "resources") : 0;
}

/* systemd first, which writes what it knows; then the files, which take all. */
static int set_limits(
	const struct hoy_state *state, struct hoy_cgroup *cg, const struct hoy_oci_resources *res, struct hoy_err *err)
{
	auto_free char *dir = state->unit ? hoy_cgroup_dir(cg, 0) : NULL;
	int r = state->unit ? hoy_unit_set(state, dir, hoy_cgroup_is_unified(cg), res, err) : 0;

	return r < 0 ? r : hoy_apply_limits(cg, res, err);
}

static int update_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *res = NULL;
	const struct update_values *v = values;
	int r = hoy_state_load(g->root, args[0], true, &state, err);

	if (r < 0)
		return r;
	if (hoy_state_status(&state) == HOY_STATUS_STOPPED)
		return hoy_err_conflict(err, "update: container not running");
	if ((v->l3_cache_schema || v->mem_bw_schema) && !state.resctrl)
		return hoy_err_unsupported(
			err, "update: container '%s' was made without linux.intelRdt: it has no schemata", args[0]);
	if (!state.cgroup)
		return hoy_err_unsupported(err, "container '%s' has no cgroup of its own", args[0]);
	r = hoy_cgroup_from_string(state.cgroup, &cg, err);
	if (r < 0)
		return r;
	if (v->resources) {
		r = from_file(v->resources, &res, err);
	} else {
		res = calloc(1, sizeof *res);
		r = res ? from_options(v, res, err) : hoy_err_oom(err);
	}
	if (r == 0)
		r = set_limits(&state, cg, res, err);
	return r < 0 || !(v->l3_cache_schema || v->mem_bw_schema)
		       ? r
		       : hoy_resctrl_update(state.resctrl, v->l3_cache_schema, v->mem_bw_schema, err);
}

const struct hoy_command hoy_cmd_update = {
	.name = "update",
	.args = "CONTAINER",
	.summary = "Change the limits of a container",
	.min_args = 1,
	.max_args = 1,
	.options = update_options,
	.n_options = ARRAY_LEN(update_options),
	.options_size = sizeof(struct update_values),
	.run = update_run,
};
