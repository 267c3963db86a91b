/* What a running container uses, and which processes it has. */
#ifndef HOY_CONTAINER_MEASURE_H
#define HOY_CONTAINER_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cgroup/cgroup.h"
#include "base/err.h"
#include "supervisor/container/container.h"

struct hoy_interface_stats {
	char name[16];
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct hoy_container_sample {
	struct timespec time; /* 0: the container does not run */
	struct hoy_cgroup_stats cgroup;
	uint64_t system_ns; /* of all CPUs of the host together */
	unsigned int online_cpus;
	uint64_t memory_limit; /* the host's memory when there is none */
	struct hoy_interface_stats *interfaces;
	size_t n_interfaces;
};
/* Reads files of the kernel, some ten; a container that does not run is no error. */
int hoy_container_measure(
	struct hoy_containers *containers, const char *ref, struct hoy_container_sample *ret, struct hoy_err *err);
void hoy_container_sample_done(struct hoy_container_sample *sample);

/* ps, run with `ps_args` ("" is "-ef"), cut down to the container's processes. */
struct hoy_container_top {
	char **titles;
	char ***rows; /* NULL-terminated, each as long as `titles` */
};
typedef void (*hoy_container_topped)(void *userdata, const struct hoy_err *err, const struct hoy_container_top *top);
int hoy_container_top(struct hoy_containers *containers, const char *ref, const char *ps_args,
	hoy_container_topped done, void *userdata, struct hoy_err *err);

/* Separated for its test: *ret is filled from what ps has printed. */
int hoy_container_top_parse(
	const char *output, const pid_t *pids, size_t n_pids, struct hoy_container_top *ret, struct hoy_err *err);
void hoy_container_top_done(struct hoy_container_top *top);

#endif
