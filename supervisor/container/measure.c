/* What a container uses: its cgroup, its network interfaces, the host's processors. */
#include "supervisor/container/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "supervisor/container/measure_internal.h"

int hoy_container_cgroup(const struct hoy_container *c, struct hoy_cgroup **ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	auto_free char *path = NULL;
	int r = hoy_cgroup_host_detect(&host, err);

	if (r >= 0)
		r = hoy_cgroup_host_v2_mount(host) ? hoy_cgroup_path_of(c->info.pid, &path, err)
						   : hoy_cgroup_path_in(c->info.pid, "memory", &path, err);
	return r < 0 ? r : hoy_cgroup_new(host, path, ret, err);
}

/* The first seven numbers of the line "cpu": ticks since boot. */
static uint64_t read_system_ns(void)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	uint64_t ticks = 0;
	char *at;

	if (hoy_file_read(AT_FDCWD, "/proc/stat", &text, NULL) < 0 || !text.data || !hoy_str_starts(text.data, "cpu "))
		return 0;
	at = text.data + 4;
	for (int i = 0; i < 7; i++)
		ticks += strtoull(at, &at, 10);
	return ticks * (1000000000 / (uint64_t) sysconf(_SC_CLK_TCK));
}

static uint64_t host_memory(void)
{
	return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

static int add_interface(struct hoy_container_sample *sample, const char *line)
{
	struct hoy_interface_stats s = {};
	struct hoy_interface_stats *grown;

	if (sscanf(line,
		    " %15[^:]: %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %" SCNu64 " %" SCNu64
		    " %" SCNu64 " %" SCNu64,
		    s.name, &s.rx_bytes, &s.rx_packets, &s.rx_errors, &s.rx_dropped, &s.tx_bytes, &s.tx_packets,
		    &s.tx_errors, &s.tx_dropped) != 9 ||
		!strcmp(s.name, "lo"))
		return 0;
	grown = reallocarray(sample->interfaces, sample->n_interfaces + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	sample->interfaces = grown;
	grown[sample->n_interfaces++] = s;
	return 0;
}

static int read_interfaces(const struct hoy_container *c, struct hoy_container_sample *sample)
{
	auto_free char *path = hoy_str_printf("/proc/%d/net/dev", (int) c->info.pid);
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_strv_free) char **lines = NULL;
	int r = path ? 0 : -ENOMEM;

	if (r < 0 || hoy_file_read(AT_FDCWD, path, &text, NULL) < 0 || !text.data)
		return r; /* it is ending */
	lines = hoy_str_split(text.data, '\n');
	for (size_t i = 0; lines && lines[i] && r >= 0; i++)
		r = add_interface(sample, lines[i]);
	return lines ? r : -ENOMEM;
}

void hoy_container_sample_done(struct hoy_container_sample *sample)
{
	hoy_cgroup_stats_done(&sample->cgroup);
	free(sample->interfaces);
	*sample = (struct hoy_container_sample){};
}

int hoy_container_measure(
	struct hoy_containers *room, const char *ref, struct hoy_container_sample *ret, struct hoy_err *err)
{
	auto_(hoy_container_sample_done) struct hoy_container_sample sample = {};
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	*ret = sample;
	if (r < 0 || c->phase != HOY_PHASE_RUNNING || c->info.pid <= 0)
		return r;
	if (hoy_container_cgroup(c, &cg, NULL) < 0 || hoy_cgroup_read_stats(cg, &sample.cgroup, NULL) < 0)
		return 0; /* it has just ended */
	sample.system_ns = read_system_ns();
	sample.online_cpus = (unsigned int) sysconf(_SC_NPROCESSORS_ONLN);
	sample.memory_limit = MIN(sample.cgroup.memory.usage.limit, host_memory());
	sample.time = hoy_now();
	if (!hoy_str_eq(c->config->host.network_mode, "host") && read_interfaces(c, &sample) < 0)
		return hoy_err_oom(err);
	*ret = sample;
	sample = (struct hoy_container_sample){};
	return 0;
}
