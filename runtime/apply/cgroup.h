/* From the resources of a config to limits and device rules of base/cgroup. */
#ifndef HOY_RUNTIME_APPLY_CGROUP_H
#define HOY_RUNTIME_APPLY_CGROUP_H

#include <stdbool.h>

#include "base/cgroup/cgroup.h"
#include "base/err.h"

struct hoy_oci_resources;

/* Device rules first (no moment in which a device is open), then all limits. `resources` may be NULL: the default
 * device rules alone. `devices` false: leave devices alone. */
int hoy_apply_resources(
	struct hoy_cgroup *cg, const struct hoy_oci_resources *resources, bool devices, struct hoy_err *err);

/* The device rules of `resources` (may be NULL) with what every container may use behind them; heap. */
int hoy_device_rules_make(
	const struct hoy_oci_resources *resources, struct hoy_cgroup_device **ret, size_t *ret_n, struct hoy_err *err);

/* The limits of `resources` (borrowed: it must live as long) in the shape of base/cgroup. */
struct hoy_limits {
	struct hoy_cgroup_limits limits;
	/* owned arrays that `limits` points into */
	struct hoy_cgroup_weight_device *weights;
	struct hoy_cgroup_throttle *throttles[4];
	struct hoy_cgroup_hugepage *hugepages;
	struct hoy_cgroup_net_priority *priorities;
	struct hoy_cgroup_rdma *rdma;
	struct hoy_cgroup_unified *unified;
};
int hoy_limits_make(const struct hoy_oci_resources *resources, struct hoy_limits *ret, struct hoy_err *err);
void hoy_limits_done(struct hoy_limits *limits);

/* Limits alone, for `update`. */
int hoy_apply_limits(struct hoy_cgroup *cg, const struct hoy_oci_resources *resources, struct hoy_err *err);

#endif
