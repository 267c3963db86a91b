/* GET /containers/{id}/stats and /containers/{id}/top. */
#include "supervisor/container/measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/str.h"
#include "supervisor/api/container_streams.h"
#include "supervisor/api/internal.h"

#define INTERVAL_NS 1000000000ULL

/* --- the object -------------------------------------------------------------------------------------------------- */

static void encode_pids(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	hoy_json_object(w, "pids_stats");
	if (s->pids.current) {
		hoy_json_add_u64(w, "current", s->pids.current);
		hoy_json_add_u64(w, "limit", s->pids.limit);
	}
	hoy_json_end(w);
}

static void encode_io_entry(struct hoy_json_writer *w, const struct hoy_cgroup_io *io, const char *op, uint64_t value)
{
	hoy_json_object(w, NULL);
	hoy_json_add_u64(w, "major", io->major);
	hoy_json_add_u64(w, "minor", io->minor);
	hoy_json_add_string(w, "op", op);
	hoy_json_add_u64(w, "value", value);
	hoy_json_end(w);
}

static void encode_io(struct hoy_json_writer *w, const struct hoy_cgroup_stats *s)
{
	static const char *const others[] = { "io_queue_recursive", "io_service_time_recursive",
		"io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive" };

	hoy_json_object(w, "blkio_stats");
	if (s->io.n_devices == 0) {
		hoy_json_add_null(w, "io_service_bytes_recursive");
		hoy_json_add_null(w, "io_serviced_recursive");
	} else {
		hoy_json_array(w, "io_service_bytes_recursive");
		for (size_t i = 0; i < s->io.n_devices; i++) {
			encode_io_entry(
				w, &s->io.devices[i], s->unified ? "read" : "Read", s->io.devices[i].read_bytes);
			encode_io_entry(
				w, &s->io.devices[i], s->unified ? "write" : "Write", s->io.devices[i].write_bytes);
		}
		hoy_json_end(w);
		if (s->unified) {
			hoy_json_add_null(w, "io_serviced_recursive");
		} else {
			hoy_json_array(w, "io_serviced_recursive");
			for (size_t i = 0; i < s->io.n_devices; i++) {
				encode_io_entry(w, &s->io.devices[i], "Read", s->io.devices[i].read_ios);
				encode_io_entry(w, &s->io.devices[i], "Write", s->io.devices[i].write_ios);
			}
			hoy_json_end(w);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		hoy_json_add_null(w, others[i]);
	hoy_json_end(w);
}

static void encode_cpu(struct hoy_json_writer *w, const char *key, const struct hoy_container_sample *sample)
{
	const struct hoy_cgroup_stats *s = &sample->cgroup;

	hoy_json_object(w, key);
	hoy_json_object(w, "cpu_usage");
	hoy_json_add_u64(w, "total_usage", s->cpu.total_ns);
	if (s->cpu.n_percpu > 0) {
		hoy_json_array(w, "percpu_usage");
		for (size_t i = 0; i < s->cpu.n_percpu; i++)
			hoy_json_add_u64(w, NULL, s->cpu.percpu_ns[i]);
		hoy_json_end(w);
	}
	hoy_json_add_u64(w, "usage_in_kernelmode", s->cpu.system_ns);
	hoy_json_add_u64(w, "usage_in_usermode", s->cpu.user_ns);
	hoy_json_end(w);
	if (sample->time.tv_sec) {
		hoy_json_add_u64(w, "system_cpu_usage", sample->system_ns);
		hoy_json_add_u64(w, "online_cpus", sample->online_cpus);
	}
	hoy_json_object(w, "throttling_data");
	hoy_json_add_u64(w, "periods", s->cpu.periods);
	hoy_json_add_u64(w, "throttled_periods", s->cpu.throttled_periods);
	hoy_json_add_u64(w, "throttled_time", s->cpu.throttled_ns);
	hoy_json_end(w);
	hoy_json_end(w);
}

static void encode_memory(struct hoy_json_writer *w, const struct hoy_container_sample *sample)
{
	const struct hoy_cgroup_stats *s = &sample->cgroup;

	hoy_json_object(w, "memory_stats");
	if (sample->time.tv_sec) {
		hoy_json_add_u64(w, "usage", s->memory.usage.usage);
		if (!s->unified) {
			hoy_json_add_u64(w, "max_usage", s->memory.usage.max);
			if (s->memory.usage.failcnt)
				hoy_json_add_u64(w, "failcnt", s->memory.usage.failcnt);
		}
		hoy_json_object(w, "stats");
		for (size_t i = 0; i < s->memory.n_stat; i++)
			hoy_json_add_u64(w, s->memory.stat[i].name, s->memory.stat[i].value);
		hoy_json_end(w);
		hoy_json_add_u64(w, "limit", sample->memory_limit);
	}
	hoy_json_end(w);
}

static void encode_networks(struct hoy_json_writer *w, const struct hoy_container_sample *sample)
{
	if (sample->n_interfaces == 0)
		return;
	hoy_json_object(w, "networks");
	for (size_t i = 0; i < sample->n_interfaces; i++) {
		const struct hoy_interface_stats *s = &sample->interfaces[i];

		hoy_json_object(w, s->name);
		hoy_json_add_u64(w, "rx_bytes", s->rx_bytes);
		hoy_json_add_u64(w, "rx_packets", s->rx_packets);
		hoy_json_add_u64(w, "rx_errors", s->rx_errors);
		hoy_json_add_u64(w, "rx_dropped", s->rx_dropped);
		hoy_json_add_u64(w, "tx_bytes", s->tx_bytes);
		hoy_json_add_u64(w, "tx_packets", s->tx_packets);
		hoy_json_add_u64(w, "tx_errors", s->tx_errors);
		hoy_json_add_u64(w, "tx_dropped", s->tx_dropped);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static void encode(struct hoy_buf *buf, const struct hoy_container_info *c, const struct hoy_container_sample *now,
	const struct hoy_container_sample *before)
{
	auto_free char *name = hoy_str_printf("/%s", c->name);
	struct hoy_json_writer w = { .buf = buf };

	hoy_json_object(&w, NULL);
	hoy_api_add_time(&w, "read", &now->time);
	hoy_api_add_time(&w, "preread", &before->time);
	encode_pids(&w, &now->cgroup);
	encode_io(&w, &now->cgroup);
	hoy_json_add_i64(&w, "num_procs", 0);
	hoy_json_object(&w, "storage_stats");
	hoy_json_end(&w);
	encode_cpu(&w, "cpu_stats", now);
	encode_cpu(&w, "precpu_stats", before);
	encode_memory(&w, now);
	hoy_json_add_string(&w, "name", name);
	hoy_json_add_string(&w, "id", c->id);
	encode_networks(&w, now);
	hoy_json_end(&w);
	(void) hoy_buf_addc(buf, '\n');
}

/* --- the stream -------------------------------------------------------------------------------------------------- */

struct stats {
	struct hoy_api *api;
	struct hoy_http_exchange *x;
	char *id;
	bool stream, one_shot;
	struct hoy_source *timer;
	struct hoy_container_sample before;
	bool has_before;
};

static void stats_free(struct stats *s)
{
	free(s->id);
	hoy_source_free(s->timer);
	hoy_container_sample_done(&s->before);
	free(s);
}

static void on_gone(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	stats_free(userdata);
}

static void end(struct stats *s)
{
	hoy_http_stream_end(s->x);
	stats_free(s);
}

/* One sample; sent unless it only serves as the one before. False: that was all. */
static bool turn(struct stats *s)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	auto_(hoy_container_sample_done) struct hoy_container_sample now = { 0 };
	const struct hoy_container_info *c;

	if (hoy_containers_find(s->api->o.containers, s->id, &c, NULL) < 0 ||
		hoy_container_measure(s->api->o.containers, s->id, &now, NULL) < 0)
		return false;
	if (s->stream || s->one_shot || s->has_before || !now.time.tv_sec) {
		encode(&buf, c, &now, &s->before);
		if (hoy_buf_check(&buf, "answer", NULL) < 0 || hoy_http_stream_write(s->x, buf.data, buf.len) < 0 ||
			!s->stream)
			return false;
	}
	hoy_container_sample_done(&s->before);
	s->before = now;
	now = (struct hoy_container_sample){ 0 };
	s->has_before = true;
	return true;
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct stats *s = userdata;

	if (!turn(s)) {
		end(s);
		return;
	}
	hoy_source_set_timer(source, INTERVAL_NS);
}

int hoy_api_container_stats(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_container_info *c;
	struct stats *s;
	int r = hoy_containers_find(rq->api->o.containers, rq->name, &c, err);

	if (r < 0)
		return r;
	s = calloc(1, sizeof *s);
	if (!s || !(s->id = strdup(c->id))) {
		free(s);
		return hoy_err_oom(err);
	}
	s->api = rq->api;
	s->x = rq->x;
	s->stream = hoy_uri_query_bool(&rq->uri, "stream", true);
	s->one_shot = hoy_uri_query_bool(&rq->uri, "one-shot", false);
	if (s->stream && s->one_shot)
		r = hoy_err_invalid(err, "cannot have stream=true and one-shot=true");
	if (r >= 0)
		r = hoy_loop_timer(rq->api->o.loop, &s->timer, INTERVAL_NS, on_timer, s, err);
	if (r >= 0)
		r = hoy_http_stream_begin(rq->x, 200, "application/json", on_gone, s, err);
	if (r < 0) {
		stats_free(s);
		return r;
	}
	if (!turn(s))
		end(s);
	return 0;
}

/* --- top ------------------------------------------------------------------------------------------------------- */

static void on_topped(void *userdata, const struct hoy_err *err, const struct hoy_container_top *top)
{
	struct hoy_api_request *rq = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (err) {
		hoy_api_reply_error(rq, err);
		return;
	}
	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "Processes");
	for (size_t i = 0; top->rows && top->rows[i]; i++)
		hoy_json_add_strv(&w, NULL, top->rows[i]);
	hoy_json_end(&w);
	hoy_api_add_strings(&w, "Titles", top->titles);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
}

int hoy_api_container_top(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_container_top(
		rq->api->o.containers, rq->name, hoy_uri_query(&rq->uri, "ps_args"), on_topped, rq, err);
}
