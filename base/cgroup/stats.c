/* Reads a group's statistics: each controller from the hierarchy it sits on. Interprets nothing. */
#include "base/cgroup/stats_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

void hoy_cgroup_stats_done(struct hoy_cgroup_stats *stats)
{
	free(stats->cpu.percpu_ns);
	free(stats->memory.stat);
	free(stats->io.devices);
	free(stats->hugetlb);
	free(stats->rdma);
	*stats = (struct hoy_cgroup_stats){};
}

uint64_t hoy_cgroup_stat_get(const struct hoy_cgroup_stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->memory.n_stat; i++)
		if (strcmp(stats->memory.stat[i].name, name) == 0)
			return stats->memory.stat[i].value;
	return 0;
}

/* A controller's hierarchy, told apart by kind. */
struct place {
	size_t hier;
	bool v2;
};

static bool find(const struct hoy_cgroup *cg, enum hoy_cgroup_controller controller, struct place *ret)
{
	int i = hoy_cgroup_table_find(&cg->table, controller);

	if (i < 0)
		return false;
	*ret = (struct place){ .hier = (size_t) i, .v2 = i == 0 && cg->table.v2 };
	return true;
}

/* The text of a file, "" when it is not there. */
static const char *read_text(const struct hoy_cgroup *cg, size_t hier, const char *file, char *text)
{
	if (hoy_cgroup_read(cg, hier, file, text, HOY_CGROUP_STATS_TEXT) < 0)
		text[0] = '\0';
	return text;
}

static uint64_t read_number(const struct hoy_cgroup *cg, size_t hier, const char *file)
{
	char text[64];

	return hoy_cgroup_read(cg, hier, file, text, sizeof text) < 0 ? 0 : hoy_cgroup_number(text);
}

/* --- cpu -------------------------------------------------------------------------------------------------------- */

static void cpu_v2(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	read_text(cg, 0, "cpu.stat", text);
	stats->cpu.total_ns = hoy_cgroup_keyed(text, "usage_usec") * 1000;
	stats->cpu.user_ns = hoy_cgroup_keyed(text, "user_usec") * 1000;
	stats->cpu.system_ns = hoy_cgroup_keyed(text, "system_usec") * 1000;
	stats->cpu.periods = hoy_cgroup_keyed(text, "nr_periods");
	stats->cpu.throttled_periods = hoy_cgroup_keyed(text, "nr_throttled");
	stats->cpu.throttled_ns = hoy_cgroup_keyed(text, "throttled_usec") * 1000;
}

static void cpu_v1(const struct hoy_cgroup *cg, size_t hier, struct hoy_cgroup_stats *stats, char *text)
{
	read_text(cg, hier, "cpu.stat", text);
	stats->cpu.periods = hoy_cgroup_keyed(text, "nr_periods");
	stats->cpu.throttled_periods = hoy_cgroup_keyed(text, "nr_throttled");
	stats->cpu.throttled_ns = hoy_cgroup_keyed(text, "throttled_time");
}

static int stats_cpu(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	struct place place;

	/* usage is counted on v2 even where the controller is not on it */
	if (cg->table.v2)
		cpu_v2(cg, stats, text);
	if (find(cg, HOY_CGROUP_CPU, &place) && !place.v2)
		cpu_v1(cg, place.hier, stats, text);
	if (!find(cg, HOY_CGROUP_CPUACCT, &place) || place.v2)
		return 0;
	stats->cpu.total_ns = read_number(cg, place.hier, "cpuacct.usage");
	stats->cpu.user_ns = read_number(cg, place.hier, "cpuacct.usage_user");
	stats->cpu.system_ns = read_number(cg, place.hier, "cpuacct.usage_sys");
	return hoy_cgroup_parse_percpu(read_text(cg, place.hier, "cpuacct.usage_percpu", text), stats);
}

/* --- memory ----------------------------------------------------------------------------------------------------- */

static void counter_v1(
	const struct hoy_cgroup *cg, size_t hier, const char *prefix, struct hoy_cgroup_memory_counter *counter)
{
	const struct {
		const char *suffix;
		uint64_t *to;
	} files[] = {
		{ "usage_in_bytes", &counter->usage },
		{ "limit_in_bytes", &counter->limit },
		{ "max_usage_in_bytes", &counter->max },
		{ "failcnt", &counter->failcnt },
	};
	char file[64];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(file, sizeof file, "%s.%s", prefix, files[i].suffix);
		*files[i].to = read_number(cg, hier, file);
	}
}

static void memory_v1(const struct hoy_cgroup *cg, size_t hier, struct hoy_cgroup_stats *stats, char *text)
{
	counter_v1(cg, hier, "memory", &stats->memory.usage);
	counter_v1(cg, hier, "memory.memsw", &stats->memory.swap);
	counter_v1(cg, hier, "memory.kmem", &stats->memory.kernel);
	counter_v1(cg, hier, "memory.kmem.tcp", &stats->memory.kernel_tcp);
	read_text(cg, hier, "memory.oom_control", text);
	stats->memory.oom_kill = hoy_cgroup_keyed(text, "oom_kill");
	stats->memory.oom_kill_disabled = hoy_cgroup_keyed(text, "oom_kill_disable") != 0;
	stats->memory.under_oom = hoy_cgroup_keyed(text, "under_oom") != 0;
}

static void memory_v2(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	stats->memory.usage.usage = read_number(cg, 0, "memory.current");
	stats->memory.usage.limit = read_number(cg, 0, "memory.max");
	stats->memory.usage.max = read_number(cg, 0, "memory.peak");
	stats->memory.swap.usage = read_number(cg, 0, "memory.swap.current");
	stats->memory.swap.limit = read_number(cg, 0, "memory.swap.max");
	stats->memory.swap.max = read_number(cg, 0, "memory.swap.peak");
	read_text(cg, 0, "memory.events", text);
	stats->memory.events_low = hoy_cgroup_keyed(text, "low");
	stats->memory.events_high = hoy_cgroup_keyed(text, "high");
	stats->memory.events_max = hoy_cgroup_keyed(text, "max");
	stats->memory.events_oom = hoy_cgroup_keyed(text, "oom");
	stats->memory.oom_kill = hoy_cgroup_keyed(text, "oom_kill");
	stats->memory.oom_group_kill = hoy_cgroup_keyed(text, "oom_group_kill");
}

static int stats_memory(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	struct place place;

	if (!find(cg, HOY_CGROUP_MEMORY, &place))
		return 0;
	if (place.v2)
		memory_v2(cg, stats, text);
	else
		memory_v1(cg, place.hier, stats, text);
	return hoy_cgroup_parse_stat(read_text(cg, place.hier, "memory.stat", text), stats);
}

/* --- the others ------------------------------------------------------------------------------------------------- */

static int stats_pids(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats)
{
	struct place place;

	if (!find(cg, HOY_CGROUP_PIDS, &place))
		return 0;
	stats->pids.current = read_number(cg, place.hier, "pids.current");
	stats->pids.limit = read_number(cg, place.hier, "pids.max");
	return 0;
}

static int stats_io(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	struct place place;
	int r;

	if (!find(cg, HOY_CGROUP_IO, &place))
		return 0;
	if (place.v2)
		return hoy_cgroup_parse_io_v2(read_text(cg, 0, "io.stat", text), stats);
	read_text(cg, place.hier, "blkio.throttle.io_service_bytes_recursive", text);
	r = hoy_cgroup_parse_io_v1(text, /* bytes= */ true, stats);
	if (r < 0)
		return r;
	read_text(cg, place.hier, "blkio.throttle.io_serviced_recursive", text);
	return hoy_cgroup_parse_io_v1(text, /* bytes= */ false, stats);
}

/* One page size: what "hugetlb.2MB.max" (v1: "limit_in_bytes") and its neighbours say. */
static int stats_hugetlb_size(const struct hoy_cgroup *cg, struct place place, const char *size, size_t size_len,
	struct hoy_cgroup_stats *stats)
{
	struct hoy_cgroup_hugetlb *huge = reallocarray(stats->hugetlb, stats->n_hugetlb + 1, sizeof *huge);
	char prefix[64], file[96], text[128];

	if (huge == NULL)
		return -ENOMEM;
	stats->hugetlb = huge;
	huge += stats->n_hugetlb;
	*huge = (struct hoy_cgroup_hugetlb){};
	if (size_len >= sizeof huge->page_size)
		return 0;
	memcpy(huge->page_size, size, size_len);
	snprintf(prefix, sizeof prefix, "hugetlb.%s", huge->page_size);
	snprintf(file, sizeof file, "%s.%s", prefix, place.v2 ? "current" : "usage_in_bytes");
	huge->usage = read_number(cg, place.hier, file);
	snprintf(file, sizeof file, "%s.%s", prefix, place.v2 ? "max" : "limit_in_bytes");
	huge->limit = read_number(cg, place.hier, file);
	if (place.v2) {
		snprintf(file, sizeof file, "%s.events", prefix);
		if (hoy_cgroup_read(cg, 0, file, text, sizeof text) >= 0)
			huge->failcnt = hoy_cgroup_keyed(text, "max");
	} else {
		snprintf(file, sizeof file, "%s.max_usage_in_bytes", prefix);
		huge->max = read_number(cg, place.hier, file);
		snprintf(file, sizeof file, "%s.failcnt", prefix);
		huge->failcnt = read_number(cg, place.hier, file);
	}
	stats->n_hugetlb++;
	return 0;
}

static int stats_hugetlb(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats)
{
	struct place place;
	DIR *stream;
	int fd, r = 0;

	if (!find(cg, HOY_CGROUP_HUGETLB, &place))
		return 0;
	fd = openat(hoy_cgroup_dirfd(cg, place.hier), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (stream == NULL) {
		hoy_fd_close(&fd);
		return 0;
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(stream)) != NULL;) {
		const char *size = entry->d_name + strlen("hugetlb.");
		size_t len;

		if (!hoy_str_starts(entry->d_name, "hugetlb."))
			continue;
		len = strcspn(size, ".");
		if (hoy_str_eq(size + len, place.v2 ? ".max" : ".limit_in_bytes"))
			r = stats_hugetlb_size(cg, place, size, len, stats);
	}
	closedir(stream);
	return r;
}

static int stats_rdma(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	struct place place;
	int r;

	if (!find(cg, HOY_CGROUP_RDMA, &place))
		return 0;
	r = hoy_cgroup_parse_rdma(read_text(cg, place.hier, "rdma.current", text), /* limits= */ false, stats);
	if (r == 0)
		r = hoy_cgroup_parse_rdma(read_text(cg, place.hier, "rdma.max", text), /* limits= */ true, stats);
	return r;
}

static void stats_pressure(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *stats, char *text)
{
	if (!cg->table.v2)
		return;
	hoy_cgroup_parse_psi(read_text(cg, 0, "cpu.pressure", text), &stats->cpu.psi);
	hoy_cgroup_parse_psi(read_text(cg, 0, "memory.pressure", text), &stats->memory.psi);
	hoy_cgroup_parse_psi(read_text(cg, 0, "io.pressure", text), &stats->io.psi);
}

int hoy_cgroup_read_stats(const struct hoy_cgroup *cg, struct hoy_cgroup_stats *ret, struct hoy_err *err)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};
	auto_free char *text = malloc(HOY_CGROUP_STATS_TEXT);
	int r;

	if (text == NULL)
		return hoy_err_oom(err);
	if (!hoy_cgroup_exists(cg))
		return hoy_err_not_found(err, "cgroup '%s' does not exist", cg->path);
	stats.unified = hoy_cgroup_is_unified(cg);
	r = stats_cpu(cg, &stats, text);
	if (r == 0)
		r = stats_memory(cg, &stats, text);
	if (r == 0)
		r = stats_pids(cg, &stats);
	if (r == 0)
		r = stats_io(cg, &stats, text);
	if (r == 0)
		r = stats_hugetlb(cg, &stats);
	if (r == 0)
		r = stats_rdma(cg, &stats, text);
	if (r < 0)
		return hoy_err_oom(err);
	stats_pressure(cg, &stats, text);
	*ret = stats;
	stats = (struct hoy_cgroup_stats){};
	return 0;
}
