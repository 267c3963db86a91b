/* Mounts of a container that exists, added and removed by a child that goes into its namespaces. */
#ifndef HOY_RUNTIME_LIVE_MOUNTS_H
#define HOY_RUNTIME_LIVE_MOUNTS_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_oci_spec;
struct hoy_state;

/* `spec` is the container's config with other mounts: all of them are made, in order, or none; bind sources are the
 * host's. To remove them only their destinations count, the last one first. */
int hoy_container_mounts(
	const struct hoy_state *state, const struct hoy_oci_spec *spec, bool remove, struct hoy_err *err);

#endif
