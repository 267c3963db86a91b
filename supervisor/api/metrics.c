/* GET /metrics on the address of metrics-addr, and nothing else there. Names are dockerd's, so that its dashboards work. */
#include "supervisor/api/metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "config.h"
#include "supervisor/api/events.h"
#include "supervisor/api/host.h"
#include "supervisor/api/internal.h"
#include "supervisor/build/build.h"
#include "supervisor/container/container.h"

static const char *const bounds[HOY_METRIC_BUCKETS] = { "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1",
	"2.5", "5", "10" };
static const uint64_t bounds_us[HOY_METRIC_BUCKETS] = { 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
	2500000, 5000000, 10000000 };

/* Requests whose time is told, by the family of metrics and the label that they have there. */
static const struct {
	const char *family, *label, *method, *pattern;
} actions[] = {
	{ "container_actions", "action=\"changes\"", "GET", "/containers/{id}/changes" },
	{ "container_actions", "action=\"commit\"", "POST", "/commit" },
	{ "container_actions", "action=\"create\"", "POST", "/containers/create" },
	{ "container_actions", "action=\"delete\"", "DELETE", "/containers/{id}" },
	{ "container_actions", "action=\"restart\"", "POST", "/containers/{id}/restart" },
	{ "container_actions", "action=\"start\"", "POST", "/containers/{id}/start" },
	{ "container_actions", "action=\"stop\"", "POST", "/containers/{id}/stop" },
	{ "host_info_functions", "function=\"system_info\"", "GET", "/info" },
	{ "host_info_functions", "function=\"system_version\"", "GET", "/version" },
	{ "network_actions", "action=\"connect\"", "POST", "/networks/{id}/connect" },
	{ "network_actions", "action=\"release\"", "POST", "/networks/{id}/disconnect" },
};
_Static_assert(ARRAY_LEN(actions) <= HOY_METRIC_ACTIONS, "struct hoy_api_metrics has room for all");

/* --- histograms ------------------------------------------------------------------------------------------------- */

void hoy_metric_times_add(struct hoy_metric_times *times, uint64_t ns)
{
	times->n++;
	times->ns += ns;
	for (size_t i = 0; i < HOY_METRIC_BUCKETS; i++)
		if (ns <= bounds_us[i] * 1000) {
			times->in_bucket[i]++;
			return;
		}
}

void hoy_metric_times_print(
	const struct hoy_metric_times *times, const char *name, const char *labels, struct hoy_buf *out)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < HOY_METRIC_BUCKETS; i++) {
		sum += times->in_bucket[i];
		hoy_buf_addf(out, "%s_bucket{%s,le=\"%s\"} %llu\n", name, labels, bounds[i], (unsigned long long) sum);
	}
	hoy_buf_addf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long) times->n);
	hoy_buf_addf(out, "%s_sum{%s} %.9f\n", name, labels, (double) times->ns / 1e9);
	hoy_buf_addf(out, "%s_count{%s} %llu\n", name, labels, (unsigned long long) times->n);
}

void hoy_api_metrics_observe(struct hoy_api *api, const struct hoy_api_request *rq, uint64_t ns)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(rq->route->method, actions[i].method) == 0 &&
			strcmp(rq->route->pattern, actions[i].pattern) == 0)
			hoy_metric_times_add(&api->metrics.actions[i], ns);
}

/* --- the text --------------------------------------------------------------------------------------------------- */

static void head(struct hoy_buf *out, const char *name, const char *type, const char *help)
{
	hoy_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct hoy_buf *out, const char *name, const char *type, const char *help, double value)
{
	head(out, name, type, help);
	hoy_buf_addf(out, "%s %.17g\n", name, value);
}

static void add_actions(const struct hoy_api *api, struct hoy_buf *out)
{
	const char *family = "";

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		auto_free char *name = hoy_str_printf("engine_daemon_%s_seconds", actions[i].family);

		if (!name)
			return;
		if (strcmp(family, actions[i].family) != 0)
			head(out, name, "histogram", "How long each kind of request took.");
		family = actions[i].family;
		hoy_metric_times_print(&api->metrics.actions[i], name, actions[i].label, out);
	}
}

static void add_containers(const struct hoy_api *api, struct hoy_buf *out)
{
	static const char name[] = "engine_daemon_container_states_containers";
	struct hoy_containers_count count;

	hoy_containers_count(api->o.containers, &count);
	head(out, name, "gauge", "The containers in each state.");
	hoy_buf_addf(out, "%s{state=\"paused\"} %zu\n", name, count.paused);
	hoy_buf_addf(out, "%s{state=\"running\"} %zu\n", name, count.running);
	hoy_buf_addf(out, "%s{state=\"stopped\"} %zu\n", name, count.stopped);
	one(out, "engine_daemon_health_checks_total", "counter", "Health checks that were run.", (double) count.probes);
	one(out, "engine_daemon_health_checks_failed_total", "counter", "Health checks that failed.",
		(double) count.failed_probes);
}

static void add_builds(const struct hoy_api *api, struct hoy_buf *out)
{
	struct hoy_builds_count count;

	hoy_builds_count(api->o.builds, &count);
	one(out, "builder_builds_triggered_total", "counter", "Builds that were begun.", (double) count.begun);
	head(out, "builder_builds_failed_total", "counter", "Builds that failed.");
	hoy_buf_addf(out, "builder_builds_failed_total{reason=\"build_canceled\"} %llu\n",
		(unsigned long long) count.canceled);
	hoy_buf_addf(out, "builder_builds_failed_total{reason=\"error_processing_commands_error\"} %llu\n",
		(unsigned long long) count.failed);
}

/* A label's value: the format knows three escapes. */
static void add_label(struct hoy_buf *out, const char *name, const char *value, const char *end)
{
	hoy_buf_addf(out, "%s=\"", name);
	for (const char *c = value ? value : ""; *c; c++)
		if (*c == '\n')
			hoy_buf_adds(out, "\\n");
		else if (*c == '"' || *c == '\\')
			hoy_buf_addf(out, "\\%c", *c);
		else
			hoy_buf_addc(out, *c);
	hoy_buf_addf(out, "\"%s", end);
}

static void add_host(const struct hoy_api *api, struct hoy_buf *out)
{
	auto_(hoy_host_facts_done) struct hoy_host_facts host = {};

	hoy_host_facts_read(&host);
	head(out, "engine_daemon_engine_info", "gauge", "The engine and the host that it runs on.");
	hoy_buf_adds(out, "engine_daemon_engine_info{");
	add_label(out, "architecture", host.machine, ",");
	add_label(out, "commit", "", ",");
	add_label(out, "daemon_id", api->o.host_id, ",");
	add_label(out, "graphdriver", "overlay2", ",");
	add_label(out, "kernel", host.kernel, ",");
	add_label(out, "os", host.os_name, ",");
	add_label(out, "os_type", "linux", ",");
	add_label(out, "os_version", host.os_version, ",");
	add_label(out, "version", PACKAGE_VERSION, "} 1\n");
	one(out, "engine_daemon_engine_cpus_cpus", "gauge", "Processors of the host.", host.cpus);
	one(out, "engine_daemon_engine_memory_bytes", "gauge", "Memory of the host.", (double) host.memory);
}

static void add_process(struct hoy_buf *out)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct rlimit files = {};
	struct rusage used = {};
	unsigned long pages = 0, resident = 0;

	(void) getrusage(RUSAGE_SELF, &used);
	(void) getrlimit(RLIMIT_NOFILE, &files);
	if (hoy_file_read(AT_FDCWD, "/proc/self/statm", &text, NULL) >= 0 && text.data) {
		char *end;

		pages = strtoul(text.data, &end, 10);
		resident = strtoul(end, NULL, 10);
	}
	one(out, "process_cpu_seconds_total", "counter", "Processor time of hoyd.",
		(double) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			(double) (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	one(out, "process_max_fds", "gauge", "Descriptors that hoyd may have.", (double) files.rlim_cur);
	one(out, "process_open_fds", "gauge", "Descriptors that hoyd has.", (double) hoy_host_count_fds());
	one(out, "process_resident_memory_bytes", "gauge", "Resident memory of hoyd.",
		(double) resident * (double) sysconf(_SC_PAGESIZE));
	one(out, "process_virtual_memory_bytes", "gauge", "Address space of hoyd.",
		(double) pages * (double) sysconf(_SC_PAGESIZE));
}

void hoy_api_metrics_print(struct hoy_api *api, struct hoy_buf *out)
{
	add_builds(api, out);
	add_actions(api, out);
	add_containers(api, out);
	add_host(api, out);
	one(out, "engine_daemon_events_subscribers_total", "gauge", "Clients that listen to events.",
		(double) hoy_api_events_listeners(api->events));
	one(out, "engine_daemon_events_total", "counter", "Events that were told.",
		(double) hoy_api_events_total(api->events));
	add_process(out);
}

static int metrics(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	hoy_api_metrics_print(rq->api, &text);
	r = hoy_buf_check(&text, "metrics", err);
	if (r >= 0)
		hoy_http_reply(rq->x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
	return r;
}

const struct hoy_api_route hoy_api_metrics_routes[] = {
	{ "GET", "/metrics", metrics, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
