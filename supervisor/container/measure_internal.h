/* Shared by measure.c and top.c. */
#ifndef HOY_CONTAINER_MEASURE_INTERNAL_H
#define HOY_CONTAINER_MEASURE_INTERNAL_H

#include "supervisor/container/internal.h"
#include "supervisor/container/measure.h"

/* The cgroup of a running container's first process. */
int hoy_container_cgroup(const struct hoy_container *c, struct hoy_cgroup **ret, struct hoy_err *err);

#endif
