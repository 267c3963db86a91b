/*
 * Stats of a task, encoded as the Metrics message of containerd that fits the host: v2 on a unified host, else v1.
 * Fields of memory.stat have the names of the messages' fields, so the descriptors say where each value goes.
 */
#include "shim/task_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/cgroup/cgroup.h"
#include "base/ttrpc/metrics.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "base/ttrpc/ttrpc.h"
#include "shim/task_cgroup.h"

/* Sets each uint64 field of `message` that memory.stat knows by `name`. */
static void set_memory_stat(ProtobufCMessage *message, const struct hoy_cgroup_stats *stats)
{
	for (size_t i = 0; i < stats->memory.n_stat; i++) {
		const struct hoy_cgroup_stat *stat = &stats->memory.stat[i];
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
			message->descriptor, stat->name);

		if (field && field->type == PROTOBUF_C_TYPE_UINT64 && field->label == PROTOBUF_C_LABEL_NONE)
			*(uint64_t *) ((char *) message + field->offset) = stat->value;
	}
}

static void answer_metrics(const char *type, const ProtobufCMessage *metrics, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__StatsResponse response = HOY__PB__STATS_RESPONSE__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	auto_free uint8_t *data = malloc(protobuf_c_message_get_packed_size(metrics) + 1);

	if (!data) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	any.type_url = (char *) type;
	any.value.data = data;
	any.value.len = protobuf_c_message_pack(metrics, data);
	response.stats = &any;
	hoy_ttrpc_answer(req, &response.base);
}

/* An array of `n` messages and the array of pointers to them that protobuf-c wants, in one block each. */
#define NEW_LIST(type, init, n, ret_items)                                                                             \
	({                                                                                                             \
		type *_items = calloc((n) + 1, sizeof *_items);                                                        \
		type **_list = calloc((n) + 1, sizeof *_list);                                                         \
		for (size_t _i = 0; _items && _list && _i < (n); _i++) {                                               \
			init(&_items[_i]);                                                                             \
			_list[_i] = &_items[_i];                                                                       \
		}                                                                                                      \
		*(ret_items) = _items;                                                                                 \
		_list;                                                                                                 \
	})

struct rdma {
	Hoy__Pb__RdmaStat stat;
	Hoy__Pb__RdmaEntry *current, *limit;
};

static uint32_t rdma_limit(uint64_t limit)
{
	return limit > UINT32_MAX ? UINT32_MAX : (uint32_t) limit;
}

/* NULL on a host without such devices. */
static Hoy__Pb__RdmaStat *set_rdma(struct rdma *rdma, const struct hoy_cgroup_stats *stats)
{
	*rdma = (struct rdma){ .stat = HOY__PB__RDMA_STAT__INIT };
	if (!stats->n_rdma)
		return NULL;
	rdma->stat.current = NEW_LIST(Hoy__Pb__RdmaEntry, hoy__pb__rdma_entry__init, stats->n_rdma, &rdma->current);
	rdma->stat.limit = NEW_LIST(Hoy__Pb__RdmaEntry, hoy__pb__rdma_entry__init, stats->n_rdma, &rdma->limit);
	for (size_t i = 0; i < stats->n_rdma && rdma->current && rdma->limit && rdma->stat.current && rdma->stat.limit;
		i++) {
		const struct hoy_cgroup_rdma_stat *from = &stats->rdma[i];

		rdma->current[i].device = rdma->limit[i].device = (char *) from->device;
		rdma->current[i].hca_handles = (uint32_t) from->handles;
		rdma->current[i].hca_objects = (uint32_t) from->objects;
		rdma->limit[i].hca_handles = rdma_limit(from->handles_limit);
		rdma->limit[i].hca_objects = rdma_limit(from->objects_limit);
		rdma->stat.n_current = rdma->stat.n_limit = i + 1;
	}
	return &rdma->stat;
}

static void rdma_done(struct rdma *rdma)
{
	free(rdma->stat.current);
	free(rdma->stat.limit);
	free(rdma->current);
	free(rdma->limit);
}

/* --- v1 ----------------------------------------------------------------------------------------------------------- */

static void set_v1_entry(Hoy__Pb__V1MemoryEntry *entry, const struct hoy_cgroup_memory_counter *counter)
{
	entry->usage = counter->usage;
	entry->limit = counter->limit;
	entry->max = counter->max;
	entry->failcnt = counter->failcnt;
}

static void set_v1_cpu(
	Hoy__Pb__V1CpuUsage *usage, Hoy__Pb__V1Throttling *throttling, const struct hoy_cgroup_stats *stats)
{
	usage->total = stats->cpu.total_ns;
	usage->kernel = stats->cpu.system_ns;
	usage->user = stats->cpu.user_ns;
	usage->n_per_cpu = stats->cpu.n_percpu;
	usage->per_cpu = stats->cpu.percpu_ns;
	throttling->periods = stats->cpu.periods;
	throttling->throttled_periods = stats->cpu.throttled_periods;
	throttling->throttled_time = stats->cpu.throttled_ns;
}

static void set_blkio(Hoy__Pb__V1BlkioEntry *entry, const struct hoy_cgroup_io *io, bool write, uint64_t value)
{
	entry->op = (char *) (write ? "Write" : "Read");
	entry->major = io->major;
	entry->minor = io->minor;
	entry->value = value;
}

static void answer_v1(const struct hoy_cgroup_stats *stats, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__V1Metrics metrics = HOY__PB__V1_METRICS__INIT;
	Hoy__Pb__PidsStat pids = HOY__PB__PIDS_STAT__INIT;
	Hoy__Pb__V1Cpu cpu = HOY__PB__V1_CPU__INIT;
	Hoy__Pb__V1CpuUsage cpu_usage = HOY__PB__V1_CPU_USAGE__INIT;
	Hoy__Pb__V1Throttling throttling = HOY__PB__V1_THROTTLING__INIT;
	Hoy__Pb__V1Memory memory = HOY__PB__V1_MEMORY__INIT;
	Hoy__Pb__V1MemoryEntry usage = HOY__PB__V1_MEMORY_ENTRY__INIT, swap = usage, kernel = usage, tcp = usage;
	Hoy__Pb__V1Blkio blkio = HOY__PB__V1_BLKIO__INIT;
	Hoy__Pb__V1OomControl oom = HOY__PB__V1_OOM_CONTROL__INIT;
	size_t n_io = stats->io.n_devices;
	auto_free Hoy__Pb__V1BlkioEntry *bytes = NULL, *ios = NULL;
	auto_free Hoy__Pb__V1BlkioEntry **byte_list = NEW_LIST(
		Hoy__Pb__V1BlkioEntry, hoy__pb__v1_blkio_entry__init, 2 * n_io, &bytes);
	auto_free Hoy__Pb__V1BlkioEntry **io_list = NEW_LIST(
		Hoy__Pb__V1BlkioEntry, hoy__pb__v1_blkio_entry__init, 2 * n_io, &ios);
	auto_free Hoy__Pb__V1Hugetlb *hugetlb = NULL;
	auto_free Hoy__Pb__V1Hugetlb **hugetlb_list = NEW_LIST(
		Hoy__Pb__V1Hugetlb, hoy__pb__v1_hugetlb__init, stats->n_hugetlb, &hugetlb);
	auto_(rdma_done) struct rdma rdma;

	pids.current = stats->pids.current;
	pids.limit = stats->pids.limit == HOY_CGROUP_UNLIMITED ? 0 : stats->pids.limit;
	set_v1_cpu(&cpu_usage, &throttling, stats);
	cpu.usage = &cpu_usage;
	cpu.throttling = &throttling;
	set_memory_stat(&memory.base, stats);
	set_v1_entry(&usage, &stats->memory.usage);
	set_v1_entry(&swap, &stats->memory.swap);
	set_v1_entry(&kernel, &stats->memory.kernel);
	set_v1_entry(&tcp, &stats->memory.kernel_tcp);
	memory.usage = &usage;
	memory.swap = &swap;
	memory.kernel = &kernel;
	memory.kernel_tcp = &tcp;
	oom.oom_kill_disable = stats->memory.oom_kill_disabled;
	oom.under_oom = stats->memory.under_oom;
	oom.oom_kill = stats->memory.oom_kill;
	for (size_t i = 0; i < n_io && byte_list && io_list && bytes && ios; i++) {
		const struct hoy_cgroup_io *io = &stats->io.devices[i];

		set_blkio(&bytes[2 * i], io, /* write= */ false, io->read_bytes);
		set_blkio(&bytes[2 * i + 1], io, /* write= */ true, io->write_bytes);
		set_blkio(&ios[2 * i], io, /* write= */ false, io->read_ios);
		set_blkio(&ios[2 * i + 1], io, /* write= */ true, io->write_ios);
		blkio.n_io_service_bytes = blkio.n_io_serviced = 2 * (i + 1);
	}
	blkio.io_service_bytes = byte_list;
	blkio.io_serviced = io_list;
	for (size_t i = 0; i < stats->n_hugetlb && hugetlb && hugetlb_list; i++) {
		hugetlb[i].usage = stats->hugetlb[i].usage;
		hugetlb[i].max = stats->hugetlb[i].max;
		hugetlb[i].failcnt = stats->hugetlb[i].failcnt;
		hugetlb[i].pagesize = stats->hugetlb[i].page_size;
		metrics.n_hugetlb = i + 1;
	}
	metrics.hugetlb = hugetlb_list;
	metrics.pids = &pids;
	metrics.cpu = &cpu;
	metrics.memory = &memory;
	metrics.blkio = &blkio;
	metrics.rdma = set_rdma(&rdma, stats);
	metrics.memory_oom_control = &oom;
	answer_metrics("io.containerd.cgroups.v1.Metrics", &metrics.base, req);
}

/* --- v2 ----------------------------------------------------------------------------------------------------------- */

struct psi {
	Hoy__Pb__V2Psi psi;
	Hoy__Pb__V2PsiData some, full;
};

/* NULL where the kernel doesn't measure it. */
static Hoy__Pb__V2Psi *set_psi(struct psi *to, const struct hoy_cgroup_psi *from)
{
	*to = (struct psi){ HOY__PB__V2_PSI__INIT, HOY__PB__V2_PSI_DATA__INIT, HOY__PB__V2_PSI_DATA__INIT };
	if (!from->present)
		return NULL;
	to->some.avg10 = (double) from->some_avg10 / 100;
	to->some.avg60 = (double) from->some_avg60 / 100;
	to->some.avg300 = (double) from->some_avg300 / 100;
	to->some.total = from->some_total;
	to->full.avg10 = (double) from->full_avg10 / 100;
	to->full.avg60 = (double) from->full_avg60 / 100;
	to->full.avg300 = (double) from->full_avg300 / 100;
	to->full.total = from->full_total;
	to->psi.some = &to->some;
	to->psi.full = &to->full;
	return &to->psi;
}

static void set_v2_cpu(Hoy__Pb__V2Cpu *cpu, const struct hoy_cgroup_stats *stats)
{
	cpu->usage_usec = stats->cpu.total_ns / 1000;
	cpu->user_usec = stats->cpu.user_ns / 1000;
	cpu->system_usec = stats->cpu.system_ns / 1000;
	cpu->nr_periods = stats->cpu.periods;
	cpu->nr_throttled = stats->cpu.throttled_periods;
	cpu->throttled_usec = stats->cpu.throttled_ns / 1000;
}

static void set_v2_memory(Hoy__Pb__V2Memory *memory, const struct hoy_cgroup_stats *stats)
{
	set_memory_stat(&memory->base, stats);
	memory->workingset_refault = hoy_cgroup_stat_get(stats, "workingset_refault_anon") +
				     hoy_cgroup_stat_get(stats, "workingset_refault_file");
	memory->workingset_activate = hoy_cgroup_stat_get(stats, "workingset_activate_anon") +
				      hoy_cgroup_stat_get(stats, "workingset_activate_file");
	memory->usage = stats->memory.usage.usage;
	memory->usage_limit = stats->memory.usage.limit;
	memory->max_usage = stats->memory.usage.max;
	memory->swap_usage = stats->memory.swap.usage;
	memory->swap_limit = stats->memory.swap.limit;
	memory->swap_max_usage = stats->memory.swap.max;
}

static void answer_v2(const struct hoy_cgroup_stats *stats, struct hoy_ttrpc_request *req)
{
	Hoy__Pb__V2Metrics metrics = HOY__PB__V2_METRICS__INIT;
	Hoy__Pb__PidsStat pids = HOY__PB__PIDS_STAT__INIT;
	Hoy__Pb__V2Cpu cpu = HOY__PB__V2_CPU__INIT;
	Hoy__Pb__V2Memory memory = HOY__PB__V2_MEMORY__INIT;
	Hoy__Pb__V2Io io = HOY__PB__V2_IO__INIT;
	Hoy__Pb__V2MemoryEvents events = HOY__PB__V2_MEMORY_EVENTS__INIT;
	auto_free Hoy__Pb__V2IoEntry *entries = NULL;
	auto_free Hoy__Pb__V2IoEntry **entry_list = NEW_LIST(
		Hoy__Pb__V2IoEntry, hoy__pb__v2_io_entry__init, stats->io.n_devices, &entries);
	auto_free Hoy__Pb__V2Hugetlb *hugetlb = NULL;
	auto_free Hoy__Pb__V2Hugetlb **hugetlb_list = NEW_LIST(
		Hoy__Pb__V2Hugetlb, hoy__pb__v2_hugetlb__init, stats->n_hugetlb, &hugetlb);
	auto_(rdma_done) struct rdma rdma;
	struct psi cpu_psi, memory_psi, io_psi;

	pids.current = stats->pids.current;
	pids.limit = stats->pids.limit; /* v2: "max" is the largest number, v1: it is 0 */
	cpu.psi = set_psi(&cpu_psi, &stats->cpu.psi);
	memory.psi = set_psi(&memory_psi, &stats->memory.psi);
	io.psi = set_psi(&io_psi, &stats->io.psi);
	set_v2_cpu(&cpu, stats);
	set_v2_memory(&memory, stats);
	for (size_t i = 0; i < stats->io.n_devices && entries && entry_list; i++) {
		entries[i].major = stats->io.devices[i].major;
		entries[i].minor = stats->io.devices[i].minor;
		entries[i].rbytes = stats->io.devices[i].read_bytes;
		entries[i].wbytes = stats->io.devices[i].write_bytes;
		entries[i].rios = stats->io.devices[i].read_ios;
		entries[i].wios = stats->io.devices[i].write_ios;
		io.n_usage = i + 1;
	}
	io.usage = entry_list;
	for (size_t i = 0; i < stats->n_hugetlb && hugetlb && hugetlb_list; i++) {
		hugetlb[i].current = stats->hugetlb[i].usage;
		hugetlb[i].max = stats->hugetlb[i].limit;
		hugetlb[i].pagesize = stats->hugetlb[i].page_size;
		metrics.n_hugetlb = i + 1;
	}
	metrics.hugetlb = hugetlb_list;
	events.low = stats->memory.events_low;
	events.high = stats->memory.events_high;
	events.max = stats->memory.events_max;
	events.oom = stats->memory.events_oom;
	events.oom_kill = stats->memory.oom_kill;
	events.oom_group_kill = stats->memory.oom_group_kill;
	metrics.pids = &pids;
	metrics.cpu = &cpu;
	metrics.memory = &memory;
	metrics.io = &io;
	metrics.rdma = set_rdma(&rdma, stats);
	metrics.memory_events = &events;
	answer_metrics("io.containerd.cgroups.v2.Metrics", &metrics.base, req);
}

void hoy_task_stats_answer(const struct hoy_task_cgroup *cgroup, struct hoy_ttrpc_request *req)
{
	struct hoy_cgroup_stats stats = { 0 };
	struct hoy_err err = {};

	if (!cgroup) {
		hoy_ttrpc_answer_code(req, HOY_TTRPC_NOT_FOUND, "the container has no cgroup: not found");
		return;
	}
	if (hoy_task_cgroup_stats(cgroup, &stats, &err) < 0)
		hoy_ttrpc_answer_err(req, &err);
	else if (stats.unified)
		answer_v2(&stats, req);
	else
		answer_v1(&stats, req);
	hoy_cgroup_stats_done(&stats);
}
