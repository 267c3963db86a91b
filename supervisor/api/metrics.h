/* What Prometheus reads from metrics-addr: counted and timed here, written as text. */
#ifndef HOY_API_METRICS_H
#define HOY_API_METRICS_H

#include <stdint.h>

#include "base/buf.h"

struct hoy_api;
struct hoy_api_request;

#define HOY_METRIC_BUCKETS 11

/* How long one kind of action took: buckets as dockerd has them. Zeroed to begin with. */
struct hoy_metric_times {
	uint64_t in_bucket[HOY_METRIC_BUCKETS]; /* the others were longer */
	uint64_t n, ns;
};

enum { HOY_METRIC_ACTIONS = 12 };

struct hoy_api_metrics {
	struct hoy_metric_times actions[HOY_METRIC_ACTIONS];
};

/* A request was answered with success after `ns`. */
void hoy_api_metrics_observe(struct hoy_api *api, const struct hoy_api_request *rq, uint64_t ns);

/* Prometheus' text format, version 0.0.4. */
void hoy_api_metrics_print(struct hoy_api *api, struct hoy_buf *out);

/* One histogram; `labels` is `action="start"`. */
void hoy_metric_times_add(struct hoy_metric_times *times, uint64_t ns);
void hoy_metric_times_print(
	const struct hoy_metric_times *times, const char *name, const char *labels, struct hoy_buf *out);

#endif
