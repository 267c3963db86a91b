/* events: statistics of a container as JSON lines, and its out-of-memory events. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/cli/command.h"
#include "runtime/state/state.h"
#include "runtime/texts.h"

#define DEFAULT_INTERVAL_NS 5000000000LL
#define RECHECK_MS 20
#define RECHECKS 50

struct events_values {
	const char *interval;
	bool stats;
};
static const struct hoy_option events_options[] = {
	HOY_OPTION(struct events_values, "interval", 0, STRING, interval, "time between statistics (default: 5s)"),
	HOY_OPTION(struct events_values, "stats", 0, FLAG, stats, "show the statistics once"),
};

static void write_counter(struct hoy_json_writer *w, const char *key, const struct hoy_cgroup_memory_counter *c)
{
	hoy_json_object(w, key);
	hoy_json_add_u64(w, "limit", c->limit);
	hoy_json_add_u64(w, "usage", c->usage);
	hoy_json_add_u64(w, "max", c->max);
	hoy_json_add_u64(w, "failcnt", c->failcnt);
	hoy_json_end(w);
}

static void write_cpu(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	hoy_json_object(w, "cpu");
	hoy_json_object(w, "usage");
	hoy_json_add_u64(w, "total", s->cpu.total_ns);
	if (s->cpu.n_percpu) {
		hoy_json_array(w, "percpu");
		for (size_t i = 0; i < s->cpu.n_percpu; i++)
			hoy_json_add_u64(w, NULL, s->cpu.percpu_ns[i]);
		hoy_json_end(w);
	}
	hoy_json_add_u64(w, "kernel", s->cpu.system_ns);
	hoy_json_add_u64(w, "user", s->cpu.user_ns);
	hoy_json_end(w);
	hoy_json_object(w, "throttling");
	hoy_json_add_u64(w, "periods", s->cpu.periods);
	hoy_json_add_u64(w, "throttledPeriods", s->cpu.throttled_periods);
	hoy_json_add_u64(w, "throttledTime", s->cpu.throttled_ns);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void write_memory(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	const char *cache = s->unified ? "file" : "cache";

	hoy_json_object(w, "memory");
	hoy_json_add_u64(w, "cache", hoy_cgroup_stat_get(s, cache));
	write_counter(w, "usage", &s->memory.usage);
	write_counter(w, "swap", &s->memory.swap);
	write_counter(w, "kernel", &s->memory.kernel);
	write_counter(w, "kernelTCP", &s->memory.kernel_tcp);
	hoy_json_object(w, "raw");
	for (size_t i = 0; i < s->memory.n_stat; i++)
		hoy_json_add_u64(w, s->memory.stat[i].name, s->memory.stat[i].value);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void write_io(struct hoy_json_writer *w, const char *key, const struct hoy_cgroup_stats *s, bool bytes)
{
	hoy_json_array(w, key);
	for (size_t i = 0; i < s->io.n_devices; i++) {
		const struct hoy_cgroup_io *d = &s->io.devices[i];
		const uint64_t values[] = { bytes ? d->read_bytes : d->read_ios,
			bytes ? d->write_bytes : d->write_ios };

		for (int op = 0; op < 2; op++) {
			hoy_json_object(w, NULL);
			hoy_json_add_u64(w, "major", d->major);
			hoy_json_add_u64(w, "minor", d->minor);
			hoy_json_add_string(w, "op", op ? "Write" : "Read");
			hoy_json_add_u64(w, "value", values[op]);
			hoy_json_end(w);
		}
	}
	hoy_json_end(w);
}

static void write_hugetlb(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	hoy_json_object(w, "hugetlb");
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		hoy_json_object(w, s->hugetlb[i].page_size);
		hoy_json_add_u64(w, "usage", s->hugetlb[i].usage);
		hoy_json_add_u64(w, "max", s->hugetlb[i].max);
		hoy_json_add_u64(w, "failcnt", s->hugetlb[i].failcnt);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static void write_stats(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	hoy_json_object(w, "data");
	write_cpu(w, s);
	hoy_json_object(w, "cpuset");
	hoy_json_end(w);
	write_memory(w, s);
	hoy_json_object(w, "pids");
	hoy_json_add_u64(w, "current", s->pids.current);
	hoy_json_add_u64(w, "limit", s->pids.limit == HOY_CGROUP_UNLIMITED ? 0 : s->pids.limit);
	hoy_json_end(w);
	hoy_json_object(w, "blkio");
	write_io(w, "ioServiceBytesRecursive", s, true);
	write_io(w, "ioServicedRecursive", s, false);
	hoy_json_end(w);
	write_hugetlb(w, s);
	hoy_json_object(w, "intel_rdt");
	hoy_json_end(w);
	hoy_json_array(w, "network_interfaces");
	hoy_json_end(w);
	hoy_json_end(w);
}

/* One line: {"type":"stats","id":ID,"data":{...}}, or without data for "oom". */
static int print_event(const char *type, const char *id, const struct hoy_cgroup_stats *stats, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "type", type);
	hoy_json_add_string(&w, "id", id);
	if (stats)
		write_stats(&w, stats);
	hoy_json_end(&w);
	(void) hoy_buf_addc(&text, '\n');
	r = hoy_buf_check(&text, "event", err);
	if (r == 0)
		r = hoy_fd_write_all(STDOUT_FILENO, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "write to stdout") : 0;
}

static int print_stats(const struct hoy_cgroup *cg, const char *id, struct hoy_err *err)
{
	auto_(hoy_cgroup_stats_done) struct hoy_cgroup_stats stats = {};
	int r = hoy_cgroup_read_stats(cg, &stats, err);

	return r < 0 ? r : print_event("stats", id, &stats, err);
}

/* What the loop below watches. */
struct watch {
	const struct hoy_state *state;
	const struct hoy_cgroup *cg;
	uint64_t kills;       /* already told */
	unsigned int recheck; /* the kernel wakes us before it has counted the kill: look again that often */
};

static int tell_kills(struct watch *w, struct hoy_err *err)
{
	uint64_t now;

	if (hoy_cgroup_oom_kills(w->cg, &now, NULL) < 0 || now == w->kills)
		return 0;
	w->kills = now;
	w->recheck = 0;
	return print_event("oom", w->state->id, NULL, err);
}

static int watch(const struct hoy_state *state, const struct hoy_cgroup *cg, int64_t interval_ns, struct hoy_err *err)
{
	auto_fd int pidfd = hoy_state_pidfd(state), oom = hoy_cgroup_oom_open(cg, NULL);
	int interval = (int) MIN(interval_ns / 1000000, (int64_t) INT_MAX);
	struct watch w = { .state = state, .cg = cg };

	(void) hoy_cgroup_oom_kills(cg, &w.kills, NULL);
	for (;;) {
		struct pollfd p[] = { { .fd = pidfd, .events = POLLIN }, { .fd = oom, .events = POLLIN } };
		int n = poll(p, ARRAY_LEN(p), w.recheck ? MIN(interval, RECHECK_MS) : interval);
		bool ended = n > 0 && p[0].revents;
		int r;

		if (n < 0 && errno != EINTR)
			return hoy_err_sys(err, "poll");
		if (n > 0 && p[1].revents) {
			hoy_cgroup_oom_drain(oom);
			w.recheck = RECHECKS;
		}
		r = tell_kills(&w, err);
		if (r == 0 && n == 0 && !w.recheck)
			r = print_stats(cg, state->id, err);
		if (r < 0 || ended)
			return r;
		if (w.recheck && n == 0)
			w.recheck--;
	}
}

static int events_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	const struct events_values *v = values;
	int64_t interval = DEFAULT_INTERVAL_NS;
	int r = hoy_state_load(g->root, args[0], false, &state, err);

	if (r < 0)
		return r;
	if (v->interval && (hoy_str_to_duration(v->interval, &interval) < 0 || interval <= 0))
		return hoy_err_invalid(err, "duration interval must be greater than 0");
	if (hoy_state_status(&state) == HOY_STATUS_STOPPED)
		return hoy_err_conflict(err, TEXT_EVENTS_STOPPED, args[0]);
	if (!state.cgroup)
		return hoy_err_unsupported(err, "container '%s' has no cgroup of its own", args[0]);
	r = hoy_cgroup_from_string(state.cgroup, &cg, err);
	if (r < 0)
		return r;
	return v->stats ? print_stats(cg, args[0], err) : watch(&state, cg, interval, err);
}

const struct hoy_command hoy_cmd_events = {
	.name = "events",
	.args = "CONTAINER",
	.summary = "Show statistics and out-of-memory events as JSON lines",
	.min_args = 1,
	.max_args = 1,
	.options = events_options,
	.n_options = ARRAY_LEN(events_options),
	.options_size = sizeof(struct events_values),
	.run = events_run,
};
