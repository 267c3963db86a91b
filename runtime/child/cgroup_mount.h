/* The container's view of its cgroups. */
#ifndef HOY_RUNTIME_CGROUP_MOUNT_H
#define HOY_RUNTIME_CGROUP_MOUNT_H

#include "base/err.h"

struct hoy_child;
struct hoy_plan_mount;

/* Pure v2: the tree below the container's group. Otherwise a tmpfs with one directory per hierarchy, as hosts have it.
 */
int hoy_child_mount_cgroup(struct hoy_child *c, const struct hoy_plan_mount *mount, struct hoy_err *err);

#endif
