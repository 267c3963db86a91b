/* From the resources of a config to limits and device rules of base/cgroup. */
#ifndef HOY_RUNTIME_APPLY_CGROUP_H
#define HOY_RUNTIME_APPLY_CGROUP_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_cgroup;
struct hoy_oci_resources;

/* Device rules first (no moment in which a device is open), then all limits. `resources` may be NULL: the default
 * device rules alone. `devices` false: leave devices alone. */
int hoy_apply_resources(
	struct hoy_cgroup *cg, const struct hoy_oci_resources *resources, bool devices, struct hoy_err *err);

/* Limits alone, for `update`. */
int hoy_apply_limits(struct hoy_cgroup *cg, const struct hoy_oci_resources *resources, struct hoy_err *err);

#endif
